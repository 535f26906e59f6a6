# SPDX-License-Identifier: GPL-2.0
"""Debian's amrecover restores files through the router: it asks the backup server, which announces a
stream with the index, and then one for the dialogue, the data and the state. The control is the same
without the helper."""

import pytest

from amanda_programs import (backup_locally, check_nothing_restored, check_restored, prepare_restore, start_restore,
                             start_service)
from datagrams import Wire
from helpers import AMANDA
from shell import wait_for

# Amanda is made of many programs, all of which an emulated processor must start.
PATIENCE = 150
pytestmark = [pytest.mark.timeout(300), pytest.mark.ours]


@pytest.fixture
def restore(network, way):
    """restore(name, assign): a backup is on the server's tape, and amrecover runs on the client."""
    def start(name, assign):
        flow = way(AMANDA, name, assign=assign)
        prepare_restore(flow)
        backup_locally(flow.server, PATIENCE)
        start_service(flow.server, "bsd", "amindexd", "amidxtaped")
        return flow, start_restore(flow)

    return start


@pytest.mark.parametrize("name", ["plain", "masquerade", "dnat"])
def test_restore(restore, name):
    AMANDA.nat_half.load()
    flow, process = restore(name, True)
    check_restored(process, PATIENCE)
    counts = flow.gate.counts()
    # The index, and of the tape control, data and state.
    assert counts["related"] >= 4 and counts["blocked"] == 0


def test_control_without_helper(restore):
    flow, process = restore("plain", None)
    wait_for("the firewall to block amrecover", lambda: flow.gate.counts()["blocked"], PATIENCE)
    assert flow.gate.counts()["related"] == 0
    process.stop()
    check_nothing_restored()
