# SPDX-License-Identifier: GPL-2.0
"""Turns an interface's offloads on and off, as ethtool -K does: they decide in which form packets
come to the router."""

import array
import contextlib
import fcntl
import socket
import struct

SIOCETHTOOL = 0x8946
# ETHTOOL_S*: checksums left to the device, payload in pages, packets beyond the MTU.
SET = {"tx": 0x17, "sg": 0x19, "tso": 0x1F, "gso": 0x24}


@contextlib.contextmanager
def off(host, interface, *features):
    """Without these offloads, for a while."""
    for feature in features:
        _set(host, interface, feature, 0)
    try:
        yield
    finally:
        for feature in reversed(features):
            _set(host, interface, feature, 1)


def _set(host, interface, feature, value):
    request = array.array("I", [SET[feature], value])
    with host.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP16x", interface.encode(), request.buffer_info()[0]))
