# SPDX-License-Identifier: GPL-2.0
"""Runs in a guest with two CPUs: one thread, and two at once, call the FTP helper, each with packets
of a connection of its own. Leaves /out/bench.json: for each call the rounds, see device.py.

The control is a function that writes only what belongs to its own connection. All is repeated in
turns, so that what the host has to do besides meets each of them alike."""

import dataclasses
import json

import cases
import device
from loading import load, loaded

PASSES, ROUNDS = 8, 40
MODULES = {"control": [], "stock": ["nf_conntrack_ftp"], "ours": ["ip_conntrack_ftp"]}
WANTED = [case for case in cases.CASES if case.name in ("FTP command, IPv4", "FTP reply, IPv4")]


def main():
    load("nf_conntrack")
    load("helper_bench")
    found = {case.name: {who: [] for who in MODULES} for case in WANTED}
    for _ in range(PASSES):
        for who, module in MODULES.items():
            with loaded(*module):
                for case in WANTED:
                    what = dataclasses.replace(case, what="threads" if module else "control")
                    found[case.name][who] += device.threads(what, ROUNDS)
    with open("/out/bench.json", "w") as file:
        json.dump(found, file, indent=1)


main()
