# SPDX-License-Identifier: GPL-2.0
"""Counts the instructions of our helpers and of the kernel's own ones; part of tests/bench/run.

  --check         exit code 1 unless every goal is met
  --modules DIR   measures the modules in DIR instead of those just built
  --trace CASE    shows which functions the instructions of one case are in; no report
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts/guest"))

import cases  # noqa: E402
import environment  # noqa: E402
import goals  # noqa: E402
import plot  # noqa: E402
import report  # noqa: E402
import textsize  # noqa: E402
from guests import OUT, CountingMachine, our_pairs, run_in  # noqa: E402


def show_trace(found):
    for who, measured in found.items():
        for case, places in measured.items():
            for place, profile in places.items():
                names = subprocess.run(["c++filt"], input="\n".join(profile["functions"]), text=True, check=True,
                                       stdout=subprocess.PIPE).stdout.splitlines()
                print(f"\n{case}, {place}, {who}: {len(profile['steps'])} instructions, those of the bench included")
                for name, (count, entries) in sorted(zip(names, profile["functions"].values()), key=lambda x: -x[1][0]):
                    print(f"{count:8} {entries:5}x  {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--modules", type=Path)
    parser.add_argument("--trace", choices=[case.name for case in cases.CASES], metavar="CASE")
    options = parser.parse_args()
    guest = environment.guest()
    release = (guest / "release").read_text().strip()
    folder = options.modules or TOP / "build" / release
    ours, modules = our_pairs(folder)
    OUT.mkdir(parents=True, exist_ok=True)

    def in_guest(*arguments):
        return run_in(CountingMachine, guest, modules, ["bench.py", *arguments, *ours])

    if options.trace:
        found = in_guest("--trace", options.trace)
        (OUT / "trace.json").write_text(json.dumps(found))
        show_trace(found)
        return
    found = in_guest()
    # The names of a JSON object are text.
    found["lengths"] = {name: {who: counts if isinstance(counts, str) else {int(length): count
                                                                            for length, count in counts.items()}
                               for who, counts in measured.items()} for name, measured in found["lengths"].items()}
    found |= {"kernel": release, "text": textsize.pairs(folder, guest / "modules", cases.PORTS)}
    found["goals"] = goals.all_of(found)
    (OUT / "bench.json").write_text(json.dumps(found, indent=1) + "\n")
    (OUT / "bench.md").write_text(report.markdown(found))
    (OUT / "short.md").write_text(report.short(found))
    plot.draw(found, OUT / "bench.svg")
    plot.draw_lengths(found, OUT / "lengths.svg")
    print(report.terminal(found))
    print(f"bench.json, bench.md, bench.svg and lengths.svg are in {OUT.relative_to(TOP)}")
    if options.check and any(goal["state"] != "met" for goal in found["goals"]):
        sys.exit(1)


main()
