# SPDX-License-Identifier: GPL-2.0
"""TFTP in the demonstration: a download with curl from tftpd-hpa."""

from demo_stage import check, heading, note, show, tell
from tftp_programs import KERNEL, ROOT, start_server

TARGET = "/tmp/kernel.bin"
COMMAND = f"curl -o {TARGET} tftp://198.51.100.10/{KERNEL}"


def play(stage):
    start_server("in.tftpd", stage.server, "ipv4")
    heading("TFTP, without the module")
    tell("""TFTP is what computers boot from the network with. The client asks at port 69 of the server, and
         the server answers from another port, a new one for each transfer. To the firewall that answer is
         a stranger's: it is dropped.""")
    with stage.blocked("the server's answer"):
        transfer = _start(stage, "--max-time 2")
        check(transfer.wait(), "the transfer fails without the module")
        note(transfer.text(), "31")

    heading("TFTP, with ip_conntrack_tftp")
    stage.load("ip_conntrack_tftp")
    with stage.let_in("the server's answer (sport=0: from any port)"):
        transfer = _start(stage)
        check(transfer.wait() == 0, f"the transfer succeeds:\n{transfer.text()}")
        stage.same_file(TARGET, ROOT / KERNEL)
    stage.show_related("The first packet of the answer was")


def _start(stage, options=""):
    shown = " ".join(COMMAND.replace("curl", f"curl {options}").split())
    show("client", shown)
    return stage.client.start(shown.replace("curl", "curl --silent --show-error", 1))
