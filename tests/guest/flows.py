# SPDX-License-Identifier: GPL-2.0
"""Ways through the router's address translation: who talks to whom, and who seems to be who.

What one side announces must reach the other as this table says. The addresses are chosen so that
the text becomes longer in some and shorter in others.
"""

import ipaddress
import re
from dataclasses import dataclass

import module
import topology

# Further addresses of the router, for as long as a flow is in use.
LONG = {"ipv4": "198.51.100.200", "ipv6": "2001:db8:2::200"}
# The router's first addresses.
NEAR = {"ipv4": "192.0.2.1", "ipv6": "2001:db8:1::1"}
FAR = {"ipv4": "198.51.100.1", "ipv6": "2001:db8:2::1"}


@dataclass
class Flow:
    """A client, a server and the translation between them, in one address family."""

    name: str
    family: str
    client: topology.Host
    server: topology.Host
    target: str     # the address that the client connects to
    seen_as: str    # the address that the server knows the client by
    nat: tuple      # see natwall.py
    own: tuple = () # (interface, address) pairs that the router needs for it

    def __enter__(self):
        self._addresses("add")
        return self

    def __exit__(self, *_):
        self._addresses("del")

    def _addresses(self, verb):
        rest = ("128", "nodad") if self.family == "ipv6" else ("32", "")
        for device, address in self.own:
            topology.Host("router").run(f"ip address {verb} {address}/{rest[0]} dev {device} {rest[1]}")

    def heard(self, side, text):
        """What `side` has said, as the other side must hear it."""
        if side == "client":
            text = re.sub(rb"(?m)^(PORT )(\d+,\d+,\d+,\d+)", lambda m: m[1] + _commas(self.seen_as), text)
            return re.sub(rb"(?m)^(EPRT )(\S)[12]\2[^|\s]+\2(\d+)\2", lambda m: m[1] + extended(self.seen_as, m[3]), text)
        return re.sub(rb"(?m)^(227 .*?)(\d+,\d+,\d+,\d+)(?=,\d+,\d+)", lambda m: m[1] + _commas(self.target), text)


def extended(address, port):
    """An EPRT argument; all groups of an IPv6 address are written, and by the stock module with all
    their zeroes."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return b"|1|%s|%s|" % (str(parsed).encode(), port)
    groups = parsed.exploded
    if module.under_test() is module.OURS:
        groups = ":".join(format(int(group, 16), "x") for group in groups.split(":"))
    return b"|2|%s|%s|" % (groups.encode(), port)


def _commas(address):
    return address.replace(".", ",").encode()


def router_as(family):
    """The router as a host that runs a server, on the address that REDIRECT chooses."""
    host = topology.Host("router")
    host.address = {family: NEAR[family]}
    return host


def make(name, family="ipv4"):
    client, server, third = (topology.Host(host) for host in ("client", "server", "third"))
    at = {host.name: host.address[family] for host in (client, server, third)}
    long, near, far = LONG[family], NEAR[family], FAR[family]
    to_server = ("to-server", long)

    def flow(client, server, target, seen_as, *nat, own=()):
        return Flow(name, family, client, server, target, seen_as, nat, own)

    return {
        "plain": lambda: flow(client, server, at["server"], at["client"]),
        # 192.0.2.10 becomes 198.51.100.200 …
        "snat": lambda: flow(client, server, at["server"], long, ("snat", *to_server), own=(to_server,)),
        "masquerade": lambda: flow(client, server, at["server"], far, ("masquerade", "to-server")),
        # … 203.0.113.10 becomes 192.0.2.1 …
        "snat-shorter": lambda: flow(third, server, at["server"], near, ("snat", "to-server", near)),
        # … and 198.51.100.1, which is as long.
        "snat-equal": lambda: flow(third, server, at["server"], far, ("masquerade", "to-server")),
        # 198.51.100.10 seems to be 192.0.2.1 …
        "dnat": lambda: flow(client, server, near, at["client"], ("dnat", near, at["server"])),
        # … and, with the parts changed, 192.0.2.10 to be 198.51.100.200.
        "dnat-longer": lambda: flow(server, client, long, at["server"], ("dnat", long, at["client"]), own=(to_server,)),
        "redirect": lambda: flow(client, router_as(family), long, at["client"], ("redirect", long)),
        "both": lambda: flow(client, server, near, far, ("dnat", near, at["server"]), ("masquerade", "to-server")),
    }[name]()
