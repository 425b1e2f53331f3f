"""StreamBatch in; Upgrade | WsMessage | WsControl | Loss | ConnectionClosed | Anomaly out, in packet order."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import Final

import numpy as np

from ocpp_inspect import limits
from ocpp_inspect.model import (
    Anomaly,
    StreamBatch,
    StreamClosed,
    StreamData,
    StreamDoubt,
    StreamForwarded,
    StreamGap,
    StreamItem,
    StreamOpened,
    StreamSecured,
    WsItem,
    WsMessage,
)
from ocpp_inspect.websocket.connection import Connection
from ocpp_inspect.websocket.context import Context
from ocpp_inspect.websocket.fast import classify, unmask_all
from ocpp_inspect.websocket.frames import MASKED_DEFLATED, MASKED_TEXT, FrameReader
from ocpp_inspect.websocket.resync import unmask

_BY_POSITION: Final = attrgetter("position")
_COPY_OCTETS: Final = 64 * 1024 * 1024  # a batch's octets are copied into one bytes object up to this span

_LARGEST_SEGMENT: Final = 65_535 + 8  # a frame that the column lane takes


class WebSockets:
    """The room. `uses_columns=False` sends every segment through the item lane (for tests: both must agree)."""

    def __init__(
        self,
        *,
        message_bytes: int = limits.MESSAGE_BYTES,
        total_bytes: int = limits.REASSEMBLED_BYTES,
        inflate_ratio: int = limits.INFLATE_RATIO,
        inflaters: int = limits.INFLATERS,
        connections: int = limits.WEBSOCKET_CONNECTIONS,
        uses_columns: bool = True,
    ) -> None:
        self._context = Context(message_bytes, total_bytes, inflate_ratio, inflaters)
        self._maximum = connections
        self._uses_columns = uses_columns
        self._connections: dict[int, Connection] = {}
        self._by_flow: dict[int, Connection] = {}
        self._readers: dict[int, FrameReader] = {}  # by flow, of connections that are WebSockets
        self._is_ignored = np.zeros(1024, dtype=np.bool_)  # by flow
        self._position = 0
        self._packet = 0

    @property
    def counters(self) -> Counter[str]:
        """Connections by kind (`Kind` in connection.py), messages, undecodable, octets."""
        return self._context.counters

    def feed(self, batch: StreamBatch, *, by_connection: bool = False) -> list[WsItem]:
        """Read one batch. By position; or, where it is all columns, one connection after the other, each in its order.

        What is read one after the other lies side by side in memory, and is met so by those who go by station: 3 %.
        """
        context = self._context
        for item in batch.items:
            self._item(item)
        by_connection = by_connection and not batch.items
        if len(batch.flow):
            self._columns(batch, by_connection=by_connection)
        return self._take(context, by_connection=by_connection)

    def tick(self, now_ns: int) -> list[WsItem]:
        """Let time pass: the tcp room ends idle connections, nothing here waits for a clock."""
        return []

    def finish(self, end_ns: int) -> list[WsItem]:
        """Close what is open at the end of the input."""
        for connection in list(self._connections.values()):
            self._close(
                StreamClosed(
                    connection.facts.connection, connection.pair, end_ns, self._packet, self._position, "end", None, 0
                )
            )
        return self._take(self._context)

    def endpoints(self, connection: int, position: int) -> tuple[str, int, str, int] | None:
        """(client, port, server, port) when octets up to `position` told who is the client, what no SYN had told."""
        return self._context.client_at(connection, position)

    def decrypted(self, connection: int, *, is_readable: bool = True) -> None:
        """From here on the stream items of this connection are decrypted TLS: look at them as at a new connection.

        When it is not readable, none will come.
        """
        found = self._connections.get(connection)
        if found is not None:
            self._is_ignored[2 * found.pair : 2 * found.pair + 2] = False
            found.restart_decrypted(is_readable=is_readable)
            self._note_phase(found)

    def _take(self, context: Context, *, by_connection: bool = False) -> list[WsItem]:
        items, context.items = context.items, []
        if not by_connection:
            items.sort(key=_BY_POSITION)  # stable; 0.02 µs an item, for they are nearly in order
        return items

    # ------------------------------------------------------------------ item lane

    def _item(self, item: StreamItem) -> None:
        if item.position >= self._position:
            self._position, self._packet = item.position, item.packet
        if isinstance(item, StreamData):
            connection = self._connections.get(item.connection) or self._open_unknown(
                item.connection, item.pair, item.ts_ns
            )
            self._data(connection, item.direction, item.ts_ns, item.packet, item.position, item.data)
        elif isinstance(item, StreamOpened):
            self._open(item)
        elif isinstance(item, StreamGap):
            connection = self._connections.get(item.connection) or self._open_unknown(
                item.connection, item.pair, item.ts_ns
            )
            connection.gap(item.direction, item.ts_ns, item.packet, item.position, item.length)
            self._note_phase(connection)
        elif isinstance(item, StreamDoubt):
            doubted = self._connections.get(item.connection)
            if doubted is not None:
                doubted.doubt(item.direction, item.ts_ns, item.packet, item.position)
        elif isinstance(item, StreamClosed):
            self._close(item)
        elif isinstance(item, StreamSecured):
            self.decrypted(item.connection, is_readable=item.is_readable)
        elif isinstance(item, StreamForwarded):
            forwarded = self._connections.get(item.connection)
            if forwarded is not None:
                forwarded.forwarded_for = item.source
        else:
            self._context.items.append(item)

    def _data(
        self, connection: Connection, direction: int, ts_ns: int, packet: int, position: int, data: bytes
    ) -> None:
        if connection.phase == "ignored" or not data:
            return
        self._context.counters["bytes"] += len(data)
        if connection.phase == "websocket":
            connection.data(direction, ts_ns, packet, position, data)
            return
        connection.data(direction, ts_ns, packet, position, data)
        self._note_phase(connection)

    def _note_phase(self, connection: Connection) -> None:
        """Keep the tables of the column lane in step with what the connection has become."""
        if connection.phase in ("undecided", "http"):
            return
        flow = 2 * connection.pair
        if self._by_flow.get(flow) is not connection:
            return
        if connection.phase == "ignored":
            self._is_ignored[flow : flow + 2] = True
        elif connection.readers is not None:
            self._readers[flow], self._readers[flow + 1] = connection.readers

    def _open(self, item: StreamOpened) -> None:
        connection = Connection(
            self._context,
            item.connection,
            item.flow.pair,
            item.flow,
            item.ts_ns,
            item.client_direction,
            joined_midway=item.joined_midway,
        )
        self._add(connection)

    def _open_unknown(self, key: int, pair: int, ts_ns: int) -> Connection:
        """Data of a connection that this room gave up, or was never told of."""
        connection = Connection(self._context, key, pair, None, ts_ns, None, joined_midway=True)
        self._add(connection)
        return connection

    def _add(self, connection: Connection) -> None:
        if len(self._connections) >= self._maximum:
            self._give_up(next(iter(self._connections.values())))
        flow = 2 * connection.pair
        if flow + 2 > len(self._is_ignored):
            larger = np.zeros(2 * (flow + 2), dtype=np.bool_)
            larger[: len(self._is_ignored)] = self._is_ignored
            self._is_ignored = larger
        self._is_ignored[flow : flow + 2] = False
        self._readers.pop(flow, None)
        self._readers.pop(flow + 1, None)
        self._connections[connection.facts.connection] = connection
        self._by_flow[flow] = self._by_flow[flow + 1] = connection

    def _give_up(self, oldest: Connection) -> None:
        facts = oldest.facts
        if oldest.phase != "ignored":
            self._context.items.append(
                Anomaly("ws.connection_limit", facts.ts_ns, self._packet, self._position, facts.connection)
            )
            if oldest.readers is not None:
                facts.packet, facts.position = self._packet, self._position
                facts.loss("limit", "unknown")
        self._close(
            StreamClosed(facts.connection, oldest.pair, facts.ts_ns, self._packet, self._position, "idle", None, 0)
        )

    def _close(self, item: StreamClosed) -> None:
        connection = self._connections.pop(item.connection, None)
        if connection is None:
            return
        flow = 2 * connection.pair
        if self._by_flow.get(flow) is connection:
            for side in (flow, flow + 1):
                self._by_flow.pop(side, None)
                self._readers.pop(side, None)
                self._is_ignored[side] = False
        connection.close(item)

    # ------------------------------------------------------------------ column lane

    def _columns(self, batch: StreamBatch, *, by_connection: bool) -> None:
        flow = batch.flow
        newest = int(np.argmax(batch.position))
        if batch.position[newest] >= self._position:
            self._position, self._packet = int(batch.position[newest]), int(batch.packet[newest])
        highest = int(flow.max())
        if highest >= len(self._is_ignored):
            larger = np.zeros(2 * (highest + 2), dtype=np.bool_)
            larger[: len(self._is_ignored)] = self._is_ignored
            self._is_ignored = larger
        kind, start = classify(batch)
        if not self._uses_columns:
            kind = np.zeros_like(kind)
        elif self._context.message_bytes < _LARGEST_SEGMENT:
            kind[batch.length > self._context.message_bytes] = 0
        wanted = np.flatnonzero(~self._is_ignored[flow])
        if not len(wanted):
            return
        position = batch.position[wanted]
        if np.any(position[1:] < position[:-1]):
            wanted = wanted[np.argsort(position, kind="stable")]
        offset, length = batch.offset[wanted], batch.length[wanted]
        low, high = int(offset.min()), int((offset + length).max())
        window = batch.octets[low:high]
        # Slices of bytes cost half of those of a memoryview.
        octets: bytes | memoryview = window.tobytes() if high - low <= _COPY_OCTETS else window.data
        offset = offset - low
        kind, start = kind[wanted], start[wanted] - low
        end = offset + length
        is_masked = (kind == MASKED_TEXT) | (kind == MASKED_DEFLATED)
        unmasked = unmask_all(window, start[is_masked], end[is_masked]) if high - low <= _COPY_OCTETS else None
        columns = (kind, flow[wanted], offset, start, end, *(
            column[wanted] for column in (batch.ts_ns, batch.packet, batch.position, batch.connection)
        ))  # fmt: skip
        if by_connection:
            order = np.argsort(columns[1] >> 1, kind="stable")
            columns = tuple(column[order] for column in columns)
        self._rows(octets, unmasked, *(column.tolist() for column in columns))

    def _rows(
        self,
        octets: bytes | memoryview,
        unmasked: bytes | None,
        kinds: list[int],
        flows: list[int],
        offsets: list[int],
        starts: list[int],
        ends: list[int],
        times: list[int],
        packets: list[int],
        positions: list[int],
        connections: list[int],
    ) -> None:
        readers = self._readers
        items = self._context.items
        add = items.append
        total = 0
        for kind, flow, offset, start, end, ts_ns, packet, position, key in zip(
            kinds, flows, offsets, starts, ends, times, packets, positions, connections, strict=True
        ):
            reader = readers.get(flow)
            if reader is not None and kind and kind in (reader.plain_kind, reader.deflated_kind):
                if kind & 1:
                    payload = bytes(octets[start:end])
                elif unmasked is not None:
                    payload = unmasked[start:end]
                else:
                    payload = unmask(bytes(octets[start:end]), bytes(octets[start - 4 : start]))
                total += end - offset
                facts = reader.facts
                if kind <= MASKED_TEXT and payload.isascii():
                    facts.messages += 1
                    add(
                        WsMessage(
                            facts.connection, reader.side, ts_ns, ts_ns, packet, position, 1, payload, 1, False, packet
                        )
                    )
                    continue
                facts.ts_ns, facts.packet, facts.position = ts_ns, packet, position
                reader.message(0x81 if kind <= MASKED_TEXT else 0xC1, [payload], ts_ns, packet, ts_ns, packet)
                continue
            connection = self._by_flow.get(flow)
            if connection is None or connection.facts.connection != key:
                connection = self._connections.get(key) or self._open_unknown(key, flow >> 1, ts_ns)
            self._data(connection, flow & 1, ts_ns, packet, position, bytes(octets[offset:end]))
        self._context.counters["bytes"] += total


assert MASKED_DEFLATED == 4 and MASKED_TEXT == 2  # noqa: S101 - classify() and _rows() rely on the order
