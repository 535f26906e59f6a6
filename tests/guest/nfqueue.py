# SPDX-License-Identifier: GPL-2.0
"""Just enough nfnetlink_queue to hold a packet of the router's and let it go later."""

import socket
import struct

import shell

# <linux/netfilter/nfnetlink_queue.h>
NETLINK_NETFILTER, NLMSG_ERROR, REQUEST, ACK = 12, 2, 0x1, 0x4
SUBSYSTEM, PACKET, VERDICT, CONFIG = 3 << 8, 0, 1, 2
CFG_CMD, CFG_PARAMS, CMD_BIND, COPY_PACKET = 1, 2, 1, 2
PACKET_HDR, VERDICT_HDR, NF_ACCEPT = 1, 2, 1


class Queue:
    """Queue `number` of a host. Packets that a rule sends there wait until `release`."""

    def __init__(self, host, number=0):
        self.number, self.waiting = number, []
        with host.entered():
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._netlink.bind((0, 0))
        self._ask(CONFIG, _attr(CFG_CMD, struct.pack(">BxH", CMD_BIND, socket.AF_INET)))
        self._ask(CONFIG, _attr(CFG_PARAMS, struct.pack(">IB", 0xFFFF, COPY_PACKET)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._netlink.close()

    def wait(self):
        """Until one more packet waits."""
        self._netlink.settimeout(20 * shell.PATIENCE)
        message = self._netlink.recv(1 << 17)
        kind, = struct.unpack_from("=H", message, 4)
        assert kind == SUBSYSTEM | PACKET, f"the kernel sent message {kind:#x}"
        at = 20
        while at < len(message):
            length, attribute = struct.unpack_from("=HH", message, at)
            if attribute & 0x3FFF == PACKET_HDR:
                self.waiting.append(struct.unpack_from(">I", message, at + 4)[0])
                return
            at += (length + 3) & ~3
        raise AssertionError("a queued packet without a number")

    def release(self):
        """All that wait go on. One that the kernel has dropped meanwhile is none of our business."""
        for packet in self.waiting:
            self._send(VERDICT, _attr(VERDICT_HDR, struct.pack(">II", NF_ACCEPT, packet)), REQUEST)
        self.waiting = []

    def _ask(self, kind, attributes):
        self._send(kind, attributes, REQUEST | ACK)
        answer = self._netlink.recv(8192)
        code, = struct.unpack_from("=i", answer, 16)
        assert struct.unpack_from("=H", answer, 4)[0] == NLMSG_ERROR and code == 0, f"nfnetlink_queue said {code}"

    def _send(self, kind, attributes, flags):
        body = struct.pack(">BBH", socket.AF_UNSPEC, 0, self.number) + attributes
        self._netlink.send(struct.pack("=IHHII", 16 + len(body), SUBSYSTEM | kind, flags, 1, 0) + body)


def _attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)
