# SPDX-License-Identifier: GPL-2.0
"""Memory that cannot be had, on purpose: the kernel's failslab (Documentation/fault-injection)."""

import bisect
import contextlib
import functools
import os
from pathlib import Path

import shell

FOLDER = Path("/sys/kernel/debug/failslab")
PLENTY = 1_000_000
PAGE = 4096


def available():
    return FOLDER.is_dir()


class Faults:
    """While this lasts allocations fail that are asked for from within the code of a module, or from
    within a function of the kernel, however deep below it; `most` of them, and none before so many bytes
    were `spared`. `injected` says how many did in the end."""

    def __init__(self, where, most=1, spared=0):
        self.where, self.most, self.spared = where, most, spared

    def __enter__(self):
        _within(self.where)
        for name, value in {"times": self.most, "space": self.spared, "interval": 1, "probability": 100}.items():
            _write(name, value)
        return self

    def __exit__(self, *_):
        self.injected = self.count()
        _end()
        shell.log.info("failslab: %d allocations of %s failed", self.injected, self.where)

    def count(self):
        return self.most - int((FOLDER / "times").read_text())


@contextlib.contextmanager
def nth_of_this_task(number, where):
    """The `number`th allocation of this task in `where` fails; gives a function that says whether it
    has."""
    _within(where)
    # Opened beforehand: that needs memory, too.
    left = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
    try:
        os.pwrite(left, b"%d" % number, 0)
        yield lambda: int(os.pread(left, 20, 0)) == 0
    finally:
        os.pwrite(left, b"0", 0)
        os.close(left)
        _end()


def _within(where):
    start, end = _text_of(where)
    for name, value in {"task-filter": "N", "ignore-gfp-wait": "N", "cache-filter": "N", "verbose": 0, "space": 0,
                        "require-start": start, "require-end": end, "stacktrace-depth": 32}.items():
        _write(name, value)


def _end():
    for name, value in {"probability": 0, "times": 0, "require-start": 0, "require-end": 2 ** 64 - 1}.items():
        _write(name, value)


def _write(name, value):
    (FOLDER / name).write_text(f"{value}\n")


def _text_of(where):
    sections = Path("/sys/module", where, "sections/.text")
    if sections.exists():
        return _text_of_module(where, sections.read_text())
    return _text_of_function(where)


@functools.lru_cache
def _text_of_module(module, _loaded_at):
    """Where its code lies, which has its pages for itself."""
    code = [address for address, _, of in _symbols() if of == f"[{module}]"]
    return min(code), (max(code) | PAGE - 1) + 1


@functools.lru_cache
def _text_of_function(function):
    symbols = sorted(_symbols())
    start = next(address for address, name, _ in symbols if name == function)
    return start, symbols[bisect.bisect_right(symbols, (start, "\x7f"))][0]


def _symbols():
    """Address, name and module of each function."""
    for line in Path("/proc/kallsyms").read_text().splitlines():
        address, kind, name, *module = line.split()
        if kind in "tT":
            yield int(address, 16), name, "".join(module)
