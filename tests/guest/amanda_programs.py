# SPDX-License-Identifier: GPL-2.0
"""A real Amanda: a machine that is backed up, run by inetd, and a backup server with a disk for a
tape; or a backup server, run by inetd, and a machine that has its files restored. Both read the same
folders, as the test's hosts share their file system."""

import io
import os
import shutil
import tarfile
from pathlib import Path

from shell import run, wait_for

PORT = 10080
CONFIG, STATE = Path("/etc/amanda/Test"), Path("/var/lib/amanda/Test")
# tar stays in one file system, which the guest's root is not really.
DATA = Path("/run/backup-this")
RESTORED = Path("/run/restored")
TAPE = STATE / "vtapes/slot1"
HEADER = 32768
AMANDA_CONF = """org "Test"
dumpuser "backup"
infofile "{state}/curinfo"
logdir "{state}/log"
indexdir "{state}/index"
tapecycle 1
dumpcycle 1
runtapes 1
inparallel 1
tpchanger "chg-disk:{state}/vtapes"
tapetype disk
autolabel "TAPE-%" any
labelstr "TAPE-.*"
etimeout 60
dtimeout 60
ctimeout 20
define tapetype disk {{
  length 100 mbytes
}}
define dumptype all {{
  auth "{auth}"
  program "GNUTAR"
  compress none
  index yes
  holdingdisk never
}}
"""


def name_of(address):
    return f"host-{address.replace('.', '-')}.example.net"


def prepare(flow, auth):
    """Files of both sides, and something to back up."""
    others = map(Path, ("/var/lib/amanda/gnutar-lists", "/tmp/amanda", "/var/log/amanda"))
    for folder in (CONFIG, STATE, DATA, *others):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for folder in (TAPE, STATE / "log"):
        folder.mkdir(parents=True)
    for name, size in (("small", 900), ("large", 300_000)):
        (DATA / name).write_bytes(os.urandom(size))
    (CONFIG / "amanda.conf").write_text(AMANDA_CONF.format(auth=auth, state=STATE))
    (CONFIG / "disklist").write_text(f"{name_of(flow.target)} {DATA} all\n")
    # Each side wants to know the other by a name.
    addresses = {flow.target, flow.seen_as, flow.client.address["ipv4"], flow.server.address["ipv4"]}
    Path("/etc/hosts").write_text("127.0.0.1 localhost\n" + "".join(
        f"{address} {name_of(address)}\n" for address in sorted(addresses)))
    services = Path("/etc/services")
    if "amanda\t10080/udp" not in services.read_text():
        services.write_text(services.read_text() + f"amanda\t{PORT}/udp\n")
    Path("/etc/amandahosts").write_text(f"{name_of(flow.seen_as)} backup amdump\n")
    Path("/var/lib/amanda/amandates").write_text("")
    run("chown -R backup:backup /etc/amanda /etc/amandahosts /var/lib/amanda /var/log/amanda /tmp/amanda")
    run("chmod 700 /tmp/amanda /etc/amanda")
    run("chmod 600 /etc/amandahosts")


def start_machine(host, auth):
    """inetd with the one service, waiting for the backup server."""
    start_service(host, auth, "amdump")


def start_service(host, auth, *services):
    """inetd with amandad, which starts these."""
    config = Path("/tmp/inetd-amanda.conf")
    config.write_text(f"{host.address['ipv4']}:amanda dgram udp wait backup "
                      f"/usr/lib/amanda/amandad amandad -auth={auth} {' '.join(services)}\n")
    server = host.start(["inetd", "-i", str(config)])
    wait_for("inetd to listen", lambda: _listens(host) or server.ended())
    assert not server.ended(), f"inetd ended at once: {server.text()}"


def _listens(host):
    with host.entered():
        return any(f":{PORT:04X} " in line for line in Path("/proc/thread-self/net/udp").read_text().splitlines()[1:])


def start_backup(host):
    return host.start(["runuser", "-u", "backup", "--", "amdump", CONFIG.name])


def check_backup(process, timeout):
    """The backup has succeeded, and on the tape is what there is."""
    code = process.wait(timeout)
    report = "".join(file.read_text(errors="replace") for file in sorted((STATE / "log").glob("log.*")))
    assert code == 0, f"amdump ended with {code}:\n{report}\n{process.text()}"
    [file] = TAPE.glob("00001.*")
    with tarfile.open(fileobj=io.BytesIO(file.read_bytes()[HEADER:])) as archive:
        found = {Path(member.name).name: archive.extractfile(member).read() for member in archive if member.isfile()}
    assert found == {one.name: one.read_bytes() for one in DATA.iterdir()}, f"the backup has other files: {list(found)}"


def check_no_backup():
    """Nothing has come to the tape but its label."""
    for file in TAPE.glob("00001.*"):
        assert file.stat().st_size <= HEADER, f"{file} has arrived"


def prepare_restore(flow):
    """Files of both sides: the server has its own files backed up, the client may restore them."""
    prepare(flow, "local")
    shutil.rmtree(RESTORED, ignore_errors=True)
    RESTORED.mkdir()
    (CONFIG / "disklist").write_text(f"localhost {DATA} all\n")
    with (CONFIG / "amanda.conf").open("a") as conf:
        conf.write('amrecover_changer "changer"\n')
    Path("/etc/amandahosts").write_text(f"localhost backup amdump\n{name_of(flow.seen_as)} root amindexd amidxtaped\n")


def backup_locally(host, timeout):
    check_backup(start_backup(host), timeout)


def start_restore(flow):
    """amrecover, told to fetch everything."""
    commands = ["sethost localhost", f"setdisk {DATA}", f"lcd {RESTORED}", "setdevice changer", "add .", "extract"]
    # What "extract" asks.
    commands += ["Y"] * 4 + ["exit"]
    server = name_of(flow.target)
    return flow.client.start(["amrecover", CONFIG.name, "-s", server, "-t", server, "-o", "auth=bsd"],
                             stdin="".join(f"{line}\n" for line in commands))


def check_restored(process, timeout):
    """What was backed up is there again."""
    code = process.wait(timeout)
    assert code == 0, f"amrecover ended with {code}:\n{process.text()}"
    found = {one.name: one.read_bytes() for one in RESTORED.iterdir() if one.is_file()}
    assert found == {one.name: one.read_bytes() for one in DATA.iterdir()}, f"{list(found)}:\n{process.text()}"


def check_nothing_restored():
    assert not list(RESTORED.iterdir())
