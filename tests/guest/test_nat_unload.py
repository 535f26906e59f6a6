# SPDX-License-Identifier: GPL-2.0
"""Modules come and go while sessions are open: the sessions live on, and the kernel's log stays
clean (every test checks that)."""

import ctypes
import os
import threading

import pytest

import module
import natmodule
import shell
from dialogue import Dialogue, carry, hear
from scripted import announced, numbers, passive_reply, port_command

PORT = 40000
# Where everything takes longer tests/debug/ does it more often.
TIMES = 100 // shell.PATIENCE
FINIT_MODULE, DELETE_MODULE = 313, 176


def _conntrack_half():
    return module.under_test()


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_sessions_outlive_the_modules(network, nat_helper, flow, family):
    """Both directions are out of step by what was rewritten, and must stay so."""
    way = flow("both", family, assign=None)
    address = way.client.address[family]
    if module.under_test() is module.STOCK:
        pytest.skip("a rule that names the helper keeps its module")
    with Dialogue(way) as talk:
        talk.active(PORT)
        talk.passive()
        with way.client.listen(family, PORT + 1) as waiting:
            talk.client_says(port_command(address, PORT + 1))
            natmodule.unload()
            talk.chat()
            # What was expected before is translated still.
            carry(way.server, family, way.seen_as, PORT + 1, waiting)
        talk.client_says(port_command(address, PORT + 2), heard=port_command(address, PORT + 2))
        talk.chat()
        _conntrack_half().unload()
        assert announced(network.router) == []
        talk.chat()
        # Loaded again, it does not touch a session of its former life.
        nat_helper.load()
        talk.client_says(port_command(address, PORT + 3), heard=port_command(address, PORT + 3))
        talk.chat()
        with Dialogue(way, listener=talk.listener) as another:
            another.active(PORT + 4)
            another.chat()
        talk.chat()


def test_data_connections_outlive_the_modules(network, nat_helper, flow):
    if module.under_test() is module.STOCK:
        pytest.skip("a rule that names the helper keeps its module")
    way = flow("both")
    with Dialogue(way) as talk, way.client.listen("ipv4", PORT) as here, way.server.listen("ipv4", PORT) as there:
        talk.client_says(port_command(way.client.address["ipv4"], PORT))
        with way.server.connect("ipv4", way.seen_as, PORT) as active, here.accept()[0] as accepted:
            talk.server_says(passive_reply(way.server.address["ipv4"], PORT))
            with way.client.connect("ipv4", way.target, PORT) as passive, there.accept()[0] as passive_accepted:
                natmodule.unload()
                _conntrack_half().unload()
                for sender, receiver in ((active, accepted), (accepted, active), (passive, passive_accepted),
                                         (passive_accepted, passive)):
                    sender.sendall(b"still here")
                    receiver.settimeout(10 * shell.PATIENCE)
                    assert hear(receiver, 10) == b"still here"
                talk.chat()


def test_conntrack_half_is_held(network, nat_helper):
    """It cannot go before the NAT half; `modprobe -r` of that takes both."""
    half = _conntrack_half()
    assert half.loaded()
    assert "in use" in shell.run(["rmmod", half.name], check=False)
    shell.run(["modprobe", "-r", nat_helper.name])
    assert not nat_helper.loaded() and not half.loaded()


class Traffic(threading.Thread):
    """One session after the other, each with announcements of both sides. Whether they are rewritten
    depends on which modules are there; that they arrive, in order and as one or the other, does not."""

    def __init__(self, way):
        super().__init__()
        self.way, self.stopped, self.trouble = way, threading.Event(), None
        self.sessions = self.rewritten = self.untouched = 0

    def run(self):
        try:
            with self.way.server.listen("ipv4", 21) as listener:
                while not self.stopped.is_set():
                    self._session(listener)
        except BaseException as trouble:  # noqa: BLE001  whatever it is, the test tells
            self.trouble = trouble

    def _session(self, listener):
        self.sessions += 1
        way = self.way
        with Dialogue(way, listener=listener) as talk:
            for number in range(10):
                port = 1024 + int.from_bytes(os.urandom(2)) % 60000
                inside, outside = way.client.address["ipv4"], way.seen_as
                # Nothing is left in the stream after a marker, so what was said is known by its length.
                self._exchange(talk.client, talk.server, b"PORT %s\r\n", numbers(inside, port), numbers(outside, port))
                inside, outside = way.server.address["ipv4"], way.target
                self._exchange(talk.server, talk.client, b"227 Entering Passive Mode (%s).\r\n",
                               numbers(inside, port), numbers(outside, port))

    def _exchange(self, sender, receiver, form, said, rewritten):
        sender.sendall(form % said)
        text = b""
        while not text.endswith(b"\n"):
            byte = receiver.recv(256)
            assert byte, "the connection broke"
            text += byte
        assert text in (form % said, form % rewritten), f"{form % said} became {text}"
        if said != rewritten and text == form % rewritten:
            self.rewritten += 1
        else:
            self.untouched += 1


def _system_call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.syscall(number, *arguments) == 0, os.strerror(ctypes.get_errno())


def _insert(file):
    """What insmod does, without a process for it: a hundred times, that counts."""
    with open(file, "rb") as module:
        _system_call(FINIT_MODULE, module.fileno(), b"", 0)


def _remove(name):
    _system_call(DELETE_MODULE, name.encode(), os.O_NONBLOCK)


@pytest.mark.ours
@pytest.mark.timeout(180)
def test_load_and_unload_under_traffic(network, nat_helper, flow):
    names = (nat_helper.name, _conntrack_half().name)
    files = [shell.run(["modinfo", "-n", name]).strip() for name in names]
    traffic = Traffic(flow("both"))
    traffic.start()
    try:
        for _ in range(TIMES):
            before = traffic.rewritten
            # This session is cut off from the modules that it began with, and perhaps the next.
            shell.wait_for("a line to be rewritten", lambda: traffic.rewritten > before or traffic.trouble)
            for name in names:
                _remove(name)
            for file in reversed(files):
                _insert(file)
            assert not traffic.trouble, traffic.trouble
    finally:
        traffic.stopped.set()
        traffic.join()
    assert not traffic.trouble, traffic.trouble
    shell.log.info("%d sessions, %d lines rewritten, %d untouched", traffic.sessions, traffic.rewritten, traffic.untouched)
    assert traffic.rewritten >= TIMES and traffic.untouched > TIMES
