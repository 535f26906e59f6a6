# SPDX-License-Identifier: GPL-2.0
"""Announcements that are sent again, because they or their acknowledgments were lost: the server
must see the same bytes each time, and sequence numbers must count each change once."""

import pytest

from capture import Capture
from dialogue import Dialogue, carry, hear
from scripted import port_command
from shell import wait_for
from test_nat_ports import PORT, announce, two  # noqa: F401  fixture

FLOWS = pytest.mark.parametrize("name, family", [("snat", "ipv4"), ("snat-shorter", "ipv4"), ("snat", "ipv6")])


class Loss:
    """The server loses what comes in for (or goes out from) its control port, while this exists."""

    def __init__(self, server, hook):
        self.server, self.hook = server, hook

    def __enter__(self):
        field = "dport" if self.hook == "input" else "sport"
        self.server.run("nft -f -", stdin=f"""table inet loss {{
            chain lose {{
              type filter hook {self.hook} priority filter
              tcp {field} 21 counter drop
            }}
          }}""")
        return self

    def __exit__(self, *_):
        self.server.run("nft delete table inet loss")


def _copies(capture, text):
    """The segments to the server that begin with a text."""
    return [segment for segment in capture.read() if segment.dest[1] == 21 and segment.payload.startswith(text[:5])]


@FLOWS
def test_acknowledgment_is_lost(network, nat_helper, flow, name, family):
    way = flow(name, family)
    with Dialogue(way) as talk, way.client.listen(family, PORT) as waiting, Capture(way.server) as far:
        line = port_command(way.client.address[family], PORT)
        with Loss(way.server, "output"):
            talk.client_says(line)
            wait_for("the announcement to be sent again", lambda: len(_copies(far, line)) >= 3)
        # Every byte of each repetition is compared.
        said, _ = far.connection(talk.peer)
        assert said.repeated() >= 2 * len(way.heard("client", line))
        talk.chat()
        carry(way.server, family, way.seen_as, PORT, waiting)
        talk.chat()


@FLOWS
def test_announcement_is_lost(network, nat_helper, flow, name, family):
    way = flow(name, family)
    with Dialogue(way) as talk, way.client.listen(family, PORT) as waiting, Capture(way.server) as far:
        line = port_command(way.client.address[family], PORT)
        with Loss(way.server, "input"):
            talk.client.sendall(line)
            wait_for("the announcement to be sent again", lambda: len(_copies(far, line)) >= 3)
        expected = way.heard("client", line)
        assert hear(talk.server, len(expected)) == expected
        talk.chat()
        carry(way.server, family, way.seen_as, PORT, waiting)
        talk.chat()


@pytest.mark.ours
def test_lines_around_it_are_lost(network, nat_helper, flow):
    """What was sent in three segments comes again in one, with the announcement in its middle."""
    way = flow("snat")
    with Dialogue(way) as talk, way.client.listen("ipv4", PORT) as waiting, Capture(way.client) as near:
        text = [b"NOOP\r\n", port_command(way.client.address["ipv4"], PORT), b"SYST\r\n"]
        with Loss(way.server, "input"):
            for line in text:
                talk.client.sendall(line)
            wait_for("them to be sent again", lambda: len(_copies(near, text[0])) >= 3)
        expected = way.heard("client", b"".join(text))
        assert hear(talk.server, len(expected)) == expected
        talk.chat()
        carry(way.server, "ipv4", way.seen_as, PORT, waiting)
        talk.chat()


@pytest.mark.ours
def test_other_port_is_told_again(two):
    """The port that was told in the place of a taken one stays, though the taken one is free now."""
    one, other = two
    server = other.flow.server
    with one.flow.client.listen("ipv4", PORT) as here, other.flow.client.listen("ipv4", PORT) as there, \
            Capture(server) as far:
        assert announce(one) == PORT
        with Loss(server, "output"):
            port = announce(other)
            assert port != PORT
            copies = lambda: [segment.payload for segment in _copies(far, b"PORT ")  # noqa: E731
                              if segment.source[1] == other.peer[1]]
            before = len(copies())
            # The first session's port becomes free.
            with server.connect("ipv4", one.flow.seen_as, PORT), here.accept()[0]:
                pass
            wait_for("the announcement to be sent again", lambda: len(copies()) >= before + 1)
        assert len(set(copies())) == 1, copies()
        other.chat()
        carry(server, "ipv4", other.flow.seen_as, port, there)
        other.chat()
        one.chat()
