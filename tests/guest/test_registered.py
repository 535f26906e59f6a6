# SPDX-License-Identifier: GPL-2.0
"""Fields of a helper that mean to the kernel more than their names say, docs/kernel-contracts.md: as they
are when it is registered, in the kernel's memory."""

import pytest

import helpers
import probes
import registered
from shell import run

pytestmark = pytest.mark.ours
# Whoever has `destroy` is taken for PPTP's helper; with a flag, a queue or a length for that of a program.
NONE = {"destroy": 0, "to_nlattr": 0, "flags": 0, "queue_num": 0, "data_len": 0}


@pytest.fixture
def registrations(clean):
    if not probes.are_there():
        pytest.skip("this kernel has no probes")
    with registered.registrations() as seen:
        yield seen


@pytest.mark.parametrize("helper", [helpers.FTP, *helpers.ALL.values()], ids=lambda helper: helper.name)
def test_what_is_registered(registrations, helper):
    helper.ours.load()
    protocol = {"tcp": 6, "udp": 17}[helper.transport]
    # One class of expectations, for IPv4 and IPv6, and the NAT half by its module's name.
    assert registrations() == [NONE | {"name": helper.name, "nat_mod_name": helper.ours_nat.name, "l4proto": protocol,
                                       "nfproto": 0, "expect_class_max": 0}]


def test_callback_would_be_seen(registrations):
    """The control: the helper for which the kernel has `destroy`."""
    run("modprobe nf_conntrack_pptp")
    [pptp] = registrations()
    run("rmmod nf_conntrack_pptp")
    assert pptp["name"] == "pptp" and pptp["destroy"] != 0
