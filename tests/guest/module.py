# SPDX-License-Identifier: GPL-2.0
"""The kernel module under test: ours, or for comparison the kernel's own."""

import os
from pathlib import Path

import shell


class Module:
    """A kernel module by name. `defaults` are the parameters of every `load` that does not say
    otherwise."""

    def __init__(self, name, **defaults):
        self.name, self.defaults = name, defaults
        self.sysfs = Path("/sys/module") / name

    def load(self, **parameters):
        words = (f"{key}={value}" for key, value in {**self.defaults, **parameters}.items())
        shell.run(["modprobe", self.name, *words])
        assert self.loaded(), f"modprobe {self.name} succeeded, but the module is not there"

    def unload(self):
        shell.run(["rmmod", self.name])
        assert not self.loaded(), f"rmmod {self.name} succeeded, but the module is still there"

    def loaded(self):
        return self.sysfs.is_dir()

    def parameter(self, name):
        return (self.sysfs / "parameters" / name).read_text().strip()

    def set_parameter(self, name, value):
        shell.log.info("guest# echo %s > %s", value, self.sysfs / "parameters" / name)
        (self.sysfs / "parameters" / name).write_text(str(value))

    def mode(self, name):
        return os.stat(self.sysfs / "parameters" / name).st_mode & 0o777


# Most tests give the helper to connections by a rule, as the stock module needs it.
OURS, STOCK = Module("ip_conntrack_ftp", auto_assign=0), Module("nf_conntrack_ftp")


def under_test():
    return STOCK if os.environ.get("HELPER") == "stock" else OURS


# What all of ours need, and what their NAT halves do; they stay when those go.
CORE, NAT_CORE = Module("ip_conntrack_core"), Module("ip_nat_core")

# All that a test may have loaded, in an order in which they can go; see helpers.py for more of them.
LOADABLE = [OURS, STOCK, NAT_CORE, CORE]


def unload_all():
    for module in LOADABLE:
        if module.loaded():
            module.unload()
