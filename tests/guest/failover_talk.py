# SPDX-License-Identifier: GPL-2.0
"""Control sessions of which connections can be announced, opened and used, each when the test says so.

    with Passive(flow) as session:
        connection = session.announce(11001).open()
        connection.carry()
"""

import contextlib
import os
import socket

import dcc
from amanda_talk import Talk, connect, reply
from datagrams import Socket
from dialogue import TIMEOUT, Dialogue, digest, hear, sending
from exchange import Open
from helpers import AMANDA, FTP, IRC, TFTP
from scripted import passive_reply, port_command
from shell import wait_for


class Stream:
    """An open TCP connection."""

    def __init__(self, one, other):
        self._ends = (one, other)
        for end in self._ends:
            end.settimeout(TIMEOUT)

    def carry(self, size=20_000):
        """Both sides say something and are heard."""
        one, other = self._ends
        for sender, receiver in ((one, other), (other, one)):
            data = os.urandom(size)
            with sending(sender, data):
                received = hear(receiver, size)
            assert digest(received) == digest(data), f"{len(received)} of {size} bytes, or others"

    def check_blocked(self, router):
        """What is said now the router's firewall takes for no connection that it knows."""
        one, other = self._ends
        before = router.counts()["blocked"]
        one.sendall(b"nobody hears this")
        wait_for("the firewall to block it", lambda: router.counts()["blocked"] > before)
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            raise AssertionError(f"{other.recv(100)} has arrived")


class Announced:
    """A TCP connection to come, from `opener` to where `waiting` listens."""

    def __init__(self, session, opener, address, waiting):
        self._session, self._opener, self._address, self._waiting = session, opener, address, waiting

    def open(self, timeout=TIMEOUT):
        port = self._waiting.getsockname()[1]
        self._waiting.settimeout(TIMEOUT)
        keep = self._session.keep
        one = keep(self._opener.connect(self._session.flow.family, self._address, port, timeout))
        return Stream(one, keep(self._waiting.accept()[0]))

    def check_blocked(self, router):
        """An attempt to open it ends at the router's firewall."""
        before = router.counts()["blocked"]
        with self._opener.entered():
            one = self._session.keep(socket.socket(family_of(self._address)))
        one.setblocking(False)
        one.connect_ex((self._address, self._waiting.getsockname()[1]))
        wait_for("the firewall to block it", lambda: router.counts()["blocked"] > before)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Session(Open):
    """A control connection of a Flow."""

    def __init__(self, flow):
        super().__init__(flow)
        self.client_address, self.server_address = (host.address[flow.family] for host in (flow.client, flow.server))
        self.start()

    def from_client(self, waiting):
        return Announced(self, self.flow.client, self.flow.target, waiting)

    def from_server(self, waiting):
        return Announced(self, self.flow.server, self.flow.seen_as, waiting)


class Passive(Session):
    """FTP, where the server announces."""

    helper = FTP

    def start(self):
        self.control = self.keep(Dialogue(self.flow))

    def announce(self, port):
        waiting = self.keep(self.flow.server.listen(self.flow.family, port))
        self.control.server_says(passive_reply(self.server_address, port))
        return self.from_client(waiting)

    def chat(self):
        self.control.chat()


class Active(Passive):
    """FTP, where the client announces."""

    def announce(self, port):
        waiting = self.keep(self.flow.client.listen(self.flow.family, port))
        self.control.client_says(port_command(self.client_address, port))
        return self.from_server(waiting)


class Irc(Session):
    """The client offers a file."""

    helper = IRC

    def start(self):
        self.control = self.keep(dcc.Session(self.flow))

    def announce(self, port):
        waiting = self.keep(self.flow.client.listen(self.flow.family, port))
        self.control.client_says(dcc.message(dcc.send(self.client_address, port)),
                                 dcc.message(dcc.send(self.flow.seen_as, port)))
        return self.from_server(waiting)

    def chat(self):
        self.control.chat()


class Amanda(Session):
    """The machine that is backed up announces."""

    helper = AMANDA

    def start(self):
        self.control = self.keep(Talk(self.flow))

    def announce(self, port):
        waiting = self.keep(self.flow.server.listen(self.flow.family, port))
        self.control.machine_says(reply(connect(DATA=port)))
        return self.from_client(waiting)

    def chat(self):
        self.control.server_says(b"Amanda 3.5 ACK HANDLE 000-00010001 SEQ 1700000000\n")


class Tftp(Session):
    """Each request announces a transfer to the port that it came from, which is always the same."""

    helper = TFTP
    REQUEST = b"\0\1boot.bin\0octet\0"

    def start(self):
        self.client = self.keep(Socket(self.flow.client, self.flow.family))
        self.server = self.keep(Socket(self.flow.server, self.flow.family, TFTP.port))

    def announce(self, _port):
        self.client.send(self.REQUEST, (self.flow.target, TFTP.port))
        return TransferToCome(self, self.server.hears(self.REQUEST))

    def chat(self):
        """There is nothing that could be said beside."""


class TransferToCome:
    def __init__(self, session, peer):
        self._session, self._peer = session, peer

    def open(self, timeout=None):
        flow = self._session.flow
        own = self._session.keep(Socket(flow.server, flow.family))
        transfer = Transfer(self._session, self._peer, own)
        transfer.carry()
        return transfer


class Transfer:
    """A TFTP transfer, of as many blocks as are asked for."""

    def __init__(self, session, peer, own):
        self._session, self._peer, self._own, self._block = session, peer, own, 0

    def carry(self):
        self._block += 1
        data, ack = (kind + self._block.to_bytes(2, "big") for kind in (b"\0\3", b"\0\4"))
        target = (self._session.flow.target, self._own.port)
        self._own.send(data + b"x" * 512, self._peer)
        assert self._session.client.hears(data + b"x" * 512) == target
        self._session.client.send(ack, target)
        assert self._own.hears(ack) == self._peer
