# SPDX-License-Identifier: GPL-2.0
"""What CI does with the debug kernel: within its time, or not at all, which it says."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import TOP

sys.path[:0] = [str(TOP / "tests"), str(TOP / "scripts/guest")]

import environment  # noqa: E402
from suites import debug_part, guest  # noqa: E402


@pytest.fixture
def part(monkeypatch, tmp_path):
    """part(minutes, setup, kernel) runs it with so many minutes left, and without a guest; `kernel` is what
    there is in the cache."""
    monkeypatch.setattr(environment, "cache", lambda: tmp_path)
    monkeypatch.setattr(guest, "build", lambda setup: setup.get("modules"))
    monkeypatch.setattr(guest, "run_all", lambda *_: (7, 1))

    def run(minutes, setup, kernel="debug_1"):
        (tmp_path / "kernel" / kernel).mkdir(parents=True)
        monkeypatch.setattr(environment, "setup", setup)
        monkeypatch.setattr(debug_part, "SETTINGS", {})
        return debug_part.run(SimpleNamespace(debug=False), tmp_path, time.monotonic() + 60 * minutes)

    return run


def ready(kind, timeout):
    return {"modules": []}


@pytest.mark.parametrize("minutes, kernel", [(20, "debug_1"), (50, "debug_1.part")])
def test_in_time(part, minutes, kernel, capsys):
    assert part(minutes, ready, kernel) == (7, 1)
    assert "LEFT OUT" not in capsys.readouterr().out


@pytest.mark.parametrize("minutes, kernel", [(-1, "debug_1"), (10, "debug_1"), (30, "debug_1.part"), (30, "stock")])
def test_too_late(part, minutes, kernel, capsys):
    assert part(minutes, ready, kernel) == (0, 0)
    assert "LEFT OUT" in capsys.readouterr().out


def test_not_built_in_time(part, capsys):
    assert part(50, lambda kind, timeout: None) == (0, 0)
    assert "LEFT OUT" in capsys.readouterr().out


def test_cannot_be_built(part):
    assert part(50, lambda kind, timeout: sys.exit(1)) == (0, 1)
    assert part(50, lambda kind, timeout: {"modules": None}, "debug_2") == (0, 1)


def test_setup_that_hangs_is_stopped(monkeypatch, tmp_path):
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts/setup"
    script.write_text(f"#!/bin/sh\nsleep 100 & echo $! >{tmp_path}/child; wait\n")
    script.chmod(0o755)
    monkeypatch.setattr(environment, "TOP", tmp_path)
    assert environment.setup("debug", timeout=1) is None
    child = (tmp_path / "child").read_text().strip()
    deadline = time.monotonic() + 10
    while is_running(child):
        assert time.monotonic() < deadline, "what the set-up has started runs on"


def is_running(pid):
    try:
        return Path("/proc", pid, "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
