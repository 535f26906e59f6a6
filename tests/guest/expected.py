# SPDX-License-Identifier: GPL-2.0
"""What the router expects, as `conntrack -L expect` lists it, of whichever protocol."""

import re
from dataclasses import dataclass

PROTOCOLS = {"6": "tcp", "17": "udp"}
ANYBODY = {"ipv4": "0.0.0.0", "ipv6": "::"}


@dataclass(frozen=True)
class Expected:
    """A connection to come, from any port of `source` to `port` of `dest`."""

    transport: str
    source: str
    dest: str
    port: int
    helper: str
    seconds: int


def listed(router, family="ipv4"):
    found = []
    for line in router.run(f"conntrack -L expect -f {family}").splitlines():
        match = re.match(r"(\d+) proto=(\d+) src=(\S+) dst=(\S+) sport=0 dport=(\d+) .*\bhelper=(\S+)", line)
        if match:
            seconds, proto, source, dest, port, helper = match.groups()
            found.append(Expected(PROTOCOLS[proto], source, dest, int(port), helper, int(seconds)))
    return sorted(found, key=lambda one: one.port)


def ports(router, family="ipv4"):
    """The ports that are expected, in order."""
    return [one.port for one in listed(router, family)]


def helpers_of(router, port, family="ipv4", transport="tcp"):
    """The helpers of the tracked connections to a port, None for one without."""
    lines = router.run(f"conntrack -L -f {family} -p {transport} --orig-port-dst {port}").splitlines()
    return [(re.findall(r" helper=(\S+)", line) or [None])[0] for line in lines if line.startswith(transport)]
