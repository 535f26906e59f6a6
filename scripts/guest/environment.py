# SPDX-License-Identifier: GPL-2.0
"""Where the guest and our modules are; sets up what is missing."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
# What a machine needs on which the debug kernel runs: memory for its book-keeping, and time. Three times
# half a minute would go into interrupt routes that ACPI does not find there.
DEBUG_MACHINE = {"memory": 3072, "cmdline": "rcupdate.rcu_cpu_stall_timeout=200 watchdog_thresh=60 acpi=noirq"}


def cache():
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("IP_CONNTRACK_CACHE") or Path(base) / "ip_conntrack_rust")


def setup(kind="guest", timeout=None):
    """What scripts/setup says: USERLAND, KERNEL, KDIR and GUEST; `kind` "debug" for the debug kernel.
    None if it is not done in time, in seconds; what it has made so far is not lost."""
    made = subprocess.Popen([TOP / "scripts/setup", kind], stdout=subprocess.PIPE, text=True, start_new_session=bool(timeout))
    try:
        said, _ = made.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(made.pid, signal.SIGKILL)
        made.wait()
        return None
    if made.returncode:
        sys.exit(made.returncode)
    return dict(word.split("=", 1) for word in shlex.split(said))


def guest():
    """$GUEST, else that of scripts/setup."""
    return Path(os.environ.get("GUEST") or setup()["GUEST"])


def our_modules(guest_folder):
    """What the last build made for the guest's kernel."""
    release = (guest_folder / "release").read_text().strip()
    return sorted((TOP / "build" / release).glob("ip_*.ko"))


def add_modprobe_conf(payload):
    """What `make install` puts beside the modules."""
    payload.add(TOP / "scripts/modprobe.d", "/etc/modprobe.d")


def new_output(name):
    """A folder for the logs of one run; of earlier ones the newest are kept, and those of today, which may
    still be in use."""
    folder = cache() / "out"
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.iterdir())[:-30]:
        # Another run may be removing it, too.
        with contextlib.suppress(FileNotFoundError):
            if time.time() - old.stat().st_mtime > 24 * 3600:
                shutil.rmtree(old, ignore_errors=True)
    return folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{os.getpid()}"
