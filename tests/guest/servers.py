# SPDX-License-Identifier: GPL-2.0
"""Real FTP servers, each started for one test with a configuration of its own."""

import os
import pwd
import shutil
from pathlib import Path

from shell import wait_for

ROOT = Path("/srv/ftp")
SMALL, BIG = "small.bin", "big.bin"

VSFTPD = """background=NO
listen={ipv4}
listen_ipv6={ipv6}
listen_address{suffix}={address}
anonymous_enable=YES
no_anon_password=YES
anon_root={root}
write_enable=YES
anon_upload_enable=YES
anon_umask=022
anon_max_rate=0
connect_from_port_20=YES
isolate=NO
isolate_network=NO
max_clients=100
"""


def make_files():
    """What there is to download, once per run: one segment's worth, and many."""
    ROOT.mkdir(parents=True, exist_ok=True)
    ROOT.chmod(0o755)
    (ROOT / SMALL).write_bytes(os.urandom(900))
    (ROOT / BIG).write_bytes(os.urandom(200_000))
    Path("/run/vsftpd/empty").mkdir(parents=True, exist_ok=True)


def _empty_upload():
    upload = ROOT / "upload"
    shutil.rmtree(upload, ignore_errors=True)
    upload.mkdir()
    user = pwd.getpwnam("ftp")
    os.chown(upload, user.pw_uid, user.pw_gid)


def vsftpd(host, family):
    """vsftpd, anonymous, data connections of active mode from port 20."""
    v6 = family == "ipv6"
    config = Path(f"/tmp/vsftpd-{family}.conf")
    config.write_text(VSFTPD.format(ipv4="NO" if v6 else "YES", ipv6="YES" if v6 else "NO",
                                    suffix="6" if v6 else "", address=host.address[family], root=ROOT))
    return _start(host, ["vsftpd", str(config)])


def pure_ftpd(host, family):
    """pure-ftpd, anonymous."""
    options = ["--bind", f"{host.address[family]},21", "--anonymousonly", "--dontresolve", "--umask", "133:022",
               "--maxclientsperip", "100", "--maxclientsnumber", "100"]
    return _start(host, ["pure-ftpd", "-6" if family == "ipv6" else "-4", *options])


def _start(host, command):
    _empty_upload()
    server = host.start(command)
    wait_for(f"{command[0]} to listen", lambda: host.listens(21) or server.ended())
    assert not server.ended(), f"{command[0]} ended at once: {server.text()}"
    return server


KINDS = {"vsftpd": vsftpd, "pure-ftpd": pure_ftpd}
