# SPDX-License-Identifier: GPL-2.0
"""Scripted IRC sessions through address translation: what a client offers arrives, to the byte, as
the address and port by which the other client can connect, and it can."""

import contextlib
import ipaddress

import pytest

import expected
import topology
from capture import Capture
from dcc import Session, address_text, carry, chat, dcc, message, port_told, send
from dialogue import hear, sending
from helpers import IRC

IPV4 = ("snat", "masquerade", "snat-shorter", "snat-equal", "dnat", "dnat-longer", "redirect", "both")
FLOWS = [(name, "ipv4") for name in IPV4] + [
    pytest.param(name, "ipv6", marks=pytest.mark.ours) for name in ("snat", "masquerade", "dnat", "both")]


@pytest.fixture
def nat():
    IRC.nat_half.load()


@pytest.mark.parametrize("name, family", FLOWS)
def test_offers(network, nat, way, name, family):
    """The capture puts the streams together with a strict eye on sequence numbers."""
    flow = way(IRC, name, family)
    with Capture(flow.client) as near, Session(flow) as talk:
        for make in (send, chat):
            talk.offer_to_outside(5000, make)
            talk.chat()
        [(said, heard)] = near.connections(IRC.port).values()
        assert said.acknowledged == len(said.text()) and heard.repeated() == 0
    counts = flow.gate.counts()
    assert counts["blocked"] == 0
    # What the router opens itself does not pass the counter.
    assert counts["related"] >= 2 or name == "redirect"


@pytest.mark.ours
def test_all_in_one_segment(network, nat, way):
    """Offers of all kinds, with what stands around them; each grows by one digit or more."""
    flow = way(IRC, "snat-shorter")
    inside, outside = flow.client.address["ipv4"], flow.seen_as

    def text(address, *ports):
        return (message(send(address, ports[0]), before="@label=1;t=\1x :alice ")
                + message("hello \1ACTION waves\1", to="#rust")
                + message(send(address, ports[1], '"two words"'), chat(address, ports[2]), to="bob,carol")
                + message(dcc(f"SCHAT chat {address_text(address)} {ports[3]}"), command="NOTICE")
                + b"PING :end\r\n")

    with Session(flow) as talk:
        talk.client_says(text(inside, 5001, 5002, 5003, 5004), text(outside, 5001, 5002, 5003, 5004))
        assert expected.ports(network.router) == [5001, 5002, 5003, 5004]
        for port in (5003, 5001):
            with flow.client.listen("ipv4", port) as waiting:
                carry(flow.server, "ipv4", outside, port, waiting)
        talk.chat()


@pytest.mark.ours
def test_spelling(network, nat, way):
    """However the address is written, the other client hears the usual form. A client that knows of
    the NAT may name the outer address."""
    flow = way(IRC, "snat")
    with Session(flow) as talk:
        inside, outside = address_text("192.0.2.10"), address_text("198.51.100.200")
        for spelling in ("192.0.2.10", "00" + inside, "198.51.100.200", outside):
            with flow.client.listen("ipv4", 5000) as waiting:
                talk.client_says(message(dcc(f"SEND file.bin {spelling} 05000 77 12")),
                                 message(dcc(f"SEND file.bin {outside} 5000 77 12")))
                carry(flow.server, "ipv4", flow.seen_as, 5000, waiting)


UNTOUCHED = {
    "another host's address": send("203.0.113.10", 5000),
    "the server's address": send("198.51.100.10", 5000),
    "passive": dcc(f"SEND file.bin {address_text('192.0.2.10')} 0 77 42"),
    "passive with another address": dcc("SEND file.bin 16843009 0 77 42"),
    "port 65558": dcc(f"SEND file.bin {address_text('192.0.2.10')} 65558 77"),
    "address beyond 32 bits": dcc(f"SEND file.bin {int(ipaddress.ip_address('192.0.2.10')) + (1 << 32)} 5000 77"),
    "RESUME": dcc("RESUME file.bin 5000 512"),
    "ACCEPT": dcc("ACCEPT file.bin 5000 512"),
    "in a text": "\1ACTION says " + send("192.0.2.10", 5000),
}


def test_what_is_not_rewritten(network, nat, way, kernel_log):
    kernel_log.allow("nf_conntrack_irc: Forged DCC command")
    flow = way(IRC, "snat")
    with Session(flow) as talk:
        for kind, text in UNTOUCHED.items():
            # The stock module opens port 22 for port 65558, and more of the kind.
            if not (IRC.is_stock and ("65558" in kind or "32 bits" in kind)):
                talk.client_says(message(text))
                assert expected.listed(network.router) == [], kind
        talk.server_says(b":bob!b@x PRIVMSG alice :" + send("192.0.2.10", 5000).encode() + b"\r\n")
        talk.server_says(b":bob!b@x PRIVMSG alice :" + dcc("RESUME file.bin 5000 512").encode() + b"\r\n")
        talk.offer_to_outside(5000)


@contextlib.contextmanager
def _clash(network, way, family="ipv4", port=5000):
    """Two clients behind one address that offer the same port. Gives the second one's session and
    the other port that its offer was given."""
    flow = way(IRC, "masquerade", family)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(flow.server.listen(family, IRC.port))
        first = stack.enter_context(Session(flow, listener=listener))
        first.client_says(message(send(flow.client.address[family], port)), message(send(flow.seen_as, port)))
        flow.client = network.third
        second = stack.enter_context(Session(flow, listener=listener))
        heard = second.what_server_hears(message(send(network.third.address[family], port)))
        told = port_told(heard)
        assert heard == message(send(flow.seen_as, told)) and told != port
        assert expected.ports(network.router, family) == sorted([port, told])
        yield second, told


@pytest.mark.parametrize("family", ["ipv4", pytest.param("ipv6", marks=pytest.mark.ours)])
def test_port_that_is_taken(network, nat, way, family):
    """Each connection reaches the client that offered it."""
    with _clash(network, way, family) as (talk, told):
        with network.third.listen(family, 5000) as one, network.client.listen(family, 5000) as other:
            carry(talk.flow.server, family, talk.flow.seen_as, told, one)
            carry(talk.flow.server, family, talk.flow.seen_as, 5000, other)


@pytest.mark.ours
@pytest.mark.parametrize("family", topology.FAMILIES)
def test_no_port_is_told_twice(network, nat, way, family):
    """A client that offers the very port that was told for its offer before: both are waited for."""
    with _clash(network, way, family, 40000) as (talk, first):
        own = network.third.address[family]
        second = port_told(talk.what_server_hears(message(send(own, first))))
        assert second not in (40000, first)
        assert expected.ports(network.router, family) == sorted([40000, first, second])
        with network.third.listen(family, 40000) as one, network.third.listen(family, first) as other:
            carry(talk.flow.server, family, talk.flow.seen_as, first, one)
            carry(talk.flow.server, family, talk.flow.seen_as, second, other)
        talk.chat()


@pytest.mark.ours
@pytest.mark.parametrize("family", topology.FAMILIES)
def test_resume_of_a_port_that_was_changed(network, nat, way, family):
    """Who wants to go on with a file, and who accepts that, each hears the port that it knows."""
    with _clash(network, way, family) as (talk, told):

        def resume(port):
            return b":bob!b@x " + message(dcc(f"RESUME file.bin {port} 512"), to="alice")

        def accept(port):
            return message(dcc(f"ACCEPT file.bin {port} 512"))

        talk.server_says(resume(told), resume(5000))
        talk.client_says(accept(5000), accept(told))
        # Other ports stay.
        talk.server_says(resume(4999))
        talk.client_says(accept(4999))
        # Whoever asks by whichever message, and twice.
        line = b":bob!b@x " + message(dcc(f"RESUME \"a b\" {told} 0"), to="alice", command="NOTICE")
        talk.server_says(line + line, line.replace(b"%d" % told, b"5000") * 2)
        with network.third.listen(family, 5000) as waiting:
            carry(talk.flow.server, family, talk.flow.seen_as, told, waiting)
        talk.chat()


@pytest.mark.ours
def test_offer_said_again(network, nat, way):
    """It is told the same port, and what is expected stays one."""
    with _clash(network, way) as (talk, told):
        for _ in range(3):
            assert port_told(talk.what_server_hears(message(send("203.0.113.10", 5000)))) == told
            assert expected.ports(network.router) == sorted([5000, told])


def test_without_nat_of_this_session(network, nat, way):
    """Where this session is not translated nothing is rewritten."""
    with Session(way(IRC, "plain")) as talk:
        talk.offer_to_outside(5000)


@pytest.mark.parametrize("family", ["ipv4", pytest.param("ipv6", marks=pytest.mark.ours)])
def test_control_without_nat_half(network, way, family):
    IRC.conntrack_half.load()
    with Session(way(IRC, "snat", family)) as talk:
        talk.client_says(message(send(network.client.address[family], 5000)))


def test_long_session(network, nat, way):
    """Many offers, each of which changes the length, and talk between them."""
    flow = way(IRC, "snat-shorter")
    inside, outside = flow.client.address["ipv4"], flow.seen_as
    with Session(flow) as talk:
        for port in range(5000, 5060):
            talk.client_says(message(send(inside, port)), message(send(outside, port)))
            talk.server_says(b":bob!b@x PRIVMSG alice :%d\r\n" % port)
        with sending(talk.client, b"PRIVMSG bob :" + b"x" * 100_000 + b"\r\n"):
            assert len(hear(talk.server, 100_015)) == 100_015
        talk.chat()
