# SPDX-License-Identifier: GPL-2.0
"""Packets as no sane host sends them: any payload in any segment or datagram, with wrong sums and
lengths, options, extension headers and fragments, put on the wire of a host as they are."""

import ipaddress
import socket
import struct

ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
ACK, PSH, SYN, FIN, RST, URG = 0x10, 0x08, 0x02, 0x01, 0x04, 0x20


def hardware_address(host, interface):
    with host.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        return sock.getsockname()[4]


class Port:
    """A host's interface, for sending whole frames to the router."""

    def __init__(self, host, router):
        with host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self._socket.bind(("net", 0))
        self._ends = hardware_address(router, f"to-{host.name}") + hardware_address(host, "net")
        self.sent = self.refused = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, packet):
        kind = ETH_P_IPV6 if packet[:1] and packet[0] >> 4 == 6 else ETH_P_IP
        try:
            self._socket.send(self._ends + struct.pack("!H", kind) + packet)
            self.sent += 1
        except OSError:
            self.refused += 1


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def packed(address):
    return ipaddress.ip_address(address).packed


def tcp(source, dest, seq, ack, payload, flags=ACK | PSH, options=b"", offset=None, urgent=0, bad_sum=False):
    """`source` and `dest` are (packed address, port)."""
    words = 5 + (len(options) + 3) // 4
    options = options.ljust((words - 5) * 4, b"\0")
    header = struct.pack("!HHIIBBHHH", source[1], dest[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                         (words if offset is None else offset) << 4, flags, 65535, 0, urgent) + options
    return _summed(source[0], dest[0], 6, header, payload, 16, bad_sum)


def udp(source, dest, payload, length=None, bad_sum=False):
    header = struct.pack("!HHHH", source[1], dest[1], 8 + len(payload) if length is None else length, 0)
    return _summed(source[0], dest[0], 17, header, payload, 6, bad_sum)


def _summed(source, dest, protocol, header, payload, at, bad_sum):
    body = header + payload
    value = checksum(source + dest + struct.pack("!II", len(body), protocol) + body) or 0xFFFF
    if bad_sum:
        value ^= 0x5555
    return body[:at] + struct.pack("!H", value) + body[at + 2:]


def ipv4(source, dest, protocol, body, number=0, fragment=0, options=b"", length=None):
    words = 5 + (len(options) + 3) // 4
    options = options.ljust((words - 5) * 4, b"\0")
    total = words * 4 + len(body) if length is None else length
    header = struct.pack("!BBHHHBBH", 0x40 | words, 0, total & 0xFFFF, number & 0xFFFF, fragment, 64, protocol, 0)
    header += source + dest + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + body


def ipv6(source, dest, protocol, body, extensions=(), length=None):
    """`extensions` are (number, bytes without the next header's number)."""
    chain = b""
    for number, content in reversed(extensions):
        chain = bytes([protocol]) + content + chain
        protocol = number
    size = len(chain) + len(body) if length is None else length
    return struct.pack("!IHBB", 6 << 28, size & 0xFFFF, protocol, 64) + source + dest + chain + body


def fragments(packet_of, body, cuts, number):
    """IPv4 fragments of `body`, cut at multiples of eight."""
    edges = [0, *sorted({cut // 8 * 8 for cut in cuts if 0 < cut // 8 * 8 < len(body)}), len(body)]
    for start, end in zip(edges, edges[1:]):
        more = 0x2000 if end < len(body) else 0
        yield packet_of(body[start:end], number, more | start // 8)
