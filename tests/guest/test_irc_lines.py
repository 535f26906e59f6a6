# SPDX-License-Identifier: GPL-2.0
"""Which messages open what: said in an IRC session through the router, judged by what the kernel
then expects. Whatever is said arrives as it was said."""

import pytest

import expected
from dcc import Session, carry, chat, dcc, message, send
from expected import ANYBODY, Expected
from helpers import IRC
from shell import wait_for

CLIENT, CLIENT6, THIRD = "192.0.2.10", "2001:db8:1::10", "203.0.113.10"
NUMBER = 0xC000020A  # 192.0.2.10

OPENS = {
    "SEND": message(send(CLIENT, 5000)),
    "CHAT": message(chat(CLIENT, 5000)),
    "MOVE": message(dcc(f"MOVE file.bin {NUMBER} 5000 77")),
    "TSEND": message(dcc(f"TSEND file.bin {NUMBER} 5000 77")),
    "SCHAT": message(dcc(f"SCHAT chat {NUMBER} 5000")),
    "to a channel": message(send(CLIENT, 5000), to="#rust"),
    "no size": message(dcc(f"SEND file.bin {NUMBER} 5000")),
    "port 65535": message(send(CLIENT, 65535)),
}
# What the stock module does not know, or knows as the first thing in a segment only.
OURS_OPENS = {
    "NOTICE": message(send(CLIENT, 5000), command="NOTICE"),
    "small letters": message(send(CLIENT, 5000).lower(), command="privmsg"),
    "prefix": message(send(CLIENT, 5000), before=":alice!alice@192.0.2.10 "),
    "tags": message(send(CLIENT, 5000), before="@label=123;+example.net/x=y\\:z "),
    "tags and prefix": message(send(CLIENT, 5000), before="@+draft/reply=1 :alice "),
    "long tags": message(send(CLIENT, 5000), before="@" + "t=" + "v" * 3000 + " "),
    "quoted name": message(send(CLIENT, 5000, '"my holiday pictures.zip"')),
    "quoted name with numbers": message(send(CLIENT, 5000, '"1 2 3 4.zip"')),
    "dotted address": message(dcc("SEND file.bin 192.0.2.10 5000 77")),
    "another line before it": b"JOIN #rust\r\n" + message("hello", to="#rust") + message(send(CLIENT, 5000)),
    "another DCC before it": message(dcc("SEND file.bin 1 0 77 12"), send(CLIENT, 5000)),
}
OPENS_NOTHING = {
    "another host's address": message(send(THIRD, 5000)),
    "the server's address": message(send("198.51.100.10", 5000)),
    "in the middle of a text": message("look: ", send(CLIENT, 5000)),
    "not in a message": b"TOPIC #rust :" + send(CLIENT, 5000).encode() + b"\r\n",
    "no end of the DCC's word": message(f"\1DCCSEND file.bin {NUMBER} 5000 77\1"),
    "unknown": message(dcc(f"XSEND file.bin {NUMBER} 5000 77")),
    "port 0": message(dcc(f"SEND file.bin {NUMBER} 0 77 42")),
    "RESUME": message(dcc("RESUME file.bin 5000 512")),
    "ACCEPT": message(dcc("ACCEPT file.bin 5000 512")),
    "no port": message(dcc(f"SEND file.bin {NUMBER}")),
    "binary": message("\1DCC SEND \x7f\x7f\x7f\1"),
}
# Here the stock module cuts numbers to size.
OURS_OPENS_NOTHING = {
    "port 65558 is not 22": message(dcc(f"SEND file.bin {NUMBER} 65558 77")),
    "port -1": message(dcc(f"SEND file.bin {NUMBER} -1 77")),
    "port with more": message(dcc(f"SEND file.bin {NUMBER} 5000x 77")),
    "address beyond 32 bits": message(dcc(f"SEND file.bin {NUMBER + (1 << 32)} 5000 77")),
    "octal address": message(dcc("SEND file.bin 192.0.2.266 5000 77")),
}


@pytest.fixture
def session(network, way):
    """session(family): an IRC session through the router, with the helper."""
    opened = []

    def start(family="ipv4", **parameters):
        IRC.conntrack_half.load(**parameters)
        opened.append(Session(way(IRC, "plain", family)))
        return opened[-1]

    yield start
    for one in opened:
        one.__exit__()


def _check_opens(network, talk, lines):
    for kind, line in lines.items():
        talk.client_says(line)
        found = expected.listed(network.router)
        port = 65535 if "65535" in kind else 5000
        assert [one.port for one in found] == [port], kind
        assert found[0] == Expected("tcp", ANYBODY["ipv4"], CLIENT, port, "irc", found[0].seconds)
        assert 280 <= found[0].seconds <= 300
        network.router.run("conntrack -F expect")
    talk.chat()


def _check_opens_nothing(network, talk, lines):
    for kind, line in lines.items():
        talk.client_says(line)
        assert expected.listed(network.router) == [], kind
    talk.offer_to_outside(5000)


def test_offers(network, session):
    _check_opens(network, session(), OPENS)


@pytest.mark.ours
def test_offers_unknown_to_the_stock_module(network, session):
    _check_opens(network, session(), OURS_OPENS)


def test_other_messages(network, session, kernel_log):
    kernel_log.allow("nf_conntrack_irc: Forged DCC command")
    _check_opens_nothing(network, session(), OPENS_NOTHING)


@pytest.mark.ours
def test_numbers_that_do_not_fit(network, session):
    _check_opens_nothing(network, session(), OURS_OPENS_NOTHING)


@pytest.mark.ours
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_privileged_port(network, session, family):
    """What waits below 1024 are a machine's own services; the stock module opens them."""
    talk = session(family)
    address = talk.flow.client.address[family]
    for port in (1, 22, 1023):
        talk.client_says(message(send(address, port)))
        assert expected.listed(network.router, family) == []
    IRC.ours.set_parameter("allow_privileged", 1)
    talk.offer_to_outside(1023)
    IRC.ours.set_parameter("allow_privileged", 0)
    talk.client_says(message(send(address, 1023)))
    assert expected.listed(network.router, family) == []
    talk.offer_to_outside(1024)


def test_connection_comes_about(network, session):
    """From anybody, as who is told is known to the two clients only; but once."""
    talk = session()
    for opener in (network.server, network.third):
        with network.client.listen("ipv4", 5000) as waiting:
            talk.client_says(message(send(CLIENT, 5000)))
            carry(opener, "ipv4", CLIENT, 5000, waiting)
            assert expected.listed(network.router) == []
    counts = talk.flow.gate.counts()
    assert counts["related"] == 2 and counts["blocked"] == 0


def test_server_offers_nothing(network, session):
    """What others offer comes from the server, and is for them to have let in."""
    talk = session()
    for address in (CLIENT, THIRD):
        talk.server_says(b":bob!b@example.net " + message(send(address, 5000), to="alice"))
    assert expected.listed(network.router) == []


@pytest.mark.ours
def test_several_in_one_segment(network, session):
    talk = session()
    talk.client_says(message(send(CLIENT, 5001), send(CLIENT, 5002)) + message(chat(CLIENT, 5003), to="carol")
                     + message("hello") + message(send(CLIENT, 5004), command="NOTICE"))
    assert expected.ports(network.router) == [5001, 5002, 5003, 5004]


@pytest.mark.ours
def test_ipv6(network, session):
    talk = session("ipv6")
    for spelling in (CLIENT6, "2001:DB8:1:0:0:0:0:10", "2001:0db8:0001::0010"):
        talk.client_says(message(dcc(f"SEND file.bin {spelling} 5000 77")))
        [found] = expected.listed(network.router, "ipv6")
        assert found == Expected("tcp", ANYBODY["ipv6"], CLIENT6, 5000, "irc", found.seconds)
        network.router.run("conntrack -F expect")
    for address in ("2001:db8:3::10", "::ffff:192.0.2.10", "2001:db8:1::10::", "192.0.2.10"):
        talk.client_says(message(dcc(f"SEND file.bin {address} 5000 77")))
        assert expected.listed(network.router, "ipv6") == [], address
    talk.offer_to_outside(5000)


@pytest.mark.parametrize("side", ["client", "server"])
def test_garbage(network, session, side):
    """Long, binary and unfinished; it arrives as it is, and the session lives on."""
    talk = session()
    say = talk.client_says if side == "client" else talk.server_says
    for garbage in (b"A" * 20000, bytes(20000), b"\1" * 20000, b"\1DCC SEND " * 2000, b"@" + b"t=v;" * 5000,
                    b"PRIVMSG bob :\1DCC SEND \"" + b"x" * 20000, bytes(range(256)) * 50):
        say(garbage)
        say(b"\r\n")
    assert expected.listed(network.router) == []
    talk.offer_to_outside(5000)


def test_three_channels(network, session):
    """Of more offers than allowed the oldest goes."""
    talk = session(max_dcc_channels=3)
    for port in range(5001, 5006):
        talk.client_says(message(send(CLIENT, port)))
    assert expected.ports(network.router) == [5003, 5004, 5005]


def test_eight_channels_by_default(network, session):
    talk = session()
    for port in range(5001, 5011):
        talk.client_says(message(send(CLIENT, port)))
    assert expected.ports(network.router) == list(range(5003, 5011))


def test_timeout(network, session):
    """An offer that nobody takes is forgotten in time."""
    talk = session(dcc_timeout=2)
    talk.client_says(message(send(CLIENT, 5000)))
    assert [one.seconds <= 2 for one in expected.listed(network.router)] == [True]
    wait_for("the offer to be forgotten", lambda: expected.listed(network.router) == [])
    talk.chat()


@pytest.mark.ours
def test_longest_timeout(network, session):
    talk = session(dcc_timeout=2147483)
    talk.client_says(message(send(CLIENT, 5000)))
    [offer] = expected.listed(network.router)
    assert 2147400 <= offer.seconds <= 2147483
    talk.offer_to_outside(5000)
