# SPDX-License-Identifier: GPL-2.0
"""Real clients and real servers through the router: with the helper every transfer succeeds, and
without it the very same one fails, because its data connection is blocked.

Every client in every mode it can be made to use meets both servers and both firewalls."""

import pytest

import clients
import servers
from shell import wait_for

ABILITIES = [(client, mode, family) for client, families in clients.CAN.items()
             for family, modes in families.items() for mode in modes]
SCENARIOS = [(server, *ability, ("iptables", "nft")[(number + offset) % 2])
             for number, ability in enumerate(ABILITIES)
             for offset, server in enumerate(servers.KINDS)]
scenarios = pytest.mark.parametrize(
    "server, client, mode, family, wall", SCENARIOS, ids=["-".join(scenario) for scenario in SCENARIOS])


@scenarios
def test_transfer(network, helper, firewall, server, client, mode, family, wall):
    rules = firewall(wall, family)
    servers.KINDS[server](network.server, family)
    session = clients.Session(client, network.client, network.server.address[family], mode)
    session.check()
    assert rules.counts()["related"] >= clients.DATA_CONNECTIONS
    assert rules.counts()["blocked"] == 0


@scenarios
def test_control_without_helper(network, firewall, server, client, mode, family, wall):
    rules = firewall(wall, family, assign=False)
    servers.KINDS[server](network.server, family)
    session = clients.Session(client, network.client, network.server.address[family], mode)
    # The first attempt to open the data connection and its repetition are dropped.
    wait_for("the firewall to block the data connection", lambda: rules.counts()["blocked"] >= 2)
    assert session.modes_used() == {mode}
    session.process.stop()
    session.check_nothing_came()
    assert rules.counts()["related"] == 0
