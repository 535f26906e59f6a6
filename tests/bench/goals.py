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

RATIO = {
    "quiet": {"linear": 0.35, "fragment": 1.0, "shared": 1.0},
    "announced": {"linear": 0.75, "fragment": 0.75, "shared": 0.75},
    "framework": {"linear": 1.0, "fragment": 1.0, "shared": 1.0},
    "floor": {"linear": 1.0, "fragment": 1.0, "shared": 1.0},
}
# The kernel's own helper for FTP linearises.
FTP_FRAGMENT = 0.2
FRAGMENT_TO_LINEAR = 1.3
TEXT = 1.0
# Instructions of automatic assignment for a packet of an established connection, however many helpers.
HOOK = 35
# Of a packet full of announcements, in any length, to the kernel's own helper, which looks at the first
# only: ours looks at 8, but tries no more ports.
LENGTHS, LENGTHS_TAKEN = 10.0, 1.5


def ratio_limit(case, place):
    """The largest ratio of our instructions to the kernel's own; None if there is no goal."""
    if case.helper == "ftp" and case.kind == "quiet" and place == "fragment":
        return FTP_FRAGMENT
    return RATIO.get(case.kind, {}).get(place)


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
            limit = ratio_limit(case, place)
            if limit is not None:
                what = f"{case.name}, {place}: ours / stock"
                goals.append(_goal("instructions", what, ratio(found, case, place), limit))
        ours = found["ours"].get(case.name)
        if case.kind != "extra":
            value = ours and ours["fragment"]["median"] / ours["linear"]["median"]
            goals.append(_goal("fragment", f"{case.name}: fragment / linear", value, FRAGMENT_TO_LINEAR))
        for who in ("stock", "ours"):
            for place, result in (found[who].get(case.name) or {}).items():
                if result["wrong"]:
                    what = f"{case.name}, {place}: {who} {result['wrong']}"
                    goals.append({**_goal("instructions", what, None, None), "state": "wrong"})
    for curve in lengths.CURVES:
        goals += _length_goals(curve, found["lengths"][curve.name])
    for name, sizes in found["text"].items():
        if sizes["stock"]:
            value = sizes["ours"] and sizes["ours"] / sizes["stock"]
            goals.append(_goal("text", f"{name}: text, ours / stock", value, TEXT))
    for case in cases.HOOKS:
        counts = found.get("hooks", {}).get(case.name)
        for key in ("one", "all") if case.what == "hook" and not case.is_new else ():
            value = counts and counts[key] - counts["without"]
            goals.append(_goal("hook", f"{case.name}, {key}: instructions", value, HOOK))
    return goals
