# SPDX-License-Identifier: GPL-2.0
"""A firewall that is a bridge: it has rules of the bridge family, and conntrack knows what it forwards
(nf_conntrack_bridge). Nobody says which connections get the helper."""

import contextlib

import pytest

import counters
import flows
import topology
from dialogue import Dialogue, carry
from helpers import FTP
from scripted import port_command

# The two ends of the bridge, which have addresses of one network.
ENDS = {"left": ("192.0.2.50", "2001:db8:9::50"), "right": ("192.0.2.51", "2001:db8:9::51")}

WALL = """table bridge firewall {
  chain forward { type filter hook forward priority filter; policy drop;
    ct state established,related accept
    meta protocol arp accept
    meta l4proto ipv6-icmp accept
    tcp dport 21 ct state new accept
  }
}"""


# br_netfilter gives the bridge's packets to the hooks of IP.
NAT_OF_IP = {"ipv4": "192.0.2.160", "ipv6": "2001:db8:9::abcd"}
IP_WALL = """table {ip} firewall {{
  chain forward {{ type filter hook forward priority filter; policy drop;
    ct state established,related accept
    meta l4proto ipv6-icmp accept
    tcp dport 21 ct state new accept
  }}
  chain postrouting {{ type nat hook postrouting priority srcnat; {ip} saddr {client} snat to {seen_as}; }}
}}"""


@contextlib.contextmanager
def _bridge(router, vlan=None):
    hosts = [topology.Host(name) for name in ENDS]
    router.run("ip link add br0 type bridge mcast_snooping 0")
    try:
        for host in hosts:
            router.run(["ip", "netns", "add", host.name])
            host.address = dict(zip(topology.FAMILIES, ENDS[host.name]))
            host.sysctl("net.ipv6.conf.default.accept_dad", 0)
            router.run("ip -batch -", stdin=f"link add to-{host.name} type veth peer name net netns {host.name}\n"
                                            f"link set to-{host.name} up master br0\n")
            host.run("ip link set net up")
            if vlan:
                host.run(f"ip link add link net name net.{vlan} up type vlan id {vlan}")
            device = f"net.{vlan}" if vlan else "net"
            host.run("ip -batch -", stdin=f"address add {host.address['ipv4']}/24 dev {device}\n"
                                          f"address add {host.address['ipv6']}/64 dev {device} nodad\n")
        router.run("ip link set br0 up")
        yield hosts
    finally:
        for host in hosts:
            host.kill_all()
            # At once, whatever still keeps the namespace.
            router.run(["ip", "link", "del", f"to-{host.name}"], check=False)
            router.run(["ip", "netns", "del", host.name], check=False)
        router.run("ip link del br0")


def _flow(family, client, server, seen_as=None):
    return flows.Flow("bridge", family, client, server, server.address[family],
                      seen_as or client.address[family], ())


@pytest.mark.ours
@pytest.mark.parametrize("vlan", [None, 5])
@pytest.mark.parametrize("family", topology.FAMILIES)
def test_helper_without_a_rule(network, clean, family, vlan):
    FTP.conntrack_half.load()
    counters.mount()
    network.router.run("nft -f -", stdin=WALL)
    with _bridge(network.router, vlan) as (client, server), Dialogue(_flow(family, client, server)) as talk:
        talk.passive()
        with client.listen(family) as waiting:
            port = waiting.getsockname()[1]
            command = port_command(client.address[family], port)
            talk.client_says(command, command)
            carry(server, family, client, port, waiting)
        talk.chat()
    assert counters.read("ftp") == {"assigned": 1, "announced": 2, "expected": 2}


@pytest.fixture
def br_netfilter(network, clean):
    network.router.run("modprobe br_netfilter")
    yield
    network.router.run("modprobe -r br_netfilter")


@pytest.mark.ours
@pytest.mark.parametrize("family", topology.FAMILIES)
def test_nat_of_br_netfilter(network, br_netfilter, family):
    """The helper comes before IP's NAT, and rewrites what changes the length."""
    FTP.nat_half.load()
    counters.mount()
    router, seen_as = network.router, NAT_OF_IP[family]
    with _bridge(router) as (client, server):
        router.run("ip -batch -", stdin=f"address add {seen_as} dev br0\n"
                                        + "".join(f"route add {host.address[family]} dev br0\n" for host in (client, server)))
        router.run("nft -f -", stdin=IP_WALL.format(ip={"ipv4": "ip", "ipv6": "ip6"}[family], seen_as=seen_as,
                                                    client=client.address[family]))
        with Dialogue(_flow(family, client, server, seen_as)) as talk:
            assert talk.peer[0] == seen_as
            talk.active(0)
            talk.passive()
            talk.chat()
    assert counters.read("ftp") == {"assigned": 1, "announced": 2, "expected": 2, "nat.rewritten": 2}


@pytest.mark.ours
def test_control_without_assignment(network, clean):
    FTP.conntrack_half.load(auto_assign=0)
    network.router.run("nft -f -", stdin=WALL)
    with _bridge(network.router) as (client, server), Dialogue(_flow("ipv4", client, server)) as talk:
        with server.listen("ipv4") as waiting, pytest.raises(TimeoutError):
            client.connect("ipv4", server, waiting.getsockname()[1], 1)
        talk.chat()
