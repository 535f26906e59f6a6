# SPDX-License-Identifier: GPL-2.0
"""The network namespace that the guest itself is in, as a host that runs a server and tracks its
connections. No other test has any traffic there."""

import contextlib

import topology
from flows import Flow
from shell import run

OURS, ITS = "203.0.113.129", "203.0.113.130"
# Anything that asks for a state turns connection tracking on.
RULES = "table inet initial { chain incoming { type filter hook input priority 0; ct state invalid drop; }; }"


class Initial(topology.Host):
    """The namespace that has no name."""

    def __init__(self):
        super().__init__("initial")
        self.address = {"ipv4": OURS}

    @contextlib.contextmanager
    def entered(self):
        yield


@contextlib.contextmanager
def tracked(client):
    """A Flow from a host to the guest itself, over a wire of their own."""
    run("nft -f -", stdin=RULES)
    run(f"ip link add to-initial netns {client.name} type veth peer name from-{client.name}")
    try:
        run(f"ip address add {OURS}/30 dev from-{client.name}")
        run(f"ip link set from-{client.name} up")
        client.run("ip link set to-initial up")
        client.run(f"ip address add {ITS}/30 dev to-initial")
        yield Flow("initial", "ipv4", client, Initial(), OURS, ITS, ())
    finally:
        run(f"ip link del from-{client.name}")
        run("nft delete table inet initial")
