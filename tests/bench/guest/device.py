# SPDX-License-Identifier: GPL-2.0
"""Talks to the bench module; runs in the guest. The layouts are those of module/bench.h."""

import ipaddress
import os
import socket
import struct
from dataclasses import dataclass

import cases

DEVICE = "/dev/helper_bench"
CASE = struct.Struct("=16sBBBBBBBBII")
SIDE = struct.Struct("!16s16sHH")
RESULT = struct.Struct("=QQQQII")
WHAT = {"helper": 0, "assign": 1, "hook": 2}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
PROTOCOL = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
SRC_NAT, DST_NAT = 1 << 4, 1 << 5


@dataclass
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
    head = CASE.pack(case.helper.encode(), WHAT[case.what], FAMILY[case.version], PROTOCOL[case.protocol],
                     case.direction, cases.PLACES.index(place), case.is_new, trace, len(case.question), status, rounds)
    return head + _side(*case.original) + _side(*case.reply) + case.question + case.payload


def measure(case, place, rounds=24):
    """Measures a case; None if its helper is not there."""
    device = os.open(DEVICE, os.O_RDWR)
    try:
        os.write(device, request(case, place, rounds, False))
        answer = os.read(device, 4096)
    except FileNotFoundError:
        return None
    finally:
        os.close(device)
    return Result(*RESULT.unpack_from(answer), answer[RESULT.size:])


def trace(case, place):
    """The addresses of all instructions that one call executes."""
    device = os.open(DEVICE, os.O_RDWR)
    try:
        os.write(device, request(case, place, 1, True))
        os.read(device, 4096)
        addresses = os.read(device, 1 << 20)
    finally:
        os.close(device)
    return struct.unpack(f"={len(addresses) // 8}Q", addresses)
