# SPDX-License-Identifier: GPL-2.0
"""The module itself: loading and unloading, parameters, what modinfo says, and its neighbours."""

import errno
import subprocess

import pytest

import module as modules
import scripted
from shell import log, run

ours = pytest.mark.ours


def test_load_unload_reload(clean):
    module = modules.under_test()
    for _ in range(5):
        module.load()
        module.unload()


def test_loose_in_sysfs(helper):
    """Off, for root only, changeable."""
    assert helper.parameter("loose") == "N"
    assert helper.mode("loose") == 0o600
    helper.set_parameter("loose", "Y")
    assert helper.parameter("loose") == "Y"
    helper.set_parameter("loose", "0")
    assert helper.parameter("loose") == "N"
    with pytest.raises(OSError) as refused:
        helper.set_parameter("loose", "perhaps")
    assert refused.value.errno == errno.EINVAL


def test_loose_at_load(clean):
    module = modules.under_test()
    module.load(loose=1)
    assert module.parameter("loose") == "Y"


@ours
def test_parameter_that_is_none(clean, kernel_log):
    """The kernel's way with an unknown parameter is to say so and load; a bad value is an error."""
    kernel_log.allow("unknown parameter 'nonsense' ignored")
    modules.OURS.load(nonsense=1)
    modules.OURS.unload()
    kernel_log.allow("invalid for parameter")
    assert "Invalid" in run(["modprobe", modules.OURS.name, "loose=perhaps"], check=False)
    assert not modules.OURS.loaded()


@ours
def test_modinfo(clean):
    assert run("modinfo -F license ip_conntrack_ftp").strip() == "GPL"
    for field in ("author", "description", "version"):
        assert run(f"modinfo -F {field} ip_conntrack_ftp").strip(), f"modinfo shows no {field}"
    parameters = run("modinfo -p ip_conntrack_ftp")
    assert "loose:" in parameters and "(bool)" in parameters
    aliases = run("modinfo -F alias ip_conntrack_ftp").split()
    assert "nfct-helper-ftp" in aliases


@ours
def test_alias_resolves(clean):
    """What the kernel asks for when a rule names the helper leads to our module (too)."""
    assert "ip_conntrack_ftp" in run("modprobe --resolve-alias nfct-helper-ftp").split()


@ours
def test_refuses_beside_the_stock_module(clean, kernel_log):
    modules.STOCK.load()
    refused = run(["modprobe", modules.OURS.name], check=False)
    assert "Device or resource busy" in refused
    assert not modules.OURS.loaded()
    said = [line for line in kernel_log.lines() if "ip_conntrack_ftp" in line and "nf_conntrack_ftp" in line]
    assert said, f"the kernel's log names neither the reason nor the way out: {kernel_log.lines()}"
    kernel_log.allow("ip_conntrack_ftp: ")
    modules.STOCK.unload()
    modules.OURS.load()


@ours
def test_stock_module_refuses_beside_ours(helper, kernel_log):
    kernel_log.allow("nf_ct_ftp|nf_conntrack_ftp")
    assert "Device or resource busy" in run(["modprobe", modules.STOCK.name], check=False)
    assert not modules.STOCK.loaded()
    assert modules.OURS.loaded()


def test_unload_while_a_rule_uses_it_is_refused(network, helper, firewall):
    firewall()
    assert "in use" in run(["rmmod", helper.name], check=False)
    assert helper.loaded()


def test_unload_with_live_sessions(network, helper, firewall):
    """Sessions stay alive without their helper; expectations go; after a reload new ones have it."""
    firewall()
    with scripted.Control(network) as control:
        control.client_says(scripted.port_command("192.0.2.10", 40000))
        assert scripted.announced(network.router) == [("192.0.2.10", 40000)]
        firewall(assign=False)
        helper.unload()
        assert scripted.expectations(network.router) == []
        control.client_says(b"NOOP\r\n")
        control.server_says(b"200 still here\r\n")
        control.client_says(scripted.port_command("192.0.2.10", 40001))
        assert scripted.expectations(network.router) == []

        helper.load()
        firewall()
        control.client_says(b"NOOP\r\n")
        control.server_says(b"200 still here\r\n")
    network.router.run("conntrack -F")
    with scripted.Control(network) as control:
        control.check_alive()


def test_unload_under_traffic(network, helper, firewall):
    """The helper comes and goes under a session that talks all the time."""
    with scripted.Control(network) as control:
        for round_ in range(10):
            firewall()
            control.client_says(scripted.port_command("192.0.2.10", 40000 + round_))
            firewall(assign=False)
            unloading = subprocess.Popen(["rmmod", helper.name])
            while unloading.poll() is None:
                control.client_says(b"NOOP\r\n")
                control.server_says(b"227 Entering Passive Mode (198,51,100,10,195,80)\r\n")
            assert unloading.returncode == 0
            log.info("guest# rmmod %s (under traffic)", helper.name)
            helper.load()
