# SPDX-License-Identifier: GPL-2.0
"""Mutations of what the helpers look for, sent as real packets through the router from both sides,
with and without translation. No report of the kernel's, and beside it an innocent session that
loses nothing. PACKETS= says how many; the same SEED= makes the same packets again."""

import os
import random

import pytest

import frames
import instances
import shell
from dialogue import Dialogue
from frames import ACK, FIN, PSH, SYN, URG

pytestmark = pytest.mark.debug
PACKETS = int(os.environ.get("PACKETS", "20000"))
SEED = int(os.environ.get("SEED", "1"))
# Of each control port, what the client and what the server may say.
SEEDS = {
    21: ((b"PORT 192,0,2,66,156,64\r\n", b"EPRT |1|192.0.2.66|40000|\r\n", b"EPRT |2|2001:db8:1::66|40000|\r\n",
          b"USER anonymous\r\nPASV\r\n", b"port 1,2,3,4,0,0\r\n", b"PORT 192,0,2,66,999999999999,1\r\n"),
         (b"227 Entering Passive Mode (198,51,100,66,195,80).\r\n", b"229 Entering Extended Passive Mode (|||50000|)\r\n",
          b"227 =198,51,100,66,1,2\r\n", b"220-hello\r\n220 ready\r\n", b"227 1\r\n")),
    6667: ((b"PRIVMSG bob :\1DCC SEND file.bin 3221226050 5000 1000\1\r\n", b"PRIVMSG bob :\1DCC CHAT chat 3221226050 5001\1\r\n",
            b'NOTICE bob :\1DCC SEND "a b c" 2001:db8:1:0:0:0:0:66 5002 1\1\r\n', b"PRIVMSG bob :\1DCC RESUME x 5000 10\1\r\n",
            b"PRIVMSG #chan :hello\r\n", b":a!b@c PRIVMSG bob :\1DCC SEND f 99999999999999 70000 1\1\r\n"),
           (b":bob!b@example.net PRIVMSG alice :\1DCC SEND file 3325256770 4000 10\1\r\n", b":irc 001 alice :Welcome\r\n", b"PING :x\r\n")),
    69: ((b"\0\1boot.bin\0octet\0", b"\0\2x\0netascii\0blksize\0001456\0", b"\0\1" + b"a" * 600, b"\0\1", b"\0\4\0\1"),
         (b"\0\3\0\1data", b"\0\5\0\1no\0", b"\0\6blksize\0001456\0")),
    10080: ((b"Amanda 3.5 REQ HANDLE 000-00000000 SEQ 1700000000\nSERVICE sendbackup\n",),
            (b"Amanda 3.5 REP HANDLE 000-00010001 SEQ 1700000000\nCONNECT DATA 11000 MESG 11001 INDEX 11002\nOPTIONS x;\n",
             b"Amanda 3.5 REP HANDLE 000-00010001 SEQ 1\nCONNECT DATA 70000 MESG 0 INDEX 99999999999\n", b"CONNECT STATE 5 \n",
             b"Amanda 3.5 PREP HANDLE 0 SEQ 1\nCONNECT MESG 1025\n")),
}
OPTIONS = (b"", b"\x08\x0a" + b"\0" * 8, b"\x05\x0a" + b"\xff" * 8, b"\x05\x00", b"\x02\x04\x05\xb4", b"\x08\x7f\x01", b"\xff" * 40)
EXTENSIONS = ((0, b"\0" + b"\1\4\0\0\0\0"), (60, b"\0" + b"\1\4\0\0\0\0"), (43, b"\0\0\0\0\0\0\0"), (44, b"\0\0\0\0\0\0\1"),
              (44, b"\0\0\1\0\0\0\2"), (60, b"\xff" + b"\1\4\0\0\0\0"))
# Addresses that nobody has: the hosts' own kernels would answer, and end the connections.
ATTACKERS = {"ipv4": ("192.0.2.66", "198.51.100.66"), "ipv6": ("2001:db8:1::66", "2001:db8:2::66")}
# Something must ask for connection tracking.
RULES = """table inet nat {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    oifname "to-server" ct state new {what}
  }}
}}
"""


class Talk:
    """One made-up connection: packets of both sides, in the order of a session or nearly so."""

    def __init__(self, chance, family, translated):
        self.chance, self.family = chance, family
        self.port = chance.choice(list(SEEDS))
        inner, outer = (frames.packed(address) for address in ATTACKERS[family])
        own = chance.randrange(1024, 65536)
        self.ends = ((inner, own), (outer, self.port))
        # The server answers whom it sees; where ports are kept, that is the router's own address.
        seen = frames.packed({"ipv4": "198.51.100.1", "ipv6": "2001:db8:2::1"}[family]) if translated else inner
        self.back = ((outer, self.port), (seen, own))
        self.seq = [chance.randrange(2 ** 32), chance.randrange(2 ** 32)]

    def packets(self):
        """(side, packet): 0 is sent by the client, 1 by the server."""
        if self.port in (21, 6667):
            yield 0, self._ip(0, 6, self._tcp(0, b"", SYN))
            yield 1, self._ip(1, 6, self._tcp(1, b"", SYN | ACK))
            yield 0, self._ip(0, 6, self._tcp(0, b"", ACK))
        if self.port == 21:
            # Without this nothing that follows is believed.
            yield 1, self._ip(1, 6, self._tcp(1, b"220 ready\r\n", ACK | PSH))
            yield 0, self._ip(0, 6, self._tcp(0, b"USER anonymous\r\n", ACK | PSH))
        for _ in range(self.chance.randrange(1, 40)):
            side = self.chance.randrange(2)
            payload = self._payload(side)
            if self.port in (21, 6667):
                for piece in self._cut(payload):
                    body = self._tcp(side, piece, ACK | self.chance.choice((PSH, PSH, PSH, URG, FIN, SYN, 0)) if self.chance.random() < .1 else ACK | PSH)
                    yield from ((side, packet) for packet in self._odd(side, 6, body))
            else:
                wrong = self.chance.randrange(70000) & 0xFFFF if self.chance.random() < .05 else None
                body = frames.udp(*self._way(side), payload, wrong, self.chance.random() < .03)
                yield from ((side, packet) for packet in self._odd(side, 17, body))

    def _way(self, side):
        return self.back if side else self.ends

    def _payload(self, side):
        chance, text = self.chance, b""
        for _ in range(chance.choice((1, 1, 1, 2, 5, 60))):
            text += chance.choice(SEEDS[self.port][side])
        text = bytearray(text)
        for _ in range(chance.choice((0, 0, 1, 1, 2, 8))):
            at = chance.randrange(len(text) + 1)
            what = chance.randrange(5)
            if what == 0:
                text[at:at + 1] = bytes([chance.randrange(256)])
            elif what == 1:
                del text[at:at + chance.randrange(1, 9)]
            elif what == 2:
                text[at:at] = chance.choice((b"\r\n", b"\r", b"\n", b"\0", b",", b"9" * 30, b"\1DCC ", b" ", b"|", b"-"))
            elif what == 3:
                other = chance.choice(SEEDS[chance.choice(list(SEEDS))][side])
                text[at:at] = other[:chance.randrange(len(other))]
            else:
                text[at:] = text[:chance.randrange(len(text) + 1)]
            if not text:
                text = bytearray(b"\n")
        return bytes(text[:1400])

    def _cut(self, payload):
        chance = self.chance
        if chance.random() < .6:
            return [payload]
        edges = sorted({0, len(payload), *(chance.randrange(len(payload) + 1) for _ in range(chance.randrange(1, 6)))})
        pieces = [payload[a:b] for a, b in zip(edges, edges[1:])]
        if chance.random() < .1:
            chance.shuffle(pieces)
        return pieces

    def _tcp(self, side, payload, flags):
        chance = self.chance
        seq = self.seq[side]
        at = seq
        if chance.random() < .05 and payload:
            # Overlapping what was sent, or leaving a hole.
            at = seq + chance.choice((-len(payload), -1, -5, 1, 100, 2 ** 31))
        else:
            self.seq[side] = seq + len(payload) + (1 if flags & SYN else 0)
        odd = chance.random() < .05
        return frames.tcp(*self._way(side), at, self.seq[1 - side] if flags & ACK else 0, payload, flags,
                          chance.choice(OPTIONS) if odd else b"", chance.randrange(16) if odd and chance.random() < .3 else None,
                          chance.randrange(100) if flags & URG else 0, chance.random() < .03)

    def _odd(self, side, protocol, body):
        chance = self.chance
        source, dest = self._way(side)
        if self.family == "ipv4" and chance.random() < .08 and len(body) > 16:
            pieces = list(frames.fragments(lambda part, number, flags: frames.ipv4(source[0], dest[0], protocol, part, number, flags),
                                           body, [chance.randrange(len(body)) for _ in range(3)], chance.randrange(65536)))
            if chance.random() < .3:
                chance.shuffle(pieces)
            return pieces
        return [self._ip(side, protocol, body)]

    def _ip(self, side, protocol, body):
        chance = self.chance
        source, dest = self._way(side)
        wrong = len(body) + chance.randrange(-30, 60) if chance.random() < .02 else None
        if self.family == "ipv6":
            extensions = chance.sample(EXTENSIONS, chance.randrange(1, 3)) if chance.random() < .1 else ()
            return frames.ipv6(source[0], dest[0], protocol, body, extensions, wrong)
        return frames.ipv4(source[0], dest[0], protocol, body, options=b"\x01" * 3 if chance.random() < .03 else b"", length=wrong)


@pytest.fixture
def attackers(network):
    """Known to the router as neighbours, so that packets for them really leave it."""
    for family, (inner, outer) in ATTACKERS.items():
        for address, side, host in ((inner, "to-client", network.client), (outer, "to-server", network.server)):
            hardware = frames.hardware_address(host, "net").hex(":")
            network.router.run(f"ip neighbour replace {address} lladdr {hardware} dev {side} nud permanent")
    with frames.Port(network.client, network.router) as client, frames.Port(network.server, network.router) as server:
        yield client, server


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("translated", [False, True], ids=["plain", "nat"])
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_hostile_traffic(network, clean, attackers, flow, kernel_log, family, translated):
    kernel_log.allow("table full.*dropping packet|helper dropping|kernel messages were lost|net_ratelimit")
    instances.load_all()
    chance, share = random.Random(SEED), PACKETS // 4
    way = flow("plain", assign=None)
    # The innocent keep their firewall; the attackers' way is open.
    network.router.run("nft flush ruleset")
    network.router.run("nft -f -", stdin=RULES.format(what="masquerade" if translated else "counter"))
    way.seen_as = "198.51.100.1" if translated else way.seen_as
    expectations = sent = 0
    with Dialogue(way) as innocent:
        while sent < share:
            for _ in range(20):
                for side, packet in Talk(chance, family, translated).packets():
                    attackers[side].send(packet)
            sent = sum(port.sent for port in attackers)
            innocent.chat()
            # Some of it must have been understood, or all this would show nothing.
            expectations += network.router.run(f"conntrack -L expect -f {family}").count("proto=")
        innocent.chat()
        if not translated:
            innocent.active(40000)
            innocent.passive()
    shell.log.info("%d packets sent, %d refused, %d expectations seen", sent, sum(port.refused for port in attackers), expectations)
    assert expectations > 0
    instances.unload_all()
