# SPDX-License-Identifier: GPL-2.0
"""A helper on connections of another protocol, with its NAT half at work. The kernel believes a CT rule's word for which protocol it is,
and nf_tables' layer for xtables believes whoever makes the rule, so packets of any protocol come to a helper.
Nothing is expected of it but that it survives, and that the packets do."""

import socket
import struct

import pytest

import expected
import helpers
import shell
from ctnetlink import NESTED, REQUEST, _attr, _netlink

# <linux/netfilter/nfnetlink.h>, <linux/netfilter/nf_tables.h>, <linux/netfilter/nf_tables_compat.h>
BATCH_BEGIN, BATCH_END, NFTABLES, NEW_RULE = 16, 17, 10, 6
ACK, CREATE, APPEND = 0x4, 0x400, 0x800
RULE_TABLE, RULE_CHAIN, RULE_EXPRESSIONS, RULE_COMPAT, LIST_ELEM, EXPR_NAME, EXPR_DATA = 1, 2, 4, 5, 1, 1, 2
COMPAT_PROTO, COMPAT_FLAGS, TARGET_NAME, TARGET_REV, TARGET_INFO = 1, 2, 1, 2, 3
RULES = """table ip raw {
  chain PREROUTING { type filter hook prerouting priority raw; }
}
table ip nat {
  chain POSTROUTING { type nat hook postrouting priority srcnat; oifname "to-server" masquerade; }
}
"""
PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
# From the client and from the server, in turn, as the helper of each protocol would want them.
WORDS = {
    "ftp": [b"", b"220 ready\r\n", b"USER anonymous\r\n", b"331 password\r\n", b"PORT 192,0,2,10,156,64\r\n",
            b"200 ok\r\n", b"PASV\r\n", b"227 Entering Passive Mode (198,51,100,10,195,80)\r\n", b"PORT 192,0,2,10"],
    "irc": [b"", b"NOTICE x\r\n", b"NICK alice\r\nUSER alice 0 * :A\r\n", b":s 001 alice :Welcome\r\n",
            b"PRIVMSG bob :\1DCC SEND f 3221225994 5000 77\1\r\n", b"PING\r\n", b"PRIVMSG bob :\1DCC SEND f 32212"],
    "tftp": [b"\0\1boot.bin\0octet\0", b"\0\3\0\1data"] * 3,
    "amanda": [b"Amanda 2.5 REQ HANDLE 0-0 SEQ 0\n", b"Amanda 2.5 REP HANDLE 0-0 SEQ 0\nCONNECT DATA 50000 MESG 50001 INDEX 50002\n"] * 2,
}


def assign_everything(router, helper):
    """A rule that gives the helper to each connection, and claims that they are of the helper's protocol."""
    info = struct.pack("=HHII16s32s", 0, 0, 0, 0, helper.name.encode(), b"") + bytes(4 + 8)
    target = _attr(TARGET_NAME, b"CT\0") + _attr(TARGET_REV, struct.pack(">I", 2)) + _attr(TARGET_INFO, info)
    expression = _attr(EXPR_NAME, b"target\0") + _attr(EXPR_DATA | NESTED, target)
    compat = _attr(COMPAT_PROTO, struct.pack(">I", PROTOCOLS[helper.transport])) + _attr(COMPAT_FLAGS, struct.pack(">I", 0))
    rule = (_attr(RULE_TABLE, b"raw\0") + _attr(RULE_CHAIN, b"PREROUTING\0")
            + _attr(RULE_EXPRESSIONS | NESTED, _attr(LIST_ELEM | NESTED, expression)) + _attr(RULE_COMPAT | NESTED, compat))
    messages = [(BATCH_BEGIN, 0, NFTABLES, b""), (NFTABLES << 8 | NEW_RULE, ACK | CREATE | APPEND, 0, rule),
                (BATCH_END, 0, NFTABLES, b"")]
    with _netlink(router) as netlink:
        netlink.settimeout(10)
        netlink.send(b"".join(struct.pack("=IHHIIBBH", 20 + len(body), kind, REQUEST | flags, 1, 0, socket.AF_INET, 0,
                                          socket.htons(resource)) + body for kind, flags, resource, body in messages))
        code, = struct.unpack_from("=i", netlink.recv(8192), 16)
    assert code == 0, f"the kernel refuses the rule: {code}"
    assert "CT" in router.run("nft list table ip raw")


def as_tcp(words, header_words, flags):
    """What follows the 8 bytes of a UDP header, so that together it is like a TCP segment."""
    return bytes(4) + bytes([header_words << 4, flags]) + bytes(6) + bytes(max(0, 4 * header_words - 20)) + words


@pytest.mark.parametrize("helper", [helpers.FTP, helpers.IRC], ids=lambda helper: helper.name)
def test_tcp_helper_on_udp(network, clean, helper):
    helper.nat_half.load()
    network.router.run("nft -f -", stdin=RULES)
    assign_everything(network.router, helper)
    with network.server.entered():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("198.51.100.10", 2000))
    server.settimeout(0.3 * shell.PATIENCE)
    arrived = 0
    for header_words in range(16):
        with network.client.entered():
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(0.3 * shell.PATIENCE)
        client.connect(("198.51.100.10", 2000))
        peer = None
        for number, words in enumerate(WORDS[helper.name]):
            data = as_tcp(words, header_words, 2 if number == 0 else 0x18)
            sender, receiver = (server, client) if number % 2 and peer else (client, server)
            sender.sendto(data, peer) if sender is server else client.send(data)
            try:
                _, source = receiver.recvfrom(2000)
                arrived += 1
                peer = source if receiver is server else peer
            except TimeoutError:  # with a checksum where UDP has none
                shell.log.info("lost: %d words, %r", header_words, words)
        client.close()
    server.close()
    shell.log.info("%d arrived; expected: %s", arrived, expected.ports(network.router))
    assert arrived > 50


@pytest.mark.parametrize("helper", [helpers.TFTP, helpers.AMANDA], ids=lambda helper: helper.name)
def test_udp_helper_on_tcp(network, clean, helper):
    helper.nat_half.load()
    network.router.run("nft -f -", stdin=RULES)
    assign_everything(network.router, helper)
    with network.server.listen("ipv4", 2000) as listener, network.client.connect("ipv4", network.server, 2000) as client:
        server, _ = listener.accept()
        with server:
            for sender, receiver, words in zip([client, server] * 9, [server, client] * 9, WORDS[helper.name]):
                sender.sendall(words)
                assert receiver.recv(1000) == words


@pytest.mark.parametrize("helper", [helpers.FTP, *helpers.ALL.values()], ids=lambda helper: helper.name)
def test_helper_on_icmp(network, clean, helper):
    helper.nat_half.load()
    network.router.run("nft -f -", stdin=RULES)
    assign_everything(network.router, helper)
    for size in (0, 1, 8, 12, 13, 20, 100, 1400):
        network.client.run(f"ping -c 2 -i 0.01 -W 2 -s {size} -p 50 198.51.100.10")
