# SPDX-License-Identifier: GPL-2.0
"""IRC in the demonstration: alice (irssi) sends bob (WeeChat) a file, both on an ngircd."""

import re

import shell
from capture import Capture
from demo_stage import heading, note, show, tell
from irc_programs import PORT, Irssi, Weechat, ngircd

OFFER = re.compile(rb"PRIVMSG bob :\x01(DCC SEND [^\x01]+)\x01")


def play(stage):
    heading("IRC, without the module")
    tell("""People on IRC send each other files directly (DCC): alice's program waits at a port and tells bob
         through the IRC server where, and bob's program connects to it. alice is on the client, her program
         is irssi; bob, with WeeChat, is on the server. The offer has her address as one number:
         3221225994 is 192.0.2.10. bob's connection is one from outside to a port that is not open.""")
    alice, bob = _meet(stage)
    with stage.blocked("bob's connection"):
        sent = _send(stage, alice)
        shell.wait_for("the firewall to drop bob's connection", lambda before=stage.dropped(): stage.dropped() > before)
    bob.check_not_received(sent)
    stage.reset()

    heading("IRC, with ip_conntrack_irc")
    stage.load("ip_conntrack_irc")
    with stage.let_in("that one connection (src=0.0.0.0: from anybody, as it cannot know where bob is)"):
        alice, bob = _meet(stage)
        sent = _send(stage, alice)
        bob.wait_for_file(sent)
        stage.same_file(bob.received / sent.name, sent, "bob", "alice")
    stage.show_related("The first packet of bob's connection was")


def _meet(stage):
    """Both connect anew each time, as a helper is given to new connections only."""
    ngircd(stage.server, "ipv4")
    alice = Irssi(stage.client, "alice", stage.server.address["ipv4"])
    return alice, Weechat(stage.server, "bob", stage.server.address["ipv4"])


def _send(stage, alice):
    with Capture(stage.client) as wire:
        sent = alice.send_file("bob")
        show("alice", f"/dcc send bob {sent}", prompt="> ")
        offer = shell.wait_for("alice's offer", lambda: _offer(wire))
    note("> PRIVMSG bob :" + offer.decode())
    return sent


def _offer(wire):
    found = [OFFER.search(said.text()) for said, _ in wire.connections(PORT).values()]
    return next((match[1] for match in found if match), None)
