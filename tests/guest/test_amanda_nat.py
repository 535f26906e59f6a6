# SPDX-License-Identifier: GPL-2.0
"""Scripted Amanda replies through address translation: the ports that the backup server hears are
those by which it can connect, to the byte, and the UDP checksum is right."""

import contextlib
import re
import socket

import pytest

import expected
import offload
from amanda_talk import Talk, connect, reply
from datagrams import Socket, Wire
from dialogue import carry
from helpers import AMANDA

PORTS = {"DATA": 9999, "MESG": 65535, "INDEX": 9998, "STATE": 1024}
FLOWS = [("snat", "ipv4"), ("masquerade", "ipv4"), ("dnat", "ipv4"), ("both", "ipv4"),
         ("masquerade", "ipv6"), ("dnat", "ipv6"), ("both", "ipv6")]


@pytest.fixture
def nat():
    AMANDA.nat_half.load()


def _carry(flow, told, port):
    """The backup server connects to the port it was told; the machine waits at the one it said."""
    with flow.server.listen(flow.family, port) as waiting:
        carry(flow.client, flow.family, flow.target, told, waiting)


def _told(heard):
    return {name: int(port) for name, port in re.findall(r"([A-Z]+) (\d+)", heard.split(b"\n")[1].decode())}


@pytest.mark.parametrize("name, family", FLOWS)
def test_ports_that_are_free_stay(network, nat, way, name, family):
    flow = way(AMANDA, name, family)
    with Talk(flow) as talk:
        talk.machine_says(reply(connect(**PORTS)))
        assert expected.ports(network.router, family) == sorted(PORTS.values())
        for port in PORTS.values():
            _carry(flow, port, port)
    assert flow.gate.counts()["blocked"] == 0


@contextlib.contextmanager
def _two_talks(flow):
    """Two backups of one machine at once."""
    with Socket(flow.server, flow.family, AMANDA.port) as machine, Talk(flow, 850, machine) as one, \
            Talk(flow, 851, machine) as other:
        yield one, other


def _check_replaced(network, flow, first, second, body=b""):
    """The same reply a second time, when its ports are taken: each port is replaced, and all else as
    it was."""
    first.machine_says(reply(connect(**PORTS) + body))
    heard = second.what_server_hears(reply(connect(**PORTS) + body))
    told = _told(heard)
    assert list(told) == list(PORTS)
    assert heard == reply(connect(**told) + body)
    assert not set(told.values()) & set(PORTS.values()) and len(set(told.values())) == len(PORTS)
    assert expected.ports(network.router, flow.family) == sorted([*PORTS.values(), *told.values()])
    return told


# The stock module forgets the ports behind one that has become longer.
@pytest.mark.ours
@pytest.mark.parametrize("name, family", [("dnat", "ipv4"), ("masquerade", "ipv4"), ("both", "ipv6")])
def test_every_port_is_replaced(network, nat, way, name, family):
    """By ports of another length: 9999 becomes longer, 65535 shorter."""
    flow = way(AMANDA, name, family)
    with _two_talks(flow) as (one, other):
        told = _check_replaced(network, flow, one, other)
        assert len(str(told["DATA"])) == 5 and len(str(told["MESG"])) == 4
        for stream, port in PORTS.items():
            _carry(flow, told[stream], port)
            _carry(flow, port, port)
    assert flow.gate.counts()["blocked"] == 0


@pytest.mark.ours
@pytest.mark.parametrize("name, family", [("dnat", "ipv4"), ("both", "ipv6")])
def test_restore(network, nat, way, name, family):
    """The same for the ports of a restore."""
    ports = {"CTL": 9999, "DATA": 65535, "STATE": 9998}
    flow = way(AMANDA, name, family)
    with _two_talks(flow) as (one, other):
        one.machine_says(reply(connect(**ports)))
        told = _told(other.what_server_hears(reply(connect(**ports))))
        assert list(told) == list(ports) and not set(told.values()) & set(ports.values())
        for stream, port in ports.items():
            _carry(flow, told[stream], port)
            _carry(flow, port, port)
    assert flow.gate.counts()["blocked"] == 0


@pytest.mark.ours
def test_neighbouring_ports(network, nat, way):
    """What takes the place of one port is not the next one of the same reply. Mainline's helper tells
    20013 twice."""
    flow = way(AMANDA, "dnat", "ipv4")
    with _two_talks(flow) as (one, other):
        one.machine_says(reply(connect(DATA=20012)))
        told = _told(other.what_server_hears(reply(connect(DATA=20012, MESG=20013, INDEX=20014))))
        assert len({20012, *told.values()}) == 4
        for stream, port in {"DATA": 20012, "MESG": 20013, "INDEX": 20014}.items():
            _carry(flow, told[stream], port)


@pytest.mark.ours
@pytest.mark.parametrize("name, family", [("dnat", "ipv4"), ("both", "ipv6")])
def test_no_port_is_told_twice(network, nat, way, name, family):
    """What was told instead of one port is passed over in the search for the next, and each leads to the
    stream it was told for; also when the reply is sent again after the other's ports were used."""
    ports = {"DATA": 50001, "MESG": 50002, "INDEX": 50003}
    flow = way(AMANDA, name, family)
    with _two_talks(flow) as (one, other):
        one.machine_says(reply(connect(**ports)))
        told = _told(other.what_server_hears(reply(connect(**ports))))
        assert len({*ports.values(), *told.values()}) == 6
        assert expected.ports(network.router, family) == sorted([*ports.values(), *told.values()])
        for port in ports.values():
            _carry(flow, port, port)
        assert _told(other.what_server_hears(reply(connect(**ports)))) == told
        for stream, port in ports.items():
            _carry(flow, told[stream], port)
    assert flow.gate.counts()["blocked"] == 0


@pytest.mark.ours
def test_reply_in_fragments(network, nat, way):
    """A reply that is larger than a packet, before and after the change."""
    flow = way(AMANDA, "dnat")
    with _two_talks(flow) as (one, other):
        _check_replaced(network, flow, one, other, b"x" * 63 * 70 + b"\n")


@pytest.mark.ours
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("form", ["checksum by the sender", "checksum left to the device"])
def test_checksum(network, nat, way, family, form):
    """The bytes on the backup server's wire have the checksum that the receiver will compute."""
    flow = way(AMANDA, "dnat", family)
    with contextlib.ExitStack() as stack:
        # So that the router cannot leave it to its device.
        stack.enter_context(offload.off(network.router, "to-client", "tx"))
        if form == "checksum by the sender":
            stack.enter_context(offload.off(flow.server, "net", "tx"))
        wire = stack.enter_context(Wire(flow.client))
        one, other = stack.enter_context(_two_talks(flow))
        _check_replaced(network, flow, one, other)
        replies = [datagram for datagram in wire.read() if b"CONNECT" in datagram.payload]
        assert len(replies) == 2 and replies[0].payload != replies[1].payload
        for datagram in replies:
            assert datagram.source == (flow.target, AMANDA.port)
            assert datagram.checksum == datagram.expected_checksum


@pytest.mark.ours
def test_no_checksum(network, nat, way):
    """IPv4 lets a sender do without."""
    flow = way(AMANDA, "dnat")
    with offload.off(network.router, "to-client", "tx"), Wire(flow.client) as wire, _two_talks(flow) as (one, other):
        one.machine.set_option(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
        _check_replaced(network, flow, one, other)
        replies = [datagram for datagram in wire.read() if b"CONNECT" in datagram.payload]
        assert [datagram.checksum for datagram in replies] == [0, 0]


@pytest.mark.ours
def test_numbers_that_are_no_ports_stay(network, nat, way):
    """What a real Amanda with one port for all streams says."""
    flow = way(AMANDA, "dnat")
    body = connect(DATA=50048, MESG=499999, INDEX=-1, STATE=0, CMD=70000)
    with _two_talks(flow) as (one, other):
        one.machine_says(reply(body))
        heard = other.what_server_hears(reply(body))
        told = _told(heard)["DATA"]
        assert told != 50048 and heard == reply(body.replace(b"50048", b"%d" % told))
        assert expected.ports(network.router) == sorted([50048, told])


@pytest.mark.ours
def test_first_of_two(network, nat, way):
    """Of a stream that is named twice the first port counts, also when it was replaced, and so does
    the first such line."""
    flow = way(AMANDA, "dnat")
    body = b"CONNECT DATA 9999 DATA 9999 MESG 9990\nCONNECT INDEX 9980\n"
    with _two_talks(flow) as (one, other):
        one.machine_says(reply(body))
        heard = other.what_server_hears(reply(body))
        data, mesg = re.match(rb"CONNECT DATA (\d+) DATA 9999 MESG (\d+)$", heard.split(b"\n")[1]).groups()
        assert heard == reply(b"CONNECT DATA %s DATA 9999 MESG %s\nCONNECT INDEX 9980\n" % (data, mesg))
        assert expected.ports(network.router) == sorted([9999, 9990, int(data), int(mesg)])


@pytest.mark.ours
def test_reply_that_is_sent_again(network, nat, way):
    """It has the same port as before, as nobody knows which of them arrives."""
    flow = way(AMANDA, "dnat")
    with _two_talks(flow) as (one, other):
        told = _check_replaced(network, flow, one, other)
        for _ in range(3):
            assert _told(other.what_server_hears(reply(connect(**PORTS)))) == told
            _carry(flow, told["DATA"], PORTS["DATA"])


@pytest.mark.ours
def test_without_nat_of_this_connection(network, nat, way):
    """Where this connection is not translated nothing is rewritten, and what is taken is left."""
    flow = way(AMANDA, "plain")
    with _two_talks(flow) as (one, other):
        one.machine_says(reply(connect(**PORTS)))
        other.machine_says(reply(connect(**PORTS)))


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_control_without_nat_half(network, way, family):
    """Nothing is rewritten, and the way that is open ends at the router, where nobody listens."""
    AMANDA.conntrack_half.load()
    flow = way(AMANDA, "dnat", family)
    with Talk(flow) as talk:
        talk.machine_says(reply(connect(**PORTS)))
        with flow.server.listen(family, PORTS["DATA"]), pytest.raises(ConnectionRefusedError):
            flow.client.connect(family, flow.target, PORTS["DATA"])
        assert flow.gate.counts()["related"] == 1
