# SPDX-License-Identifier: GPL-2.0
"""The modules for TFTP, IRC and Amanda come and go while their connections live on."""

import subprocess

import expected
from amanda_talk import Talk, connect, reply
from datagrams import Socket
from dcc import Session, message, send
from helpers import AMANDA, IRC, TFTP
from shell import log

RRQ = b"\0\1boot.bin\0octet\0"


def _under_traffic(module, other_half, talk):
    """`talk` goes on while both halves are unloaded, and they are loaded again, several times."""
    for _ in range(3):
        for half in (other_half, module):
            unloading = subprocess.Popen(["rmmod", half.name])
            while unloading.poll() is None:
                talk()
            assert unloading.returncode == 0
            log.info("guest# rmmod %s (under traffic)", half.name)
            talk()
        other_half.load()
        talk()


def test_irc(network, way):
    """Without the helper an offer is just text; nothing is expected or rewritten any more."""
    IRC.nat_half.load()
    flow = way(IRC, "snat")
    with Session(flow) as talk:
        talk.offer_to_outside(5000)
        talk.client_says(message(send("192.0.2.10", 5001)), message(send(flow.seen_as, 5001)))
        assert expected.ports(network.router) == [5001]
        flow.gate.load(nat=flow.nat)
        IRC.nat_half.unload()
        IRC.conntrack_half.unload()
        assert expected.ports(network.router) == []
        talk.client_says(message(send("192.0.2.10", 5002)))
        assert expected.ports(network.router) == []
        talk.chat()
        IRC.nat_half.load()
        talk.chat()


def test_irc_under_traffic(network, way):
    IRC.nat_half.load()
    with Session(way(IRC, "snat", assign=None)) as talk:

        def offer():
            heard = talk.what_server_hears(message(send("192.0.2.10", 5000)))
            assert heard in (message(send("192.0.2.10", 5000)), message(send(talk.flow.seen_as, 5000)))

        offer()
        _under_traffic(IRC.conntrack_half, IRC.nat_half, offer)
        talk.chat()


def test_tftp_under_traffic(network, way):
    TFTP.nat_half.load()
    flow = way(TFTP, "masquerade", assign=None)
    with Socket(flow.client, "ipv4") as client, Socket(flow.server, "ipv4", TFTP.port) as server:

        def request():
            client.send(RRQ, (flow.target, TFTP.port))
            server.hears(RRQ)

        request()
        _under_traffic(TFTP.conntrack_half, TFTP.nat_half, request)


def test_amanda_under_traffic(network, way):
    AMANDA.nat_half.load()
    with Talk(way(AMANDA, "dnat", assign=None)) as talk:

        def announce():
            talk.machine_says(reply(connect(DATA=11000, MESG=11001)))

        announce()
        _under_traffic(AMANDA.conntrack_half, AMANDA.nat_half, announce)
