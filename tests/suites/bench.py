# SPDX-License-Identifier: GPL-2.0
"""The benchmark, as a test: no packet that has a goal takes our helpers more instructions than the
kernel's own ones, and one that is full of announcements not many times as many, however long it is. It
counts instructions, so a busy machine makes no difference."""

import json
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def run(options, out):
    """Returns (passed, failed)."""
    out.mkdir(parents=True)
    modules = ["--modules", options.modules.resolve()] if options.modules else []
    single = _measure(out, "bench", *modules)
    passed, failed = compare(single["goals"]) if single else (0, 1)
    sessions = _measure(out, "more", "more", "--only", "sessions", *modules)
    return passed + bool(sessions), failed + (not sessions)


def _measure(out, name, *words):
    """What was measured; None if it broke off, whose output is then shown."""
    log = out / f"{name}.log"
    with log.open("wb") as file:
        code = subprocess.run([TOP / "tests/bench/run", *words], stdin=subprocess.DEVNULL, stdout=file,
                              stderr=subprocess.STDOUT).returncode
    if code == 0:
        return json.loads((TOP / f"build/bench/{name}.json").read_text())
    print(log.read_text(errors="replace"), f"FAILED  the benchmark ended with exit code {code}", sep="\n", flush=True)
    return None


def compare(goals):
    """(passed, failed)."""
    broken = [goal for goal in goals if goal["state"] in ("wrong", "missing")]
    calls = [goal for goal in goals if goal["of"] == "instructions" and goal["value"] is not None]
    slow = [goal for goal in calls if goal["value"] > 1]
    lengths = [goal for goal in goals if goal["of"] == "lengths" and goal["value"] is not None]
    slow += [goal for goal in lengths if goal["state"] != "met"]
    for goal in broken + slow:
        print(f"FAILED  {goal['what']}: {goal['value'] or goal['state']}", flush=True)
    return len(calls) + len(lengths) - len(slow), len(broken) + len(slow)
