# SPDX-License-Identifier: GPL-2.0
"""The ports that the NAT half tries."""

import contextlib
from pathlib import Path

EXPECT_MAX = Path("/proc/sys/net/netfilter/nf_conntrack_expect_max")
# For all announcements of a packet, beside the port that each asks for.
TRIES = 128


def candidates(wanted):
    """All that come into question for an announcement without privileges, in their order."""
    port, first, count = wanted, 1024, 65536 - 1024
    found = {}
    for attempt in range(1 + TRIES):
        found[port] = None
        port = first + ((port - first + attempt * attempt + 1) & 0xFFFF) % count
    return list(found)


@contextlib.contextmanager
def room_for_all():
    """All candidates can be expected, and more."""
    before = EXPECT_MAX.read_text()
    EXPECT_MAX.write_text("1000")
    yield
    EXPECT_MAX.write_text(before)
