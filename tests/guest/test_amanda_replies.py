# SPDX-License-Identifier: GPL-2.0
"""Which replies of a machine that is backed up open what: said through the router, judged by what
the kernel then expects. Whatever is said arrives as it was said."""

import re

import pytest

import expected
import topology
from amanda_talk import OPTIONS, Talk, connect, reply
from dialogue import carry
from expected import Expected
from helpers import AMANDA
from shell import wait_for

NOTHING = {
    "port 0": connect(DATA=0, MESG=0),
    "no CONNECT": b"OPTIONS features=ffff;\n/srv/data 0 SIZE 10\n",
    "empty": b"",
    "no ports": b"CONNECT DATA MESG INDEX\n",
    "unknown streams": b"CONNECT DUMP 11000 TAPE 11001\n",
    "letters": b"A" * 1400,
    "binary": bytes(range(256)) * 5,
    "zeros": bytes(1400),
}
# The stock module finds its words anywhere, and cuts numbers to size.
OURS_NOTHING = {
    "numbers that are no ports": connect(DATA=70000, MESG=-1, INDEX=65536, STATE=499999),
    "port with more": b"CONNECT DATA 11000x MESG 0x2af8 INDEX 11002,11003\n",
    "in the middle of a line": b"OPTIONS x=CONNECT DATA 11000 MESG 11001\n",
    "no such word": b"CONNECTED DATA 11000\n",
    "small letters": b"connect data 11000\n",
}
HEADERS = (b"", b"ACK", b"NAK", b"REQ")


@pytest.fixture
def talk(network, way):
    """talk(family): a backup server and a machine, with the helper."""
    opened = []

    def start(family="ipv4", **parameters):
        AMANDA.conntrack_half.load(**parameters)
        opened.append(Talk(way(AMANDA, "plain", family)))
        return opened[-1]

    yield start
    for one in opened:
        one.__exit__()


@pytest.mark.parametrize("family", topology.FAMILIES)
@pytest.mark.parametrize("kind", ["REP", "PREP"])
def test_ports(network, talk, family, kind):
    """Each is open from the backup server, whatever port, and once."""
    ends = talk(family)
    ports = {"DATA": 11000, "MESG": 11001, "INDEX": 11002, "STATE": 11003}
    ends.machine_says(reply(connect(**ports), kind))
    server, machine = ends.flow.client.address[family], ends.flow.server.address[family]
    found = expected.listed(network.router, family)
    assert found == [Expected("tcp", server, machine, port, "amanda", found[0].seconds) for port in ports.values()]
    assert 170 <= found[0].seconds <= 180
    for port in ports.values():
        with ends.flow.server.listen(family, port) as waiting:
            carry(ends.flow.client, family, machine, port, waiting)
    assert expected.listed(network.router, family) == []
    counts = ends.flow.gate.counts()
    assert counts["related"] == 4 and counts["blocked"] == 0


@pytest.mark.ours
def test_five_streams(network, talk):
    """Amanda since 3.4 has a fifth; what is no port is left out and the others count."""
    ends = talk()
    ends.machine_says(reply(connect(DATA=11000, MESG=11001, INDEX=11002, STATE=11003, CMD=11004)))
    assert expected.ports(network.router) == [11000, 11001, 11002, 11003, 11004]
    network.router.run("conntrack -F expect")
    ends.machine_says(reply(connect(DATA=50048, MESG=499999, INDEX=-1, STATE=0, CMD=65535)))
    assert expected.ports(network.router) == [50048, 65535]


@pytest.mark.ours
@pytest.mark.parametrize("family", topology.FAMILIES)
@pytest.mark.parametrize("ports", [{"CTL": 11000, "DATA": 11001, "STATE": 11002}, {"CTL": 11000},
                                   {"CTL": 11000, "DATA": 11001, "MESG": 11002, "STATE": 11003}])
def test_restore(network, talk, family, ports):
    """What Amanda 3.5 says to amrecover, to amdump_client, and where amfetchdump restores to."""
    ends = talk(family)
    ends.machine_says(reply(connect(**ports)))
    assert expected.ports(network.router, family) == list(ports.values())
    for port in ports.values():
        with ends.flow.server.listen(family, port) as waiting:
            carry(ends.flow.client, family, ends.flow.server.address[family], port, waiting)
    counts = ends.flow.gate.counts()
    assert counts["related"] == len(ports) and counts["blocked"] == 0


@pytest.mark.ours
def test_no_more_than_six(network, talk):
    """Of more that are open at a time the oldest go."""
    ends = talk()
    streams = ("DATA", "MESG", "INDEX", "STATE", "CMD", "CTL")
    ends.machine_says(reply(connect(**dict(zip(streams, range(11000, 11006))))))
    ends.machine_says(reply(connect(DATA=12000, MESG=12001)))
    assert expected.ports(network.router) == [11002, 11003, 11004, 11005, 12000, 12001]


def _check_nothing(network, ends, bodies):
    for kind, body in bodies.items():
        ends.machine_says(reply(body))
        assert expected.listed(network.router) == [], kind
    ends.machine_says(reply(connect(DATA=11000)))
    assert expected.ports(network.router) == [11000]


def test_other_replies(network, talk):
    _check_nothing(network, talk(), NOTHING)


@pytest.mark.ours
def test_broken_replies(network, talk):
    _check_nothing(network, talk(), OURS_NOTHING)


@pytest.mark.ours
def test_other_datagrams(network, talk):
    """Only what is a reply by its first line."""
    ends = talk()
    for kind in HEADERS:
        ends.machine_says(reply(connect(DATA=11000), kind.decode()))
        assert expected.listed(network.router) == [], kind
    ends.machine_says(connect(DATA=11000))
    assert expected.listed(network.router) == []


def test_backup_server_opens_nothing(network, talk):
    """What it says goes the other way."""
    ends = talk()
    ends.server_says(reply(connect(DATA=11000, MESG=11001)))
    assert expected.listed(network.router) == []


def test_repeated_reply(network, talk):
    """It is sent again until it is acknowledged."""
    ends = talk()
    for _ in range(3):
        ends.machine_says(reply(connect(DATA=11000, MESG=11001, INDEX=11002)))
        assert expected.ports(network.router) == [11000, 11001, 11002]


@pytest.mark.parametrize("family", topology.FAMILIES)
def test_reply_in_fragments(network, talk, family):
    """Larger than a packet; the line in its first fragment, astride two and in the last."""
    ends = talk(family)
    for number, before in enumerate((0, 1380, 2000, 4000)):
        line = b"x" * 63 + b"\n"
        ports = connect(DATA=11000 + number, MESG=12000)
        body = line * (before // 64) + b"y" * (before % 64) + b"\n" + ports + line * 60
        ends.machine_says(reply(body))
        assert expected.ports(network.router, family) == [11000 + number, 12000], before
        network.router.run("conntrack -F expect")


def test_only_the_backup_server_only_there(network, talk):
    ends = talk()
    machine = network.server.address["ipv4"]
    ends.machine_says(reply(connect(DATA=11000)))
    for opener, port in ((network.third, 11000), (network.client, 11001)):
        before = ends.flow.gate.counts()["blocked"]
        attempt = opener.start(f"busybox nc {machine} {port}")
        wait_for("the connection to be blocked", lambda: ends.flow.gate.counts()["blocked"] > before)
        attempt.stop()


def _timeout(router):
    """Seconds for which the router keeps the UDP connection."""
    listed = router.run("conntrack -L -p udp --dport 10080")
    return int(re.search(r"^udp +17 (\d+) ", listed, re.MULTILINE)[1])


def test_master_timeout(network, talk):
    """A machine may take long for its reply; after each datagram of its the connection is kept so
    long. The parameter counts from the next one on."""
    ends = talk()
    ends.machine_says(b"Amanda 3.5 ACK HANDLE 000-00000001 SEQ 1700000000\n")
    assert 290 <= _timeout(network.router) <= 300
    AMANDA.conntrack_half.set_parameter("master_timeout", 3000)
    ends.server_says(b"Amanda 3.5 REQ HANDLE 000-00000001 SEQ 1700000001\n")
    assert _timeout(network.router) <= 300
    ends.machine_says(reply(OPTIONS))
    assert 2990 <= _timeout(network.router) <= 3000


@pytest.mark.ours
def test_longest_master_timeout(network, talk):
    """It is kept for all of it. Mainline's helper counts what is more into the past, and the connection
    is gone with its first reply."""
    ends = talk(master_timeout=2147483)
    for _ in range(3):
        ends.machine_says(reply(connect(DATA=11000)))
        assert 2147400 <= _timeout(network.router) <= 2147483
        ends.server_says(b"Amanda 3.5 REQ HANDLE 000-00000001 SEQ 1700000001\n")
    with ends.flow.server.listen("ipv4", 11000) as waiting:
        carry(ends.flow.client, "ipv4", ends.flow.server.address["ipv4"], 11000, waiting)


def test_master_timeout_at_load(network, talk):
    ends = talk(master_timeout=900)
    ends.machine_says(reply(OPTIONS))
    assert 890 <= _timeout(network.router) <= 900
