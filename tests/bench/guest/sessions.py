# SPDX-License-Identifier: GPL-2.0
"""Runs in the counting guest: whole sessions through the router, see topology.py. Leaves
/out/bench.json: for each protocol and way of using a helper how many a second there were in each
pass, where a second is 1,000,000,000 instructions: of client, server and router together.

There is a rule for the port in any case, so that the difference is the helper."""

import gc
import json
import os
import signal
import socket
import time

from loading import load, loaded
from topology import Network

PASSES, WARM_UP = 5, 20
RULES = """*raw
-A PREROUTING -p {protocol} --dport {port} -j {target}
COMMIT
*filter
-A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT
COMMIT
"""
CT = "CT --helper {}"
# The module and the rule's target.
WAYS = {
    "none": ([], "ACCEPT"),
    "stock": (["nf_conntrack_{}"], CT),
    "ours by rule": (["ip_conntrack_{}", "auto_assign=0"], CT),
    "ours": (["ip_conntrack_{}"], "ACCEPT"),
}


def child(serve):
    pid = os.fork()
    if not pid:
        try:
            serve()
        finally:
            os._exit(1)
    return pid


class Ftp:
    """Lines of a control connection, one answered by one."""

    protocol, port, count = "tcp", 21, 300

    def __init__(self, network):
        listener = network.server.listen("ipv4", self.port)
        self.pid = child(lambda: self._serve(listener))
        self._control = network.client.connect("ipv4", network.server, self.port)
        # With one each call would be two, the first of them poll().
        self._control.settimeout(None)
        listener.close()
        self._control.recv(100)

    def _serve(self, listener):
        control, _ = listener.accept()
        control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        control.send(b"220 ready\r\n")
        while control.recv(100):
            control.send(b"200 NOOP command successful.\r\n")

    def once(self):
        self._control.send(b"NOOP\r\n")
        assert self._control.recv(100).startswith(b"200 ")

    def close(self):
        self._control.close()


class Tftp:
    """Transfers of a file of one block, each from a port of its own to a port of its own."""

    protocol, port, count = "udp", 69, 60

    def __init__(self, network):
        self._network, self._to = network, (network.server.address["ipv4"], self.port)
        with network.server.entered():
            requests = self._socket()
        requests.bind(self._to)
        self.pid = child(lambda: self._serve(requests))
        requests.close()

    @staticmethod
    def _socket():
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def _serve(self, requests):
        with self._network.server.entered():
            while True:
                _, client = requests.recvfrom(600)
                with self._socket() as transfer:
                    transfer.bind((self._to[0], 0))
                    transfer.connect(client)
                    transfer.send(b"\0\3\0\1" + bytes(300))
                    assert transfer.recv(600) == b"\0\4\0\1"

    def once(self):
        with self._network.client.entered(), self._socket() as transfer:
            transfer.sendto(b"\0\1boot.cfg\0octet\0", self._to)
            block, server = transfer.recvfrom(600)
            assert len(block) == 304
            transfer.sendto(b"\0\4\0\1", server)

    def close(self):
        pass


def per_second(network, kind, is_helped):
    """How many a second; and the helper must really be there, or not."""
    session = kind(network)
    for _ in range(WARM_UP):
        session.once()
    start = time.monotonic()
    for _ in range(kind.count):
        session.once()
    seconds = time.monotonic() - start
    name = kind.__name__.lower()
    assert (f"helper={name}" in network.router.run("conntrack -L")) == is_helped
    session.close()
    os.kill(session.pid, signal.SIGKILL)
    os.waitpid(session.pid, 0)
    network.router.run("conntrack -F")
    return kind.count / seconds


def main():
    gc.disable()
    network = Network()
    load("nf_conntrack")
    found = {}
    for kind in (Ftp, Tftp):
        name = kind.__name__.lower()
        results = found[name] = {way: [] for way in WAYS}
        for _ in range(PASSES):
            for way, (module, target) in WAYS.items():
                with loaded(*(word.format(name) for word in module)):
                    rules = RULES.format(protocol=kind.protocol, port=kind.port, target=target.format(name))
                    network.router.run("iptables-restore", stdin=rules)
                    results[way].append(per_second(network, kind, bool(module)))
                    # The rule keeps the module.
                    network.router.run("iptables -t raw -F")
    with open("/out/bench.json", "w") as file:
        json.dump(found, file, indent=1)


main()
