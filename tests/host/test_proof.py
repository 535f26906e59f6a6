# SPDX-License-Identifier: GPL-2.0
"""The protocol core beside mainline's helpers."""

import re
import subprocess

import pytest
from conftest import TOP, run


def test_differences_from_mainline():
    """Each difference is of a class that docs/behaviour.md tells of; see tests/diff."""
    last = run("scripts/rust", "diff", "1000000").splitlines()[-1]
    counts = re.fullmatch(r"(\d+) inputs \(seed 1\): (\d+) opened alike, (\d+) with differences of (\d+) classes, "
                          r"0 with an unknown one", last)
    assert counts and int(counts[1]) >= 1000000 and int(counts[2]) > 100000 and int(counts[4]) > 20, last


@pytest.mark.parametrize("forbidden", ["LaterLine", "Truncated", "NotAReply", "NotFromClient"])
def test_unknown_difference_is_found(forbidden):
    """The control: a class that is not allowed is an error."""
    result = subprocess.run(["scripts/rust", "diff", "20000", "1", forbidden], cwd=TOP, stdout=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert "no class of difference: " in result.stdout
