# SPDX-License-Identifier: GPL-2.0
"""A real IRC server, and two real clients that are told what to do as their users would tell them."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from shell import log, wait_for

PORT = 6667
NGIRCD = """[Global]
Name = irc.example.net
Info = test
Listen = {address}
Ports = {port}
MotdPhrase = "hello"
ServerUID = irc
ServerGID = irc
[Limits]
MaxConnectionsIP = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
"""


def ngircd(host, family):
    config = Path(f"/tmp/ngircd-{family}.conf")
    config.write_text(NGIRCD.format(address=host.address[family], port=PORT))
    server = host.start(["ngircd", "--nodaemon", "--config", str(config)])
    wait_for("ngircd to listen", lambda: host.listens(PORT) or server.ended())
    assert not server.ended(), f"ngircd ended at once: {server.text()}"
    return server


class Client:
    """An IRC client on a host, with a folder of its own, connected to a server under a nick. It
    takes every file and every chat that it is offered."""

    def __init__(self, host, nick, address):
        self.nick, self.folder = nick, Path("/tmp") / f"irc-{nick}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.received = self.folder / "received"
        self.received.mkdir(parents=True)
        (self.folder / "logs").mkdir()
        self._host, self._output = host, self.folder / "output"
        self._start(address)
        wait_for(f"{nick} to be welcomed", lambda: "hello" in self.text())

    def _run(self, command):
        log.info("%s# %s &", self._host.name, " ".join(command))
        environment = {**os.environ, "TERM": "vt100", "LINES": "24", "COLUMNS": "200", "HOME": str(self.folder)}
        with self._host.entered(), self._output.open("wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output,
                                            env=environment)

    def text(self):
        """All that it has shown or noted."""
        files = [self._output, *(self.folder / "logs").glob("*")]
        return "".join(file.read_text(errors="replace") for file in files)

    def make_file(self, size=100_000):
        file = self.folder / f"from-{self.nick}.bin"
        file.write_bytes(os.urandom(size))
        return file

    def send_file(self, to, file=None, options=""):
        """Offers a file, a new one if none is given; returns it."""
        file = file or self.make_file()
        self.command(" ".join(f"/dcc send {options} {to} {file}".split()))
        return file

    def wait_for_file(self, sent):
        """What has come of a file is what was sent."""
        file = self.received / sent.name
        size = sent.stat().st_size
        wait_for(f"{self.nick} to have {sent.name}", lambda: file.exists() and file.stat().st_size >= size)
        assert digest(file) == digest(sent), f"{file}: what arrived is not what was sent"

    def check_not_received(self, sent):
        file = self.received / sent.name
        assert not file.exists() or file.stat().st_size == 0, f"{file} has arrived"

    def wait_for_chat(self, to):
        """The chat that this client has offered is taken."""
        wait_for(f"{self.nick}'s chat with {to}", lambda: self.CHAT.search(self.text()))

    def wait_for_text(self, text):
        wait_for(f"{self.nick} to read {text!r}", lambda: text in self.text())


class Irssi(Client):
    """irssi, which needs a terminal; `script` gives it one."""

    CHAT = re.compile(r"DCC CHAT connection with")
    STARTUP = """/set cmd_queue_speed 10msec
/set dcc_autoget on
/set dcc_autochat_masks *!*@*
/set dcc_download_path {received}
/log open {folder}/logs/all ALL
"""

    def _start(self, address):
        (self.folder / "startup").write_text(self.STARTUP.format(received=self.received, folder=self.folder))
        self._run(["script", "--quiet", "--flush", "--command",
                   f"irssi --home={self.folder} --connect={address} --port={PORT} --nick={self.nick}", "/dev/null"])

    def command(self, text):
        log.info("%s: %s", self.nick, text)
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def chat(self, to):
        self.command(f"/dcc chat {to}")

    def say_in_chat(self, to, text):
        self.command(f"/msg ={to} {text}")


class Weechat(Client):
    """WeeChat without a screen, which takes commands from a FIFO."""

    CHAT = re.compile(r"connected to \w+ .* via xfer chat")
    SETTINGS = {"xfer.file.auto_accept_files": "on", "xfer.file.auto_accept_chats": "on",
                "xfer.file.download_path": "{received}", "xfer.file.use_nick_in_filename": "off",
                "irc.server_default.nicks": "{nick}", "logger.file.flush_delay": "0", "fifo.file.path": "{folder}/fifo"}

    def _start(self, address):
        commands = [f"/set {name} {value.format(nick=self.nick, folder=self.folder, received=self.received)}"
                    for name, value in self.SETTINGS.items()]
        commands += [f"/server add test {address}/{PORT} -notls", "/connect test"]
        self._run(["weechat-headless", "--dir", str(self.folder), "--stdout",
                   *(word for command in commands for word in ("--run-command", command))])

    def command(self, text, buffer="irc.server.test"):
        log.info("%s: %s", self.nick, text)
        with (self.folder / "fifo").open("wb") as fifo:
            fifo.write(f"{buffer} *{text}\n".encode())

    def has_part_of(self, file, size):
        """Its beginning is there from an earlier attempt; WeeChat asks for the rest by itself."""
        (self.received / f"{file.name}.part").write_bytes(file.read_bytes()[:size])

    def chat(self, to):
        self.command(f"/dcc chat {to}")

    def say_in_chat(self, to, text):
        self.command(text, f"xfer.irc_dcc.test.{to}")


CLIENTS = {"irssi": Irssi, "weechat": Weechat}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
