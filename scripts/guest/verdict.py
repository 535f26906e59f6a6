# SPDX-License-Identifier: GPL-2.0
"""Decides whether a run of the guest went as it should. Everything that did not is a failure.

The guest speaks through a virtio-serial port used for nothing else, one JSON object a line:
    {"test": "name", "outcome": "passed"|"failed"|"skipped", …}    as each test ends
    {"end": {"collected": N, "passed": N, "failed": N, "skipped": N}}    after the last test
    {"exit": N}    from the guest's process 1, when the job has ended and before power-off
"""

import json
import re

# What the kernel prints when something is wrong with it.
BAD = re.compile(
    r"\bOops\b|BUG:|\bbug at\b|kernel BUG|WARNING:(?! See )|Call Trace|cut here|Kernel panic|general protection|"
    r"unable to handle|hung task|blocked for more than|soft lockup|hard LOCKUP|rcu: INFO:|self-detected stall|detected stalls|kthread starved|"
    r"refcount_t|unregister_netdevice|scheduling while atomic|sleeping function called|suspicious RCU|"
    r"UBSAN|KASAN|KFENCE|kmemleak|possible (circular|recursive) locking|inconsistent lock state|list_(add|del) corruption|"
    r"possible (irq )?lock|bad unlock balance|held lock freed|(still|returning).{,20} locks? (still )?held|invalid wait context|ODEBUG|"
    r"stack-protector|Out of memory|page allocation failure|segfault at|traps: |guest init:",
    re.IGNORECASE,
)
# What a debug kernel says of its own checks as it boots.
ANNOUNCED = re.compile(r"KernelAddressSanitizer initialized|Kernel memory leak detector initialized|kmemleak: Automatic memory scanning|"
                       r"ODEBUG: selftest passed")
# A known fault of QEMU's TCG with several virtual processors while kernel text is patched.
FALSE_INT3 = re.compile(r"Oops: int3")


def bad_lines(text):
    """Lines of a kernel log that no sound run has. (The command line itself speaks of panics.)"""
    return [line.strip() for line in text.splitlines() if _is_bad(line)]


def report(text, lines=60):
    """The kernel's first report as it stands in its log, with some lines of what follows."""
    log = text.splitlines()
    first = next((number for number, line in enumerate(log) if _is_bad(line)), len(log))
    return log[first:first + lines]


def _is_bad(line):
    return BAD.search(line) and "ommand line" not in line and not ANNOUNCED.search(line)


def parse(raw):
    """The objects of the verdict channel, and what is wrong with its form."""
    lines, problems = [], []
    if raw and not raw.endswith(b"\n"):
        problems.append("the verdict channel ends in the middle of a line")
    for line in raw.decode(errors="replace").splitlines():
        try:
            item = json.loads(line)
        except ValueError:
            item = None
        if isinstance(item, dict):
            lines.append(item)
        else:
            problems.append(f"the verdict channel carries something else: {line[:120]!r}")
    return lines, problems


def judge(raw, kernel_log, shutdown, timed_out, tests):
    """All reasons why what this run says cannot be trusted, or why its job failed.

    `shutdown` is QEMU's reason for the end (None: QEMU ended by itself). With `tests` the job was
    to run tests: then tests that failed are for the caller to count and not among the reasons.
    """
    lines, problems = parse(raw)
    if timed_out:
        problems.append(f"the guest did not end within {timed_out} s and was stopped")
    elif shutdown != "guest-shutdown":
        problems.append(f"the guest did not power off by itself (end of the machine: {shutdown or 'QEMU ended'})")
    bad = bad_lines(kernel_log)
    if bad:
        problems.append("the kernel complained: " + bad[0])

    exits = [line["exit"] for line in lines if "exit" in line]
    if len(exits) != 1 or "exit" not in lines[-1] or not isinstance(exits[0], int):
        problems.append("the guest did not report the job's exit code")
    elif tests:
        problems += _judge_exit(exits[0], outcomes(lines)["failed"])
    elif exits[0] != 0:
        problems.append(f"the job ended with exit code {exits[0]}")
    if tests:
        problems += _judge_tests(lines)
    return problems


def outcomes(lines):
    """How many tests ended in each way, by the lines of the tests themselves."""
    ends = [line.get("outcome") for line in lines if "test" in line]
    return {outcome: ends.count(outcome) for outcome in ("passed", "failed", "skipped")}


def _judge_exit(code, failed):
    # pytest's codes: 0 all passed, 1 some failed; the rest mean that it did not get that far.
    expected = 1 if failed else 0
    return [] if code == expected else [f"the tests ended with exit code {code} instead of {expected}"]


def _judge_tests(lines):
    ends = [line["end"] for line in lines if "end" in line]
    results = [line for line in lines if "test" in line]
    if len(ends) != 1:
        return [f"{len(ends)} END lines instead of one: the tests did not run to their end"]
    end, problems = ends[0], []
    if any("test" in line for line in lines[lines.index({"end": end}):]):
        problems.append("tests were reported after the END line")
    for outcome, seen in outcomes(lines).items():
        if seen != end.get(outcome):
            problems.append(f"END says {end.get(outcome)} {outcome}, but {seen} were reported")
    if len(results) != end.get("collected"):
        problems.append(f"{end.get('collected')} tests were collected, but {len(results)} reported")
    if len({line["test"] for line in results}) != len(results):
        problems.append("a test was reported twice")
    if not end.get("passed") and not end.get("failed"):
        problems.append("no test ran")
    return problems
