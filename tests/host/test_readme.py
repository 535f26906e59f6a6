# SPDX-License-Identifier: GPL-2.0
"""What the README promises and the code must have."""

import re

from conftest import TOP


def declared():
    """All counters in the lists of the code."""
    found = set()
    for path in (*TOP.glob("*_helper.rs"), *(TOP / "rust/netfilter").rglob("*.rs"), *TOP.glob("nat/*.rs")):
        for body in re.findall(r"counters! \{\n((?:\s*(?:///.*|\w+,)\n)+)", path.read_text()):
            # A list of its own begins with its type.
            found |= set(re.findall(r"^\s*([a-z]\w*),$", body, re.MULTILINE))
    return found


def test_every_counter_is_in_the_readme():
    table = re.search(r"\| counter \|.*?\n\n", (TOP / "README.md").read_text(), re.DOTALL)[0]
    described = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert {"announced", "foreign_address", "rewritten"} <= declared()
    assert declared() == described
