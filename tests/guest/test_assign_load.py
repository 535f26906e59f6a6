# SPDX-License-Identifier: GPL-2.0
"""Where the module is: in which network namespaces it looks, and how it comes in when a rule or a
NAT helper is asked for."""

import contextlib
from pathlib import Path

import pytest

import natmodule
import topology
from dcc import Session
from dialogue import Dialogue
from expected import helpers_of
from helpers import IRC
from module import OURS, STOCK
from shell import run
from test_assign import PORT, load

pytestmark = pytest.mark.ours
MODPROBE_CONF = Path("/etc/modprobe.d/ip_conntrack_rust.conf")
CONNTRACK_HOOK, OUR_HOOK = "[nf_conntrack]", "[ip_conntrack_core]"


def hooks(host):
    return host.run("nft list hooks")


def test_tracking_is_not_turned_on(network, clean, flow):
    """Our hooks are in each namespace; connection tracking is only where it was before."""
    load()
    way = flow("plain")
    with Dialogue(way) as talk:
        talk.active(PORT)
        talk.passive()
        assert CONNTRACK_HOOK in hooks(network.router) and OUR_HOOK in hooks(network.router)
        assert int(network.router.sysctl("net.netfilter.nf_conntrack_count")) >= 3
        for host in (network.client, network.server):
            assert OUR_HOOK in hooks(host)
            assert CONNTRACK_HOOK not in hooks(host)
            assert int(host.sysctl("net.netfilter.nf_conntrack_count")) == 0


def test_no_hook_without_assignment(network, clean, flow):
    load(auto_assign=0)
    flow("plain")
    assert OUR_HOOK not in hooks(network.router)


def test_one_hook_for_all_helpers(network, clean, way):
    """It is there as long as one of them wants connections, and that one gets its own."""
    load()
    alone = hooks(network.router).count(OUR_HOOK)
    IRC.ours.load()
    assert hooks(network.router).count(OUR_HOOK) == alone > 0
    OURS.unload()
    with Session(way(IRC, "plain", assign=None)):
        assert helpers_of(network.router, IRC.port) == ["irc"]
    assert hooks(network.router).count(OUR_HOOK) == alone
    IRC.ours.unload()
    assert OUR_HOOK not in hooks(network.router)


def test_namespaces_come_and_go(clean):
    """A namespace made later is looked at, too, and may go before the module or after it."""
    load()
    for name in ("early", "late"):
        run(["ip", "netns", "add", name])
        assert OUR_HOOK in hooks(topology.Host(name))
    run("ip netns del early")
    OURS.unload()
    assert OUR_HOOK not in hooks(topology.Host("late"))
    run("ip netns del late")


@contextlib.contextmanager
def hooks_listed(host):
    """Somebody lists a host's hooks all the time: the kernel looks at the records that a module registered."""
    listing = host.start(["sh", "-c", "while nft list hooks >/dev/null; do :; done"])
    yield
    assert not listing.ended(), listing.text()
    listing.stop()


def test_hooks_are_listed_while_it_comes_and_goes(network, clean, flow):
    flow("plain")
    with hooks_listed(network.router):
        for _ in range(20):
            load()
            OURS.unload()
    assert OUR_HOOK not in hooks(network.router)


@contextlib.contextmanager
def no_modprobe_conf():
    aside = Path("/tmp") / MODPROBE_CONF.name
    aside.write_bytes(MODPROBE_CONF.read_bytes())
    MODPROBE_CONF.unlink()
    try:
        yield
    finally:
        MODPROBE_CONF.write_bytes(aside.read_bytes())


@pytest.mark.parametrize("kind", ["iptables", "nft"])
def test_rule_loads_it(network, clean, flow, kind):
    """A rule that asks for helper ftp gets ours, which then helps only where a rule says so."""
    way = flow("plain", kind=kind, assign="ftp", ports=(2121,))
    assert OURS.loaded() and not STOCK.loaded()
    assert OURS.parameter("auto_assign") == "N"
    assert OUR_HOOK not in hooks(network.router)
    with Dialogue(way, 2121) as talk:
        assert helpers_of(network.router, 2121) == ["ftp"]
        talk.active(PORT)
        talk.passive()
    network.router.run("nft flush ruleset")
    way.wall.load(assign="ftp", ports=(2121,))
    way.wall.router.run("nft insert rule inet firewall wall tcp dport 21 accept" if kind == "nft"
                        else "iptables -I wall -p tcp --dport 21 -j ACCEPT")
    with Dialogue(way):
        assert helpers_of(network.router, 21) == [None]


def test_control_without_modprobe_conf(network, clean, kernel_log):
    """The stock module has the same alias, and comes first."""
    kernel_log.allow("ip_conntrack_ftp: |nf_conntrack_ftp|No such helper")
    with no_modprobe_conf():
        network.router.run("iptables -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp", check=False)
    assert STOCK.loaded() and not OURS.loaded()


def test_nat_half_pulls_in_the_conntrack_half(clean):
    """By depmod's dependencies, with its own parameters' defaults."""
    half = natmodule.NAT[OURS]
    run("modprobe ip_nat_ftp")
    try:
        assert OURS.loaded() and OURS.parameter("auto_assign") == "Y"
        assert not STOCK.loaded() and not natmodule.NAT[STOCK].loaded()
    finally:
        half.unload()


def test_nat_helper_is_asked_for_by_name(network, clean):
    """act_ct, as Open vSwitch, asks the kernel for the NAT half of a helper that is to be used with
    NAT, and the kernel for the module ip_nat_ftp."""
    half = natmodule.NAT[OURS]
    network.router.run("tc qdisc add dev to-client clsact")
    try:
        network.router.run("tc filter add dev to-client ingress protocol ip flower ip_proto tcp dst_port 21 "
                           "action ct commit nat src addr 198.51.100.200 helper ipv4-tcp-ftp")
        assert OURS.loaded() and OURS.parameter("auto_assign") == "N"
        assert half.loaded()
        assert not STOCK.loaded() and not natmodule.NAT[STOCK].loaded()
        # Held as long as it is in use.
        assert "in use" in run(["rmmod", half.name], check=False)
    finally:
        network.router.run("tc qdisc del dev to-client clsact")
        half.unload()
