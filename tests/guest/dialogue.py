# SPDX-License-Identifier: GPL-2.0
"""A control session through address translation, both ends in the test's hands: what one side
says must reach the other as the flow has it, to the byte, and data connections must carry data."""

import contextlib
import hashlib
import os
import socket
import threading

import shell
from scripted import passive_reply, port_command, questions

TIMEOUT = 15 * shell.PATIENCE


class Dialogue:
    """A control connection of a Flow."""

    def __init__(self, flow, port=21, via=None, listener=None):
        """The server listens on `port`, the client connects to port `via`."""
        self.flow = flow
        self.listener = listener or flow.server.listen(flow.family, port)
        self._owns_listener = listener is None
        self.client = flow.client.connect(flow.family, flow.target, via or port, TIMEOUT)
        self.server, self.peer = self.listener.accept()
        for end in (self.client, self.server):
            end.settimeout(TIMEOUT)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.greet()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self.client, self.server):
            end.close()
        if self._owns_listener:
            self.listener.close()

    def greet(self):
        """As every session begins; the stock module does not look at the first line of each side."""
        self.server_says(b"220 FTP server ready.\r\n")
        self.client_says(b"USER anonymous\r\n")

    def client_says(self, text, heard=None):
        self._say("client", self.client, self.server, text, heard)

    def server_says(self, text, heard=None):
        """The client asks before for what needs a question."""
        for question in questions(text):
            self.client_says(question)
        self._say("server", self.server, self.client, text, heard)

    def say_unasked(self, text):
        """The server says something that nobody has asked for."""
        self._say("server", self.server, self.client, text, text)

    def says_in_pieces(self, side, pieces):
        """The same in as many segments as the sender's TCP makes of it."""
        ends = (self.client, self.server) if side == "client" else (self.server, self.client)
        self._say(side, *ends, b"".join(pieces), None, pieces)

    def _say(self, side, sender, receiver, text, heard, pieces=None):
        expected = self.flow.heard(side, text) if heard is None else heard
        shell.log.info("%s> %.200r", side, text)
        with sending(sender, *(pieces or [text])):
            received = hear(receiver, len(expected))
        assert received == expected, f"the {side} said {text[-300:]!r}, but the other side heard {received[-300:]!r}"

    def chat(self):
        """Both directions still work, and nothing of what was said before is left over."""
        for _ in range(2):
            self.client_says(b"NOOP\r\n")
            self.server_says(b"200 NOOP command successful.\r\n")

    def active(self, port, outside_port=None, size=1000):
        """An active transfer: the client announces a port, the server connects to it."""
        flow = self.flow
        address = flow.client.address[flow.family]
        with flow.client.listen(flow.family, port) as waiting:
            port = waiting.getsockname()[1]
            command = port_command(address, port)
            heard = flow.heard("client", port_command(address, outside_port or port))
            self.client_says(command, heard)
            carry(flow.server, flow.family, flow.seen_as, outside_port or port, waiting, size)

    def passive(self, port=0, size=1000):
        """A passive transfer: the server announces a port, the client connects to it."""
        flow = self.flow
        with flow.server.listen(flow.family, port) as waiting:
            port = waiting.getsockname()[1]
            self.server_says(passive_reply(flow.server.address[flow.family], port))
            carry(flow.client, flow.family, flow.target, port, waiting, size)


def hear(receiver, size):
    """The next `size` bytes, or what came of them in time."""
    received = b""
    with contextlib.suppress(TimeoutError):
        while len(received) < size and (chunk := receiver.recv(size - len(received))):
            received += chunk
    return received


@contextlib.contextmanager
def sending(sender, *pieces):
    """`pieces` are sent meanwhile, however long they are."""
    thread = threading.Thread(target=_send, args=(sender, pieces))
    thread.start()
    yield
    thread.join(TIMEOUT)


def _send(sender, pieces):
    with contextlib.suppress(OSError):
        for piece in pieces:
            sender.sendall(piece)


def carry(opener, family, address, port, waiting, size=1000, source_port=None):
    """A data connection comes about and carries what is sent, in both directions."""
    waiting.settimeout(TIMEOUT)
    with open_from(opener, family, address, port, source_port) as one, waiting.accept()[0] as other:
        for sender, receiver in ((one, other), (other, one)):
            receiver.settimeout(TIMEOUT)
            data = os.urandom(size)
            with sending(sender, data):
                received = hear(receiver, size)
            assert digest(received) == digest(data), f"{len(received)} of {size} bytes, or others"


def open_from(opener, family, address, port, source_port=None):
    if source_port is None:
        return opener.connect(family, address, port, TIMEOUT)
    with opener.entered():
        sock = socket.socket(socket.AF_INET6 if family == "ipv6" else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.settimeout(TIMEOUT)
    sock.bind((opener.address[family], source_port))
    sock.connect((address, port))
    return sock


def digest(data):
    return hashlib.sha256(data).hexdigest()
