"""Endpoints of segments in, flow numbers out; a bounded table that forgets the pair idle for longest.

The table is an exact dictionary. Before it stands a direct-mapped cache of columns, compared by the full key, that
answers for a whole batch at once (0.02 µs a segment); a crafted collision only costs a look into the dictionary.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import numpy as np
import numpy.typing as npt

from ocpp_inspect.limits import FLOWS
from ocpp_inspect.model import Flow, Int64

from .rows import UInt64

_SLOT_BITS: Final = 16
_SHIFT: Final = np.uint64(64 - _SLOT_BITS)
_MIX_LOW: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_HIGH: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_IPV6: Final = 1 << 32  # the first number of an IPv6 address


class Addresses:
    """IPv6 addresses as numbers above 2**32, so that both generations of IP fit into one column."""

    def __init__(self) -> None:
        self._number: dict[bytes, int] = {}
        self._address: dict[int, bytes] = {}
        self._next = _IPV6

    def __len__(self) -> int:
        return len(self._number)

    def number(self, address: bytes) -> int:
        """The number of one address."""
        known = self._number.get(address)
        if known is None:
            known = self._next
            self._next += 1
            self._number[address] = known
            self._address[known] = address
        return known

    def numbers(self, halves: UInt64) -> UInt64:
        """The numbers of addresses given as rows of two 64-bit halves."""
        mixed = (halves[:, 0] * _MIX_LOW) ^ (halves[:, 1] * _MIX_HIGH)
        _, first, inverse = np.unique(mixed, return_index=True, return_inverse=True)
        chosen = halves[first]
        if not np.array_equal(chosen[inverse], halves):  # two addresses with one mix
            return np.array([self.number(row.tobytes()) for row in halves.astype(">u8")], np.uint64)
        numbers = np.array([self.number(row.tobytes()) for row in chosen.astype(">u8")], np.uint64)
        return numbers[inverse]

    def text(self, number: int) -> str:
        """The address as people write it."""
        return str(IPv4Address(number)) if number < _IPV6 else str(IPv6Address(self._address[number]))

    def keep(self, numbers: set[int]) -> None:
        """Forget all others."""
        for number in [number for number in self._address if number not in numbers]:
            del self._number[self._address.pop(number)]


class Flows:
    """Numbers the endpoint pairs in the order of their first packet."""

    def __init__(self, addresses: Addresses, limit: int = FLOWS) -> None:
        self._addresses = addresses
        self._limit = max(1, limit)
        self._pairs: OrderedDict[tuple[int, int], tuple[int, int]] = OrderedDict()  # (low, high) → (pair, first sender)
        self._last: dict[tuple[int, int], int] | None = {}  # last position of each; None once it is kept by order
        self._next = 0
        slots = 1 << _SLOT_BITS
        self._low = np.zeros(slots, np.uint64)
        self._high = np.zeros(slots, np.uint64)
        self._pair = np.full(slots, -1, np.int64)
        self._sender = np.zeros(slots, np.uint64)
        self._seen = np.zeros(slots, np.int64)
        self.forgotten = 0

    def __len__(self) -> int:
        return len(self._pairs)

    def number(self, source: UInt64, target: UInt64, position: Int64) -> tuple[Int64, list[Flow], list[int]]:
        """`2 * pair + direction` of each segment, the new pairs, and the rows at which an old pair was forgotten."""
        low, high = np.minimum(source, target), np.maximum(source, target)
        if self._last is None:
            return self._one_by_one(source, low, high)
        slot = (((low * _MIX_LOW) ^ (high * _MIX_HIGH)) * _MIX_LOW >> _SHIFT).astype(np.int64)
        pair = self._pair[slot]
        known = (self._low[slot] == low) & (self._high[slot] == high) & (pair >= 0)
        flow: Int64 = 2 * pair + (self._sender[slot] != source)
        if known.all():
            self._seen[slot] = position
            return flow, [], []
        misses = np.flatnonzero(~known)
        if len(self._pairs) + len(misses) > self._limit and self._exceeds(low[misses], high[misses]):
            self._order_by_last()
            return self._one_by_one(source, low, high)
        self._seen[slot[known]] = position[known]
        new = self._learn(misses, source, low, high, slot, position, flow)
        return flow, new, []

    def _learn(
        self,
        misses: npt.NDArray[np.intp],
        source: UInt64,
        low: UInt64,
        high: UInt64,
        slot: Int64,
        position: Int64,
        flow: Int64,
    ) -> list[Flow]:
        """Look up what the cache does not know, and let the cache know it."""
        new: list[Flow] = []
        pairs, last = self._pairs, self._last
        assert last is not None  # noqa: S101
        columns = zip(
            misses.tolist(),
            source[misses].tolist(),
            low[misses].tolist(),
            high[misses].tolist(),
            slot[misses].tolist(),
            position[misses].tolist(),
            strict=True,
        )
        for row, sender, lower, higher, place, at in columns:
            key = (lower, higher)
            found = pairs.get(key)
            if found is None:
                found = self._add(key, sender, new)
            flow[row] = 2 * found[0] + (found[1] != sender)
            if self._pair[place] != found[0]:
                if self._pair[place] >= 0:
                    last[(int(self._low[place]), int(self._high[place]))] = int(self._seen[place])
                self._low[place], self._high[place] = lower, higher
                self._pair[place], self._sender[place] = found
            self._seen[place] = at
        return new

    def _add(self, key: tuple[int, int], sender: int, new: list[Flow]) -> tuple[int, int]:
        found = self._pairs[key] = (self._next, sender)
        self._next += 1
        receiver = key[1] if sender == key[0] else key[0]
        text = self._addresses.text
        new.append(Flow(found[0], text(sender >> 16), sender & 0xFFFF, text(receiver >> 16), receiver & 0xFFFF))
        return found

    # ------------------------------------------------------------------------------------------------- a full table

    def _exceeds(self, low: UInt64, high: UInt64) -> bool:
        unknown = set(zip(low.tolist(), high.tolist(), strict=True)).difference(self._pairs)
        return len(self._pairs) + len(unknown) > self._limit

    def _order_by_last(self) -> None:
        """From now on the order of the dictionary tells who was idle for longest: exact for any size of batch."""
        last = self._last or {}
        for place in np.flatnonzero(self._pair >= 0).tolist():
            last[(int(self._low[place]), int(self._high[place]))] = int(self._seen[place])
        for key in sorted(self._pairs, key=lambda key: last.get(key, -1)):
            self._pairs.move_to_end(key)
        self._last = None

    def _one_by_one(self, source: UInt64, low: UInt64, high: UInt64) -> tuple[Int64, list[Flow], list[int]]:
        flow = np.zeros(len(source), np.int64)
        new: list[Flow] = []
        forgotten_at: list[int] = []
        pairs = self._pairs
        for row, (sender, lower, higher) in enumerate(zip(source.tolist(), low.tolist(), high.tolist(), strict=True)):
            key = (lower, higher)
            found = pairs.get(key)
            if found is None:
                if len(pairs) >= self._limit:
                    pairs.popitem(last=False)
                    forgotten_at.append(row)
                found = self._add(key, sender, new)
            else:
                pairs.move_to_end(key)
            flow[row] = 2 * found[0] + (found[1] != sender)
        self.forgotten += len(forgotten_at)
        if len(self._addresses) > 4 * self._limit:
            self._addresses.keep({end >> 16 for key in pairs for end in key})
        return flow, new, forgotten_at
