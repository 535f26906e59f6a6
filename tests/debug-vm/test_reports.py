# SPDX-License-Identifier: GPL-2.0
"""What the debug kernel's checks find fails the run: each of them is made to find something."""

import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts/guest"))

import environment  # noqa: E402
import verdict  # noqa: E402
from machine import Machine  # noqa: E402

GUEST = Path(environment.setup("debug")["GUEST"])
LKDTM = "modprobe lkdtm; echo {} >/sys/kernel/debug/provoke-crash/DIRECT; true"


@pytest.fixture
def boot(tmp_path):
    def run(job):
        return Machine(GUEST, environment.cache(), [job], timeout=600, **environment.DEBUG_MACHINE).run(tmp_path / "out")

    return run


def _log(run):
    return (run.out / "dmesg.log").read_text(errors="replace")


def test_nothing_found(boot):
    """Neither at boot nor by the scan for leaks, which has run."""
    run = boot("modprobe nf_conntrack; modprobe veth")
    assert run.ok, run.problems
    assert (run.out / "kmemleak.log").read_text() == ""
    said = (run.out / "debug-end.log").read_text()
    assert "debug_locks:" in said and "pool_used" in said


def test_use_after_free(boot):
    run = boot(LKDTM.format("READ_AFTER_FREE"))
    assert any("the kernel complained" in problem for problem in run.problems), run.problems
    report = "\n".join(verdict.report(_log(run)))
    assert "KASAN: " in report and "use-after-free" in report


def test_leak(boot):
    """The kernel's own example of a module that forgets what it allocated."""
    run = boot("modprobe kmemleak-test; rmmod kmemleak_test")
    assert any("kmemleak" in problem for problem in run.problems), run.problems
    assert "unreferenced object" in (run.out / "kmemleak.log").read_text()


def test_lockdep(boot):
    """Its words, though not from itself."""
    run = boot("echo '<4>WARNING: possible recursive locking detected' >/dev/kmsg")
    assert any("possible recursive locking" in problem for problem in run.problems), run.problems
