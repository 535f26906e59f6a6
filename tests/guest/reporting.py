# SPDX-License-Identifier: GPL-2.0
"""Tells the host how each test ended, through a channel of its own, and shows the state on failure."""

import json
import subprocess

import shell

CHANNEL = "/dev/virtio-ports/verdict"


class Verdict:
    """pytest plugin: one line per test as it ends, one with the totals after the last."""

    def __init__(self):
        self._collected = 0
        self._counts = {"passed": 0, "failed": 0, "skipped": 0}
        self._outcome, self._seconds, self._text = "passed", 0.0, []

    def pytest_collection_finish(self, session):
        self._collected = len(session.items)

    def pytest_runtest_logstart(self, nodeid, location):
        self._outcome, self._seconds, self._text = "passed", 0.0, []
        shell.log.info("===== %s", nodeid)

    def pytest_runtest_logreport(self, report):
        self._seconds += report.duration
        if report.failed:
            self._outcome = "failed"
            self._text.append(f"--- {report.when}\n{report.longreprtext}")
            self._text += [f"--- {name}\n{text}" for name, text in report.sections]
        elif report.skipped and self._outcome == "passed":
            self._outcome = "skipped"

    def pytest_runtest_logfinish(self, nodeid, location):
        self._counts[self._outcome] += 1
        _tell({"test": nodeid, "outcome": self._outcome, "seconds": round(self._seconds, 1),
               "text": "\n".join(self._text)})

    def pytest_sessionfinish(self, session):
        _tell({"end": {"collected": self._collected, **self._counts}})


def _tell(line):
    with open(CHANNEL, "w") as channel:
        channel.write(json.dumps(line) + "\n")


def state(network):
    """The firewall, connection tracking and the end of the kernel's log."""
    commands = ("iptables -nvxL", "ip6tables -nvxL", "nft list ruleset", "conntrack -L", "conntrack -L -f ipv6",
                "conntrack -L expect", "ip -brief address", "ip route")
    parts = [f"router# {command}\n{network.router.run(command, check=False)}" for command in commands]
    tail = "\n".join(subprocess.check_output(["dmesg"], text=True).splitlines()[-30:])
    return "\n".join([*parts, f"the end of the kernel's log:\n{tail}"])
