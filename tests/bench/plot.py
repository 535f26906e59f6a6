# SPDX-License-Identifier: GPL-2.0
"""The measurements as pictures: ratios, and instructions over the length of a packet."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot  # noqa: E402

import cases  # noqa: E402
import goals  # noqa: E402
import lengths  # noqa: E402

COLOURS = {"linear": "#1f6f8b", "fragment": "#e07a3f"}
KINDS = ("#888888", "#1f6f8b", "#7b4fa3", "#e07a3f")
# The same input gives the same file.
matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 8})
WHERE = {"linear": "payload behind the headers", "fragment": "payload in a page fragment"}


def draw(found, path):
    """One row for each case that both have; bars to the left of the line are faster than stock."""
    shown = [case for case in cases.CASES if case.kind != "extra" and case.name in found["ours"]]
    figure, axes = pyplot.subplots(figsize=(8, 0.8 + 0.27 * len(shown)))
    for shift, (place, colour) in zip((-0.2, 0.2), COLOURS.items()):
        rows = [row + shift for row in range(len(shown))]
        axes.barh(rows, [goals.ratio(found, case, place) for case in shown], 0.38, color=colour, label=WHERE[place])
        limits = [goals.ratio_limit(case) for case in shown]
        axes.plot(limits, rows, "|", color="black", markersize=6, label="goal" if place == "fragment" else None)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [case.name for case in shown])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.margins(y=0.01)
    axes.set_xlabel("instructions of our helper / of the kernel's own (1: as many)")
    axes.legend(loc="lower right")
    _save(figure, path)


def draw_lengths(found, path):
    """A picture for each helper; a line for each kind of packet, broken for the kernel's own helper."""
    figure, pictures = pyplot.subplots(1, 2, figsize=(9, 4.2), sharey=True)
    for axes, helper in zip(pictures, ("ftp", "irc")):
        # NAT makes no difference to what is of no interest.
        shown = [curve for curve in lengths.CURVES if curve.helper == helper and (curve.announces or not curve.nat)]
        for curve, colour in zip(shown, KINDS):
            for who, style in (("ours", "-"), ("stock", "--")):
                counts = found["lengths"][curve.name].get(who)
                if isinstance(counts, dict):
                    axes.loglog(list(counts), list(counts.values()), style, color=colour, linewidth=1.2,
                                label=curve.name if who == "ours" else None)
        axes.set_xticks(lengths.LENGTHS, [f"{length / 1024:.0f}" if length > 2000 else "1.4"
                                          for length in lengths.LENGTHS])
        axes.minorticks_off()
        axes.set_xlabel("length of the packet's payload, KB")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), title="full of (broken: the kernel's own helper)")
    pictures[0].set_ylabel("instructions")
    _save(figure, path)


def _save(figure, path):
    for axes in figure.axes:
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})
