"""Segments in plain words in; batches of any size out, and what the room made of them in comparable form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ocpp_inspect.model import Flow, Int64, SegmentBatch, StreamBatch, StreamData, StreamDoubt, StreamGap, StreamItem
from ocpp_inspect.tcp import Clock, Tcp

FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}
MILLISECOND = 1_000_000
SECOND = 1_000_000_000


@dataclass
class Seg:
    """One segment; `at` in ms. Flow is `2 * pair + direction`."""

    flow: int
    flags: str
    seq: int
    ack: int = 0
    data: bytes = b""
    at: float | None = None
    window: int = 500
    missing: int = 0


def flows(pairs: int) -> list[Flow]:
    return [Flow(pair, "10.0.0.1", 40_000 + pair, "10.0.0.2", 80) for pair in range(pairs)]


def batches(segments: Sequence[Seg], sizes: Sequence[int] = (1 << 30,)) -> list[SegmentBatch]:
    """Cut into batches of the given sizes, repeated. Without `at`, packets are 1 ms apart."""
    result: list[SegmentBatch] = []
    start = turn = 0
    pairs = 1 + max((segment.flow >> 1 for segment in segments), default=0)
    clock = 0.0
    times: list[int] = []
    for segment in segments:
        clock = clock + 1 if segment.at is None else segment.at
        times.append(int(clock * MILLISECOND))
    while start < len(segments):
        size = sizes[turn % len(sizes)]
        turn += 1
        part = segments[start : start + size]
        octets = b"".join(segment.data for segment in part)
        lengths = np.array([len(segment.data) for segment in part], dtype=np.int64)
        number = np.arange(start, start + len(part), dtype=np.int64)
        result.append(
            SegmentBatch(
                octets=np.frombuffer(octets, dtype=np.uint8),
                packet=10**10 + number + 1,
                position=number,
                ts_ns=np.array(times[start : start + size], dtype=np.int64),
                flow=np.array([segment.flow for segment in part], dtype=np.int64),
                seq=np.array([segment.seq % 2**32 for segment in part], dtype=np.int64),
                ack=np.array([segment.ack % 2**32 for segment in part], dtype=np.int64),
                flags=np.array([sum(FLAGS[flag] for flag in segment.flags) for segment in part], dtype=np.int64),
                window=np.array([segment.window for segment in part], dtype=np.int64),
                offset=np.cumsum(lengths) - lengths,
                length=lengths,
                missing=np.array([segment.missing for segment in part], dtype=np.int64),
                new_flows=flows(pairs) if start == 0 else [],
            )
        )
        start += len(part)
    return result


def items_of(batch: StreamBatch) -> list[StreamItem]:
    """Columns and items together, in position order."""
    merged: list[StreamItem] = list(batch.items)
    assert [item.position for item in merged] == sorted(item.position for item in merged)
    assert (np.diff(batch.position) >= 0).all()
    in_columns = set(batch.connection.tolist())
    assert not in_columns & {item.connection for item in merged}
    for row in range(len(batch.packet)):
        start = int(batch.offset[row])
        merged.append(
            StreamData(
                int(batch.connection[row]),
                int(batch.flow[row]) >> 1,
                int(batch.flow[row]) & 1,
                int(batch.ts_ns[row]),
                int(batch.packet[row]),
                int(batch.position[row]),
                int(batch.stream_offset[row]),
                batch.octets[start : start + int(batch.length[row])].tobytes(),
            )
        )
    return sorted(merged, key=lambda item: item.position)


def run(
    segments: Sequence[Seg], sizes: Sequence[int] = (1 << 30,), *, end_ns: int | None = None, per_item: bool = False,
    **bounds: int,
) -> list[StreamItem]:  # fmt: skip
    """Everything the room says about the segments."""
    tcp = Tcp(per_item=per_item, **bounds)
    items: list[StreamItem] = []
    last_ns = 0
    for batch in batches(segments, sizes):
        items += items_of(tcp.feed(batch))
        last_ns = int(batch.ts_ns[-1])
    items += items_of(tcp.finish(last_ns if end_ns is None else end_ns))
    return items


def run_worker(
    segments: Sequence[Seg], sizes: Sequence[int], pair: int, *, late: int = 0, per_item: bool = False
) -> list[StreamItem]:
    """The same of a worker that decodes one pair only, and gets what came in its first `late` batches behind them."""
    (whole,) = batches(segments)
    own = whole.flow >> 1 == pair
    tcp = Tcp(per_item=per_item)
    items: list[StreamItem] = []
    start = turn = begun = 0
    while start < len(segments):
        end = min(len(segments), start + sizes[turn % len(sizes)])
        first = end if turn < late else begun
        part = take(whole, first + np.flatnonzero(own[first:end]), is_first=turn == 0)
        items += items_of(tcp.feed(part, Clock(whole.ts_ns[start:end], whole.position[start:end])))
        begun, start, turn = (begun if turn < late else end), end, turn + 1
    rest = take(whole, begun + np.flatnonzero(own[begun:]), is_first=False)
    items += items_of(tcp.feed(rest, Clock(whole.ts_ns[:0], whole.position[:0])))
    return items + items_of(tcp.finish(int(whole.ts_ns[-1])))


def take(batch: SegmentBatch, rows: Int64, *, is_first: bool) -> SegmentBatch:
    """Some rows of a batch."""
    columns = ("packet", "position", "ts_ns", "flow", "seq", "ack", "flags", "window", "offset", "length", "missing")
    chosen = [getattr(batch, name)[rows] for name in columns]
    return SegmentBatch(batch.octets, *chosen, new_flows=batch.new_flows if is_first else [])


def story(items: Sequence[StreamItem]) -> list[str]:
    """One line an item: its frame; where its packet is not the one at its position, also that one and the time."""
    lines = []
    for item in items:
        frame = str(item.packet % 10**10)
        if item.position + 1 != item.packet % 10**10:
            frame += f" at {item.position + 1}, {item.ts_ns / MILLISECOND:g} ms"
        if isinstance(item, StreamData):
            lines.append(f"{frame}: {'><'[item.direction]} {item.stream_offset} {item.data.decode('latin-1')}")
        elif isinstance(item, StreamGap):
            lines.append(f"{frame}: {'><'[item.direction]} {item.stream_offset} lost {item.length}")
        elif isinstance(item, StreamDoubt):
            lines.append(f"{frame}: {'><'[item.direction]} doubted")
        elif hasattr(item, "joined_midway"):
            lines.append(f"{frame}: opened by {item.client_direction}" + (" midway" if item.joined_midway else ""))
        elif hasattr(item, "reason"):
            lines.append(f"{frame}: closed {item.reason} by {item.closed_by} lost {item.lost_bytes}")
        else:
            lines.append(f"{frame}: {item.name}")
    return lines


def handshake(client: int = 100, server: int = 500, pair: int = 0) -> list[Seg]:
    return [
        Seg(2 * pair, "S", client),
        Seg(2 * pair + 1, "SA", server, client + 1),
        Seg(2 * pair, "A", client + 1, server + 1),
    ]
