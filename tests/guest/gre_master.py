# SPDX-License-Identifier: GPL-2.0
"""A program for a network namespace of its own, whose root may be nobody outside of it: has a control
session over its loopback, makes GRE entries that have that for their master, and deletes each while the
helper is in the middle of a line.

  gre_master.py ftp|irc

It says "done" at the end; whatever is not as it should be is an exception."""

import contextlib
import socket
import subprocess
import sys

import ctnetlink

ADDRESS = "192.0.2.10"
# Nobody gets in but the control connection and what it announces.
RULES = """table ip wall {{
  ct helper it {{ type "{name}" protocol tcp; }}
  chain assign {{
    type filter hook output priority mangle;
    tcp dport {port} ct helper set "it"
  }}
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    tcp dport {port} accept
    reject with tcp reset
  }}
}}
"""


class Here:
    """This process's own namespace."""

    entered = staticmethod(contextlib.nullcontext)


class Session:
    """A control connection; both ends are ours."""

    def __init__(self, port):
        with socket.create_server((ADDRESS, port)) as listener:
            self.client = socket.create_connection((ADDRESS, port), 10)
            self.server, _ = listener.accept()
        self.server.settimeout(10)
        self.ends = self.client.getsockname(), self.client.getpeername()

    def says(self, side, *lines):
        sender, receiver = (self.client, self.server) if side == "client" else (self.server, self.client)
        for line in lines:
            sender.sendall(line)
            heard = b""
            while len(heard) < len(line):
                heard += receiver.recv(len(line) - len(heard)) or sys.exit("the control connection broke")
            assert heard == line


class Ftp(Session):
    name, port = "ftp", 21

    def begin(self):
        self.says("server", b"220 ready\r\n")
        self.says("client", b"USER anonymous\r\n")
        self.says("server", b"331 password please\r\n")
        self.says("client", b"PASS guest@example.net\r\n")
        self.says("server", b"230 welcome\r\n")

    def announce(self, port, interlude):
        self.says("client", b"PA")
        interlude()
        self.says("client", b"SV\r\n")
        numbers = f"{ADDRESS.replace('.', ',')},{port >> 8},{port & 255}".encode()
        self.says("server", b"227 Entering Passive Mode (%s).\r\n" % numbers)


class Irc(Session):
    name, port = "irc", 6667

    def begin(self):
        self.says("client", b"NICK alice\r\n", b"USER alice 0 * :Alice\r\n")
        self.says("server", b":irc.example.net 001 alice :Welcome\r\n")

    def announce(self, port, interlude):
        self.says("client", b"PRIVMSG bob :\1DCC SEND file.bin ")
        interlude()
        self.says("client", b"1 0 77 42\1\r\n")
        number = int.from_bytes(socket.inet_aton(ADDRESS))
        self.says("client", b"PRIVMSG bob :\1DCC SEND file.bin %d %d 1000\1\r\n" % (number, port))


def transfer(session, interlude=lambda: None):
    """What is announced gets in, and nothing else."""
    with socket.create_server((ADDRESS, 0)) as waiting:
        where = waiting.getsockname()
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(where, 10):
            sys.exit("a connection got in that nobody has announced")
        session.announce(where[1], interlude)
        with socket.create_connection(where, 10) as one, waiting.accept()[0] as other:
            one.sendall(b"data")
            assert other.recv(10) == b"data"


def gre_comes_and_goes(session):
    ends = (ADDRESS, 1), (ADDRESS, 2)
    ctnetlink.create_gre(Here, *ends, session.ends)
    ctnetlink.delete_gre(Here, *ends)


def main():
    kind = {"ftp": Ftp, "irc": Irc}[sys.argv[1]]
    subprocess.run(["ip", "-batch", "-"], input=f"link set lo up\naddress add {ADDRESS}/24 dev lo\n", text=True, check=True)
    subprocess.run(["nft", "-f", "-"], input=RULES.format(name=kind.name, port=kind.port), text=True, check=True)
    session = kind(kind.port)
    session.begin()
    transfer(session)
    for _ in range(3):
        transfer(session, lambda: gre_comes_and_goes(session))
    print("done")


if __name__ == "__main__":
    main()
