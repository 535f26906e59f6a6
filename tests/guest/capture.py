# SPDX-License-Identifier: GPL-2.0
"""What really was on the wire of a host: packets as an AF_PACKET socket shows them, and the byte
streams of TCP connections put together from them, with a strict eye on sequence numbers."""

import ipaddress
import socket
import struct
from collections import defaultdict
from dataclasses import dataclass

ETH_P_ALL, SO_RCVBUFFORCE = 3, 33
FIN, SYN, RST, ACK = 1, 2, 4, 16
SACK_PERMITTED, SACK, TIMESTAMPS = 4, 5, 8


@dataclass
class Segment:
    """One TCP segment."""

    source: tuple  # (address, port)
    dest: tuple
    seq: int
    ack: int
    flags: int
    options: dict  # kind -> bytes
    payload: bytes
    packet_len: int


class Capture:
    """All that passes a host's interface while this exists."""

    def __init__(self, host, interface="net"):
        with host.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.setblocking(False)
        self.segments, self.fragments = [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.read()
        self._socket.close()
        self._socket = None

    def read(self):
        """Takes in what has come since; returns all segments."""
        while self._socket:
            try:
                frame = self._socket.recv(1 << 17)
            except BlockingIOError:
                break
            self._take(frame)
        return self.segments

    def _take(self, frame):
        kind, packet = frame[12:14], frame[14:]
        if kind == b"\x08\x00":
            header, length = (packet[0] & 15) * 4, struct.unpack_from("!H", packet, 2)[0]
            if struct.unpack_from("!H", packet, 6)[0] & 0x3FFF:
                self.fragments += 1
                return
            proto, source, dest = packet[9], packet[12:16], packet[16:20]
        elif kind == b"\x86\xdd":
            header, length = 40, 40 + struct.unpack_from("!H", packet, 4)[0]
            proto, source, dest = packet[6], packet[8:24], packet[24:40]
            self.fragments += proto == 44
        else:
            return
        if proto == socket.IPPROTO_TCP:
            self.segments.append(_tcp(packet[header:length], source, dest, length))

    def connections(self, port=21):
        """The connections to a port, in order: {client's (address, port): (said, heard)}, each a
        Stream."""
        found = defaultdict(lambda: (Stream(), Stream()))
        for segment in self.read():
            if segment.dest[1] == port:
                found[segment.source][0].add(segment)
                found[segment.source][1].acked(segment)
            elif segment.source[1] == port:
                found[segment.dest][1].add(segment)
                found[segment.dest][0].acked(segment)
        return dict(found)

    def connection(self, client, port=21):
        """The two streams of one connection."""
        return self.connections(port)[client[:2]]


def _tcp(data, source, dest, packet_len):
    sport, dport, seq, ack, offset, flags = struct.unpack_from("!HHIIBB", data)
    header = (offset >> 4) * 4
    ends = [(str(ipaddress.ip_address(address)), port) for address, port in ((source, sport), (dest, dport))]
    return Segment(*ends, seq, ack, flags, _options(data[20:header]), data[header:], packet_len)


def _options(data):
    found = {}
    while data and data[0] != 0:
        length = 1 if data[0] == 1 else data[1]
        found[data[0]] = data[2:length]
        data = data[length:]
    return found


class Stream:
    """One direction of a connection, as it passed the place of capture."""

    def __init__(self):
        self._first = None
        self._bytes = {}
        self.sent = 0           # bytes of payload, repeated ones too
        self.acknowledged = 0   # up to where the other side has said to have it
        self.opened = False     # whether its SYN was seen
        self.options = {}       # of the SYN

    def add(self, segment):
        if segment.flags & SYN:
            self._first, self.options, self.opened = segment.seq + 1, segment.options, True
        elif self._first is None:
            # The capture began later than the connection.
            self._first = segment.seq
        if segment.flags & (SYN | RST) or not segment.payload:
            return
        at = (segment.seq - self._first) & 0xFFFFFFFF
        assert at < 1 << 30, f"a sequence number {(1 << 32) - at} before the connection's first"
        self.sent += len(segment.payload)
        for offset, byte in enumerate(segment.payload, at):
            assert self._bytes.setdefault(offset, byte) == byte, \
                f"byte {offset} of the stream is sent again as another: {segment.payload!r} at {at}"

    def acked(self, segment):
        if segment.flags & ACK and self._first is not None:
            at = (segment.ack - self._first) & 0xFFFFFFFF
            # The end of the connection counts as one byte.
            assert at <= len(self._bytes) + 1, f"byte {at} is acknowledged, but only {len(self._bytes)} were sent"
            self.acknowledged = max(self.acknowledged, at)

    def text(self):
        """The bytes of it; a gap is an error."""
        return bytes(self._bytes[offset] for offset in range(len(self._bytes)))

    def repeated(self):
        """How many bytes were sent more than once."""
        return self.sent - len(self._bytes)
