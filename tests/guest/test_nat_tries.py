# SPDX-License-Identifier: GPL-2.0
"""Other ports are tried for all announcements of a packet together, not for each of them: where all are
taken a packet full of announcements costs hardly more than one with one."""

import contextlib

import pytest

import counters
import dcc
import probes
import taken
from amanda_talk import Talk, connect, reply
from capture import Capture
from datagrams import Socket
from dcc import message, send
from dialogue import Dialogue
from helpers import AMANDA, FTP, IRC
from scripted import port_command

pytestmark = pytest.mark.ours
PORT, FREE = 5000, 6000
# What one more port costs.
TRY = "nf_ct_expect_related_report"


@pytest.fixture
def full(network, clean, way):
    """A way on which a session has been told all ports that come into question for PORT; the client is
    another one."""
    if not probes.are_there():
        pytest.skip("this kernel has no probes")
    counters.mount()
    # So many are looked at in a packet, too.
    IRC.ours.load(max_dcc_channels=255)
    IRC.nat_half.load()
    FTP.nat_half.load()
    flow = way(IRC, "masquerade", ports=(IRC.port, FTP.port))
    # What is sent at once becomes one packet.
    network.third.sysctl("net.ipv4.tcp_min_tso_segs", 16)
    with taken.room_for_all(), dcc.Session(flow) as one:
        for port in taken.candidates(PORT):
            one.client_says(message(send(network.client.address["ipv4"], port)), message(send(flow.seen_as, port)))
        flow.client, flow.listener = network.third, one.listener
        yield flow
    network.third.sysctl("net.ipv4.tcp_min_tso_segs", 2)


@contextlib.contextmanager
def _tries(protocol, looked_at, is_more=False):
    """How many there are for what is said meanwhile in one packet: for each announcement that is looked at
    its own port, and those that a packet has. None is expected."""
    before = counters.read(protocol)
    with probes.calls(TRY) as tries:
        yield
        assert tries() == looked_at + taken.TRIES
    after = counters.read(protocol)
    count = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name)}
    assert count == {"announced": looked_at, "nat.no_port": looked_at, **({"too_many": 1} if is_more else {})}


def _one_packet(talk, text):
    with Capture(talk.flow.client) as wire:
        talk.client_says(text, text)
        lengths = [len(segment.payload) for segment in wire.read() if segment.payload]
    assert lengths == [len(text)], "it did not go in one packet"


@pytest.mark.parametrize("count", [1, 2, 100])
def test_irc(network, full, count):
    """With one offer the control: the probe sees each try, and all ports are taken."""
    offer = message(send(network.third.address["ipv4"], PORT))
    with dcc.Session(full, listener=full.listener) as talk:
        with _tries("irc", count):
            _one_packet(talk, offer * count)
        talk.chat()
        talk.offer_to_outside(FREE)


@pytest.mark.parametrize("count", [1, 8, 250])
def test_ftp(network, full, count):
    """Of more than 8 the rest is not looked at."""
    command = port_command(network.third.address["ipv4"], PORT)
    with Dialogue(full) as talk:
        with _tries("ftp", min(count, 8), count > 8):
            _one_packet(talk, command * count)
        talk.chat()
        talk.active(FREE)


def test_what_is_free_is_told(network, full):
    """Behind those that find no port, in the same packet."""
    address = network.third.address["ipv4"]
    in_vain = message(send(address, PORT)) * 20
    with dcc.Session(full, listener=full.listener) as talk, network.third.listen("ipv4", FREE) as waiting:
        talk.client_says(in_vain + message(send(address, FREE)), in_vain + message(send(full.seen_as, FREE)))
        dcc.carry(full.server, "ipv4", full.seen_as, FREE, waiting)
        talk.chat()


def test_amanda(network, clean, way):
    """Each of a reply's streams asks for the same port; others were told all that come into question."""
    if not probes.are_there():
        pytest.skip("this kernel has no probes")
    counters.mount()
    AMANDA.nat_half.load()
    flow = way(AMANDA, "dnat")
    names, ports = ("DATA", "MESG", "INDEX", "STATE"), list(taken.candidates(PORT))
    with contextlib.ExitStack() as stack:
        stack.enter_context(taken.room_for_all())
        machine = stack.enter_context(Socket(flow.server, "ipv4", AMANDA.port))
        for number in range(0, len(ports), len(names)):
            talk = stack.enter_context(Talk(flow, 600 + number, machine))
            talk.machine_says(reply(connect(**dict(zip(names, ports[number:])))))
        talk = stack.enter_context(Talk(flow, 850, machine))
        with _tries("amanda", len(names)):
            talk.machine_says(reply(connect(**dict.fromkeys(names, PORT))))
        told = dict(zip(names, range(FREE, FREE + len(names))))
        talk.machine_says(reply(connect(**told)))
