# SPDX-License-Identifier: GPL-2.0
"""Packets as no sane host sends them: any payload in any segment or datagram, with wrong sums and
lengths, options, extension headers and fragments, put on the wire of a host as they are."""

import ipaddress
import socket
import struct

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
ACK, PSH, SYN, FIN, RST, URG = 0x10, 0x08, 0x02, 0x01, 0x04, 0x20
TCP, UDP, FRAGMENT = 6, 17, 44
# <linux/if_packet.h>
SOL_PACKET, PACKET_VNET_HDR, PACKET_QDISC_BYPASS = 263, 15, 20
# <linux/virtio_net.h>: what stands before a frame that is cut up, and summed, by the device only.
NEEDS_CSUM, GSO_TCPV4, GSO_TCPV6 = 1, 1, 4
PLAIN = bytes(10)


def hardware_address(host, interface):
    with host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        return sock.getsockname()[4]


class Port:
    """A host's interface, for sending whole frames to the router."""

    def __init__(self, host, router):
        with host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        for option in (PACKET_VNET_HDR, PACKET_QDISC_BYPASS):
            self._socket.setsockopt(SOL_PACKET, option, 1)
        self._socket.bind(("net", 0))
        ends = hardware_address(router, f"to-{host.name}") + hardware_address(host, "net")
        self._heads = {4: ends + struct.pack("!H", ETH_P_IP), 6: ends + struct.pack("!H", ETH_P_IPV6)}
        self.sent = self.refused = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, packet, gso_size=0):
        """With `gso_size` the TCP segment is cut into such of that size by the last device on its way;
        its sum must be that of `partial`."""
        version = packet[0] >> 4
        before = PLAIN
        if gso_size:
            start = 14 + ((packet[0] & 15) * 4 if version == 4 else 40)
            before = struct.pack("<BBHHHH", NEEDS_CSUM, GSO_TCPV4 if version == 4 else GSO_TCPV6, start + 20, gso_size, start, 16)
        try:
            self._socket.sendmsg((before, self._heads[version], packet))
            self.sent += 1
        except OSError:
            self.refused += 1


def packed(address):
    return ipaddress.ip_address(address).packed


def checksum(data):
    return 0xFFFF - int.from_bytes(data + b"\0" * (len(data) & 1)) % 0xFFFF


def tcp(source, dest, seq, ack, payload, flags=ACK | PSH, options=b"", offset=None, urgent=0, spoil=0, partial=False):
    """`source` and `dest` are (packed address, port). `spoil` is what makes the sum wrong."""
    words = 5 + (len(options) + 3) // 4
    header = struct.pack("!HHIIBBHHH", source[1], dest[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                         (words if offset is None else offset) << 4, flags, 65535, 0, urgent)
    body = header + options.ljust((words - 5) * 4, b"\0") + payload
    pseudo = source[0] + dest[0] + struct.pack("!II", len(body), TCP)
    value = checksum(pseudo) ^ 0xFFFF if partial else checksum(pseudo + body) ^ spoil
    return body[:16] + struct.pack("!H", value) + body[18:]


def udp(source, dest, payload, length=None, spoil=0):
    body = struct.pack("!HHHH", source[1], dest[1], 8 + len(payload) if length is None else length, 0) + payload
    pseudo = source[0] + dest[0] + struct.pack("!II", len(body), UDP)
    return body[:6] + struct.pack("!H", checksum(pseudo + body) ^ spoil) + body[8:]


def ipv4(source, dest, protocol, body, number=0, fragment=0, options=b"", length=None):
    words = 5 + (len(options) + 3) // 4
    total = words * 4 + len(body) if length is None else length
    header = struct.pack("!BBHHHBBH", 0x40 | words, 0, total & 0xFFFF, number, fragment, 64, protocol, 0)
    header += source + dest + options.ljust((words - 5) * 4, b"\0")
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + body


def ipv6(source, dest, protocol, body, extensions=(), length=None):
    """`extensions` are (number, bytes without the next header's number)."""
    chain = b""
    for number, content in reversed(extensions):
        chain = bytes([protocol]) + content + chain
        protocol = number
    size = len(chain) + len(body) if length is None else length
    return struct.pack("!IHBB", 6 << 28, size & 0xFFFF, protocol, 64) + source + dest + chain + body


def fragments(source, dest, protocol, body, cuts, number):
    """Of a body that is cut at multiples of eight."""
    edges = [0, *sorted({cut // 8 * 8 for cut in cuts if 0 < cut // 8 * 8 < len(body)}), len(body)]
    for start, end in zip(edges, edges[1:]):
        more, part = end < len(body), body[start:end]
        if len(source) == 4:
            yield ipv4(source, dest, protocol, part, number, more << 13 | start // 8)
        else:
            yield ipv6(source, dest, protocol, part, [(FRAGMENT, b"\0" + struct.pack("!HI", start | more, number))])
