# SPDX-License-Identifier: GPL-2.0
"""Size of the code of modules: their .text sections, without what runs only to load or unload them."""

import struct

SHARED, TOGETHER = "shared by all of ours", "all together"


def text_size(module):
    """Bytes in the sections .text and .text.* of an ELF file of 64 bits, little endian."""
    data = module.read_bytes()
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names_index = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, table + size * index) for index in range(count)]
    names = headers[names_index][4]
    total = 0
    for name, _, _, _, _, length in headers:
        name = data[names + name:data.index(b"\0", names + name)]
        if name == b".text" or name.startswith(b".text."):
            total += length
    return total


def pairs(ours, stock, helpers):
    """For each helper the size of its conntrack and NAT halves together; None for a missing pair. And what
    all of ours share, and all together."""
    found = {}
    for helper in helpers:
        sizes = {"stock": sum(text_size(next(stock.rglob(f"nf_{half}_{helper}.ko"))) for half in ("conntrack", "nat"))}
        halves = [ours / f"ip_{half}_{helper}.ko" for half in ("conntrack", "nat")]
        sizes["ours"] = sum(map(text_size, halves)) if all(half.exists() for half in halves) else None
        found[helper] = sizes
    shared = [ours / f"ip_{half}_core.ko" for half in ("conntrack", "nat")]
    found[SHARED] = {"stock": 0, "ours": sum(text_size(module) for module in shared if module.exists())}
    found[TOGETHER] = {who: sum(sizes[who] or 0 for sizes in found.values()) for who in ("stock", "ours")}
    return found
