"""Stretches of one capture in the order of the file in; the same packets in the order of their times out.

Several receive queues, a merge without sorting or a tool that shuffles leave packets behind later ones. They are put
back as far as `SORTED_PACKETS` and `SORTED_OCTETS` reach; a capture in order passes without being copied. But when the
capturing clock was set back, the order of the file is right and the times are wrong: who knows TCP can see that.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeAlias

import numpy as np

from ocpp_inspect.limits import SORTED_OCTETS, SORTED_PACKETS
from ocpp_inspect.model import Int64, PacketBatch, UInt8

from .stretch import Stretch, join

ClockWatch: TypeAlias = Callable[[PacketBatch], Int64]
"""Shown packets in the order of the file: the rows that came after an earlier one although their time is before its."""


class TimeOrder:
    """The packets of one capture. Without a watch nothing waits, and the order of the file stands.

    What comes out depends on the packets alone, not on how the file was read.
    """

    def __init__(self, watch: ClockWatch | None, *, packets: int = SORTED_PACKETS, octets: int = SORTED_OCTETS) -> None:
        self._watch = watch
        self._packets = packets
        self._octets = octets
        self._waiting: list[Stretch] = []  # in order; more than the bounds, which what is late must not make use of
        self._newest_ns = -(2**63)  # since the clock was set last
        self._is_odd = False
        self.late = 0
        """Packets that stood behind later ones."""
        self.furthest_ns = 0
        """The largest difference of time over which one was late."""

    def feed(self, stretch: Stretch) -> list[Stretch]:
        """Take the next packets of the file; what nothing can come before any more."""
        if self._watch is None:
            return [stretch]
        if not len(stretch.packet):
            if not self._waiting:
                return [stretch]
            self._waiting.append(stretch)
            return []
        newest_ns = np.maximum(np.maximum.accumulate(stretch.ts_ns), self._newest_ns)
        late_ns = newest_ns - stretch.ts_ns
        if not late_ns.any() and not self._is_odd:
            return self._pass(stretch)
        cuts = self._cuts(stretch, late_ns)
        if not late_ns.any() and not len(cuts):
            return self._pass(stretch)
        return self._sort(stretch, cuts)

    def finish(self) -> list[Stretch]:
        """What still waits at the end of the file."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _pass(self, stretch: Stretch) -> list[Stretch]:
        """Nothing is late: what waited longest need not wait any more."""
        self._newest_ns = int(stretch.ts_ns[-1])
        self._waiting.append(stretch)
        packets = octets = first = 0
        for index in range(len(self._waiting) - 1, -1, -1):
            if packets >= self._packets or octets >= self._octets:
                first = index + 1
                break
            packets += len(self._waiting[index].packet)
            octets += int(self._waiting[index].captured.sum())
        released, self._waiting = self._waiting[:first], self._waiting[first:]
        return released

    def _cuts(self, stretch: Stretch, late_ns: Int64) -> Int64:
        """The rows of `stretch` before which the clock was set back."""
        assert self._watch is not None  # noqa: S101 - nobody asks without
        if self._is_odd:
            return self._watch(_shown(stretch, 0))
        self._is_odd = True
        whole = join([*self._waiting, stretch])
        before = len(whole.packet) - len(stretch.packet)
        first = max(0, before + int(np.flatnonzero(late_ns)[0]) - self._packets)
        return self._watch(_shown(whole, first)) + first - before

    def _sort(self, stretch: Stretch, cuts: Int64) -> list[Stretch]:
        whole = join([*self._waiting, stretch])
        before = len(whole.packet) - len(stretch.packet)
        sizes = whole.captured.tolist()
        order, octets = list(range(before)), 0
        heap: list[tuple[int, int]] = []
        while order and len(heap) < self._packets and octets + sizes[order[-1]] <= self._octets:
            index = order.pop()
            octets += sizes[index]
            heap.append((int(whole.ts_ns[index]), index))
        heap.reverse()  # sorted is a heap
        is_cut = set((cuts + before).tolist())
        newest_ns = self._newest_ns
        for index, ts_ns in enumerate(stretch.ts_ns.tolist(), before):
            if index in is_cut:
                order += [index for _, index in sorted(heap)]
                heap.clear()
                octets, newest_ns = 0, ts_ns
            if ts_ns < newest_ns:
                self.late += 1
                self.furthest_ns = max(self.furthest_ns, newest_ns - ts_ns)
            newest_ns = max(newest_ns, ts_ns)
            heappush(heap, (ts_ns, index))
            octets += sizes[index]
            while len(heap) > self._packets or octets > self._octets:
                octets -= sizes[heap[0][1]]
                order.append(heappop(heap)[1])
        self._newest_ns = newest_ns
        count = len(order)
        order += [index for _, index in sorted(heap)]
        released, waiting = whole.reordered(np.array(order, np.int64)).split(count)
        self._waiting = [_compact(waiting)] if len(waiting.packet) or waiting.anomalies else []
        return [released] if count else []


def _shown(stretch: Stretch, first: int) -> PacketBatch:
    return PacketBatch(
        octets=stretch.octets,
        packet=stretch.packet[first:],
        position=np.arange(len(stretch.packet) - first, dtype=np.int64),
        ts_ns=stretch.ts_ns[first:],
        offset=stretch.offset[first:],
        captured=stretch.captured[first:],
        original=stretch.original[first:],
        link=stretch.link[first:],
        interface=stretch.interface[first:],
    )


def _compact(stretch: Stretch) -> Stretch:
    """With the octets of its packets only: one that waits for long must not keep all that came before it."""
    view = stretch.octets.data
    ends = (stretch.offset + stretch.captured).tolist()
    octets: UInt8 = np.frombuffer(
        b"".join(view[start:end] for start, end in zip(stretch.offset.tolist(), ends, strict=True)), np.uint8
    )
    stretch.octets = octets
    stretch.offset = np.cumsum(stretch.captured) - stretch.captured
    return stretch
