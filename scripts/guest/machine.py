# SPDX-License-Identifier: GPL-2.0
"""Runs the guest in QEMU and gathers what it says, each kind through a channel of its own:

    console   ttyS0, only the kernel's messages       -> console.log
    job       hvc0, what the job prints                -> job.log (and the terminal)
    verdict   virtio-serial, see verdict.py            -> verdict.jsonl
    log       virtio-serial, whatever the job logs     -> commands.log
    files     virtio-serial, a tar archive of /out     -> unpacked into the output folder
    qmp       QEMU's own control channel: why the machine ended
"""

import io
import json
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import verdict
from payload import Payload

HERE = Path(__file__).resolve().parent
CHANNELS = ("console", "job", "verdict", "log", "files", "qmp")
# What the guest sends behind the files, and then waits for an answer.
FILES_END = b"end of files\n"
CMDLINE = (
    "console=ttyS0 loglevel=5 panic=-1 oops=panic hung_task_panic=1 mitigations=off "
    "audit=0 random.trust_cpu=on net.ifnames=0 rcupdate.rcu_cpu_stall_timeout=60 tsc=nowatchdog"
)


@dataclass
class Run:
    """What one run of the guest said, and what speaks against its success."""

    out: Path
    seconds: float
    problems: list = field(default_factory=list)
    results: list = field(default_factory=list)  # the verdict's lines

    @property
    def ok(self):
        return not self.problems and not self.outcomes["failed"]

    @property
    def outcomes(self):
        return verdict.outcomes(self.results)


def accelerator(cache, kernel):
    """kvm where it really works, else tcg. The answer holds until the next boot of this machine."""
    known = Path(cache) / "accelerator"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    try:
        seen, answer = known.read_text().split()
        if seen == boot:
            return answer
    except (OSError, ValueError):
        pass
    answer = "kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and _kvm_boots(kernel) else "tcg"
    known.write_text(f"{boot} {answer}\n")
    return answer


def _kvm_boots(kernel):
    """Some nested KVMs open well and cannot run a kernel: let it boot until it finds no root file
    system, panics and resets, which is when QEMU ends with 0."""
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256", "-display", "none", "-nodefaults"]
    command += ["-no-user-config", "-no-reboot", "-kernel", str(kernel), "-append", "panic=-1"]
    try:
        return subprocess.run(command, timeout=15, capture_output=True).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Machine:
    """One kind of guest run; `run` may be called again."""

    def __init__(self, guest, cache, job, *, payload=None, modules=(), smp=1, memory=1024, timeout=600, tests=False,
                 cmdline=""):
        self.guest, self.cache, self.job = Path(guest), Path(cache), list(job)
        self.payload, self.modules = payload or Payload(), list(modules)
        self.smp, self.memory, self.timeout, self.tests = smp, memory, timeout, tests
        self.cmdline = f"{CMDLINE} {cmdline}"
        self.accel = accelerator(cache, self.guest / "vmlinux")

    def run(self, out, *, terminal=None, keyboard=None, on_result=None, say=print):
        """Boots, runs the job and judges; boots again where QEMU's false int3 fault shows."""
        for again in (2, 1, 0):
            run = self._run_once(Path(out), terminal, keyboard, on_result)
            console = (run.out / "console.log").read_text(errors="replace")
            if run.ok or self.smp == 1 or not again or not verdict.FALSE_INT3.search(console):
                return run
            say("the guest died of QEMU's known false 'Oops: int3' (several virtual CPUs): booting again")

    def _run_once(self, out, terminal, keyboard, on_result):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        start = time.monotonic()
        with tempfile.TemporaryDirectory(dir=out) as scratch:
            initrd = self._initrd(Path(scratch))
            ends = {name: socket.socketpair() for name in CHANNELS}
            process = subprocess.Popen(
                self._command(initrd, {name: pair[1].fileno() for name, pair in ends.items()}),
                pass_fds=[pair[1].fileno() for pair in ends.values()],
                stdin=subprocess.DEVNULL, stdout=(out / "qemu.log").open("w"), stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            for _, theirs in ends.values():
                theirs.close()
            talk = Talk(out, {name: pair[0] for name, pair in ends.items()}, terminal, keyboard, on_result)
            patience = 0
            try:
                timed_out = talk.listen(self.timeout)
                patience = 0 if timed_out else 5
            finally:
                _stop(process, patience)
                talk.close()
        return self._judge(out, talk, timed_out, time.monotonic() - start)

    def _initrd(self, scratch):
        if self.modules:
            self.payload.add_modules(self.modules, self.guest, scratch)
        self.payload.add(HERE / "init", "/init")
        for script in ("session", "debug-end"):
            self.payload.add(HERE / script, f"/guest/{script}")
        job = self.job[0] if len(self.job) == 1 else shlex.join(self.job)
        terminal = shutil.get_terminal_size()
        self.payload.add_text(
            f"job={shlex.quote(job)}\nexport TERM={os.environ.get('TERM') or 'dumb'} "
            f"COLUMNS={terminal.columns} LINES={terminal.lines}\n", "/guest/job")
        initrd = scratch / "initrd.cpio"
        base = (self.guest / "initrd.cpio").read_bytes()
        initrd.write_bytes(base + b"\0" * (-len(base) % 512) + self.payload.cpio())
        return initrd

    def _command(self, initrd, fds):
        # Whatever becomes of us, it does not stay behind.
        command = ["setpriv", "--pdeathsig", "KILL"]
        command += ["qemu-system-x86_64", "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]
        command += ["-accel", self.accel, "-cpu", "host" if self.accel == "kvm" else "max"]
        command += ["-smp", str(self.smp), "-m", str(self.memory)]
        command += ["-kernel", str(self.guest / "vmlinux"), "-initrd", str(initrd), "-append", self.cmdline]
        for image in ("root.img", "modules.img"):
            path = (self.guest / image).resolve()
            command += ["-drive", f"file={path},format=raw,if=virtio,readonly=on,file.locking=off"]
        for name, fd in fds.items():
            command += ["-chardev", f"socket,id={name},fd={fd}"]
        command += ["-serial", "chardev:console", "-mon", "chardev=qmp,mode=control", "-device", "virtio-serial-pci"]
        command += ["-device", "virtconsole,chardev=job"]
        for name in ("verdict", "log", "files"):
            command += ["-device", f"virtserialport,chardev={name},name={name}"]
        return command

    def _judge(self, out, talk, timed_out, seconds):
        kernel_log, lost = talk.text("console"), []
        try:
            _unpack(talk.data["files"], out)
            kernel_log += (out / "dmesg.log").read_text(errors="replace")
        except (tarfile.TarError, OSError) as error:
            lost = [f"the guest's files did not arrive ({error})"]
        said = bytes(talk.data["verdict"])
        problems = verdict.judge(said, kernel_log, talk.shutdown, timed_out, self.tests) or lost
        (out / "problems.log").write_text("".join(problem + "\n" for problem in problems))
        return Run(out, seconds, problems, verdict.parse(said)[0])


def _unpack(data, out):
    """The plain files of a tar archive, nothing else and nowhere else."""
    if not data.endswith(FILES_END):
        raise OSError("their end is missing")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = out / member.name
            if member.isfile() and ".." not in path.parts and not member.name.startswith("/"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.extractfile(member).read())


class Talk:
    """Listens to all channels until QEMU has closed them."""

    def __init__(self, out, sockets, terminal, keyboard, on_result):
        self.data = {name: bytearray() for name in CHANNELS}
        self.shutdown = None
        self._sockets, self._terminal, self._keyboard, self._on_result = sockets, terminal, keyboard, on_result
        self._logs = {
            "console": (out / "console.log").open("wb", 0),
            "job": (out / "job.log").open("wb", 0),
            "verdict": (out / "verdict.jsonl").open("wb", 0),
            "log": (out / "commands.log").open("wb", 0),
        }
        self._seen = {"qmp": 0, "verdict": 0}
        sockets["qmp"].sendall(b'{"execute": "qmp_capabilities"}\n')

    def text(self, name):
        return self.data[name].decode(errors="replace")

    def listen(self, timeout):
        """Returns the timeout if it was reached, else None."""
        deadline = time.monotonic() + timeout if timeout else None
        with selectors.DefaultSelector() as selector:
            for name, end in self._sockets.items():
                selector.register(end, selectors.EVENT_READ, name)
            if self._keyboard is not None:
                selector.register(self._keyboard, selectors.EVENT_READ, "keyboard")
            left = set(self._sockets)
            while left:
                wait = None if deadline is None else deadline - time.monotonic()
                if wait is not None and wait <= 0:
                    return timeout
                for key, _ in selector.select(wait):
                    chunk = self._receive(key)
                    if key.data == "keyboard":
                        if chunk:
                            self._sockets["job"].sendall(chunk)
                        else:
                            selector.unregister(self._keyboard)
                    elif chunk:
                        self._take(key.data, chunk)
                    else:
                        selector.unregister(key.fileobj)
                        left.discard(key.data)
        return None

    @staticmethod
    def _receive(key):
        try:
            return os.read(key.fd, 1 << 16)
        except ConnectionResetError:
            return b""

    def _take(self, name, chunk):
        self.data[name] += chunk
        if name in self._logs:
            self._logs[name].write(chunk)
        if name == "files" and self.data[name].endswith(FILES_END):
            self._sockets[name].sendall(b"\n")
        if name == "job" and self._terminal is not None:
            self._terminal.write(chunk)
            self._terminal.flush()
        for line in self._new_lines(name):
            if name == "qmp":
                event = json.loads(line)
                if event.get("event") == "SHUTDOWN" and self.shutdown is None:
                    self.shutdown = event["data"]["reason"]
            elif self._on_result is not None:
                for result in verdict.parse(line + b"\n")[0]:
                    self._on_result(result)

    def _new_lines(self, name):
        if name not in self._seen:
            return []
        start = self._seen[name]
        end = self.data[name].rfind(b"\n") + 1
        self._seen[name] = max(start, end)
        return bytes(self.data[name][start:end]).splitlines()

    def close(self):
        for end in self._sockets.values():
            end.close()
        for log in self._logs.values():
            log.close()


def _stop(process, patience):
    """QEMU has ended by itself (a moment for it to go), or is ended here."""
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
