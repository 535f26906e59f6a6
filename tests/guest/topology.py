# SPDX-License-Identifier: GPL-2.0
"""The test network: three hosts and the router between them, each a network namespace.

    client  192.0.2.10 ───── 192.0.2.1  router  198.51.100.1 ───── 198.51.100.10  server
            2001:db8:1::10            (to-client) │ (to-server)      2001:db8:2::10
                                                  │ (to-third)
                                             203.0.113.1
                                                  │
                                             203.0.113.10  third   (a host that nobody invited)
                                             2001:db8:3::10

Only the router runs a firewall and connection tracking. Each host's own interface is called "net".
"""

import contextlib
import os
import signal
import socket

import shell

NETWORKS = {"client": ("192.0.2.", "2001:db8:1::"), "server": ("198.51.100.", "2001:db8:2::"),
            "third": ("203.0.113.", "2001:db8:3::")}
FAMILIES = ("ipv4", "ipv6")


class Host:
    """A network namespace: run commands in it, or enter it to open sockets."""

    def __init__(self, name):
        self.name = name
        self.address = {}
        if name in NETWORKS:
            self.address = {family: net + "10" for family, net in zip(FAMILIES, NETWORKS[name])}

    @contextlib.contextmanager
    def entered(self):
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            there = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
            os.setns(there, os.CLONE_NEWNET)
            os.close(there)
            yield
        finally:
            os.setns(here, os.CLONE_NEWNET)
            os.close(here)

    def run(self, command, **options):
        with self.entered():
            return shell.run(command, prompt=self.name, **options)

    def start(self, command, **options):
        with self.entered():
            return shell.Background(command, prompt=self.name, **options)

    def sysctl(self, name, value=None):
        """Reads or sets a value under /proc/sys, as seen in this namespace."""
        path = "/proc/sys/" + name.replace(".", "/")
        with self.entered(), open(path, "r" if value is None else "w") as file:
            return file.read().strip() if value is None else file.write(str(value))

    def listen(self, family, port=0):
        """A listening socket on this host's own address."""
        with self.entered():
            sock = socket.socket(socket.AF_INET6 if family == "ipv6" else socket.AF_INET)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.address[family], port))
            sock.listen()
            return sock

    def connect(self, family, to, port, timeout=10):
        """A connected TCP socket to another host, or to an address."""
        address = to.address[family] if isinstance(to, Host) else to
        with self.entered():
            sock = socket.socket(socket.AF_INET6 if family == "ipv6" else socket.AF_INET)
        sock.settimeout(timeout * shell.PATIENCE)
        sock.connect((address, port))
        return sock

    def kill_all(self):
        """Ends whatever still runs on this host: servers leave a process per session behind."""
        inode = os.stat(f"/run/netns/{self.name}").st_ino
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}/ns/net").st_ino == inode:
                    os.kill(int(pid), signal.SIGKILL)

    def drop_sockets(self):
        """Ends the connections of processes that are gone: they would go on sending for minutes, and
        keep their ports from the next test's servers."""
        with self.entered():
            left = sum(len(open(f"/proc/thread-self/net/{table}").readlines()) - 1 for table in ("tcp", "tcp6"))
        if left:
            self.run("ss --kill --tcp --all", check=False)

    def listens(self, port):
        """Whether some socket of this host listens on a TCP port."""
        with self.entered():
            for table in ("tcp", "tcp6"):
                with open(f"/proc/thread-self/net/{table}") as file:
                    if any(f":{port:04X} " in line.split(" 0A ")[0] for line in file if " 0A " in line):
                        return True
        return False


class Network:
    """All hosts, made once per run of the tests."""

    def __init__(self):
        self.client, self.router, self.server, self.third = (Host(n) for n in ("client", "router", "server", "third"))
        self.hosts = (self.client, self.router, self.server, self.third)
        for host in self.hosts:
            shell.run(["ip", "netns", "add", host.name])
            host.sysctl("net.ipv6.conf.default.accept_dad", 0)
            host.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.router.sysctl("net.ipv4.ip_forward", 1)
        self.router.sysctl("net.ipv6.conf.all.forwarding", 1)
        self._wire()

    def _wire(self):
        commands = "link set lo up\n"
        for name in NETWORKS:
            commands += f"link add to-{name} type veth peer name net netns {name}\n"
            commands += f"{gateway(name)}link set to-{name} up\n"
        self.router.run("ip -batch -", stdin=commands)
        for name, (net4, net6) in NETWORKS.items():
            commands = "link set lo up\n"
            commands += f"address add {net4}10/24 dev net\naddress add {net6}10/64 dev net nodad\nlink set net up\n"
            commands += f"route add default via {net4}1\nroute add ::/0 via {net6}1\n"
            Host(name).run("ip -batch -", stdin=commands)


def gateway(name):
    """Gives a router its addresses on the network of a host, for `ip -batch`."""
    net4, net6 = NETWORKS[name]
    return f"address add {net4}1/24 dev to-{name}\naddress add {net6}1/64 dev to-{name}\n"
