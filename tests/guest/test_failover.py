# SPDX-License-Identifier: GPL-2.0
"""The router is cut off in the middle of sessions; the other one, which conntrackd has told of them,
goes on. docs/failover.md describes what is needed; its files are used here as they are.

Every byte is said by the test; for real programs see test_failover_programs.py."""

import contextlib
import select
from pathlib import Path

import pytest

import ctnetlink
import expected
import failover
import flows
import module
import natmodule
from failover_talk import Active, Amanda, Irc, Passive, Tftp
from helpers import FTP

SESSIONS = [
    (Passive, "plain", "ipv4"), (Passive, "dnat", "ipv4"), (Passive, "both", "ipv4"), (Passive, "both", "ipv6"),
    (Active, "plain", "ipv4"), (Active, "snat", "ipv4"), (Active, "both", "ipv4"), (Active, "snat", "ipv6"),
    (Irc, "plain", "ipv4"), (Irc, "snat", "ipv4"), (Irc, "both", "ipv6"),
    (Tftp, "plain", "ipv4"), (Tftp, "both", "ipv4"), (Amanda, "plain", "ipv4"), (Amanda, "both", "ipv4"),
]
# Those of which the announced address is not the one that the other side is told.
TRANSLATED = [(Passive, "dnat", "ipv4"), (Active, "both", "ipv4"), (Irc, "snat", "ipv4"), (Amanda, "both", "ipv4"),
              (Passive, "both", "ipv6")]
ANY = [Passive, Active, Irc, Tftp, Amanda]
pytestmark = pytest.mark.ours


@pytest.fixture
def pair(network, clean):
    two = failover.Pair(network)
    yield two
    two.undo()


def _cut(pair, **options):
    """All that the spare router could be told it was told; then it is alone."""
    pair.wait_until_told()
    pair.cut()
    pair.take_over(**options)


@pytest.mark.parametrize("kind, name, family", SESSIONS)
def test_session_goes_on(pair, kind, name, family):
    """What is established carries on, and the control session announces the next connection."""
    kind.helper.nat_half.load()
    flow = flows.make(name, family)
    pair.start(flow)
    with kind(flow) as session:
        running = session.announce(11001).open()
        running.carry()
        session.chat()
        _cut(pair)
        running.carry()
        session.announce(11002).open().carry()
        session.chat()
        running.carry()
    assert pair.spare.counts()["related"]


def test_there_and_back(pair):
    """The first router comes back as the spare one, is told what has happened, and takes over again."""
    FTP.nat_half.load()
    flow = flows.make("both")
    pair.start(flow)
    with Passive(flow) as session:
        running = session.announce(11001).open()
        _cut(pair)
        later = session.announce(11002).open()
        pair.come_back()
        _cut(pair)
        running.carry()
        later.carry()
        session.announce(11003).open().carry()
        session.chat()


def test_control_mainline_is_out_of_step(pair):
    """Mainline's helper tells nobody by how many bytes it has shifted the control connection."""
    module.STOCK.load()
    natmodule.NAT[module.STOCK].load()
    flow = flows.make("dnat")
    pair.start(flow, assign=["ftp"])
    with Passive(flow) as session:
        running = session.announce(11001).open()
        _cut(pair)
        running.carry()
        session.control.server.sendall(b"226 Transfer complete.\r\n")
        assert not select.select([session.control.client], [], [], 2)[0]


@pytest.mark.parametrize("kind", ANY)
def test_announced_before_opened_after(pair, kind):
    kind.helper.conntrack_half.load()
    flow = flows.make("plain")
    pair.start(flow)
    with kind(flow) as session:
        # Of a request that is the first packet of its connection conntrackd tells nothing.
        session.announce(11001).open()
        coming = session.announce(11002)
        _cut(pair)
        coming.open().carry()
    assert pair.spare.counts()["related"]


@pytest.mark.parametrize("kind", [Passive, Irc])
def test_control_without_expectations(pair, kind):
    """conntrackd is not told to say what is expected: that one connection fails."""
    kind.helper.conntrack_half.load()
    pair.start(flows.make("plain"), expectations=False)
    with kind(flows.make("plain")) as session:
        running = session.announce(11001).open()
        running.carry()
        coming = session.announce(11002)
        _cut(pair)
        coming.check_blocked(pair.spare)
        assert pair.spare.counts()["related"] == 0
        running.carry()


@pytest.mark.parametrize("events", [1, 2])
def test_session_older_than_conntrackd(pair, events):
    """With net.netfilter.nf_conntrack_events=2 nothing is told of it, for as long as it lives."""
    FTP.conntrack_half.load()
    flow = flows.make("plain")
    pair.start(flow)
    for router in pair.routers:
        router.daemon.stop()
    pair.active.sysctl("net.netfilter.nf_conntrack_events", events)
    with Passive(flow) as session:
        for router in pair.routers:
            router.start_daemon()
        pair.spare.change_role("stand-by")
        coming = session.announce(11001)
        _cut(pair)
        if events == 1:
            coming.open().carry()
        else:
            coming.check_blocked(pair.spare)


@pytest.mark.parametrize("kind", [Passive, Amanda])
def test_control_without_commit(pair, kind):
    """The spare router's conntrackd knows all, its kernel nothing."""
    kind.helper.conntrack_half.load()
    pair.start(flows.make("plain"))
    with kind(flows.make("plain")) as session:
        running = session.announce(11001).open()
        running.carry()
        coming = session.announce(11002)
        _cut(pair, commit=False)
        coming.check_blocked(pair.spare)
        running.check_blocked(pair.spare)


def test_first_request_is_repeated(pair):
    """A TFTP client that hears nothing asks again; that is announced by the router that is there."""
    Tftp.helper.nat_half.load()
    pair.start(flows.make("both"))
    with Tftp(flows.make("both")) as session:
        session.announce(None)
        _cut(pair)
        session.announce(None).open().carry()


@pytest.mark.parametrize("kind, name, family", TRANSLATED)
def test_expectations_can_be_handed_on(pair, kind, name, family):
    """What our modules expect of a translated session ctnetlink can tell, and create, in full."""
    kind.helper.nat_half.load()
    flow = flows.make(name, family)
    pair.start(flow, expectations=False)
    with kind(flow) as session:
        coming = session.announce(11001)
        [told] = ctnetlink.expectations(pair.active)
        _cut(pair)
        ctnetlink.create_expectation(pair.spare, told)
        coming.open().carry()
        session.announce(11002).open().carry()


@pytest.mark.parametrize("kind, name, family", TRANSLATED[:3])
def test_limit_conntrackd_leaves_translation_out(pair, kind, name, family):
    """libnetfilter_conntrack does not tell the kernel how an expected connection is translated (see
    docs/failover.md), so that one fails. The session goes on and announces the next."""
    kind.helper.nat_half.load()
    flow = flows.make(name, family)
    pair.start(flow)
    with kind(flow) as session:
        coming = session.announce(11001)
        [told] = ctnetlink.expectations(pair.active)
        _cut(pair)
        assert b"nat-follow-master" in told
        assert not any(b"nat-follow-master" in one for one in ctnetlink.expectations(pair.spare))
        coming.check_blocked(pair.spare)
        session.announce(11002).open().carry()


def test_rule_for_servers_behind_dnat(pair):
    """With the rule in docs/failover.md the expected connection finds its server all the same."""
    FTP.nat_half.load()
    flow = flows.make("both")
    pair.start(flow, dnat=f'ct state related ct helper "ftp" ip daddr {flow.target} dnat ip to 198.51.100.10;')
    with Passive(flow) as session:
        coming = session.announce(11001)
        _cut(pair)
        coming.open().carry()


def test_helper_given_by_a_rule(pair):
    flow = flows.make("plain")
    pair.start(flow, assign=["ftp"])
    with Passive(flow) as session:
        running = session.announce(11001).open()
        _cut(pair)
        running.carry()
        session.announce(11002).open().carry()
    assert module.OURS.parameter("auto_assign") == "N"


def test_module_comes_with_the_session(pair):
    """The spare router has not loaded the module; the kernel does so for the committed session, as for
    a rule: new sessions do not get the helper by themselves."""
    module.OURS.load(auto_assign=1)
    pair.start(flows.make("plain"))
    with Passive(flows.make("plain")) as session:
        pair.wait_until_told()
        pair.cut()
        module.OURS.unload()
        pair.take_over()
        session.announce(11001).open().carry()
        assert module.OURS.parameter("auto_assign") == "N"
        assert expected.helpers_of(pair.spare, 21) == ["ftp"]


@contextlib.contextmanager
def _nothing_is_loaded_by_itself():
    setting = Path("/proc/sys/kernel/modprobe")
    before = setting.read_text()
    setting.write_text("/bin/false")
    yield
    setting.write_text(before)


def test_control_without_module(pair):
    """A control connection that has a helper cannot be committed where there is none."""
    module.OURS.load(auto_assign=1)
    pair.start(flows.make("plain"))
    with Passive(flows.make("plain")) as session, _nothing_is_loaded_by_itself():
        running = session.announce(11001).open()
        running.carry()
        coming = session.announce(11002)
        pair.wait_until_told()
        pair.cut()
        module.OURS.unload()
        pair.take_over()
        assert expected.helpers_of(pair.spare, 21) == []
        coming.check_blocked(pair.spare)
        running.check_blocked(pair.spare)
