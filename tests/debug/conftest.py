# SPDX-License-Identifier: GPL-2.0
"""Fixtures: all modules at once, and settings that are put back."""

import pytest

import instances


@pytest.fixture
def all_modules(network, clean):
    instances.load_all()
    yield
    instances.unload_all()


@pytest.fixture
def setting(network):
    """setting(name, value) for the test: the router's or, where the kernel has only one, everybody's."""
    before = {}

    def write(name, value):
        try:
            network.router.sysctl(name, value)
        except PermissionError:
            with open("/proc/sys/" + name.replace(".", "/"), "w") as file:
                file.write(str(value))

    def change(name, value):
        before.setdefault(name, network.router.sysctl(name))
        write(name, value)

    yield change
    for name, value in before.items():
        write(name, value)
