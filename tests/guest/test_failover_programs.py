# SPDX-License-Identifier: GPL-2.0
"""Real programs do not notice that a router was cut off in the middle of their transfers, and of the
session: what runs is completed, and the next transfer follows.

The wires are slow, so that there is time for that. The server is cut off first, a moment before the
router is, so that nothing more comes while the spare router is told."""

import pytest

import amanda_programs
import clients
import expected
import flows
import irc_programs
import servers
import tftp_programs
from helpers import AMANDA, FTP, IRC, TFTP
from shell import wait_for
from test_failover import pair  # noqa: F401  fixture

pytestmark = [pytest.mark.ours, pytest.mark.timeout(180)]


def _fail_over_at(pair, file, size):
    """As soon as something of the file has come, of which there will be `size` bytes."""
    wait_for(f"something of {file}", lambda: _size(file) > 0)
    pair.freeze()
    assert _size(file) < size, f"{file} was there before the router was cut off"
    pair.wait_until_told()
    pair.cut()
    pair.take_over()
    pair.thaw()


def _size(file):
    return file.stat().st_size if file.exists() else 0


@pytest.mark.parametrize("name, family, mode, client", [
    ("plain", "ipv4", "pasv", "lftp"), ("dnat", "ipv4", "pasv", "curl"), ("snat", "ipv4", "port", "curl"),
    ("both", "ipv4", "eprt", "tnftp"), ("both", "ipv6", "epsv", "ftplib")])
def test_ftp(network, pair, name, family, mode, client):
    """The upload of a session is interrupted, its last download comes later."""
    FTP.nat_half.load()
    flow = flows.make(name, family)
    pair.start(flow)
    pair.slow_down()
    servers.vsftpd(network.server, family)
    session = clients.Session(client, flow.client, flow.target, mode)
    _fail_over_at(pair, servers.ROOT / "upload" / session.work.name, 30_000)
    session.check(timeout=120)
    assert pair.spare.counts()["related"]
    assert len(expected.helpers_of(pair.spare, 21, family)) == 1, "the client has opened another session"


def test_tftp(network, pair):
    TFTP.nat_half.load()
    flow = flows.make("both")
    pair.start(flow)
    pair.slow_down()
    tftp_programs.start_server("in.tftpd", network.server, flow.family)
    transfer = tftp_programs.Transfer("tftp", flow.client, flow.target)
    _fail_over_at(pair, transfer.local, tftp_programs.SIZES[tftp_programs.KERNEL])
    transfer.check()
    tftp_programs.Transfer("tftp", flow.client, flow.target, name=tftp_programs.BOOT).check()
    assert pair.spare.counts()["related"]


def test_irc(network, pair):
    IRC.nat_half.load()
    flow = flows.make("snat")
    pair.start(flow)
    irc_programs.ngircd(flow.server, flow.family)
    alice = irc_programs.CLIENTS["irssi"](flow.client, "alice", flow.target)
    bob = irc_programs.CLIENTS["weechat"](flow.server, "bob", flow.server.address[flow.family])
    pair.slow_down()
    sent = alice.send_file("bob")
    _fail_over_at(pair, bob.received / f"{sent.name}.part", sent.stat().st_size)
    bob.wait_for_file(sent)
    sent.unlink()
    second = alice.make_file(20_000).rename(alice.folder / "second.bin")
    bob.wait_for_file(alice.send_file("bob", second))
    assert pair.spare.counts()["related"]


def test_amanda(network, pair):
    AMANDA.nat_half.load()
    flow = flows.make("both")
    pair.start(flow)
    pair.slow_down()
    amanda_programs.prepare(flow, "bsd")
    amanda_programs.start_machine(flow.server, "bsd")
    backup = amanda_programs.start_backup(flow.client)
    wait_for("the machine to send", lambda: any(_size(file) > amanda_programs.HEADER for file in _tapes()), 120)
    [tape] = _tapes()
    _fail_over_at(pair, tape, 300_000)
    amanda_programs.check_backup(backup, 150)


def _tapes():
    return list(amanda_programs.TAPE.glob("00001.*"))
