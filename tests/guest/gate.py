# SPDX-License-Identifier: GPL-2.0
"""The router's firewall for any helper: nothing comes in or through but

  - new control connections, that is to the helper's port,
  - and what connection tracking knows as ESTABLISHED or RELATED.

"related" counts the packets of connections that the helper announced, "blocked" the attempts to
open any other. Translations are written as in natwall.py; only control connections are translated
to another destination."""

import re
from collections import Counter

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
-A gate -p {helper.transport} --dport {helper.port} -m state --state NEW -j ACCEPT
-A gate -m state --state NEW -m comment --comment blocked -j DROP
COMMIT
"""
ASSIGN = "-A PREROUTING -p {helper.transport} --dport {helper.port} -j CT --helper {assign}"
NAT = {
    "snat": "-A POSTROUTING -o {0} -j SNAT --to-source {1}",
    "masquerade": "-A POSTROUTING -o {0} -j MASQUERADE",
    "dnat": "-A PREROUTING -d {0} -p {helper.transport} --dport {helper.port} -j DNAT --to-destination {1}",
    "redirect": "-A PREROUTING -d {0} -p {helper.transport} --dport {helper.port} -j REDIRECT",
}


class Gate:
    def __init__(self, router, family, helper):
        self.router, self.helper = router, helper
        self.tool, self.icmp = ("ip6tables", "ipv6-icmp") if family == "ipv6" else ("iptables", "icmp")

    def load(self, nat=(), assign=None):
        """`assign` is the helper that a rule gives to control connections."""
        given = ASSIGN.format(helper=self.helper, assign=assign) if assign else ""
        rules = [NAT[kind].format(*values, helper=self.helper) for kind, *values in nat]
        self.router.run([f"{self.tool}-restore"], stdin=RULES.format(
            assign=given, nat="\n".join(rules), helper=self.helper, icmp=self.icmp))

    def counts(self):
        saved = self.router.run([f"{self.tool}-save", "-c"])
        found = Counter()
        for packets, name in re.findall(r"^\[(\d+):\d+\] .*--comment (\w+)", saved, re.MULTILINE):
            found[name] += int(packets)
        return found
