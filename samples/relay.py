"""Ethernet frames of two TAP devices in; the same frames at the other device (late, twice or never) out.

The two devices live in two network namespaces, so two TCP stacks really recover from what happens between them. A third
device, `mirror0`, gets copies, as the mirror port of a switch does, with its own losses and doubles.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import threading
import time
from dataclasses import dataclass

from samples.wire import shell

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x0002 | 0x1000
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Faults:
    """Chances per frame that carries TCP payload, between 0 and 1."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0  # held back for `delay_ms`, so that later frames overtake it
    delay_ms: float = 4.0
    mirror_drop: float = 0.0
    mirror_duplicate: float = 0.0
    seed: int = 7


def enter(namespace: int) -> None:
    """Make this thread create its sockets and devices in the network namespace of that file descriptor."""
    if _libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def new_namespace() -> tuple[int, int]:
    """(this network namespace, a fresh one), as file descriptors; we stay in this one."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    if _libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    there = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    enter(here)
    return here, there


def tap(name: str, mtu: int, *addresses: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP_NO_PI))
    shell("ip", "link", "set", name, "mtu", str(mtu))
    if mtu >= 1280:  # below, Linux starts no IPv6 on the device anyway
        shell("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
    for address in addresses:
        shell("ip", "addr", "add", address, "dev", name)
    shell("ip", "link", "set", name, "up")
    return device


class Relay(threading.Thread):
    """Carries frames between devices `a` and `b` until `stop`."""

    def __init__(self, a: int, b: int, mirror: int, faults: Faults) -> None:
        super().__init__(daemon=True)
        self._other = {a: b, b: a}
        self._mirror = mirror
        self._faults = faults
        self._chance = random.Random(faults.seed)
        self._late: list[tuple[float, int, int, bytes]] = []
        self._stopping = False
        self.counts = {"frames": 0, "dropped": 0, "duplicated": 0, "delayed": 0, "not mirrored": 0, "mirrored twice": 0}

    def stop(self) -> None:
        self._stopping = True
        self.join()

    def run(self) -> None:
        while not self._stopping:
            wait = 0.01 if not self._late else max(0.0, min(0.01, self._late[0][0] - time.monotonic()))
            for device in select.select(list(self._other), [], [], wait)[0]:
                self._carry(self._other[device], os.read(device, 65536))
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, target, frame = heapq.heappop(self._late)
                self._deliver(target, frame)

    def _carry(self, target: int, frame: bytes) -> None:
        faults, counts, roll = self._faults, self.counts, self._chance.random()
        counts["frames"] += 1
        if not has_payload(frame):
            self._deliver(target, frame)
        elif roll < faults.drop:
            counts["dropped"] += 1
        elif roll < faults.drop + faults.duplicate:
            counts["duplicated"] += 1
            self._deliver(target, frame)
            self._deliver(target, frame)
        elif roll < faults.drop + faults.duplicate + faults.delay:
            counts["delayed"] += 1
            due = time.monotonic() + faults.delay_ms / 1000
            heapq.heappush(self._late, (due, counts["frames"], target, frame))
        else:
            self._deliver(target, frame)

    def _deliver(self, target: int, frame: bytes) -> None:
        os.write(target, frame)
        roll = self._chance.random()
        if has_payload(frame):
            if roll < self._faults.mirror_drop:
                self.counts["not mirrored"] += 1
                return
            if roll > 1 - self._faults.mirror_duplicate:
                self.counts["mirrored twice"] += 1
                os.write(self._mirror, frame)
        os.write(self._mirror, frame)


def has_payload(frame: bytes) -> bool:
    """Whether this is an IPv4 TCP segment with data that is no HTTP request or response (upgrades stay whole)."""
    if frame[12:14] != b"\x08\x00" or frame[23] != 6:
        return False
    header = 14 + (frame[14] & 15) * 4
    data = header + (frame[header + 12] >> 4) * 4
    end = 14 + int.from_bytes(frame[16:18], "big")
    return end > data and frame[data : data + 1] > b"\x7f"
