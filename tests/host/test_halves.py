# SPDX-License-Identifier: GPL-2.0
"""The two halves of a pair know each other by a symbol that names the sources they are made of."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import TOP, run
from test_modules import modinfo

NAMES = ("ftp", "irc", "tftp", "amanda")
SOURCES = ("Kbuild", "rust", "nat", *(f"{name}_helper.rs" for name in NAMES))


def slots(objfile):
    """The symbols by which a half is found, with the letter of nm for each: B where it is, U where it is needed."""
    listing = subprocess.run(["nm", objfile], check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.findall(r"^[0-9a-f ]* ([BU]) (ip_nat_\w+_hook_\w*)$", listing, re.MULTILINE)


def test_halves_agree(build):
    """For each pair another, as each has sources of its own."""
    builds = set()
    for name in NAMES:
        conntrack, nat = build / f"ip_conntrack_{name}.ko", build / f"ip_nat_{name}.ko"
        [[which]] = [modinfo(conntrack, "build")]
        assert re.fullmatch("[0-9a-f]{16}", which) and modinfo(nat, "build") == [which]
        assert slots(conntrack) == [("B", f"ip_nat_{name}_hook_{which}")]
        assert slots(nat) == [("U", f"ip_nat_{name}_hook_{which}")]
        assert f"ip_conntrack_{name}" in modinfo(nat, "depends")[0].split(",")
        builds.add(which)
    assert len(builds) == len(NAMES)


@pytest.fixture
def copy():
    """A copy of the sources without git, which can be changed."""
    folder = TOP / "build/halves"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in SOURCES:
        (shutil.copytree if (TOP / name).is_dir() else shutil.copy2)(TOP / name, folder / name)
    yield folder
    shutil.rmtree(folder)


def test_other_sources_are_another_build(setup, build, copy):
    def made():
        run("scripts/kbuild", "ftp_helper.o", "nat/ftp.o",
            env={**os.environ, "KDIR": setup["KDIR"], "M": str(copy), "OUT": str(copy / "out")})
        [[(_, conntrack)], [(_, nat)]] = [slots(copy / "out" / name) for name in ("ftp_helper.o", "nat/ftp.o")]
        assert conntrack == nat
        return conntrack

    # The same in another folder, at another time.
    seen = [made()]
    assert seen == [slots(build / "ip_nat_ftp.ko")[0][1]]
    for changed in ("nat/ftp.rs", "ftp_helper.rs", "rust/proto/ftp/mod.rs", "rust/netfilter/nat/mod.rs"):
        with (copy / changed).open("a") as source:
            source.write("// Another.\n")
        now = made()
        assert now not in seen, f"{changed} was changed, and both halves are as before"
        seen.append(now)
    # What neither half is made of.
    for changed in ("nat/irc.rs", "irc_helper.rs", "rust/proto/Cargo.toml"):
        with (copy / changed).open("a") as source:
            source.write("\n")
    (copy / "nat/ftp.rs").touch()
    assert made() == seen[-1]
