# SPDX-License-Identifier: GPL-2.0
"""Failover: a session that another machine has tracked so far goes on here. Its entry comes through
ctnetlink, helper included, but nobody knows any more where its lines start."""

import errno

import pytest

import ctnetlink
import scripted

HALT = """table inet halt {
  chain prerouting {
    type filter hook prerouting priority -500; policy drop;
  }
}
"""


@pytest.fixture
def take_over(network, firewall):
    """take_over(control, helper): the router forgets the connection, then learns of it by netlink.
    Meanwhile nothing passes: an acknowledgement on its way would make a new entry."""

    def move(control, helper):
        network.router.run("nft -f -", stdin=HALT)
        network.router.run("conntrack -F")
        ctnetlink.create_connection(network.router, control.client.getsockname()[:2],
                                    control.client.getpeername()[:2], helper)
        network.router.run("nft delete table inet halt")

    return move


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_first_words_after_failover_count(network, helper, firewall, take_over, family):
    firewall("iptables", family)
    with scripted.Control(network, family) as control:
        take_over(control, "ftp")
        address = network.client.address[family]
        control.client_says(scripted.port_command(address, 40000))
        assert scripted.announced(network.router, family) == [(address, 40000)]
        control.check_alive()


def test_server_too(network, helper, firewall, take_over):
    firewall()
    with scripted.Control(network) as control:
        take_over(control, "ftp")
        control.server_says(scripted.passive_reply("198.51.100.10", 50000))
        assert scripted.announced(network.router) == [("198.51.100.10", 50000)]
        control.check_alive()


def test_only_the_first_words_have_the_benefit_of_the_doubt(network, helper, firewall, take_over):
    """Afterwards it is known again where lines start."""
    firewall()
    with scripted.Control(network) as control:
        take_over(control, "ftp")
        control.client_says(b"SITE ")
        control.client_says(scripted.port_command("192.0.2.10", 40000))
        assert scripted.announced(network.router) == []
        control.check_alive()


def test_control_entry_without_helper(network, helper, firewall, take_over):
    firewall()
    with scripted.Control(network) as control:
        take_over(control, None)
        control.client_says(scripted.port_command("192.0.2.10", 40000))
        assert scripted.announced(network.router) == []


def test_unknown_helper_is_refused(network, helper, firewall, take_over):
    firewall()
    with scripted.Control(network) as control, pytest.raises(OSError) as refused:
        take_over(control, "no-such-helper")
    assert refused.value.errno == errno.EOPNOTSUPP
