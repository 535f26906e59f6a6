# SPDX-License-Identifier: GPL-2.0
"""ICMP errors about a UDP connection, made by hand, so that they quote what the test wants."""

import ipaddress
import socket
import struct

from shell import wait_for

UDP = 17
# (type, code) of destination unreachable (port), time exceeded, parameter problem.
KINDS = {"ipv4": ((3, 3), (11, 0), (12, 0)), "ipv6": ((1, 4), (3, 0), (4, 0))}
FAMILIES = {"ipv4": (socket.AF_INET, socket.IPPROTO_ICMP), "ipv6": (socket.AF_INET6, socket.IPPROTO_ICMPV6)}
RULES = """table inet icmp_errors {
  counter passed { }
  chain through {
    type filter hook forward priority -10;
    ct state related meta l4proto { icmp, ipv6-icmp } counter name "passed"
  }
}
"""


def quoted(source, dest, payload):
    """A UDP datagram between two (address, port) with its network header, as an error quotes it."""
    udp = struct.pack("!4H", source[1], dest[1], 8 + len(payload), 0) + payload
    ends = ipaddress.ip_address(source[0]).packed + ipaddress.ip_address(dest[0]).packed
    if len(ends) == 8:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, UDP, 0)
        return _with_sum(head + ends, 10) + udp
    return struct.pack("!IHBB", 6 << 28, len(udp), UDP, 64) + ends + udp


def send(host, family, to, packet):
    """All kinds of errors about it, from the host's own address."""
    with host.entered(), socket.socket(FAMILIES[family][0], socket.SOCK_RAW, FAMILIES[family][1]) as sock:
        for kind, code in KINDS[family]:
            # IPv6's sum is made by the kernel.
            error = struct.pack("!BBHI", kind, code, 0, 0) + packet
            sock.sendto(_with_sum(error, 2) if family == "ipv4" else error, (to, 0))
    return len(KINDS[family])


class Related:
    """Counts what the router forwards of errors about connections that it knows."""

    def __init__(self, router):
        self.router = router

    def __enter__(self):
        self.router.run("nft -f -", stdin=RULES)
        return self

    def __exit__(self, *_):
        self.router.run("nft delete table inet icmp_errors")

    def wait(self, count):
        """Until so many have passed."""
        wait_for("the errors to pass", lambda: self._count() == count)

    def _count(self):
        listed = self.router.run("nft list counter inet icmp_errors passed")
        return int(listed.split("packets ")[1].split()[0])


def _with_sum(data, at):
    return data[:at] + struct.pack("!H", _sum(data)) + data[at + 2:]


def _sum(data):
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
