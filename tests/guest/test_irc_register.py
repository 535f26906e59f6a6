# SPDX-License-Identifier: GPL-2.0
"""Only the offers of a client that was seen to register with a server of IRC open anything: a port of
IRC is one to which an attacker's page can have a browser say nearly anything."""

import pytest

import counters
import expected
from dcc import REGISTER, Session, Silent, message, send
from helpers import IRC

CLIENT = "192.0.2.10"
OFFER = message(send(CLIENT, 5000))
WELCOME = b":irc.example.net 001 alice :Welcome\r\n"
REQUEST = b"%s / HTTP/1.1\r\nHost: irc.example.net:6667\r\nContent-Type: text/plain\r\n\r\n"

pytestmark = pytest.mark.ours


@pytest.fixture(autouse=True)
def debugfs():
    counters.mount()


@pytest.fixture
def silent(way):
    """silent(name): a connection to the port of IRC in which nothing has been said."""
    opened = []

    def start(name="plain", **options):
        IRC.conntrack_half.load()
        if name != "plain":
            IRC.nat_half.load()
        opened.append(Silent(way(IRC, name, **options)))
        return opened[-1]

    yield start
    for one in opened:
        one.__exit__()


FOREIGN = {
    "a form": [REQUEST % b"POST" + REGISTER],
    "fetch() with a method of its own": [REQUEST % b"DELETE", REGISTER],
    "in small letters": [REQUEST % b"post", REGISTER],
    "with the name of a command": [REQUEST % b"NICK", REGISTER],
    "mail": [b"EHLO x\r\n", REGISTER],
    "SIP": [b"REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n", REGISTER],
    "a message first": [b"NICK alice\r\n" + OFFER, b"USER alice 0 * :Alice\r\n"],
}


@pytest.mark.parametrize("name", ["plain", "snat"])
@pytest.mark.parametrize("kind", FOREIGN)
def test_other_protocols(network, silent, kernel_log, kind, name):
    """Whatever follows, and whatever the server, which is the attacker's, says to it."""
    talk = silent(name)
    with counters.log_of_all_namespaces():
        for text in FOREIGN[kind]:
            talk.client_says(text)
        talk.server_says(WELCOME)
        talk.client_says(OFFER)
    assert expected.listed(network.router) == []
    assert counters.read("irc") == {"assigned": 1, "not_irc": 1}
    [(module, client, server, what)] = counters.lines(kernel_log)
    assert module == "ip_conntrack_irc" and "does not begin as IRC does" in what
    assert (client, server) == tuple("%s:%d" % end.getsockname() for end in (talk.client, talk.server))
    talk.chat()


REGISTERED = {
    "all at once": [("client", REGISTER)],
    "line by line": [("client", line + b"\r\n") for line in REGISTER.split(b"\r\n") if line],
    "byte by byte": [("client", b"%c" % byte) for byte in REGISTER],
    "IRCv3": [("client", b"CAP LS 302\r\n" + REGISTER), ("server", b":irc CAP * LS :sasl\r\n"),
              ("client", b"CAP REQ :sasl\r\n"), ("server", b":irc CAP * ACK :sasl\r\n"),
              ("client", b"AUTHENTICATE PLAIN\r\n"), ("client", b"CAP END\r\n"), ("server", WELCOME)],
    "irssi": [("client", b"CAP LS 302\r\nJOIN :\r\n"), ("server", b":irc 451 * :Connection not registered\r\n"),
              ("client", REGISTER)],
    "welcomed": [("client", b"PASS secret\r\n"), ("server", b":irc NOTICE * :*** Looking up\r\n" + WELCOME)],
    "lines that end in LF": [("client", REGISTER.replace(b"\r", b""))],
}


@pytest.mark.parametrize("kind", REGISTERED)
def test_control_clients_register(silent, kind):
    """The same offer in what is IRC."""
    talk = silent("snat")
    for side, text in REGISTERED[kind]:
        (talk.client_says if side == "client" else talk.server_says)(text)
    talk.offer_to_outside(5000)
    talk.server_says(WELCOME)
    talk.offer_to_outside(5001)
    assert counters.read("irc").keys() == {"assigned", "announced", "expected", "nat.rewritten"}


def test_welcomed_too_soon(network, silent):
    """By a server that is the attacker's."""
    talk = silent()
    talk.server_says(WELCOME)
    talk.client_says(OFFER)
    assert expected.listed(network.router) == []
    assert counters.read("irc") == {"assigned": 1, "not_irc": 1}


def test_after_a_flush(network, way):
    """Nobody knows who has opened the connection, and with what words. A new one is as before."""
    IRC.conntrack_half.load()
    flow = way(IRC, "plain", assign="irc")
    with Session(flow) as talk:
        talk.offer_to_outside(5000)
        network.router.run("conntrack -F")
        talk.chat()
        before = counters.read("irc")
        talk.client_says(REGISTER)
        talk.server_says(WELCOME)
        talk.client_says(OFFER)
        assert expected.listed(network.router) == []
        assert counters.read("irc") == {**before, "announced": before["announced"] + 1, "unasked": 1}
    with Session(flow) as talk:
        talk.offer_to_outside(5000)


def test_starttls(network, silent):
    """After that nothing can be read, and what seems to be an offer is none."""
    talk = silent()
    talk.client_says(b"STARTTLS\r\n")
    talk.server_says(b":irc 670 * :STARTTLS successful, go ahead with TLS handshake\r\n")
    talk.client_says(b"\x16\x03\x01\x02\x00\x01" + b"x" * 500)
    talk.client_says(b"\r\n" + REGISTER + OFFER)
    assert expected.listed(network.router) == []
    assert counters.read("irc") == {"assigned": 1, "encrypted": 1}


def test_injected_line(network, way):
    """irc://host/#channel%0APRIVMSG…: servers take the newline for the end of a line, but the client ends
    its own lines otherwise."""
    IRC.conntrack_half.load()
    with Session(way(IRC, "plain")) as talk:
        talk.client_says(b"JOIN #channel\n" + OFFER)
        assert expected.listed(network.router) == []
        assert counters.read("irc") == {"assigned": 1, "announced": 1, "unasked": 1}
        talk.client_says(b"JOIN #channel\r\n" + OFFER)
        assert expected.ports(network.router) == [5000]


def test_control_client_without_carriage_returns(network, silent):
    """What ends all lines so is taken at its word."""
    talk = silent()
    talk.client_says(REGISTER.replace(b"\r", b""))
    talk.client_says(b"JOIN #channel\n" + OFFER.replace(b"\r", b""))
    assert expected.ports(network.router) == [5000]
