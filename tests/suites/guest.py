# SPDX-License-Identifier: GPL-2.0
"""The scenarios in the guest: one guest for a selection, two side by side for all of them; on the
stock kernel or on the debug kernel."""

import os
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import environment
import verdict
from machine import Machine
from payload import Payload

TOP = Path(__file__).resolve().parents[2]
GUESTS = 2
TIMEOUT = 1800
# The debug kernel is slow.
DEBUG_TIMEOUT, DEBUG_PATIENCE = 5400, 6
# Of the scenarios that run on every kernel, what the debug kernel runs unless told otherwise: transfers of
# each protocol by real programs, and all that loads, unloads, queues, overflows, puts together or rewrites.
DEBUG_PART = ("debug or unload or assign_load or counters or crowd or pickup or split or packets or sessions or "
              "amanda_nat or irc_transfer or tftp_transfer or nat_transfer or failover")
_print_lock = threading.Lock()


def run(options, out):
    """Returns (passed, failed)."""
    setup = environment.setup("debug" if options.debug else "guest")
    if options.stock:
        modules = []
    elif options.modules:
        modules = sorted(options.modules.glob("ip_*.ko"))
    else:
        modules = build(setup)
    if modules is None:
        return 0, 1
    pattern = options.pattern or (DEBUG_PART if options.debug and not options.all else None)
    return run_all(setup, modules, options, out, pattern, options.guests or (1 if options.pattern else GUESTS))


def run_all(setup, modules, options, out, pattern, guests, timeout=None):
    """Runs the scenarios that match in so many guests."""
    runs = [None] * guests

    def one(number):
        runs[number] = _run_guest(setup, modules, options, out / f"guest{number}", pattern, number, guests, timeout)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(guests)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed, failed = zip(*map(count, runs))
    return sum(passed), sum(failed)


def count(run):
    """(passed, failed) of one guest; that something was wrong with the run itself is one failure."""
    if run is None:
        return 0, 1
    for problem in run.problems:
        _say(f"FAILED        the guest run itself: {problem}\n              logs: {run.out}")
    log = run.out / "dmesg.log"
    if run.problems and log.exists():
        _say("".join(f"    | {line}\n" for line in verdict.report(log.read_text(errors="replace"))))
    return run.outcomes["passed"], run.outcomes["failed"] + bool(run.problems)


def build(setup):
    """Our modules for the guest's kernel, up to date; None if they cannot be built."""
    made = subprocess.run([TOP / "scripts/kbuild", "modules"], env={**os.environ, "KDIR": setup["KDIR"]},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        sys.stdout.write(made.stdout)
        _say("FAILED        the modules cannot be built")
        return None
    return environment.our_modules(Path(setup["GUEST"]))


def _run_guest(setup, modules, options, out, pattern, number, guests, timeout):
    payload = Payload()
    payload.add(TOP / "tests/guest", "/tests")
    payload.add(TOP / "docs/failover", "/tests/docs/failover")
    environment.add_modprobe_conf(payload)
    settings, limits = [f"HELPER={'stock' if options.stock else 'ours'}"], {"timeout": TIMEOUT}
    if options.debug:
        payload.add(TOP / "tests/debug", "/tests/debug")
        payload.add(TOP / "tests/fuzz/corpus", "/tests/debug/corpus")
        settings += [f"PATIENCE={DEBUG_PATIENCE}"]
        settings += [f"{name}={os.environ[name]}" for name in ("PACKETS", "TIMES", "SEED") if name in os.environ]
        # A hundred hostile packets take half a second.
        longer = int(os.environ.get("PACKETS", 0)) // 100
        limits = {"timeout": timeout or DEBUG_TIMEOUT + longer, **environment.DEBUG_MACHINE}
    job = ["env", *settings, "python3", "-m", "pytest", "--rootdir=/tests", "-c", "/tests/pytest.ini", "/tests"]
    job += [f"--shard={number}/{guests}"]
    job += ["-k", pattern] if pattern else []
    machine = Machine(setup["GUEST"], environment.cache(), [shlex.join(job)], payload=payload, modules=modules,
                      smp=options.smp, tests=True, **limits)
    run = machine.run(out, on_result=_show, say=_say)
    if not run.results:
        _say((run.out / "job.log").read_text(errors="replace"))
    return run


def _show(result):
    if "test" not in result:
        return
    name = result["test"].removeprefix("tests/")
    _say(f"{result['outcome'].upper() if result['outcome'] == 'failed' else result['outcome']:7}"
         f"{result['seconds']:5.1f} s {name}")
    if result["outcome"] == "failed":
        _say("".join(f"    | {line}\n" for line in result["text"].splitlines()))


def _say(text):
    with _print_lock:
        print(text, flush=True)
