# SPDX-License-Identifier: GPL-2.0
"""What our modules show to the administrator: counters in debugfs, and lines in the kernel's log."""

import contextlib
import re
from pathlib import Path

import shell

DEBUGFS = Path("/sys/kernel/debug")
LINE = re.compile(r"(ip_\w+): (\S+) -> (\S+): (.+)")


def mount():
    if not DEBUGFS.is_mount():
        shell.run(["mount", "-t", "debugfs", "debugfs", DEBUGFS])


@contextlib.contextmanager
def log_of_all_namespaces():
    """net.netfilter.nf_log_all_netns is 1; gives its file."""
    setting = Path("/proc/sys/net/netfilter/nf_log_all_netns")
    before = setting.read_text()
    setting.write_text("1")
    yield setting
    setting.write_text(before)


def folder(half, protocol):
    return DEBUGFS / f"ip_{half}_{protocol}"


def read(protocol):
    """All counters of both halves that are not 0; those of the NAT half begin with "nat."."""
    found = {}
    for half, prefix in (("conntrack", ""), ("nat", "nat.")):
        for file in sorted(folder(half, protocol).glob("*")):
            found[prefix + file.name] = int(file.read_text())
    assert found, f"ip_conntrack_{protocol} shows no counters"
    shell.log.info("counters of %s: %s", protocol, found)
    return {name: count for name, count in found.items() if count}


def lines(kernel_log):
    """What was said of control connections: (module, client, server, what)."""
    return [match.groups() for match in map(LINE.fullmatch, kernel_log.lines()) if match]
