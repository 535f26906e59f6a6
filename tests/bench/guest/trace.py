# SPDX-License-Identifier: GPL-2.0
"""Which functions the instructions of one call are in; runs in the guest."""

import bisect

import device


def symbols():
    """Addresses and names of all functions, sorted."""
    found = []
    with open("/proc/kallsyms") as file:
        for line in file:
            address, kind, name, *module = line.split()
            if kind in "tTwW":
                found.append((int(address, 16), name + "".join(module)))
    return sorted(found)


def profile(case, place):
    """For each function its instructions and how often it was entered or come back to; then all
    instructions in their order, as [function, offset]."""
    table = symbols()
    addresses = [address for address, _ in table]
    functions, steps, last = {}, [], None
    for address in device.trace(case, place):
        start, name = table[bisect.bisect_right(addresses, address) - 1]
        counts = functions.setdefault(name, [0, 0])
        counts[0] += 1
        counts[1] += name != last
        last = name
        steps.append([name, address - start])
    return {"functions": functions, "steps": steps}
