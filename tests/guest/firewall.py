# SPDX-License-Identifier: GPL-2.0
"""The router's firewall, once with iptables and once with nft. Both say the same:

  - nothing is forwarded,
  - except new connections from the client to the server's FTP control port,
  - and what connection tracking knows as ESTABLISHED or RELATED.

`assign` adds the rule that gives the helper to control connections. Two counters make visible what
happened: "related" counts RELATED packets that the ftp helper announced, "blocked" the attempts
to open any other connection, which fall under the policy.
"""

import json
import re

IPTABLES = """*raw
:PREROUTING ACCEPT
{assign}
COMMIT
*mangle
:FORWARD ACCEPT
-A FORWARD -m state --state RELATED -m helper --helper ftp -m comment --comment related
COMMIT
*filter
:FORWARD DROP
-A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i to-client -o to-server -p tcp --dport 21 -m state --state NEW -j ACCEPT
-A FORWARD -p tcp --syn -m comment --comment blocked -j DROP
COMMIT
"""
IPTABLES_ASSIGN = "-A PREROUTING -p tcp --dport 21 -j CT --helper ftp"

NFT = """table inet firewall {{
  counter related {{ }}
  counter blocked {{ }}
  {assign}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state related ct helper "ftp" counter name "related"
    ct state established,related accept
    iifname "to-client" oifname "to-server" tcp dport 21 ct state new accept
    tcp flags & (syn|ack) == syn counter name "blocked" drop
  }}
}}
"""
NFT_ASSIGN = """ct helper ftp { type "ftp" protocol tcp; }
  chain assign {
    type filter hook prerouting priority mangle;
    tcp dport 21 ct helper set "ftp"
  }"""


class Iptables:
    """iptables or, for IPv6, ip6tables."""

    name = "iptables"

    def __init__(self, router, family):
        self.router = router
        self.tool = "ip6tables" if family == "ipv6" else "iptables"

    def load(self, assign=True):
        rules = IPTABLES.format(assign=IPTABLES_ASSIGN if assign else "")
        self.router.run([f"{self.tool}-restore"], stdin=rules)

    def counts(self):
        saved = self.router.run([f"{self.tool}-save", "-c"])
        found = re.findall(r"^\[(\d+):\d+\] .*--comment (\w+)", saved, re.MULTILINE)
        return {name: int(packets) for packets, name in found}


class Nft:
    """nft, one table for both families."""

    name = "nft"

    def __init__(self, router, family):
        self.router = router

    def load(self, assign=True):
        self.router.run("nft -f -", stdin=NFT.format(assign=NFT_ASSIGN if assign else ""))

    def counts(self):
        listed = json.loads(self.router.run("nft -j list counters table inet firewall"))["nftables"]
        return {item["counter"]["name"]: item["counter"]["packets"] for item in listed if "counter" in item}


KINDS = {"iptables": Iptables, "nft": Nft}


def clear(router):
    """Whatever firewall is there goes (Debian's iptables keeps its rules in nftables, too)."""
    router.run("nft flush ruleset")
