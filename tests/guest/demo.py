# SPDX-License-Identifier: GPL-2.0
"""The story that `make demo` tells: the same transfers without and with the module."""

import os
import re
import subprocess
import sys
import textwrap

import servers
import shell
from servers import BIG, ROOT
from topology import Network

COLOUR = os.environ.get("TERM", "dumb") != "dumb"
PICTURE = """
     client                         router                         server
   192.0.2.10  ────────  192.0.2.1  (firewall)  198.51.100.1  ────────  198.51.100.10
                                                                      vsftpd, port 21
"""
FIREWALL = ["iptables -P FORWARD DROP",
            "iptables -A FORWARD -m state --state RELATED",  # only counts
            "iptables -A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT",
            "iptables -A FORWARD -p tcp -d 198.51.100.10 --dport 21 -m state --state NEW -j ACCEPT"]
URL = f"ftp://198.51.100.10/{BIG}"
MODES = {"passive": ["--disable-epsv"], "active": ["--disable-eprt", "--ftp-port", "-"]}
TALK = re.compile(r"^[<>] (PASV|PORT|RETR|227|200 PORT|150|226|425)")


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def heading(text):
    print("\n" + paint("1;36", f"── {text} " + "─" * (76 - len(text))), flush=True)


def tell(text):
    for paragraph in textwrap.dedent(text).strip().split("\n\n"):
        print("\n" + textwrap.fill(" ".join(paragraph.split()), 80), flush=True)
    print()


def show(host, command, output=""):
    print(paint("1;33", f"{host}# ") + paint("1", command), flush=True)
    for line in output.splitlines():
        print(f"    {line}", flush=True)


def check(condition, what):
    if not condition:
        print(paint("1;31", f"\nThis did not happen: {what}"), flush=True)
        sys.exit(1)


class Story:
    def __init__(self):
        self.network = Network()
        servers.make_files()
        servers.vsftpd(self.network.server, "ipv4")

    def run(self, host, command):
        output = host.run(command)
        show(host.name, command, output)
        return output

    def dropped(self):
        listed = self.network.router.run("iptables -nvxL FORWARD")
        return int(re.search(r"policy DROP (\d+) packets", listed).group(1))

    def firewall(self):
        for command in FIREWALL:
            self.run(self.network.router, command)

    def start_transfer(self, mode, *options):
        """The client's curl; what of the control connection's talk matters is shown by `end_transfer`."""
        target = f"/tmp/{mode}.bin"
        shown = " ".join(["curl", *MODES[mode], *options, "-o", target, URL])
        show("client", shown)
        return self.network.client.start(shown.replace("curl", "curl --silent --show-error --verbose", 1))

    def end_transfer(self, mode, transfer):
        """Whether the file has arrived as it is on the server."""
        code = transfer.wait()
        for line in transfer.text().splitlines():
            if TALK.match(line):
                print(f"    {line.rstrip()}")
            elif line.startswith("curl: "):
                print("    " + paint("31", line.rstrip()))
        received = f"/tmp/{mode}.bin"
        if code:
            return False
        sums = shell.run(["sha256sum", received, ROOT / BIG]).splitlines()
        show("client", f"sha256sum {received}", sums[0])
        show("server", f"sha256sum {ROOT / BIG}", sums[1])
        return sums[0].split()[0] == sums[1].split()[0]

    def blocked(self, mode):
        before = self.dropped()
        transfer = self.start_transfer(mode, "--max-time", "3")
        check(not self.end_transfer(mode, transfer), f"the {mode} transfer fails without the module")
        dropped = self.dropped() - before
        check(dropped > 0, "the firewall drops the data connection")
        print("    " + paint("31", f"(the firewall dropped {dropped} packets of the data connection)"), flush=True)

    def succeeds(self, mode):
        """Slowed down a little, to have a look at it while it runs."""
        router = self.network.router
        router.run("conntrack -F")
        router.run("iptables -Z FORWARD")
        events = router.start("conntrack -E expect")
        shell.wait_for("conntrack to listen", lambda: has_netlink_socket(events))
        transfer = self.start_transfer(mode, "--limit-rate", "70k")
        listed = shell.wait_for("the data connection", lambda: self.both_connections() or transfer.ended())
        check(listed is not True, f"the {mode} transfer's data connection comes about")
        check(self.end_transfer(mode, transfer), f"the {mode} transfer succeeds and the file is the same")
        shell.wait_for("the expectation's end", lambda: "[DESTROY]" in events.text())
        events.stop()
        tell("What the router saw. The helper read the announcement and told the kernel to expect that "
             "very connection, which ended the expectation when it came:")
        show("router", "conntrack -E expect", "\n".join(line for line in events.text().splitlines() if "proto=" in line))
        tell("While the file was on its way: the control connection with its helper (helper=ftp), and the data "
             "connection.")
        show("router", "conntrack -L -p tcp", listed)
        tell("The data connection's first packet was RELATED, which is why the firewall let it in:")
        show("router", "iptables -nvL FORWARD", self.network.router.run("iptables -nvL FORWARD"))

    def both_connections(self):
        lines = [line for line in self.network.router.run("conntrack -L -p tcp").splitlines()
                 if "ESTABLISHED" in line]
        has_control = any("dport=21 " in line and "helper=ftp" in line for line in lines)
        return "\n".join(lines) if has_control and len(lines) > 1 else None


def has_netlink_socket(process):
    pid = process.process.pid
    with open(f"/proc/{pid}/net/netlink") as table:
        return any(line.split()[2] == str(pid) for line in table.readlines()[1:])


def main():
    print("The guest is up; it makes three hosts out of network namespaces …", flush=True)
    story = Story()
    router = story.network.router
    heading("The network")
    print(PICTURE)
    tell("The router's firewall lets nothing through but new connections to the server's FTP port and what "
         "belongs to them (the rule without -j only counts):")
    story.firewall()

    heading("Without the module")
    tell("""FTP uses a second connection for the data, to a port that is agreed upon inside the first. In
         passive mode the server names it (227) and the client connects; in active mode the client does
         (PORT) and the server connects. The firewall cannot know: both transfers fail.""")
    story.blocked("passive")
    story.blocked("active")

    heading("modprobe ip_conntrack_ftp")
    tell("Now the module; the rules stay as they are.")
    story.run(router, "modprobe ip_conntrack_ftp")
    show("router", "lsmod", "\n".join(line for line in shell.run("lsmod").splitlines()[:3]))

    for mode in MODES:
        heading(f"With the module: the same {mode} transfer")
        story.succeeds(mode)

    heading("Conclusion")
    tell("""Without the module both transfers failed, with it both succeeded, and no port had to be left
         open for them: each data connection was expected from one host to one port, once.""")
    print(paint("1;32", "The demonstration went as told."), flush=True)


if __name__ == "__main__":
    try:
        main()
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        print(paint("1;31", f"\nThe demonstration broke off: {error}"), flush=True)
        sys.exit(1)
