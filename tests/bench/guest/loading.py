# SPDX-License-Identifier: GPL-2.0
"""Loads and unloads the helpers' modules; runs in the guest."""

import contextlib
import subprocess

PREFIXES = {"stock": ("nf_conntrack_", "nf_nat_"), "ours": ("ip_conntrack_", "ip_nat_")}


def load(*words):
    subprocess.run(["modprobe", *words], check=True)


def unload(*names):
    subprocess.run(["rmmod", *names], check=True)


@contextlib.contextmanager
def loaded(*words):
    """A module with its parameters, if any is named."""
    if words:
        load(*words)
    yield
    if words:
        unload(words[0])
