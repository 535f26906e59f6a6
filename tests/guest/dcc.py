# SPDX-License-Identifier: GPL-2.0
"""IRC sessions whose every byte the test says itself, and the messages in which clients offer each
other connections (DCC)."""

import contextlib
import ipaddress

import shell
from dialogue import Dialogue, carry, sending
from helpers import IRC

FILE = "file.bin"
# How a client begins.
REGISTER = b"NICK alice\r\nUSER alice 0 * :Alice\r\n"


def address_text(address):
    """An address as DCC has it: IPv4 as one number; IPv6 as the NAT half writes it, all groups."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return str(int(parsed))
    return ":".join(format(int(group, 16), "x") for group in parsed.exploded.split(":"))


def dcc(words):
    return f"\1DCC {words}\1"


def send(address, port, name=FILE, size=1000):
    return dcc(f"SEND {name} {address_text(address)} {port} {size}")


def chat(address, port):
    return dcc(f"CHAT chat {address_text(address)} {port}")


def message(*texts, to="bob", command="PRIVMSG", before=""):
    """A line of a client's."""
    return f"{before}{command} {to} :{''.join(texts)}\r\n".encode()


class Session(Dialogue):
    """A client's connection to an IRC server, through a Flow."""

    def __init__(self, flow, port=IRC.port, **options):
        super().__init__(flow, port, **options)

    def greet(self):
        """As every session begins; nothing of it may change."""
        self.client_says(REGISTER)
        self.server_says(b":irc.example.net 001 alice :Welcome\r\n")

    def client_says(self, text, heard=None):
        super().client_says(text, text if heard is None else heard)

    def server_says(self, text, heard=None):
        super().server_says(text, text if heard is None else heard)

    def chat(self):
        """Both directions still work, and nothing of what was said before is left over."""
        for _ in range(2):
            self.client_says(b"PRIVMSG bob :how are you\r\n")
            self.server_says(b":bob!b@example.net PRIVMSG alice :fine\r\n")

    def what_server_hears(self, line):
        """One line of the client's, as it comes out at the server."""
        shell.log.info("client> %r", line)
        heard = b""
        with sending(self.client, line), contextlib.suppress(TimeoutError):
            while not heard.endswith(b"\n"):
                heard += self.server.recv(1 << 16)
        return heard

    def offer_to_outside(self, port, make=send, told=None):
        """The client offers a port; who is told of it can connect."""
        flow = self.flow
        with flow.client.listen(flow.family, port) as waiting:
            port = waiting.getsockname()[1]
            self.client_says(message(make(flow.client.address[flow.family], port)),
                             message(make(flow.seen_as, told or port)))
            carry(flow.server, flow.family, flow.seen_as, told or port, waiting)


class Silent(Session):
    """One in which nothing has been said yet."""

    def greet(self):
        pass


def port_told(line):
    """The port in an offer that was heard."""
    return int(line.split(b"\1")[1].split()[4])


