# SPDX-License-Identifier: GPL-2.0
"""Amanda in the demonstration: a backup of the server, made by the client."""

import re

import flows
from amanda_programs import CONFIG, DATA, check_backup, check_no_backup, prepare, start_backup, start_machine
from datagrams import Wire
from demo_stage import heading, note, show, tell
from shell import wait_for

AUTH, STREAMS = "bsd", 4
PATIENCE = 60
ANNOUNCED = re.compile(rb"^CONNECT .*$", re.MULTILINE)


def play(stage):
    flow = flows.make("plain")
    prepare(flow, AUTH)
    start_machine(stage.server, AUTH)
    heading("Amanda, without the module")
    tell("""Amanda makes backups over the network. Here the client is the machine with the tape; it asks the
         server at UDP port 10080 for its files. The answer names TCP ports at which they can be fetched,
         together with messages, an index and the state. The firewall knows nothing of these.""")
    with stage.blocked("the connections to these ports"):
        backup = _start(stage)
        wait_for("a connection that is dropped", lambda before=stage.dropped(): stage.dropped() > before)
    backup.stop()
    stage.reset()
    check_no_backup()

    heading("Amanda, with ip_conntrack_amanda")
    prepare(flow, AUTH)
    start_machine(stage.server, AUTH)
    stage.load("ip_conntrack_amanda")
    with stage.let_in("one connection to each of these ports", STREAMS):
        check_backup(_start(stage), PATIENCE)
        note(f"(on the tape is what was in the server's {DATA}: "
             f"{', '.join(f'{file.name}, {file.stat().st_size} bytes' for file in sorted(DATA.iterdir()))})")
    stage.show_related("The first packet of each of them was", STREAMS)


def _start(stage):
    """Starts a backup; what the server announces is shown when it does."""
    with Wire(stage.client) as wire:
        backup = start_backup(stage.client)
        show("client", f"amdump {CONFIG.name}")
        found = wait_for("the server to name its ports", lambda: _announced(wire), PATIENCE)
    note("< " + found.decode())
    return backup


def _announced(wire):
    found = [ANNOUNCED.search(one.payload) for one in wire.read()]
    return next((match[0] for match in found if match), None)
