# SPDX-License-Identifier: GPL-2.0
"""The router's firewall for any helper: nothing comes in or through but

  - new control connections, that is to the helper's port,
  - and what connection tracking knows as ESTABLISHED or RELATED.

"related" counts the packets of connections that the helper announced, "blocked" the attempts to
open any other. Translations are written as in natwall.py; only control connections are translated
to another destination."""

import re
from collections import Counter

import natwall

RULES = """*raw
:PREROUTING ACCEPT
{assign}
COMMIT
*nat
{nat}
COMMIT
*filter
:INPUT DROP
:FORWARD DROP
:gate -
-A INPUT -j gate
-A FORWARD -j gate
-A gate -m state --state RELATED -m helper --helper {helper.name} -m comment --comment related
-A gate -m state --state ESTABLISHED,RELATED -j ACCEPT
-A gate -p {icmp} -j ACCEPT
-A gate -p {helper.transport} -m multiport --dports {ports} -m state --state NEW -j ACCEPT
-A gate -m state --state NEW -m comment --comment blocked -j DROP
COMMIT
"""
ASSIGN = "-A PREROUTING -p {helper.transport} -m multiport --dports {ports} -j CT --helper {assign}"
NAT = {
    "snat": "-A POSTROUTING -o {0} -j SNAT --to-source {1}",
    "masquerade": "-A POSTROUTING -o {0} -j MASQUERADE",
    "dnat": "-A PREROUTING -d {0} -p {helper.transport} --dport {helper.port} -j DNAT --to-destination {1}",
    "redirect": "-A PREROUTING -d {0} -p {helper.transport} --dport {helper.port} -j REDIRECT",
}

NFT = """table inet firewall {{
  counter related {{ }}
  counter blocked {{ }}
  {object}
  chain gate {{
    ct state related ct helper "{helper.name}" counter name "related"
    ct state established,related accept
    meta l4proto {{ icmp, ipv6-icmp }} accept
    {helper.transport} dport {{ {ports} }} ct state new accept
    ct state new counter name "blocked" drop
  }}
  chain input {{ type filter hook input priority filter; policy drop; jump gate; }}
  chain forward {{ type filter hook forward priority filter; policy drop; jump gate; }}
  chain assign {{ type filter hook prerouting priority mangle; {assign} }}
  chain postrouting {{ type nat hook postrouting priority srcnat; {postrouting} }}
}}
"""
NFT_OBJECT = 'ct helper given {{ type "{assign}" protocol {helper.transport}; }}'
NFT_ASSIGN = '{helper.transport} dport {{ {ports} }} ct helper set "given";'


class Gate:
    """With iptables or, for IPv6, ip6tables."""

    def __init__(self, router, family, helper):
        self.router, self.helper = router, helper
        self.tool, self.icmp = ("ip6tables", "ipv6-icmp") if family == "ipv6" else ("iptables", "icmp")

    def load(self, nat=(), assign=None, ports=None):
        """`assign` is the helper that a rule gives to control connections, `ports` where these go to
        if not to the helper's port."""
        values = {"helper": self.helper, "assign": assign, "ports": ",".join(map(str, ports or [self.helper.port]))}
        rules = [NAT[kind].format(*where, **values) for kind, *where in nat]
        self.router.run([f"{self.tool}-restore"], stdin=RULES.format(
            **{**values, "assign": ASSIGN.format(**values) if assign else ""}, nat="\n".join(rules), icmp=self.icmp))

    def counts(self):
        saved = self.router.run([f"{self.tool}-save", "-c"])
        found = Counter()
        for packets, name in re.findall(r"^\[(\d+):\d+\] .*--comment (\w+)", saved, re.MULTILINE):
            found[name] += int(packets)
        return found


class NftGate(natwall.Nft):
    """With nft, where a helper is an object that rules refer to."""

    def __init__(self, router, family, helper):
        super().__init__(router, family)
        self.helper = helper

    def load(self, nat=(), assign=None, ports=None):
        """See Gate.load. Of translations it knows masquerade."""
        values = {"helper": self.helper, "assign": assign, "ports": ", ".join(map(str, ports or [self.helper.port]))}
        self.router.run("nft -f -", stdin=NFT.format(
            **{**values, "assign": NFT_ASSIGN.format(**values) if assign else ""},
            object=NFT_OBJECT.format(**values) if assign else "",
            postrouting="".join(f'oifname "{interface}" masquerade;' for _, interface in nat)))


KINDS = {"iptables": Gate, "nft": NftGate}
