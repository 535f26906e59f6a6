# SPDX-License-Identifier: GPL-2.0
"""No memory, for each allocation on a path of the modules', or no room in the tables of connection
tracking. What is said still arrives, if need be once more and later; what could not be done is not
done; the counters tell; and afterwards all is as before."""

import errno
import os
import threading

import pytest

import counters
import expected
import faults
import instances
import module
import scripted
import sessions
import shell
from dialogue import Dialogue
from test_assign_load import hooks_listed

pytestmark = pytest.mark.debug
needs_failslab = pytest.mark.skipif(not faults.available(), reason="a kernel without failslab")
each_protocol = pytest.mark.parametrize("kind", sessions.KINDS.values(), ids=sessions.KINDS)
of_lines = pytest.mark.parametrize("kind", [sessions.Ftp, sessions.Irc], ids=["ftp", "irc"])
PORT = 40000
LABELLED = """table inet labelled {
  chain forward {
    type filter hook forward priority filter;
    ct state new ct label set 1
  }
}
"""


def counted(kind, before):
    """What has been counted since."""
    now = counters.read(kind.helper.name)
    change = {name: now.get(name, 0) - before.get(name, 0) for name in {*now, *before}}
    return {name: count for name, count in change.items() if count}


def read(kind):
    return counters.read(kind.helper.name)


@needs_failslab
@each_protocol
@pytest.mark.parametrize("translated", [False, True], ids=["plain", "nat"])
def test_no_memory_for_an_expectation(network, all_modules, way, kind, translated):
    flow = way(kind.helper, kind.nat if translated else "plain", assign=None)
    with kind(flow) as session:
        before = read(kind)
        with faults.Faults(kind.helper.ours.name) as fault:
            session.announce(PORT)
        assert fault.injected == 1
        assert counted(kind, before) == {"announced": 1, "no_memory": 1}
        assert expected.ports(network.router) == []
        session.goes_on(PORT + 1)


@needs_failslab
@of_lines
def test_no_memory_for_many(network, all_modules, way, kind):
    """As long as the trouble lasts every announcement passes, and none is expected."""
    with kind(way(kind.helper, "snat", assign=None)) as session:
        before = read(kind)
        with faults.Faults(kind.helper.ours.name, most=faults.PLENTY) as fault:
            for number in range(20):
                session.announce(PORT + number)
        assert fault.injected == 20
        assert counted(kind, before) == {"announced": 20, "no_memory": 20}
        assert expected.ports(network.router) == []
        session.goes_on(PORT + 20)


@needs_failslab
@of_lines
# A line is smaller than that, the table is not.
@pytest.mark.parametrize("spared", (0, 2048), ids=["line", "table"])
def test_no_memory_to_keep_a_line(network, all_modules, way, kind, spared):
    """An announcement in two segments, of which the first cannot be kept: for want of memory for it, or
    for the table of this namespace."""
    with kind(way(kind.helper, "plain", assign=None)) as session:
        before = read(kind)
        with faults.Faults(kind.helper.ours.name, spared=spared) as fault:
            session.in_halves(PORT)
        assert fault.injected == 1
        assert counted(kind, before) == {"gave_up": 1}
        assert expected.ports(network.router) == []
        session.goes_on(PORT + 1)


@needs_failslab
@each_protocol
def test_no_memory_to_assign(network, all_modules, way, kind):
    """The connection comes about and is not helped; the next one is."""
    before = read(kind)
    flow = way(kind.helper, "plain", assign=None)
    with faults.Faults(module.CORE.name) as fault:
        session = kind(flow)
    with session:
        assert fault.injected == 1
        session.announce(PORT)
        assert counted(kind, before) == {"no_memory": 1}
        assert expected.ports(network.router) == []
    # TFTP's and Amanda's ports are as before, and so would be their connections.
    network.router.run("conntrack -F")
    with kind(flow) as another:
        another.goes_on(PORT + 1)


@needs_failslab
def test_no_memory_to_adjust_sequence_numbers(network, all_modules, way, setting):
    """What does not fit any more is not rewritten, so it passes as it is, and opens nothing."""
    kind = sessions.Ftp
    # So much is attached to a connection then that its extensions have to grow.
    for name in ("acct", "timestamp", "events"):
        setting(f"net.netfilter.nf_conntrack_{name}", 1)
    network.router.run("nft -f -", stdin=LABELLED)
    flow = way(kind.helper, "snat", assign=None)
    before = read(kind)
    with faults.Faults(module.CORE.name) as fault:
        session = kind(flow)
    with session:
        assert fault.injected == 1
        session.announce(PORT)
        assert counted(kind, before) == {"assigned": 1, "announced": 1, "nat.no_sequence_adjustment": 1}
        assert expected.ports(network.router) == []
        session.talk.chat()
    with kind(flow) as another:
        another.goes_on(PORT)


@needs_failslab
@pytest.mark.parametrize("kind", [sessions.Ftp, sessions.Irc, sessions.Amanda], ids=["ftp", "irc", "amanda"])
def test_no_memory_to_rewrite(network, all_modules, way, kind):
    """The segment is lost; it comes again, and then is rewritten."""
    flow = way(kind.helper, kind.nat, assign=None)
    with kind(flow) as session:
        before = read(kind)
        with faults.Faults(kind.helper.ours_nat.name) as fault:
            session.announce_long(PORT)
        assert fault.injected == 1
        change = counted(kind, before)
        assert change["nat.no_memory"] == 1 and change["nat.rewritten"] == 1
        # Of Amanda PORT + 1 is told for PORT now.
        session.goes_on(PORT + 2)


def listens(host):
    """Whether somebody has subscribed to messages of nfnetlink's."""
    with host.entered(), open("/proc/thread-self/net/netlink") as sockets:
        return any(protocol == "12" and int(groups, 16) for _, protocol, _, groups, *_ in map(str.split, sockets))


@needs_failslab
@each_protocol
def test_no_memory_to_tell_of_it(network, all_modules, way, kind):
    """Somebody listens for expectations, and there is no memory for the message."""
    network.router.run("conntrack -L expect")
    network.router.start("conntrack -E expect")
    shell.wait_for("a listener", lambda: listens(network.router))
    with kind(way(kind.helper, kind.nat, assign=None)) as session:
        with faults.Faults("ctnetlink_expect_event", most=faults.PLENTY) as fault:
            session.goes_on(PORT)
        assert fault.injected
        session.goes_on(PORT + 1)


def _fail_each(name, file):
    """Loads the module in the end; returns how many allocations there were to fail."""
    for number in range(1, 200):
        with faults.nth_of_this_task(number, "do_one_initcall") as has_failed:
            try:
                instances.insert(file)
                is_there = True
            except OSError:
                is_there = False
            is_over = not has_failed()
        if is_over:
            break
        if is_there:
            instances.remove(name)
    assert is_there and is_over
    return number - 1


@needs_failslab
@pytest.mark.timeout(600)
def test_no_memory_while_loading(network, clean, kernel_log):
    """Each allocation of each module's own beginning fails once."""
    kernel_log.allow("the kernel does not register|debugfs|no room for hooks")
    network.router.run("modprobe nf_nat")
    # Of the hooks some are there, when one cannot be registered, and taken out again.
    with hooks_listed(network.router):
        failed = {name: _fail_each(name, file) for name, file in instances.files().items()}
    for name in reversed(instances.files()):
        instances.remove(name)
    shell.log.info("allocations that failed while loading: %s", failed)
    # The helper's copy, hooks and their namespaces; a folder and its files in debugfs.
    assert all(failed[half.name] >= 5 for half in (*instances.CONNTRACK, *instances.NAT)), failed


@needs_failslab
def test_no_memory_for_a_namespace(network, all_modules, flow, kernel_log):
    """Each allocation of a module's for a new network namespace fails once: the namespace is there all
    the same, without that module's hooks."""
    kernel_log.allow("no room for hooks")
    outcomes = []

    def make():
        for number in range(1, 500):
            # What the modules do for a namespace is to register their hooks in it.
            with faults.nth_of_this_task(number, "nf_register_net_hooks") as has_failed:
                try:
                    os.unshare(os.CLONE_NEWNET)
                    outcomes.append(0)
                except OSError as error:
                    outcomes.append(error.errno)
                if not has_failed():
                    return

    # A thread of its own, with which its namespace goes.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    shell.log.info("outcomes: %s", outcomes)
    # There are four hooks at least; the last time nothing failed.
    assert len(outcomes) > 4 and set(outcomes) == {0}
    with Dialogue(flow("plain", assign=None)) as talk:
        talk.active(PORT)


def test_table_of_expectations_full(network, all_modules, flow, setting, kernel_log):
    """One session has what there is; the other's announcement passes, and opens nothing."""
    kernel_log.allow("expectation table full")
    way = flow("plain", assign=None)
    with Dialogue(way) as first, Dialogue(way, listener=first.listener) as second:
        address = way.client.address["ipv4"]
        setting("net.netfilter.nf_conntrack_expect_max", 1)
        first.client_says(scripted.port_command(address, 40000))
        before = counters.read("ftp")
        second.client_says(scripted.port_command(address, 40001))
        assert expected.ports(network.router) == [40000]
        assert counters.read("ftp") == {**before, "announced": 2, "table_full": 1}
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
