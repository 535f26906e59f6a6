# SPDX-License-Identifier: GPL-2.0
"""What a helper looks like at the moment when the kernel is told of it, read by a probe at the beginning of
nf_conntrack_helper_register; where its fields are says the kernel's own type information."""

import contextlib
import re

import probes
import shell

NUMBERS = ("destroy", "to_nlattr", "nfproto", "l4proto", "expect_class_max", "flags", "queue_num", "data_len")
TEXTS = ("name", "nat_mod_name")


@contextlib.contextmanager
def registrations():
    """Yields a function that returns the helpers that were registered meanwhile, a dictionary for each."""
    shell.run("modprobe nf_conntrack")
    fields = [f"{name}=me->{name}" for name in NUMBERS] + [f"{name}=me->{name}:string" for name in TEXTS]
    with probes.probe("registered", "nf_conntrack_helper_register", " ".join(fields)):
        yield _registered


def _registered():
    lines = [line for line in probes.read("trace").splitlines() if " registered: " in line]
    for line in lines:
        shell.log.info("trace: %s", line)
    return [{name: text or int(number, 0) for name, text, number in re.findall(r'(\w+)=(?:"([^"]*)"|(\w+))', line)}
            for line in lines]
