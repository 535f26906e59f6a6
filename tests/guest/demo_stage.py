# SPDX-License-Identifier: GPL-2.0
"""What the demonstration is told with: the network, its firewall, commands with what they print, and
a look at what the router saw."""

import contextlib
import os
import re
import textwrap

import shell
from topology import Network

COLOUR = os.environ.get("TERM", "dumb") != "dumb"
FIREWALL = ["iptables -P FORWARD DROP",
            "iptables -A FORWARD -m state --state RELATED",  # only counts
            "iptables -A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT",
            "iptables -A FORWARD -p tcp -d 198.51.100.10 -m multiport --dports 21,6667 -m state --state NEW -j ACCEPT",
            "iptables -A FORWARD -p udp -d 198.51.100.10 -m multiport --dports 69,10080 -m state --state NEW -j ACCEPT"]


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def heading(text):
    print("\n" + paint("1;36", f"── {text} " + "─" * (76 - len(text))), flush=True)


def tell(text):
    for paragraph in textwrap.dedent(text).strip().split("\n\n"):
        print("\n" + textwrap.fill(" ".join(paragraph.split()), 80), flush=True)
    print()


def show(host, command, output="", prompt="# "):
    print(paint("1;33", f"{host}{prompt}") + paint("1", command), flush=True)
    note(output)


def note(text, colour=None):
    for line in text.splitlines():
        print("    " + (paint(colour, line) if colour else line), flush=True)


def check(condition, what):
    assert condition, f"this did not happen: {what}"


class Stage:
    def __init__(self):
        self.network = Network()
        self.client, self.router, self.server = self.network.client, self.network.router, self.network.server

    def run(self, host, command):
        output = host.run(command)
        show(host.name, command, output)
        return output

    def firewall(self):
        for command in FIREWALL:
            self.run(self.router, command)

    def reset(self):
        """Nothing of a protocol is left when the next one's turn comes."""
        shell.stop_background()
        for host in (self.client, self.server):
            host.kill_all()
            host.drop_sockets()
        self.router.run("conntrack -F")

    def dropped(self):
        listed = self.router.run("iptables -nvxL FORWARD")
        return int(re.search(r"policy DROP (\d+) packets", listed).group(1))

    @contextlib.contextmanager
    def blocked(self, what):
        """What is tried meanwhile is stopped by the firewall."""
        before = self.dropped()
        yield
        dropped = shell.wait_for(f"the firewall to drop {what}", lambda: self.dropped() - before)
        note(f"(the firewall dropped {dropped} {'packet' if dropped == 1 else 'packets'} of {what})", "31")

    def load(self, module):
        tell("Now the module; the rules stay as they are.")
        self.run(self.router, f"modprobe {module}")
        listed = [line for line in shell.run("lsmod").splitlines() if line.startswith(("Module ", f"{module} "))]
        show("router", f"lsmod | grep {module}", listed[-1])
        print()

    @contextlib.contextmanager
    def let_in(self, what, count=1):
        """What comes about meanwhile is expected, and comes; that is shown at the end."""
        self.router.run("conntrack -F")
        self.router.run("iptables -Z FORWARD")
        events = self.router.start("conntrack -E expect")
        shell.wait_for("conntrack to listen", lambda: _has_netlink_socket(events))
        yield
        shell.wait_for("the expectation's end", lambda: events.text().count("[DESTROY]") >= count)
        events.stop()
        seen = [line for line in events.text().splitlines() if "proto=" in line]
        check(len(seen) == 2 * count, f"{what}: {count} expected, and no other:\n" + "\n".join(seen))
        tell(f"What the router saw. The helper read the announcement and told the kernel to expect {what}. "
             f"{'The' if count == 1 else 'Each'} expectation ended when the connection came:")
        show("router", "conntrack -E expect | sed 's/mask.*helper/helper/'",
             "\n".join(re.sub("mask.*helper", "helper", line) for line in seen))

    def show_related(self, what, count=1):
        rule = "iptables -nvL FORWARD 1"
        listed = self.router.run(rule)
        check(listed.split()[0] == str(count), f"{count} packets are RELATED:\n{listed}")
        tell(f"{what} RELATED, which is why the firewall let it in (first column: packets so far):")
        show("router", rule, listed)

    def same_file(self, received, sent, receiver="client", sender="server"):
        """What has arrived is what was sent."""
        sums = shell.run(["sha256sum", received, sent]).splitlines()
        show(receiver, f"sha256sum {received}", sums[0])
        show(sender, f"sha256sum {sent}", sums[1])
        check(sums[0].split()[0] == sums[1].split()[0], "the file is the same")


def _has_netlink_socket(process):
    pid = process.process.pid
    with open(f"/proc/{pid}/net/netlink") as table:
        return any(line.split()[2] == str(pid) for line in table.readlines()[1:])
