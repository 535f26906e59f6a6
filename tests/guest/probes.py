# SPDX-License-Identifier: GPL-2.0
"""Probes at the beginning of the kernel's functions, by way of tracefs."""

import contextlib
from pathlib import Path

import shell

TRACING = Path("/sys/kernel/tracing")


def are_there():
    """Whether this kernel has probes at all."""
    if TRACING.is_dir() and not (TRACING / "trace").exists():
        shell.run(["mount", "-t", "tracefs", "tracefs", TRACING])
    return (TRACING / "kprobe_events").exists()


@contextlib.contextmanager
def probe(name, function, arguments=""):
    """Calls of the function are written into the trace meanwhile."""
    _write("trace", "")
    _write("kprobe_events", f"p:{name} {function} {arguments}\n")
    _write(f"events/kprobes/{name}/enable", "1")
    try:
        yield
    finally:
        _write(f"events/kprobes/{name}/enable", "0")
        _write("kprobe_events", "")


@contextlib.contextmanager
def calls(function):
    """Yields a function that returns how often `function` was called meanwhile."""
    with probe("called", function):
        yield lambda: sum(int(words.split()[1]) for words in read("kprobe_profile").splitlines() if "called" in words)


def read(name):
    return (TRACING / name).read_text()


def _write(name, text):
    shell.log.info("guest# echo '%s' > %s", text.strip(), TRACING / name)
    (TRACING / name).write_text(text)
