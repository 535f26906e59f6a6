# SPDX-License-Identifier: GPL-2.0
"""Runs in the guest: measures the kernel's own helpers, then ours; leaves /out/bench.json.

  guest.py HELPER…                  all cases; the arguments are the helpers that we have modules for
  guest.py --trace CASE HELPER…     which functions the instructions of one case are in, see trace.py
"""

import contextlib
import dataclasses
import json
import sys
from pathlib import Path

import cases
import device
import lengths
import trace
from loading import PREFIXES, load, unload


def wrong(case, result):
    """What the helper did not do as it should have; empty if it did."""
    before, after = case.payload, result.packet
    if result.verdict != 1:
        return "dropped the packet"
    if result.expected != case.expected:
        return f"made {result.expected} expectations instead of {case.expected}"
    if after.endswith(before) == bool(case.says) or case.says not in after:
        return f"left the packet as {after!r}"
    return ""


@contextlib.contextmanager
def helper(who, name):
    modules = [prefix + name for prefix in PREFIXES[who]]
    load(modules[1])
    yield
    unload(*reversed(modules))


def measure(case, place):
    result = device.measure(case, place)
    return result and {**dataclasses.asdict(result), "packet": None, "wrong": wrong(case, result)}


def length(who, curve):
    """For each length the instructions; or in words what was wrong."""
    found = {}
    for size in lengths.LENGTHS:
        case = dataclasses.replace(curve.case(size), taken=lengths.FIRST_PORT * curve.taken)
        result = device.measure(case, "pages", rounds=8)
        found[size] = result.median
        # Without a free port the kernel's own helper drops the packet.
        verdict = 0 if curve.taken and who == "stock" else 1
        if result.verdict != verdict or (result.expected > 0) != (curve.announces and not curve.taken):
            return f"{case.name}: {who} has verdict {result.verdict} and {result.expected} expectations"
    return found


def all_lengths(helpers):
    Path("/proc/sys/net/netfilter/nf_conntrack_expect_max").write_text("70000")
    found = {curve.name: {} for curve in lengths.CURVES}
    # To take all ports takes long, so that comes last for all.
    for taken in (False, True):
        for who, names in (("stock", cases.PORTS), ("ours", helpers)):
            for name in names:
                curves = [curve for curve in lengths.CURVES if (curve.helper, curve.taken) == (name, taken)]
                if curves:
                    with helper(who, name):
                        for curve in curves:
                            found[curve.name][who] = length(who, curve)
    return found


def with_helper(who, name, action, wanted):
    """What `action` gives for each of the cases, with the helper and its NAT half loaded."""
    with helper(who, name):
        return {case.name: {place: action(case, place) for place in case.places}
                for case in wanted if case.helper == name}


def all_of(who, names, action, wanted=cases.CASES):
    found = {}
    for name in names:
        if any(case.helper == name for case in wanted):
            found |= with_helper(who, name, action, wanted)
    return found


def hooks():
    """The hook without and with our modules; and what a rule with a helper does instead."""
    found = {}

    def run(key, wanted=cases.HOOKS):
        for case in wanted:
            found.setdefault(case.name, {})[key] = device.measure(case, "linear").median

    run("without")
    ours = [f"ip_conntrack_{name}" for name in cases.PORTS]
    for module in ours:
        load(module)
        if module == "ip_conntrack_ftp":
            run("one")
    run("all")
    unload(*ours)
    load("nf_conntrack_ftp")
    run("rule", [dataclasses.replace(case, what="assign") for case in cases.HOOKS if case.is_new])
    unload("nf_conntrack_ftp")
    return found


def main(words):
    # All ports can be expected without long lists.
    load("nf_conntrack", "expect_hashsize=65536")
    load("nf_nat")
    load("helper_bench")
    action, wanted = measure, cases.CASES
    if words[:1] == ["--trace"]:
        action, wanted = trace.profile, [case for case in cases.CASES if case.name == words[1]]
        words = words[2:]
    found = {"stock": all_of("stock", cases.PORTS, action, wanted), "ours": all_of("ours", words, action, wanted)}
    if action is measure and "ftp" in words:
        found["hooks"] = hooks()
    if action is measure:
        found["lengths"] = all_lengths(words)
    with open("/out/bench.json", "w") as file:
        json.dump(found, file, indent=1)


main(sys.argv[1:])
