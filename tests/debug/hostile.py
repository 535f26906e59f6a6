# SPDX-License-Identifier: GPL-2.0
"""Made-up connections to the control ports: inputs of the fuzz targets' corpora, sentences of each
protocol, and mutations of both, as segments and datagrams that are odd in every way."""

import ipaddress
import re
from pathlib import Path

import frames
from dcc import REGISTER
from frames import ACK, FIN, PSH, RST, SYN, TCP, UDP, URG

HERE = Path(__file__).parent
PORTS = {"ftp": 21, "irc": 6667, "tftp": 69, "amanda": 10080}
OF_LINES = ("ftp", "irc")
# As tests/fuzz/src/conversation.rs has it: bytes between the text that no text has.
PICKED_UP, SWAP, AGAIN, SWITCH = b"\xfb", b"\xfc", b"\xfd", b"\xff"
MARK = re.compile(rb"([^\xfc-\xff]*)([\xfc-\xff]?)", re.DOTALL)
# What may be a port in them.
PORT_TEXT = re.compile(rb"156,64|195,80|(?<![\d.:,])[1-9]\d{3,4}(?![\d:.])")
PIECES = (b"\r\n", b"\n", b"\0", b",", b"9" * 30, b"\1DCC ", b" ", b"|", b"-",
          b"\xff", b"\xfe", b"\xfe", b"\xfd", b"\xfc", b"\xfb")
OPTIONS = (b"\x08\x0a" + b"\0" * 8, b"\x05\x0a" + b"\xff" * 8, b"\x05\x00", b"\x02\x04\x05\xb4",
           b"\x08\x7f\x01", b"\xff" * 40)
# Hop by hop and destination options with a padding option, routing, a fragment that is all, a bad length.
EXTENSIONS = ((0, b"\0\1\4\0\0\0\0"), (60, b"\0\1\4\0\0\0\0"), (43, b"\0\0\0\0\0\0\0"), (44, b"\0\0\0\0\0\0\1"),
              (60, b"\xff\1\4\0\0\0\0"))


def sentences():
    """What both sides say in whole sessions, by protocol; 10.0.0.2 and 2001:db8::a are whoever speaks. Said
    as they are they move every counter that test_hostile.py asks for."""
    return _of_each("sentences")


def inputs():
    """All inputs, by protocol: the corpora, and about as often the sentences, in the same form."""
    corpora, said = _of_each("corpus"), sentences()
    return {name: corpora[name] + said[name] * 20 for name in PORTS}


def _of_each(folder):
    return {name: [line.decode("unicode_escape").encode("latin-1")
                   for line in (HERE / folder / name).read_bytes().splitlines()] for name in PORTS}


class Talk:
    """One of these connections. `ends` are the addresses of client and server as the client knows them,
    `back` those of server and client as the server does. It says something made of one of `inputs`; with
    `sentence` just that, and nothing about it is odd."""

    def __init__(self, chance, name, inputs, kinds, ends, back, sentence=None):
        self.chance, self.kinds, self.family = chance, kinds, ipaddress.ip_address(ends[0]).version
        self.name, self.inputs, self.sentence = name, inputs, sentence
        own, port = chance.randrange(1024, 65536), PORTS[self.name]
        (client, server), (server_itself, seen_as) = (map(frames.packed, pair) for pair in (ends, back))
        self.ways = (((client, own), (server, port)), ((server_itself, port), (seen_as, own)))
        self.homes = [_home(ends[0]), _home(back[0])]
        # Where two say the same only one is believed, so most have ports of their own.
        self.first_port = chance.randrange(1024, 65000) if self._odd(.8) else None
        # Where the next packets of each side stand, and how far they have come.
        self.base = [chance.randrange(1 << 32), chance.randrange(1 << 32)]
        self.reached = self.base[:]

    def packets(self):
        """(side, packet, GSO size): side 0 is the client's."""
        for side, body, gso_size in self._segments() if self.name in OF_LINES else self._datagrams():
            for packet in self._whole(side, body, gso_size):
                yield side, packet, gso_size

    def _odd(self, share):
        """Whether something is as it is in this share of the cases."""
        return self.sentence is None and self.chance.random() < share

    def _text(self):
        if self.sentence is not None:
            return self.sentence
        chance = self.chance
        text = bytearray(chance.choice(self.inputs))
        if chance.random() < .1:
            text += chance.choice(self.inputs)
        if chance.random() < .02:
            text *= 1 + chance.randrange(30)
        for _ in range(chance.choice((0, 0, 1, 1, 2, 6))):
            at, what = chance.randrange(len(text) + 1), chance.randrange(4)
            if what == 0:
                text[at:at + 1] = bytes((chance.randrange(256),))
            elif what == 1:
                del text[at:at + chance.randrange(1, 9)]
            elif what == 2:
                text[at:at] = chance.choice(PIECES)
            else:
                text[at:at] = chance.choice(self.inputs)[:chance.randrange(1, 40)]
        return bytes(text)

    def _datagrams(self):
        chance = self.chance
        for side, _, payload in self._parts(self._text()):
            length, spoil = None, 0
            if self._odd(.05):
                self.kinds["length"] += 1
                length = chance.randrange(1 << 16)
            if self._odd(.05):
                self.kinds["sum"] += 1
                spoil = 0x5555
            yield side, frames.udp(*self.ways[side], payload, length, spoil), 0

    def _segments(self):
        chance, text = self.chance, self._text()
        if text[:1] == PICKED_UP:
            text = text[1:]
        else:
            yield from self._open()
        for side, at, payload in self._parts(text):
            at += self.base[side]
            if self._odd(.01):
                self.kinds["GSO"] += 1
                before = len(payload)
                payload *= min(60000, chance.randrange(3000, 20000)) // before + 1
                yield self._segment(side, at, payload, gso_size=chance.choice((1, 8, 100, 536, 1300)))
                self.base[side] += len(payload) - before
                continue
            edges = [0, len(payload)]
            if self._odd(.2):
                self.kinds["cuts"] += 1
                cuts = (chance.randrange(len(payload) + 1) for _ in range(chance.randrange(1, 5)))
                edges = sorted({*edges, *cuts})
            for start, end in zip(edges, edges[1:]):
                if self._odd(.05):
                    self.kinds["overlaps"] += 1
                    shift = chance.choice((start - end, -1, -5, 1, 100, 1 << 31))
                    yield self._segment(side, at + start + shift, payload[start:end])
                yield self._segment(side, at + start, payload[start:end])
        if self._odd(.5):
            yield self._segment(0, self.reached[0], b"", RST | ACK)

    def _open(self):
        for side, flags in ((0, SYN), (1, SYN | ACK), (0, ACK)):
            yield self._segment(side, self.base[side], b"", flags)
            self.base[side] += bool(flags & SYN)
            self.reached[side] = self.base[side]
        if self.name == "ftp" and self._odd(.5):
            # Without this nothing that follows is believed.
            for side, payload in ((1, b"220 ready\r\n"), (0, b"USER anonymous\r\n")):
                yield self._segment(side, self.base[side], payload)
                self.base[side] += len(payload)
        if self.name == "irc" and not self._odd(.2):
            yield self._segment(0, self.base[0], REGISTER)
            self.base[0] += len(REGISTER)

    def _segment(self, side, seq, payload, flags=ACK | PSH, gso_size=0):
        chance = self.chance
        options, offset, urgent, spoil = b"", None, 0, 0
        if payload and not gso_size and self._odd(.1):
            kind = chance.choice(("options", "offset", "flags", "sum"))
            self.kinds[kind] += 1
            if kind == "options":
                options = chance.choice(OPTIONS)
            elif kind == "offset":
                offset = chance.randrange(16)
            elif kind == "flags":
                flags, urgent = ACK | chance.choice((URG, FIN, SYN, RST, 0)), chance.randrange(100)
            else:
                spoil = 0x5555
        ack = self.reached[1 - side] if flags & ACK else 0
        self.reached[side] = max(self.reached[side], seq + len(payload))
        body = frames.tcp(*self.ways[side], seq, ack, payload, flags, options, offset, urgent, spoil, bool(gso_size))
        return side, body, gso_size

    def _whole(self, side, body, gso_size):
        """The IP packets in which a segment or datagram comes."""
        chance, (source, dest) = self.chance, (end[0] for end in self.ways[side])
        protocol = TCP if self.name in OF_LINES else UDP
        if gso_size:
            return [(frames.ipv4 if self.family == 4 else frames.ipv6)(source, dest, protocol, body)]
        if len(body) > 1400 or self._odd(.06):
            self.kinds["fragments"] += 1
            cuts = [chance.randrange(len(body)) for _ in range(3)] + list(range(0, len(body), 1200))
            pieces = list(frames.fragments(source, dest, protocol, body, cuts, chance.randrange(1 << 16)))
            if self._odd(.3):
                chance.shuffle(pieces)
            if self._odd(.1):
                pieces.append(pieces[0])
            return pieces
        odd, length = self._odd(.06), None
        if odd and self._odd(.3):
            self.kinds["length"] += 1
            length = max(0, len(body) + chance.randrange(-30, 60))
        if self.family == 4:
            self.kinds["IP options"] += odd
            return [frames.ipv4(source, dest, protocol, body, options=b"\x01" * 3 if odd else b"", length=length)]
        self.kinds["extension headers"] += odd
        extensions = chance.sample(EXTENSIONS, chance.randrange(1, 3)) if odd else ()
        return [frames.ipv6(source, dest, protocol, body, extensions, length)]

    def _parts(self, text):
        """(side, where in its stream, payload) of each packet."""
        side, parts, said = 0, [], [0, 0]
        for payload, mark in MARK.findall(text):
            if payload:
                for old, new in self.homes[side]:
                    payload = payload.replace(old, new)
                if self.first_port:
                    payload = PORT_TEXT.sub(self._own_port, payload)
                parts.append((side, said[side], payload))
                said[side] += len(payload)
            if mark == SWITCH:
                side = 1 - side
            elif mark == AGAIN:
                parts += parts[-1:]
            elif mark == SWAP:
                parts[-2:] = parts[:-3:-1]
        return parts

    def _own_port(self, match):
        self.first_port += 1
        if b"," in match[0]:
            return b"%d,%d" % divmod(self.first_port, 256)
        return b"%d" % self.first_port


def _home(address):
    """What becomes of the corpora's own addresses."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 6:
        return [(b"2001:db8::a", address.encode())]
    commas = address.replace(".", ",")
    return [(b"10,0,0,2", commas.encode()), (b"10.0.0.2", address.encode()), (b"167772162", b"%d" % int(parsed))]
