# SPDX-License-Identifier: GPL-2.0
"""The measurements as tables."""

import cases
import goals
import lengths


def _cells(found, case, place):
    """Stock, ours, their ratio, the goal and whether it is met, as text."""
    stock, ours = found["stock"][case.name][place], (found["ours"].get(case.name) or {}).get(place)
    if ours is None:
        return [f"{stock['median']:,}", "missing", "", "", "missing"]
    ratio, limit = goals.ratio(found, case, place), goals.ratio_limit(case)
    state = "" if limit is None else "met" if ratio <= limit else "not met"
    wrong = stock["wrong"] or ours["wrong"]
    return [f"{stock['median']:,}", f"{ours['median']:,}", f"{ratio:.2f}", "" if limit is None else f"≤ {limit:.2f}",
            f"WRONG: {wrong}" if wrong else state]


def table(head, rows, right):
    """A Markdown table that can be read as it is; `right` has the numbers of the columns to align so."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(row):
        cells = [cell.rjust(width) if column in right else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        return "| " + " | ".join(cells) + " |\n"

    rule = ["-" * (width - 1) + (":" if column in right else "-") for column, width in enumerate(widths)]
    return line(head) + line(rule) + "".join(map(line, rows))


def _calls(found):
    rows = [[case.name, place, *_cells(found, case, place)] for case in cases.CASES for place in case.places]
    return table(["call of the helper", "payload", "stock", "ours", "ratio", "goal", ""], rows, {2, 3, 4, 5})


def short(found):
    """The table of docs/performance.md: IPv4, and the two places that matter; a cross where a goal is not met."""
    rows = []
    for case in cases.CASES:
        name, _, version = case.name.rpartition(", ")
        if version != "IPv4" or case.name not in found["ours"]:
            continue
        row = [name]
        for place in ("linear", "fragment"):
            stock, ours, ratio, _, state = _cells(found, case, place)
            row += [stock, ours, ratio + (" ✗" if state == "not met" else "")]
        rows.append(row)
    head = ["", "linear: stock", "ours", "ratio", "fragment: stock", "ours", "ratio"]
    return table(head, rows, {1, 2, 3, 4, 5, 6})


def _hooks(found):
    rows = []
    for name, counts in found.get("hooks", {}).items():
        ours = [str(counts[key] - counts["without"]) for key in ("one", "all")]
        rows.append([name, *ours, str(counts.get("rule", ""))])
    head = ["automatic assignment", "one helper", "four helpers", "instead: attaching it from a rule's template"]
    return table(head, rows, {1, 2, 3}) if rows else ""


def by_length(found):
    """Instructions of one packet that is full of something."""
    rows = []
    for name, measured in found["lengths"].items():
        for who, counts in measured.items():
            cells = [counts] if isinstance(counts, str) else [f"{count:,}" for count in counts.values()]
            rows.append([name, who, *cells, *[""] * (len(lengths.LENGTHS) - len(cells))])
    head = ["a packet full of, in bytes", "", *(f"{length:,}" for length in lengths.LENGTHS)]
    return table(head, rows, set(range(2, len(head))))


def _text(found):
    rows = []
    for name, sizes in found["text"].items():
        ours = sizes["ours"]
        rows.append([name, f"{sizes['stock']:,}", f"{ours:,}" if ours else "missing",
                     f"{ours / sizes['stock']:.2f}" if ours and sizes["stock"] else ""])
    return table(["bytes of code of both halves", "stock", "ours", "ratio"], rows, {1, 2, 3})


def _goals(found):
    states = [goal["state"] for goal in found["goals"]]
    lines = [f"{states.count('met')} of {len(states)} goals met."]
    for goal in found["goals"]:
        if goal["state"] == "not met":
            lines.append(f"- not met: {goal['what']} is {goal['value']:.2f}, goal {goal['limit']:.2f}")
        elif goal["state"] != "met":
            lines.append(f"- {goal['state']}: {goal['what']}")
    return "\n".join(lines) + "\n"


def terminal(found):
    return f"\nInstructions on {found['kernel']}\n\n" + "\n".join(
        part for part in (_calls(found), by_length(found), _hooks(found), _text(found), _goals(found)) if part)


def markdown(found):
    return f"# Benchmark on {found['kernel']}\n\nInstructions of one call, medians.\n\n" + "\n".join(
        part for part in (_calls(found), by_length(found), _hooks(found), _text(found), _goals(found)) if part)
