# SPDX-License-Identifier: GPL-2.0
"""The router's firewall with address translation, once with iptables and once with nft.

Both say the same, for what is forwarded and for what is for the router itself: nothing comes in
but new connections to the control port and what connection tracking knows as ESTABLISHED or
RELATED. "related" counts the connections that the ftp helper announced, "blocked" the attempts to
open any other.

Translations, as (kind, …):
    ("snat", interface, address)    ("masquerade", interface)
    ("dnat", outside, inside)       ("redirect", outside)
Only control connections are translated to another destination; for data connections that is the
helper's business.
"""

import json
import re
from collections import Counter

IPTABLES = """*raw
:PREROUTING ACCEPT
:OUTPUT ACCEPT
{raw}
COMMIT
*nat
{nat}
COMMIT
*filter
:INPUT DROP
:FORWARD DROP
:wall -
-A INPUT -j wall
-A FORWARD -j wall
-A wall -m state --state RELATED -m helper --helper ftp -m comment --comment related
-A wall -m state --state ESTABLISHED,RELATED{untracked} -j ACCEPT
-A wall -p {icmp} -j ACCEPT
-A wall -p tcp -m multiport --dports {ports} -m state --state NEW -j ACCEPT
-A wall -p tcp --syn -m comment --comment blocked -j DROP
COMMIT
"""
IPTABLES_NAT = {
    "snat": "-A POSTROUTING -o {0} -p tcp -j SNAT --to-source {1}",
    "masquerade": "-A POSTROUTING -o {0} -p tcp -j MASQUERADE",
    "dnat": "-A PREROUTING -d {0} -p tcp --dport {port} -j DNAT --to-destination {1}",
    "redirect": "-A PREROUTING -d {0} -p tcp --dport {port} -j REDIRECT --to-ports {port}",
}

NFT = """table inet firewall {{
  counter related {{ }}
  counter blocked {{ }}
  {objects}
  chain wall {{
    ct state related ct helper "ftp" counter name "related"
    ct state established,related{untracked} accept
    meta l4proto {{ icmp, ipv6-icmp }} accept
    tcp dport {{ {ports} }} ct state new accept
    tcp flags & (syn|ack) == syn counter name "blocked" drop
  }}
  chain input {{ type filter hook input priority filter; policy drop; jump wall; }}
  chain forward {{ type filter hook forward priority filter; policy drop; jump wall; }}
  chain raw {{ type filter hook prerouting priority raw; {raw} }}
  chain assign {{ type filter hook prerouting priority mangle; {assign} }}
  chain prerouting {{ type nat hook prerouting priority dstnat; {prerouting} }}
  chain postrouting {{ type nat hook postrouting priority srcnat; {postrouting} }}
}}
"""
NFT_NAT = {
    "snat": 'oifname "{0}" meta l4proto tcp snat {ip} to {1};',
    "masquerade": 'oifname "{0}" meta l4proto tcp masquerade;',
    "dnat": "{ip} daddr {0} tcp dport {port} dnat {ip} to {1};",
    "redirect": "{ip} daddr {0} tcp dport {port} redirect to :{port};",
}


class Iptables:
    """iptables or, for IPv6, ip6tables."""

    def __init__(self, router, family):
        self.router = router
        self.v6 = family == "ipv6"
        self.tool = "ip6tables" if self.v6 else "iptables"

    def load(self, nat=(), assign=None, ports=(21,), raw="", untracked=False):
        """`assign` is the helper that a rule gives to control connections, `raw` what else stands
        in table raw."""
        if assign:
            raw += "".join(f"\n-A PREROUTING -p tcp --dport {port} -j CT --helper {assign}" for port in ports)
        rules = [IPTABLES_NAT[kind].format(*values, port=ports[0]) for kind, *values in nat]
        self.router.run([f"{self.tool}-restore"], stdin=IPTABLES.format(
            raw=raw, nat="\n".join(rules), ports=",".join(map(str, ports)),
            icmp="ipv6-icmp" if self.v6 else "icmp", untracked=",UNTRACKED" if untracked else ""))

    def counts(self):
        saved = self.router.run([f"{self.tool}-save", "-c"])
        found = Counter()
        for packets, name in re.findall(r"^\[(\d+):\d+\] .*--comment (\w+)", saved, re.MULTILINE):
            found[name] += int(packets)
        return found


class Nft:
    """nft, one table for both families."""

    def __init__(self, router, family):
        self.router = router
        self.ip = "ip6" if family == "ipv6" else "ip"

    def load(self, nat=(), assign=None, ports=(21,), raw="", untracked=False):
        """See Iptables.load."""
        joined = ", ".join(map(str, ports))
        rules = {"snat": "", "dnat": ""}
        for kind, *values in nat:
            chain = "snat" if kind in ("snat", "masquerade") else "dnat"
            rules[chain] += NFT_NAT[kind].format(*values, ip=self.ip, port=ports[0])
        self.router.run("nft -f -", stdin=NFT.format(
            raw=raw, prerouting=rules["dnat"], postrouting=rules["snat"], ports=joined,
            objects=f'ct helper given {{ type "{assign}" protocol tcp; }}' if assign else "",
            assign=f'tcp dport {{ {joined} }} ct helper set "given";' if assign else "",
            untracked=",untracked" if untracked else ""))

    def counts(self):
        listed = json.loads(self.router.run("nft -j list counters table inet firewall"))["nftables"]
        return Counter({item["counter"]["name"]: item["counter"]["packets"] for item in listed if "counter" in item})


KINDS = {"iptables": Iptables, "nft": Nft}
