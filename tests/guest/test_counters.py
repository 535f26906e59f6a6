# SPDX-License-Identifier: GPL-2.0
"""What the modules count and say. Each counter is provoked once; all the others must stay 0. The log
speaks of what somebody should act on, names both ends, and does not speak all the time."""

import errno
import os
from pathlib import Path

import pytest

import counters
import expected
import dcc
import initial
import taken
import topology
from amanda_talk import Talk, connect, reply
from datagrams import Socket
from dcc import message, send
from dialogue import Dialogue
from helpers import AMANDA, IRC, TFTP
from module import OURS
from scripted import passive_reply, port_command
from shell import run, wait_for

pytestmark = pytest.mark.ours
EXPECT_MAX = Path("/proc/sys/net/netfilter/nf_conntrack_expect_max")
THIRD = {family: topology.Host("third").address[family] for family in topology.FAMILIES}
PORT = 40000


@pytest.fixture(autouse=True)
def debugfs():
    counters.mount()


@pytest.fixture(autouse=True)
def log_of_all():
    """The router is a network namespace, of which the log speaks only if it is told to."""
    with counters.log_of_all_namespaces() as setting:
        yield setting


@pytest.fixture
def full_table():
    """No more than one connection is expected at a time."""
    before = EXPECT_MAX.read_text()
    EXPECT_MAX.write_text("1")
    yield
    EXPECT_MAX.write_text(before)


def _check_said(kernel_log, talk, module, text):
    """The log has one line, which names the two ends, wherever they may seem to be."""
    [line] = counters.lines(kernel_log)
    client, server = talk.client.getsockname(), talk.server.getsockname()
    ends = tuple(f"[{end[0]}]:{end[1]}" if ":" in end[0] else f"{end[0]}:{end[1]}" for end in (client, server))
    assert line[:3] == (module, *ends) and text in line[3]


def test_nothing_happens(network, nat_helper, flow, kernel_log):
    """A session of other commands."""
    with Dialogue(flow("snat")) as talk:
        talk.chat()
        talk.client_says(b"PORT 1,2\r\nEPRT ||\r\n")
        talk.server_says(b"227 Logout.\r\n")
        assert counters.read("ftp") == {"assigned": 1}
    assert counters.lines(kernel_log) == []


@pytest.mark.parametrize("family", topology.FAMILIES)
def test_expected(network, nat_helper, flow, kernel_log, family):
    with Dialogue(flow("plain", family)) as talk:
        for number in (1, 2):
            talk.passive()
            assert counters.read("ftp") == {"assigned": 1, "announced": number, "expected": number}
    assert counters.lines(kernel_log) == []


def test_rewritten(network, nat_helper, flow, kernel_log):
    with Dialogue(flow("both")) as talk:
        talk.active(PORT)
        talk.passive(PORT)
        assert counters.read("ftp") == {"assigned": 1, "announced": 2, "expected": 2, "nat.rewritten": 2}
    assert counters.lines(kernel_log) == []


def test_helper_given_by_a_rule(network, clean, flow):
    """is not counted as assigned."""
    OURS.load(auto_assign=0)
    with Dialogue(flow("plain", assign="ftp")) as talk:
        talk.passive()
        assert counters.read("ftp") == {"announced": 1, "expected": 1}


@pytest.mark.parametrize("family", topology.FAMILIES)
def test_foreign_address(network, nat_helper, flow, kernel_log, family):
    """The log speaks at once, then not for a while, and then again."""
    with Dialogue(flow("plain", family)) as talk:
        line = port_command(THIRD[family], PORT)
        for _ in range(5):
            talk.client_says(line, heard=line)
        assert counters.read("ftp") == {"assigned": 1, "announced": 5, "foreign_address": 5}
        _check_said(kernel_log, talk, "ip_conntrack_ftp", "loose=1")

        def say_again():
            talk.client_says(line, heard=line)
            return len(counters.lines(kernel_log)) > 1

        wait_for("the log to speak of it again", say_again)
        assert len(counters.lines(kernel_log)) == 2
        OURS.set_parameter("loose", 1)
        before = counters.read("ftp")
        talk.client_says(line, heard=line)
        assert counters.read("ftp") == {**before, "announced": before["announced"] + 1, "expected": 1}


def test_ends_as_they_are(network, nat_helper, flow, kernel_log):
    """Where both ends are translated the log names neither by its outer address."""
    with Dialogue(flow("both")) as talk:
        assert talk.peer[0] != talk.client.getsockname()[0]
        command = port_command(THIRD["ipv4"], PORT)
        talk.client_says(command, heard=command)
        _check_said(kernel_log, talk, "ip_conntrack_ftp", "another machine")


def test_other_namespaces_are_counted_only(network, nat_helper, flow, kernel_log, log_of_all):
    """Nor do they silence others: the log speaks as soon as it may."""
    line = port_command(THIRD["ipv4"], PORT)
    with Dialogue(flow("plain")) as talk:
        log_of_all.write_text("0")
        for _ in range(3):
            talk.client_says(line, heard=line)
        assert counters.read("ftp")["foreign_address"] == 3
        assert counters.lines(kernel_log) == []
        log_of_all.write_text("1")
        talk.client_says(line, heard=line)
        _check_said(kernel_log, talk, "ip_conntrack_ftp", "another machine")


def test_initial_namespace(network, conntrack_half, kernel_log, log_of_all):
    """It is logged in any case. Here the guest itself is the server."""
    log_of_all.write_text("0")
    with initial.tracked(network.client) as flow, Dialogue(flow) as talk:
        line = port_command(THIRD["ipv4"], PORT)
        talk.client_says(line, heard=line)
        assert counters.read("ftp")["foreign_address"] == 1
        _check_said(kernel_log, talk, "ip_conntrack_ftp", "another machine")


def test_each_reason_has_its_own_silence(network, nat_helper, flow, kernel_log):
    with Dialogue(flow("plain")) as talk:
        for line in (port_command(THIRD["ipv4"], PORT), port_command("192.0.2.10", 1023)):
            talk.client_says(line, heard=line)
    assert counters.read("ftp") == {"assigned": 1, "announced": 2, "foreign_address": 1, "privileged_port": 1}
    assert ["another machine" in line[3] for line in counters.lines(kernel_log)] == [True, False]


@pytest.mark.parametrize("name", ["plain", "snat"])
def test_table_full(network, nat_helper, flow, kernel_log, full_table, name):
    """The first announcement is in the way of another session's. Nothing is dropped or rewritten."""
    kernel_log.allow("nf_conntrack: expectation table full")
    way = flow(name)
    command = port_command("192.0.2.10", PORT)
    with Dialogue(way) as one, Dialogue(way, listener=one.listener) as other:
        one.client_says(command)
        before = counters.read("ftp")
        command = port_command("192.0.2.10", PORT + 1)
        other.client_says(command, heard=command)
        full = {"table_full": 1} if name == "plain" else {"nat.table_full": 1}
        assert counters.read("ftp") == {**before, "announced": 2, **full}
        half = "conntrack" if name == "plain" else "nat"
        _check_said(kernel_log, other, f"ip_{half}_ftp", "nf_conntrack_expect_max")
        EXPECT_MAX.write_text("2")
        other.active(PORT + 1)


def test_taken(network, nat_helper, flow, kernel_log):
    """Two sessions of one client are told the same port of the server."""
    way = flow("plain")
    with Dialogue(way) as one, Dialogue(way, listener=one.listener) as other:
        for talk in (one, other):
            talk.server_says(passive_reply("198.51.100.10", PORT))
        assert counters.read("ftp") == {"assigned": 2, "announced": 2, "expected": 1, "taken": 1}


def test_nat_half_is_missing(network, conntrack_half, flow, kernel_log):
    """The client opens passive connections as it opened the session, so those need no NAT half."""
    with Dialogue(flow("snat")) as talk:
        talk.server_says(passive_reply("198.51.100.10", PORT))
        assert counters.read("ftp") == {"assigned": 1, "announced": 1, "expected": 1}
        assert counters.lines(kernel_log) == []
        command = port_command("192.0.2.10", PORT)
        talk.client_says(command, heard=command)
        assert counters.read("ftp") == {"assigned": 1, "announced": 2, "expected": 2, "nat_missing": 1}
        _check_said(kernel_log, talk, "ip_conntrack_ftp", "modprobe ip_nat_ftp")


def test_nat_half_is_missing_for_a_server(network, conntrack_half, flow, kernel_log):
    with Dialogue(flow("dnat")) as talk:
        reply = passive_reply("198.51.100.10", PORT)
        talk.server_says(reply, heard=reply)
        assert counters.read("ftp")["nat_missing"] == 1


def test_privileged_port(network, clean, way, kernel_log):
    IRC.nat_half.load()
    with dcc.Session(way(IRC, "snat")) as talk:
        talk.client_says(message(send("192.0.2.10", 1023)))
        assert counters.read("irc") == {"assigned": 1, "announced": 1, "privileged_port": 1}
        _check_said(kernel_log, talk, "ip_conntrack_irc", "allow_privileged=1")
        talk.client_says(message(send(THIRD["ipv4"], 5000)))
        assert counters.read("irc") == {"assigned": 1, "announced": 2, "privileged_port": 1, "foreign_address": 1}
        talk.offer_to_outside(5000)
        assert counters.read("irc")["nat.rewritten"] == 1


def test_no_port(network, clean, way, kernel_log):
    """Somebody has offered all the ports that come into question."""
    IRC.ours.load(max_dcc_channels=255)
    IRC.nat_half.load()
    flow = way(IRC, "masquerade")
    with taken.room_for_all(), dcc.Session(flow) as one:
        ports = taken.candidates(5000)
        for port in ports:
            one.client_says(message(send("192.0.2.10", port)), message(send(flow.seen_as, port)))
        flow.client = network.third
        with dcc.Session(flow, listener=one.listener) as other:
            before = counters.read("irc")
            other.client_says(message(send(THIRD["ipv4"], 5000)))
            assert counters.read("irc") == {**before, "announced": len(ports) + 1, "nat.no_port": 1}
            _check_said(kernel_log, other, "ip_nat_irc", "no free port")


def test_too_long(network, clean, way):
    """9999 is taken, and 10000 does not fit into the longest datagram that there is."""
    AMANDA.nat_half.load()
    flow = way(AMANDA, "dnat")
    line = connect(DATA=9999)
    with Socket(flow.server, "ipv4", AMANDA.port) as machine, Talk(flow, 850, machine) as one, \
            Talk(flow, 851, machine) as other:
        one.machine_says(reply(line))
        before = counters.read("amanda")
        assert before == {"assigned": 2, "announced": 1, "expected": 1}
        longest = reply(line) + b"x" * (65507 - len(reply(line)))
        other.machine_says(longest)
        assert counters.read("amanda") == {**before, "announced": 2, "nat.too_long": 1}
        heard = other.what_server_hears(longest[:-1])
        assert len(heard) == 65507
        assert counters.read("amanda")["nat.rewritten"] == 1


def test_tftp(network, clean, way, kernel_log):
    TFTP.nat_half.load()
    flow = way(TFTP, "snat")
    with Socket(flow.client, "ipv4") as client, Socket(flow.server, "ipv4", TFTP.port) as server:
        def ask(data):
            client.send(data, (flow.target, TFTP.port))
            server.hears(data)

        ask(b"\0\1boot.bin\0octet\0")
        assert counters.read("tftp") == {"assigned": 1, "announced": 1, "expected": 1}
        ask(b"\0\3\0\1data")
        assert counters.read("tftp") == {"assigned": 1, "announced": 1, "expected": 1}
        ask(b"\0\1boot.bin\0")
        ask(b"\0\2boot.bin\0binary\0")
        assert counters.read("tftp") == {"assigned": 1, "announced": 1, "expected": 1, "malformed": 2}
    assert counters.lines(kernel_log) == []


@pytest.mark.parametrize("protocol", ["ftp", "irc", "tftp", "amanda"])
def test_files_come_and_go(clean, protocol):
    """With the module, even if somebody has one open, who then can read no more; root alone sees
    them, as all of debugfs."""
    assert counters.DEBUGFS.stat().st_mode & 0o777 == 0o700
    for _ in range(2):
        run(["modprobe", f"ip_nat_{protocol}"])
        opened = []
        for half in ("conntrack", "nat"):
            files = list(counters.folder(half, protocol).iterdir())
            assert len(files) >= 6
            for file in files:
                assert file.stat().st_mode & 0o777 == 0o444 and file.read_text() == "0\n"
            opened += [os.open(file, os.O_RDONLY) for file in files]
        for half in ("nat", "conntrack"):
            run(["rmmod", f"ip_{half}_{protocol}"])
            assert not counters.folder(half, protocol).exists()
        for file in opened:
            with pytest.raises(OSError) as refused:
                os.read(file, 100)
            assert refused.value.errno == errno.EIO
            os.close(file)


def test_without_debugfs(network, nat_helper, flow):
    """Whether it is mounted does not matter to the module."""
    run(["umount", counters.DEBUGFS])
    nat_helper.unload()
    nat_helper.load()
    with Dialogue(flow("snat")) as talk:
        talk.active(PORT)
        counters.mount()
        assert counters.read("ftp")["nat.rewritten"] == 1
        talk.chat()


def test_unasked(network, nat_helper, flow):
    with Dialogue(flow("plain")) as talk:
        talk.say_unasked(passive_reply("198.51.100.10", PORT))
        assert counters.read("ftp") == {"assigned": 1, "announced": 1, "unasked": 1}


def test_kept_until_it_is_whole(network, nat_helper, flow):
    """Also one in each direction. Of a connection that goes they stay until they are old: another one
    knows nothing of them."""
    with Dialogue(flow("plain")) as talk:
        talk.client_says(b"PORT 192,0,2,")
        assert counters.read("ftp") == {"assigned": 1, "kept": 1}
        talk.client_says(b"10,156,64\r\n")
        assert counters.read("ftp") == {"assigned": 1, "announced": 1, "expected": 1}
        talk.client_says(b"POR")
        talk.say_unasked(b"227 Entering")
        assert counters.read("ftp")["kept"] == 2
        network.router.run("conntrack -D -p tcp --orig-port-dst 21")
        assert counters.read("ftp")["kept"] == 2
    with Dialogue(talk.flow) as talk:
        talk.client_says(b"T 192,0,2,10,156,65\r\n")
        talk.client_says(b"PORT 192,0,2,")
        talk.client_says(b"10,156,66\r\n")
        assert expected.ports(network.router) == [40002]


def test_kept_when_the_module_goes(network, clean, flow):
    OURS.load(auto_assign=1)
    with Dialogue(flow("plain")) as talk:
        talk.client_says(b"PORT 192,0,2,")
        assert counters.read("ftp")["kept"] == 1
        OURS.unload()
        talk.client_says(b"10,156,64\r\n")
        talk.chat()


def test_held_and_given_up(network, nat_helper, flow):
    """With NAT: a sender that does not say more, and then does."""
    with Dialogue(flow("snat")) as talk:
        talk.client_says(b"PORT 192,0,2,", heard=b"PORT 192,0,2,")
        seen = counters.read("ftp")
        assert seen["gave_up"] == 1 and seen["held"] >= 2 and "kept" not in seen
