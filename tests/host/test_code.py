# SPDX-License-Identifier: GPL-2.0
"""The house rules for the code, and the tests of the protocol core."""

import os
import re
import subprocess

import pytest

from conftest import TOP, run


def tracked(*patterns):
    return [TOP / f for f in subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
                                            cwd=TOP, check=True, stdout=subprocess.PIPE, text=True).stdout.split()]


def test_formatted():
    run("scripts/rust", "fmt", "--check")


def test_clippy(setup):
    run("scripts/rust", "clippy", env={**os.environ, "KDIR": setup["KDIR"]})


def test_core():
    """The protocol core's own tests; a run that tested nothing fails."""
    output = run("scripts/rust", "test")
    counts = [int(n) for n in re.findall(r"test result: ok\. (\d+) passed; 0 failed", output)]
    assert sum(counts) > 0
    print(f"{sum(counts)} tests of the protocol core passed")


def test_unsafe_only_where_allowed():
    allowed = ("rust/netfilter/", "rust/bindings/", "tests/")
    for path in tracked("*.rs"):
        name = str(path.relative_to(TOP))
        if not name.startswith(allowed):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                assert not re.search(r"\bunsafe\s*(\{|fn|impl|extern|trait)", line), f"{name}:{number}: {line}"


def test_no_panicking_calls():
    """What would end in a panic is not written at all; const evaluation is the exception."""
    for path in tracked("*.rs"):
        name = str(path.relative_to(TOP))
        if not name.startswith("tests/"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                assert not re.search(r"\.(unwrap|expect)\(|\b(todo|unimplemented|unreachable)!", line), f"{name}:{number}: {line}"


# Fields of the kernel's helper that mean more than their names say, docs/kernel-contracts.md. Only
# nf_ct_helper_init writes to it; what it wrote is looked at in the guest, test_registered.py.
HELPER_FIELDS = re.compile(r"\b(destroy|to_nlattr|queue_num|nat_mod_name)\b\s*(=(?!=)|:(?!:)|\))")


def test_no_field_of_a_helper_is_written():
    for path in tracked("*.rs"):
        name = str(path.relative_to(TOP))
        if not name.startswith("tests/"):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                assert not HELPER_FIELDS.search(line.split("//")[0]), f"{name}:{number}: {line}"


@pytest.mark.parametrize("line", ["(*template.as_mut_ptr()).destroy = Some(Adapter::<H>::destroy) };",
                                  "nf_conntrack_helper { destroy: Some(gone), ..template }",
                                  "unsafe { (&raw mut (*helper).destroy).write(None) };"])
def test_rule_on_fields_finds(line):
    """The control."""
    assert HELPER_FIELDS.search(line)
