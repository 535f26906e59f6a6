# SPDX-License-Identifier: GPL-2.0
"""Which datagrams open what: said through the router, judged by what the kernel then expects."""

import pytest

import expected
import topology
from datagrams import Socket
from expected import Expected
from helpers import TFTP

RRQ, WRQ = b"\0\1boot.bin\0octet\0", b"\0\2upload.bin\0netascii\0"
OPENS = {
    "read": RRQ,
    "write": WRQ,
    "mail": b"\0\2somebody\0mail\0",
    "spelling": b"\0\1boot.bin\0OcTeT\0",
    "options": b"\0\1boot.bin\0octet\0tsize\x000\0blksize\x001428\0",
    "name-of-400": b"\0\1" + b"n" * 400 + b"\0octet\0",
}
# The stock module opens for whatever begins like a request.
OURS_OPENS_NOTHING = {
    "no-mode": b"\0\1boot.bin\0",
    "no-end-of-name": b"\0\1boot.bin",
    "other-mode": b"\0\1boot.bin\0secret\0",
    "no-end-of-mode": b"\0\1boot.bin\0octet",
    "opcode-only": b"\0\1",
    "overlong": b"\0\1" + b"n" * 900 + b"\0octet\0",
}
OPENS_NOTHING = {
    "data": b"\0\3\0\1boot.bin\0octet\0",
    "ack": b"\0\4\0\1",
    "error": b"\0\5\0\1File not found\0",
    "oack": b"\0\6blksize\x001428\0",
    "opcode-0": b"\0\0boot.bin\0octet\0",
    "opcode-257": b"\1\1boot.bin\0octet\0",
    "one-byte": b"\0",
    "letters": b"A" * 1400,
    "zeros": bytes(1400),
    "high": b"\xff" * 512,
    "later": b"\0\7" + RRQ,
}


class Ends:
    """A client's socket and a server's on the TFTP port."""

    def __init__(self, network, family="ipv4"):
        self.client = Socket(network.client, family)
        self.server = Socket(network.server, family, TFTP.port)
        self.to_server = (network.server.address[family], TFTP.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.__exit__()
        self.server.__exit__()

    def ask(self, data):
        """What the client says arrives as it is; returns where the server has to answer."""
        self.client.send(data, self.to_server)
        return self.server.hears(data)


@pytest.fixture
def tftp(network, gate):
    """tftp(family): two ends, the helper and the firewall."""
    opened = []

    def start(family="ipv4"):
        opened.append(Ends(network, family))
        TFTP.conntrack_half.load()
        opened[-1].rules = gate(TFTP, family)
        return opened[-1]

    yield start
    for ends in opened:
        ends.__exit__()


@pytest.mark.parametrize("family", topology.FAMILIES)
def test_requests(network, tftp, family):
    """Each opens one way: from the server, whatever port, to where the request came from."""
    ends = tftp(family)
    client, server = (host.address[family] for host in (network.client, network.server))
    for kind, request in OPENS.items():
        peer = ends.ask(request)
        [found] = expected.listed(network.router, family)
        assert found == Expected("udp", server, client, ends.client.port, "tftp", found.seconds), kind
        assert 290 <= found.seconds <= 300
        with Socket(network.server, family) as transfer:
            transfer.send(b"\0\3\0\1data", peer)
            assert ends.client.hears(b"\0\3\0\1data") == (server, transfer.port)
            ends.client.send(b"\0\4\0\1", (server, transfer.port))
            transfer.hears(b"\0\4\0\1")
        assert expected.listed(network.router, family) == []
    assert ends.rules.counts()["blocked"] == 0


def test_other_datagrams(network, tftp):
    ends = tftp()
    for kind, datagram in OPENS_NOTHING.items():
        ends.ask(datagram)
        assert expected.listed(network.router) == [], kind
    ends.ask(RRQ)
    assert expected.ports(network.router) == [ends.client.port]


@pytest.mark.ours
def test_broken_requests(network, tftp):
    ends = tftp()
    for kind, datagram in OURS_OPENS_NOTHING.items():
        ends.ask(datagram)
        assert expected.listed(network.router) == [], kind


@pytest.mark.ours
def test_server_opens_nothing(network, tftp):
    """Only the client's requests count, not what looks like one in the server's answer. (To the
    stock module it does.)"""
    ends = tftp()
    peer = ends.ask(b"\0\4\0\1")
    for request in (RRQ, WRQ):
        ends.server.send(request, peer)
        ends.client.hears(request)
    assert expected.listed(network.router) == []


def test_repeated_request(network, tftp):
    """What is sent again before the answer came keeps the one expectation, and its port."""
    ends = tftp()
    for _ in range(5):
        ends.ask(RRQ)
        assert expected.ports(network.router) == [ends.client.port]
    ends.ask(WRQ)
    assert expected.ports(network.router) == [ends.client.port]


def test_answer_lost(network, tftp):
    """The answer came through the router but not to the client, which asks again; a server may
    answer that from yet another port."""
    ends = tftp()
    for _ in range(3):
        peer = ends.ask(RRQ)
        with Socket(network.server, "ipv4") as transfer:
            transfer.send(b"\0\3\0\1data", peer)
            assert ends.client.hears(b"\0\3\0\1data")[1] == transfer.port
    assert ends.rules.counts()["blocked"] == 0


def test_two_at_once(network, tftp):
    """Two requests of one client, answered crosswise."""
    ends = tftp()
    with Socket(network.client, "ipv4") as other:
        first = ends.ask(RRQ)
        other.send(WRQ, ends.to_server)
        second = ends.server.hears(WRQ)
        assert expected.ports(network.router) == sorted([ends.client.port, other.port])
        with Socket(network.server, "ipv4") as one, Socket(network.server, "ipv4") as two:
            one.send(b"\0\4\0\0", second)
            two.send(b"\0\3\0\1data", first)
            assert other.hears(b"\0\4\0\0")[1] == one.port
            assert ends.client.hears(b"\0\3\0\1data")[1] == two.port
    assert ends.rules.counts()["blocked"] == 0


def test_only_the_server_only_there(network, tftp):
    """Neither another host nor another port of the client has a way in."""
    ends = tftp()
    ends.ask(RRQ)
    with Socket(network.third, "ipv4") as third, Socket(network.server, "ipv4") as server:
        third.send(b"\0\3\0\1data", (network.client.address["ipv4"], ends.client.port))
        with Socket(network.client, "ipv4") as other:
            server.send(b"\0\3\0\1data", (network.client.address["ipv4"], other.port))
            # The server's true answer comes behind both.
            server.send(b"\0\3\0\1true", (network.client.address["ipv4"], ends.client.port))
            assert ends.client.hears(b"\0\3\0\1true")[0] == network.server.address["ipv4"]
            assert not other.is_readable() and not ends.client.is_readable()
    assert ends.rules.counts()["blocked"] == 2
