# SPDX-License-Identifier: GPL-2.0
"""Which connections have a helper, of whichever protocol: those to its ports, or those that a rule
names it for. Each exchange announces a connection, which comes about only with the helper."""

import contextlib
from pathlib import Path

import pytest

import exchange
import expected
import flows
from datagrams import Socket
from helpers import TFTP
from shell import wait_for

pytestmark = pytest.mark.ours
each = pytest.mark.parametrize("kind", exchange.KINDS.values(), ids=exchange.KINDS)


# How many expectations there may be in all namespaces together.
EXPECT_MAX = Path("/proc/sys/net/netfilter/nf_conntrack_expect_max")


@contextlib.contextmanager
def _no_room(network):
    """One expectation is all that there may be, and is there: for the router, which has asked for a
    file."""
    before = EXPECT_MAX.read_text()
    with Socket(flows.router_as("ipv4"), "ipv4") as asking:
        asking.send(exchange.Tftp.REQUEST, (network.server.address["ipv4"], TFTP.port))
        assert expected.ports(network.router) == [asking.port]
        EXPECT_MAX.write_text("1")
        try:
            yield
            assert expected.ports(network.router) == [asking.port]
        finally:
            EXPECT_MAX.write_text(before)
            network.router.run("conntrack -F")


def _helpers(network, flow, kind, port):
    return expected.helpers_of(network.router, port, flow.family, kind.helper.transport)


def _check_helped(network, flow, kind, port):
    with kind(flow, port) as one:
        assert _helpers(network, flow, kind, port) == [kind.helper.name]
        assert len(expected.listed(network.router, flow.family)) == 1
        one.succeed()
        assert expected.listed(network.router, flow.family) == []


def _check_not_helped(network, flow, kind, port):
    before = flow.gate.counts()["blocked"]
    with kind(flow, port) as one:
        assert _helpers(network, flow, kind, port) == [None]
        assert expected.listed(network.router, flow.family) == []
        one.attempt()
        wait_for("the firewall to block it", lambda: flow.gate.counts()["blocked"] > before)


# In steps from the protocol's own port.
@each
@pytest.mark.parametrize("ports, helped, not_helped", [((0, 1), (1, 0), (2,)), ((1,), (1,), (0,))],
                         ids=["two", "another"])
def test_ports(network, way, kind, ports, helped, not_helped):
    ports, helped, not_helped = ([kind.helper.port + step for step in steps] for steps in (ports, helped, not_helped))
    kind.helper.ours.load(ports=",".join(map(str, ports)))
    flow = way(kind.helper, "plain", ports=helped + not_helped)
    for port in helped:
        _check_helped(network, flow, kind, port)
    for port in not_helped:
        _check_not_helped(network, flow, kind, port)


@each
@pytest.mark.parametrize("loaded", [False, True], ids=["no-module", "auto_assign=0"])
def test_control_without_assignment(network, way, kind, loaded):
    if loaded:
        kind.helper.ours.load(auto_assign=0)
    _check_not_helped(network, way(kind.helper, "plain"), kind, kind.helper.port)


@each
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_nft_object(network, way, kind, family):
    """Declaring the object loads the module, which then helps only where a rule says so."""
    assert not kind.helper.ours.loaded()
    ports = [kind.helper.port, kind.helper.port + 1]
    flow = way(kind.helper, "plain", family, kind="nft", assign=kind.helper.name, ports=ports)
    assert kind.helper.ours.parameter("auto_assign") == "N" and not kind.helper.stock.loaded()
    for port in ports:
        _check_helped(network, flow, kind, port)
    assert flow.gate.counts()["related"] == 2 and flow.gate.counts()["blocked"] == 0
    # The control: the same rules but for the object and the rule that sets it.
    network.router.run("nft flush ruleset")
    flow.gate.load(ports=ports)
    network.router.run("conntrack -F")
    _check_not_helped(network, flow, kind, ports[0])


@each
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_nft_object_and_nat(network, way, kind, family):
    kind.helper.ours.load(auto_assign=0)
    kind.helper.ours_nat.load()
    flow = way(kind.helper, "masquerade", family, kind="nft", assign=kind.helper.name)
    _check_helped(network, flow, kind, kind.helper.port)
    assert flow.gate.counts()["blocked"] == 0


@each
@pytest.mark.parametrize("name", ["plain", "masquerade"])
def test_no_room_for_an_expectation(network, way, kernel_log, kind, name):
    """What is said passes, whether it can come true or not; as soon as there is room it does."""
    kernel_log.allow("nf_conntrack: expectation table full")
    kind.helper.ours_nat.load()
    TFTP.ours.load()
    flow = way(kind.helper, name)
    with _no_room(network), kind(flow) as one:
        assert _helpers(network, flow, kind, kind.helper.port)[-1] == kind.helper.name
        one.attempt()
        wait_for("the firewall to block it", lambda: flow.gate.counts()["blocked"])
    _check_helped(network, flow, kind, kind.helper.port)
