# SPDX-License-Identifier: GPL-2.0
"""Ports that are taken: two hosts behind one address announce the same, each gets its own data."""

import contextlib
import re
import threading

import pytest

import flows
import shell
from dialogue import Dialogue, hear, open_from
from module import OURS
from nfqueue import Queue
from scripted import announced, port_command
from shell import wait_for

PORT = 40000


@pytest.fixture
def two(network, nat_helper, flow):
    """Sessions of the client and the third host with one server, which sees one address."""
    first = flow("snat")
    second = flows.make("snat")
    second.client = network.third
    with Dialogue(first) as one, Dialogue(second, listener=one.listener) as other:
        assert one.peer[0] == other.peer[0] == first.seen_as
        yield one, other


def announce(talk, port=PORT):
    """The client announces a port; returns the one that the server is told."""
    talk.client.sendall(port_command(talk.flow.client.address["ipv4"], port))
    return told(talk)


def told(talk):
    text = b""
    while not text.endswith(b"\n"):
        byte = hear(talk.server, 1)
        assert byte, f"the announcement got stuck after {text!r}"
        text += byte
    words = re.fullmatch(rb"PORT (\d+,\d+,\d+,\d+),(\d+),(\d+)\r\n", text)
    assert words and words[1].replace(b",", b".").decode() == talk.flow.seen_as, text
    return int(words[2]) << 8 | int(words[3])


def transfer(talk, waiting, port, source_port=None):
    """The server connects to the port; the client at the other end is this one."""
    waiting.settimeout(10 * shell.PATIENCE)
    with open_from(talk.flow.server, "ipv4", talk.flow.seen_as, port, source_port) as one, waiting.accept()[0] as other:
        one.sendall(b"data")
        assert hear(other, 4) == b"data"


@pytest.mark.parametrize("port", [PORT, *(pytest.param(port, marks=pytest.mark.ours) for port in (1000, 65535))])
def test_same_port_pending(two, port):
    """The second announcement is told another port, privileged or not as the first."""
    one, other = two
    if port < 1024:
        OURS.set_parameter("allow_privileged", 1)
    with one.flow.client.listen("ipv4", port) as here, other.flow.client.listen("ipv4", port) as there:
        first, second = announce(one, port), announce(other, port)
        assert first == port and second != port
        assert (second < 1024) == (port < 1024)
        transfer(other, there, second)
        transfer(one, here, first)
    for talk in two:
        talk.chat()


@pytest.mark.ours
def test_privileged_port_is_not_rewritten(network, nat_helper, flow):
    """unless allowed; it passes as it is, and is not expected."""
    way = flow("snat")
    with Dialogue(way) as talk:
        command = port_command("192.0.2.10", 1000)
        talk.client_says(command, heard=command)
        assert announced(network.router) == []
        OURS.set_parameter("allow_privileged", 1)
        talk.active(1000)


@pytest.mark.ours
def test_same_port_in_use(two):
    """A port on which a data connection from the server's port 20 is open is taken, too: servers
    cannot open a second one like it."""
    one, other = two
    server = one.flow.server
    with one.flow.client.listen("ipv4", PORT) as here, other.flow.client.listen("ipv4", PORT) as there:
        port = announce(one)
        with open_from(server, "ipv4", one.flow.seen_as, port, 20) as data, here.accept()[0] as accepted:
            second = announce(other)
            assert second != port
            transfer(other, there, second, source_port=20)
            data.sendall(b"still here")
            assert hear(accepted, 10) == b"still here"
    for talk in two:
        talk.chat()


HOLD = """table inet hold {
  chain forward { type filter hook forward priority filter - 10; tcp sport 20 tcp flags & (syn|ack) == syn queue num 0; }
}"""


@pytest.mark.ours
def test_same_port_of_a_connection_on_its_way(network, two):
    """A port is not free between the moment that its connection comes to the router, which uses the
    expectation up, and the one in which it leaves and is known. Other processors see that; here the
    connection is held meanwhile."""
    one, other = two
    server = one.flow.server
    with one.flow.client.listen("ipv4", PORT) as here, other.flow.client.listen("ipv4", PORT) as there, \
            Queue(network.router) as queue:
        network.router.run("nft -f -", stdin=HOLD)
        port = announce(one)
        opened = []
        opening = threading.Thread(target=lambda: opened.append(open_from(server, "ipv4", one.flow.seen_as, port, 20)))
        opening.start()
        queue.wait()
        assert announced(network.router) == []
        second = announce(other)
        assert second != port
        queue.release()
        opening.join()
        network.router.run("nft delete table inet hold")
        with opened[0], here.accept()[0]:
            transfer(other, there, second, source_port=20)


@pytest.mark.ours
def test_other_port_again_and_again(two):
    """A client that always announces the same port, of which the outside belongs to another."""
    one, other = two
    server = one.flow.server
    with one.flow.client.listen("ipv4", PORT) as here, other.flow.client.listen("ipv4", PORT) as there:
        port = announce(one)
        with open_from(server, "ipv4", one.flow.seen_as, port, 20), here.accept()[0]:
            for _ in range(5):
                port = announce(other)
                assert port != PORT
                # The client closes first, or the server's own port would be in TIME_WAIT.
                with there_first(server, other, port, there) as (sender, receiver):
                    sender.sendall(b"data")
                    assert hear(receiver, 4) == b"data"


@pytest.mark.parametrize("source_port", [None, 20])
def test_same_port_again_and_again(network, nat_helper, flow, source_port):
    """A client that always announces the same port, on which there were connections before."""
    way = flow("snat")
    with Dialogue(way) as talk, way.client.listen("ipv4", PORT) as waiting:
        for _ in range(5):
            assert announce(talk) == PORT
            with there_first(way.server, talk, PORT, waiting, source_port) as (sender, receiver):
                sender.sendall(b"data")
                assert hear(receiver, 4) == b"data"
        talk.chat()


@contextlib.contextmanager
def there_first(server, talk, port, waiting, source_port=20):
    """A data connection, which the client closes first."""
    waiting.settimeout(10 * shell.PATIENCE)
    with open_from(server, "ipv4", talk.flow.seen_as, port, source_port) as one:
        with waiting.accept()[0] as other:
            yield one, other
        assert one.recv(1) == b""


@pytest.mark.ours
def test_no_port_is_told_twice(two):
    """A client that announces the very port that was told for its announcement before."""
    one, other = two
    assert announce(one) == PORT
    first = announce(other)
    second = announce(other, first)
    assert second not in (PORT, first)
    with other.flow.client.listen("ipv4", first) as waiting:
        transfer(other, waiting, second)
    other.chat()


def test_port_is_free_again(two):
    """A pending announcement is forgotten when its session announces another."""
    one, other = two
    assert announce(one) == PORT
    assert announce(one, PORT + 7) == PORT + 7
    assert announce(other) == PORT


def test_port_of_an_ended_session_is_free(network, nat_helper, flow):
    way = flow("snat")
    with Dialogue(way) as talk:
        assert announce(talk) == PORT
    network.router.run("conntrack -D -p tcp --dport 21")
    way.client = network.third
    with Dialogue(way) as talk:
        # For a moment a connection to it may still be on its way.
        wait_for("the port", lambda: announce(talk) == PORT)
