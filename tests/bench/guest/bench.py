# SPDX-License-Identifier: GPL-2.0
"""Runs in the guest: measures the kernel's own helpers, then ours; leaves /out/bench.json.

  guest.py HELPER…                  all cases; the arguments are the helpers that we have modules for
  guest.py --trace CASE HELPER…     which functions the instructions of one case are in, see trace.py
"""

import dataclasses
import json
import sys

import cases
import device
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


def measure(case, place):
    result = device.measure(case, place)
    return result and {**dataclasses.asdict(result), "packet": None, "wrong": wrong(case, result)}


def with_helper(who, name, action, wanted):
    """What `action` gives for each of the cases, with the helper and its NAT half loaded."""
    modules = [prefix + name for prefix in PREFIXES[who]]
    load(modules[1])
    found = {case.name: {place: action(case, place) for place in case.places}
             for case in wanted if case.helper == name}
    unload(*reversed(modules))
    return found


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
    load("nf_nat")
    load("helper_bench")
    action, wanted = measure, cases.CASES
    if words[:1] == ["--trace"]:
        action, wanted = trace.profile, [case for case in cases.CASES if case.name == words[1]]
        words = words[2:]
    found = {"stock": all_of("stock", cases.PORTS, action, wanted), "ours": all_of("ours", words, action, wanted)}
    if action is measure and "ftp" in words:
        found["hooks"] = hooks()
    with open("/out/bench.json", "w") as file:
        json.dump(found, file, indent=1)


main(sys.argv[1:])
