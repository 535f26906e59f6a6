# SPDX-License-Identifier: GPL-2.0
"""The ratios as a picture."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot  # noqa: E402

import cases  # noqa: E402
import goals  # noqa: E402

COLOURS = {"linear": "#1f6f8b", "fragment": "#e07a3f"}
WHERE = {"linear": "payload behind the headers", "fragment": "payload in a page fragment"}


def draw(found, path):
    """One row for each case that both have; bars to the left of the line are faster than stock."""
    # The same input gives the same file.
    matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 8})
    shown = [case for case in cases.CASES if case.kind != "extra" and case.name in found["ours"]]
    figure, axes = pyplot.subplots(figsize=(8, 0.8 + 0.27 * len(shown)))
    for shift, (place, colour) in zip((-0.2, 0.2), COLOURS.items()):
        rows = [row + shift for row in range(len(shown))]
        axes.barh(rows, [goals.ratio(found, case, place) for case in shown], 0.38, color=colour, label=WHERE[place])
        limits = [goals.ratio_limit(case, place) for case in shown]
        axes.plot(limits, rows, "|", color="black", markersize=6, label="goal" if place == "fragment" else None)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [case.name for case in shown])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.margins(y=0.01)
    axes.set_xlabel("instructions of our helper / of the kernel's own (1: as many)")
    axes.legend(loc="lower right")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
