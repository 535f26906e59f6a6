# SPDX-License-Identifier: GPL-2.0
"""What a helper looks like at the moment when the kernel is told of it, read by a probe at the beginning of
nf_conntrack_helper_register; where its fields are says the kernel's own type information."""

import contextlib
import re
from pathlib import Path

import shell

TRACING = Path("/sys/kernel/tracing")
NUMBERS = ("destroy", "to_nlattr", "nfproto", "l4proto", "expect_class_max", "flags", "queue_num", "data_len")
TEXTS = ("name", "nat_mod_name")


def can_be_seen():
    """Whether this kernel has probes at all."""
    if TRACING.is_dir() and not (TRACING / "trace").exists():
        shell.run(["mount", "-t", "tracefs", "tracefs", TRACING])
    return (TRACING / "kprobe_events").exists()


@contextlib.contextmanager
def registrations():
    """Yields a function that returns the helpers that were registered meanwhile, a dictionary for each."""
    shell.run("modprobe nf_conntrack")
    fields = [f"{name}=me->{name}" for name in NUMBERS] + [f"{name}=me->{name}:string" for name in TEXTS]
    _write("trace", "")
    _write("kprobe_events", f"p:registered nf_conntrack_helper_register {' '.join(fields)}\n")
    _write("events/kprobes/registered/enable", "1")
    try:
        yield _registered
    finally:
        _write("events/kprobes/registered/enable", "0")
        _write("kprobe_events", "")


def _registered():
    lines = [line for line in (TRACING / "trace").read_text().splitlines() if " registered: " in line]
    for line in lines:
        shell.log.info("trace: %s", line)
    return [{name: text or int(number, 0) for name, text, number in re.findall(r'(\w+)=(?:"([^"]*)"|(\w+))', line)}
            for line in lines]


def _write(name, text):
    shell.log.info("guest# echo '%s' > %s", text.strip(), TRACING / name)
    (TRACING / name).write_text(text)
