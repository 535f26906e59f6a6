# SPDX-License-Identifier: GPL-2.0
"""A backup server and a machine that is backed up, every datagram of theirs in the test's hands."""

from datagrams import Socket
from helpers import AMANDA

OPTIONS = b"OPTIONS features=ffffffff9efefbfffffffffffffff3fffbf79f00;\n"


def connect(**ports):
    return b"CONNECT " + b" ".join(b"%s %d" % (name.encode(), port) for name, port in ports.items()) + b"\n"


def reply(body, kind="REP"):
    return b"Amanda 3.5 %s HANDLE 000-00010001 SEQ 1700000000\n" % kind.encode() + body + OPTIONS


class Talk:
    """The two ends of a UDP connection of a Flow: the backup server asks, from a privileged port."""

    def __init__(self, flow, port=850, machine=None, at=AMANDA.port):
        """`at` is the port that the machine listens on."""
        self.flow, self.at = flow, at
        self.server = Socket(flow.client, flow.family, port)
        self._own = machine is None
        self.machine = machine or Socket(flow.server, flow.family, at)
        self.peer = None
        self.server_says(b"Amanda 3.5 REQ HANDLE 000-00000000 SEQ 1700000000\n"
                         b"SECURITY USER backup\nSERVICE sendbackup\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.__exit__()
        if self._own:
            self.machine.__exit__()

    def server_says(self, data):
        self.server.send(data, (self.flow.target, self.at))
        self.peer = self.machine.hears(data)
        assert self.peer[0] == self.flow.seen_as

    def machine_says(self, data, heard=None):
        self.machine.send(data, self.peer)
        assert self.server.hears(data if heard is None else heard) == (self.flow.target, self.at)

    def what_server_hears(self, data):
        """What the machine says, as it comes out at the backup server."""
        self.machine.send(data, self.peer)
        return self.server.receive()[0]
