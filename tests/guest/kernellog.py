# SPDX-License-Identifier: GPL-2.0
"""Reads the kernel's log as it grows."""

import os
import re

# Anything of level "warning" or worse is a complaint, except what the network prints in normal life.
WARNING = 4
HARMLESS = re.compile(r"entered promiscuous mode|left promiscuous mode|link becomes ready|conntrack helper is scheduled for removal|"
                      r"hrtimer: interrupt took|loading out-of-tree module taints kernel|module verification failed: signature|"
                      # What our modules tell the administrator of a control connection; see test_counters.py.
                      r"^ip_(conntrack|nat)_\w+: \S+:\d+ -> \S+:\d+: ")


class Reader:
    """New records of /dev/kmsg since `start`."""

    def __init__(self):
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        self._records, self._allowed = [], []

    def start(self):
        os.lseek(self._fd, 0, os.SEEK_END)
        self._records, self._allowed = [], []

    def allow(self, pattern):
        self._allowed.append(pattern)

    def lines(self):
        """All messages since the start of the test."""
        self._read()
        return [text for _, text in self._records]

    def complaints(self):
        self._read()
        return [text for level, text in self._records
                if level <= WARNING and not HARMLESS.search(text)
                and not any(re.search(pattern, text) for pattern in self._allowed)]

    def _read(self):
        while True:
            try:
                record = os.read(self._fd, 8192).decode(errors="replace")
            except BlockingIOError:
                return
            except BrokenPipeError:
                self._records.append((WARNING, "(kernel messages were lost: too many of them)"))
                continue
            head, _, text = record.partition(";")
            self._records.append((int(head.split(",")[0]) & 7, text.split("\n")[0]))
