# SPDX-License-Identifier: GPL-2.0
"""ICMP errors about a control connection of TFTP or Amanda, which the kernel hands to helpers like a
datagram of that connection: nothing that they quote is taken for one, and they keep nothing alive.
The control is each time the same as a datagram."""

import re

import pytest

import counters
import expected
import icmp_errors
import topology
from amanda_talk import Talk, connect, reply
from datagrams import Socket
from helpers import AMANDA, TFTP

RRQ = b"\0\1boot.bin\0octet\0"
ACK = b"\0\4\0\0"
families = pytest.mark.parametrize("family", topology.FAMILIES)
ways = pytest.mark.parametrize("name", ["plain", "both"])
pytestmark = pytest.mark.ours


@families
@ways
def test_tftp(network, way, name, family):
    counters.mount()
    TFTP.nat_half.load()
    flow = way(TFTP, name, family)
    with icmp_errors.Related(network.router) as related, Socket(flow.client, family) as client, \
            Socket(flow.server, family, TFTP.port) as server:
        to_server = (flow.target, TFTP.port)
        client.send(ACK, to_server)
        peer = server.hears(ACK)
        server.send(ACK, peer)
        client.hears(ACK)
        before = counters.read("tftp")
        # From the client, about what the server said, and from the server about what the client said.
        sent = icmp_errors.send(flow.client, family, flow.target, icmp_errors.quoted(
            to_server, (flow.client.address[family], client.port), RRQ))
        sent += icmp_errors.send(flow.server, family, flow.seen_as, icmp_errors.quoted(
            peer, (flow.server.address[family], TFTP.port), RRQ))
        related.wait(sent)
        assert expected.listed(network.router, family) == []
        assert counters.read("tftp") == before
        client.send(RRQ, to_server)
        server.hears(RRQ)
        assert len(expected.ports(network.router, family)) == 1


@families
@ways
def test_amanda(network, way, name, family):
    counters.mount()
    AMANDA.nat_half.load()
    AMANDA.ours.set_parameter("master_timeout", 3000)
    flow = way(AMANDA, name, family)
    said = reply(connect(DATA=11000, MESG=11001))
    with icmp_errors.Related(network.router) as related, Talk(flow) as talk:
        talk.machine_says(b"Amanda 3.5 ACK HANDLE 000-00000001 SEQ 1700000000\n")
        assert _timeout(network.router, family) > 2900
        talk.server_says(b"Amanda 3.5 REQ HANDLE 000-00000001 SEQ 1700000001\n")
        assert _timeout(network.router, family) <= 300
        before = counters.read("amanda")
        sent = icmp_errors.send(flow.client, family, flow.target, icmp_errors.quoted(
            (flow.target, AMANDA.port), (flow.client.address[family], talk.server.port), said))
        sent += icmp_errors.send(flow.server, family, flow.seen_as, icmp_errors.quoted(
            talk.peer, (flow.server.address[family], AMANDA.port), said))
        related.wait(sent)
        assert _timeout(network.router, family) <= 300
        assert expected.listed(network.router, family) == [] and counters.read("amanda") == before
        talk.machine_says(said)
        assert expected.ports(network.router, family) == [11000, 11001]
        assert _timeout(network.router, family) > 2900


def _timeout(router, family):
    """Seconds for which the router keeps the control connection."""
    listed = router.run(f"conntrack -L -f {family} -p udp --orig-port-dst {AMANDA.port}")
    return int(re.search(r"^udp +17 (\d+) ", listed, re.MULTILINE)[1])
