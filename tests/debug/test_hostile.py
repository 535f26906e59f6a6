# SPDX-License-Identifier: GPL-2.0
"""What the fuzz targets found of interest, and mutations of it, sent as real packets between namespaces
through the modules, from both sides, with and without translation. No report of the kernel's, and
beside it innocent sessions that lose nothing. PACKETS= says how many; the same SEED= makes the same
packets again."""

import os
import random
import time
from collections import Counter

import pytest

import counters
import flows
import frames
import hostile
import instances
import sessions
import shell

pytestmark = pytest.mark.debug
PACKETS = int(os.environ.get("PACKETS", "20000"))
SEED = int(os.environ.get("SEED", "1"))
BATCH = 1000
# Addresses that nobody has: the hosts' own kernels would answer, and end the connections.
ATTACKERS = {"ipv4": ("192.0.2.66", "198.51.100.66"), "ipv6": ("2001:db8:1::66", "2001:db8:2::66")}
HARDWARE = "02:00:00:00:00:66"
# The attackers may do what they like; everybody else has a firewall.
RULES = """table inet wall {{
  chain forward {{
    type filter hook forward priority filter; policy drop;
    {ip} saddr {{ {attackers} }} accept
    ct state established,related accept
    tcp dport {{ 21, 6667 }} ct state new accept
    udp dport {{ 69, 10080 }} ct state new accept
  }}
}}
"""
NAT = """table inet nat {{
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    {ip} saddr {inner} {ip} daddr {near} dnat {ip} to {outer}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    {ip} saddr {inner} oifname "to-server" snat {ip} to {far}
    oifname "to-server" snat {ip} to {own}
  }}
}}
"""
# Connections that nobody ends must not be there for days.
SHORT = {"net.netfilter.nf_conntrack_tcp_timeout_established": 60, "net.netfilter.nf_conntrack_udp_timeout": 10,
         "net.netfilter.nf_conntrack_udp_timeout_stream": 60, "net.netfilter.nf_conntrack_expect_max": 65536}


@pytest.fixture
def ports(network):
    """The attackers are known to the router as neighbours, so that packets for them really leave it."""
    for inner, outer in ATTACKERS.values():
        for address, side in ((inner, "to-client"), (outer, "to-server")):
            network.router.run(f"ip neighbour replace {address} lladdr {HARDWARE} dev {side} nud permanent")
    with frames.Port(network.client, network.router) as client, frames.Port(network.server, network.router) as server:
        yield client, server


@pytest.fixture
def firewall(network):
    def put_up(family, translated):
        inner, outer = ATTACKERS[family]
        rules = RULES + NAT if translated else RULES
        network.router.run("nft -f -", stdin=rules.format(
            ip="ip6" if family == "ipv6" else "ip", attackers=f"{inner}, {outer}", inner=inner, outer=outer,
            near=flows.NEAR[family], far=flows.FAR[family], own=flows.LONG[family]))

    return put_up


class Attack:
    """Made-up connections without an end."""

    def __init__(self, ports, family, translated, seed):
        self.ports, self.chance, self.kinds = ports, random.Random(seed), Counter()
        self.inputs, self.sentences = hostile.inputs(), hostile.sentences()
        inner, outer = ATTACKERS[family]
        self.ends = (inner, flows.NEAR[family] if translated else outer)
        self.back = (outer, flows.FAR[family] if translated else inner)
        self.talks, self.sending = 0, 0.0

    def begin(self):
        """Each sentence once, as it is: that all counters have moved is then not left to chance."""
        for name, sentences in self.sentences.items():
            for sentence in sentences:
                self._talk(name, sentence)

    def go_on(self, count):
        """At least so many more."""
        wanted = self.sent + count
        while self.sent < wanted:
            self._talk(self.chance.choice(list(hostile.PORTS)))

    def _talk(self, name, sentence=None):
        self.talks += 1
        talk = hostile.Talk(self.chance, name, self.inputs[name], self.kinds, self.ends, self.back, sentence)
        packets = list(talk.packets())
        start = time.monotonic()
        for side, packet, gso_size in packets:
            self.ports[side].send(packet, gso_size)
        self.sending += time.monotonic() - start

    @property
    def sent(self):
        return sum(port.sent for port in self.ports)

    def tell(self, seconds):
        shell.log.info("%d packets of %d connections in %.0f s, %.0f of them to send them; %d refused; %s",
                       self.sent, self.talks, seconds, self.sending, sum(port.refused for port in self.ports), dict(self.kinds))


def understood(family, translated):
    """What the sentences must have moved, or all this would show nothing."""
    yield from ((name, counter) for name in hostile.PORTS for counter in ("assigned", "announced", "expected"))
    yield from ((name, "foreign_address") for name in hostile.OF_LINES)
    yield ("tftp", "malformed")
    yield ("ftp", "unasked")
    if translated:
        yield from ((name, counter) for name in hostile.OF_LINES for counter in ("held", "nat.rewritten"))


@pytest.mark.timeout(1200 + PACKETS // 100)
@pytest.mark.parametrize("translated", [False, True], ids=["plain", "nat"])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_hostile_traffic(network, all_modules, ports, firewall, setting, kernel_log, family, translated):
    kernel_log.allow("expectation table full|helper dropping|kernel messages were lost|net_ratelimit|callbacks suppressed")
    firewall(family, translated)
    for name, value in SHORT.items():
        setting(name, value)
    # Segments that do not fit into the window do not reach the helpers, so every other time all do.
    liberal = "net.netfilter.nf_conntrack_tcp_be_liberal"
    attack = Attack(ports, family, translated, SEED)
    # The innocent are translated to an address of their own, where no port is taken from them.
    way = flows.make("snat" if translated else "plain", family)
    attack.begin()
    begun = {name: counters.read(name) for name in hostile.PORTS}
    missing = [(name, counter) for name, counter in understood(family, translated) if not begun[name].get(counter)]
    assert not missing, f"never counted: {missing}"
    start = time.monotonic()
    with way as flow, sessions.Ftp(flow) as ftp, sessions.Irc(flow) as irc, sessions.Tftp(flow) as tftp:
        for number in range(-(-PACKETS // 4 // BATCH)):
            setting(liberal, number % 2)
            attack.go_on(BATCH)
            for session in (ftp, irc):
                session.talk.chat()
            if number % 20 == 0:
                for session in (ftp, irc, tftp):
                    session.goes_on(40000 + number % 20000)
                shell.log.info("%d packets in %.0f s", attack.sent, time.monotonic() - start)
    attack.tell(time.monotonic() - start)
    assert all(counters.read(name)["expected"] > begun[name]["expected"] for name in hostile.PORTS)
    assert attack.kinds.keys() >= {"GSO", "cuts", "overlaps", "options", "offset", "flags", "sum", "length", "fragments"}
    network.router.run("conntrack -F")
    instances.unload_all()
