# SPDX-License-Identifier: GPL-2.0
"""Automatic assignment: after a plain modprobe, connections to FTP ports have the helper, though no
rule says so; and where a rule says something else, that counts."""

import re

import pytest

import clients
import servers
import topology
from dialogue import Dialogue, carry
from expected import helpers_of
from module import OURS
from scripted import announced, port_command
from shell import run, wait_for

pytestmark = pytest.mark.ours
PORT = 40000
KINDS = ("iptables", "nft")


def load(**parameters):
    OURS.load(**{"auto_assign": 1, **parameters})


MODES = [("ipv4", "port"), ("ipv4", "pasv"), ("ipv6", "eprt"), ("ipv6", "epsv")]


@pytest.mark.parametrize("family, mode", MODES)
def test_plain_modprobe_is_enough(network, clean, flow, family, mode):
    run("modprobe ip_conntrack_ftp")
    way = flow("plain", family, kind=KINDS[mode in ("port", "epsv")])
    servers.vsftpd(way.server, family)
    session = clients.Session("curl", way.client, way.target, mode)
    session.check()
    assert "ftp" in helpers_of(network.router, 21, family)
    assert way.wall.counts()["related"] >= clients.DATA_CONNECTIONS


@pytest.mark.parametrize("loaded", [False, True], ids=["no-module", "auto_assign=0"])
@pytest.mark.parametrize("family, mode", MODES[::3])
def test_control_without_assignment(network, clean, flow, family, mode, loaded):
    if loaded:
        load(auto_assign=0)
    way = flow("plain", family)
    servers.vsftpd(way.server, family)
    session = clients.Session("curl", way.client, way.target, mode)
    wait_for("the firewall to block the data connection", lambda: way.wall.counts()["blocked"])
    assert set(helpers_of(network.router, 21, family)) == {None}
    session.process.stop()
    session.check_nothing_came()


@pytest.mark.parametrize("ports, helped, not_helped", [
    ("2121", [2121], [21]),
    ("21,2121", [21, 2121], [2122]),
    (",".join(str(port) for port in range(2001, 2017)), [2001, 2016], [21, 2017]),
])
def test_ports(network, clean, flow, ports, helped, not_helped):
    load(ports=ports)
    assert OURS.parameter("ports") == ports
    way = flow("plain", ports=(*helped, *not_helped))
    for port in helped:
        with Dialogue(way, port) as talk:
            assert helpers_of(network.router, port) == ["ftp"]
            talk.active(PORT)
            talk.passive()
    for port in not_helped:
        with Dialogue(way, port) as talk:
            talk.client_says(port_command(way.client.address["ipv4"], PORT))
            assert helpers_of(network.router, port) == [None]
            assert announced(network.router) == []


@pytest.mark.parametrize("ports, reason", [
    ("0", "ports=0 is no port"),
    ("21,0", "ports=0 is no port"),
    ("70000", "`70000' invalid for parameter `ports'"),
    ("-1", "`-1' invalid for parameter `ports'"),
    ("ftp", "`ftp' invalid for parameter `ports'"),
    (",".join(str(port) for port in range(2001, 2018)), "ports: can only take 16 arguments"),
])
def test_bad_ports_are_refused(clean, kernel_log, ports, reason):
    refused = run(["modprobe", OURS.name, f"ports={ports}"], check=False)
    assert "Invalid argument" in refused or "out of range" in refused
    assert not OURS.loaded()
    assert any(reason in line for line in kernel_log.lines()), kernel_log.lines()
    kernel_log.allow(re.escape(reason))
    kernel_log.allow("ip_conntrack_ftp: ")
    # And a good one after that.
    load(ports=2121)


def test_parameters_in_sysfs(clean):
    """Visible to all, fixed at load time."""
    run("modprobe ip_conntrack_ftp")
    assert (OURS.parameter("ports"), OURS.mode("ports")) == ("21", 0o444)
    assert (OURS.parameter("auto_assign"), OURS.mode("auto_assign")) == ("Y", 0o444)
    OURS.unload()
    load(ports="21,2121", auto_assign=0)
    assert OURS.parameter("ports") == "21,2121"
    assert OURS.parameter("auto_assign") == "N"
    described = run("modinfo -p ip_conntrack_ftp")
    assert re.search(r"^ports:.+\(array of ushort\)$", described, re.MULTILINE)
    assert re.search(r"^auto_assign:.+\(bool\)$", described, re.MULTILINE)


@pytest.fixture
def sane():
    """Another helper for TCP."""
    run("modprobe nf_conntrack_sane")
    yield "sane"


@pytest.mark.parametrize("kind", KINDS)
def test_explicit_helper_wins(network, clean, flow, sane, kind):
    load()
    way = flow("plain", kind=kind, assign=sane)
    with Dialogue(way) as talk:
        talk.client_says(port_command(way.client.address["ipv4"], PORT))
        assert helpers_of(network.router, 21) == [sane]
        assert announced(network.router) == []


LATE = """table inet late {{
  ct helper other {{ type "{helper}" protocol tcp; }}
  chain late {{ type filter hook {hook} priority {priority}; tcp dport 21 ct helper set "other"; }}
}}
"""


@pytest.mark.parametrize("priority", [299, 301, 2147483644])
@pytest.mark.parametrize("hook", ["postrouting", "input"])
def test_explicit_helper_wins_however_late(network, clean, flow, sane, hook, priority):
    """Where the client's or the server's first packet leaves conntrack, before and behind NAT."""
    load()
    way = flow("plain" if hook == "postrouting" else "redirect")
    network.router.run("nft -f -", stdin=LATE.format(helper=sane, hook=hook, priority=priority))
    with Dialogue(way) as talk:
        talk.client_says(port_command(way.client.address["ipv4"], PORT))
        assert helpers_of(network.router, 21) == [sane]
        assert announced(network.router) == []


NOTRACK = {"iptables": "-A PREROUTING -p tcp -j CT --notrack", "nft": "meta l4proto tcp notrack;"}


@pytest.mark.parametrize("kind", KINDS)
def test_notrack_wins(network, clean, flow, kind):
    load()
    way = flow("plain", kind=kind, raw=NOTRACK[kind], untracked=True)
    with Dialogue(way) as talk:
        talk.client_says(port_command(way.client.address["ipv4"], PORT))
        talk.chat()
        assert helpers_of(network.router, 21) == []
        assert announced(network.router) == []


ZONE = {"iptables": "-A PREROUTING -j CT --zone 5", "nft": "ct zone set 5;"}


@pytest.mark.parametrize("kind", KINDS)
def test_zone(network, clean, flow, kind):
    """A rule that only sets the zone says nothing of helpers; what is expected is in the zone, too."""
    load()
    way = flow("plain", kind=kind, raw=ZONE[kind])
    with Dialogue(way) as talk:
        assert "zone=5" in network.router.run("conntrack -L -p tcp --orig-port-dst 21")
        assert helpers_of(network.router, 21) == ["ftp"]
        talk.active(PORT)
        talk.passive()


def test_dnat_from_another_port(network, clean, nat_helper, flow):
    """The server's own port counts, not the one that the client connects to."""
    way = flow("plain")
    way.wall.router.run("nft flush ruleset")
    way.target = "192.0.2.1"
    way.wall.load(nat=(("dnat", way.target, "198.51.100.10:21"),), ports=(2100, 21))
    with Dialogue(way, port=21, via=2100) as talk:
        assert helpers_of(network.router, 2100) == ["ftp"]
        # With what it takes to change lengths.
        talk.active(PORT)
        talk.passive()
        talk.passive()
        talk.chat()


def test_dnat_to_another_port(network, clean, flow):
    """Port 21 of the router, behind which there is no FTP server."""
    load()
    way = flow("plain")
    way.wall.router.run("nft flush ruleset")
    way.target = "192.0.2.1"
    way.wall.load(nat=(("dnat", way.target, "198.51.100.10:2100"),), ports=(21, 2100))
    with Dialogue(way, port=2100, via=21):
        assert helpers_of(network.router, 21) == [None]


def test_data_connection_gets_none(network, clean, flow):
    """It is related already, though it goes to port 21."""
    load(allow_privileged=1)
    way = flow("plain")
    with Dialogue(way) as talk, way.client.listen("ipv4", 21) as waiting:
        talk.client_says(port_command(way.client.address["ipv4"], 21))
        carry(way.server, "ipv4", way.seen_as, 21, waiting)
        listed = network.router.run("conntrack -L -p tcp --orig-port-dst 21")
        data = [line for line in listed.splitlines() if "src=198.51.100.10 dst=192.0.2.10" in line.split("dport")[0]]
        assert len(data) == 1 and "helper=" not in data[0]
        assert sorted(helpers_of(network.router, 21), key=str) == [None, "ftp"]


def test_router_itself(network, clean, flow):
    """A client on the router, and a server on it."""
    load()
    for name in ("client", "server"):
        way = flow("plain")
        router = topology.Host("router")
        router.address = {"ipv4": "198.51.100.1" if name == "client" else "192.0.2.1"}
        setattr(way, name, router)
        way.seen_as, way.target = way.client.address["ipv4"], way.server.address["ipv4"]
        with Dialogue(way) as talk:
            assert "ftp" in helpers_of(network.router, 21)
            talk.active(PORT)
            talk.passive()
            talk.chat()
        network.router.run("nft flush ruleset")
        network.router.run("conntrack -F")
