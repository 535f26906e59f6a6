# SPDX-License-Identifier: GPL-2.0
"""TFTP through address translation: nothing is rewritten in it, but what the server answers must
find its way back. The control of each kind is the same without the NAT half."""

import contextlib

import pytest

import expected
import topology
from datagrams import Socket
from helpers import TFTP
from netboot import boot
from shell import wait_for
from tftp_programs import BOOT, KERNEL, ROOT, Transfer, start_server

FLOWS = [("snat", "ipv4"), ("masquerade", "ipv4"), ("dnat", "ipv4"), ("both", "ipv4"),
         ("snat", "ipv6"), ("masquerade", "ipv6"), ("dnat", "ipv6"), ("both", "ipv6")]
IDS = ["-".join(flow) for flow in FLOWS]


@pytest.fixture
def nat():
    TFTP.nat_half.load()


@pytest.mark.parametrize("number", range(len(FLOWS)), ids=IDS)
def test_transfers(network, nat, way, number):
    name, family = FLOWS[number]
    flow = way(TFTP, name, family)
    start_server(("in.tftpd", "atftpd")[number % 2], flow.server, family)
    client = ("tftp", "atftp", "curl")[number % 3]
    Transfer(client, flow.client, flow.target, "get", KERNEL).check()
    Transfer(client, flow.client, flow.target, "put", "upload.bin").check()
    assert flow.gate.counts()["blocked"] == 0


@pytest.mark.parametrize("name, family", [("snat", "ipv4"), ("dnat", "ipv4"), ("both", "ipv6")])
def test_control_without_nat_half(network, way, name, family):
    """The way is open, but leads to an address that the client does not know."""
    TFTP.conntrack_half.load()
    flow = way(TFTP, name, family)
    with Socket(flow.client, family) as client, Socket(flow.server, family, TFTP.port) as server:
        client.send(b"\0\1boot.bin\0octet\0", (flow.target, TFTP.port))
        peer = server.receive()[1]
        with Socket(flow.server, family) as transfer:
            transfer.send(b"\0\3\0\1data", peer)
            if name == "dnat":
                # It reaches the client, from an address that it never asked.
                assert client.receive()[1][0] == flow.server.address[family] != flow.target
            else:
                wait_for("the router to get the answer for itself", lambda: flow.gate.counts()["related"])
                assert not client.is_readable()


@pytest.mark.ours
def test_server_on_the_router(network, nat, way):
    """It also answers the router itself, of which no rule for others' packets takes notice."""
    flow = way(TFTP, "redirect")
    start_server("atftpd", flow.server, "ipv4")
    Transfer("curl", flow.client, flow.target, "get", KERNEL).check()
    assert flow.gate.counts()["blocked"] == 0


@pytest.mark.parametrize("name, server", [
    ("snat", "in.tftpd"), ("masquerade", "atftpd"), ("dnat", "in.tftpd"), ("both", "atftpd")])
def test_boot_from_the_network(network, nat, way, name, server):
    """What a PXE boot ROM does, always from the same port: sizes asked for, options, small files
    that are not there, one after the other."""
    flow = way(TFTP, name)
    start_server(server, flow.server, "ipv4")
    (ROOT / "pxelinux.cfg").mkdir()
    (ROOT / "pxelinux.cfg/default").write_bytes(b"default linux\n")
    loaded = boot(flow.client, flow.target, [BOOT, "pxelinux.cfg/01-02-00-5e-10-00-00", "pxelinux.cfg/C000020A",
                                             "pxelinux.cfg/default", KERNEL])
    assert loaded == {one: (ROOT / one).read_bytes() for one in (BOOT, "pxelinux.cfg/default", KERNEL)}
    assert flow.gate.counts()["blocked"] == 0


@pytest.mark.parametrize("family", topology.FAMILIES)
def test_two_clients_behind_one_address(network, nat, way, family):
    """Both from the same port; each gets what it asked for."""
    flow = way(TFTP, "masquerade", family)
    to = (flow.target, TFTP.port)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Socket(host, family, 2070)) for host in (network.client, network.third)]
        server = stack.enter_context(Socket(flow.server, family, TFTP.port))
        peers = []
        for number, client in enumerate(clients):
            request = b"\0\1file%d\0octet\0" % number
            client.send(request, to)
            peers.append(server.hears(request))
            # Sent again it comes from the same port, and nothing more is expected.
            client.send(request, to)
            assert server.hears(request) == peers[-1]
            assert len(expected.listed(network.router, family)) == number + 1
        assert {address for address, _ in peers} == {flow.seen_as}
        assert peers[0][1] != peers[1][1]
        transfers = [stack.enter_context(Socket(flow.server, family)) for _ in clients]
        for number in (1, 0):
            transfers[number].send(b"\0\3\0\1file%d" % number, peers[number])
        for number, client in enumerate(clients):
            assert client.hears(b"\0\3\0\1file%d" % number) == (flow.target, transfers[number].port)
            client.send(b"\0\4\0\1", (flow.target, transfers[number].port))
            assert transfers[number].hears(b"\0\4\0\1") == peers[number]
    assert flow.gate.counts()["blocked"] == 0


@pytest.mark.parametrize("name", ["snat", "dnat", "both"])
def test_only_the_server(network, nat, way, name):
    """Neither another host, nor another port of the address that the server knows."""
    flow = way(TFTP, name)
    with Socket(flow.client, "ipv4") as client, Socket(flow.server, "ipv4", TFTP.port) as server, \
            Socket(network.third, "ipv4") as third, Socket(flow.server, "ipv4") as transfer:
        client.send(b"\0\1boot.bin\0octet\0", (flow.target, TFTP.port))
        address, port = server.hears(b"\0\1boot.bin\0octet\0")
        third.send(b"\0\3\0\1forged", (address, port))
        transfer.send(b"\0\3\0\1astray", (address, port + 1))
        wait_for("the firewall to block both", lambda: flow.gate.counts()["blocked"] == 2)
        transfer.send(b"\0\3\0\1true", (address, port))
        assert client.hears(b"\0\3\0\1true") == (flow.target, transfer.port)
        assert not client.is_readable()


def test_real_clients_behind_one_address(network, nat, way):
    flow = way(TFTP, "snat")
    start_server("atftpd", flow.server, "ipv4")
    transfers = [Transfer("curl", network.client, flow.target, "get", KERNEL, 1400),
                 Transfer("tftp", network.third, flow.target, "get", KERNEL),
                 Transfer("atftp", network.client, flow.target, "put", "upload.bin")]
    for transfer in transfers:
        transfer.check()
    assert flow.gate.counts()["blocked"] == 0
