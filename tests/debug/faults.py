# SPDX-License-Identifier: GPL-2.0
"""Memory that cannot be had, on purpose: the kernel's failslab (Documentation/fault-injection)."""

import contextlib
import os
from pathlib import Path

import shell

FOLDER = Path("/sys/kernel/debug/failslab")
PLENTY = 1_000_000
PAGE = 4096


def available():
    return FOLDER.is_dir()


class Faults:
    """Allocations that fail while this lasts: one in `interval` of those asked for from within a
    module's code, however deep below it. `injected` says how many did."""

    def __init__(self, module, interval=1, most=PLENTY):
        self.module, self.interval, self.most = module, interval, most

    def __enter__(self):
        start, end = _text_of(self.module)
        for name, value in {"task-filter": "N", "ignore-gfp-wait": "N", "cache-filter": "N", "verbose": 0, "space": 0,
                            "require-start": start, "require-end": end, "reject-start": 0, "reject-end": 0,
                            "stacktrace-depth": 32, "interval": self.interval, "times": self.most,
                            "probability": 100}.items():
            (FOLDER / name).write_text(f"{value}\n")
        return self

    def __exit__(self, *_):
        self.injected = self.count()
        for name in ("probability", "times", "require-start"):
            (FOLDER / name).write_text("0\n")
        (FOLDER / "require-end").write_text(f"{2 ** 64 - 1}\n")
        shell.log.info("failslab: %d allocations of %s failed", self.injected, self.module)

    def count(self):
        return self.most - int((FOLDER / "times").read_text())


def _text_of(module):
    """Where its code lies, which has its pages for itself."""
    symbols = (line.split() for line in Path("/proc/kallsyms").read_text().splitlines() if line.endswith(f"[{module}]"))
    code = [int(address, 16) for address, kind, *_ in symbols if kind in "tT"]
    assert code, f"{module} is not loaded"
    return min(code), (max(code) | PAGE - 1) + 1


@contextlib.contextmanager
def nth_of_this_task(number):
    """The next `number`th allocation of this task fails; gives a function that says whether it has."""
    (FOLDER / "ignore-gfp-wait").write_text("N\n")
    # Opened beforehand: that needs memory, too.
    left = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
    try:
        os.pwrite(left, b"%d" % number, 0)
        yield lambda: int(os.pread(left, 20, 0)) == 0
    finally:
        os.pwrite(left, b"0", 0)
        os.close(left)
