# SPDX-License-Identifier: GPL-2.0
"""Conntrack zones of one direction, as for tenants with the same addresses: what comes from the client
is in a zone, what comes from the server in none. Each kind of connection comes about, whoever opens it."""

import pytest

import counters
import expected
import flows
import topology
from datagrams import Socket
from dcc import Session, message, send
from dialogue import Dialogue, carry
from helpers import IRC, TFTP
from scripted import port_command
from test_nat_ports import PORT, announce, transfer

pytestmark = pytest.mark.ours
FAMILIES = pytest.mark.parametrize("family", topology.FAMILIES)
NAT = pytest.mark.parametrize("name", ["plain", "masquerade"])


ZONES = """table inet zones {{
  chain raw {{ type filter hook prerouting priority raw; {} }}
}}"""


def _zone(network, **tenants):
    """What comes from these hosts is in these zones."""
    rules = "".join(f'iifname "to-{host}" ct original zone set {zone}; ' for host, zone in tenants.items())
    network.router.run("nft -f -", stdin=ZONES.format(rules))


def _active(talk):
    way = talk.flow
    with way.client.listen(way.family) as waiting:
        port = waiting.getsockname()[1]
        command = port_command(way.client.address[way.family], port)
        talk.client_says(command, command if way.name == "plain" else None)
        carry(way.server, way.family, way.seen_as, port, waiting)


@FAMILIES
@NAT
def test_ftp(network, nat_helper, flow, name, family):
    way = flow(name, family)
    _zone(network, client=1)
    with Dialogue(way) as talk:
        for _ in range(2):
            talk.passive()
            _active(talk)
        talk.chat()
    assert way.wall.counts()["blocked"] == 0 and way.wall.counts()["related"] == 4


@FAMILIES
@NAT
def test_irc(network, way, name, family):
    IRC.nat_half.load()
    flow = way(IRC, name, family)
    _zone(network, client=1)
    with Session(flow) as talk:
        talk.offer_to_outside(5000)
        talk.chat()
    assert flow.gate.counts()["blocked"] == 0


@FAMILIES
@NAT
def test_tftp(network, way, name, family):
    TFTP.nat_half.load()
    flow = way(TFTP, name, family)
    _zone(network, client=1)
    request, data = b"\0\1file\0octet\0", b"\0\3\0\1data"
    with Socket(flow.client, family, 3000) as client, Socket(flow.server, family, TFTP.port) as server, \
            Socket(flow.server, family, 3001) as other:
        client.send(request, (flow.target, TFTP.port))
        peer = server.hears(request)
        other.send(data, peer)
        assert client.hears(data) == (flow.target, 3001)
        client.send(b"\0\4\0\1", (flow.target, 3001))
        assert other.hears(b"\0\4\0\1") == peer
    assert flow.gate.counts()["blocked"] == 0


def test_two_tenants(network, nat_helper, flow):
    """What two tenants announce alike leads to each of them."""
    first = flow("snat")
    second = flows.make("snat")
    second.client = network.third
    _zone(network, client=1, third=2)
    with Dialogue(first) as one, Dialogue(second, listener=one.listener) as other:
        with first.client.listen("ipv4", PORT) as here, second.client.listen("ipv4", PORT) as there:
            port = announce(one)
            another = announce(other)
            assert port == PORT != another
            assert expected.ports(network.router) == sorted([port, another])
            transfer(other, there, another)
            transfer(one, here, port)
        for talk in (one, other):
            talk.chat()


LEAD = """table inet lead {
  chain lead { type filter hook prerouting priority mangle; iifname "to-third" ct mark set 3; meta mark set ct mark; }
}"""


@pytest.fixture
def twin(network, clean):
    """The third host has the client's address, too; what belongs to its connections is led to it."""
    own, router = network.client.address["ipv4"], network.router
    network.third.run(f"ip address add {own} dev net")
    network.third.run(f"ip route replace default via 203.0.113.1 src {own}")
    router.run(f"ip route add {own} dev to-third table 3")
    router.run("ip rule add fwmark 3 lookup 3")
    router.run("nft -f -", stdin=LEAD)
    host = topology.Host("third")
    host.address = network.client.address
    yield host
    router.run("ip rule del fwmark 3")
    router.run("ip route flush table 3")
    network.third.run("ip route replace default via 203.0.113.1")
    network.third.run(f"ip address del {own} dev net")


def test_two_tenants_with_one_address(network, nat_helper, flow, twin):
    first = flow("snat")
    second = flows.make("snat")
    second.client = twin
    _zone(network, client=1, third=2)
    with Dialogue(first) as one, Dialogue(second, listener=one.listener) as other:
        with first.client.listen("ipv4", PORT) as here, twin.listen("ipv4", PORT) as there:
            ports = announce(one), announce(other)
            assert ports[0] == PORT != ports[1]
            for talk, waiting, port in zip((other, one), (there, here), reversed(ports)):
                transfer(talk, waiting, port)
        for talk in (one, other):
            talk.passive()
            talk.chat()


def test_offer_to_anybody(network, nat_helper, flow):
    """What one tenant offers to anybody does not lead away what another's server opens, nor the other
    way round, though neither asks for the other's very expectation."""
    IRC.nat_half.load()
    counters.mount()
    first = flow("snat", ports=(21, IRC.port))
    second = flows.make("snat")
    second.client = network.third
    _zone(network, client=1, third=2)
    with Dialogue(first) as one, Session(second) as other:
        offer = message(send(second.client.address["ipv4"], PORT))
        with first.client.listen("ipv4", PORT) as here:
            assert announce(one) == PORT
            other.client_says(offer)
            assert counters.read("irc")["nat.no_port"] == 1
            transfer(one, here, PORT)
        other.client_says(offer, message(send(second.seen_as, PORT)))
        assert announce(one) != PORT
        for talk in (one, other):
            talk.chat()


def test_port_in_use(network, nat_helper, flow):
    """A port to which the server is connected already, as it would be in no zone, is taken."""
    way = flow("snat")
    _zone(network, client=1)
    network.router.run(f"conntrack -I -p tcp -s {way.server.address['ipv4']} -d {way.seen_as} --sport 20 --dport {PORT} "
                       "--state ESTABLISHED -u ASSURED -t 100")
    with Dialogue(way) as talk, way.client.listen("ipv4", PORT) as waiting:
        port = announce(talk)
        assert port != PORT
        transfer(talk, waiting, port, 20)
        talk.chat()
