# SPDX-License-Identifier: GPL-2.0
"""Modules, namespaces and connections come and go in the middle of everything."""

import contextlib
import os
import socket
import time

import pytest

import counters
import expected
import instances
import scripted
import shell
from datagrams import Socket
from dcc import Session, message, send
from dialogue import Dialogue
from helpers import IRC
from nfqueue import Queue
from topology import Host
from traffic import MASQUERADE, Traffic

pytestmark = pytest.mark.debug
TIMES = int(os.environ.get("TIMES", "200"))
# Something must ask for connection tracking.
TRACKED = """table ip filter {
  chain forward {
    type filter hook forward priority filter;
    ct state new counter
  }
}
"""
QUEUE = """table inet hold {{
  chain hold {{
    type filter hook postrouting priority {priority};
    {what} queue num 0 bypass
  }}
}}
"""


@contextlib.contextmanager
def favoured():
    """This thread comes first: four that talk leave it little of a processor."""
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, 0)


@pytest.mark.timeout(300 + 10 * TIMES)
def test_load_and_unload_under_traffic_of_all_protocols(network, all_modules, kernel_log):
    """All modules, and every third time only the NAT halves."""
    # So much is announced, and never used.
    kernel_log.allow("expectation table full")
    files = instances.files()
    nat_halves = {half.name: files[half.name] for half in instances.NAT}
    with Traffic(network) as traffic, favoured():
        start = time.monotonic()
        for number in range(TIMES):
            if number % 10 == 0:
                traffic.goes_on()
            these = nat_halves if number % 3 == 2 else files
            for name in reversed(these):
                instances.remove(name)
            for file in these.values():
                instances.insert(file)
            traffic.check()
            if number % 10 == 0:
                shell.log.info("%d times, connections: %s", number, traffic.connections())
        shell.log.info("%d times in %.0f s", TIMES, time.monotonic() - start)
        traffic.goes_on()
    ftp, irc, *_ = traffic.talkers
    assert ftp.rewritten and ftp.untouched and irc.rewritten and irc.untouched


def test_second_instance_is_refused(all_modules):
    for file in instances.files().values():
        with pytest.raises(FileExistsError):
            instances.insert(file)


def test_expectations_go_with_the_modules(network, all_modules):
    """Of all protocols, announced and never used."""
    for talker in Traffic(network).talkers:
        talker.open()
        talker.connect()
        talker.step(30000)
        talker.close()
    assert len(expected.ports(network.router)) >= 4
    instances.unload_all()
    assert expected.ports(network.router) == []


def test_expectations_run_out(network, clean, way):
    """Of number and of time, beside a line that is not whole; and of time at the moment when the module
    goes."""
    IRC.ours.load(max_dcc_channels=4, dcc_timeout=5)
    IRC.ours_nat.load()
    flow = way(IRC, "snat", assign=None)
    with Session(flow) as talk:
        def offer(port):
            talk.client_says(message(send("192.0.2.10", port)), message(send(flow.seen_as, port)))

        for port in range(5001, 5009):
            offer(port)
        # Those that are there are the newest, and not more than four.
        left = expected.ports(network.router)
        assert left and left == list(range(5001, 5009))[-len(left):] and len(left) <= 4
        shell.wait_for("the offers to be forgotten", lambda: expected.ports(network.router) == [])
        talk.server_says(b":bob PRIVMSG alice :")
        offer(5009)
        shell.wait_for("the last second", lambda: not any(one.seconds > 1 for one in expected.listed(network.router)))
        instances.unload_all()
        assert expected.ports(network.router) == []
        talk.server_says(b"x\r\n")
        talk.chat()


@pytest.mark.parametrize("how", ["-F", "-D -p tcp", "-F expect"])
def test_forgotten_in_mid_dialogue(network, all_modules, flow, how):
    with Dialogue(flow("plain", assign=None, untracked=True)) as talk:
        address = talk.flow.client.address["ipv4"]
        for number in range(10):
            talk.client_says(scripted.port_command(address, 40000 + number))
            if number == 0:
                assert expected.ports(network.router) == [40000]
            talk.client_says(b"PORT 192,0,2,")
            network.router.run(f"conntrack {how}", check=False)
            assert expected.ports(network.router) == []
            talk.client_says(b"10,99,99\r\n")
            talk.chat()


def greeted(session, listener):
    """The server's end of a new session, in which has been said what must come first."""
    other, _ = listener.accept()
    other.settimeout(30 * shell.PATIENCE)
    other.sendall(b"220 ready\r\n")
    assert session.recv(100) == b"220 ready\r\n"
    session.sendall(b"USER anonymous\r\n")
    assert other.recv(100) == b"USER anonymous\r\n"
    return other


@pytest.mark.parametrize("priority", [-200, 2147483644, 2147483646],
                         ids=["before the helper", "right before it", "before confirmation"])
@pytest.mark.parametrize("what", ["syn", "line", "datagram"])
def test_removal_while_a_packet_waits(network, all_modules, what, priority):
    """The connection of a packet in nfqueue still points to the helper, or is not yet in the table."""
    rule = {"syn": "tcp dport 21 tcp flags syn", "line": "tcp dport 21 tcp flags & psh == psh", "datagram": "udp dport 69"}[what]
    network.router.run("nft -f -", stdin=MASQUERADE)
    client = network.client
    with network.server.listen("ipv4", 21) as listener, Queue(network.router) as queue:
        if what == "line":
            session = client.connect("ipv4", network.server, 21)
            other = greeted(session, listener)
        network.router.run("nft -f -", stdin=QUEUE.format(priority=priority, what=rule))
        if what == "line":
            session.sendall(scripted.port_command("192.0.2.10", 40000))
        elif what == "syn":
            with client.entered():
                session = socket.socket()
            session.setblocking(False)
            session.connect_ex((network.server.address["ipv4"], 21))
        else:
            sock = Socket(client, "ipv4")
            sock.send(b"\0\1boot.bin\0octet\0", (network.server.address["ipv4"], 69))
        queue.wait()
        instances.unload_all()
        queue.release()
        network.router.run("nft delete table inet hold")
        if what == "line":
            # Retransmitted, if the kernel has dropped it.
            assert other.recv(100) in (scripted.port_command("192.0.2.10", 40000), scripted.port_command("198.51.100.1", 40000))
        elif what == "syn":
            listener.settimeout(30 * shell.PATIENCE)
            listener.accept()[0].close()
        assert expected.ports(network.router) == []
        instances.load_all()


def test_namespaces_come_and_go(network, all_modules):
    """A router of its own for each round, taken away with its sessions, lines and expectations."""
    client, server = network.client, network.server
    for number in range(10):
        shell.run(["ip", "netns", "add", "passing"])
        try:
            shell.run("ip -batch -", stdin=f"link add c{number} netns passing type veth peer name p{number} netns client\n"
                                           f"link add s{number} netns passing type veth peer name p{number} netns server\n")
            passing = Host("passing")
            passing.sysctl("net.ipv4.ip_forward", 1)
            passing.run("ip -batch -", stdin=f"address add 10.1.0.1/24 dev c{number}\nlink set c{number} up\n"
                                             f"address add 10.2.0.1/24 dev s{number}\nlink set s{number} up\n")
            client.run("ip -batch -", stdin=f"address add 10.1.0.2/24 dev p{number}\nlink set p{number} up\n"
                                            "route add 10.2.0.0/24 via 10.1.0.1\n")
            server.run("ip -batch -", stdin=f"address add 10.2.0.2/24 dev p{number}\nlink set p{number} up\n"
                                            "route add 10.1.0.0/24 via 10.2.0.1\n")
            # Where nothing is translated a line is kept, else it is held back.
            is_plain = number % 2
            passing.run("nft -f -", stdin=TRACKED if is_plain else MASQUERADE.replace("to-server", f"s{number}"))
            with server.entered():
                listener = socket.create_server(("10.2.0.2", 21))
            with listener, client.connect("ipv4", "10.2.0.2", 21, 20) as session:
                other = greeted(session, listener)
                session.sendall(b"PORT 10,1,0,2,100,100\r\n")
                assert other.recv(100) == b"PORT 10,%s,100,100\r\n" % (b"1,0,2" if is_plain else b"2,0,1")
                assert expected.ports(passing) == [25700]
                before = counters.read("ftp")
                session.sendall(b"PORT 10,1,")
                what = "kept" if is_plain else "held"
                shell.wait_for("a line that is not whole", lambda: counters.read("ftp").get(what, 0) > before.get(what, 0))
                shell.run(["ip", "netns", "delete", "passing"])
                session.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                other.close()
        finally:
            shell.run(["ip", "netns", "delete", "passing"], check=False)
            client.run(f"ip link delete p{number}", check=False)
            server.run(f"ip link delete p{number}", check=False)
    shell.wait_for("the lines to go with the namespaces", lambda: "kept" not in counters.read("ftp"))
