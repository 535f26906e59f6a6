# SPDX-License-Identifier: GPL-2.0
"""Lines that are kept until they are whole: what one client leaves there is not another's trouble."""

import contextlib
import socket

import pytest

import counters
import expected
import shell
from dialogue import Dialogue
from topology import Host

pytestmark = pytest.mark.ours
PORT = 40000
# More than a client may have in the store.
MANY = 40
SHARE = 8


@pytest.fixture(autouse=True)
def debugfs():
    counters.mount()


@contextlib.contextmanager
def idle_sessions(client, server, number):
    """Sessions that say part of a line each, and then nothing."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(server.listen("ipv4", 21))
        for _ in range(number):
            session = stack.enter_context(client.connect("ipv4", server, 21))
            peer = stack.enter_context(listener.accept()[0])
            peer.sendall(b"220 ready\r\n")
            assert session.recv(100)
            session.sendall(b"USER me\r\nPOR")
            assert peer.recv(100)
        yield listener


@pytest.mark.parametrize("way", ("plain", "snat"))
def test_a_client_fills_only_its_share(network, nat_helper, flow, way):
    """Another client's announcement in two segments is put together all the same, translated or not."""
    route = flow(way)
    with idle_sessions(network.third, network.server, MANY) as listener:
        assert counters.read("ftp")["kept"] == SHARE
        with Dialogue(route, listener=listener) as talk:
            with route.client.listen("ipv4", PORT):
                talk.says_in_pieces("client", [b"PORT 192,0,2,", b"10,156,64\r\n"])
            assert expected.ports(network.router) == [PORT]
            talk.passive()
            talk.chat()


def test_the_oldest_line_gives_way(network, nat_helper, flow):
    """A translated line of which the beginning was held back and had to give way passes as it is."""
    route = flow("snat")
    with Dialogue(route) as talk:
        before = counters.read("ftp")
        talk.client.sendall(b"PORT 192,0,2,")
        shell.wait_for("the segment to be held back",
                       lambda: counters.read("ftp").get("held", 0) > before.get("held", 0))
        # From the same address; they can be told apart from what the session itself says.
        others = []
        for _ in range(SHARE):
            session = route.client.connect("ipv4", route.target, 21)
            peer = talk.listener.accept()[0]
            peer.sendall(b"220 ready\r\n")
            session.sendall(b"EPRT |1|192.0.2.10|")
            others += [session, peer]
        with contextlib.ExitStack() as stack:
            for end in others:
                stack.enter_context(end)
            assert talk.server.recv(100)
            assert counters.read("ftp")["gave_up"] >= 1
            talk.server_says(b"500 What?\r\n")


def test_a_namespace_of_its_own(network, nat_helper, flow):
    """Somebody's namespace, with as many addresses as he likes, fills a table of its own only."""
    shell.run(["ip", "netns", "add", "tenant"])
    try:
        tenant = Host("tenant")
        tenant.address = {"ipv4": "127.0.0.1"}
        tenant.run("ip link set lo up")
        tenant.run("nft -f -", stdin="table ip t { chain o { type filter hook output priority 0; ct state new accept; }; }")
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(tenant.listen("ipv4", 21))
            for number in range(300):
                with tenant.entered():
                    session = stack.enter_context(socket.socket())
                session.bind((f"127.0.{number // 200 + 1}.{number % 200 + 1}", 0))
                session.connect(("127.0.0.1", 21))
                peer = stack.enter_context(listener.accept()[0])
                peer.sendall(b"220 ready\r\n")
                session.sendall(b"USER me\r\nPORT 127,0,")
                assert peer.recv(100)
            kept = counters.read("ftp")["kept"]
            # It has room for 256, and not all clients have a place for themselves.
            assert 100 < kept <= 256
            with Dialogue(flow("snat")) as talk:
                with network.client.listen("ipv4", PORT):
                    talk.says_in_pieces("client", [b"PORT 192,0,2,", b"10,156,64\r\n"])
                assert expected.ports(network.router) == [PORT]
            assert counters.read("ftp")["kept"] >= kept
    finally:
        shell.run(["ip", "netns", "delete", "tenant"])
    shell.wait_for("its lines to go with it", lambda: counters.read("ftp").get("kept", 0) <= 2)
