"""SegmentBatch in, StreamBatch out: each batch is split into its two lanes; the table of connections stays bounded."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import Any, Final

import numpy as np

from ocpp_inspect.limits import IDLE_FLOWS
from ocpp_inspect.model import Anomaly, Flow, SegmentBatch, StreamBatch, StreamItem
from ocpp_inspect.tcp.connection import Connection
from ocpp_inspect.tcp.history import History
from ocpp_inspect.tcp.segment import Bounds, Segment
from ocpp_inspect.tcp.slots import Rows, Slots
from ocpp_inspect.tcp.timeline import NEVER, Clock, Timeline

_BY_POSITION: Final = attrgetter("position")
_SMALL_BATCH: Final = 24
"""Rows up to which the per-item lane is faster than about forty numpy calls (live capture)."""
_SWEEP_NS: Final = 60_000_000_000
_FORGET_SHARE: Final = 16
"""At the bound, one in so many connections goes at once, so that looking for them costs little each."""
_SPARE_DUES: Final = 1024
"""Outdated dues that may lie about, beside one a connection, before they are thrown out."""


class Tcp:
    """The TCP room. `bounds` are those of `Bounds`; `per_item` sends everything through the per-item lane (tests)."""

    def __init__(self, *, per_item: bool = False, **bounds: int) -> None:
        self._bounds = Bounds(**bounds)
        self._per_item = per_item
        self._slots = Slots(self._bounds.connections)
        self._history = History(self._bounds.remembered_positions)
        self._timeline = Timeline(self._bounds.clock_positions)
        self._dues: list[tuple[int, int, int]] = []  # a heap of (when, connection, slot); outdated ones are skipped
        self._flows: dict[int, Flow] = {}  # of pairs without a connection, oldest first
        self._out: list[StreamItem] = []
        self._holding: dict[int, None] = {}  # slots that hold octets, the longest first
        self._held_bytes = 0
        self._swept_ns: int | None = None
        self._newest_ns = 0
        self._batch_position = 0
        self.counters: dict[str, int] = dict.fromkeys(
            ("segments", "fast_segments", "octets", "connections", "resets", "retransmissions", "out_of_order", "gaps",
             "lost_octets", "forgotten_connections"), 0,
        )  # fmt: skip

    def feed(self, batch: SegmentBatch, clock: Clock | None = None) -> StreamBatch:
        """Take the next segments.

        `clock` has the times of all packets since the last call, also of those that other workers decode: holes are
        given up as it advances. None: the segments are all there is. Segments may be older than the clock.
        """
        for flow in batch.new_flows:
            self._learn(flow)
        rows = len(batch.packet)
        self.counters["segments"] += rows
        nothing = np.zeros(0, dtype=np.int64)
        taken: Rows = np.zeros(0, dtype=np.intp)
        connections = offsets = nothing
        # Before the batch, so that no connection is forgotten in a batch whose columns carry its octets.
        self._sweep()
        if rows:
            self._slots.learn_pair(int(batch.flow.max()) >> 1)
            self._history.add(batch)
        self._timeline.advance(clock if clock is not None else Clock(batch.ts_ns, batch.position))
        self._batch_position = int(batch.position[0]) if rows else 0
        if not rows:
            left = taken
        elif self._per_item or rows <= _SMALL_BATCH:
            left = np.arange(rows)
        else:
            taken, connections, offsets, left = self._slots.fast_rows(batch)
        if len(left):
            self._feed_items(batch, left)
        if self._dues and self._dues[0][0] <= self._timeline.now_ns:
            self._pass_time(self._timeline.now_ns)
        if rows:
            self._newest_ns = max(self._newest_ns, int(batch.ts_ns[-1]))
        self.counters["fast_segments"] += rows - len(left)
        self.counters["octets"] += int(batch.length[taken].sum())
        position = batch.position[taken]
        if len(position) > 1 and (position[1:] < position[:-1]).any():
            order = np.argsort(position, kind="stable")
            taken, connections, offsets, position = taken[order], connections[order], offsets[order], position[order]
        return StreamBatch(
            octets=batch.octets,
            packet=batch.packet[taken],
            position=position,
            ts_ns=batch.ts_ns[taken],
            flow=batch.flow[taken],
            connection=connections,
            offset=batch.offset[taken],
            length=batch.length[taken],
            stream_offset=offsets,
            items=self._take_out(),
        )

    def tick(self, now_ns: int) -> list[StreamItem]:
        """Let time pass without packets: give up hopeless holes, forget silent connections."""
        self._pass_time(now_ns)
        self._newest_ns = max(self._newest_ns, now_ns)
        self._sweep()
        return self._take_out()

    def finish(self, end_ns: int) -> StreamBatch:
        """Close what is open at the end of the input."""
        self._pass_time(end_ns)
        for slot, connection in enumerate(self._slots.connections):
            if connection is not None:
                self._slots.load(slot)
                connection.expire("idle" if end_ns - connection.last_ns > connection.idle_ns else "end")
        self._slots = Slots(self._bounds.connections)
        self._dues.clear()
        self._holding.clear()
        self._held_bytes = 0
        nothing = np.zeros(0, dtype=np.int64)
        return StreamBatch(
            np.zeros(0, dtype=np.uint8),
            nothing, nothing, nothing, nothing, nothing, nothing, nothing, nothing, self._take_out(),
        )  # fmt: skip

    @property
    def tracked_connections(self) -> int:
        """Connections in the table, closed ones included."""
        return self._slots.tracked

    @property
    def held_bytes(self) -> int:
        """Memory that octets behind holes take."""
        return self._held_bytes

    def _take_out(self) -> list[StreamItem]:
        out = sorted(self._out, key=_BY_POSITION)
        self._out.clear()  # connections keep a reference to this list
        return out

    # ------------------------------------------------------------------------------------------- the per-item lane

    def _feed_items(self, batch: SegmentBatch, left: Rows) -> None:
        """The plain way, row by row: 5 to 7 µs a segment."""
        slots = self._slots
        octets = batch.octets
        dues = self._dues
        position = batch.position[left]
        ts_ns = batch.ts_ns[left]
        touched: dict[int, None] = {}
        columns: Any = zip(
            batch.packet[left].tolist(), position.tolist(), ts_ns.tolist(),
            batch.flow[left].tolist(), batch.seq[left].tolist(), batch.ack[left].tolist(), batch.flags[left].tolist(),
            batch.window[left].tolist(), batch.offset[left].tolist(), batch.length[left].tolist(),
            batch.missing[left].tolist(), self._timeline.at(position, ts_ns).tolist(), strict=True,
        )  # fmt: skip
        for packet, at, now, flow, seq, ack, flags, window, offset, length, missing, now_ns in columns:
            if dues and dues[0][0] <= now_ns:
                self._pass_time(now_ns, at, touched)
            data = octets[offset : offset + length].tobytes() if length else b""
            segment = Segment(packet, at, now, flow & 1, seq, ack, flags, window, data, missing, now_ns)
            pair = flow >> 1
            slot = int(slots.of_pair[pair])
            if slot not in touched:
                slots.load(slot)
            connection = self._connection_of(slot, pair, segment)
            slot = int(slots.of_pair[pair])
            touched[slot] = None
            connection.receive(segment)
            if connection.held_bytes or slot in self._holding:
                self._bound_held(slot, connection, segment, touched)
            if connection.due_ns < connection.scheduled_ns:
                self._schedule(slot, connection)
        for slot in touched:
            slots.save(slot)

    def _connection_of(self, slot: int, pair: int, segment: Segment) -> Connection:
        """The connection that the segment belongs to: the present one of its pair, or a new one."""
        connection = self._slots.connections[slot] if slot else None
        if connection is None:
            return self._open(self._flow_of(pair), segment)
        flow = connection.flow
        if segment.ts_ns - connection.last_ns > connection.idle_ns:
            connection.expire("idle")
        elif connection.is_replaced_by(segment):
            return self._replace(slot, connection, segment)
        else:
            return connection
        self._forget(slot)
        return self._open(flow, segment)

    def _replace(self, slot: int, former: Connection, segment: Segment) -> Connection:
        former.last_ns, former.last_packet, former.last_position = segment.ts_ns, segment.packet, segment.position
        if former.is_over and not segment.flags & 2:
            former.tell_revived(segment)
        strays = [(number, own.stray, own.next_seq) for number, own in enumerate(former.directions)]
        former.expire("reuse")
        self._forget(slot)
        connection = self._open(former.flow, segment)
        for number, stray, before in strays:
            if stray is not None:
                connection.adopt_stray(number, stray, before)
        return connection

    def _open(self, flow: Flow, first: Segment) -> Connection:
        if self._slots.tracked >= self._bounds.connections:
            self._make_room(first)
        connection = Connection(flow, first, self._bounds, self.counters, self._out, self._history)
        self._flows.pop(flow.pair, None)
        self._slots.add(connection)
        return connection

    def _bound_held(self, slot: int, connection: Connection, at: Segment, touched: dict[int, None]) -> None:
        """Keep the account of held octets, and the total under its bound."""
        self._settle(slot, connection)
        while self._held_bytes > self._bounds.total_held_bytes:
            oldest = next(iter(self._holding))
            holder = self._slots.connections[oldest]
            if holder is None or not holder.held_bytes:
                raise AssertionError("the account of held octets is wrong")
            detail = f"{self._held_bytes} octets of memory wait in {len(self._holding)} connections"
            holder.give_up_first_hole(at, "tcp.total_hold_limit", detail)
            touched[oldest] = None
            self._settle(oldest, holder)
            self._schedule(oldest, holder)

    def _settle(self, slot: int, connection: Connection) -> None:
        self._held_bytes += connection.held_bytes - connection.accounted_bytes
        connection.accounted_bytes = connection.held_bytes
        if connection.held_bytes:
            self._holding.setdefault(slot)
        else:
            self._holding.pop(slot, None)

    # ------------------------------------------------------------------------------------------------- time that passes

    def _schedule(self, slot: int, connection: Connection) -> None:
        """Look at the connection when it is due. One entry is enough until an earlier one is needed."""
        if connection.due_ns >= connection.scheduled_ns:
            return
        connection.scheduled_ns = connection.due_ns
        dues = self._dues
        if len(dues) >= 2 * self._slots.tracked + _SPARE_DUES:
            dues[:] = {entry for entry in dues if self._is_scheduled(entry)}
            heapify(dues)
        heappush(dues, (connection.due_ns, connection.id, slot))

    def _is_scheduled(self, entry: tuple[int, int, int]) -> bool:
        due_ns, key, slot = entry
        connection = self._slots.connections[slot]
        return connection is not None and connection.id == key and connection.scheduled_ns == due_ns

    def _pass_time(self, now_ns: int, before: int = NEVER, touched: dict[int, None] | None = None) -> None:
        """Give up the holes that are due, each where the clock reached its time, at the latest at position `before`."""
        dues, slots = self._dues, self._slots
        while dues and dues[0][0] <= now_ns:
            entry = heappop(dues)
            connection = slots.connections[entry[2]]
            if connection is None or not self._is_scheduled(entry):
                continue
            due_ns, _, slot = entry
            connection.scheduled_ns = NEVER
            if connection.due_ns <= due_ns:
                position = min(self._timeline.position_of(due_ns), before)
                connection.pass_time(due_ns, max(position, connection.last_position))
                self._settle(slot, connection)
                if touched is None:
                    slots.save(slot)
                else:
                    touched[slot] = None
            self._schedule(slot, connection)

    # --------------------------------------------------------------------------------------- the table of connections

    def _learn(self, flow: Flow) -> None:
        self._slots.learn_pair(flow.pair)
        slot = int(self._slots.of_pair[flow.pair])
        connection = self._slots.connections[slot]
        if connection is not None and connection.flow != flow:
            self._expire(slot)
        self._remember(flow)

    def _remember(self, flow: Flow) -> None:
        self._flows[flow.pair] = flow
        if len(self._flows) > IDLE_FLOWS:
            del self._flows[next(iter(self._flows))]

    def _flow_of(self, pair: int) -> Flow:
        """Its endpoints; nameless after more than IDLE_FLOWS other pairs were silent for less long."""
        return self._flows.get(pair) or Flow(pair, "", 0, "", 0)

    def _forget(self, slot: int) -> None:
        connection = self._slots.connections[slot]
        if connection is None:
            return
        self._slots.remove(slot)
        self._held_bytes -= connection.accounted_bytes
        self._holding.pop(slot, None)
        self._remember(connection.flow)

    def _expire(self, slot: int) -> None:
        connection = self._slots.connections[slot]
        if connection is None:
            return
        self._slots.load(slot)
        connection.expire("idle")
        self._forget(slot)

    def _sweep(self) -> None:
        """Forget silent connections. When it happens does not show: they close as of their last packet."""
        if self._swept_ns is None or self._newest_ns - self._swept_ns >= _SWEEP_NS:
            self._swept_ns = self._newest_ns
            slots = self._slots
            silent = slots.is_used & (self._newest_ns - slots.last_ns > slots.idle_ns)
            for slot in np.flatnonzero(silent).tolist():
                connection = slots.connections[slot]
                if connection is not None and connection.due_ns == NEVER:  # else its hole is given up first
                    self._expire(slot)

    def _make_room(self, at: Segment) -> None:
        """Forget closed connections first, then those silent for longest."""
        slots = self._slots
        used = np.flatnonzero(slots.is_used)
        is_in_columns = slots.is_plain[used] & (slots.last_position[used] >= self._batch_position)
        if not is_in_columns.all():
            used = used[~is_in_columns]
        # Connections that this batch touched have newer times in their objects than in the columns.
        for slot in used.tolist():
            connection = slots.connections[slot]
            if connection is not None and not slots.is_plain[slot]:
                slots.last_ns[slot] = connection.last_ns
                slots.is_over[slot] = connection.is_over
        ranked = used[np.lexsort((slots.last_ns[used], ~slots.is_over[used]))]
        leaving = ranked[: max(1, len(ranked) // _FORGET_SHARE)].tolist()
        alive = int((~slots.is_over[leaving]).sum())
        for slot in leaving:
            self._expire(slot)
        self.counters["forgotten_connections"] += alive
        if alive:
            detail = f"{alive} of {len(used)} connections forgotten"
            self._out.append(Anomaly("tcp.connection_limit", at.ts_ns, at.packet, at.position, detail=detail))
