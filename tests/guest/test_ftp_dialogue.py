# SPDX-License-Identifier: GPL-2.0
"""Announcements count only where they have their place in the dialogue."""

import pytest

from scripted import Control, announced

pytestmark = pytest.mark.ours

CLIENT, SERVER = "192.0.2.10", "198.51.100.10"
PORT = b"PORT 192,0,2,10,156,64\r\n"
PASSIVE = b"227 Entering Passive Mode (198,51,100,10,195,80).\r\n"
EXTENDED = b"229 Entering Extended Passive Mode (|||50000|)\r\n"


@pytest.fixture
def control(network, helper, firewall):
    firewall()
    with Control(network) as control:
        yield control


def test_reply_needs_a_question(network, control):
    control.server_says(PASSIVE, asked=False)
    control.server_says(EXTENDED, asked=False)
    assert announced(network.router) == []
    control.server_says(PASSIVE)
    assert announced(network.router) == [(SERVER, 50000)]
    control.check_alive()


def test_stream_injection(network, control):
    """The attacker has a victim ask a server for a file whose name contains a line break and a reply;
    the server repeats it in its error message. Mainline's helper would open the victim's server to
    the attacker's choice of port."""
    control.server_says(PASSIVE)
    control.client_says(b"RETR file\r\n")
    control.server_says(b"550-file\r\n227 x (198,51,100,10,0,22)\r\n550 No such file.\r\n", asked=False)
    assert announced(network.router) == [(SERVER, 50000)]
    control.check_alive()


def test_slipstreaming(network, helper, firewall):
    """The attacker's page has the victim's browser send a form to the attacker's server on port 21;
    in the form is a PORT command, cut so that it begins a segment. It would open a port of the
    victim, behind its firewall, to the attacker."""
    firewall()
    with Control(network, greeting=[("server", b"220 really\r\n"), ("client", b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")]) as control:
        control.client_says(PORT)
        assert announced(network.router) == []


def test_foreign_greeting(network, helper, firewall):
    firewall()
    with Control(network, greeting=[("server", b"SSH-2.0-OpenSSH_10.0\r\n")]) as control:
        control.client_says(PORT)
        control.server_says(PASSIVE)
        assert announced(network.router) == []


def test_before_the_greeting(network, helper, firewall):
    firewall()
    with Control(network, greeting=[]) as control:
        control.client_says(PORT)
        assert announced(network.router) == []
        control.server_says(b"220 ready\r\n")
        control.client_says(PORT)
        assert announced(network.router) == [(CLIENT, 40000)]
        control.check_alive()


def test_ciphertext_is_not_read(network, control):
    control.client_says(b"AUTH TLS\r\n")
    control.server_says(b"234 Proceed\r\n")
    control.client_says(b"\x16\x03\x01\x02\r\n" + PORT)
    control.server_says(b"\x16\x03\x03\x02\r\n" + PASSIVE, asked=False)
    assert announced(network.router) == []
    # In clear again, as after CCC. Where the first line of each side begins is not known.
    control.client_says(b"NOOP\r\n")
    control.server_says(b"200 ok\r\n")
    control.check_alive()


def test_epsv_all(network, control):
    control.client_says(b"EPSV ALL\r\n")
    control.server_says(b"200 OK\r\n")
    control.client_says(PORT)
    control.server_says(PASSIVE)
    assert announced(network.router) == []
    control.server_says(EXTENDED)
    assert announced(network.router) == [(SERVER, 50000)]


def test_epsv_all_refused(network, control):
    control.client_says(b"EPSV ALL\r\n")
    control.server_says(b"500 What?\r\n")
    control.client_says(PORT)
    assert announced(network.router) == [(CLIENT, 40000)]
    control.check_alive()
