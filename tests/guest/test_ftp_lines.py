# SPDX-License-Identifier: GPL-2.0
"""Which lines open what: said on a control connection through the router, judged by the
expectations that the kernel then lists."""

import pytest

from scripted import Control, announced, expectations

CLIENT4, SERVER4, CLIENT6, SERVER6 = "192.0.2.10", "198.51.100.10", "2001:db8:1::10", "2001:db8:2::10"
PORT, PASSIVE = b"192,0,2,10,156,64", b"198,51,100,10,195,80"  # ports 40000 and 50000

CLIENT_OPENS = [
    ("ipv4", b"PORT %s\r\n" % PORT, (CLIENT4, 40000)),
    ("ipv4", b"port %s\r\n" % PORT, (CLIENT4, 40000)),
    ("ipv4", b"PoRt %s\r\n" % PORT, (CLIENT4, 40000)),
    ("ipv4", b"PORT 192,0,2,10,255,255\r\n", (CLIENT4, 65535)),
    ("ipv4", b"EPRT |1|192.0.2.10|40000|\r\n", (CLIENT4, 40000)),
    ("ipv4", b"eprt |1|192.0.2.10|40000|\r\n", (CLIENT4, 40000)),
    ("ipv4", b"EPRT !1!192.0.2.10!65535!\r\n", (CLIENT4, 65535)),
    ("ipv6", b"EPRT |2|2001:db8:1::10|40000|\r\n", (CLIENT6, 40000)),
    ("ipv6", b"EPRT |2|2001:DB8:1:0:0:0:0:10|40000|\r\n", (CLIENT6, 40000)),
    ("ipv6", b"EPRT ~2~2001:db8:1::10~40000~\r\n", (CLIENT6, 40000)),
]
SERVER_OPENS = [
    ("ipv4", b"227 Entering Passive Mode (%s).\r\n" % PASSIVE, (SERVER4, 50000)),
    ("ipv4", b"227 Entering Passive Mode %s\r\n" % PASSIVE, (SERVER4, 50000)),
    ("ipv4", b"227 =%s\r\n" % PASSIVE, (SERVER4, 50000)),
    ("ipv4", b"227 Entrando en modo pasivo (%s)\r\n" % PASSIVE, (SERVER4, 50000)),
    ("ipv4", b"229 Entering Extended Passive Mode (|||50000|)\r\n", (SERVER4, 50000)),
    ("ipv4", b"229 Extended Passive mode OK (|||50000|)\r\n", (SERVER4, 50000)),
    ("ipv4", b"229 Entering Extended Passive Mode (!!!50000!)\r\n", (SERVER4, 50000)),
    ("ipv6", b"229 Entering Extended Passive Mode (|||50000|)\r\n", (SERVER6, 50000)),
    ("ipv6", b"229 Entering Extended Passive Mode (###65535#)\r\n", (SERVER6, 65535)),
]
CLIENT_OPENS_NOTHING = [
    ("ipv4", b" PORT %s\r\n" % PORT),
    ("ipv4", b"XPORT %s\r\n" % PORT),
    ("ipv4", b"NOOP PORT %s\r\n" % PORT),
    ("ipv4", b"STOR PORT 192,0,2,10,156,64\r\n"),
    ("ipv4", b"227 Entering Passive Mode (%s)\r\n" % PORT),
]
SERVER_OPENS_NOTHING = [
    ("ipv4", b"200 227 Entering Passive Mode (%s)\r\n" % PASSIVE),
    ("ipv4", b"220-227 Entering Passive Mode (%s)\r\n220 end\r\n" % PASSIVE),
    ("ipv4", b"PORT %s\r\n" % PASSIVE),
]
# Here the stock module cuts numbers to size and opens that, or drops the line and so stalls the session.
OURS_OPENS_NOTHING = [
    ("ipv4", "client", b"PORT 192,0,2,10,0,0\r\n"),
    ("ipv4", "client", b"PORT 192,0,2,10,256,80\r\n"),
    ("ipv4", "client", b"PORT 192,0,2,266,156,64\r\n"),
    ("ipv4", "client", b"PORT 192,0,2,10,156,4160\r\n"),
    ("ipv4", "client", b"EPRT |1|192.0.2.10|0|\r\n"),
    ("ipv4", "client", b"EPRT |1|192.0.2.10|65536|\r\n"),
    ("ipv4", "client", b"EPRT |2|2001:db8:1::10|40000|\r\n"),
    ("ipv6", "client", b"EPRT |1|192.0.2.10|40000|\r\n"),
    ("ipv4", "server", b"227 Entering Passive Mode (198,51,100,10,451,80)\r\n"),
    ("ipv4", "server", b"229 Entering Extended Passive Mode (|||0|)\r\n"),
    ("ipv4", "server", b"229 Entering Extended Passive Mode (|||65536|)\r\n"),
    ("ipv6", "server", b"229 Entering Extended Passive Mode (|||131072|)\r\n"),
]


def _id(value):
    return value.decode().strip() if isinstance(value, bytes) else value if isinstance(value, str) else ""


@pytest.fixture
def said(network, helper, firewall):
    """said(family, side, line): the expectations after the line."""

    def say(family, side, line):
        firewall("iptables", family)
        with Control(network, family) as control:
            (control.client_says if side == "client" else control.server_says)(line)
            found = expectations(network.router, family)
            control.check_alive()
        return found

    return say


@pytest.mark.parametrize("family, line, opened", CLIENT_OPENS, ids=_id)
def test_client_announces(said, family, line, opened):
    found = said(family, "client", line)
    assert [(one.source, one.dest, one.port) for one in found] == [(SERVER6 if family == "ipv6" else SERVER4, *opened)]


@pytest.mark.parametrize("family, line, opened", SERVER_OPENS, ids=_id)
def test_server_announces(said, family, line, opened):
    found = said(family, "server", line)
    assert [(one.source, one.dest, one.port) for one in found] == [(CLIENT6 if family == "ipv6" else CLIENT4, *opened)]


@pytest.mark.parametrize("family, line", CLIENT_OPENS_NOTHING, ids=_id)
def test_client_line_opens_nothing(said, family, line):
    assert said(family, "client", line) == []


@pytest.mark.parametrize("family, line", SERVER_OPENS_NOTHING, ids=_id)
def test_server_line_opens_nothing(said, family, line):
    assert said(family, "server", line) == []


@pytest.mark.ours
@pytest.mark.parametrize("family, side, line", OURS_OPENS_NOTHING, ids=_id)
def test_number_that_does_not_fit_opens_nothing(said, family, side, line):
    assert said(family, side, line) == []


def test_only_at_the_start_of_a_line(network, helper, firewall):
    """The rest of an unfinished line is not a command, whatever it looks like."""
    firewall()
    with Control(network) as control:
        control.client_says(b"SITE ")
        control.client_says(b"PORT %s\r\n" % PORT)
        assert announced(network.router) == []
        control.client_says(b"PORT %s\r\n" % PORT)
        assert announced(network.router) == [(CLIENT4, 40000)]


def test_a_new_announcement_replaces_the_last(network, helper, firewall):
    """One connection is pending at a time, for five minutes."""
    firewall()
    with Control(network) as control:
        control.client_says(b"PORT %s\r\n" % PORT)
        control.client_says(b"PORT 192,0,2,10,156,65\r\n")
        found = expectations(network.router)
        assert [(one.dest, one.port) for one in found] == [(CLIENT4, 40001)]
        assert 290 <= found[0].seconds <= 300
        assert found[0].helper == "ftp"
