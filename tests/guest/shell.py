# SPDX-License-Identifier: GPL-2.0
"""Commands that are logged with all they print, background processes, and waiting for conditions."""

import logging
import os
import shlex
import subprocess
import tempfile
import time

log = logging.getLogger("guest")
# How many times longer everything may take, on a kernel that is slow for a reason.
PATIENCE = int(os.environ.get("PATIENCE", "1"))
_background = []


def _argv(command):
    return shlex.split(command) if isinstance(command, str) else [str(word) for word in command]


def _show(prompt, argv, stdin=None):
    log.info("%s# %s", prompt, shlex.join(argv))
    for line in (stdin or "").splitlines():
        log.info("  < %s", line)


def _show_output(text):
    for line in text.splitlines():
        log.info("  %s", line)


def run(command, *, prompt="guest", check=True, stdin=None, timeout=60):
    """Runs a command to its end; returns what it printed. With check=False a failure is no error."""
    argv = _argv(command)
    _show(prompt, argv, stdin)
    done = subprocess.run(argv, input=stdin, stdin=None if stdin else subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", timeout=timeout * PATIENCE)
    _show_output(done.stdout)
    if done.returncode:
        log.info("  (exit code %d)", done.returncode)
        assert not check, f"{prompt}# {shlex.join(argv)}: exit code {done.returncode}:\n{done.stdout}"
    return done.stdout


class Background:
    """A process that runs beside the test; what is still there at the test's end is stopped."""

    def __init__(self, command, prompt="guest", stdin=None):
        self.argv, self.prompt = _argv(command), prompt
        _show(prompt, self.argv + ["&"], stdin)
        self._output = tempfile.NamedTemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(self.argv, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                                        stdout=self._output, stderr=subprocess.STDOUT, text=True)
        if stdin:
            self.process.stdin.write(stdin)
            self.process.stdin.close()
        _background.append(self)

    def text(self):
        with open(self._output.name, errors="replace") as output:
            return output.read()

    def ended(self):
        return self.process.poll() is not None

    def wait(self, timeout=60):
        """Waits for the process's own end; returns its exit code."""
        try:
            self.process.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"{self.prompt}# {shlex.join(self.argv)}: not done after {timeout} s:\n{self.text()}")
        return self._finish("exit code %d" % self.process.returncode)

    def stop(self):
        if not self.ended():
            self.process.terminate()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self._finish("ended by the test")

    def _finish(self, how):
        if self in _background:
            _background.remove(self)
            log.info("%s# %s … %s, printed:", self.prompt, self.argv[0], how)
            _show_output(self.text())
        return self.process.returncode


def stop_background():
    for process in list(_background):
        process.stop()


def wait_for(what, condition, timeout=20):
    """Polls until the condition holds; returns its value."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}, in vain (last: {value!r})"
        time.sleep(0.02)
