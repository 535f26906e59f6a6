# SPDX-License-Identifier: GPL-2.0
"""UDP: sockets of the hosts, and the datagrams that really were on a host's wire."""

import ipaddress
import select
import socket
import struct
from dataclasses import dataclass

import shell
from capture import ETH_P_ALL

TIMEOUT = 15 * shell.PATIENCE


class Socket:
    """A UDP socket of a host, on its own address."""

    def __init__(self, host, family, port=0, address=None):
        self.name, self.family = host.name, family
        with host.entered():
            self._socket = socket.socket(socket.AF_INET6 if family == "ipv6" else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(TIMEOUT)
        self._socket.bind((address or host.address[family], port))
        self.port = self._socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, data, to):
        """`to` is an (address, port)."""
        shell.log.info("%s:%d> %.200r to %s", self.name, self.port, data, to)
        self._socket.sendto(data, to)

    def receive(self):
        """The next datagram and who it is from."""
        data, peer = self._socket.recvfrom(1 << 16)
        return data, peer[:2]

    def set_option(self, level, option, value):
        self._socket.setsockopt(level, option, value)

    def is_readable(self, seconds=0):
        """Whether a datagram is there, or comes in time."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def hears(self, data):
        """Expects these very bytes next; returns who they are from."""
        heard, peer = self.receive()
        assert heard == data, f"{self.name} heard {heard!r} instead of {data!r}"
        return peer


@dataclass
class Datagram:
    """One UDP datagram, with the checksum that its bytes have and the one that they ought to have."""

    source: tuple  # (address, port)
    dest: tuple
    payload: bytes
    checksum: int
    expected_checksum: int


class Wire:
    """All UDP datagrams that pass a host's interface while this exists."""

    def __init__(self, host, interface="net"):
        with host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.setblocking(False)
        self._datagrams = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def read(self):
        """Takes in what has come since; returns all datagrams."""
        while True:
            try:
                frame = self._socket.recv(1 << 17)
            except BlockingIOError:
                return self._datagrams
            datagram = _datagram(frame[12:14], frame[14:])
            if datagram:
                self._datagrams.append(datagram)


def _datagram(kind, packet):
    if kind == b"\x08\x00":
        header, protocol = (packet[0] & 15) * 4, packet[9]
        source, dest = packet[12:16], packet[16:20]
        if struct.unpack_from("!H", packet, 6)[0] & 0x3FFF:
            return None
    elif kind == b"\x86\xdd":
        header, protocol = 40, packet[6]
        source, dest = packet[8:24], packet[24:40]
    else:
        return None
    if protocol != socket.IPPROTO_UDP:
        return None
    sport, dport, length, checksum = struct.unpack_from("!HHHH", packet, header)
    body = packet[header:header + length]
    pseudo = source + dest + struct.pack("!IHH", length, 0, protocol)
    expected = _internet_checksum(pseudo + body[:6] + b"\0\0" + body[8:]) or 0xFFFF
    ends = [(str(ipaddress.ip_address(address)), port) for address, port in ((source, sport), (dest, dport))]
    return Datagram(*ends, body[8:], checksum, expected)


def _internet_checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF
