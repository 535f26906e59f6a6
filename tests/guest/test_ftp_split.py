# SPDX-License-Identifier: GPL-2.0
"""Announcements that come in several segments. Mainline's helper does not know them, and stalls the
session for good."""

import pytest

from dialogue import Dialogue, carry
from scripted import Control, announced, passive_reply, port_command

pytestmark = pytest.mark.ours

CLIENT4, SERVER4, CLIENT6, SERVER6 = "192.0.2.10", "198.51.100.10", "2001:db8:1::10", "2001:db8:2::10"
LINES = [
    ("ipv4", "client", b"PORT 192,0,2,10,156,64\r\n", (CLIENT4, 40000)),
    ("ipv6", "client", b"EPRT |2|2001:db8:1::10|40000|\r\n", (CLIENT6, 40000)),
    ("ipv4", "server", b"227 Entering Passive Mode (198,51,100,10,195,80).\r\n", (SERVER4, 50000)),
    ("ipv6", "server", b"229 Entering Extended Passive Mode (|||50000|)\r\n", (SERVER6, 50000)),
]
lines = pytest.mark.parametrize("family, side, line, opened", LINES, ids=lambda value: value.decode().strip() if
                                isinstance(value, bytes) else "")


def chunks(text, size):
    return [text[at:at + size] for at in range(0, len(text), size)]


def ways_to_cut(line):
    """In two at a few places, in many, and each byte by itself."""
    for at in (1, 4, 5, len(line) // 2, len(line) - 3, len(line) - 2, len(line) - 1):
        yield [line[:at], line[at:]]
    yield from (chunks(line, size) for size in (7, 3, 1))
    # Behind another line, and with another one behind it.
    yield [b"200 x\r\n" + line[:9], line[9:] + b"200 y\r\n"]


@lines
def test_tracked_however_it_is_cut(network, helper, firewall, family, side, line, opened):
    firewall("iptables", family)
    for pieces in ways_to_cut(line):
        with Control(network, family) as control:
            say = control.client_says if side == "client" else control.server_says
            if side == "server":
                control.client_says(b"PASV\r\n" if line.startswith(b"227") else b"EPSV\r\n")
            for piece in pieces:
                say(piece)
            assert announced(network.router, family) == [opened], pieces
            control.check_alive()


def test_other_lines_in_pieces_open_nothing(network, helper, firewall):
    firewall()
    with Control(network) as control:
        for piece in (b"PO", b"RTAL 192,0,2,10,156,64\r\n", b"P", b"WD\r\n", b"SITE PORT 192,0,2,1", b"0,156,64\r\n",
                      b"PORT 192,0,2,10,156", b",6x\r\n"):
            control.client_says(piece)
        assert announced(network.router) == []
        control.check_alive()


@pytest.mark.parametrize("size", [1, 3, 9, 20])
@pytest.mark.parametrize("name, side", [("snat", "client"), ("snat-shorter", "client"), ("dnat", "server"), ("both", "client")])
def test_rewritten_in_one_piece(network, nat_helper, flow, name, side, size):
    """The router keeps back what it cannot rewrite yet; the sender's TCP sends it again in one piece."""
    way = flow(name, "ipv4")
    with Dialogue(way) as talk:
        for port in (40000, 40001):
            if side == "client":
                line = port_command(way.client.address["ipv4"], port)
                host, opener, seen_as = way.client, way.server, way.seen_as
            else:
                talk.client_says(b"PASV\r\n")
                line = passive_reply(way.server.address["ipv4"], port)
                host, opener, seen_as = way.server, way.client, way.target
            with host.listen("ipv4", port) as waiting:
                talk.says_in_pieces(side, chunks(line, size))
                carry(opener, "ipv4", seen_as, port, waiting)
        talk.chat()


def test_who_waits_for_an_acknowledgement_gets_it(network, nat_helper, flow):
    """A sender that does not send the rest before the first part is acknowledged: that announcement
    is lost, the session goes on."""
    way = flow("snat", "ipv4")
    with Dialogue(way) as talk:
        talk.client_says(b"PORT 192,0,2,", b"PORT 192,0,2,")
        talk.client_says(b"10,156,64\r\n", b"10,156,64\r\n")
        talk.chat()
        with way.client.listen("ipv4", 40000) as waiting:
            talk.client_says(port_command(way.client.address["ipv4"], 40000))
            carry(way.server, "ipv4", way.seen_as, 40000, waiting)


@pytest.fixture
def mixed_up():
    """Every third packet of a host goes out at once, the others wait, so it overtakes two."""
    hosts = []

    def mix(host):
        host.run("tc qdisc add dev net root netem delay 60ms reorder 100% gap 3")
        hosts.append(host)

    yield mix
    for host in hosts:
        host.run("tc qdisc del dev net root")


@pytest.mark.parametrize("size", [1, 4, 9])
@pytest.mark.parametrize("name", ["plain", "snat", "dnat"])
def test_out_of_order(network, nat_helper, flow, mixed_up, name, size):
    way = flow(name, "ipv4")
    side, host, opener, seen_as = (
        ("server", way.server, way.client, way.target) if name == "dnat" else
        ("client", way.client, way.server, way.seen_as))
    with Dialogue(way) as talk:
        for port in (40000, 40001, 40002):
            if side == "server":
                talk.client_says(b"PASV\r\n")
                line = passive_reply(host.address["ipv4"], port)
            else:
                line = port_command(host.address["ipv4"], port)
            if port == 40000:
                mixed_up(host)
            with host.listen("ipv4", port) as waiting:
                talk.says_in_pieces(side, chunks(line, size))
                carry(opener, "ipv4", seen_as, port, waiting)
        talk.chat()
