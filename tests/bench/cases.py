# SPDX-License-Identifier: GPL-2.0
"""What is measured: packets, and the connections that they are of.

    client ── firewall ── server      the client opens the connection, to a port of the helper

With NAT the firewall hides the client behind its own address (what the client announces is
rewritten) or forwards its own address to the server (what the server announces is).
"""

from dataclasses import dataclass

CLIENT = {4: "192.0.2.10", 6: "2001:db8:1::10"}
SERVER = {4: "198.51.100.10", 6: "2001:db8:2::10"}
INSIDE = {4: "192.0.2.1", 6: "2001:db8:1::1"}  # the firewall's addresses
OUTSIDE = {4: "198.51.100.1", 6: "2001:db8:2::1"}
FROM_CLIENT, FROM_SERVER = 0, 1  # enum ip_conntrack_dir
# Where the payload lies: behind the headers; in a fragment that is a page of its own, as a network
# card's driver makes it; in a fragment of a page that a local sender goes on using; in many pages.
PLACES = ("linear", "fragment", "shared", "pages")
PORTS = {"ftp": ("tcp", 21), "irc": ("tcp", 6667), "tftp": ("udp", 69), "amanda": ("udp", 10080)}


@dataclass(frozen=True)
class Case:
    """One packet of one connection. `kind` decides which goal holds, see goals.py."""

    name: str
    helper: str
    version: int  # of IP
    direction: int
    payload: bytes
    kind: str  # one of those of goals.py
    expected: int = 0  # how many expectations it makes
    says: bytes = b""  # what the packet must say afterwards; empty: it must not change
    nat: bool = False
    is_new: bool = False  # the first packet of its connection
    is_untracked: bool = False  # conntrack does not know it
    question: bytes = b""  # what the other side says before
    what: str = "helper"
    taken: int = 0  # from this port on others expect something where it would be expected

    @property
    def places(self):
        # It makes a difference only to what linearises or rewrites.
        return PLACES[:3] if self.helper == "ftp" or self.nat else PLACES[:2]

    @property
    def protocol(self):
        return PORTS[self.helper][0]

    @property
    def original(self):
        """Source and destination, as the client sees them."""
        masked = self.nat and self.direction == FROM_SERVER
        return ((CLIENT[self.version], 40000), ((INSIDE if masked else SERVER)[self.version], PORTS[self.helper][1]))

    @property
    def reply(self):
        """Source and destination, as the server sees them."""
        hidden = self.nat and self.direction == FROM_CLIENT
        return ((SERVER[self.version], PORTS[self.helper][1]), ((OUTSIDE if hidden else CLIENT)[self.version], 40000))


def _ftp(version):
    def case(name, direction, payload, kind="announced", **more):
        return Case(f"FTP {name}, IPv{version}", "ftp", version, direction, payload, kind,
                    expected=int(kind == "announced"), **more)

    address = CLIENT[version].encode()
    family, outside = (b"1", OUTSIDE[4].encode()) if version == 4 else (b"2", b"")
    eprt = b"EPRT |%s|%s|50000|\r\n" % (family, address)
    epsv = b"229 Entering Extended Passive Mode (|||50000|)\r\n"
    yield case("command", FROM_CLIENT, b"RETR some-file.tar.gz\r\n", "quiet")
    yield case("reply", FROM_SERVER, b"226 Transfer complete.\r\n", "quiet")
    if version == 4:
        port = b"PORT 192,0,2,10,195,80\r\n"
        pasv = b"227 Entering Passive Mode (198,51,100,10,195,80).\r\n"
        yield case("PORT", FROM_CLIENT, port)
    yield case("EPRT", FROM_CLIENT, eprt)
    if version == 4:
        yield case("reply 227", FROM_SERVER, pasv, question=b"PASV\r\n")
    yield case("reply 229", FROM_SERVER, epsv, question=b"EPSV\r\n")
    if version == 4:
        yield case("PORT, NAT", FROM_CLIENT, port, nat=True, says=b"PORT 198,51,100,1,195,80\r\n")
    yield case("EPRT, NAT", FROM_CLIENT, eprt, nat=True, says=outside or b"EPRT |2|2001:")
    if version == 4:
        yield case("reply 227, NAT", FROM_SERVER, pasv, question=b"PASV\r\n", nat=True, says=b"(192,0,2,1,195,80)")
    yield case("reply 229, NAT", FROM_SERVER, epsv, question=b"EPSV\r\n", nat=True)


def _ftp_extra():
    line = b"220-This is line %02d of what the server has to say to its users.\r\n"
    yield Case("FTP reply of 20 lines, IPv4", "ftp", 4, FROM_SERVER, b"".join(line % n for n in range(20)), "extra")


def _irc():
    def case(name, payload, kind="announced", **more):
        return Case(f"IRC {name}, IPv4", "irc", 4, FROM_CLIENT, payload, kind,
                    expected=int(kind == "announced"), **more)

    send = b"PRIVMSG friend :\1DCC SEND file.tar.gz 3221225994 50000 1048576\1\r\n"
    yield case("chat line", b"PRIVMSG #kernel :good morning, how is everybody doing today?\r\n", "quiet")
    yield case("line with many colons",
               b"PRIVMSG #kernel ::-) at 12:30:45 see http://192.0.2.1:80/ and a::b::c :: d: : e :: :o ::\r\n", "quiet")
    yield case("DCC SEND", send)
    yield case("DCC SEND, NAT", send, nat=True, says=b" 3325256705 50000 ")
    yield Case("IRC line from the server, IPv4", "irc", 4, FROM_SERVER,
               b":friend!user@host PRIVMSG #kernel :good morning to you, too\r\n", "extra")


def _tftp(version):
    def case(name, payload, kind, **more):
        return Case(f"TFTP {name}, IPv{version}", "tftp", version, FROM_CLIENT, payload, kind,
                    expected=int(kind == "framework"), **more)

    request = b"\0\1boot/pxelinux.0\0octet\0tsize\x000\0blksize\x001408\0"
    yield case("RRQ", request, "framework", is_new=True)
    yield case("DATA", b"\0\3\0\1" + bytes(range(256)) * 2, "floor")
    yield case("RRQ, NAT", request, "framework", is_new=True, nat=True)


def _amanda(version):
    def case(name, text, kind="announced", **more):
        return Case(f"Amanda {name}, IPv{version}", "amanda", version, FROM_SERVER, head + text, kind,
                    expected=3 * (kind == "announced"), **more)

    head = b"Amanda 2.6 REP HANDLE 000-00000001 SEQ 1700000000\n"
    options = b"OPTIONS features=fffffeff9ffeffffffff1f;hostname=client.example;\n"
    connect = b"CONNECT DATA 50001 MESG 50002 INDEX 50003\n" + options
    yield case("reply without CONNECT", options, "quiet")
    yield case("CONNECT with three ports", connect)
    yield case("CONNECT with three ports, NAT", connect, nat=True)


def _hooks():
    for version in (4, 6):
        of = ("ftp", version, FROM_CLIENT, b"", "hook")
        yield Case(f"new connection gets the helper, IPv{version}", *of, is_new=True, what="hook")
        yield Case(f"established one passes the hook, IPv{version}", *of, what="hook")
    of = ("ftp", 4, FROM_CLIENT, b"", "hook")
    yield Case("new connection gets the helper on a bridge", *of, is_new=True, what="bridge")
    yield Case("established one passes the hook of a bridge", *of, what="bridge")
    yield Case("untracked packet passes the hook of a bridge", *of, is_untracked=True, what="bridge")


CASES = [*_ftp(4), *_ftp(6), *_ftp_extra(), *_irc(), *_tftp(4), *_tftp(6), *_amanda(4), *_amanda(6)]
HOOKS = list(_hooks())
