# SPDX-License-Identifier: GPL-2.0
"""A half of another build is refused by the kernel, with a message, and nothing stays loaded for it.

To make one, the hash of the sources in its symbol is changed, which is what tells two builds apart."""

import os
import shutil
from pathlib import Path

import pytest

import helpers
from helpers import FTP
from shell import run

pytestmark = pytest.mark.ours
each = pytest.mark.parametrize("helper", [FTP, *helpers.ALL.values()], ids=lambda helper: helper.name)


def _of_another_build(module, folder):
    """The module's file as it comes out of changed sources, as far as the loader can see."""
    file = Path(run(["modinfo", "-n", module.name]).strip())
    build = run(["modinfo", "-F", "build", module.name]).strip().encode()
    other = bytes(reversed(build))
    data = file.read_bytes()
    # In modinfo, and in the symbol's name.
    assert other != build and data.count(build) >= 2
    (folder / file.name).write_bytes(data.replace(build, other))
    return folder / file.name


def _have_what_they_need(helper):
    """The kernel's own modules, which stay: insmod loads one module only."""
    helper.ours_nat.load()
    helper.ours_nat.unload()
    helper.ours.unload()


def _refused(kernel_log, command, module):
    kernel_log.allow(f"{module.name}: Unknown symbol ip_nat_")
    assert "Unknown symbol" in run(command, check=False)
    assert not module.loaded()
    assert any(f"{module.name}: Unknown symbol ip_nat_" in line for line in kernel_log.lines())


@each
def test_nat_half_of_another_build(clean, kernel_log, tmp_path, helper):
    _have_what_they_need(helper)
    helper.ours.load()
    _refused(kernel_log, ["insmod", _of_another_build(helper.ours_nat, tmp_path)], helper.ours_nat)
    # Its own is still welcome, and nobody holds the conntrack half.
    helper.ours_nat.load()
    helper.ours_nat.unload()
    helper.ours.unload()


@each
def test_conntrack_half_of_another_build(clean, kernel_log, tmp_path, helper):
    """It works by itself, and the NAT half does not come to it."""
    _have_what_they_need(helper)
    run(["insmod", _of_another_build(helper.ours, tmp_path)])
    file = run(["modinfo", "-n", helper.ours_nat.name]).strip()
    _refused(kernel_log, ["insmod", file], helper.ours_nat)
    helper.ours.unload()


def test_installed_beside_each_other(clean, kernel_log, tmp_path):
    """modprobe has no half that goes with the other, and loads neither."""
    _have_what_they_need(FTP)
    folder = tmp_path / "lib/modules" / os.uname().release
    folder.mkdir(parents=True)
    shutil.copy(run(["modinfo", "-n", FTP.ours.name]).strip(), folder)
    _of_another_build(FTP.ours_nat, folder)
    run(["depmod", "-b", tmp_path, os.uname().release])
    _refused(kernel_log, ["modprobe", "-d", tmp_path, FTP.ours_nat.name], FTP.ours_nat)
    assert not FTP.ours.loaded()
