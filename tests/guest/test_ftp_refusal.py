# SPDX-License-Identifier: GPL-2.0
"""What must not open anything, or harm anything: announcements of other hosts' addresses, and
payload that makes no sense. In the end the control connection is alive and does its work."""

import random

import pytest

import module
import topology
from scripted import Control, announced, numbers, passive_reply, port_command
from shell import wait_for

GARBAGE = {
    "binary": random.Random(1).randbytes(65536).replace(b"\n", b"\0"),
    "letters": b"A" * 65536,
    "zeros": bytes(65536),
    "high": b"\xff" * 65536,
    "digits": b"1" * 65536,
    "commas": b"1," * 32768,
    "lines": b"\r\n" * 2000,
    "telnet": b"\xff\xf4\xff\xf2ABOR\r\n",
}
AT_THE_SERVER = [("198.51.100.10", 50000)] if module.under_test() is module.OURS else []
THIRD = {family: topology.Host("third").address[family] for family in topology.FAMILIES}


def _check_refused(rules, opener, address, port):
    """The connection does not come about: the firewall drops its first packet."""
    before = rules.counts()["blocked"]
    attempt = opener.start(f"busybox nc {address} {port}")
    wait_for("the connection to be blocked", lambda: rules.counts()["blocked"] > before)
    attempt.stop()


def test_227_of_another_host(network, helper, firewall):
    """An address that is not the server's own is not opened. Ours takes it for the server's own port, as
    clients do that know of NAT."""
    rules = firewall()
    with Control(network) as control, network.third.listen("ipv4", 50000):
        control.server_says(passive_reply(THIRD["ipv4"], 50000))
        assert announced(network.router) == AT_THE_SERVER
        _check_refused(rules, network.client, THIRD["ipv4"], 50000)
        control.check_alive()


def test_227_of_another_host_with_loose(network, helper, firewall):
    """loose=1, which an administrator may set at any time, opens it, and only it."""
    firewall()
    helper.set_parameter("loose", 1)
    with Control(network) as control, network.third.listen("ipv4", 50000) as waiting:
        control.server_says(passive_reply(THIRD["ipv4"], 50000))
        assert announced(network.router) == [(THIRD["ipv4"], 50000)]
        with network.client.connect("ipv4", network.third, 50000):
            waiting.accept()[0].close()
        helper.set_parameter("loose", 0)
        control.server_says(passive_reply(THIRD["ipv4"], 50001))
        assert announced(network.router) == [(address, 50001) for address, _ in AT_THE_SERVER]
        control.check_alive()


@pytest.mark.parametrize("family", topology.FAMILIES)
def test_port_of_another_host(network, helper, firewall, family):
    """The FTP bounce attack: a client names somebody else's address."""
    rules = firewall("iptables", family)
    with Control(network, family) as control, network.third.listen(family, 40000):
        control.client_says(port_command(THIRD[family], 40000))
        assert announced(network.router, family) == []
        _check_refused(rules, network.server, THIRD[family], 40000)
        control.check_alive()


def test_port_of_another_host_with_loose(network, helper, firewall):
    firewall()
    helper.set_parameter("loose", 1)
    with Control(network) as control:
        control.client_says(port_command(THIRD["ipv4"], 40000))
        assert announced(network.router) == [(THIRD["ipv4"], 40000)]


@pytest.mark.ours
@pytest.mark.parametrize("family", topology.FAMILIES)
@pytest.mark.parametrize("side", ["client", "server"])
def test_privileged_port(network, helper, firewall, family, side):
    """What waits below 1024 are a machine's own services; the stock module opens them."""
    rules = firewall("iptables", family)
    announcer, opener = (network.client, network.server) if side == "client" else (network.server, network.client)
    address = announcer.address[family]
    with Control(network, family) as control:
        say, line = (control.client_says, port_command) if side == "client" else (control.server_says, passive_reply)
        for port in (1, 22, 1023):
            say(line(address, port))
            assert announced(network.router, family) == []
        with announcer.listen(family, 1023):
            _check_refused(rules, opener, address, 1023)
        say(line(address, 1024))
        assert announced(network.router, family) == [(address, 1024)]
        helper.set_parameter("allow_privileged", 1)
        say(line(address, 22))
        assert announced(network.router, family) == [(address, 22)]
        helper.set_parameter("allow_privileged", 0)
        control.check_alive()


@pytest.mark.ours
def test_loose_does_not_open_privileged_ports(network, helper, firewall):
    firewall()
    helper.set_parameter("loose", 1)
    with Control(network) as control:
        control.server_says(passive_reply(THIRD["ipv4"], 22))
        assert announced(network.router) == []


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage(network, helper, firewall, kind, side):
    """64 KiB without a line's end, binary and otherwise, arrives as it is and opens nothing."""
    firewall()
    with Control(network) as control:
        say = control.client_says if side == "client" else control.server_says
        say(GARBAGE[kind])
        assert announced(network.router) == []
        say(b"\r\n")
        control.check_alive()


OVERLONG = {
    "PORT-digits": ("client", b"PORT " + b"1" * 3000),
    "PORT-commas": ("client", b"PORT " + b"1," * 30000),
    "EPRT-address": ("client", b"EPRT |1|" + b"1." * 30000),
    "EPRT-port": ("client", b"EPRT |1|192.0.2.10|" + b"4" * 60000),
    "227-text": ("server", b"227 " + b"Entering " * 7000),
    "227-digits": ("server", b"227 Entering Passive Mode (" + b"1" * 60000),
    "229-text": ("server", b"229 " + b"Entering " * 7000),
    "229-port": ("server", b"229 (|||" + b"5" * 60000),
}


@pytest.mark.ours
@pytest.mark.parametrize("kind", OVERLONG)
def test_overlong_announcement(network, helper, firewall, kind):
    """A line that begins like an announcement and goes on for ever; the stock module stalls it."""
    firewall()
    side, line = OVERLONG[kind]
    with Control(network) as control:
        say = control.client_says if side == "client" else control.server_says
        say(line)
        assert announced(network.router) == []
        say(b"\r\n")
        control.check_alive()


NONSENSE = {
    "227-no-numbers": ("server", b"227 Logout.\r\n"),
    "227-few-numbers": ("server", b"227 Entering Passive Mode (198,51,100,10,195)\r\n"),
    "229-no-numbers": ("server", b"229 Entering Extended Passive Mode\r\n"),
    "229-no-port": ("server", b"229 Entering Extended Passive Mode (||||)\r\n"),
    "PORT-empty": ("client", b"PORT\r\n"),
    "PORT-few-numbers": ("client", b"PORT 192,0,2\r\n"),
    "PORT-letters": ("client", b"PORT a,b,c,d,e,f\r\n"),
    "EPRT-no-protocol": ("client", b"EPRT ||192.0.2.10|40000|\r\n"),
    "EPRT-other-protocol": ("client", b"EPRT |3|192.0.2.10|40000|\r\n"),
    "EPRT-mixed": ("client", b"EPRT |1!192.0.2.10|40000|\r\n"),
}


@pytest.mark.ours
@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_passes_untouched(network, helper, firewall, kind):
    """A finished line that announces nothing is nobody's business; the stock module drops some."""
    firewall()
    side, line = NONSENSE[kind]
    with Control(network) as control:
        (control.client_says if side == "client" else control.server_says)(line)
        assert announced(network.router) == []
        control.check_alive()


def test_other_port_is_not_helped(network, helper, firewall):
    """The data connection may use the announced port only."""
    rules = firewall()
    with Control(network) as control, network.server.listen("ipv4", 50001):
        control.server_says(b"227 Entering Passive Mode (%s)\r\n" % numbers("198.51.100.10", 50000))
        _check_refused(rules, network.client, "198.51.100.10", 50001)
