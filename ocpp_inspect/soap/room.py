"""StreamBatch in; SoapMessage | Loss | ConnectionClosed | Anomaly out, in packet order.

Every connection is looked at until its first octets tell that it is none of ours; then nothing of it is kept but a
bit, so that other traffic costs one look at a column of bits a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import attrgetter, itemgetter
from typing import Final

import numpy as np

from ocpp_inspect import limits
from ocpp_inspect.model import (
    Anomaly,
    Flow,
    SoapItem,
    StreamBatch,
    StreamClosed,
    StreamData,
    StreamDoubt,
    StreamGap,
    StreamItem,
    StreamOpened,
    StreamSecured,
)
from ocpp_inspect.soap.connection import Connection
from ocpp_inspect.soap.context import Context
from ocpp_inspect.soap.reading import Reader

_BY_POSITION: Final = attrgetter("position")
_FIRST: Final = itemgetter(0)
_OURS: Final = (StreamData, StreamOpened, StreamGap, StreamDoubt, StreamClosed, StreamSecured)


class Soap:
    """The room."""

    def __init__(
        self,
        *,
        connections: int = limits.SOAP_CONNECTIONS,
        stations: int = limits.SOAP_STATIONS,
        total_bytes: int = limits.SOAP_TOTAL_BYTES,
    ) -> None:
        self._context = Context(stations)
        self._reader = Reader(self._context)
        self._maximum = connections
        self._total_bytes = total_bytes
        self._held_bytes = 0
        self._place = (0, 0, 0)  # of the latest item
        self._connections: dict[int, Connection] = {}
        self._is_ignored = np.zeros(1024, dtype=np.bool_)  # by flow

    @property
    def counters(self) -> Counter[str]:
        """Stations and messages, and the HTTP connections that carried them."""
        return self._context.counters

    def feed(self, batch: StreamBatch) -> list[SoapItem]:
        """Read one batch."""
        # Which station an address has is learned in the order of packets, however they are grouped.
        rows = list(self._rows(batch)) if len(batch.flow) else []
        items = [item for item in batch.items if isinstance(item, _OURS)]
        if rows and items:
            merged = sorted([*((item.position, item) for item in items), *rows], key=_FIRST)
        else:
            merged = rows or [(item.position, item) for item in items]
        for _, item in merged:
            self._item(item)
        return self._take()

    def tick(self, now_ns: int) -> list[SoapItem]:
        """Let time pass: the tcp room ends idle connections, nothing here waits for a clock."""
        return []

    def finish(self, end_ns: int) -> list[SoapItem]:
        """Close what is open at the end of the input."""
        for connection in list(self._connections.values()):
            self._forget(connection)
            self._context.counters["connections"] += connection.is_ocpp
            connection.close((end_ns, *self._place[1:]), was_closed=False, closed_by=None, lost_bytes=0)
        self._context.close_all(end_ns)
        return self._take()

    def decrypted(self, connection: int) -> None:
        """All stream items of this connection are the plaintext of TLS."""
        found = self._connections.get(connection)
        if found is not None:
            found.decrypted(is_readable=True)

    def _take(self) -> list[SoapItem]:
        items, self._context.items = self._context.items, []
        if items:
            items.sort(key=_BY_POSITION)
        return items

    # ------------------------------------------------------------------ rows and items

    def _rows(self, batch: StreamBatch) -> Iterator[tuple[int, StreamItem]]:
        """The rows of connections that may be ours, as items."""
        flow = batch.flow
        self._make_room(int(flow.max()))
        wanted = np.flatnonzero(~self._is_ignored[flow])
        for row in wanted.tolist():
            offset = int(batch.offset[row])
            octets = batch.octets[offset : offset + int(batch.length[row])].tobytes()
            number, position = int(flow[row]), int(batch.position[row])
            yield position, StreamData(
                int(batch.connection[row]), number >> 1, number & 1, int(batch.ts_ns[row]), int(batch.packet[row]),
                position, 0, octets,
            )  # fmt: skip

    def _item(self, item: StreamItem) -> None:
        if item.position >= self._place[2]:
            self._place = item.ts_ns, item.packet, item.position
        if isinstance(item, StreamData):
            connection = self._connection(item.connection, item.pair, item.ts_ns)
            if connection is not None and item.data:
                self._data(connection, item)
        elif isinstance(item, StreamOpened):
            self._open(item)
        elif isinstance(item, StreamGap):
            connection = self._connection(item.connection, item.pair, item.ts_ns)
            if connection is not None:
                connection.gap(item.direction, (item.ts_ns, item.packet, item.position), item.length)
        elif isinstance(item, StreamDoubt):
            doubted = self._connections.get(item.connection)
            if doubted is not None:
                doubted.doubt(item.direction, (item.ts_ns, item.packet, item.position))
        elif isinstance(item, StreamSecured):
            self._secured(item)
        elif isinstance(item, StreamClosed):
            self._close(item)

    def _data(self, connection: Connection, item: StreamData) -> None:
        before = connection.held_bytes
        connection.data(item.direction, (item.ts_ns, item.packet, item.position), item.data)
        self._held_bytes += connection.held_bytes - before
        if connection.phase == "ignored":
            self._forget(connection)
            self._is_ignored[2 * connection.pair : 2 * connection.pair + 2] = True
        elif self._held_bytes > self._total_bytes and connection.held_bytes:
            self._give_up(connection, "soap.memory_limit")

    def _open(self, item: StreamOpened) -> None:
        self._add(item.connection, item.flow, item.flow.pair, item.ts_ns, item.client_direction,
                  joined_midway=item.joined_midway)  # fmt: skip

    def _add(
        self, key: int, flow: Flow | None, pair: int, ts_ns: int, client: int | None, *, joined_midway: bool
    ) -> Connection:
        if len(self._connections) >= self._maximum:
            oldest = next(iter(self._connections.values()))
            self._give_up(oldest, "soap.connection_limit")
        self._make_room(2 * pair + 1)
        self._is_ignored[2 * pair : 2 * pair + 2] = False
        connection = Connection(self._reader, key, pair, flow, ts_ns, client, joined_midway=joined_midway)
        self._connections[key] = connection
        return connection

    def _connection(self, key: int, pair: int, ts_ns: int) -> Connection | None:
        """The connection of that key, None when it is left alone."""
        found = self._connections.get(key)
        if found is not None:
            return found
        self._make_room(2 * pair + 1)
        if self._is_ignored[2 * pair]:
            return None
        return self._add(key, None, pair, ts_ns, None, joined_midway=True)  # the room was never told of it

    def _secured(self, item: StreamSecured) -> None:
        connection = self._connections.get(item.connection)
        if connection is None:
            return
        connection.decrypted(is_readable=item.is_readable)
        if connection.phase == "ignored":
            self._forget(connection)
            self._is_ignored[2 * connection.pair : 2 * connection.pair + 2] = True

    def _close(self, item: StreamClosed) -> None:
        connection = self._connections.get(item.connection)
        if connection is None:
            return
        self._forget(connection)
        self._context.counters["connections"] += connection.is_ocpp
        connection.close(
            (item.ts_ns, item.packet, item.position),
            was_closed=item.reason in ("fin", "rst"),
            closed_by=item.closed_by,
            lost_bytes=item.lost_bytes,
        )

    def _forget(self, connection: Connection) -> None:
        self._held_bytes -= connection.held_bytes
        self._connections.pop(connection.key, None)

    def _give_up(self, connection: Connection, name: str) -> None:
        """A bound is reached."""
        place = self._place
        if connection.is_ocpp:
            self._context.items.append(Anomaly(name, *place, connection.key))
            self._reader.lost(connection, "limit", connection.client, place, 0)
        self._forget(connection)
        connection.ignore()
        self._is_ignored[2 * connection.pair : 2 * connection.pair + 2] = True

    def _make_room(self, highest: int) -> None:
        if highest >= len(self._is_ignored):
            larger = np.zeros(2 * (highest + 2), dtype=np.bool_)
            larger[: len(self._is_ignored)] = self._is_ignored
            self._is_ignored = larger
