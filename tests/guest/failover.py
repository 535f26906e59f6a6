# SPDX-License-Identifier: GPL-2.0
"""Two routers of which one is active, and conntrackd on both, as docs/failover.md says.

                    ┌── router ──┐
    client ── near ─┤     │sync  ├─ far ── server
                    └── spare ───┘

Both routers have the same firewall; the active one has the addresses. "near" and "far" are bridges
in the namespace "switch", so the routers' hardware addresses differ, and the one that takes over says
so, by gratuitous ARP and neighbour advertisements, as keepalived does.
"""

import re
from pathlib import Path

import shell
import topology
from datagrams import Socket
from shell import wait_for

DOCS = Path(__file__).parent / "docs/failover"
SIDES = {"client": "near", "server": "far"}
DISCARD = 9
# What the first router has by default, and some tests change.
SETTINGS = {"net.netfilter.nf_conntrack_tcp_loose": 1, "net.netfilter.nf_conntrack_events": 2,
            "net.ipv6.conf.default.ndisc_notify": 0}
SYNC = {"router": "10.255.0.1", "spare": "10.255.0.2"}

FIREWALL = """table inet firewall {{
  counter related {{ }}
  counter blocked {{ }}
  {objects}
  chain untracked {{
    type filter hook prerouting priority raw;
    iifname "sync" notrack
  }}
  chain untracked-out {{
    type filter hook output priority raw;
    oifname "sync" notrack
  }}
  chain assign {{
    type filter hook prerouting priority mangle;
    {assign}
  }}
  chain input {{
    type filter hook input priority filter; policy drop;
    iifname {{ "sync", "lo" }} accept
    meta l4proto {{ icmp, ipv6-icmp }} accept
    ct state established accept
    counter name "blocked"
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state related counter name "related"
    ct state established,related accept
    tcp dport {{ 21, 6667 }} ct state new accept
    udp dport {{ 9, 69, 10080 }} ct state new accept
    counter name "blocked"
  }}
  chain prerouting {{ type nat hook prerouting priority dstnat; {dnat} }}
  chain postrouting {{ type nat hook postrouting priority srcnat; {snat} }}
}}
"""
NAT = {
    "snat": 'oifname "{0}" snat {ip} to {1};',
    "masquerade": 'oifname "{0}" masquerade;',
    "dnat": "{ip} daddr {0} tcp dport {{ 21, 6667 }} dnat {ip} to {1};"
            "{ip} daddr {0} udp dport {{ 69, 10080 }} dnat {ip} to {1};",
}
# How the helper gets its connections by rules, where it is not left to find them by itself.
ASSIGN = {
    "ftp": "tcp dport 21", "irc": "tcp dport 6667", "tftp": "udp dport 69", "amanda": "udp dport 10080",
}


class Router(topology.Host):
    """One of the two, with its own conntrackd."""

    def __init__(self, name):
        super().__init__(name)
        self.config = Path(f"/tmp/conntrackd-{name}.conf")
        self.daemon = None

    def start_daemon(self, expectations=True):
        """With the documented configuration; without `expectations` it says nothing of those."""
        text = (DOCS / "conntrackd.conf").read_text()
        if self.name == "spare":
            mine, other = SYNC["spare"], SYNC["router"]
            text = re.sub(f"{mine}|{other}", lambda m: mine if m[0] == other else other, text)
        text = re.sub(r"/var/(run|lock)/conntrackd", rf"/tmp/conntrackd-{self.name}", text)
        if not expectations:
            text = re.sub(r"ExpectationSync \{[^}]*\}", "", text)
        self.config.write_text(text)
        self.daemon = self.start(["conntrackd", "-C", str(self.config)])
        wait_for("conntrackd to answer", lambda: self.daemon.ended() or "cache" in self.ask("-s", check=False))
        assert not self.daemon.ended(), f"conntrackd ended at once: {self.daemon.text()}"

    def ask(self, *options, **others):
        """What conntrackd says to an option."""
        return self.run(["conntrackd", "-C", str(self.config), *options], **others)

    def change_role(self, script):
        """What keepalived runs when a router becomes the active one, or no longer is."""
        self.run(["env", f"CONFIG={self.config}", str(DOCS / script)])

    def put_up_firewall(self, flow, assign=(), dnat=""):
        """`assign` names the helpers that rules give to their connections; `dnat` is another rule."""
        rules = {"snat": "", "dnat": dnat}
        for kind, *values in flow.nat:
            rules["dnat" if kind == "dnat" else "snat"] += NAT[kind].format(
                *values, ip="ip6" if flow.family == "ipv6" else "ip")
        self.run("nft -f -", stdin=FIREWALL.format(
            objects="".join(f'ct helper the-{name} {{ type "{name}" protocol {ASSIGN[name][:3]}; }}\n'
                            for name in assign),
            assign="".join(f'{ASSIGN[name]} ct helper set "the-{name}"\n' for name in assign), **rules))
        # What nobody has told of is not taken for a connection that was there before.
        self.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)

    def counts(self):
        listed = self.run("nft list counters table inet firewall")
        return {name: int(packets) for name, packets in re.findall(r"counter (\w+) \{\s*packets (\d+)", listed)}


class Pair:
    """The two routers and the wires between them and the hosts."""

    def __init__(self, network):
        self.routers = self.active, self.spare = Router("router"), Router("spare")
        self.switch = topology.Host("switch")
        for host in (self.spare, self.switch):
            shell.run(["ip", "netns", "add", host.name])
        self.spare.sysctl("net.ipv4.ip_forward", 1)
        self.spare.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.spare.sysctl("net.ipv6.conf.default.accept_dad", 0)
        # An address that is added is announced; for IPv4, take_over does that.
        for router in self.routers:
            router.sysctl("net.ipv6.conf.default.ndisc_notify", 1)
        self._wire()

    def _wire(self):
        """The hosts' wires go from the one router to the switch, and both routers get new ones."""
        commands = "".join(f"link set to-{host} netns switch name {host}\n" for host in SIDES)
        self.active.run("ip -batch -", stdin=commands)
        commands = "".join(f"link add {bridge} type bridge\nlink set {bridge} up\n"
                           f"link set {host} master {bridge}\nlink set {host} up\n" for host, bridge in SIDES.items())
        for router in self.routers:
            for host, bridge in SIDES.items():
                commands += f"link add {router.name}-{host} type veth peer name to-{host} netns {router.name}\n"
                commands += f"link set {router.name}-{host} master {bridge}\nlink set {router.name}-{host} up\n"
        self.switch.run("ip -batch -", stdin=commands)
        self.active.run("ip link add sync type veth peer name sync netns spare")
        for router in self.routers:
            commands = f"link set lo up\naddress add {SYNC[router.name]}/30 dev sync\nlink set sync up\n"
            commands += "".join(f"link set to-{host} up\n" for host in SIDES)
            router.run("ip -batch -", stdin=commands)
        self._forget_neighbours()

    def _forget_neighbours(self):
        for host in SIDES:
            topology.Host(host).run("ip neighbour flush all")

    def undo(self):
        """All is as it was before."""
        shell.stop_background()
        first, second = self.routers
        second.kill_all()
        second.run("nft flush ruleset", check=False)
        second.run("conntrack -F", check=False)
        first.run("ip -batch -", stdin="link delete sync\n" + "".join(f"link delete to-{host}\n" for host in SIDES))
        back = "".join(f"link set {host} netns router name to-{host}\n" for host in SIDES)
        self.switch.run("ip -batch -", stdin=back)
        first.run("ip -batch -", stdin="".join(f"{topology.gateway(host)}link set to-{host} up\n" for host in SIDES))
        for host in (second, self.switch):
            shell.run(["ip", "netns", "delete", host.name])
        self._forget_neighbours()
        for name, value in SETTINGS.items():
            first.sysctl(name, value)

    def start(self, flow, expectations=True, **rules):
        """Addresses and firewall of a flow (see flows.py) on both, and conntrackd."""
        self.flow = flow
        self.active.run("ip -batch -", stdin=self._addresses())
        for router in self.routers:
            router.put_up_firewall(flow, **rules)
            router.start_daemon(expectations)

    def _addresses(self):
        """Those that the active router has, for `ip -batch`."""
        length = "128" if self.flow.family == "ipv6" else "32"
        return ("".join(map(topology.gateway, SIDES))
                + "".join(f"address add {address}/{length} dev {device}\n" for device, address in self.flow.own))

    def wait_until_told(self):
        """The spare router knows all that the active one has seen so far: word goes from one to the
        other in order, so it is enough that it knows of a last datagram. (What it had not been told
        in time nobody could save.)"""
        flow = self.flow
        with Socket(flow.client, flow.family) as last:
            last.send(b"nothing", (flow.server.address[flow.family], DISCARD))
            told = f"sport={last.port} dport={DISCARD} "
            wait_for("the spare router to be told", lambda: told in self.spare.ask("-e"))

    def slow_down(self):
        """Transfers to the hosts, and between them, take their time, with a slow kernel as much more."""
        rate, latency = 500 // shell.PATIENCE, 400 * shell.PATIENCE
        for host in SIDES:
            self.switch.run(f"tc qdisc add dev {host} root tbf rate {rate}kbit burst 5kb latency {latency}ms")

    def freeze(self):
        """The server hears no more, and is not heard."""
        self.switch.run("ip link set server down")

    def thaw(self):
        self.switch.run("ip link set server up")

    def cut(self):
        """The active router is gone, in the middle of everything."""
        self._plug("down")

    def _plug(self, state):
        links = "".join(f"link set {self.active.name}-{host} {state}\n" for host in SIDES)
        self.switch.run("ip -batch -", stdin=links)
        self.active.run(f"ip link set sync {state}")

    def take_over(self, commit=True):
        """The spare one goes on. Packets come as soon as it has the addresses, before the kernel knows
        what they belong to."""
        self.spare.run("ip -batch -", stdin=self._addresses())
        for address, device in re.findall(r"(\d+\.\S+)/\d+ dev (\S+)", self._addresses()):
            self.spare.run(f"busybox arping -U -c 1 -I {device} {address}", check=False)
        if commit:
            self.spare.change_role("take-over")

    def come_back(self):
        """The one that was cut off is there again, as the spare one."""
        self.active.run("ip -batch -", stdin=self._addresses().replace("address add", "address delete"))
        self._plug("up")
        self.active.change_role("stand-by")
        self.active, self.spare = self.spare, self.active
