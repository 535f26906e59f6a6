# SPDX-License-Identifier: GPL-2.0
"""A GRE connection can have any connection for its master: ctnetlink makes it so, for whoever is root in a
network namespace of his own. When it ends the kernel looks after what PPTP's helper keeps in the 32 bytes
of the master, and takes for that helper whichever has a callback `destroy`. Ours keep something else there.
A module that has it does not fail here but ends the guest's kernel."""

from pathlib import Path

import pytest

import helpers
from shell import run, wait_for

PROGRAM = Path(__file__).with_name("gre_master.py")
WHO = {
    "root": ["unshare", "--net"],
    "user": ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "unshare", "--user", "--map-root-user", "--net"],
}


@pytest.mark.parametrize("loaded", ["loaded", pytest.param("absent", marks=pytest.mark.ours)])
@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("helper", [helpers.FTP, helpers.IRC], ids=lambda helper: helper.name)
def test_end_of_a_gre_connection(clean, helper, who, loaded):
    module = helper.conntrack_half
    if loaded == "loaded":
        module.load()
    assert module.loaded() == (loaded == "loaded")
    assert run([*WHO[who], "python3", PROGRAM, helper.name]).endswith("done\n")
    # A rule that names the helper has loaded it.
    assert module.loaded()
    wait_for("the namespace to be gone", lambda: (module.sysfs / "refcnt").read_text() == "0\n")
