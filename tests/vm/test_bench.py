# SPDX-License-Identifier: GPL-2.0
"""That a helper which takes too much is noticed by tests/suites/bench.py."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from suites import bench  # noqa: E402

FINE = {"of": "instructions", "what": "FTP command, linear: ours / stock", "value": 0.28, "limit": 0.35, "state": "met"}
MISSED = {**FINE, "value": 0.87, "limit": 0.75, "state": "not met"}
LONG = {"of": "lengths", "what": "FTP PORT, 65000 bytes: ours / stock", "value": 2.0, "limit": 10.0, "state": "met"}
LARGER = {**FINE, "of": "text", "value": 5.7, "limit": 1.0, "state": "not met"}


def test_missed_goal_is_no_failure():
    assert bench.compare([FINE, MISSED, LONG, LARGER]) == (3, 0)


@pytest.mark.parametrize("change", [
    {"value": 1.01, "state": "not met"}, {"value": None, "state": "missing"}, {"value": None, "state": "wrong"}])
def test_failure(change, capsys):
    assert bench.compare([FINE, {**FINE, **change, "what": "it"}]) == (1, 1)
    assert "FAILED  it" in capsys.readouterr().out


def test_length_that_costs_too_much(capsys):
    assert bench.compare([LONG, {**LONG, "value": 11.0, "state": "not met", "what": "it"}]) == (1, 1)
    assert "FAILED  it" in capsys.readouterr().out
