# SPDX-License-Identifier: GPL-2.0
"""A control session whose every byte the test says itself, on both sides, through the router.

What one side has said has passed the router and its helper when the other side has received it,
so a test may look at the expectations at once."""

import contextlib
import re
import socket
from dataclasses import dataclass

import shell

CONTROL_PORT = 21
GREETING = [("server", b"220 ready\r\n"), ("client", b"USER anonymous\r\n"), ("server", b"230 welcome\r\n")]


class Control:
    """A control connection between two hosts; both ends are in the test's hands."""

    def __init__(self, network, family="ipv4", greeting=GREETING):
        self.network, self.family = network, family
        self._listener = network.server.listen(family, CONTROL_PORT)
        self.client = network.client.connect(family, network.server, CONTROL_PORT)
        self.server, _ = self._listener.accept()
        for end in (self.client, self.server):
            end.settimeout(15 * shell.PATIENCE)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Both helpers know where a line starts once a line has ended.
        for side, line in greeting:
            (self.client_says if side == "client" else self.server_says)(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self.client, self.server, self._listener):
            end.close()

    def client_says(self, data):
        self._pass("client", self.client, self.server, data)

    def server_says(self, data, asked=True):
        """Unless told otherwise the client asks before for what needs a question."""
        for question in questions(data) if asked else ():
            self.client_says(question)
        self._pass("server", self.server, self.client, data)

    def _pass(self, name, sender, receiver, data):
        shell.log.info("%s> %.200r%s", name, data, f" … {len(data)} bytes" if len(data) > 200 else "")
        received = b""
        sender.setblocking(False)
        receiver.settimeout(15 * shell.PATIENCE)
        left = memoryview(data)
        while len(received) < len(data):
            if left:
                with contextlib.suppress(BlockingIOError):
                    left = left[sender.send(left):]
            try:
                chunk = receiver.recv(1 << 16)
            except TimeoutError:
                raise AssertionError(f"the {name}'s words got stuck: {len(received)} of {len(data)} bytes arrived") from None
            assert chunk, f"the connection broke after {len(received)} of {len(data)} bytes"
            received += chunk
        assert received == data, "what arrived is not what was said"

    def check_alive(self):
        """The session still does what it is for: a passive and an active data connection."""
        for opener, listener in ((self.network.client, self.network.server), (self.network.server, self.network.client)):
            with listener.listen(self.family) as waiting:
                port = waiting.getsockname()[1]
                if listener is self.network.server:
                    self.server_says(passive_reply(listener.address[self.family], port))
                else:
                    self.client_says(port_command(listener.address[self.family], port))
                with opener.connect(self.family, listener, port) as one:
                    other, _ = waiting.accept()
                    with other:
                        one.sendall(b"data")
                        assert other.recv(10) == b"data"


def questions(reply):
    """What a client has to say before the server may give this reply."""
    for line in reply.split(b"\n"):
        if line.startswith((b"227 ", b"229 ")):
            yield b"PASV\r\n" if line.startswith(b"227 ") else b"EPSV\r\n"


def passive_reply(address, port):
    if ":" in address:
        return b"229 Entering Extended Passive Mode (|||%d|)\r\n" % port
    return b"227 Entering Passive Mode (%s).\r\n" % numbers(address, port)


def port_command(address, port):
    if ":" in address:
        return b"EPRT |2|%s|%d|\r\n" % (address.encode(), port)
    return b"PORT %s\r\n" % numbers(address, port)


def numbers(address, port):
    """192.0.2.10 and 40000 as FTP writes them: 192,0,2,10,156,64"""
    return f"{address.replace('.', ',')},{port >> 8},{port & 255}".encode()


@dataclass(frozen=True)
class Expectation:
    """A connection that the helper has announced: who may open it to where."""

    source: str
    dest: str
    port: int
    helper: str
    seconds: int


def expectations(router, family="ipv4"):
    """What `conntrack -L expect` lists."""
    found = []
    for line in router.run(f"conntrack -L expect -f {family}").splitlines():
        match = re.match(r"(\d+) proto=6 src=(\S+) dst=(\S+) sport=0 dport=(\d+) .*\bhelper=(\S+)", line)
        if match:
            seconds, source, dest, port, helper = match.groups()
            found.append(Expectation(source, dest, int(port), helper, int(seconds)))
    return found


def announced(router, family="ipv4"):
    """The (address, port) pairs that are expected."""
    return [(expectation.dest, expectation.port) for expectation in expectations(router, family)]
