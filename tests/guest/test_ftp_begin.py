# SPDX-License-Identifier: GPL-2.0
"""What is known of a session's beginning: seen from its handshake on, picked up in its middle, begun anew."""

import contextlib
import socket
import struct

import pytest

import counters
import expected
import shell
from scripted import Control, announced, passive_reply, port_command

pytestmark = pytest.mark.ours

CLIENT, SERVER = "192.0.2.10", "198.51.100.10"
PORT = b"PORT 192,0,2,10,156,64\r\n"
EVIL = b"229 x (|||6379|) OK\r\n"


@pytest.fixture(autouse=True)
def debugfs():
    counters.mount()


@pytest.fixture
def control(network, helper, firewall):
    firewall()
    with Control(network) as control:
        yield control


def forget(network):
    """As after a reset that only the firewall saw, or when an administrator flushes the table."""
    network.router.run("conntrack -F")


def chat(control):
    control.client_says(b"NOOP\r\n")
    control.server_says(b"200 ok\r\n")


def test_end_of_a_line_after_the_entry_has_gone(network, control):
    """The attacker, a client, has its own entry die and goes on; the server's segments are cut where it
    wants them to be. Taken for the beginning of a line, the end of one would open the server's port 6379."""
    forget(network)
    control.client_says(b"PASV\r\n")
    control.server_says(EVIL, asked=False)
    assert announced(network.router) == []
    # From now on it is known where the server's lines begin, but this one was not asked for.
    control.server_says(EVIL, asked=False)
    assert announced(network.router) == []


def test_passive_transfers_go_on_after_a_flush(network, control):
    """Automatic assignment takes in what the client says then."""
    forget(network)
    chat(control)
    assert expected.helpers_of(network.router, 21) == ["ftp"]
    with network.server.listen("ipv4") as waiting:
        port = waiting.getsockname()[1]
        control.server_says(passive_reply(SERVER, port))
        with network.client.connect("ipv4", network.server, port), waiting.accept()[0]:
            pass


def test_active_transfers_do_not_go_on_after_a_flush(network, control):
    """Nobody knows who opened the connection, so nobody may open the client's ports by it."""
    forget(network)
    chat(control)
    control.client_says(PORT)
    assert announced(network.router) == []
    assert counters.read("ftp")["unasked"] == 1


def test_another_protocol_after_a_flush(network, control):
    """Where a client's command is wanted something else makes the session another protocol's, if it gets the
    helper at all: an acknowledgement before it may do that."""
    forget(network)
    control.client_says(b"HTTP/1.1 200 OK\r\n")
    control.client_says(b"Content-Length: 10\r\n")
    control.server_says(b"200 ok\r\n")
    control.server_says(passive_reply(SERVER, 50000))
    assert announced(network.router) == []


def test_a_web_server_that_answers_to_port_21(network, helper, firewall):
    """The browser's connection comes from source port 21, and its entry has died."""
    firewall()
    network.router.run("iptables -I FORWARD -p tcp --dport 80 -j ACCEPT")
    network.router.run("iptables -I FORWARD -p tcp --sport 80 -j ACCEPT")
    with network.client.entered():
        browser = socket.socket()
    with browser, network.server.listen("ipv4", 80) as listener:
        browser.bind((CLIENT, 21))
        browser.connect((SERVER, 80))
        web, _ = listener.accept()
        with web:
            browser.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert web.recv(100)
            forget(network)
            for text in (b"220 page\r\n", b"PORT 198,51,100,10,156,64\r\n", b"227 x (192,0,2,10,156,64)\r\n"):
                web.sendall(text)
                assert browser.recv(100) == text
            assert announced(network.router) == []


def test_icmp_error_says_nothing_of_the_dialogue(network, control):
    """Its bytes are no TCP header: a flag in them begins no session anew."""
    client, server = control.client.getsockname(), control.client.getpeername()
    for flags in (0x02, 0x12):
        with network.client.entered(), socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
            ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, socket.inet_aton(SERVER), socket.inet_aton(CLIENT))
            tcp = struct.pack("!HHIIBBHHH", server[1], client[1], 1, 1, 0x50, flags, 100, 0, 0)
            body = ip + tcp
            # At byte 13 of a TCP header are its flags; an ICMP error has the quoted packet there.
            icmp = struct.pack("!BBHI", 3, 4, 0, 1400)
            raw.sendto(icmp[:2] + checksum(icmp + body) + icmp[4:] + body, (SERVER, 0))
    control.server_says(b"450 busy\r\n")
    control.check_alive()
    control.client_says(PORT)
    assert (CLIENT, 40000) in announced(network.router)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack("!H", ~total & 0xffff)


def test_greeting_that_is_not_ftp_is_told(network, helper, firewall, kernel_log):
    firewall()
    greeting = [("server", b"421 Too many users\r\n")]
    with counters.log_of_all_namespaces(), Control(network, greeting=greeting) as control:
        control.client_says(PORT)
        assert announced(network.router) == []
    assert counters.read("ftp")["not_ftp"] == 1
    assert any(what.startswith("does not begin as FTP does") for *_, what in counters.lines(kernel_log))


@pytest.mark.parametrize("line", (b"DELETE / HTTP/1.1\r\n", b"post / http\r\n", b"fetch: x\r\n", b"\x16\x03\x01\r\n", b"QUERY x\r\n"))
def test_first_line_that_is_no_command(network, helper, firewall, line):
    firewall()
    with Control(network, greeting=[("server", b"220 really\r\n"), ("client", line)]) as control:
        control.client_says(PORT)
        assert announced(network.router) == []
        assert counters.read("ftp")["not_ftp"] == 1


def test_a_header_in_an_early_line(network, helper, firewall):
    """Injected into a form that begins with a command."""
    firewall()
    greeting = [("server", b"220 really\r\n"), ("client", b"USER x\r\n"), ("client", b"Content-Type: text/plain\r\n")]
    with Control(network, greeting=greeting) as control:
        control.client_says(PORT)
        assert announced(network.router) == []


@pytest.mark.parametrize("greeting", (b"\xef\xbb\xbf220 ready\r\n", b" 220 ready\r\n", b"Welcome!\r\n\r\n220 ready\r\n",
                                      b"120 wait\r\n220 ready\r\n", b"220-Hello\r\n229 x (|||1|)\r\n220 ready\r\n"))
def test_greetings(network, helper, firewall, greeting):
    firewall()
    with Control(network, greeting=[("server", greeting), ("client", b"USER me\r\n"), ("server", b"230 in\r\n")]) as control:
        assert announced(network.router) == []
        control.check_alive()


@pytest.mark.parametrize("reply", (
    b"250-name\r\n229 x (|||6379|)\r\n250 ok\r\n",
    b"550-\r\n227 x (198,51,100,10,24,235)\r\n550 no\r\n",
    b"211-Status\r\n229 x (|||6379|)\r\n 211 x\r\n211 End\r\n"))
def test_lines_within_a_reply(network, control, reply):
    """A directory's name, repeated by the server, after a question that was refused."""
    control.client_says(b"PASV\r\n")
    control.server_says(b"530 Please login.\r\n")
    control.client_says(b"STAT\r\n")
    control.server_says(reply, asked=False)
    assert announced(network.router) == []
    control.check_alive()


@pytest.mark.parametrize("reply", (b"227-Entering (198,51,100,10,195,80)\r\n227 ok\r\n",
                                   b"227-Entering\r\n Passive Mode\r\n227 Now (198,51,100,10,195,80)\r\n"))
def test_passive_reply_of_several_lines(network, control, reply):
    control.client_says(b"PASV\r\n")
    control.server_says(reply, asked=False)
    assert announced(network.router) == [(SERVER, 50000)]
    control.check_alive()


def test_refused_question_is_answered(network, control):
    """Whatever the reply: a later 227 is to another question, or to none."""
    for refusal in (b"425 no\r\n", b"500 no\r\n", b"200 ok\r\n", b"227 ok\r\n"):
        control.client_says(b"PASV\r\n")
        control.server_says(refusal, asked=False)
        control.server_says(passive_reply(SERVER, 50000), asked=False)
        assert announced(network.router) == [], refusal


def test_pipelined_questions(network, control):
    control.client_says(b"NOOP\r\nPASV\r\nTYPE I\r\nPASV\r\nPASV\r\nPASV\r\n")
    control.server_says(b"200 ok\r\n")
    for port in range(50000, 50004):
        control.server_says(passive_reply(SERVER, port), asked=False)
        assert announced(network.router) == [(SERVER, port)]
        if port == 50000:
            control.server_says(b"200 binary\r\n")
    control.server_says(passive_reply(SERVER, 50004), asked=False)
    assert announced(network.router) == [(SERVER, 50003)]


def test_pasv_as_routers_write_it(network, control):
    control.client_says(b"P@SW\r\n")
    control.server_says(passive_reply(SERVER, 50000), asked=False)
    assert announced(network.router) == [(SERVER, 50000)]


def test_injected_line_break(network, control):
    """`ftp://server/dir%0aPORT…`, as clients have been made to say; with CRLF it is what pipelining is."""
    control.client_says(b"CWD x\nPORT 192,0,2,10,156,65\r\n")
    assert announced(network.router) == []
    control.client_says(b"TYPE I\r\nPORT 192,0,2,10,156,64\r\n")
    assert announced(network.router) == [(CLIENT, 40000)]


def test_client_that_waits_for_nothing(network, helper, firewall):
    """Network equipment that stores its configuration, while the server takes its time to greet."""
    firewall()
    with Control(network, greeting=[]) as control:
        for line in (b"USER me\r\n", b"PASS x\r\n", b"TYPE I\r\n", PORT, b"STOR config\r\n"):
            control.client_says(line)
        assert announced(network.router) == []
        with network.client.listen("ipv4", 40000) as waiting:
            control.server_says(b"220 ready\r\n331 pw\r\n230 in\r\n200 I\r\n200 PORT\r\n150 ok\r\n")
            assert announced(network.router) == [(CLIENT, 40000)]
            with network.server.connect("ipv4", network.client, 40000), waiting.accept()[0]:
                pass
        control.server_says(b"226 done\r\n")
        control.check_alive()


def test_client_that_waits_for_nothing_and_no_server(network, helper, firewall):
    firewall()
    with Control(network, greeting=[]) as control:
        control.client_says(b"USER me\r\n" + PORT)
        control.server_says(b"554 No SMTP service here\r\n")
        assert announced(network.router) == []


def test_a_server_that_tells_its_inside_address(network, control):
    """Clients that know that connect to the server itself, as after 229."""
    control.client_says(b"PASV\r\n")
    for address in ("10.0.0.1",):
        with network.server.listen("ipv4") as waiting:
            port = waiting.getsockname()[1]
            control.server_says(passive_reply(address, port), asked=False)
            assert announced(network.router) == [(SERVER, port)]
            with network.client.connect("ipv4", network.server, port), waiting.accept()[0]:
                pass
    assert counters.read("ftp")["foreign_address"] == 1


def test_a_session_anew_on_the_old_entry(network, helper, firewall):
    """A machine that lost power connects again from the same port, with a lower sequence number, and the
    server has been restarted, too: conntrack keeps the entry."""
    firewall()
    with raw_session(network) as session:
        session.handshake(3_000_000_000, 1_000_000_000)
        session.talk()
        assert expected.ports(network.router) == [40000]
        network.router.run("conntrack -F expect")
        session.handshake(5000, 2_000_000_000)
        session.talk()
        assert expected.ports(network.router) == [40000]
        assert len(expected.helpers_of(network.router, 21)) == 1


class RawSession:
    """Both ends of a TCP connection, said packet by packet."""

    def __init__(self, client, server):
        self.ends = {"client": (client, CLIENT, 40321), "server": (server, SERVER, 21)}
        self.next = {}

    def send(self, side, flags, text=b"", ack=True):
        other = "server" if side == "client" else "client"
        raw, source, sport = self.ends[side]
        _, dest, dport = self.ends[other]
        number = self.next.get(other, 0) if ack else 0
        header = struct.pack("!HHIIBBHHH", sport, dport, self.next[side], number, 0x50, flags, 60000, 0, 0)
        pseudo = socket.inet_aton(source) + socket.inet_aton(dest) + struct.pack("!BBH", 0, 6, len(header) + len(text))
        whole = pseudo + header + text
        sum_ = checksum(whole + b"\0" * (len(whole) % 2))
        raw.sendto(header[:16] + sum_ + header[18:] + text, (dest, 0))
        self.next[side] = (self.next[side] + len(text) + (flags & 3 != 0)) % 2 ** 32

    def handshake(self, client, server):
        self.next = {"client": client}
        self.send("client", 0x02, ack=False)
        self.next["server"] = server
        self.send("server", 0x12)
        self.send("client", 0x10)

    def talk(self):
        for side, text in (("server", b"220 ready\r\n"), ("client", b"USER me\r\n"), ("server", b"230 in\r\n"), ("client", PORT)):
            self.send(side, 0x18, text)


@contextlib.contextmanager
def raw_session(network):
    """The two machines themselves stay quiet: they would answer with resets."""
    quiet = "table ip quiet { chain i { type filter hook input priority -500; tcp dport { 21, 40321 } drop; }; }"
    with contextlib.ExitStack() as stack:
        ends = []
        for host in (network.client, network.server):
            host.run("nft -f -", stdin=quiet)
            stack.callback(host.run, "nft delete table ip quiet")
            with host.entered():
                ends.append(stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)))
        yield RawSession(*ends)


@pytest.mark.parametrize("side", ("client", "server"))
def test_own_address_outside(network, nat_helper, flow, side):
    """A machine behind NAT that knows its address there, as `pasv_address` tells a server, says that."""
    from dialogue import Dialogue, carry
    with Dialogue(flow("snat" if side == "client" else "dnat")) as talk:
        way = talk.flow
        if side == "client":
            with way.client.listen("ipv4", 40000) as waiting:
                talk.client_says(port_command(way.seen_as, 40000), port_command(way.seen_as, 40000))
                carry(way.server, "ipv4", way.seen_as, 40000, waiting)
        else:
            with way.server.listen("ipv4", 50000) as waiting:
                talk.server_says(passive_reply(way.target, 50000), passive_reply(way.target, 50000))
                carry(way.client, "ipv4", way.target, 50000, waiting)
        talk.chat()


def test_an_inside_address_behind_dnat(network, nat_helper, flow):
    """The reply is not rewritten; the port is expected where the client knows the server."""
    from dialogue import Dialogue, carry
    with Dialogue(flow("dnat")) as talk:
        way = talk.flow
        with way.server.listen("ipv4", 50000) as waiting:
            talk.server_says(passive_reply("10.9.8.7", 50000), passive_reply("10.9.8.7", 50000))
            carry(way.client, "ipv4", way.target, 50000, waiting)
        talk.chat()


def test_client_that_waits_for_nothing_behind_nat(network, nat_helper, flow):
    from dialogue import Dialogue, carry

    class Hasty(Dialogue):
        def greet(self):
            way = self.flow
            self.client_says(b"USER me\r\n")
            self.client_says(port_command(CLIENT, 40000))
            assert expected.ports(network.router) == []
            self.server_says(b"220 ready\r\n")

    with Hasty(flow("snat")) as talk:
        way = talk.flow
        assert expected.ports(network.router) == [40000]
        with way.client.listen("ipv4", 40000) as waiting:
            carry(way.server, "ipv4", way.seen_as, 40000, waiting)
        talk.chat()
        shell.log.info("%s", counters.read("ftp"))
