# SPDX-License-Identifier: GPL-2.0
"""What others may do to what is ours by way of the kernel's interfaces, docs/kernel-contracts.md."""

import pytest

import ctnetlink
import module
import scripted

HOOKS_MAX = 1023
ours = pytest.mark.ours


@ours
def test_a_namespace_without_room_for_hooks(network, clean, kernel_log):
    """Whoever is root in a namespace of his own can fill its postrouting with chains of rules. That is his
    loss: the module is loaded, and finds connections elsewhere."""
    kernel_log.allow("has no room for hooks")
    chains = "".join(f"chain c{number} {{ type filter hook postrouting priority {number}; }}\n" for number in range(HOOKS_MAX))
    network.third.run("nft -f -", stdin=f"table ip full {{\n{chains}}}\n")
    try:
        module.OURS.load(auto_assign=1)
        network.router.run("nft -f -", stdin="table ip tracking { chain c { type filter hook forward priority 0; ct state new; }; }")
        with scripted.Control(network) as control:
            control.client_says(scripted.port_command("192.0.2.10", 40000))
            assert scripted.announced(network.router) == [("192.0.2.10", 40000)]
        module.OURS.unload()
    finally:
        network.third.run("nft flush ruleset")


@ours
def test_change_of_an_entry_begins_no_line(network, helper, firewall):
    """Its helper's name alone, or with it anything else, says nothing of where lines begin."""
    firewall()
    with scripted.Control(network) as control:
        control.client_says(b"SITE ")
        ctnetlink.name_helper(network.router, control.client.getsockname()[:2], control.client.getpeername()[:2], "ftp")
        control.client_says(scripted.port_command("192.0.2.10", 40000))
        assert scripted.announced(network.router) == []
        control.check_alive()


@ours
def test_mark_begins_no_line(network, helper, firewall):
    firewall()
    with scripted.Control(network) as control:
        control.client_says(b"SITE ")
        network.router.run("conntrack -U -p tcp --dport 21 --mark 5")
        control.client_says(scripted.port_command("192.0.2.10", 40000))
        assert scripted.announced(network.router) == []
        control.check_alive()
