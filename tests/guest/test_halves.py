# SPDX-License-Identifier: GPL-2.0
"""A module of another build is refused by the kernel, with a message, and nothing stays loaded for it.

To make one, what rustc made of the hash of its sources is changed in its symbols, which is what tells
two builds apart."""

import os
import re
import shutil
from pathlib import Path

import pytest

import helpers
from helpers import FTP
from module import CORE, NAT_CORE
from shell import run

pytestmark = pytest.mark.ours
each = pytest.mark.parametrize("helper", [FTP, *helpers.ALL.values()], ids=lambda helper: helper.name)
# A crate of ours in a symbol's name, and the hash before it.
CRATE = re.compile(rb"(Cs)([0-9A-Za-z]{5,})(_\d+ip_(?:conntrack|nat)_)")


def _of_another_build(module, folder):
    """The module's file as it comes out of changed sources, as far as the loader can see."""
    file = Path(run(["modinfo", "-n", module.name]).strip())
    other, count = CRATE.subn(lambda found: found[1] + bytes(reversed(found[2])) + found[3], file.read_bytes())
    assert count > 1
    (folder / file.name).write_bytes(other)
    return folder / file.name


def _have_what_they_need(helper):
    """The kernel's own modules, which stay: insmod loads one module only."""
    helper.ours_nat.load()
    helper.ours_nat.unload()
    helper.ours.unload()


def _refused(kernel_log, command, module):
    kernel_log.allow(f"{module.name}: Unknown symbol _R")
    assert "Unknown symbol" in run(command, check=False)
    assert not module.loaded()
    assert any(f"{module.name}: Unknown symbol _R" in line for line in kernel_log.lines())


@each
def test_nat_half_of_another_build(clean, kernel_log, tmp_path, helper):
    _have_what_they_need(helper)
    helper.ours.load()
    NAT_CORE.load()
    _refused(kernel_log, ["insmod", _of_another_build(helper.ours_nat, tmp_path)], helper.ours_nat)
    # Its own is still welcome, and nobody holds the conntrack half.
    helper.ours_nat.load()
    helper.ours_nat.unload()
    helper.ours.unload()


@each
def test_conntrack_half_of_another_build(clean, kernel_log, tmp_path, helper):
    _have_what_they_need(helper)
    CORE.load()
    _refused(kernel_log, ["insmod", _of_another_build(helper.ours, tmp_path)], helper.ours)


@each
def test_core_of_another_build(clean, kernel_log, tmp_path, helper):
    """It stays alone."""
    _have_what_they_need(helper)
    if NAT_CORE.loaded():
        NAT_CORE.unload()
    CORE.unload()
    run(["insmod", _of_another_build(CORE, tmp_path)])
    _refused(kernel_log, ["modprobe", helper.ours.name], helper.ours)
    _refused(kernel_log, ["modprobe", NAT_CORE.name], NAT_CORE)
    CORE.unload()


def test_installed_beside_each_other(clean, kernel_log, tmp_path):
    """modprobe has no half that goes with the other, and loads neither."""
    _have_what_they_need(FTP)
    folder = tmp_path / "lib/modules" / os.uname().release
    folder.mkdir(parents=True)
    for module in (CORE, NAT_CORE, FTP.ours):
        shutil.copy(run(["modinfo", "-n", module.name]).strip(), folder)
    _of_another_build(FTP.ours_nat, folder)
    run(["depmod", "-b", tmp_path, os.uname().release])
    _refused(kernel_log, ["modprobe", "-d", tmp_path, FTP.ours_nat.name], FTP.ours_nat)
    assert not FTP.ours.loaded()
