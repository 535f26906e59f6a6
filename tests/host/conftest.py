# SPDX-License-Identifier: GPL-2.0
"""What the tests on this machine share: the tree, the set-up, the built modules."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
# The protocols, by the files that they have at the top.
NAMES = sorted(path.name.removesuffix("_helper.rs") for path in TOP.glob("*_helper.rs"))


def run(*command, **options):
    """Runs a command in the tree and returns what it printed; its output is shown on failure."""
    result = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, **options)
    print(f"$ {shlex.join(map(str, command))}\n{result.stdout}")
    assert result.returncode == 0, f"{command[0]} ended with {result.returncode}"
    return result.stdout


@pytest.fixture(scope="session")
def setup():
    """USERLAND, KERNEL and KDIR of scripts/setup."""
    text = subprocess.run(["scripts/setup", "build"], cwd=TOP, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(word.split("=", 1) for word in shlex.split(text))


@pytest.fixture(scope="session")
def build(setup):
    """The folder with the modules, built for the stock kernel."""
    run("scripts/kbuild", "modules", env={**os.environ, "KDIR": setup["KDIR"]})
    return TOP / "build" / Path(setup["KERNEL"], "release").read_text().strip()


@pytest.fixture(scope="session")
def modules(build):
    found = sorted(build.glob("ip_*.ko"))
    assert found, "no module was built"
    return found


@pytest.fixture(scope="session")
def userland(setup):
    """Runs a command in the build root."""
    def call(*command, **options):
        return run("bash", "-c", '. scripts/lib.sh; in_userland "$@"', "bash", *command,
                   env={**os.environ, "USERLAND": setup["USERLAND"]}, **options)
    return call
