# SPDX-License-Identifier: GPL-2.0
"""Measures what instructions of single calls do not show; part of tests/bench/run.

  scaling      one thread and two at once, on two CPUs and two connections
  sessions     whole sessions through a router

  --only NAME    one of them
  --modules DIR  measures the modules in DIR instead of those just built
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts/guest"))

import environment  # noqa: E402
import report  # noqa: E402
from guests import OUT, TOP, SessionMachine, TwoCPUs, our_pairs, run_in  # noqa: E402

CALLS = {"control": "function that uses only its connection's memory", "stock": "stock helper", "ours": "our helper"}
TOGETHER, ENOUGH = 0.1, 20
SESSIONS = {"ftp": "FTP: command and reply", "tftp": "TFTP: transfer of one block"}


def spread(values, digits=2):
    """The median, and between which two the middle half is."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def scaling(found):
    rows = []
    for case, measured in found.items():
        for who, rounds in measured.items():
            # Those in which the two began together, and so ran together.
            true = [(one, two) for one, *both, gap in rounds if gap < one * TOGETHER for two in both]
            if len(true) < ENOUGH:
                sys.exit(f"bench: the host is too busy to let two virtual CPUs run at once: {case}, {who}")
            one, two = (statistics.median(times) for times in zip(*true))
            rows.append([case, CALLS[who], f"{one:,.0f}", f"{two:,.0f}", spread([b / a for a, b in true]),
                         f"{len(true) // 2} of {len(rounds)}"])
    head = ["packet", "call", "one thread, ns", "two, ns", "two / one", "rounds"]
    return report.table(head, rows, {2, 3, 4, 5})


def sessions(found):
    rows = []
    for name, measured in found.items():
        for way, results in measured.items():
            ratios = [result / none for result, none in zip(results, measured["none"])]
            rows.append([SESSIONS[name], way, f"{statistics.median(results):,.0f}", spread(ratios, 3)])
    return report.table(["session", "helper", "per 10⁹ instructions", "of those without helper"], rows, {2, 3})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("scaling", "sessions"))
    parser.add_argument("--modules", type=Path)
    options = parser.parse_args()
    only = options.only
    guest = environment.guest()
    release = (guest / "release").read_text().strip()
    _, modules = our_pairs(options.modules or TOP / "build" / release)
    found, text = {"kernel": release}, ""
    for name, machine, table in (("scaling", TwoCPUs, scaling), ("sessions", SessionMachine, sessions)):
        if only in (None, name):
            found[name] = run_in(machine, guest, modules, [f"{name}.py"])
            (OUT / "more.json").write_text(json.dumps(found) + "\n")
            text += table(found[name]) + "\n"
    text += "Medians, and between which two the middle half of the rounds is.\n"
    (OUT / "more.md").write_text(f"# Scaling and sessions on {release}\n\n{text}")
    print(f"\n{text}\nmore.json and more.md are in {OUT.relative_to(TOP)}")


main()
