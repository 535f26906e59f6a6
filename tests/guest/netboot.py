# SPDX-License-Identifier: GPL-2.0
"""Fetches files as the boot ROM of a network card does, RFC 1350 and RFC 2347 to 2349."""

import struct

from datagrams import Socket

# Boot ROMs keep to their port.
PORT, BLOCK_SIZE = 2070, 1456
RRQ, DATA, ACK, ERROR, OACK = 1, 3, 4, 5, 6
ABORT = struct.pack("!HH", ERROR, 8) + b"TFTP Aborted\0"


def boot(host, server, names):
    """Asks for each file; returns the contents of those that there are."""
    loaded = {}
    with Socket(host, "ipv4", PORT) as rom:
        for name in names:
            size = _ask_size(rom, server, name)
            if size is not None:
                loaded[name] = _load(rom, server, name)
                assert len(loaded[name]) == size
    return loaded


def _ask_size(rom, server, name):
    answer, peer = _request(rom, server, name, b"tsize\x000\0")
    if _opcode(answer) == ERROR:
        return None
    assert _opcode(answer) == OACK, f"an answer of type {_opcode(answer)}"
    # Only the size was of interest.
    rom.send(ABORT, peer)
    options = answer[2:].lower().split(b"\0")
    return int(options[options.index(b"tsize") + 1])


def _load(rom, server, name):
    answer, peer = _request(rom, server, name, b"blksize\x00%d\0" % BLOCK_SIZE)
    assert _opcode(answer) == OACK and b"%d" % BLOCK_SIZE in answer
    data, block = b"", 0
    while True:
        rom.send(struct.pack("!HH", ACK, block), peer)
        answer, sender = rom.receive()
        assert sender == peer and _opcode(answer) == DATA
        if struct.unpack_from("!H", answer, 2)[0] != block + 1:
            continue
        data, block = data + answer[4:], block + 1
        if len(answer) < 4 + BLOCK_SIZE:
            rom.send(struct.pack("!HH", ACK, block), peer)
            return data


def _request(rom, server, name, options):
    rom.send(struct.pack("!H", RRQ) + name.encode() + b"\0octet\0" + options, (server, 69))
    answer, peer = rom.receive()
    assert peer[0] == server and peer[1] != 69
    return answer, peer


def _opcode(datagram):
    return struct.unpack_from("!H", datagram)[0]
