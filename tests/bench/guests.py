# SPDX-License-Identifier: GPL-2.0
"""The guests in which is measured."""

import json
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts/guest"))

import cases  # noqa: E402
import environment  # noqa: E402
from machine import Machine  # noqa: E402
from payload import Payload  # noqa: E402

HERE = TOP / "tests/bench"
OUT = TOP / "build/bench"


class CountingMachine(Machine):
    """Its clocks count instructions, one each nanosecond, and nothing else makes time pass."""

    SLEEP = "off"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.accel = "tcg"

    def _command(self, *arguments):
        return [*super()._command(*arguments), "-icount", f"shift=0,sleep={self.SLEEP}"]


class SessionMachine(CountingMachine):
    """The same, but while it waits for a disk time is real: programs give up after a time."""

    SLEEP = "on"


class TwoCPUs(Machine):
    """Two virtual CPUs which run at once, and real time."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options, smp=2)


def our_pairs(folder):
    """The helpers that we have both halves of in `folder`; all our modules."""
    pairs = {name: [folder / f"ip_{half}_{name}.ko" for half in ("conntrack", "nat")] for name in cases.PORTS}
    ours = [name for name, pair in pairs.items() if all(module.exists() for module in pair)]
    return ours, sorted(folder.glob("ip_*.ko"))


def run_in(kind, guest, modules, words):
    """Runs a program of guest/; returns what it left in /out/bench.json."""
    payload = Payload()
    payload.add(HERE / "guest", "/bench")
    for name in ("cases.py", "lengths.py"):
        payload.add(HERE / name, f"/bench/{name}")
    for name in ("topology.py", "shell.py"):
        payload.add(TOP / "tests/guest" / name, f"/bench/{name}")
    machine = kind(guest, environment.cache(), ["python3", f"/bench/{words[0]}", *words[1:]], payload=payload,
                   modules=[*modules, OUT / "module/helper_bench.ko"])
    run = machine.run(environment.new_output("bench"), terminal=sys.stdout.buffer)
    if not run.ok:
        sys.exit("\n".join(f"bench: {problem}" for problem in run.problems) + f"\nbench: logs in {run.out}")
    return json.loads((run.out / "bench.json").read_text())
