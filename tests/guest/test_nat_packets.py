# SPDX-License-Identifier: GPL-2.0
"""Announcements in packets of every form: as long as the MTU, longer than it, in pages that belong
to a file, in IP fragments; and large ones of which parts are lost after the rewrite."""

import contextlib
import ipaddress
import mmap
import os
import re
import socket
import struct

import pytest

import shell
from capture import SACK, SACK_PERMITTED, TIMESTAMPS, Capture
from dialogue import Dialogue, carry, hear
from offload import off
from scripted import port_command

PORT = 40000
MSG_ZEROCOPY, SO_ZEROCOPY = 0x4000000, 60
OFFLOADS = {"offloads": (), "no-offloads": ("tso", "gso", "sg", "tx")}
FLOWS = pytest.mark.parametrize("name, family", [("snat", "ipv4"), ("snat-shorter", "ipv4"), ("snat", "ipv6")])


@contextlib.contextmanager
def without(features, *places):
    """Interfaces without some offloads, as (host, interface)."""
    with contextlib.ExitStack() as stack:
        for host, interface in places:
            stack.enter_context(off(host, interface, *features))
        yield


def segment_size(family):
    """The longest payload: what IP and TCP headers with timestamps leave of the MTU."""
    return 1500 - (40 if family == "ipv6" else 20) - 32


def lines(way, segments, ports=(PORT,)):
    """Commands for so many segments and a half, with announcements spread over them, the last one
    at the end; none lies across the border of two segments."""
    size = segment_size(way.family)
    text = b""
    for number, port in enumerate(ports, 1):
        end = segments * number // len(ports) * size + size // 2
        command = port_command(way.client.address[way.family], port)
        padding = end - len(text) - len(command)
        filler = b"".join(b"NOOP %08d %s\r\n" % (at, b"x" * 48) for at in range(0, padding, 64))
        text += filler[:padding - 2] + b"\r\n" + command
    return text


@pytest.mark.ours
@pytest.mark.parametrize("offloads", OFFLOADS)
@FLOWS
def test_large_send(network, nat_helper, flow, name, family, offloads):
    """One call sends 30000 bytes with three announcements, which travel in packets of many segments
    or, without offloads, in many."""
    way = flow(name, family)
    ports = (PORT, PORT + 1, PORT + 2)
    with without(OFFLOADS[offloads], (way.client, "net")), Dialogue(way) as talk, Capture(way.client) as near:
        text = lines(way, 21, ports)
        talk.client_says(text)
        sizes = [segment.packet_len for segment in near.read() if segment.payload]
        assert (max(sizes) > 1500) == (offloads == "offloads"), "the offloads are not what the test wants"
        with way.client.listen(family, ports[-1]) as waiting:
            carry(way.server, family, way.seen_as, ports[-1], waiting)
        talk.chat()


LOSS = """table inet loss {
  chain lose {
    type filter hook input priority filter
    tcp dport 21 numgen inc mod 5 == 3 counter drop
  }
}
"""


@contextlib.contextmanager
def losses(host):
    """One of five segments to it does not arrive."""
    host.run("nft -f -", stdin=LOSS)
    try:
        yield
    finally:
        host.run("nft delete table inet loss")


@pytest.fixture
def large(network):
    """What is sent becomes large packets however slow the network seems to TCP."""
    network.client.sysctl("net.ipv4.tcp_min_tso_segs", 16)
    yield
    network.client.sysctl("net.ipv4.tcp_min_tso_segs", 2)


@pytest.fixture
def liberal(network):
    """Connection tracking takes a selective acknowledgment of bytes behind the rewrite for one of
    bytes never sent while the cumulative one is still before it, and would lose it."""
    network.router.sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", 1)
    yield
    network.router.sysctl("net.netfilter.nf_conntrack_tcp_be_liberal", 0)


@pytest.mark.ours
@FLOWS
def test_parts_of_a_large_packet_are_lost(network, nat_helper, flow, large, liberal, name, family):
    """The router rewrites a packet of many segments; some of these are lost behind it. What is sent
    again, and acknowledged, in parts must fit to the byte."""
    way = flow(name, family)
    with off(network.router, "to-server", "tso", "gso"), Dialogue(way) as talk, Capture(way.client) as near:
        # One at a time: the kernel remembers one change of the length, and what was before.
        for number in range(20):
            # TCP gathers speed, as it must after losses; only then it makes large packets.
            talk.client_says(b"NOOP\r\n" * 20000)
            with losses(way.server):
                talk.client_says(lines(way, 8, (PORT + number,)))
            lack = _lack(talk, near)
            if number >= 3 and not lack:
                break
        if lack and shell.PATIENCE > 1:
            pytest.skip(f"on a slow kernel TCP does not always do what this needs: {lack[:200]}")
        assert not lack, lack
        with way.client.listen(family, PORT + number) as waiting:
            carry(way.server, family, way.seen_as, PORT + number, waiting)
        talk.chat()


def _lack(talk, near):
    """What has not happened yet of all that the test is about, in words; empty if nothing."""
    segments = near.read()
    sizes = [len(segment.payload) for segment in segments if re.search(rb"\n(PORT|EPRT) \S+\r\n$", segment.payload)]
    said, _ = near.connections()[talk.client.getsockname()[:2]]
    if max(sizes, default=0) <= 3000:
        return f"no announcement came at the end of a large packet: {sizes}"
    if said.repeated() <= 1000:
        return "nothing was lost"
    return "" if any(SACK in segment.options for segment in segments) else "no selective acknowledgment"


@pytest.mark.ours
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_growth_beyond_the_mtu(network, nat_helper, flow, family):
    """A segment that is as long as the MTU becomes longer than it: it is fragmented, since its
    sender cannot know."""
    way = flow("snat", family)
    with Dialogue(way) as talk, Capture(way.client) as near, Capture(way.server) as far:
        size = segment_size(family)
        for round in range(2):
            # The last `size` bytes of more than that.
            talk.client_says(lines(way, 1, (PORT + round,))[-size:])
        assert [segment.packet_len for segment in near.read() if len(segment.payload) == size] == [1500, 1500]
        far.read()
        assert far.fragments == 4
        with way.client.listen(family, PORT + 1) as waiting:
            carry(way.server, family, way.seen_as, PORT + 1, waiting)
        talk.chat()


@pytest.mark.ours
@pytest.mark.parametrize("offloads", OFFLOADS)
def test_pages_of_a_file(network, nat_helper, flow, tmp_path, offloads):
    """sendfile: the packet's payload is the page cache, which must not be written to."""
    way = flow("snat")
    text = lines(way, 3, (PORT, PORT + 1))
    file = tmp_path / "commands"
    file.write_bytes(text)
    with without(OFFLOADS[offloads], (way.client, "net")), Dialogue(way) as talk, file.open("rb") as source:
        expected = way.heard("client", text)
        for _ in range(2):
            assert os.sendfile(talk.client.fileno(), source.fileno(), 0, len(text)) == len(text)
            assert hear(talk.server, len(expected)) == expected
            assert file.read_bytes() == text, "the file was written to"
        talk.chat()


@pytest.mark.ours
def test_pages_of_the_sender(network, nat_helper, flow):
    """MSG_ZEROCOPY: the same with the sender's own memory."""
    way = flow("snat")
    text = lines(way, 3, (PORT, PORT + 1))
    with Dialogue(way) as talk, mmap.mmap(-1, 8192) as memory:
        memory[:len(text)] = text
        talk.client.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
        expected = way.heard("client", text)
        for _ in range(2):
            with memoryview(memory) as view:
                assert talk.client.send(view[:len(text)], MSG_ZEROCOPY) == len(text)
            assert hear(talk.server, len(expected)) == expected
            assert memory[:len(text)] == text, "the sender's memory was written to"
        talk.chat()


def test_sack_and_timestamps_are_on(network, nat_helper, flow):
    """As negotiated by default; the router leaves them on."""
    way = flow("snat")
    with Capture(way.client) as near, Capture(way.server) as far, Dialogue(way) as talk:
        talk.active(PORT)
        for capture in (near, far):
            for stream in list(capture.connections().values())[0]:
                assert {SACK_PERMITTED, TIMESTAMPS} <= set(stream.options)


@pytest.mark.ours
@pytest.mark.parametrize("name", ["snat", "snat-shorter"])
def test_ip_fragments(network, nat_helper, flow, name):
    """A segment that comes in IP fragments, the announcement itself cut in two."""
    way = flow(name)
    with Dialogue(way) as talk, Capture(way.client) as near:
        talk.client_says(b"NOOP\r\n")
        talk.server_says(b"200 OK\r\n")
        last = [segment for segment in near.read() if segment.source == talk.client.getsockname()][-1]
        text = b"NOOP\r\n" + port_command(way.client.address["ipv4"], PORT)
        packet = tcp_packet(last.source, last.dest, (last.seq + len(last.payload)) & 0xFFFFFFFF, last.ack, text)
        # What the client's own TCP would say of bytes that it has not sent is of no interest.
        way.client.run("nft -f -", stdin="""table inet quiet {
            chain out {
              type filter hook output priority filter
              tcp dport 21 meta mark != 1 drop
            }
          }""")
        try:
            # TCP header and half of the line; the rest.
            send_fragments(way.client, packet, 40)
            expected = way.heard("client", text)
            assert hear(talk.server, len(expected)) == expected
            with way.client.listen("ipv4", PORT) as waiting:
                carry(way.server, "ipv4", way.seen_as, PORT, waiting)
        finally:
            way.client.run("nft delete table inet quiet")


def tcp_packet(source, dest, seq, ack, payload):
    """An IPv4 packet with one segment, PSH and ACK."""
    addresses = ipaddress.ip_address(source[0]).packed + ipaddress.ip_address(dest[0]).packed
    head = struct.pack("!HHIIBBH", source[1], dest[1], seq, ack, 5 << 4, 0x18, 500)
    pseudo = addresses + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20 + len(payload))
    segment = head + struct.pack("!HH", checksum(pseudo + head + bytes(4) + payload), 0) + payload
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 4711, 0, 64, socket.IPPROTO_TCP, 0) + addresses + segment


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def send_fragments(host, packet, at):
    """Sends a packet in two fragments, the second from payload offset `at` on."""
    with host.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 1)
    header, payload = packet[:20], packet[20:]
    with sock:
        for offset, part, more in ((0, payload[:at], 0x2000), (at, payload[at:], 0)):
            fragment = header[:6] + struct.pack("!H", more | offset // 8) + header[8:] + part
            sock.sendto(fragment, (socket.inet_ntoa(packet[16:20]), 0))
