# SPDX-License-Identifier: GPL-2.0
"""Real FTP clients. Each does the same in one session: lists the folder, downloads a small file,
uploads one (called after its session) and downloads a big one: four data connections. What they
print shows the commands sent."""

import hashlib
import os
import re
import shutil
from pathlib import Path

from servers import BIG, ROOT, SMALL

DATA_CONNECTIONS = 4
# How a command sent looks in a client's log: "> PASV" (curl, lftp, tnftp), "*cmd* 'PASV'" (ftplib).
SENT = re.compile(r"(?:> |\*cmd\* ')(PORT|EPRT|PASV|EPSV)\b")


def _curl(address, mode, work):
    options = {"port": ["--ftp-port", "-", "--disable-eprt"], "eprt": ["--ftp-port", "-"],
               "pasv": ["--disable-epsv", "--no-ftp-skip-pasv-ip"], "epsv": []}[mode]
    options = ["--silent", "--show-error", "--verbose", "--ftp-method", "nocwd", *options]
    url = f"ftp://[{address}]/" if ":" in address else f"ftp://{address}/"
    steps = (["--output", work / "list", url], ["--output", work / SMALL, url + SMALL],
             ["--upload-file", work / work.name, url + f"upload/{work.name}"], ["--output", work / BIG, url + BIG])
    command = ["curl"]
    for number, step in enumerate(steps):
        command += (["--next"] if number else []) + options + step
    return command, None


def _lftp(address, mode, work):
    passive = mode in ("pasv", "epsv")
    script = f"""set ftp:passive-mode {"on" if passive else "off"}
set ftp:auto-passive-mode no
set ftp:prefer-epsv {"yes" if mode == "epsv" else "no"}
set ftp:ssl-allow no
set ftp:fix-pasv-address no
set cmd:fail-exit yes
set net:max-retries 1
debug 5
open -u anonymous,x {f"[{address}]" if ":" in address else address}
ls > {work}/list
get {SMALL} -o {work}/{SMALL}
put {work}/{work.name} -o upload/{work.name}
get {BIG} -o {work}/{BIG}
"""
    return ["lftp", "-c", script], None


def _tnftp(address, mode, work):
    extended = mode in ("eprt", "epsv")
    script = f"""debug
{"" if extended else "epsv4"}
open {address}
user anonymous x
binary
ls . {work}/list
get {SMALL} {work}/{SMALL}
put {work}/{work.name} upload/{work.name}
get {BIG} {work}/{BIG}
quit
"""
    return ["tnftp", "-i", "-n", "-v", "-p" if mode in ("pasv", "epsv") else "-A"], script


def _ftplib(address, mode, work):
    script = f"""import ftplib
ftp = ftplib.FTP()
ftp.set_debuglevel(1)
ftp.connect({address!r})
ftp.trust_server_pasv_ipv4_address = True
ftp.login()
ftp.set_pasv({mode in ("pasv", "epsv")})
with open("{work}/list", "w") as file:
    ftp.retrlines("LIST", file.write)
with open("{work}/{SMALL}", "wb") as file:
    ftp.retrbinary("RETR {SMALL}", file.write)
with open("{work}/{work.name}", "rb") as file:
    ftp.storbinary("STOR upload/{work.name}", file)
with open("{work}/{BIG}", "wb") as file:
    ftp.retrbinary("RETR {BIG}", file.write)
ftp.quit()
"""
    return ["python3", "-I", "-u", "-c", script], None


KINDS = {"curl": _curl, "lftp": _lftp, "tnftp": _tnftp, "ftplib": _ftplib}

# What each client can be made to do: lftp and ftplib choose by the address family alone whether
# an active transfer uses PORT or EPRT, ftplib also whether a passive one uses PASV or EPSV.
CAN = {
    "curl": {"ipv4": ("port", "eprt", "pasv", "epsv"), "ipv6": ("eprt", "epsv")},
    "lftp": {"ipv4": ("port", "pasv", "epsv"), "ipv6": ("eprt", "epsv")},
    "tnftp": {"ipv4": ("port", "eprt", "pasv", "epsv"), "ipv6": ("eprt", "epsv")},
    "ftplib": {"ipv4": ("port", "pasv"), "ipv6": ("eprt", "epsv")},
}


class Session:
    """One client process on a host; `check` says whether all of it happened, and in which mode."""

    def __init__(self, kind, host, address, mode, name="session"):
        self.mode = mode
        self.work = Path("/tmp") / name
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        (self.work / name).write_bytes(os.urandom(30_000))
        command, stdin = KINDS[kind](address, mode, self.work)
        self.process = host.start(command, stdin=stdin)

    def modes_used(self):
        return {command.lower() for command in SENT.findall(self.process.text())}

    def check(self, timeout=60):
        """The session ends well: everything listed, received and sent is what it should be."""
        code = self.process.wait(timeout)
        text = self.process.text()
        assert code == 0, f"the client failed with exit code {code}:\n{text}"
        listing = (self.work / "list").read_text()
        assert SMALL in listing and BIG in listing, f"incomplete listing: {listing!r}"
        pairs = [(self.work / name, ROOT / name) for name in (SMALL, BIG)]
        for ours, theirs in (*pairs, (self.work / self.work.name, ROOT / "upload" / self.work.name)):
            assert _digest(ours) == _digest(theirs), f"{ours.name}: what arrived is not what was sent"
        assert self.modes_used() == {self.mode}, f"the client used {self.modes_used()} instead of {self.mode}"

    def check_nothing_came(self):
        """No data connection ever carried anything."""
        for name in ("list", SMALL, BIG):
            file = self.work / name
            assert not file.exists() or file.stat().st_size == 0, f"{name} has arrived"


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
