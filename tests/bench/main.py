# SPDX-License-Identifier: GPL-2.0
"""Counts the instructions of our helpers and of the kernel's own ones; part of tests/bench/run.

  --check         exit code 1 unless every goal is met
  --modules DIR   measures the modules in DIR instead of those just built
  --trace CASE    shows which functions the instructions of one case are in; no report
"""

import argparse
import json
import shlex
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
from machine import Machine  # noqa: E402
from payload import Payload  # noqa: E402

HERE = TOP / "tests/bench"
OUT = TOP / "build/bench"


class CountingMachine(Machine):
    """Its time stamp counter counts instructions, and nothing else makes time pass."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.accel = "tcg"

    def _command(self, *arguments):
        return [*super()._command(*arguments), "-icount", "shift=0,sleep=off"]


def in_guest(guest, modules, arguments):
    """Runs guest/bench.py; returns what it found."""
    payload = Payload()
    payload.add(HERE / "guest", "/bench")
    payload.add(HERE / "cases.py", "/bench/cases.py")
    machine = CountingMachine(guest, environment.cache(), ["python3", "/bench/bench.py", *arguments], payload=payload,
                              modules=[*modules, OUT / "module/helper_bench.ko"])
    run = machine.run(environment.new_output("bench"), terminal=sys.stdout.buffer)
    if not run.ok:
        sys.exit("\n".join(f"bench: {problem}" for problem in run.problems) + f"\nbench: logs in {run.out}")
    return json.loads((run.out / "bench.json").read_text())


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
    pairs = {name: [folder / f"ip_{half}_{name}.ko" for half in ("conntrack", "nat")] for name in cases.PORTS}
    # A helper is there if both its halves are.
    ours = [name for name, pair in pairs.items() if all(module.exists() for module in pair)]
    modules = [module for name in ours for module in pairs[name]]
    OUT.mkdir(parents=True, exist_ok=True)
    if options.trace:
        found = in_guest(guest, modules, ["--trace", options.trace, *ours])
        (OUT / "trace.json").write_text(json.dumps(found))
        show_trace(found)
        return
    found = in_guest(guest, modules, ours)
    found |= {"kernel": release, "text": textsize.pairs(folder, guest / "modules", cases.PORTS)}
    found["goals"] = goals.all_of(found)
    (OUT / "bench.json").write_text(json.dumps(found, indent=1) + "\n")
    (OUT / "bench.md").write_text(report.markdown(found))
    plot.draw(found, OUT / "bench.svg")
    print(report.terminal(found))
    print(f"bench.json, bench.md and bench.svg are in {OUT.relative_to(TOP)}")
    if options.check and any(goal["state"] != "met" for goal in found["goals"]):
        sys.exit(1)


main()
