# SPDX-License-Identifier: GPL-2.0
"""The modules know each other by symbols that name the sources they are made of, and export no more than
the others need."""

import os
import re
import shutil
import subprocess

import pytest

from conftest import TOP, run
from test_modules import modinfo

NAMES = ("ftp", "irc", "tftp", "amanda")
SOURCES = ("Kbuild", "rust", "nat", *(f"{name}_helper.rs" for name in NAMES))
# As rustc writes a path into a symbol: the crate with a hash in which that of its sources is, and a name.
SLOT = re.compile(r"^[0-9a-f ]* ([BDU]) (_RNvCs\w+_\d+ip_conntrack_\w+?3NAT)$", re.MULTILINE)


def symbols(objfile, *options):
    return subprocess.run(["nm", *options, objfile], check=True, stdout=subprocess.PIPE, text=True).stdout


def exported(module):
    return {line.rsplit("__ksymtab_", 1)[1] for line in symbols(module, "--format=just-symbols").splitlines()
            if line.startswith("__ksymtab_")}


def test_halves_agree(build, modules):
    """All are of one build. Each conntrack half has a place for its NAT half, which knows it."""
    assert len(modules) == 2 * len(NAMES) + 2
    [which] = {tuple(modinfo(module, "build")) for module in modules}
    assert re.fullmatch("[0-9a-f]{16}", which[0])
    for name in NAMES:
        conntrack, nat = build / f"ip_conntrack_{name}.ko", build / f"ip_nat_{name}.ko"
        [(kind, slot)] = SLOT.findall(symbols(conntrack))
        assert kind in "BD" and SLOT.findall(symbols(nat)) == [("U", slot)]
        assert slot in exported(conntrack)
        needed = {module for module in modinfo(nat, "depends")[0].split(",") if module.startswith("ip_")}
        assert {f"ip_conntrack_{name}", "ip_nat_core"} <= needed <= {f"ip_conntrack_{name}", "ip_nat_core", "ip_conntrack_core"}
        assert "ip_conntrack_core" in modinfo(conntrack, "depends")[0].split(",")


def test_nothing_is_exported_for_nobody(modules):
    needed = set()
    for module in modules:
        needed |= set(symbols(module, "--undefined-only", "--format=just-symbols").split())
    for module in modules:
        assert exported(module) <= needed, module.name
        # Somebody else's modules may have a function of this kind, too, and call it the same.
        for name in exported(module):
            assert name.startswith("_R") or name.endswith("_ip_conntrack_core"), name


def test_nothing_is_there_twice(modules):
    """Neither Rust's functions, but for those that are made anew for each type or are part of their callers,
    nor the C functions for the kernel's inline ones."""
    seen = {}
    for module in modules:
        for line in symbols(module, "--defined-only").splitlines():
            name = line.split()[-1]
            if line.split()[-2] in "tT" and (name.startswith("_R") or name.endswith("_ip_conntrack_core")):
                assert name not in seen, f"{name} is in {seen[name]} and {module.name}"
                seen[name] = module.name
    assert len(seen) > 100


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
        run("scripts/kbuild", "nat/ftp.o", env={**os.environ, "KDIR": setup["KDIR"], "M": str(copy), "OUT": str(copy / "out")})
        [[(_, conntrack)], [(_, nat)]] = [SLOT.findall(symbols(copy / "out" / name)) for name in ("ftp_helper.o", "nat/ftp.o")]
        assert conntrack == nat
        return conntrack

    # The same in another folder, at another time.
    seen = [made()]
    assert seen == [SLOT.findall(symbols(build / "ip_nat_ftp.ko"))[0][1]]
    for changed in ("nat/ftp.rs", "ftp_helper.rs", "rust/proto/ftp/mod.rs", "rust/netfilter/nat/port.rs", "rust/proto/scan.rs"):
        with (copy / changed).open("a") as source:
            source.write("// Another.\n")
        now = made()
        assert now not in seen, f"{changed} was changed, and all is as before"
        seen.append(now)
    # What no module is made of.
    with (copy / "rust/proto/Cargo.toml").open("a") as source:
        source.write("\n")
    (copy / "nat/ftp.rs").touch()
    assert made() == seen[-1]
