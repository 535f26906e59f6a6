# SPDX-License-Identifier: GPL-2.0
"""Nothing but a good run may read as one: judged on paper, and by guests that really go wrong."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "scripts/guest"), str(TOP / "tests/guest")]

import environment  # noqa: E402
import verdict  # noqa: E402
from machine import Machine  # noqa: E402
from payload import Payload  # noqa: E402
from shell import wait_for  # noqa: E402

PASSED, FAILED = {"test": "a", "outcome": "passed"}, {"test": "b", "outcome": "failed"}


def end(collected, passed=0, failed=0, skipped=0):
    return {"end": {"collected": collected, "passed": passed, "failed": failed, "skipped": skipped}}


def judge(*lines, log="", shutdown="guest-shutdown", timed_out=None, raw=None):
    said = raw if raw is not None else "".join(json.dumps(line) + "\n" for line in lines).encode()
    return verdict.judge(said, log, shutdown, timed_out, tests=True)


GOOD = (PASSED, end(1, 1), {"exit": 0})


def test_good_run():
    assert judge(*GOOD) == []


def test_failed_tests_are_counted_not_mistrusted():
    assert judge(PASSED, FAILED, end(2, 1, 1), {"exit": 1}) == []
    assert verdict.outcomes([PASSED, FAILED])["failed"] == 1


@pytest.mark.parametrize("lines", [
    (), (PASSED,), (PASSED, {"exit": 0}), (PASSED, end(1, 1)), (end(0), {"exit": 0}), (end(1, 1), {"exit": 0}),
    (PASSED, PASSED, end(2, 2), {"exit": 0}), (PASSED, end(2, 2), {"exit": 0}), (PASSED, end(2, 1), {"exit": 0}),
    (PASSED, end(1, 1), {"exit": 1}), (PASSED, FAILED, end(2, 1, 1), {"exit": 0}),
    (PASSED, end(1, 1), FAILED, {"exit": 0}), (PASSED, end(1, 1), end(1, 1), {"exit": 0}),
    (PASSED, end(1, 1), {"exit": 0}, PASSED), ({"test": "c", "outcome": "skipped"}, end(1, skipped=1), {"exit": 0}),
], ids=lambda lines: " ".join(next(iter(line)) for line in lines) or "nothing")
def test_incomplete_or_contradictory(lines):
    assert judge(*lines)


def test_channel_with_anything_else():
    good = "".join(json.dumps(line) + "\n" for line in GOOD).encode()
    assert judge(raw=good) == []
    assert judge(raw=good[:-1])
    assert judge(raw=b"oops\n" + good)


@pytest.mark.parametrize("shutdown", [None, "guest-reset", "guest-panic", "host-signal", "host-qmp-quit"])
def test_other_ends(shutdown):
    assert judge(*GOOD, shutdown=shutdown)


def test_timeout():
    assert judge(*GOOD, timed_out=5)


@pytest.mark.parametrize("line", [
    "BUG: unable to handle page fault for address: 0000", "Oops: Oops: 0000 [#1] SMP", "Kernel panic - not syncing: x",
    "WARNING: CPU: 0 PID: 1 at net/x.c:1 f+0x1/0x2", "Call Trace:", "------------[ cut here ]------------",
    "INFO: task rmmod:12 blocked for more than 40 seconds.", "rcu: INFO: rcu_preempt self-detected stall on CPU",
    "unregister_netdevice: waiting for lo to become free. Usage count = 2", "refcount_t: underflow; use-after-free.",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 26s!", "rust_kernel: panicked at x.rs:1: kernel BUG at y",
    "BUG: scheduling while atomic: nc/12/0x00000101", "list_add corruption. prev->next should be next",
    "general protection fault, probably for non-canonical address", "vsftpd[12]: segfault at 0 ip 0 sp 0",
    "BUG: KASAN: slab-use-after-free in f+0x1/0x2", "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "WARNING: possible recursive locking detected", "WARNING: possible irq lock inversion dependency detected",
    "WARNING: inconsistent lock state", "WARNING: bad unlock balance detected!", "WARNING: suspicious RCU usage",
    "BUG: sleeping function called from invalid context at mm/slub.c:1", "WARNING: lock held when returning to user space!",
    "ODEBUG: free active (active state 0) object: x object type: timer_list hint: y", "BUG: Invalid wait context",
])
def test_kernel_complaints(line):
    assert judge(*GOOD, log=f"[    1.0] {line}\n")


def test_harmless_kernel_messages():
    assert judge(*GOOD, log="[ 0.1] Kernel command line: oops=panic hung_task_panic=1\n[ 0.2] RCU CPU stall warnings "
                            "timeout set to 60 (rcu_cpu_stall_timeout).\n[ 3.0] ip_conntrack_ftp: loaded\n"
                            "[ 0.0] kasan: KernelAddressSanitizer initialized (generic)\n"
                            "[ 0.1] kmemleak: Kernel memory leak detector initialized (mem pool available: 30000)\n") == []


def test_report_is_quoted_whole():
    log = "[ 1.0] all is well\n[ 2.0] BUG: KASAN: slab-use-after-free in f\n[ 2.0] Read of size 8\n"
    assert verdict.report(log) == log.splitlines()[1:]
    assert verdict.report("[ 1.0] all is well\n") == []


@pytest.fixture(scope="module")
def boot(tmp_path_factory):
    guest = environment.guest()

    def run(job, timeout=60, tests=False, payload=None):
        out = tmp_path_factory.mktemp("vm") / "out"
        return Machine(guest, environment.cache(), [job], timeout=timeout, tests=tests, payload=payload).run(out)

    return run


CHANNEL = "/dev/virtio-ports/verdict"


def test_guest_that_works(boot):
    run = boot("echo hello; touch /out/kept")
    assert run.ok, run.problems
    assert "hello" in (run.out / "job.log").read_text()
    assert (run.out / "kept").exists()


def test_files_are_waited_for(boot):
    """However slowly the host takes them in: the guest does not end before."""
    run = boot("seq 2000000 >/out/numbers")
    assert run.ok, run.problems
    assert (run.out / "numbers").read_text().endswith("\n2000000\n")


def test_job_that_fails(boot):
    assert boot("exit 3").problems == ["the job ended with exit code 3"]


def test_job_without_tests(boot):
    assert any("END" in problem for problem in boot("true", tests=True).problems)


KILLED = """
import sys
sys.path.insert(0, {scripts!r})
import environment
from machine import Machine
Machine(environment.guest(), environment.cache(), ["echo up; sleep 600"]).run({out!r})
"""


def _machines(out):
    """Those whose files are in this folder."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes() if process.name.isdigit() else b""
            if command.startswith(b"qemu") and bytes(out) in command:
                found.append(process.name)
    return found


def test_killed(tmp_path):
    """A run that is killed takes its guest with it."""
    out = tmp_path / "out"
    code = KILLED.format(scripts=str(TOP / "scripts/guest"), out=str(out))
    with subprocess.Popen([sys.executable, "-B", "-c", code]) as run:
        wait_for("the guest", lambda: (out / "job.log").exists() and b"up" in (out / "job.log").read_bytes(), 60)
        assert _machines(out)
        run.kill()
    wait_for("its end", lambda: not _machines(out), 60)


def test_early_power_off(boot):
    """The machine goes down in good order, only too early, after all tests have "passed"."""
    run = boot(f"echo '{json.dumps(PASSED)}' >{CHANNEL}; echo '{json.dumps(end(1, 1))}' >{CHANNEL}; "
               "busybox poweroff -f", tests=True)
    assert run.problems == ["the guest did not report the job's exit code"]


def test_reset(boot):
    assert any("power off by itself" in problem for problem in boot("busybox reboot -f").problems)


def test_crash(boot):
    """A real oops, which also ends the machine."""
    run = boot("echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 30")
    assert any("the kernel complained" in problem for problem in run.problems)
    assert any("power off by itself" in problem for problem in run.problems)


def test_kernel_warning(boot):
    """The job ends well, but the kernel has said something in between."""
    run = boot("echo '<4>WARNING: CPU: 0 PID: 1 at net/test.c:1' >/dev/kmsg; true")
    assert run.problems and all("the kernel complained" in problem for problem in run.problems)


def test_hang(boot):
    run = boot("sleep 1000", timeout=9)
    assert any("did not end within 9 s" in problem for problem in run.problems)


SCENARIOS = """
def test_good():
    pass

def test_bad():
    assert False

def test_kernel_complains():
    with open("/dev/kmsg", "w") as log:
        log.write("<4>something is not as it should be\\n")

def test_does_not_end():
    while True:
        pass
"""


def test_scenarios_that_fail(boot):
    """The guest's own tests: what fails, or hangs, or makes the kernel complain, is counted as failed."""
    payload = Payload()
    payload.add(TOP / "tests/guest", "/tests")
    payload.add_text(SCENARIOS, "/tests/test_scenarios.py")
    run = boot("cd /tests && python3 -m pytest --timeout 5 -o timeout_func_only=true test_scenarios.py", tests=True, payload=payload)
    outcomes = {line["test"].split("::")[-1]: line["outcome"] for line in run.results if "test" in line}
    assert outcomes == {"test_good": "passed", "test_bad": "failed", "test_kernel_complains": "failed",
                        "test_does_not_end": "failed"}
    assert run.problems == [] and not run.ok
