# SPDX-License-Identifier: GPL-2.0
"""The helpers by protocol: their modules, ours or for comparison the kernel's own, and
the fixtures that load them.

Ours is loaded as people do it: plainly, so that it finds its connections by itself. The kernel's
own needs a rule that gives it to them."""

from dataclasses import dataclass

import pytest

import gate as gates
import module
import flows
from module import Module


@dataclass
class Helper:
    """A protocol's helper: what carries its control connections, and to which port they go."""

    name: str
    transport: str
    port: int

    def __post_init__(self):
        self.ours, self.ours_nat = Module(f"ip_conntrack_{self.name}"), Module(f"ip_nat_{self.name}")
        self.stock, self.stock_nat = Module(f"nf_conntrack_{self.name}"), Module(f"nf_nat_{self.name}")
        module.LOADABLE[:0] = [self.ours_nat, self.stock_nat, self.ours, self.stock]
        self.is_stock = module.under_test() is module.STOCK
        # What a rule must name for this helper to be used.
        self.assign = self.name if self.is_stock else None

    @property
    def conntrack_half(self):
        return self.stock if self.is_stock else self.ours

    @property
    def nat_half(self):
        return self.stock_nat if self.is_stock else self.ours_nat


# FTP has tests of its own; see module.py and natmodule.py.
FTP = Helper("ftp", "tcp", 21)
TFTP, IRC, AMANDA = Helper("tftp", "udp", 69), Helper("irc", "tcp", 6667), Helper("amanda", "udp", 10080)
ALL = {helper.name: helper for helper in (TFTP, IRC, AMANDA)}


@pytest.fixture
def gate(network, clean):
    """gate(helper, family, …) puts up the router's firewall; see gate.py."""

    def put_up(helper, family="ipv4", assign=True, kind="iptables", **options):
        rules = gates.KINDS[kind](network.router, family, helper)
        rules.load(assign=helper.assign if assign is True else assign, **options)
        return rules

    return put_up


@pytest.fixture
def way(network, clean, gate):
    """way(helper, name, family) is a way through the router's translation, see flows.py, with its
    firewall put up."""
    made = []

    def make(helper, name, family="ipv4", **options):
        flow = flows.make(name, family)
        made.append(flow.__enter__())
        flow.gate = gate(helper, family, nat=flow.nat, **options)
        return flow

    yield make
    for flow in made:
        flow.__exit__()
