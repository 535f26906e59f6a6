# SPDX-License-Identifier: GPL-2.0
"""Talk of all four protocols through the router's translation, which goes on whatever happens to the
modules: what is said arrives, in order, either as it was or rewritten, and as nothing else."""

import re
import socket
import threading

import shell
from amanda_talk import connect, reply
from dcc import REGISTER, address_text, message, send
from helpers import AMANDA, IRC, TFTP
from scripted import numbers

INSIDE, OUTSIDE = "192.0.2.10", "198.51.100.1"
MASQUERADE = """table ip nat {
  chain postrouting {
    type nat hook postrouting priority srcnat;
    oifname "to-server" masquerade
  }
}
"""
STEPS_PER_CONNECTION = 6


class Talker(threading.Thread):
    """One protocol's client and server. `rewritten` and `untouched` count what became of its words."""

    def __init__(self, network):
        super().__init__(name=type(self).__name__)
        self.network, self.stopped, self.trouble = network, threading.Event(), None
        self.connections = self.rewritten = self.untouched = 0

    def run(self):
        try:
            self.open()
            while not self.stopped.is_set():
                self.connections += 1
                self.connect()
                for number in range(STEPS_PER_CONNECTION):
                    if self.stopped.is_set():
                        break
                    self.step(20000 + (self.connections * STEPS_PER_CONNECTION + number) % 20000)
                self.disconnect()
        except BaseException as trouble:  # noqa: BLE001  whatever it is, the test tells
            self.trouble = trouble

    def count(self, said, heard, rewritten=None):
        """`rewritten` is a pattern: another session may have taken the port."""
        if heard == said:
            self.untouched += 1
        else:
            assert rewritten and re.fullmatch(rewritten, heard), f"{self.name}: {said!r} became {heard!r}"
            self.rewritten += 1


class Lines(Talker):
    """A protocol of lines over TCP. Every other line is said in two halves, so that there is always
    a time at which one is open."""

    port = None

    def open(self):
        self.listener = self.network.server.listen("ipv4", self.port)

    def connect(self):
        self.client = self.network.client.connect("ipv4", self.network.server, self.port, 30)
        self.server = self.listener.accept()[0]
        for end in (self.client, self.server):
            end.settimeout(30 * shell.PATIENCE)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def disconnect(self):
        # Nobody has to wait for what closes in order.
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        for end in (self.client, self.server):
            end.close()

    def close(self):
        for end in (self.client, self.server, self.listener):
            end.close()

    def step(self, port):
        said = self.line(INSIDE, port)
        if port % 2:
            self.client.sendall(said[:9])
            heard = self.server.recv(9)
            self.client.sendall(said[9:])
        else:
            self.client.sendall(said)
            heard = b""
        while not heard.endswith(b"\n"):
            chunk = self.server.recv(512)
            assert chunk, f"{self.name}: the connection broke"
            heard += chunk
        self.count(said, heard, self.rewritten_line)


class Ftp(Lines):
    port = 21
    rewritten_line = rb"PORT %s,\d+,\d+\r\n" % OUTSIDE.replace(".", ",").encode()

    def line(self, address, port):
        return b"PORT %s\r\n" % numbers(address, port)

    def connect(self):
        super().connect()
        # Before a session has begun nothing that is said is believed.
        self.server.sendall(b"220 ready\r\n")
        assert self.client.recv(100) == b"220 ready\r\n"
        self.client.sendall(b"USER anonymous\r\n")
        assert self.server.recv(100) == b"USER anonymous\r\n"


class Irc(Lines):
    port = IRC.port
    rewritten_line = rb"PRIVMSG bob :\x01DCC SEND file\.bin %s \d+ 1000\x01\r\n" % address_text(OUTSIDE).encode()

    def line(self, address, port):
        return message(send(address, port))

    def connect(self):
        super().connect()
        # What is offered counts only once the client has registered.
        self.client.sendall(REGISTER)
        heard = b""
        while len(heard) < len(REGISTER):
            heard += self.server.recv(100)
        assert heard == REGISTER


class Datagrams(Talker):
    port = None

    def open(self):
        with self.network.server.entered():
            self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind((self.network.server.address["ipv4"], self.port))
        self.server.settimeout(30 * shell.PATIENCE)

    def connect(self):
        with self.network.client.entered():
            self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.connect((self.network.server.address["ipv4"], self.port))
        self.client.settimeout(30 * shell.PATIENCE)

    def disconnect(self):
        self.client.close()

    def close(self):
        for end in (self.client, self.server):
            end.close()


class Tftp(Datagrams):
    """Requests; the answer comes from another port. With the helper the client gets it."""

    port = TFTP.port
    request = b"\0\1boot.bin\0octet\0"

    def step(self, port):
        self.client.send(self.request)
        heard, peer = self.server.recvfrom(512)
        assert heard == self.request
        with self.network.server.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as transfer:
            transfer.sendto(b"\0\3\0\1data", peer)
        self.untouched += 1


class Amanda(Datagrams):
    """The server of the backup asks; the machine answers with ports, which SNAT leaves as they are."""

    port = AMANDA.port

    def step(self, port):
        ask = b"Amanda 3.5 REQ HANDLE 000-00000000 SEQ 1700000000\nSERVICE sendbackup\n"
        self.client.send(ask)
        heard, peer = self.server.recvfrom(512)
        assert heard == ask
        answer = reply(connect(DATA=port, MESG=port + 1))
        self.server.sendto(answer, peer)
        # The ports of earlier replies are taken for a while.
        self.count(answer, self.client.recv(2048), re.sub(rb"(DATA|MESG) \d+", rb"\1 \\d+", re.escape(answer).replace(b"\\ ", b" ")))


class Traffic:
    """All four, from `with` to its end."""

    def __init__(self, network):
        network.router.run("nft -f -", stdin=MASQUERADE)
        self.talkers = [kind(network) for kind in (Ftp, Irc, Tftp, Amanda)]

    def __enter__(self):
        for talker in self.talkers:
            talker.start()
        return self

    def __exit__(self, *_):
        for talker in self.talkers:
            talker.stopped.set()
        for talker in self.talkers:
            talker.join()
            talker.close()
            shell.log.info("%s: %d connections, %d rewritten, %d untouched", talker.name, talker.connections,
                           talker.rewritten, talker.untouched)
        self.check()

    def check(self):
        for talker in self.talkers:
            assert not talker.trouble, f"{talker.name}: {talker.trouble!r}"

    def connections(self):
        return [talker.connections for talker in self.talkers]

    def goes_on(self):
        """Each protocol opens a new connection."""
        before = self.connections()
        shell.wait_for("new connections of all protocols", lambda: all(
            now > then or talker.trouble for now, then, talker in zip(self.connections(), before, self.talkers)))
        self.check()
