# SPDX-License-Identifier: GPL-2.0
"""What is measured over the length of a packet: one that is full of something, as long as segmentation
offload makes them. With NAT also where others expect something on each port that could be told."""

import dataclasses

from cases import CLIENT, FROM_CLIENT, Case

LENGTHS = (1448, 4096, 8192, 16384, 32768, 65000)
# Of announcements without privileges.
FIRST_PORT = 1024


@dataclasses.dataclass(frozen=True)
class Curve:
    """Packets of one kind, in all lengths or in one."""

    name: str
    helper: str
    line: object  # a function: the line with a number
    nat: bool = False
    taken: bool = False  # all ports are
    announces: bool = True

    def case(self, length):
        text, number = b"", 0
        while len(line := self.line(number)) <= length - len(text):
            text, number = text + line, number + 1
        return Case(f"{self.name}, {length} bytes", self.helper, 4, FROM_CLIENT, text, "extra", nat=self.nat)


def _port(number):
    return 50000 + number % 10000


def _noop(number):
    return b"NOOP\r\n"


def _port_command(number):
    return b"PORT %s,%d,%d\r\n" % (CLIENT[4].replace(".", ",").encode(), *divmod(_port(number), 256))


def _chat(number):
    return b"PRIVMSG #kernel :good morning, how is everybody doing today?\r\n"


def _offer(number):
    return b"PRIVMSG friend :\1DCC SEND file.tar.gz 3221225994 %d 1048576\1\r\n" % _port(number)


CURVES = [
    Curve("FTP NOOP", "ftp", _noop, announces=False),
    Curve("FTP PORT", "ftp", _port_command),
    Curve("FTP NOOP, NAT", "ftp", _noop, nat=True, announces=False),
    Curve("FTP PORT, NAT", "ftp", _port_command, nat=True),
    Curve("FTP PORT, NAT, no port free", "ftp", _port_command, nat=True, taken=True),
    Curve("IRC chat line", "irc", _chat, announces=False),
    Curve("IRC DCC SEND", "irc", _offer),
    Curve("IRC DCC SEND, NAT", "irc", _offer, nat=True),
    Curve("IRC DCC SEND, NAT, no port free", "irc", _offer, nat=True, taken=True),
]
