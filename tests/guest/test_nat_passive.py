# SPDX-License-Identifier: GPL-2.0
"""A server behind DNAT with few passive ports: it gives one to a session, which does not use it, and
then to the next. What stands before the router lets clients to the server's own ports only, so that
is what they must be told."""

import contextlib

import pytest

import flows
import shell
from dialogue import Dialogue, carry, hear, sending
from scripted import announced, passive_reply

PORT = 50000
FLOWS = [("dnat", "ipv4"), ("both", "ipv4"), ("dnat", "ipv6"), ("both", "ipv6")]


def _give(talk, heard=None):
    """The server gives the port; the client hears the port that it is asked to use."""
    way = talk.flow
    reply = passive_reply(way.server.address[way.family], PORT)
    talk.server_says(reply, heard or way.heard("server", reply))


@contextlib.contextmanager
def _sessions(way, count):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(way.server.listen(way.family, 21))
        yield [stack.enter_context(Dialogue(way, listener=listener)) for _ in range(count)]


@pytest.mark.ours
@pytest.mark.parametrize("name, family", FLOWS)
def test_port_of_a_session_that_did_not_use_it(network, nat_helper, flow, name, family):
    way = flow(name, family)
    with _sessions(way, 3) as talks:
        for talk in talks:
            _give(talk)
            assert [port for _, port in announced(network.router, family)] == [PORT]
        with way.server.listen(family, PORT) as waiting:
            carry(way.client, family, way.target, PORT, waiting)
        assert announced(network.router, family) == []
        # Nobody has lost more than what he did not use.
        for talk in talks:
            talk.chat()
            talk.passive(PORT)
    assert way.wall.counts()["blocked"] == 0


@pytest.mark.ours
def test_session_that_ends(network, nat_helper, flow):
    """The port belongs to the one that was given it last, whatever becomes of the other."""
    way = flow("dnat")
    with _sessions(way, 2) as (first, second):
        _give(first)
        _give(second)
        first.client.close()
        first.server.close()
        network.router.run(["conntrack", "-D", "-p", "tcp", "--orig-port-src", first.peer[1]])
        with way.server.listen("ipv4", PORT) as waiting:
            carry(way.client, "ipv4", way.target, PORT, waiting)


@pytest.mark.ours
def test_port_of_another_server(network, nat_helper, flow):
    """Where the same port of two servers behind one address is waited for, each client reaches its own."""
    way = flow("dnat", kind="iptables", assign="ftp", ports=(21, 2121))
    other = flows.make("dnat")
    other.server = network.third
    network.router.run(f"iptables -t nat -A PREROUTING -d {way.target} -p tcp --dport 2121 "
                       f"-j DNAT --to-destination {other.server.address['ipv4']}")
    with Dialogue(way) as one, Dialogue(other, port=2121) as two:
        _give(one)
        two.client_says(b"PASV\r\n")
        with sending(two.server, passive_reply(other.server.address["ipv4"], PORT)):
            heard = b""
            while not heard.endswith(b"\n"):
                heard += hear(two.client, 1)
        shell.log.info("the client heard %r", heard)
        [told] = {port for _, port in announced(network.router)} - {PORT}
        assert heard == passive_reply(way.target, told)
        with way.server.listen("ipv4", PORT) as here, other.server.listen("ipv4", PORT) as there:
            carry(way.client, "ipv4", way.target, PORT, here)
            carry(way.client, "ipv4", way.target, told, there)
