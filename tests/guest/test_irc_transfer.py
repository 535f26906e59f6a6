# SPDX-License-Identifier: GPL-2.0
"""Real IRC clients on a real server send each other files and chat, through the router, plain and
with address translation on either side. The control is the very same without the helper, and with
translation without its NAT half."""

import re

import pytest

import expected
from capture import Capture
from dcc import message, send
from helpers import IRC
from irc_programs import CLIENTS, ngircd
from shell import wait_for

PAIRS = [("irssi", "weechat"), ("weechat", "irssi")]
# Who is behind the router's address; the other one is where the server is, or on the third host.
NAT = [("snat", "server"), ("masquerade", "third"), ("dnat", "server")]


def _meet(network, flow, first, second, where):
    """Two clients on one server: alice on the client host, and bob."""
    ngircd(flow.server, flow.family)
    alice = CLIENTS[first](flow.client, "alice", flow.target)
    if where == "third":
        return alice, CLIENTS[second](network.third, "bob", flow.target)
    return alice, CLIENTS[second](flow.server, "bob", flow.server.address[flow.family])


def _exchange(alice, bob):
    """alice sends bob a file, and starts a chat."""
    bob.wait_for_file(alice.send_file("bob"))
    alice.chat("bob")
    alice.wait_for_chat("bob")
    alice.say_in_chat("bob", "question")
    bob.wait_for_text("question")
    bob.say_in_chat("alice", "answer")
    alice.wait_for_text("answer")


@pytest.mark.parametrize("first, second, family", [
    (*PAIRS[0], "ipv4"), (*PAIRS[1], "ipv4"), pytest.param(*PAIRS[1], "ipv6", marks=pytest.mark.ours)])
def test_plain(network, way, first, second, family):
    """Both clients are behind the firewall, each on a network of its own; both send."""
    IRC.conntrack_half.load()
    flow = way(IRC, "plain", family)
    alice, bob = _meet(network, flow, first, second, "third")
    _exchange(alice, bob)
    alice.wait_for_file(bob.send_file("alice"))
    counts = flow.gate.counts()
    assert counts["related"] >= 3 and counts["blocked"] == 0


@pytest.mark.parametrize("first, second, family", [(*PAIRS[0], "ipv4"), (*PAIRS[1], "ipv4"), (*PAIRS[1], "ipv6")])
def test_control_without_helper(network, way, first, second, family):
    flow = way(IRC, "plain", family, assign=None)
    alice, bob = _meet(network, flow, first, second, "third")
    sent = alice.send_file("bob")
    wait_for("the firewall to block bob", lambda: flow.gate.counts()["blocked"])
    assert flow.gate.counts()["related"] == 0
    bob.check_not_received(sent)


@pytest.mark.ours
def test_explicit_assignment(network, way):
    flow = way(IRC, "plain", assign="irc")
    alice, bob = _meet(network, flow, "irssi", "weechat", "server")
    bob.wait_for_file(alice.send_file("bob"))
    assert flow.gate.counts()["blocked"] == 0
    assert IRC.ours.parameter("auto_assign") == "N"
    assert not IRC.stock.loaded()


@pytest.mark.parametrize("name, where", NAT)
def test_nat(network, way, name, where):
    IRC.nat_half.load()
    flow = way(IRC, name)
    alice, bob = _meet(network, flow, *PAIRS[NAT.index((name, where)) % 2], where)
    _exchange(alice, bob)
    counts = flow.gate.counts()
    assert counts["related"] >= 2 and counts["blocked"] == 0
    if where == "third":
        alice.wait_for_file(bob.send_file("alice"))


@pytest.mark.ours
def test_nat_ipv6(network, way):
    IRC.nat_half.load()
    flow = way(IRC, "masquerade", "ipv6")
    alice, bob = _meet(network, flow, "irssi", "weechat", "server")
    _exchange(alice, bob)
    assert flow.gate.counts()["blocked"] == 0


def _taken(network, flow, port):
    """Somebody else behind the router's address offers this port, so that it is taken."""
    carol = network.third.connect(flow.family, flow.target, IRC.port)
    carol.sendall(b"NICK carol\r\nUSER carol 0 * :Carol\r\n" + message("hello", to="carol")
                  + message(send(network.third.address[flow.family], port), to="carol"))
    wait_for("carol's offer", lambda: port in expected.ports(network.router, flow.family))
    return carol


@pytest.mark.ours
def test_resume(network, way):
    """bob has the first part of alice's file already and wants the rest. The router has changed the
    port that alice offered; bob asks by that one, and alice understands."""
    IRC.nat_half.load()
    flow = way(IRC, "masquerade")
    alice, bob = _meet(network, flow, "irssi", "weechat", "server")
    with _taken(network, flow, 5000), Capture(flow.client) as near:
        alice.command("/set dcc_port 5000")
        file = alice.make_file()
        bob.has_part_of(file, 40_000)
        bob.wait_for_file(alice.send_file("bob", file))
        [(said, heard)] = near.connections(IRC.port).values()
        [offered], [asked], [accepted] = (re.findall(pattern, stream.text()) for pattern, stream in (
            (rb"DCC SEND \S+ \d+ (\d+) ", said), (rb"DCC RESUME \S+ (\d+) 40000", heard),
            (rb"DCC ACCEPT \S+ (\d+) 40000", said)))
        assert offered == asked == accepted == b"5000"
    counts = flow.gate.counts()
    assert counts["related"] >= 1 and counts["blocked"] == 0


@pytest.mark.ours
def test_passive(network, way):
    """bob cannot be connected to and offers port 0 (passive DCC); alice, behind the router, answers
    with a port of hers, which is an offer as any other."""
    IRC.nat_half.load()
    flow = way(IRC, "snat")
    alice, bob = _meet(network, flow, "irssi", "irssi", "server")
    with Capture(flow.client) as near:
        sent = bob.send_file("alice", options="-passive")
        alice.wait_for_text("DCC SEND from bob")
        # Such an offer irssi does not take by itself.
        alice.command("/dcc get bob")
        alice.wait_for_file(sent)
        [(said, heard)] = near.connections(IRC.port).values()
        assert re.search(rb"DCC SEND \S+ \d+ 0 \d+ \d+\x01", heard.text())
        assert re.search(rb"DCC SEND \S+ \d+ [1-9]\d* \d+ \d+\x01", said.text())
    counts = flow.gate.counts()
    assert counts["related"] >= 1 and counts["blocked"] == 0


def test_control_without_nat_half(network, way):
    """bob is told alice's own address, which the router lets nobody but RELATED connections to; and
    what is expected is a connection to the router's own."""
    IRC.conntrack_half.load()
    flow = way(IRC, "snat")
    alice, bob = _meet(network, flow, "irssi", "weechat", "server")
    sent = alice.send_file("bob")
    wait_for("the firewall to block bob", lambda: flow.gate.counts()["blocked"])
    bob.check_not_received(sent)
