# SPDX-License-Identifier: GPL-2.0
"""Just enough ctnetlink to put a TCP connection into the router's table together with its helper,
as conntrackd does on the machine that takes over (conntrack -I cannot name a helper), to hand
expectations on as they are, and to make entries that no packet would make."""

import os
import socket
import struct

# <linux/netlink.h>, <linux/netfilter/nfnetlink.h>, <linux/netfilter/nfnetlink_conntrack.h>
NETLINK_NETFILTER, NLMSG_ERROR, NLMSG_DONE = 12, 2, 3
REQUEST, ACK, EXCLUSIVE, CREATE, DUMP = 0x1, 0x4, 0x200, 0x400, 0x300
# NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW and _DELETE.
NEW_CONNECTION, DELETE_CONNECTION = 1 << 8, 1 << 8 | 2
# NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_NEW and _GET.
NEW_EXPECTATION, GET_EXPECTATIONS = 2 << 8, 2 << 8 | 1
NESTED = 0x8000
TUPLE_ORIG, TUPLE_REPLY, STATUS, PROTOINFO, HELP, TIMEOUT, TUPLE_MASTER = 1, 2, 3, 4, 5, 7, 14
TUPLE_IP, TUPLE_PROTO = 1, 2
IP_ADDRESSES = {socket.AF_INET: (1, 2), socket.AF_INET6: (3, 4)}
PROTO_NUM, PROTO_SRC_PORT, PROTO_DST_PORT = 1, 2, 3
PROTOINFO_TCP, TCP_STATE, TCP_FLAGS_ORIG, TCP_FLAGS_REPLY = 1, 1, 4, 5
HELP_NAME = 1
SEEN_REPLY, ASSURED, CONFIRMED = 1 << 1, 1 << 2, 1 << 3
TCP_ESTABLISHED, TCP_BE_LIBERAL = 3, 0x08


def create_connection(router, client, server, helper=None):
    """`client` and `server` are the (address, port) ends of a TCP connection that the table does
    not know. It is entered as established, with `helper` if one is named."""
    family = socket.AF_INET6 if ":" in client[0] else socket.AF_INET
    liberal = struct.pack("BB", TCP_BE_LIBERAL, TCP_BE_LIBERAL)
    tcp = _attr(TCP_STATE, bytes([TCP_ESTABLISHED])) + _attr(TCP_FLAGS_ORIG, liberal) + _attr(TCP_FLAGS_REPLY, liberal)
    attributes = (
        _tuple(TUPLE_ORIG, family, client, server) + _tuple(TUPLE_REPLY, family, server, client)
        + _attr(STATUS, struct.pack(">I", SEEN_REPLY | ASSURED | CONFIRMED)) + _attr(TIMEOUT, struct.pack(">I", 300))
        + _attr(PROTOINFO | NESTED, _attr(PROTOINFO_TCP | NESTED, tcp)))
    if helper:
        attributes += _attr(HELP | NESTED, _attr(HELP_NAME, helper.encode() + b"\0"))
    _create(router, NEW_CONNECTION, struct.pack(">BBH", family, 0, 0) + attributes)


def name_helper(router, client, server, helper):
    """Names the helper that an IPv4 connection has already, as who changes its entry may do."""
    _request(router, NEW_CONNECTION, 0, struct.pack(">BBH", socket.AF_INET, 0, 0)
             + _tuple(TUPLE_ORIG, socket.AF_INET, client, server)
             + _attr(HELP | NESTED, _attr(HELP_NAME, helper.encode() + b"\0")))


def create_gre(router, client, server, master):
    """A GRE connection that the TCP connection with the ends `master` is said to have announced, as
    that of PPTP does. `client` and `server` are (address, key)."""
    gre = socket.IPPROTO_GRE
    _create(router, NEW_CONNECTION, struct.pack(">BBH", socket.AF_INET, 0, 0)
            + _tuple(TUPLE_ORIG, socket.AF_INET, client, server, gre)
            + _tuple(TUPLE_REPLY, socket.AF_INET, server, client, gre)
            + _tuple(TUPLE_MASTER, socket.AF_INET, *master) + _attr(TIMEOUT, struct.pack(">I", 300)))


def delete_gre(router, client, server):
    """Takes it out again."""
    _request(router, DELETE_CONNECTION, 0, struct.pack(">BBH", socket.AF_INET, 0, 0)
             + _tuple(TUPLE_ORIG, socket.AF_INET, client, server, socket.IPPROTO_GRE))


def expectations(router):
    """All that the router's kernel tells of each expectation, as it stands in the message."""
    found = []
    with _netlink(router) as netlink:
        _send(netlink, GET_EXPECTATIONS, REQUEST | DUMP, bytes(4))
        while True:
            answer = netlink.recv(1 << 16)
            while answer:
                length, kind = struct.unpack_from("=IH", answer)
                if kind == NLMSG_DONE:
                    return found
                assert kind == NEW_EXPECTATION, f"the kernel answered with message {kind}"
                found.append(answer[16:length])
                answer = answer[length + -length % 4:]


def create_expectation(router, told):
    """One that `expectations` has told, on another router."""
    _create(router, NEW_EXPECTATION, told)


def _netlink(router):
    with router.entered():
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    netlink.bind((0, 0))
    return netlink


def _send(netlink, kind, flags, body):
    netlink.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)


def _create(router, kind, body):
    _request(router, kind, CREATE | EXCLUSIVE, body)


def _request(router, kind, flags, body):
    with _netlink(router) as netlink:
        _send(netlink, kind, REQUEST | ACK | flags, body)
        answer = netlink.recv(8192)
    kind, = struct.unpack_from("=H", answer, 4)
    code, = struct.unpack_from("=i", answer, 16)
    assert kind == NLMSG_ERROR, f"the kernel answered with message {kind}"
    if code:
        raise OSError(-code, os.strerror(-code))


def _tuple(kind, family, source, dest, protocol=socket.IPPROTO_TCP):
    pack = lambda address: socket.inet_pton(family, address)  # noqa: E731
    source_type, dest_type = IP_ADDRESSES[family]
    ip = _attr(source_type, pack(source[0])) + _attr(dest_type, pack(dest[0]))
    proto = (_attr(PROTO_NUM, bytes([protocol])) + _attr(PROTO_SRC_PORT, struct.pack(">H", source[1]))
             + _attr(PROTO_DST_PORT, struct.pack(">H", dest[1])))
    return _attr(kind | NESTED, _attr(TUPLE_IP | NESTED, ip) + _attr(TUPLE_PROTO | NESTED, proto))


def _attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)
