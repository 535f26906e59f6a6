# SPDX-License-Identifier: GPL-2.0
"""FTP in the demonstration: a passive and an active download, with curl from vsftpd."""

import re

import servers
import shell
from demo_stage import check, heading, note, show, tell
from servers import BIG, ROOT

URL = f"ftp://198.51.100.10/{BIG}"
MODES = {"passive": ["--disable-epsv"], "active": ["--disable-eprt", "--ftp-port", "-"]}
TALK = re.compile(r"^[<>] (PASV|PORT|RETR|227|200 PORT|150|226|425)")


def play(stage):
    servers.make_files()
    servers.vsftpd(stage.server, "ipv4")
    heading("FTP, without the module")
    tell("""FTP uses a second connection for the data, to a port that is agreed upon inside the first. In
         passive mode the server names it (227) and the client connects; in active mode the client does
         (PORT) and the server connects. The last two numbers are the port: 195,80 is 195 × 256 + 80. The
         firewall cannot know: both transfers fail.""")
    for mode in MODES:
        with stage.blocked("the data connection"):
            transfer = _start(stage, mode, "--max-time", "3")
            check(transfer.wait(), f"the {mode} transfer fails without the module")
            _show_talk(transfer)

    heading("FTP, with ip_conntrack_ftp")
    stage.load("ip_conntrack_ftp")
    with stage.let_in("that very data connection"):
        # Slowed down a little, to have a look at it while it runs.
        transfer = _start(stage, "passive", "--limit-rate", "70k")
        listed = shell.wait_for("the data connection", lambda: _both_connections(stage) or transfer.ended())
        check(listed is not True, "the passive transfer's data connection comes about")
        _finish(stage, "passive", transfer)
    tell("""While the file was on its way: the control connection with its helper (helper=ftp), and the data
         connection.""")
    show("router", "conntrack -L -p tcp", listed)
    stage.show_related("The data connection's first packet was")

    heading("FTP, the active transfer")
    print()
    with stage.let_in("a connection the other way round"):
        _finish(stage, "active", _start(stage, "active"))
    stage.show_related("Again its first packet was")


def _start(stage, mode, *options):
    """The client's curl. What of the control connection's talk matters is shown afterwards."""
    shown = " ".join(["curl", *MODES[mode], *options, "-o", _target(mode), URL])
    show("client", shown)
    return stage.client.start(shown.replace("curl", "curl --silent --show-error --verbose", 1))


def _target(mode):
    return f"/tmp/{mode}.bin"


def _show_talk(transfer):
    for line in transfer.text().splitlines():
        if TALK.match(line):
            note(line.rstrip())
        elif line.startswith("curl: "):
            note(line.rstrip(), "31")


def _finish(stage, mode, transfer):
    code = transfer.wait()
    _show_talk(transfer)
    check(code == 0, f"the {mode} transfer succeeds")
    stage.same_file(_target(mode), ROOT / BIG)


def _both_connections(stage):
    # What is sent last may wait at the client, with the data connection closed already.
    lines = [line for line in stage.router.run("conntrack -L -p tcp").splitlines() if "[ASSURED]" in line]
    has_control = any("dport=21 " in line and "helper=ftp" in line for line in lines)
    return "\n".join(lines) if has_control and len(lines) > 1 else None
