# SPDX-License-Identifier: GPL-2.0
"""Real TFTP servers and clients."""

import hashlib
import os
import shutil
from pathlib import Path

from datagrams import Socket
from shell import wait_for

ROOT = Path("/srv/tftp")
# Of a size that ends in a block of its own that is empty, and one that does not.
BOOT, KERNEL = "boot.bin", "kernel.bin"
SIZES = {BOOT: 16 * 512, KERNEL: 60_001}
BLOCK_SIZE = 1200


def in_tftpd(host, family):
    """tftpd-hpa."""
    address = host.address[family]
    listen = f"[{address}]:69" if family == "ipv6" else f"{address}:69"
    return ["in.tftpd", "--foreground", "--ipv6" if family == "ipv6" else "--ipv4", "--address", listen,
            "--create", "--permissive", "--user", "nobody", "--secure", str(ROOT)]


def atftpd(host, family):
    """On all addresses: it cannot be bound to one of IPv6."""
    return ["atftpd", "--daemon", "--no-fork", "--logfile", "-", "--user", "nobody.nogroup", str(ROOT)]


SERVERS = {"in.tftpd": in_tftpd, "atftpd": atftpd}


def start_server(kind, host, family):
    """Starts a server on fresh files, and waits until it listens."""
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir(parents=True)
    ROOT.chmod(0o777)
    for name, size in SIZES.items():
        (ROOT / name).write_bytes(os.urandom(size))
    server = host.start(SERVERS[kind](host, family))
    # in.tftpd loses what comes to its socket before it is ready.
    wait_for(f"{kind} to answer", lambda: _answers(host, family) or server.ended())
    assert not server.ended(), f"{kind} ended at once: {server.text()}"
    return server


def _answers(host, family):
    """A request of the server's own machine, which does not pass the router."""
    with Socket(host, family) as one:
        one.send(b"\0\1not-there\0octet\0", (host.address[family], 69))
        return one.is_readable(0.2)


def _tftp(address, verb, name, local, block_size):
    words = ["get", name, local] if verb == "get" else ["put", local, name]
    return ["tftp", "-6" if ":" in address else "-4", "-m", "binary", address, "-c", *words]


def _atftp(address, verb, name, local, block_size):
    options = ["--option", f"blksize {block_size}"] if block_size else []
    return ["atftp", *options, f"--{verb}", "--remote-file", name, "--local-file", local, address]


def _curl(address, verb, name, local, block_size):
    url = f"tftp://[{address}]/{name}" if ":" in address else f"tftp://{address}/{name}"
    options = ["--tftp-blksize", str(block_size)] if block_size else ["--tftp-no-options"]
    direction = ["--output" if verb == "get" else "--upload-file", local]
    return ["curl", "--silent", "--show-error", *options, *direction, url]


CLIENTS = {"tftp": _tftp, "atftp": _atftp, "curl": _curl}
# tftp-hpa asks for no options.
HAS_BLOCK_SIZE = ("atftp", "curl")


class Transfer:
    """One client process, which gets or puts one file."""

    def __init__(self, kind, host, address, verb="get", name=KERNEL, block_size=None):
        self.local, self.remote = Path("/tmp") / f"{host.name}-{verb}-{name}", ROOT / name
        self.local.unlink(missing_ok=True)
        if verb == "put":
            self.local.write_bytes(os.urandom(30_000))
        self.source, self.dest = (self.remote, self.local) if verb == "get" else (self.local, self.remote)
        self.process = host.start(CLIENTS[kind](address, verb, name, str(self.local), block_size))

    def check(self):
        code = self.process.wait()
        assert code == 0, f"the client failed with exit code {code}:\n{self.process.text()}"
        wait_for("all of the file", lambda: self.dest.stat().st_size >= self.source.stat().st_size)
        assert digest(self.dest) == digest(self.source), f"{self.dest}: what arrived is not what was sent"

    def check_nothing_came(self):
        self.process.stop()
        assert not self.dest.exists() or self.dest.stat().st_size == 0, f"{self.dest} has arrived"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
