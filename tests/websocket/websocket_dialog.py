"""A dialog written as bytes in; StreamBatches (items or columns, any cutting) and the room's answer out."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ocpp_inspect.model import (
    Anomaly,
    Flow,
    StreamBatch,
    StreamClosed,
    StreamData,
    StreamGap,
    StreamItem,
    StreamOpened,
    WsItem,
    WsMessage,
)
from ocpp_inspect.websocket import WebSockets

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3
FLOW = Flow(3, "10.0.0.9", 40000, "10.0.0.1", 80)
CONNECTION = 10**10 + 1
EMPTY = np.zeros(0, dtype=np.int64)


def request(*lines: str, target: str = "/ocpp/CP1", protocol: str | None = "ocpp1.6", extensions: str = "") -> bytes:
    head = [f"GET {target} HTTP/1.1", "Host: csms", "Upgrade: websocket", "Connection: Upgrade"]
    head += [f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13"]
    if protocol:
        head.append(f"Sec-WebSocket-Protocol: {protocol}")
    if extensions:
        head.append(f"Sec-WebSocket-Extensions: {extensions}")
    return "\r\n".join([*head, *lines, "", ""]).encode()


def answer(*lines: str, protocol: str | None = "ocpp1.6", extensions: str = "", accept: str = ACCEPT) -> bytes:
    head = ["HTTP/1.1 101 Switching Protocols", "upgrade: WebSocket", "connection: keep-alive, upgrade"]
    head.append(f"Sec-WebSocket-Accept: {accept}")
    if protocol:
        head.append(f"Sec-WebSocket-Protocol: {protocol}")
    if extensions:
        head.append(f"Sec-WebSocket-Extensions: {extensions}")
    return "\r\n".join([*head, *lines, "", ""]).encode()


def frame(
    payload: bytes, *, first: int = 0x81, mask: bytes | None = None, form: int = 0, declared: int | None = None
) -> bytes:
    """One frame; `form` 2 or 8 forces the longer length forms."""
    size = len(payload) if declared is None else declared
    bit = 0x80 if mask is not None else 0
    if form == 8 or (not form and size > 65_535):
        head = bytes([first, bit | 127]) + size.to_bytes(8, "big")
    elif form == 2 or size > 125:
        head = bytes([first, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, bit | size])
    if mask is None:
        return head + payload
    return head + mask + bytes(octet ^ mask[index & 3] for index, octet in enumerate(payload))


_MASKS = random.Random(6455)  # the same in every process: parametrised tests are named by their frames


def up(payload: bytes, first: int = 0x81, mask: bytes | None = None) -> bytes:
    return frame(payload, first=first, mask=mask or _MASKS.randbytes(4))


class Deflater:
    def __init__(self, *, bits: int = 15, takeover: bool = True) -> None:
        self.bits, self.takeover = bits, takeover
        self.stream = zlib.compressobj(wbits=-bits)

    def __call__(self, payload: bytes) -> bytes:
        if not self.takeover:
            self.stream = zlib.compressobj(wbits=-self.bits)
        return (self.stream.compress(payload) + self.stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


Step = tuple[int, bytes] | tuple[int, int]  # (direction, octets) or (direction, length of a gap)


def items_of(
    steps: Iterable[Step],
    *,
    midway: bool = False,
    close: str | None = "fin",
    client: int | None = 0,
    closed_by: int = 0,
    ended_ns: int | None = None,
) -> list[StreamItem]:
    found: list[StreamItem] = [StreamOpened(CONNECTION, FLOW, 1000, CONNECTION, 0, None if midway else client, midway)]
    offsets = [0, 0]
    position = 0
    for direction, what in steps:
        position += 1
        common = (
            CONNECTION,
            FLOW.pair,
            direction,
            1000 + position,
            CONNECTION + position,
            position,
            offsets[direction],
        )
        if isinstance(what, int):
            found.append(StreamGap(*common, what))
            offsets[direction] += what
        else:
            found.append(StreamData(*common, what))
            offsets[direction] += len(what)
    if close:
        position += 1
        at = (1000 + position, CONNECTION + position, position)
        found.append(StreamClosed(CONNECTION, FLOW.pair, *at, close, closed_by, 0, None, ended_ns))  # type: ignore[arg-type]
    return found


def batch_of_items(items: Sequence[StreamItem]) -> StreamBatch:
    return StreamBatch(np.zeros(0, dtype=np.uint8), EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, list(items))


def batch_of_columns(items: Sequence[StreamData]) -> StreamBatch:
    blob = b"".join(b"\x81\x05" + item.data for item in items)  # noise between the segments, as headers are
    offsets, at = [], 0
    for item in items:
        offsets.append(at + 2)
        at += 2 + len(item.data)

    def column(values: Iterable[int]) -> Any:
        return np.fromiter(values, dtype=np.int64)

    return StreamBatch(
        np.frombuffer(blob, dtype=np.uint8),
        column(item.packet for item in items),
        column(item.position for item in items),
        column(item.ts_ns for item in items),
        column(2 * item.pair + item.direction for item in items),
        column(item.connection for item in items),
        column(offsets),
        column(len(item.data) for item in items),
        column(item.stream_offset for item in items),
    )


def batches_of(items: Sequence[StreamItem], sizes: Iterable[int] = (), *, columns: bool = False) -> list[StreamBatch]:
    """Cut at the given sizes; with `columns`, runs of data become columns."""
    batches: list[StreamBatch] = []
    cuts = iter(sizes)
    rest = list(items)
    while rest:
        size = next(cuts, len(rest))
        part, rest = rest[:size], rest[size:]
        run: list[StreamItem] = []
        for item in part:
            if columns and run and isinstance(item, StreamData) != isinstance(run[0], StreamData):
                batches.append(_batch(run))
                run = []
            run.append(item)
        if run:
            batches.append(_batch(run) if columns else batch_of_items(run))
    return batches


def _batch(run: list[StreamItem]) -> StreamBatch:
    data = [item for item in run if isinstance(item, StreamData)]
    return batch_of_columns(data) if data else batch_of_items(run)


def run(batches: Iterable[StreamBatch], room: WebSockets | None = None, *, end_ns: int = 10**6) -> list[WsItem]:
    room = room or WebSockets()
    out: list[WsItem] = []
    for batch in batches:
        out += room.feed(batch)
    return out + room.finish(end_ns)


def play(
    steps: Iterable[Step], room: WebSockets | None = None, *, columns: bool = False, **options: Any
) -> list[WsItem]:
    return run(batches_of(items_of(steps, **options), columns=columns), room)


def opened(*steps: Step, extensions: str = "", **options: Any) -> list[Step]:
    offered = "permessage-deflate; client_max_window_bits" if extensions else ""
    head: list[Step] = [(0, request(extensions=offered)), (1, answer(extensions=extensions))]
    return [*head, *steps]


def payloads(items: Iterable[WsItem]) -> list[tuple[str, bytes]]:
    return [(item.side, item.payload) for item in items if isinstance(item, WsMessage)]


def names(items: Iterable[WsItem]) -> list[str]:
    return [item.name for item in items if isinstance(item, Anomaly)]


def only(items: Iterable[WsItem], kind: type[Any]) -> list[Any]:
    return [item for item in items if isinstance(item, kind)]
