# SPDX-License-Identifier: GPL-2.0
"""What the helpers are to reach, against the kernel's own in the same run.

Kinds of cases:
    quiet      nothing is announced
    announced  something is, and is expected
    framework  TFTP's request, which is nearly all the work of the expectation framework
    floor      TFTP's data, where the kernel's own helper is at the floor of a call already
    extra      measured for information only
"""

import cases
import lengths
import textsize

# Of the kernel's own helper's instructions, wherever the payload lies.
QUIET, OTHERS = 0.35, 1.0
# Bytes of code of all modules for the first four protocols: 60 % of what they had before they shared it.
TEXT = 44_220
# Instructions of automatic assignment for a packet of an established connection, however many helpers.
HOOK = 35
# Of a packet full of announcements, in any length, to the kernel's own helper, which looks at the first
# only: ours looks at 8, but tries no more ports.
LENGTHS, LENGTHS_TAKEN = 10.0, 1.5


def ratio_limit(case):
    """The largest ratio of our instructions to the kernel's own; None if there is no goal."""
    return {"quiet": QUIET, "extra": None}.get(case.kind, OTHERS)


def _goal(of, what, value, limit):
    state = "missing" if value is None else "met" if value <= limit else "not met"
    return {"of": of, "what": what, "value": value, "limit": limit, "state": state}


def ratio(found, case, place):
    """Ours to stock; None if ours is not there."""
    ours = found["ours"].get(case.name)
    return ours and ours[place]["median"] / found["stock"][case.name][place]["median"]


def _length_goals(curve, measured):
    wrong = [result for result in measured.values() if isinstance(result, str)]
    if wrong:
        return [{**_goal("lengths", what, None, None), "state": "wrong"} for what in wrong]
    limit = LENGTHS_TAKEN if curve.taken else LENGTHS
    if not curve.announces:
        return []
    if "ours" not in measured:
        return [_goal("lengths", curve.name, None, limit)]
    return [_goal("lengths", f"{curve.name}, {length} bytes: ours / stock", ours / measured["stock"][length], limit)
            for length, ours in measured["ours"].items()]


def all_of(found):
    """Each goal with its state: met, not met, missing, or wrong, where a helper did not do what it should."""
    goals = []
    for case in cases.CASES:
        for place in case.places:
            limit = ratio_limit(case)
            if limit is not None:
                what = f"{case.name}, {place}: ours / stock"
                goals.append(_goal("instructions", what, ratio(found, case, place), limit))
        for who in ("stock", "ours"):
            for place, result in (found[who].get(case.name) or {}).items():
                if result["wrong"]:
                    what = f"{case.name}, {place}: {who} {result['wrong']}"
                    goals.append({**_goal("instructions", what, None, None), "state": "wrong"})
    for curve in lengths.CURVES:
        goals += _length_goals(curve, found["lengths"][curve.name])
    total = found["text"][textsize.TOGETHER]["ours"]
    goals.append(_goal("text", "text of all modules together, bytes", total or None, TEXT))
    for case in cases.HOOKS:
        counts = found.get("hooks", {}).get(case.name)
        for key in ("one", "all") if case.what == "hook" and not case.is_new else ():
            value = counts and counts[key] - counts["without"]
            goals.append(_goal("hook", f"{case.name}, {key}: instructions", value, HOOK))
    return goals
