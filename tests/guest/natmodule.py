# SPDX-License-Identifier: GPL-2.0
"""The NAT half of the module under test, and fixtures for tests of address translation."""

import pytest

import flows
import module
import natwall

NAT = {module.OURS: module.Module("ip_nat_ftp"), module.STOCK: module.Module("nf_nat_ftp")}
module.LOADABLE[:0] = NAT.values()


def under_test():
    return NAT[module.under_test()]


def unload():
    for half in NAT.values():
        if half.loaded():
            half.unload()


@pytest.fixture
def nat_helper(network, clean):
    """Both halves, loaded by the name of the NAT half alone."""
    half = under_test()
    half.load()
    yield half
    unload()


@pytest.fixture
def conntrack_half(network, clean):
    """The conntrack half alone, as a plain modprobe loads it."""
    half = module.under_test()
    half.load(**({"auto_assign": 1} if half is module.OURS else {}))
    return half


@pytest.fixture
def wall(network, clean):
    """wall(kind, family, …) puts up the router's firewall with address translation."""

    def put_up(kind="nft", family="ipv4", **options):
        rules = natwall.KINDS[kind](network.router, family)
        rules.load(**options)
        return rules

    return put_up


@pytest.fixture
def flow(network, clean, wall):
    """flow(name, family) is a way through the router's translation, see flows.py, with its firewall
    put up."""
    made = []

    def make(name, family="ipv4", kind="nft", assign=None, **options):
        way = flows.make(name, family)
        made.append(way.__enter__())
        # The stock module helps only where a rule says so.
        if module.under_test() is module.STOCK:
            assign = assign or "ftp"
        way.wall = wall(kind, family, nat=way.nat, assign=assign, **options)
        return way

    yield make
    for way in made:
        way.__exit__()
