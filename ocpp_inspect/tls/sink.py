"""What the connections of one batch say in, in order; columns of plaintext and items for the next room out."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from ocpp_inspect.model import Int64, StreamBatch, StreamData, StreamItem, UInt8

_BY_POSITION: Final = attrgetter("position")
_COPY_OCTETS: Final = 64 * 1024 * 1024


Row: TypeAlias = tuple[int, int, int, int, int, int, bytes]
"""Plaintext of one record: connection, flow, ts_ns, packet, position, stream offset, octets. No class: 0.2 µs less."""


class Sink:
    """Rows become columns, unless their connection had anything else to say in the same batch."""

    __slots__ = ("items", "rows", "spoken")

    def __init__(self) -> None:
        self.items: list[StreamItem] = []
        self.rows: list[Row] = []
        self.spoken: set[int] = set()  # connections whose rows must be items

    def say(self, item: StreamItem, connection: int) -> None:
        """An item of a connection."""
        self.spoken.add(connection)
        self.items.append(item)

    def data(self, row: Row) -> None:
        """Plaintext of a connection."""
        if row[0] in self.spoken:
            self.items.append(_item(row))
        else:
            self.rows.append(row)

    def batch(self, batch: StreamBatch, is_plain: npt.NDArray[np.bool_] | None) -> StreamBatch:
        """The next batch: what is plain of `batch` (None: all of it), and all that was said. Empties the sink."""
        items, rows, spoken = self.items, self.rows, self.spoken
        self.items, self.rows, self.spoken = [], [], set()
        if spoken and rows:
            # They were said before their connection said anything else, so they come first at the same position.
            items = [_item(row) for row in rows if row[0] in spoken] + items
            rows = [row for row in rows if row[0] not in spoken]
        if spoken:
            items.sort(key=_BY_POSITION)
        if is_plain is not None:
            batch = _only(batch, is_plain)
        if rows:
            return _with(batch, rows, items)
        batch.items = items
        return batch


def _item(row: Row) -> StreamData:
    connection, flow, ts_ns, packet, position, stream_offset, data = row
    return StreamData(connection, flow >> 1, flow & 1, ts_ns, packet, position, stream_offset, data)


def _only(batch: StreamBatch, chosen: npt.NDArray[np.bool_] | Int64) -> StreamBatch:
    return StreamBatch(
        batch.octets,
        batch.packet[chosen],
        batch.position[chosen],
        batch.ts_ns[chosen],
        batch.flow[chosen],
        batch.connection[chosen],
        batch.offset[chosen],
        batch.length[chosen],
        batch.stream_offset[chosen],
    )


def _with(batch: StreamBatch, rows: list[Row], items: list[StreamItem]) -> StreamBatch:
    """The columns of `batch` and the rows, by position, over octets of their own."""
    connection, flow, ts_ns, packet, position, stream_offset, data = zip(*rows, strict=True)
    length = np.fromiter(map(len, data), np.int64, len(data))
    octets: UInt8 = np.frombuffer(b"".join(data), dtype=np.uint8)
    made = StreamBatch(
        octets,
        _column(packet),
        _column(position),
        _column(ts_ns),
        _column(flow),
        _column(connection),
        np.cumsum(length) - length,
        length,
        _column(stream_offset),
        items,
    )
    if len(batch.packet):
        made = _joined(made, batch)
    if np.any(made.position[1:] < made.position[:-1]):
        order = np.argsort(made.position, kind="stable")
        made = _only(made, order)
        made.items = items
    return made


def _column(values: Sequence[int]) -> Int64:
    return np.fromiter(values, np.int64, len(values))


def _joined(made: StreamBatch, plain: StreamBatch) -> StreamBatch:
    """The rows of both; the plain octets are copied behind the others."""
    low, high = int(plain.offset.min()), int((plain.offset + plain.length).max())
    window, begin = plain.octets[low:high], plain.offset - low
    if high - low > _COPY_OCTETS:  # sparse: row by row
        places = zip(plain.offset.tolist(), plain.length.tolist(), strict=True)
        window = np.concatenate([plain.octets[start : start + octets] for start, octets in places])
        begin = np.cumsum(plain.length) - plain.length
    return StreamBatch(
        np.concatenate([made.octets, window]),
        np.concatenate([made.packet, plain.packet]),
        np.concatenate([made.position, plain.position]),
        np.concatenate([made.ts_ns, plain.ts_ns]),
        np.concatenate([made.flow, plain.flow]),
        np.concatenate([made.connection, plain.connection]),
        np.concatenate([made.offset, begin + len(made.octets)]),
        np.concatenate([made.length, plain.length]),
        np.concatenate([made.stream_offset, plain.stream_offset]),
        made.items,
    )
