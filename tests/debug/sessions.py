# SPDX-License-Identifier: GPL-2.0
"""One session of each protocol through a Flow, all of them used in the same way: a port is announced,
and the session goes on to be what it is for."""

import scripted
from amanda_talk import Talk, connect, reply
from datagrams import Socket
from dcc import Session, message, send
from dialogue import Dialogue, carry
from helpers import AMANDA, FTP, IRC, TFTP


class Ftp:
    helper, nat = FTP, "snat"
    # What fills a segment, so that it has to be copied for being rewritten.
    PADDING = b"NOOP\r\n" * 200

    def __init__(self, flow):
        self.flow, self.talk = flow, Dialogue(flow)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.talk.__exit__()

    def line(self, address, port):
        return scripted.port_command(address, port)

    def announce(self, port):
        """Arrives as it was said."""
        said = self.line(self.flow.client.address[self.flow.family], port)
        self.talk.client_says(said, said)

    def announce_long(self, port):
        """In a long segment, and rewritten."""
        own, outside = self.flow.client.address[self.flow.family], self.flow.seen_as
        self.talk.client_says(self.PADDING + self.line(own, port), self.PADDING + self.line(outside, port))

    def in_halves(self, port):
        said = self.line(self.flow.client.address[self.flow.family], port)
        for half in (said[:len(said) // 2], said[len(said) // 2:]):
            self.talk.client_says(half, half)

    def goes_on(self, port):
        self.talk.chat()
        flow = self.flow
        said = self.line(flow.client.address[flow.family], port)
        with flow.client.listen(flow.family, port) as waiting:
            self.talk.client_says(said, flow.heard("client", said) if flow.nat else said)
            carry(flow.server, flow.family, flow.seen_as, port, waiting)
        self.talk.passive()


class Irc(Ftp):
    helper = IRC
    PADDING = b"PRIVMSG bob :hi\r\n" * 70

    def __init__(self, flow):
        self.flow, self.talk = flow, Session(flow)

    def line(self, address, port):
        return message(send(address, port))

    def goes_on(self, port):
        self.talk.chat()
        self.talk.offer_to_outside(port)


class Tftp:
    helper, nat = TFTP, "snat"
    REQUEST, DATA = b"\0\1boot.bin\0octet\0", b"\0\3\0\1data"

    def __init__(self, flow):
        self.flow = flow
        self.client, self.server = Socket(flow.client, flow.family), Socket(flow.server, flow.family, TFTP.port)
        # A connection that announces nothing yet.
        self.client.send(self.DATA, (flow.target, TFTP.port))
        self.peer = self.server.hears(self.DATA)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.__exit__()
        self.server.__exit__()

    def announce(self, _port):
        """The port is the client's own."""
        self.client.send(self.REQUEST, (self.flow.target, TFTP.port))
        self.peer = self.server.hears(self.REQUEST)

    def goes_on(self, port):
        self.announce(port)
        with Socket(self.flow.server, self.flow.family) as transfer:
            transfer.send(self.DATA, self.peer)
            assert self.client.hears(self.DATA) == (self.flow.target, transfer.port)


class Amanda:
    helper, nat = AMANDA, "dnat"
    # So long that it comes in fragments, and is put together for being rewritten.
    PADDING = b"OPTIONS " + b"x" * 3000 + b"\n"

    def __init__(self, flow):
        self.flow, self.talk = flow, Talk(flow)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.talk.__exit__()

    def announce(self, port):
        self.talk.machine_says(reply(connect(DATA=port)))

    def announce_long(self, port):
        """What another session has announced is announced here, too."""
        with Talk(self.flow, 851, self.talk.machine) as other:
            other.machine_says(reply(connect(DATA=port)))
        said, heard = (reply(connect(DATA=number) + self.PADDING) for number in (port, port + 1))
        self.talk.machine.send(said, self.talk.peer)
        self.talk.machine_says(said, heard)

    def goes_on(self, port):
        with self.flow.server.listen(self.flow.family, port) as waiting:
            self.announce(port)
            carry(self.flow.client, self.flow.family, self.flow.target, port, waiting)


KINDS = {kind.helper.name: kind for kind in (Ftp, Irc, Tftp, Amanda)}
