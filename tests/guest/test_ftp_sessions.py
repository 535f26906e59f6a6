# SPDX-License-Identifier: GPL-2.0
"""Many sessions at once, and what the administrator's tools show of helper and expectation."""

import re

import pytest

import clients
import scripted
import servers
from shell import wait_for

# 20 sessions: every client, active and passive.
MANY = [(client, mode) for client in clients.CAN for mode in ("port", "pasv")] * 2 + [("curl", "epsv")] * 4

WATCH = """table ip watch {
  counter helper { }
  counter expected { }
  chain forward {
    type filter hook forward priority mangle;
    ct state related ct helper "ftp" counter name "helper"
    ct state related ct status expected counter name "expected"
  }
}
"""


@pytest.mark.timeout(240)
def test_20_sessions_at_once(network, helper, firewall):
    """Each gets its own data connections; none is mixed up with another's."""
    rules = firewall()
    servers.vsftpd(network.server, "ipv4")
    address = network.server.address["ipv4"]
    sessions = [clients.Session(client, network.client, address, mode, name=f"session{number}")
                for number, (client, mode) in enumerate(MANY)]
    for session in sessions:
        session.check(timeout=120)
    assert rules.counts()["related"] >= len(MANY) * clients.DATA_CONNECTIONS
    assert rules.counts()["blocked"] == 0


def test_what_conntrack_shows(network, helper, firewall):
    """The control connection's helper, the expectation with its life, the RELATED connection."""
    firewall()
    network.router.run("nft -f -", stdin=WATCH)
    events = network.router.start("conntrack -E expect")
    wait_for("conntrack to listen", lambda: _has_netlink_socket(events))
    with scripted.Control(network) as control, network.server.listen("ipv4", 50000) as waiting:
        listed = network.router.run("conntrack -L -p tcp --dport 21")
        assert "helper=ftp" in listed and "ESTABLISHED" in listed

        control.server_says(scripted.passive_reply("198.51.100.10", 50000))
        [found] = scripted.expectations(network.router)
        assert (found.source, found.dest, found.port, found.helper) == ("192.0.2.10", "198.51.100.10", 50000, "ftp")
        new = re.compile(r"\[NEW\] (300|299) proto=6 src=192\.0\.2\.10 dst=198\.51\.100\.10 sport=0 dport=50000 ")
        wait_for("the event of the new expectation", lambda: new.search(events.text()))

        with network.client.connect("ipv4", network.server, 50000):
            waiting.accept()[0].close()
        assert scripted.expectations(network.router) == []
        wait_for("the event of its end", lambda: "[DESTROY]" in events.text())
        assert "helper=" not in network.router.run("conntrack -L -p tcp --dport 50000")
    listed = network.router.run("nft list counters table ip watch")
    assert listed.count("packets 1 ") == 2, f"one RELATED packet, by both rules: {listed}"


def test_nft_helper_object_is_listed(network, helper, firewall):
    firewall("nft")
    assert 'type "ftp" protocol tcp' in network.router.run("nft list ct helpers table inet firewall")


def test_only_the_ports_of_the_rule_are_helped(network, helper, firewall):
    """A control connection without the helper opens nothing."""
    rules = firewall(assign=False)
    with scripted.Control(network) as control, network.server.listen("ipv4", 50000):
        control.server_says(scripted.passive_reply("198.51.100.10", 50000))
        assert "helper=ftp" not in network.router.run("conntrack -L -p tcp --dport 21")
        assert scripted.expectations(network.router) == []
        attempt = network.client.start("busybox nc 198.51.100.10 50000")
        wait_for("the connection to be blocked", lambda: rules.counts()["blocked"])
        attempt.stop()


def _has_netlink_socket(process):
    with open(f"/proc/{process.process.pid}/net/netlink") as table:
        return any(line.split()[2] == str(process.process.pid) for line in table.readlines()[1:])
