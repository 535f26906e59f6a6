# SPDX-License-Identifier: GPL-2.0
"""Debian's Amanda makes a real backup through the router, plain and translated. With "bsd" each
stream has a port of its own; with "bsdudp" one port serves for all and the other numbers, beyond
65535, are none. The control is the same without the helper."""

import pytest

from amanda_programs import check_backup, check_no_backup, prepare, start_backup, start_machine
from datagrams import Wire
from helpers import AMANDA
from shell import wait_for

# Where a rule names the helper it is not for automatic assignment to find the connection.
BACKUPS = [pytest.param("plain", "bsdudp", "amanda", id="plain-bsdudp", marks=pytest.mark.ours),
           pytest.param("masquerade", "bsd", True, id="masquerade-bsd"),
           pytest.param("dnat", "bsdudp", True, id="dnat-bsdudp")]
STREAMS = {"bsd": 3, "bsdudp": 1}
# Amanda is made of many programs, all of which an emulated processor must start.
PATIENCE = 150
pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("name, auth, assign", BACKUPS)
def test_backup(network, way, name, auth, assign):
    if assign is True:
        AMANDA.nat_half.load()
    flow = way(AMANDA, name, assign=assign)
    prepare(flow, auth)
    start_machine(flow.server, auth)
    check_backup(start_backup(flow.client), PATIENCE)
    counts = flow.gate.counts()
    assert counts["related"] >= STREAMS[auth] and counts["blocked"] == 0
    if assign == "amanda":
        assert AMANDA.ours.parameter("auto_assign") == "N"
        assert not AMANDA.stock.loaded()


@pytest.mark.parametrize("auth", STREAMS)
def test_control_without_helper(network, way, auth):
    flow = way(AMANDA, "plain", assign=None)
    prepare(flow, auth)
    start_machine(flow.server, auth)
    with Wire(flow.client) as wire:
        backup = start_backup(flow.client)
        wait_for("the machine to say its ports",
                 lambda: any(b"\nCONNECT " in one.payload for one in wire.read()), PATIENCE)
    wait_for("the firewall to block the backup server", lambda: flow.gate.counts()["blocked"])
    assert flow.gate.counts()["related"] == 0
    backup.stop()
    check_no_backup()
