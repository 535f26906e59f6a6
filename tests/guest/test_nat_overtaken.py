# SPDX-License-Identifier: GPL-2.0
"""A line is lost before the router, and others overtake it. Those of no interest pass: each that is held
back costs a timeout. Those that may have to be rewritten wait for it."""

import contextlib

import pytest

import counters
import dcc
import expected
import shell
from capture import Capture
from dialogue import Dialogue, carry, hear
from helpers import FTP, IRC
from scripted import port_command

pytestmark = pytest.mark.ours
PORT = 40000
# Longer than this are lost, but not so long that the router does not wait for them.
LONG = 300
LOSS = """table inet loss {{
  chain lose {{
    type filter hook prerouting priority -500
    tcp dport {port} meta length > {long} counter drop
  }}
}}
"""


class Ftp:
    helper, session = FTP, Dialogue
    lost = b"STAT " + b"x" * LONG + b"\r\n"
    others = [b"NOOP\r\n", b"RETR file1.txt\r\n", b"STAT 1\r\nNOOP\r\n"]

    @staticmethod
    def announcement(address):
        return port_command(address, PORT)


class Irc:
    helper, session = IRC, dcc.Session
    lost = b"PRIVMSG bob :" + b"x" * LONG + b"\r\n"
    others = [b"PRIVMSG bob :one\r\n", b"JOIN #c1\r\nPART #c2\r\n", b"PING 3\r\n"]

    @staticmethod
    def announcement(address):
        return dcc.message(dcc.send(address, PORT))


KINDS = pytest.mark.parametrize("kind", [Ftp, Irc], ids=["ftp", "irc"])


@pytest.fixture(autouse=True)
def debugfs():
    counters.mount()


@contextlib.contextmanager
def losses(router, helper):
    """Long segments do not come to the router."""
    router.run("nft -f -", stdin=LOSS.format(port=helper.port, long=LONG))
    try:
        yield
    finally:
        router.run("nft delete table inet loss")


@contextlib.contextmanager
def far_away(server):
    """Its acknowledgements take their time: TCP sends little new once it knows of a loss."""
    server.run("tc qdisc add dev net root netem delay 60ms")
    try:
        yield
    finally:
        server.run("tc qdisc del dev net root")


def _segments(capture, port, text):
    """In how many segments `text` has come to the server."""
    return sum(text in segment.payload for segment in capture.read() if segment.dest[1] == port)


@KINDS
def test_lines_of_no_interest_pass(network, way, kind):
    """All of them reach the server before what was lost does, and nothing is dropped."""
    kind.helper.nat_half.load()
    flow = way(kind.helper, "snat")
    with kind.session(flow) as talk, Capture(flow.server) as far:
        with losses(network.router, kind.helper), far_away(flow.server):
            for line in (kind.lost, *kind.others):
                talk.client.sendall(line)
            for line in kind.others:
                shell.wait_for(f"{line!r} to arrive", lambda line=line: _segments(far, kind.helper.port, line))
            assert _segments(far, kind.helper.port, kind.lost) == 0
            assert "held" not in counters.read(kind.helper.name)
        said = b"".join([kind.lost, *kind.others])
        assert hear(talk.server, len(said)) == said
        assert not {"held", "gave_up"} & counters.read(kind.helper.name).keys()
        _announce(flow, talk, kind)
        talk.chat()


@KINDS
def test_control_announcement_waits(network, way, kind):
    """Its place in the stream is not known before the lost line has come; then it is rewritten."""
    kind.helper.nat_half.load()
    flow = way(kind.helper, "snat")
    own, outside = (kind.announcement(address) for address in (flow.client.address["ipv4"], flow.seen_as))
    with kind.session(flow) as talk, Capture(flow.server) as far:
        with flow.client.listen("ipv4", PORT) as waiting:
            with losses(network.router, kind.helper):
                talk.client.sendall(kind.lost)
                talk.client.sendall(own)
                shell.wait_for("it to be held back", lambda: counters.read(kind.helper.name).get("held", 0))
                talk.client.sendall(kind.others[0])
                assert _segments(far, kind.helper.port, b"\n") == 0
                assert expected.listed(network.router) == []
            said = kind.lost + outside + kind.others[0]
            assert hear(talk.server, len(said)) == said
            carry(flow.server, "ipv4", flow.seen_as, PORT, waiting)
        talk.chat()


@KINDS
def test_announcement_that_was_overtaken(network, way, kind):
    """What has overtaken it is at its place on the other side already, so it cannot become longer: it passes
    as it is, and the session goes on."""
    kind.helper.nat_half.load()
    flow = way(kind.helper, "snat")
    own = kind.announcement(flow.client.address["ipv4"])
    line = kind.lost + own
    with kind.session(flow) as talk, Capture(flow.server) as far:
        with losses(network.router, kind.helper):
            talk.client.sendall(line)
            talk.client.sendall(kind.others[0])
            shell.wait_for("the other line to arrive", lambda: _segments(far, kind.helper.port, kind.others[0]))
        said = line + kind.others[0]
        assert hear(talk.server, len(said)) == said
        assert expected.listed(network.router) == []
        assert counters.read(kind.helper.name)["gave_up"] >= 1
        _announce(flow, talk, kind)
        talk.chat()


def _announce(flow, talk, kind):
    own, outside = (kind.announcement(address) for address in (flow.client.address["ipv4"], flow.seen_as))
    with flow.client.listen("ipv4", PORT) as waiting:
        talk.client_says(own, outside)
        carry(flow.server, "ipv4", flow.seen_as, PORT, waiting)
