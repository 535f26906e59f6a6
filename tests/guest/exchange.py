# SPDX-License-Identifier: GPL-2.0
"""The least that each protocol has to say for a connection to be announced, for tests that are about
helpers as such."""

import contextlib
import socket

import dcc
from amanda_talk import Talk, connect, reply
from datagrams import Socket
from dialogue import Dialogue, carry
from helpers import AMANDA, FTP, IRC, TFTP
from scripted import passive_reply

PORT = 11000


class Open:
    """Something with a Flow that keeps things open until its end."""

    def __init__(self, flow):
        self.flow, self._open = flow, contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._open.close()

    def keep(self, what):
        """Until the end."""
        return self._open.enter_context(what)


class Exchange(Open):
    """A control connection of a Flow to a port, in which a connection has been announced."""

    def __init__(self, flow, port=None):
        super().__init__(flow)
        self.announce(port or self.helper.port)


class _Tcp(Exchange):
    """One that announces a TCP connection to PORT."""

    def announce(self, port):
        opener, target, listener = self.ends()
        self._opener, self._target = opener, target
        self._waiting = self.keep(listener.listen(self.flow.family, PORT))
        self.talk(port)

    def attempt(self):
        """The announced connection's first packet is sent."""
        with self._opener.entered():
            sock = self.keep(socket.socket(socket.AF_INET6 if self.flow.family == "ipv6" else socket.AF_INET))
        sock.setblocking(False)
        sock.connect_ex((self._target, PORT))

    def succeed(self):
        """The announced connection comes about."""
        carry(self._opener, self.flow.family, self._target, PORT, self._waiting)


class Ftp(_Tcp):
    helper = FTP

    def ends(self):
        return self.flow.client, self.flow.target, self.flow.server

    def talk(self, port):
        self.keep(Dialogue(self.flow, port)).server_says(passive_reply(self.flow.server.address[self.flow.family], PORT))


class Irc(_Tcp):
    helper = IRC

    def ends(self):
        return self.flow.server, self.flow.seen_as, self.flow.client

    def talk(self, port):
        session = self.keep(dcc.Session(self.flow, port))
        heard = session.what_server_hears(dcc.message(dcc.send(self.flow.client.address[self.flow.family], PORT)))
        assert heard.endswith(b"\r\n"), f"of the offer only {heard!r} arrived"


class Amanda(_Tcp):
    helper = AMANDA

    def ends(self):
        return self.flow.client, self.flow.target, self.flow.server

    def talk(self, port):
        self.keep(Talk(self.flow, at=port)).machine_says(reply(connect(DATA=PORT)))


class Tftp(Exchange):
    helper = TFTP
    REQUEST, DATA = b"\0\1boot.bin\0octet\0", b"\0\3\0\1data"

    def announce(self, port):
        flow = self.flow
        self._client, self._transfer = (self.keep(Socket(host, flow.family)) for host in (flow.client, flow.server))
        server = self.keep(Socket(flow.server, flow.family, port))
        self._client.send(self.REQUEST, (flow.target, port))
        self._peer = server.hears(self.REQUEST)

    def attempt(self):
        self._transfer.send(self.DATA, self._peer)

    def succeed(self):
        self.attempt()
        assert self._client.hears(self.DATA) == (self.flow.target, self._transfer.port)


KINDS = {kind.helper.name: kind for kind in (Ftp, Tftp, Irc, Amanda)}
