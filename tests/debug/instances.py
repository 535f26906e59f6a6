# SPDX-License-Identifier: GPL-2.0
"""All our modules at once, and loading them without a process for each."""

import ctypes
import os

import module
import shell

FINIT_MODULE, DELETE_MODULE = 313, 176
PROTOCOLS = ("ftp", "irc", "tftp", "amanda")
CONNTRACK = [module.Module(f"ip_conntrack_{name}") for name in PROTOCOLS]
NAT = [module.Module(f"ip_nat_{name}") for name in PROTOCOLS]


def files():
    """Each module's name and file, in an order in which they can be loaded."""
    ordered = (module.CORE, *CONNTRACK, module.NAT_CORE, *NAT)
    return {half.name: shell.run(["modinfo", "-n", half.name]).strip() for half in ordered}


def _system_call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def insert(file, parameters=b""):
    with open(file, "rb") as opened:
        _system_call(FINIT_MODULE, opened.fileno(), parameters, 0)


def remove(name):
    _system_call(DELETE_MODULE, name.encode(), os.O_NONBLOCK)


def load_all():
    for half in NAT:
        half.load()


def unload_all():
    for half in (*NAT, module.NAT_CORE, *CONNTRACK, module.CORE):
        if half.loaded():
            half.unload()
