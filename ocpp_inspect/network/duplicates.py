"""Segments in, the copies among them out: the same packet seen twice by a mirror or on two interfaces.

A copy has the same addresses, IP identification, TCP header and payload, and comes within milliseconds. A repetition
by TCP itself has another identification or comes later. Where there is no identification (0, or IPv6) only another
interface, other link addresses or another hop count prove a copy. Candidates are found by a hash in a table of
columns (0.04 µs a segment); what is found is compared in full.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
import numpy.typing as npt

from ocpp_inspect.limits import DUPLICATE_LOOKBACK, DUPLICATE_WINDOW_NS
from ocpp_inspect.model import Int64, PacketBatch, UInt8

from .rows import Rows, UInt64

_K1: Final = np.uint64(0x9E3779B97F4A7C15)
_K2: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_K3: Final = np.uint64(0x165667B19E3779F9)
_SLOT_BITS: Final = 17

_Key = tuple[int, int, int, int, int, int, int, int, int, int]  # what must be equal, the payload's checksum last
_Place = tuple[int, int, int]  # interface, hop count, checksum of the link header


class Duplicates:
    """Remembers the segments of the last milliseconds."""

    def __init__(self, *, window_ns: int = DUPLICATE_WINDOW_NS, lookback: int = DUPLICATE_LOOKBACK) -> None:
        self._window_ns = window_ns
        self._lookback = lookback
        self._clock_ns = -(1 << 62)  # the newest time so far: what is old does not become new when time jumps back
        self._tail_hash: UInt64 = np.zeros(0, np.uint64)
        self._tail_ts: Int64 = np.zeros(0, np.int64)
        self._tail_clock: Int64 = np.zeros(0, np.int64)
        self._tail: list[tuple[_Key, _Place]] = []
        self._kept: list[bool] = []
        self._slots = np.zeros(1 << _SLOT_BITS, np.int64)

    def find(self, batch: PacketBatch, rows: Rows, octets: UInt8) -> npt.NDArray[np.bool_]:
        """Which rows are copies of an earlier one."""
        count = len(rows)
        ts_ns = batch.ts_ns[rows.index]
        clock_ns = np.maximum.accumulate(ts_ns)
        if count and clock_ns[0] < self._clock_ns:
            np.maximum(clock_ns, self._clock_ns, out=clock_ns)
        mixed = (rows.source * _K1) ^ (rows.target * _K2)
        mixed ^= ((rows.seq << 32) | rows.ack).view(np.uint64) * _K3
        detail = (rows.identification << 40) ^ (rows.flags << 32) ^ (rows.length << 8) ^ rows.window
        mixed = (mixed ^ (detail.view(np.uint64) * _K2)) * _K1
        hashes = np.concatenate([self._tail_hash, mixed]) if len(self._tail_hash) else mixed
        tail = len(self._tail_hash)
        total = tail + count
        slot = (hashes >> np.uint64(64 - _SLOT_BITS)).astype(np.int64)
        order = np.arange(total, dtype=np.int64)
        self._slots[slot] = order
        shared = self._slots[slot] != order
        copies = np.zeros(count, np.bool_)
        if shared.any():
            self._compare(batch, rows, octets, copies, hashes, slot, shared, ts_ns, clock_ns)
        self._remember(batch, rows, octets, copies, mixed, ts_ns, clock_ns)
        return copies

    def _compare(
        self,
        batch: PacketBatch,
        rows: Rows,
        octets: UInt8,
        copies: npt.NDArray[np.bool_],
        hashes: UInt64,
        slot: Int64,
        shared: npt.NDArray[np.bool_],
        ts_ns: Int64,
        clock_ns: Int64,
    ) -> None:
        """Compare in full those whose hashes are equal, in order."""
        tail = len(self._tail_hash)
        crowded = np.isin(slot, slot[shared])
        candidates = np.flatnonzero(crowded)
        _, inverse, counts = np.unique(hashes[candidates], return_inverse=True, return_counts=True)
        candidates = candidates[counts[inverse] > 1]
        times = np.concatenate([self._tail_ts, ts_ns])
        clock = np.concatenate([self._tail_clock, clock_ns])
        first_seen: dict[_Key, tuple[int, int, _Place]] = {}
        earlier = int(np.searchsorted(candidates, tail))
        for index in candidates[:earlier].tolist():
            if self._kept[index]:
                key, place = self._tail[index]
                first_seen[key] = (index, int(times[index]), place)
        chosen = candidates[earlier:]
        identities = self._identities(batch, rows, octets, chosen - tail)
        found: list[int] = []
        for index, now_ns, (key, place) in zip(chosen.tolist(), times[chosen].tolist(), identities, strict=True):
            known = first_seen.get(key)
            if (
                known is not None
                and clock[index] - clock[known[0]] <= self._window_ns
                and self._is_copy(known, index, now_ns, key, place)
            ):
                found.append(index - tail)
            else:
                first_seen[key] = (index, now_ns, place)
        copies[found] = True

    def _is_copy(self, known: tuple[int, int, _Place], index: int, ts_ns: int, key: _Key, place: _Place) -> bool:
        before, before_ns, before_place = known
        if index - before > self._lookback or abs(ts_ns - before_ns) > self._window_ns:
            return False
        return bool(key[-2]) or place != before_place

    @staticmethod
    def _identities(
        batch: PacketBatch, rows: Rows, octets: UInt8, chosen: npt.NDArray[np.intp]
    ) -> list[tuple[_Key, _Place]]:
        """What must be equal and what tells places apart, of some rows: 1.3 µs each."""
        index = rows.index[chosen]
        numbers = (
            rows.source, rows.target, rows.seq, rows.ack, rows.flags, rows.window, rows.length, rows.missing,
            rows.identification,
        )  # fmt: skip
        keys = zip(*(column[chosen].tolist() for column in numbers), strict=True)
        begins, ends = rows.offset[chosen], rows.offset[chosen] + rows.length[chosen]
        starts, headers = batch.offset[index], rows.header[chosen]
        places = (batch.interface[index], rows.hops[chosen], begins, ends, starts, headers)
        octet = octets.data
        crc32 = zlib.crc32
        return [
            ((*key, crc32(octet[begin:end])), (interface, hops, crc32(octet[start:header])))
            for key, interface, hops, begin, end, start, header in zip(
                keys, *(column.tolist() for column in places), strict=True
            )
        ]

    def _remember(
        self,
        batch: PacketBatch,
        rows: Rows,
        octets: UInt8,
        copies: npt.NDArray[np.bool_],
        mixed: UInt64,
        ts_ns: Int64,
        clock_ns: Int64,
    ) -> None:
        """Keep what a copy in the next batch could be a copy of."""
        count = len(rows)
        self._clock_ns = newest = int(clock_ns[-1])
        low = max(0, count - self._lookback, int(clock_ns.searchsorted(newest - self._window_ns)))
        if not low and self._tail:
            old = max(0, len(self._tail) - (self._lookback - count))
            keep = slice(max(old, int(self._tail_clock.searchsorted(newest - self._window_ns))), None)
            self._tail = self._tail[keep]
            self._kept = self._kept[keep]
            self._tail_hash = np.concatenate([self._tail_hash[keep], mixed])
            self._tail_ts = np.concatenate([self._tail_ts[keep], ts_ns])
            self._tail_clock = np.concatenate([self._tail_clock[keep], clock_ns])
        else:
            self._tail, self._kept = [], []
            self._tail_hash, self._tail_ts, self._tail_clock = mixed[low:], ts_ns[low:], clock_ns[low:]
        self._tail += self._identities(batch, rows, octets, np.arange(low, count))
        self._kept += (~copies[low:]).tolist()
