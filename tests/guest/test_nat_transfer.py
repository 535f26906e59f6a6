# SPDX-License-Identifier: GPL-2.0
"""Real clients and real servers through address translation. Every transfer is complete, and the
control connection was captured on both sides of the router: what one side heard is what the other
said, except for the announcements, to the byte.

The control of each kind of translation is the same without the NAT half."""

import contextlib

import pytest

import clients
import servers
from capture import Capture
from shell import wait_for

SCENARIOS = [
    # translation, family, mode, client, server
    ("snat", "ipv4", "port", "curl", "vsftpd"),
    ("snat", "ipv4", "eprt", "tnftp", "pure-ftpd"),
    ("snat", "ipv4", "pasv", "lftp", "vsftpd"),
    ("masquerade", "ipv4", "port", "lftp", "vsftpd"),
    ("masquerade", "ipv4", "eprt", "curl", "pure-ftpd"),
    ("snat-shorter", "ipv4", "port", "ftplib", "vsftpd"),
    ("snat-shorter", "ipv4", "eprt", "tnftp", "vsftpd"),
    ("snat-equal", "ipv4", "port", "tnftp", "pure-ftpd"),
    ("dnat", "ipv4", "pasv", "curl", "vsftpd"),
    ("dnat", "ipv4", "epsv", "lftp", "pure-ftpd"),
    ("dnat", "ipv4", "port", "tnftp", "vsftpd"),
    ("dnat-longer", "ipv4", "pasv", "tnftp", "pure-ftpd"),
    ("redirect", "ipv4", "pasv", "lftp", "vsftpd"),
    ("redirect", "ipv4", "epsv", "curl", "pure-ftpd"),
    ("redirect", "ipv4", "port", "tnftp", "vsftpd"),
    ("both", "ipv4", "port", "lftp", "pure-ftpd"),
    ("both", "ipv4", "pasv", "ftplib", "vsftpd"),
    ("both", "ipv4", "eprt", "tnftp", "vsftpd"),
    ("both", "ipv4", "epsv", "curl", "vsftpd"),
    ("snat", "ipv6", "eprt", "lftp", "vsftpd"),
    ("masquerade", "ipv6", "eprt", "tnftp", "pure-ftpd"),
    ("dnat", "ipv6", "epsv", "curl", "vsftpd"),
    ("redirect", "ipv6", "epsv", "lftp", "pure-ftpd"),
    ("both", "ipv6", "eprt", "curl", "vsftpd"),
    ("both", "ipv6", "epsv", "tnftp", "vsftpd"),
]
# Each kind where an announcement must be rewritten, or its connection translated.
CONTROLS = [
    ("snat", "ipv4", "port", "curl", "vsftpd"),
    ("masquerade", "ipv4", "eprt", "curl", "pure-ftpd"),
    ("snat-shorter", "ipv4", "port", "tnftp", "vsftpd"),
    ("dnat", "ipv4", "pasv", "curl", "vsftpd"),
    ("dnat", "ipv4", "epsv", "tnftp", "pure-ftpd"),
    ("dnat-longer", "ipv4", "pasv", "tnftp", "vsftpd"),
    ("redirect", "ipv4", "pasv", "curl", "vsftpd"),
    ("both", "ipv4", "port", "tnftp", "vsftpd"),
    ("snat", "ipv6", "eprt", "tnftp", "vsftpd"),
    ("dnat", "ipv6", "epsv", "tnftp", "vsftpd"),
]
# TCP may repeat a little by itself where the machine is slow; a stream that is out of step repeats
# until it breaks.
REPEATED = 200


def _ids(scenarios):
    return ["-".join(scenario) for scenario in scenarios]


def _assign(number):
    """Walls and ways to the helper alternate."""
    return {"kind": ("iptables", "nft")[number % 2], "assign": (None, "ftp")[number // 2 % 2]}


@contextlib.contextmanager
def _captured(way):
    with Capture(way.client) as near:
        if way.server.name == "router":
            yield near, None
        else:
            with Capture(way.server) as far:
                yield near, far


def _check_streams(way, near, far):
    """Both sides of the router agree, and nobody acknowledged what was not sent."""
    # A host may still send the last segments of a connection of the test before.
    near, far = ([pair for pair in side.connections().values() if pair[0].opened] for side in (near, far))
    assert len(near) == len(far) > 0
    for (said, heard_reply), (heard, said_reply) in zip(near, far):
        assert heard.text() == way.heard("client", said.text())
        assert heard_reply.text() == way.heard("server", said_reply.text())
        for stream in (said, heard, said_reply, heard_reply):
            assert stream.repeated() < REPEATED, f"{stream.repeated()} of {stream.sent} bytes were repetitions"
            assert stream.acknowledged >= len(stream.text())


@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=_ids(SCENARIOS))
def test_transfer(network, nat_helper, flow, number):
    translation, family, mode, client, server = SCENARIOS[number]
    way = flow(translation, family, **_assign(number))
    servers.KINDS[server](way.server, family)
    with _captured(way) as (near, far):
        clients.Session(client, way.client, way.target, mode).check()
    assert way.wall.counts()["blocked"] == 0
    if far:
        assert way.wall.counts()["related"] >= clients.DATA_CONNECTIONS
        _check_streams(way, near, far)


@pytest.mark.parametrize("number", range(len(CONTROLS)), ids=_ids(CONTROLS))
def test_control_without_nat_half(network, conntrack_half, flow, number):
    """The announcement arrives as it was said, and nothing can come of it."""
    translation, family, mode, client, server = CONTROLS[number]
    way = flow(translation, family, **_assign(number))
    servers.KINDS[server](way.server, family)
    with _captured(way) as (near, far):
        session = clients.Session(client, way.client, way.target, mode)
        # Servers refuse a PORT of another host than they see; clients try, and are blocked.
        wait_for("the session to fail", lambda: session.process.ended() or way.wall.counts()["blocked"])
        session.process.stop()
    session.check_nothing_came()
    if far:
        [(said, heard_reply)], [(heard, said_reply)] = (list(side.connections().values()) for side in (near, far))
        assert heard.text() == said.text()
        assert heard_reply.text() == said_reply.text()
        if mode != "epsv":
            announcer, text = ("client", said) if mode in ("port", "eprt") else ("server", said_reply)
            assert way.heard(announcer, text.text()) != text.text(), "nothing was announced"
