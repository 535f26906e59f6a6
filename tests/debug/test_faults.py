# SPDX-License-Identifier: GPL-2.0
"""No memory, or no room in the tables of connection tracking. What is said still arrives, if need be
once more and later; what could not be done is not done; and afterwards all is as before."""

import pytest

import expected
import faults
import instances
import scripted
from amanda_talk import Talk, connect, reply
from dcc import Session, message, send
from dialogue import Dialogue
from helpers import AMANDA, IRC

pytestmark = pytest.mark.debug
needs_failslab = pytest.mark.skipif(not faults.available(), reason="a kernel without failslab")
# Which of several allocations on one path fails: each, the second of two, …
INTERVALS = (1, 2, 3, 5)
# What was not sent for want of memory is sent again.
AGAIN = pytest.mark.timeout(300)


@pytest.fixture
def all_modules(network, clean):
    instances.load_all()
    yield
    instances.unload_all()


def _hears(talk, said, *forms):
    """One of the forms, and nothing else, comes out at the server."""
    talk.client.sendall(said)
    heard = b""
    while not heard.endswith(b"\n"):
        chunk = talk.server.recv(1 << 16)
        assert chunk, "the connection broke"
        heard += chunk
    assert heard in forms, f"{said!r} became {heard!r}"
    return heard


@needs_failslab
@AGAIN
@pytest.mark.parametrize("module", ["ip_conntrack_ftp", "ip_nat_ftp"])
@pytest.mark.parametrize("flow_name", ["plain", "both"])
def test_no_memory_for_ftp(network, all_modules, flow, module, flow_name):
    way = flow(flow_name, assign=None)
    address, injected = way.client.address["ipv4"], 0
    for interval in INTERVALS:
        with Dialogue(way) as talk:
            # A few failures for each line: without an end to them a line that needs memory never passes.
            for number in range(5):
                port = 40000 + number
                said = scripted.port_command(address, port)
                with faults.Faults(module, interval, most=1) as fault:
                    _hears(talk, said, said, scripted.port_command(way.seen_as, port))
                injected += fault.injected
            talk.chat()
            talk.active(41000)
            talk.passive()
    # Nothing is asked for by the NAT half where nothing is translated.
    assert injected if flow_name == "both" or module == "ip_conntrack_ftp" else not injected


@needs_failslab
@AGAIN
def test_no_memory_at_all_for_ftp(network, all_modules, flow):
    """Every allocation fails as long as the trouble lasts: no expectation, and the line passes."""
    with Dialogue(flow("plain", assign=None)) as talk:
        said = scripted.port_command(talk.flow.client.address["ipv4"], 40000)
        with faults.Faults("ip_conntrack_ftp") as fault:
            for _ in range(20):
                talk.client.sendall(said)
            heard = b""
            while len(heard) < 20 * len(said) and fault.count() < 20:
                heard += talk.server.recv(1 << 16)
            assert expected.ports(network.router) == []
        assert fault.injected
        while len(heard) < 20 * len(said):
            heard += talk.server.recv(1 << 16)
        talk.chat()
        talk.active(40001)


@needs_failslab
@AGAIN
@pytest.mark.parametrize("module", ["ip_conntrack_irc", "ip_nat_irc"])
def test_no_memory_for_irc(network, all_modules, way, module):
    injected = 0
    for interval in INTERVALS:
        with Session(way(IRC, "snat", assign=None)) as talk:
            for number in range(5):
                said, rewritten = (message(send(address, 40000 + number)) for address in ("192.0.2.10", talk.flow.seen_as))
                with faults.Faults(module, interval, most=1) as fault:
                    _hears(talk, said, said, rewritten)
                injected += fault.injected
            talk.chat()
            talk.offer_to_outside(41000)
    assert injected


@needs_failslab
@AGAIN
@pytest.mark.parametrize("module", ["ip_conntrack_amanda", "ip_nat_amanda"])
def test_no_memory_for_amanda(network, all_modules, way, module):
    """A datagram that was lost is not sent again by anybody but the programs."""
    injected = 0
    with Talk(way(AMANDA, "dnat", assign=None)) as talk:
        for interval in INTERVALS:
            with faults.Faults(module, interval, most=3) as fault:
                for number in range(5):
                    talk.machine.send(reply(connect(DATA=11000 + number, MESG=12000)), talk.peer)
                    if talk.server.is_readable(0.5):
                        talk.server.receive()
            injected += fault.injected
        talk.machine_says(reply(connect(DATA=13000, MESG=13001)))
    if module == "ip_conntrack_amanda":
        assert injected


@needs_failslab
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ["ftp", "irc", "tftp", "amanda"])
def test_no_memory_while_loading(network, clean, kernel_log, name):
    """Each allocation of loading fails once; until none is left and the module is there."""
    kernel_log.allow("FAULT_INJECTION|ip_(conntrack|nat)_|Cannot allocate|kobject_add|failed")
    files, half = instances.files(), f"ip_conntrack_{name}"
    network.router.run("modprobe nf_conntrack")
    for number in range(1, 3000):
        with faults.nth_of_this_task(number) as failed:
            try:
                instances.insert(files[half])
            except OSError:
                continue
            finally:
                used = failed()
        instances.remove(half)
        if not used:
            break
    else:
        raise AssertionError("so many allocations that there seems to be no end")
    assert number > 10, "no allocation failed"
    instances.insert(files[half])
    instances.remove(half)


def _setting(network, name, value):
    """The value is the router's, or where the kernel has only one, everybody's."""
    try:
        network.router.sysctl(name, value)
    except PermissionError:
        with open("/proc/sys/" + name.replace(".", "/"), "w") as file:
            file.write(str(value))


@pytest.fixture
def setting(network):
    before = {}

    def change(name, value):
        before.setdefault(name, network.router.sysctl(name))
        _setting(network, name, value)

    yield change
    for name, value in before.items():
        _setting(network, name, value)


def test_table_of_expectations_full(network, all_modules, flow, setting, kernel_log):
    """One session has what there is; the other's announcement passes, and opens nothing."""
    kernel_log.allow("expectation table full")
    way = flow("plain", assign=None)
    with Dialogue(way) as first, Dialogue(way, listener=first.listener) as second:
        address = way.client.address["ipv4"]
        setting("net.netfilter.nf_conntrack_expect_max", 1)
        first.client_says(scripted.port_command(address, 40000))
        second.client_says(scripted.port_command(address, 40001))
        assert expected.ports(network.router) == [40000]
        setting("net.netfilter.nf_conntrack_expect_max", 100)
        for talk in (first, second):
            talk.chat()
            talk.active(40002)


def test_table_of_connections_full(network, all_modules, flow, setting, kernel_log):
    """The data connection that was announced does not fit in; the session goes on."""
    kernel_log.allow("table full.*dropping packet")
    way = flow("plain", assign=None)
    with Dialogue(way) as talk, way.client.listen("ipv4", 40000):
        talk.client_says(scripted.port_command(way.client.address["ipv4"], 40000))
        before = network.router.sysctl("net.netfilter.nf_conntrack_count")
        setting("net.netfilter.nf_conntrack_max", before)
        with pytest.raises(TimeoutError):
            way.server.connect("ipv4", way.client.address["ipv4"], 40000, 2)
        talk.chat()
        assert network.router.sysctl("net.netfilter.nf_conntrack_count") == before
        setting("net.netfilter.nf_conntrack_max", 65536)
        talk.chat()
        talk.active(40001)
        talk.passive()
