# SPDX-License-Identifier: GPL-2.0
"""The modules for TFTP, IRC and Amanda themselves: loading and unloading, parameters, what modinfo
says, and their neighbours."""

import errno
import os
import re

import pytest

import helpers
from helpers import AMANDA, IRC
from shell import run

ours = pytest.mark.ours
each = pytest.mark.parametrize("helper", helpers.ALL.values(), ids=helpers.ALL)
# name, type, mode and default of each parameter.
PARAMETERS = {
    "tftp": (("ports", "array of ushort", 0o444, "69"), ("auto_assign", "bool", 0o444, "Y")),
    "irc": (("ports", "array of ushort", 0o444, "6667"), ("auto_assign", "bool", 0o444, "Y"),
            ("max_dcc_channels", "uint", 0o400, "8"), ("dcc_timeout", "uint", 0o400, "300"),
            ("allow_privileged", "bool", 0o600, "N")),
    "amanda": (("ports", "array of ushort", 0o444, "10080"), ("auto_assign", "bool", 0o444, "Y"),
               ("master_timeout", "uint", 0o600, "300")),
}

# The kernel counts no longer than 2^31 milliseconds.
TIMES_THAT_ARE_NONE = ["0", "2147484", "4294967", "4294967295"]
BOUNDED = [(IRC, "max_dcc_channels", 255), (IRC, "dcc_timeout", 2147483), (AMANDA, "master_timeout", 2147483)]


@each
def test_load_unload_reload(clean, helper):
    for _ in range(3):
        helper.conntrack_half.load()
        helper.conntrack_half.unload()
        helper.nat_half.load()
        assert helper.conntrack_half.loaded()
        helper.nat_half.unload()
        helper.conntrack_half.unload()


@ours
@each
def test_conntrack_half_is_in_use_by_the_nat_half(clean, helper):
    helper.nat_half.load()
    assert "in use" in run(["rmmod", helper.ours.name], check=False)
    assert helper.ours.loaded()


@ours
@each
def test_modinfo(clean, helper):
    for module in (helper.ours.name, helper.ours_nat.name):
        assert run(f"modinfo -F license {module}").strip() == "GPL"
        for field in ("author", "description"):
            assert run(f"modinfo -F {field} {module}").strip(), f"modinfo shows no {field}"
    shown = run(f"modinfo -p {helper.ours.name}").splitlines()
    for name, kind, _, _ in PARAMETERS[helper.name]:
        [line] = [line for line in shown if line.startswith(f"{name}:")]
        assert line.endswith(f"({kind})") and len(line) > 30
    assert len(shown) == len(PARAMETERS[helper.name])
    assert run(f"modinfo -F alias {helper.ours.name}").split() == [f"nfct-helper-{helper.name}"]


@ours
@each
def test_parameters_in_sysfs(clean, helper):
    helper.ours.load()
    for name, _, mode, default in PARAMETERS[helper.name]:
        assert (helper.ours.parameter(name), helper.ours.mode(name)) == (default, mode), name
    assert {name for name, *_ in PARAMETERS[helper.name]} == set(os.listdir(helper.ours.sysfs / "parameters"))


@ours
@each
def test_alias(clean, helper):
    """What the kernel asks for when a rule names the helper leads to our module alone, which then
    helps only where a rule says so."""
    assert run(f"modprobe --resolve-alias nfct-helper-{helper.name}").split() == [helper.ours.name]
    run(f"modprobe nfct-helper-{helper.name}")
    assert helper.ours.loaded() and not helper.stock.loaded()
    assert helper.ours.parameter("auto_assign") == "N"


@ours
@each
def test_refuses_beside_the_stock_module(clean, kernel_log, helper):
    kernel_log.allow(f"{helper.ours.name}: ")
    helper.stock.load()
    assert "Device or resource busy" in run(["modprobe", helper.ours.name], check=False)
    assert not helper.ours.loaded()
    said = [line for line in kernel_log.lines() if helper.ours.name in line and helper.stock.name in line]
    assert said, f"the kernel's log names neither the reason nor the way out: {kernel_log.lines()}"
    helper.stock.unload()
    helper.ours.load()


@ours
@each
def test_stock_module_refuses_beside_ours(clean, kernel_log, helper):
    kernel_log.allow("nf_ct_|nf_conntrack_")
    helper.ours.load()
    assert "Device or resource busy" in run(["modprobe", helper.stock.name], check=False)
    assert helper.ours.loaded() and not helper.stock.loaded()


def test_all_at_once(clean):
    """They and their NAT halves do not get into each other's way."""
    for helper in helpers.ALL.values():
        helper.nat_half.load()


@ours
@each
def test_bad_parameters(clean, kernel_log, helper):
    bad = {"ports": ["0", "70000", "x"], "auto_assign": ["perhaps"], "allow_privileged": ["perhaps"],
           "max_dcc_channels": ["0", "256", "-1", "x"],
           "dcc_timeout": ["x", "-1", *TIMES_THAT_ARE_NONE], "master_timeout": ["x", "4294967296", *TIMES_THAT_ARE_NONE]}
    kernel_log.allow("invalid for parameter|ports=0 is no port|must be from 1 to")
    for name, *_ in PARAMETERS[helper.name]:
        for value in bad[name]:
            refused = run(["modprobe", helper.ours.name, f"{name}={value}"], check=False)
            assert "Invalid argument" in refused or "Numerical result out of range" in refused, f"{name}={value}"
            assert not helper.ours.loaded()


@ours
@pytest.mark.parametrize("helper, parameter, most", BOUNDED)
@pytest.mark.parametrize("value", ["0", "too much", "nonsense"])
def test_number_says_what_it_may_be(clean, kernel_log, helper, parameter, most, value):
    said = f"{helper.ours.name}: {parameter} must be from 1 to {most}."
    kernel_log.allow(re.escape(said) + "|invalid for parameter")
    value = str(most + 1) if value == "too much" else value
    assert "Invalid argument" in run(["modprobe", helper.ours.name, f"{parameter}={value}"], check=False)
    assert said in kernel_log.lines() and not helper.ours.loaded()
    helper.ours.load(**{parameter: most})
    assert helper.ours.parameter(parameter) == str(most)


@ours
def test_limits_of_max_dcc_channels(clean):
    for channels in (1, 255):
        IRC.ours.load(max_dcc_channels=channels, dcc_timeout=1)
        assert IRC.ours.parameter("max_dcc_channels") == str(channels)
        IRC.ours.unload()


@ours
def test_master_timeout_can_be_changed(clean, kernel_log):
    AMANDA.ours.load(master_timeout=100)
    assert AMANDA.ours.parameter("master_timeout") == "100"
    AMANDA.ours.set_parameter("master_timeout", 200)
    assert AMANDA.ours.parameter("master_timeout") == "200"
    kernel_log.allow("master_timeout must be from 1 to 2147483")
    for value in ("soon", *TIMES_THAT_ARE_NONE):
        with pytest.raises(OSError) as refused:
            AMANDA.ours.set_parameter("master_timeout", value)
        assert refused.value.errno == errno.EINVAL
        assert AMANDA.ours.parameter("master_timeout") == "200"
