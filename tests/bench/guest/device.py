# SPDX-License-Identifier: GPL-2.0
"""Talks to the bench module; runs in the guest. The layouts are those of module/bench.h."""

import dataclasses
import ipaddress
import os
import socket
import struct

import cases

DEVICE = "/dev/helper_bench"
CASE = struct.Struct("=16sBBBBBBBBB3xIII")
SIDE = struct.Struct("!16s16sHH")
RESULT = struct.Struct("=QQQQII")
WHAT = {"helper": 0, "assign": 1, "hook": 2, "bridge": 3, "threads": 4, "control": 4}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
PROTOCOL = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
SRC_NAT, DST_NAT = 1 << 4, 1 << 5


@dataclasses.dataclass
class Result:
    """Instructions of one call, without those of an empty call."""

    control: int
    min: int
    median: int
    max: int
    verdict: int
    expected: int
    packet: bytes


def _side(source, destination):
    def packed(address):
        return ipaddress.ip_address(address).packed

    return SIDE.pack(packed(source[0]), packed(destination[0]), source[1], destination[1])


def request(case, place, rounds, trace):
    """The bytes that ask for a measurement of a case of cases.py."""
    status = SRC_NAT * (case.original[0] != case.reply[1]) | DST_NAT * (case.original[1] != case.reply[0])
    helper = "" if case.what == "control" else case.helper
    head = CASE.pack(helper.encode(), WHAT[case.what], FAMILY[case.version], PROTOCOL[case.protocol],
                     case.direction, cases.PLACES.index(place), case.is_new, case.is_untracked, trace, len(case.question), status,
                     case.taken, rounds)
    return head + _side(*case.original) + _side(*case.reply) + case.question + case.payload


def measure(case, place, rounds=24):
    """Measures a case; None if its helper is not there."""
    device = os.open(DEVICE, os.O_RDWR)
    try:
        os.write(device, request(case, place, rounds, False))
        answer = os.read(device, 1 << 17)
    except FileNotFoundError:
        return None
    finally:
        os.close(device)
    return Result(*RESULT.unpack_from(answer), answer[RESULT.size:])


def _numbers(wanted):
    """What the module leaves behind the result."""
    device = os.open(DEVICE, os.O_RDWR)
    try:
        os.write(device, wanted)
        os.read(device, 1 << 17)
        numbers = os.read(device, 1 << 20)
    finally:
        os.close(device)
    return struct.unpack(f"={len(numbers) // 8}Q", numbers)


def trace(case, place):
    """The addresses of all instructions that one call executes."""
    return _numbers(request(case, place, 1, True))


def threads(case, rounds):
    """For each round nanoseconds of one call by one thread alone, by each of two, and how much later
    the second of the two began. The case is "threads", or "control" for the bench's own function."""
    calls, *found = _numbers(request(case, "linear", rounds, False))
    return [[number / calls for number in numbers] for numbers in zip(*[iter(found)] * 4)]
