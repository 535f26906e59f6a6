# SPDX-License-Identifier: GPL-2.0
"""Scripted sessions through address translation: what is announced arrives as the address and
port by which the other side can connect, and it can."""

import pytest

from dialogue import Dialogue, carry
from scripted import passive_reply, port_command

IPV4 = ("snat", "masquerade", "snat-shorter", "snat-equal", "dnat", "dnat-longer", "redirect", "both")
IPV6 = ("snat", "masquerade", "dnat", "dnat-longer", "redirect", "both")
FLOWS = [(name, "ipv4") for name in IPV4] + [(name, "ipv6") for name in IPV6]
flows_of_both = pytest.mark.parametrize("name, family", FLOWS)


def _lines(talk, port):
    """Every way to say it, by both sides."""
    flow = talk.flow
    client, server = flow.client.address[flow.family], flow.server.address[flow.family]
    version = 2 if flow.family == "ipv6" else 1
    active = [port_command(client, port), b"EPRT |%d|%s|%d|\r\n" % (version, client.encode(), port)]
    passive = [passive_reply(server, port), b"229 Extended Passive mode OK (|||%d|)\r\n" % port]
    return active, passive


@flows_of_both
def test_each_form(network, nat_helper, flow, name, family):
    way = flow(name, family)
    with Dialogue(way) as talk:
        active, passive = _lines(talk, 40000)
        for line in active:
            with way.client.listen(family, 40000) as waiting:
                talk.client_says(line)
                carry(way.server, family, way.seen_as, 40000, waiting)
        for line in passive:
            with way.server.listen(family, 40000) as waiting:
                talk.server_says(line)
                carry(way.client, family, way.target, 40000, waiting)
        talk.chat()
    assert way.wall.counts()["blocked"] == 0


@pytest.mark.ours
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_other_delimiters_and_spelling(network, nat_helper, flow, family):
    """Whatever delimiter is used and however long the address is written, the other side hears the
    usual form; text around it stays."""
    way = flow("snat", family)
    with Dialogue(way) as talk:
        if family == "ipv4":
            lines = [b"EPRT !1!192.0.2.10!40000!\r\n", b"eprt |1|192.0.2.10|40000|\r\n", b"port  192,0,2,10,156,64 \r\n",
                     b"PORT 192,0,2,010,156,064\r\n"]
            heard = [b"EPRT |1|198.51.100.200|40000|\r\n", b"eprt |1|198.51.100.200|40000|\r\n",
                     b"port  198,51,100,200,156,64 \r\n", b"PORT 198,51,100,200,156,64\r\n"]
        else:
            lines = [b"EPRT ~2~2001:DB8:1::10~40000~\r\n", b"EPRT |2|2001:0db8:0001:0000:0000:0000:0000:0010|40000|\r\n"]
            heard = [b"EPRT |2|2001:db8:2:0:0:0:0:200|40000|\r\n"] * 2
        for line, expected in zip(lines, heard):
            talk.client_says(line, expected)
            talk.chat()


@pytest.mark.parametrize("name, family", [("snat", "ipv4"), ("snat-shorter", "ipv4"), ("snat", "ipv6")])
def test_ten_active_transfers(network, nat_helper, flow, name, family):
    """Each adds to what the sequence numbers are off by."""
    way = flow(name, family)
    with Dialogue(way) as talk:
        for number in range(10):
            talk.active(40000 + number, size=3000)
            talk.server_says(b"226 Transfer complete.\r\n")
        talk.chat()


@pytest.mark.parametrize("name", ["dnat", "dnat-longer"])
def test_ten_passive_transfers(network, nat_helper, flow, name):
    way = flow(name)
    with Dialogue(way) as talk:
        for _ in range(10):
            talk.client_says(b"PASV\r\n")
            talk.passive(size=3000)
        talk.chat()


def test_both_directions_in_turn(network, nat_helper, flow):
    """Sequence numbers are off in both directions, by different amounts."""
    way = flow("both")
    with Dialogue(way) as talk:
        for number in range(5):
            talk.active(40000 + number)
            talk.passive()
        talk.chat()


@pytest.mark.parametrize("name", ["snat", "snat-shorter"])
@pytest.mark.ours
def test_several_commands_in_one_segment(network, nat_helper, flow, name):
    """Each announcement is rewritten; the last one counts."""
    way = flow(name)
    address = way.client.address["ipv4"]
    with Dialogue(way) as talk:
        for round in range(3):
            ports = [40000 + 10 * round, 40001 + 10 * round, 40002 + 10 * round]
            first, second, third = (port_command(address, port) for port in ports)
            talk.client_says(b"NOOP\r\n" + first + b"NOOP\r\n" + second + third + b"NOOP\r\n")
            with way.client.listen("ipv4", ports[-1]) as waiting:
                carry(way.server, "ipv4", way.seen_as, ports[-1], waiting)
            talk.chat()


@pytest.mark.parametrize("name", ["dnat", "dnat-longer"])
@pytest.mark.ours
def test_several_replies_in_one_segment(network, nat_helper, flow, name):
    way = flow(name)
    address = way.server.address["ipv4"]
    with Dialogue(way) as talk, way.server.listen("ipv4", 50001) as waiting:
        talk.server_says(b"200 OK.\r\n" + passive_reply(address, 50000) + passive_reply(address, 50001) + b"150 Here.\r\n")
        carry(way.client, "ipv4", way.target, 50001, waiting)
        talk.chat()


@pytest.mark.ours
def test_only_announcements_are_rewritten(network, nat_helper, flow):
    """Another host's address, and the own one elsewhere, stay as they are."""
    way = flow("snat")
    with Dialogue(way) as talk:
        for line in (b"PORT 203,0,113,10,156,64\r\n", b"EPRT |1|203.0.113.10|40000|\r\n", b"SITE PORT 192,0,2,10,156,64\r\n",
                     b"RETR 192,0,2,10,156,64\r\n", b"PORT 192,0,2,10,156\r\n", b"PORT 192,0,2,10,0,0\r\n"):
            talk.client_says(line, heard=line)
        talk.chat()
