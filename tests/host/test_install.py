# SPDX-License-Identifier: GPL-2.0
"""What `make install` and `make uninstall` do, in a root of their own."""

import os
import subprocess

import pytest

from conftest import NAMES, TOP, run

CONF = "etc/modprobe.d/ip_conntrack_rust.conf"
MANUAL = "usr/local/share/man/man8/ip_conntrack_rust.8"


@pytest.fixture
def make(setup, tmp_path):
    def call(target):
        return run("make", target, env={**os.environ, "KDIR": setup["KDIR"], "INSTALL_MOD_PATH": str(tmp_path)})

    return call


@pytest.fixture
def modprobe(build, tmp_path):
    """modprobe, as on a machine that has this root."""
    def call(*options):
        return run("/sbin/modprobe", "-d", tmp_path, "-S", build.name, "-C", tmp_path / "etc/modprobe.d", *options)

    return call


def _installed(root):
    return {path.name.split(".ko")[0] for path in root.rglob("*.ko*")}


def test_install_and_uninstall(make, modprobe, tmp_path):
    make("install")
    assert _installed(tmp_path) == {f"ip_{kind}_{name}" for kind in ("conntrack", "nat") for name in (*NAMES, "core")}
    assert (tmp_path / CONF).read_bytes() == (TOP / "scripts/modprobe.d/ip_conntrack_rust.conf").read_bytes()
    assert (tmp_path / MANUAL).read_bytes() == (TOP / "docs/man/ip_conntrack_rust.8").read_bytes()
    for name in NAMES:
        loaded = [line.split("/")[-1].split(".ko")[0] for line in modprobe("--show-depends", f"ip_nat_{name}").splitlines()
                  if line.startswith("insmod")]
        assert loaded[0] == "ip_conntrack_core" and loaded[-1] == f"ip_nat_{name}"
        assert sorted(loaded[1:-1]) == [f"ip_conntrack_{name}", "ip_nat_core"]
        core, asked = modprobe("--show-depends", f"nfct-helper-{name}").splitlines()
        assert f"/ip_conntrack_{name}.ko" in asked and asked.split()[-1] == "auto_assign=0"
        assert core.split()[-1].endswith((".ko", ".ko.xz")) and "/ip_conntrack_core.ko" in core
        _, plain = modprobe("--show-depends", f"ip_conntrack_{name}").splitlines()
        assert "auto_assign" not in plain
    # A second time changes nothing.
    make("install")
    make("uninstall")
    assert _installed(tmp_path) == set() and not (tmp_path / CONF).exists() and not (tmp_path / MANUAL).exists()
    for index in tmp_path.rglob("modules.*"):
        assert b"ip_conntrack" not in index.read_bytes(), index


def test_nothing_to_uninstall(tmp_path):
    refused = subprocess.run(["make", "uninstall"], cwd=TOP, env={**os.environ, "INSTALL_MOD_PATH": str(tmp_path)},
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert refused.returncode != 0 and "nothing is installed" in refused.stdout


def test_others_modules_stay(make, tmp_path, build):
    """Only what is ours goes."""
    make("install")
    other = tmp_path / "lib/modules" / build.name / "updates/nf_conntrack_ftp.ko"
    other.write_bytes(b"")
    make("uninstall")
    assert other.exists()
