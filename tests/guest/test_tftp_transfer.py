# SPDX-License-Identifier: GPL-2.0
"""Real TFTP clients and servers through the router: with the helper every transfer succeeds, and
without it the very same one fails, because what the server answers is blocked."""

import pytest

import topology
from datagrams import Wire
from helpers import TFTP
from shell import wait_for
from tftp_programs import BLOCK_SIZE, BOOT, CLIENTS, HAS_BLOCK_SIZE, KERNEL, SERVERS, Transfer, start_server

DATA = b"\0\3"
scenarios = pytest.mark.parametrize(
    "server, client, family", [(s, c, f) for s in SERVERS for c in CLIENTS for f in topology.FAMILIES])


@scenarios
def test_transfers(network, gate, server, client, family):
    """Read and write requests, one after the other, and where the client can with larger blocks."""
    TFTP.conntrack_half.load()
    rules = gate(TFTP, family)
    start_server(server, network.server, family)
    address = network.server.address[family]
    with Wire(network.client) as wire:
        Transfer(client, network.client, address, "get", BOOT).check()
        Transfer(client, network.client, address, "get", KERNEL).check()
        Transfer(client, network.client, address, "put", "upload.bin").check()
        largest = max(len(one.payload) for one in wire.read() if one.payload.startswith(DATA))
        assert largest == 4 + 512
        transfers = 3
        if client in HAS_BLOCK_SIZE:
            Transfer(client, network.client, address, "get", KERNEL, BLOCK_SIZE).check()
            largest = max(len(one.payload) for one in wire.read() if one.payload.startswith(DATA))
            assert largest == 4 + BLOCK_SIZE
            transfers = 4
    counts = rules.counts()
    assert counts["related"] >= transfers
    assert counts["blocked"] == 0


@scenarios
def test_control_without_helper(network, gate, server, client, family):
    rules = gate(TFTP, family, assign=None)
    start_server(server, network.server, family)
    transfer = Transfer(client, network.client, network.server.address[family])
    wait_for("the firewall to block the server's answer", lambda: rules.counts()["blocked"])
    transfer.check_nothing_came()
    assert rules.counts()["related"] == 0


@pytest.mark.ours
def test_explicit_assignment(network, gate):
    """A rule names the helper; that alone loads the module, which then finds nothing by itself."""
    rules = gate(TFTP, assign="tftp")
    start_server("in.tftpd", network.server, "ipv4")
    Transfer("tftp", network.client, network.server.address["ipv4"]).check()
    assert rules.counts()["related"] >= 1
    assert rules.counts()["blocked"] == 0
    assert TFTP.ours.parameter("auto_assign") == "N"
    assert not TFTP.stock.loaded()


def test_two_transfers_at_once_from_one_client(network, gate):
    """Both with programs that take their time, so that they overlap."""
    TFTP.conntrack_half.load()
    rules = gate(TFTP)
    start_server("in.tftpd", network.server, "ipv4")
    address = network.server.address["ipv4"]
    one = Transfer("atftp", network.client, address, "get", KERNEL)
    other = Transfer("curl", network.client, address, "put", "upload.bin")
    assert not one.process.ended()
    one.check()
    other.check()
    assert rules.counts()["blocked"] == 0
