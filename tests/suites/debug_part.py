# SPDX-License-Identifier: GPL-2.0
"""A part of `make test-debug` behind the other suites, where there is time for it; for CI."""

import copy
import os
import time

import environment
from suites import guest

# How long building the debug kernel and running this may take, in seconds.
BUILD, RUN = 25 * 60, 15 * 60
PART = "debug and (load_and_unload or waits or second_instance or no_memory_to or hostile)"
SETTINGS = {"TIMES": "20", "PACKETS": "8000"}


def run(options, out, deadline):
    """Returns (passed, failed); (0, 0) if it was left out, which it says."""
    left = deadline - time.monotonic()
    is_built = any(folder.suffix != ".part" for folder in (environment.cache() / "kernel").glob("debug_*"))
    if left < RUN + (0 if is_built else BUILD):
        return _leave_out(f"{max(0, left) / 60:.0f} minutes are left, which may be too few")
    try:
        setup = environment.setup("debug", timeout=left - RUN)
    except SystemExit:
        return 0, 1
    if not setup:
        return _leave_out("the debug kernel was not built in time")
    modules = guest.build(setup)
    if modules is None:
        return 0, 1
    options = copy.copy(options)
    options.debug = True
    os.environ.update(SETTINGS)
    return guest.run_all(setup, modules, options, out, PART, guest.GUESTS, deadline - time.monotonic())


def _leave_out(why):
    print(f"== debug: LEFT OUT, nothing was tested on the debug kernel: {why}", flush=True)
    return 0, 0
