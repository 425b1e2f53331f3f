"""StreamBatch in, StreamBatch out: the room itself. Decides by a connection's first octets whether it is TLS.

As the first one who looks at them it also takes out what a load balancer put in front (the PROXY protocol), so that no
later room has to know of it. Behind an HTTP CONNECT it decides anew.

Columns of other connections pass as they are: 3 ns a segment to look their kind up. A record of TLS 1.3 that fills its
segment takes 2.2 µs, decryption included, and becomes a row of columns again.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from ocpp_inspect.forwarded import begins_with_header, read_headers
from ocpp_inspect.limits import (
    HTTP_TUNNELS,
    PROXY_HEADER_OCTETS,
    TLS_CONNECTIONS,
    TLS_WAITING_NS,
    TLS_WAITING_TOTAL_OCTETS,
)
from ocpp_inspect.model import (
    Anomaly,
    StreamBatch,
    StreamClosed,
    StreamData,
    StreamForwarded,
    StreamGap,
    StreamItem,
    StreamOpened,
    UInt8,
)
from ocpp_inspect.tls.connection import Connection
from ocpp_inspect.tls.half import APPLICATION_DATA, HEADER_OCTETS, Half
from ocpp_inspect.tls.keys import Keys
from ocpp_inspect.tls.sink import Sink
from ocpp_inspect.tls.tunnel import CONNECT, Tunnel

Truth = npt.NDArray[np.bool_]

_PLAIN: Final = 0
_UNDECIDED: Final = 1
_TLS: Final = 2
_COPY_OCTETS: Final = 64 * 1024 * 1024
_LEAST_MIDWAY_OCTETS: Final = 5


class Tls:
    """The room. `keys` is shared with whoever else decrypts the same connections; None: there are none."""

    def __init__(self, keys: Keys | None = None, *, connections: int = TLS_CONNECTIONS) -> None:
        self.keys = keys if keys is not None else Keys()
        self.counters: dict[str, int] = {"connections": 0, "opened": 0, "records": 0}
        self._maximum = connections
        self._sink = Sink()
        self._kind = bytearray(1024)  # by pair
        self._kinds: UInt8 = np.frombuffer(self._kind, dtype=np.uint8)
        self._opened: dict[int, StreamOpened] = {}  # by pair, while undecided
        self._gaps: dict[int, list[StreamGap]] = {}  # by pair, while undecided
        self._headers: dict[int, bytes] = {}  # by flow, while undecided: of the PROXY protocol, not yet complete
        self._tunnels: dict[int, Tunnel] = {}  # by pair, while undecided
        self._connections: dict[int, Connection] = {}  # by pair
        self._waiting: dict[int, Connection] = {}  # by pair: for keys
        self._generation = self.keys.generation

    def feed(self, batch: StreamBatch) -> StreamBatch:
        """Read one batch; the batch returned takes its place."""
        if self._waiting:
            self._ask_again(int(batch.ts_ns[-1]) if len(batch.ts_ns) else None)
        if batch.items:
            for item in batch.items:
                self._item(item)
        is_plain = self._columns(batch) if len(batch.flow) else None
        return self._sink.batch(batch, is_plain)

    def tick(self, now_ns: int) -> list[StreamItem]:
        """Let time pass: keys that a growing key log brought open what waits for them; the rest is given up in time."""
        self._ask_again(now_ns)
        none = np.zeros(0, dtype=np.int64)
        empty = StreamBatch(np.zeros(0, dtype=np.uint8), none, none, none, none, none, none, none, none)
        self._sink.spoken.update(row[0] for row in self._sink.rows)
        return self._sink.batch(empty, None).items

    # ------------------------------------------------------------------ item lane

    def _item(self, item: StreamItem) -> None:
        items = self._sink.items
        if type(item) is StreamData:
            kind = self._kind[item.pair] if item.pair < len(self._kind) else _PLAIN
            if kind == _UNDECIDED:
                item = self._without_proxies(item)
                if not item.data:
                    return
                kind = self._decide(item.pair, item.data)
            if kind == _PLAIN:
                items.append(item)
                return
            connection = self._connections[item.pair]
            self._sink.spoken.add(item.connection)
            connection.data(item.direction, item.ts_ns, item.packet, item.position, item.data)
            self._note_waiting(item.pair, connection)
        elif type(item) is StreamOpened:
            self._open(item)
            items.append(item)
        elif type(item) is StreamGap:
            kind = self._kind[item.pair] if item.pair < len(self._kind) else _PLAIN
            if kind == _TLS:
                self._connections[item.pair].gap(item.direction, item.ts_ns, item.packet, item.position, item.length)
                return
            if kind == _UNDECIDED:
                self._headers.pop(2 * item.pair + item.direction, None)
                tunnel = self._tunnels.get(item.pair)
                if tunnel is not None and not tunnel.is_open:
                    del self._tunnels[item.pair]
                self._gaps.setdefault(item.pair, []).append(item)
            items.append(item)
        elif type(item) is StreamClosed:
            self._close(item)
            items.append(item)
        else:
            items.append(item)

    def _without_proxies(self, item: StreamData) -> StreamData:
        """What is left of octets that are undecided, without what proxies say before they hand on."""
        flow = 2 * item.pair + item.direction
        if flow in self._headers or begins_with_header(item.data):
            taken = self._skip_headers(item.connection, flow, item.ts_ns, item.packet, item.position, item.data)
            item = replace(item, stream_offset=item.stream_offset + taken, data=item.data[taken:])
        outside = self._outside(item.pair, item.direction, item.data)
        if outside:
            self._sink.say(replace(item, data=item.data[:outside]), item.connection)
            item = replace(item, stream_offset=item.stream_offset + outside, data=item.data[outside:])
        return item

    def _open(self, item: StreamOpened) -> None:
        pair = item.flow.pair
        if pair >= len(self._kind):
            self._kind = self._kind + bytearray(max(pair + 1 - len(self._kind), len(self._kind)))
            self._kinds = np.frombuffer(self._kind, dtype=np.uint8)
        self._forget(pair)
        self._kind[pair] = _UNDECIDED
        self._opened[pair] = item

    def _forget(self, pair: int) -> None:
        self._kind[pair] = _PLAIN
        self._opened.pop(pair, None)
        self._gaps.pop(pair, None)
        self._forget_headers(pair)
        self._tunnels.pop(pair, None)
        self._connections.pop(pair, None)
        self._waiting.pop(pair, None)

    def _close(self, item: StreamClosed) -> None:
        if item.pair >= len(self._kind):
            return
        connection = self._connections.get(item.pair)
        if connection is not None:
            connection.close(item)
            self._count(connection)
        self._forget(item.pair)

    def _count(self, connection: Connection) -> None:
        self.counters["opened"] += connection.is_readable is True
        self.counters["records"] += sum(half.records for half in connection.halves)

    def _decide(self, pair: int, data: bytes) -> int:
        """The first octets of a connection say what it is."""
        opened = self._opened.pop(pair, None)
        gaps = self._gaps.pop(pair, [])
        self._forget_headers(pair)
        self._tunnels.pop(pair, None)
        if opened is None or not _begins_tls(data, is_midway=opened.joined_midway or bool(gaps)):
            self._kind[pair] = _PLAIN
            return _PLAIN
        if len(self._connections) >= self._maximum:
            self._give_up_oldest(opened)
        self._kind[pair] = _TLS
        self.counters["connections"] += 1
        connection = self._connections[pair] = Connection(
            self._sink, self.keys, opened.connection, opened.flow, opened.joined_midway, opened.client_direction
        )
        for gap in gaps:
            connection.gap(gap.direction, gap.ts_ns, gap.packet, gap.position, gap.length)
        return _TLS

    def _forget_headers(self, pair: int) -> None:
        if self._headers:
            self._headers.pop(2 * pair, None)
            self._headers.pop(2 * pair + 1, None)

    def _skip_headers(self, connection: int, flow: int, ts_ns: int, packet: int, position: int, data: bytes) -> int:
        """How many of these octets, the first ones of a direction, are of the PROXY protocol's headers.

        What only begins like one is no protocol that is read: if a part of it was kept, it is gone.
        """
        held = self._headers.pop(flow, b"")
        found = read_headers(held + data)
        if found is None:
            if len(held) + len(data) > PROXY_HEADER_OCTETS:
                return 0
            self._headers[flow] = held + data
            return len(data)
        if not found.octets:
            return 0
        self._sink.say(StreamForwarded(connection, flow >> 1, ts_ns, packet, position, found.source), connection)
        return found.octets - len(held)

    def _outside(self, pair: int, direction: int, data: bytes) -> int:
        """How many of these octets of an undecided connection pass as they are: those around a CONNECT."""
        tunnel = self._tunnels.get(pair)
        if tunnel is None or tunnel.is_open:
            depth = 1 if tunnel is None else tunnel.depth + 1
            if not data.startswith(CONNECT) or depth > HTTP_TUNNELS or len(self._tunnels) >= self._maximum:
                return 0
            tunnel = self._tunnels[pair] = Tunnel(direction, depth)
        outside = tunnel.outside(direction, data)
        return 0 if tunnel.is_over else outside

    def _give_up_oldest(self, at: StreamOpened) -> None:
        pair, oldest = next(iter(self._connections.items()))
        self._sink.say(
            Anomaly("tls.connection_limit", oldest.ts_ns, oldest.packet, at.position, oldest.connection),
            oldest.connection,
        )
        oldest.close(StreamClosed(oldest.connection, pair, oldest.ts_ns, oldest.packet, at.position, "idle", None, 0))
        self._count(oldest)
        self._forget(pair)
        # What still comes of it is neither plain nor read.
        self._connections[pair] = _Silent(self._sink, self.keys, oldest.connection, oldest.flow, True, None)
        self._kind[pair] = _TLS
        while len(self._connections) > 2 * self._maximum:
            first = next(iter(self._connections))
            self._forget(first)

    # ------------------------------------------------------------------ column lane

    def _columns(self, batch: StreamBatch) -> Truth | None:
        """Take the rows of TLS connections; returns which rows are left (None: all)."""
        pairs = batch.flow >> 1
        if int(pairs.max()) >= len(self._kind):
            known = pairs < len(self._kind)
            kinds = np.zeros(len(pairs), dtype=np.uint8)
            kinds[known] = self._kinds[pairs[known]]
        else:
            kinds = self._kinds[pairs]
        if not kinds.any():
            return None
        empty: list[int] = []
        for row in np.flatnonzero(kinds == _UNDECIDED).tolist():
            pair = int(pairs[row])
            if self._kind[pair] == _UNDECIDED:
                start = int(batch.offset[row])
                head = batch.octets[start : start + min(int(batch.length[row]), HEADER_OCTETS + 1)].tobytes()
                if begins_with_header(head) or (self._headers and int(batch.flow[row]) in self._headers):
                    head = self._skip_headers_of(batch, row)
                if pair in self._tunnels or CONNECT.startswith(head):
                    head = self._pass_outside(batch, row)
                if not head:
                    empty.append(row)
                    continue
                self._decide(pair, head)
        kinds = self._kinds[pairs] if int(pairs.max()) < len(self._kind) else kinds
        is_tls = kinds == _TLS
        is_tls[empty] = False
        if not is_tls.any() and not empty:
            return None
        if is_tls.any():
            self._rows(batch, np.flatnonzero(is_tls))
        left: Truth = ~is_tls
        left[empty] = False
        return left

    def _skip_headers_of(self, batch: StreamBatch, row: int) -> bytes:
        """Take the PROXY protocol's headers out of a row; returns the first octets of what is left."""
        start, length = int(batch.offset[row]), int(batch.length[row])
        data = batch.octets[start : start + length].tobytes()
        taken = self._skip_headers(
            int(batch.connection[row]), int(batch.flow[row]), int(batch.ts_ns[row]), int(batch.packet[row]),
            int(batch.position[row]), data,
        )  # fmt: skip
        return _without(batch, row, data, taken)

    def _pass_outside(self, batch: StreamBatch, row: int) -> bytes:
        """Hand what a row has of HTTP around a CONNECT on as an item; returns the first octets of what is left."""
        start, length = int(batch.offset[row]), int(batch.length[row])
        if not length:
            return b""
        data = batch.octets[start : start + length].tobytes()
        flow, connection = int(batch.flow[row]), int(batch.connection[row])
        outside = self._outside(flow >> 1, flow & 1, data)
        if outside:
            self._sink.say(
                StreamData(
                    connection, flow >> 1, flow & 1, int(batch.ts_ns[row]), int(batch.packet[row]),
                    int(batch.position[row]), int(batch.stream_offset[row]), data[:outside],
                ),
                connection,
            )  # fmt: skip
        return _without(batch, row, data, outside)

    def _rows(self, batch: StreamBatch, chosen: np.ndarray[Any, np.dtype[np.intp]]) -> None:
        """Records, segment by segment; nearly all of them fill theirs and open at once."""
        position = batch.position[chosen]
        if np.any(position[1:] < position[:-1]):
            chosen = chosen[np.argsort(position, kind="stable")]
            position = batch.position[chosen]
        offset, length = batch.offset[chosen], batch.length[chosen]
        low, high = int(offset.min()), int((offset + length).max())
        window = batch.octets[low:high]
        octets: bytes | memoryview = window.tobytes() if high - low <= _COPY_OCTETS else window.data
        offset = offset - low
        connections, rows, spoken = self._connections, self._sink.rows, self._sink.spoken
        columns: Any = zip(
            batch.flow[chosen].tolist(), batch.ts_ns[chosen].tolist(), batch.packet[chosen].tolist(),
            position.tolist(), offset.tolist(), (offset + length).tolist(), strict=True,
        )  # fmt: skip
        for flow, ts_ns, packet, at, start, end in columns:
            connection = connections[flow >> 1]
            half: Half = connection.halves[flow & 1]
            opener = half.opener
            if opener is not None and connection.has_told and not (half.is_odd or half.buffer):
                body = start + HEADER_OCTETS
                if octets[start] == APPLICATION_DATA and (octets[start + 3] << 8 | octets[start + 4]) == end - body:
                    opened = opener.open(half.sequence, bytes(octets[start:body]), bytes(octets[body:end]))
                    is_quiet = not spoken or connection.connection not in spoken
                    if is_quiet and opened is not None and opened[0] == APPLICATION_DATA and opened[1]:
                        plain = opened[1]
                        half.sequence += 1
                        half.has_opened = True
                        half.records += 1
                        half.octets += end - start
                        rows.append((connection.connection, flow, ts_ns, packet, at, half.plain_offset, plain))
                        half.plain_offset += len(plain)
                        continue
            connection.data(flow & 1, ts_ns, packet, at, bytes(octets[start:end]))
            self._note_waiting(flow >> 1, connection)

    # ------------------------------------------------------------------ keys that come late

    def _note_waiting(self, pair: int, connection: Connection) -> None:
        if connection.waiting_since_ns is not None and pair not in self._waiting:
            self._waiting[pair] = connection
            while sum(each.waiting_octets for each in self._waiting.values()) > TLS_WAITING_TOTAL_OCTETS:
                oldest = next(iter(self._waiting))
                self._waiting.pop(oldest).give_up(0)

    def _ask_again(self, now_ns: int | None) -> None:
        has_news = self.keys.generation != self._generation
        self._generation = self.keys.generation
        for pair, connection in list(self._waiting.items()):
            since = connection.waiting_since_ns
            if since is None:
                del self._waiting[pair]
            elif now_ns is not None and now_ns - since > TLS_WAITING_NS:
                del self._waiting[pair]
                self._sink.spoken.add(connection.connection)
                connection.give_up(0)
            elif has_news:
                self._sink.spoken.add(connection.connection)
                connection.waiting_since_ns = None
                connection.retry(0)
                connection.retry(1)
                if connection.waiting_since_ns is None:
                    del self._waiting[pair]


def _without(batch: StreamBatch, row: int, data: bytes, taken: int) -> bytes:
    """Take the first octets out of a row, whose octets are `data`; returns the first ones of those left."""
    if taken:
        # The columns may be shared with the room that made them. It happens once a connection: copies cost nothing.
        batch.offset, batch.length, batch.stream_offset = (
            batch.offset.copy(), batch.length.copy(), batch.stream_offset.copy(),
        )  # fmt: skip
        batch.offset[row] += taken
        batch.length[row] -= taken
        batch.stream_offset[row] += taken
    return data[taken : taken + HEADER_OCTETS + 1]


class _Silent(Connection):
    """A connection that was given up: nothing of it is said any more."""

    def data(self, direction: int, ts_ns: int, packet: int, position: int, data: bytes) -> None:
        """Nothing."""

    def gap(self, direction: int, ts_ns: int, packet: int, position: int, length: int) -> None:
        """Nothing."""

    def close(self, item: StreamClosed) -> None:
        """Nothing."""


def _begins_tls(data: bytes, *, is_midway: bool) -> bool:
    """A ClientHello begins 0x16 0x03 (RFC 5246 §6.2.1); a connection joined midway with any record."""
    if data[0] == 0x16 and data[1:2] in (b"", b"\x03") and data[2:3] <= b"\x04":
        return len(data) <= HEADER_OCTETS or data[HEADER_OCTETS] in (1, 2) or is_midway
    return (
        is_midway
        and len(data) >= _LEAST_MIDWAY_OCTETS
        and 0x14 <= data[0] <= 0x17
        and data[1] == 3
        and data[2] <= 4
        and (data[3] << 8 | data[4]) <= 0x4800
    )
