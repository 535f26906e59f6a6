# SPDX-License-Identifier: GPL-2.0
"""A machine that talks to itself through translated addresses. Each packet comes to conntrack's end
twice, on its way out and in; it counts once."""

import pytest

import counters
import expected
import flows
import topology
from amanda_talk import Talk, connect, reply
from dcc import Session
from datagrams import Socket
from dialogue import Dialogue, carry
from helpers import AMANDA, IRC, TFTP
from scripted import port_command

# What the client connects to, which is nobody's; where it is led; what the server is to see.
TARGET = {"ipv4": "203.0.113.200", "ipv6": "2001:db8:3::200"}
OWN = {"ipv4": "203.0.113.1", "ipv6": "2001:db8:3::1"}
# The stock module's session stalls.
FAMILIES = pytest.mark.parametrize("family", ["ipv4", pytest.param("ipv6", marks=pytest.mark.ours)])


def _flow(family="ipv4"):
    client, server = topology.Host("router"), topology.Host("router")
    client.address, server.address = {family: OWN[family]}, {family: flows.FAR[family]}
    return flows.Flow("loopback", family, client, server, TARGET[family], flows.NEAR[family], ())


def _translate(family, transport, port):
    tool = "ip6tables" if family == "ipv6" else "iptables"
    router = topology.Host("router")
    router.run(f"{tool} -t nat -A OUTPUT -d {TARGET[family]} -p {transport} --dport {port} "
               f"-j DNAT --to-destination {flows.FAR[family]}")
    router.run(f"{tool} -t nat -A POSTROUTING -o lo -p {transport} --dport {port} "
               f"-j SNAT --to-source {flows.NEAR[family]}")


def _active(talk):
    """As servers do, from their own address."""
    way = talk.flow
    with way.client.listen(way.family) as waiting:
        port = waiting.getsockname()[1]
        talk.client_says(port_command(way.client.address[way.family], port))
        carry(way.server, way.family, way.seen_as, port, waiting, source_port=0)


@FAMILIES
def test_ftp(network, nat_helper, wall, family):
    rules = wall("iptables", family, raw="-A OUTPUT -p tcp --dport 21 -j CT --helper ftp")
    _translate(family, "tcp", 21)
    counters.mount()
    with Dialogue(_flow(family)) as talk:
        for _ in range(6):
            talk.passive()
            _active(talk)
        talk.chat()
    assert rules.counts()["related"] == 12 and rules.counts()["blocked"] == 0
    if nat_helper.name.startswith("ip_"):
        assert counters.read("ftp") == {"announced": 12, "expected": 12, "nat.rewritten": 12}


def _loaded(helper):
    helper.nat_half.load()
    counters.mount()
    _translate("ipv4", helper.transport, helper.port)


@pytest.mark.ours
def test_irc(network, clean):
    _loaded(IRC)
    with Session(_flow()) as talk:
        for port in range(5000, 5006):
            talk.offer_to_outside(port)
        talk.chat()
    assert counters.read("irc") == {"assigned": 1, "announced": 6, "expected": 6, "nat.rewritten": 6}


@pytest.mark.ours
def test_tftp(network, clean):
    _loaded(TFTP)
    way = _flow()
    request = b"\0\1file\0octet\0"
    with Socket(way.client, "ipv4", 3000) as client, Socket(way.server, "ipv4", TFTP.port) as server, \
            Socket(way.server, "ipv4", 3001) as transfer:
        client.send(request, (way.target, TFTP.port))
        peer = server.hears(request)
        transfer.send(b"\0\3\0\1data", peer)
        assert client.hears(b"\0\3\0\1data") == (way.target, 3001)
    assert counters.read("tftp") == {"assigned": 1, "announced": 1, "expected": 1}


@pytest.mark.ours
def test_amanda(network, clean):
    """A port that is replaced is not what the machine waits on."""
    _loaded(AMANDA)
    way = _flow()
    with Socket(way.server, "ipv4", AMANDA.port) as machine, Talk(way, 850, machine) as one, \
            Talk(way, 851, machine) as other:
        one.machine_says(reply(connect(DATA=20012)))
        other.machine_says(reply(connect(DATA=20012)), reply(connect(DATA=20013)))
        assert expected.ports(network.router) == [20012, 20013]
        for told in (20013, 20012):
            with way.server.listen("ipv4", 20012) as waiting:
                carry(way.client, "ipv4", way.target, told, waiting)
    assert counters.read("amanda") == {"assigned": 2, "announced": 2, "expected": 2, "nat.rewritten": 1}
