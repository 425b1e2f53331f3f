"""SegmentBatch in; the rows that continue their connection exactly, as columns, out. The rest is for the per-item lane.

A connection has a *slot*, an index below 2**16 into columns of state. Slot 0 stands for "none". The state of a
connection lives in these columns while it is `plain`, and in its Connection object otherwise.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from ocpp_inspect.model import Int64, SegmentBatch
from ocpp_inspect.tcp.connection import Connection
from ocpp_inspect.tcp.segment import ACK, FIN, RST, SYN, URG

Rows = npt.NDArray[np.intp]
Truth = npt.NDArray[np.bool_]

_MASK: Final = 0xFFFFFFFF
_HALF: Final = 1 << 31


class Slots:
    """The columns. `fast_rows` is the vectorised lane, the other methods move one connection in and out."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.of_pair: npt.NDArray[np.uint16] = np.zeros(1024, dtype=np.uint16)
        self.connections: list[Connection | None] = [None]
        self._free: list[int] = []
        self._allocate(64)
        self.is_plain[0] = False

    def _allocate(self, size: int) -> None:
        self.is_plain: Truth = np.zeros(size, dtype=bool)
        self.is_used: Truth = np.zeros(size, dtype=bool)
        self.is_over: Truth = np.zeros(size, dtype=bool)
        self.id: Int64 = np.zeros(size, dtype=np.int64)
        self.next_seq: Int64 = np.zeros(2 * size, dtype=np.int64)
        self.next: Int64 = np.zeros(2 * size, dtype=np.int64)
        self.heard_ns: Int64 = np.zeros(2 * size, dtype=np.int64)
        self.last_ns: Int64 = np.zeros(size, dtype=np.int64)
        self.last_packet: Int64 = np.zeros(size, dtype=np.int64)
        self.last_position: Int64 = np.zeros(size, dtype=np.int64)
        self.idle_ns: Int64 = np.zeros(size, dtype=np.int64)

    def learn_pair(self, pair: int) -> None:
        """Make room for a pair number."""
        if pair >= len(self.of_pair):
            grown = np.zeros(max(pair + 1, 2 * len(self.of_pair)), dtype=np.uint16)
            grown[: len(self.of_pair)] = self.of_pair
            self.of_pair = grown

    @property
    def tracked(self) -> int:
        """Connections that have a slot."""
        return len(self.connections) - 1 - len(self._free)

    def add(self, connection: Connection) -> int:
        """Give a connection a slot."""
        if self._free:
            slot = self._free.pop()
            self.connections[slot] = connection
        else:
            slot = len(self.connections)
            self.connections.append(connection)
            if slot >= len(self.is_plain):
                self._grow()
        self.of_pair[connection.flow.pair] = slot
        self.id[slot] = connection.id
        self.is_used[slot] = True
        self.is_plain[slot] = False
        return slot

    def _grow(self) -> None:
        before = dict(vars(self))
        self._allocate(2 * len(self.is_plain))
        for name, column in before.items():
            if isinstance(column, np.ndarray) and name != "of_pair":
                getattr(self, name)[: len(column)] = column

    def remove(self, slot: int) -> None:
        """Forget the connection of a slot."""
        connection = self.connections[slot]
        if connection is None:
            return
        self.of_pair[connection.flow.pair] = 0
        self.connections[slot] = None
        self.is_used[slot] = self.is_plain[slot] = self.is_over[slot] = False
        self._free.append(slot)

    def load(self, slot: int) -> None:
        """Bring the Connection object up to date before the per-item lane uses it."""
        connection = self.connections[slot]
        if connection is None or not self.is_plain[slot]:
            return
        self.is_plain[slot] = False
        connection.last_ns = int(self.last_ns[slot])
        connection.last_packet = int(self.last_packet[slot])
        connection.last_position = int(self.last_position[slot])
        for number, own in enumerate(connection.directions):
            own.next_seq = int(self.next_seq[2 * slot + number])
            own.next = int(self.next[2 * slot + number])
            own.heard_ns = int(self.heard_ns[2 * slot + number])

    def save(self, slot: int) -> None:
        """Bring the columns up to date after the per-item lane."""
        connection = self.connections[slot]
        if connection is None:
            return
        self.last_ns[slot] = connection.last_ns
        self.last_packet[slot] = connection.last_packet
        self.last_position[slot] = connection.last_position
        self.idle_ns[slot] = connection.idle_ns
        self.is_over[slot] = connection.is_over
        if connection.is_plain:
            self.is_plain[slot] = True
            for number, own in enumerate(connection.directions):
                self.next_seq[2 * slot + number] = own.next_seq
                self.next[2 * slot + number] = own.next
                self.heard_ns[2 * slot + number] = own.heard_ns

    def fast_rows(self, batch: SegmentBatch) -> tuple[Rows, Int64, Int64, Rows]:
        """(data rows taken, their connections, their stream offsets, rows left for the per-item lane), rows ascending.

        Pure acknowledgments of plain connections are consumed and give nothing. In batches of 32,768 a segment takes
        0.09 µs with 10 connections and 0.16 with 10,000.
        """
        flow = batch.flow
        slot = self.of_pair[flow >> 1]
        order = np.argsort(slot, kind="stable")  # a radix sort, because slots have 16 bits
        slot = slot[order]
        one_way = flow[order] & 1
        flags = batch.flags[order]
        length = batch.length[order]
        ts_ns = batch.ts_ns[order]
        starts = np.flatnonzero(np.r_[True, slot[1:] != slot[:-1]])
        sizes = np.diff(np.r_[starts, len(slot)])
        wide = slot.astype(np.int64)
        own = 2 * wide + one_way

        # Octets that each direction of the connection sent in this batch before the row.
        second = length * one_way
        first = length - second
        first_sum, second_sum = np.cumsum(first), np.cumsum(second)
        first_base = np.repeat(first_sum[starts] - first[starts], sizes)
        second_base = np.repeat(second_sum[starts] - second[starts], sizes)
        sent_first = first_sum - first - first_base
        sent_second = second_sum - second - second_base
        is_second = one_way.astype(bool)
        sent = np.where(is_second, sent_second, sent_first)
        heard = np.where(is_second, sent_first, sent_second)

        behind = (self.next_seq[own] + sent - batch.seq[order]) & _MASK
        unacknowledged = (self.next_seq[own ^ 1] + heard - batch.ack[order]) & _MASK
        silence_ns = np.empty_like(ts_ns)
        silence_ns[1:] = ts_ns[1:] - ts_ns[:-1]
        silence_ns[starts] = ts_ns[starts] - self.last_ns[slot[starts]]
        ordinary = (flags & (SYN | FIN | RST | ACK | URG)) == ACK
        ordinary &= (behind == 0) | (length == 0)  # a segment without octets says nothing by its sequence number
        ordinary &= unacknowledged < _HALF
        ordinary &= (batch.window[order] != 0) & (batch.missing[order] == 0)
        ordinary &= silence_ns <= self.idle_ns[slot]
        good_groups = np.logical_and.reduceat(ordinary, starts) & self.is_plain[slot[starts]]
        good = np.repeat(good_groups, sizes)

        taken = np.flatnonzero(good & (length > 0))
        rows = order[taken]
        ascending = np.argsort(rows, kind="stable")
        taken, rows = taken[ascending], rows[ascending]
        offsets = self.next[own[taken]] + sent[taken]
        left = np.flatnonzero(_scatter(~good, order))

        # The state moves on to the last row of each group.
        last = (starts + sizes - 1)[good_groups]
        moved = slot[last].astype(np.int64)
        # A keep-alive is one octet back, see Direction.is_whole_before.
        shown_ns = np.where((behind == 0) | ((behind == 1) & (length == 0)), ts_ns, 0)
        for direction, total in ((0, first_sum - first_base), (1, second_sum - second_base)):
            self._hear(2 * moved + direction, np.where(one_way == direction, shown_ns, 0), starts, good_groups)
            self.next[2 * moved + direction] += total[last]
            self.next_seq[2 * moved + direction] = (self.next_seq[2 * moved + direction] + total[last]) & _MASK
        self.last_ns[moved] = ts_ns[last]
        self.last_packet[moved] = batch.packet[order[last]]
        self.last_position[moved] = batch.position[order[last]]
        return rows, self.id[slot[taken]], offsets, left

    def _hear(self, own: Int64, shown_ns: Int64, starts: Rows, good: Truth) -> None:
        self.heard_ns[own] = np.maximum(np.maximum.reduceat(shown_ns, starts)[good], self.heard_ns[own])


def _scatter(values: Truth, order: Rows) -> Truth:
    """`values` of the sorted rows, in the order of the batch."""
    unsorted = np.empty_like(values)
    unsorted[order] = values
    return unsorted
