"""What load balancers and forward proxies put in front of a stream, in both lanes, wherever segments are cut."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from test_tls_room import keys_of, only_items, plaintext, stream_items
from tls_peers import Recording

from ocpp_inspect.forwarded import Headers, read_headers
from ocpp_inspect.limits import PROXY_HEADER_OCTETS
from ocpp_inspect.model import (
    Flow,
    StreamBatch,
    StreamData,
    StreamForwarded,
    StreamGap,
    StreamItem,
    StreamOpened,
    TlsSession,
    Upgrade,
    WsMessage,
)
from ocpp_inspect.tls import Tls
from ocpp_inspect.websocket import WebSockets

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"
BINARY = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes([192, 0, 2, 7, 198, 51, 100, 1, 220, 4, 1, 187])
REQUEST = (
    b"GET /ocpp/CP1 HTTP/1.1\r\nHost: csms\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
HEARTBEAT = b'[2,"1","Heartbeat",{}]'
FRAME = b"\x81" + bytes([0x80 | len(HEARTBEAT)]) + bytes(4) + HEARTBEAT
OPENED = StreamOpened(1, Flow(0, "10.0.0.9", 40000, "10.0.0.1", 80), 1, 1, 1, 0, False)


def stream(*said: tuple[int, bytes]) -> list[StreamData]:
    found, offsets = [], [0, 0]
    for at, (direction, data) in enumerate(said, start=2):
        if data:
            found.append(StreamData(1, 0, direction, at, at, at, offsets[direction], data))
        offsets[direction] += len(data)
    return found


def columns_of(data: list[StreamData]) -> StreamBatch:
    def column(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        made = np.array(values, dtype=np.int64)
        made.flags.writeable = False  # they may be shared
        return made

    octets = np.frombuffer(b"".join(each.data for each in data), dtype=np.uint8)
    lengths = [len(each.data) for each in data]
    return StreamBatch(
        octets, column([each.packet for each in data]), column([each.position for each in data]),
        column([each.ts_ns for each in data]), column([2 * each.pair + each.direction for each in data]),
        column([each.connection for each in data]),
        column([sum(lengths[:row]) for row in range(len(data))]), column(lengths),
        column([each.stream_offset for each in data]),
    )  # fmt: skip


def read(data: list[StreamData], *, columns: bool) -> list[object]:
    tls, websockets = Tls(), WebSockets()
    items: list[object] = []
    begin: list[StreamItem] = [OPENED]
    batches = [only_items(begin), columns_of(data) if columns else only_items([*data])]
    for batch in batches:
        items += websockets.feed(tls.feed(batch))
    return items + websockets.finish(10**9)


@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("header", [LINE, BINARY, BINARY + LINE, LINE + BINARY])
@pytest.mark.parametrize("first", [6, 9, 28, None])
@pytest.mark.parametrize("joined", [False, True])
def test_a_session_behind_a_balancer_is_read(columns: bool, header: bytes, first: int | None, joined: bool) -> None:
    said = [(0, header + REQUEST)] if joined else [(0, header), (0, REQUEST)]
    if first is not None:
        said[:1] = [(0, said[0][1][:first]), (0, said[0][1][first:])]
    found = read(stream(*said, (1, ANSWER), (0, FRAME)), columns=columns)
    (upgrade,) = [item for item in found if isinstance(item, Upgrade)]
    assert (upgrade.status, upgrade.path, upgrade.forwarded_for) == (101, "/ocpp/CP1", "192.0.2.7")
    assert [item.payload for item in found if isinstance(item, WsMessage)] == [HEARTBEAT]


@pytest.mark.parametrize("columns", [False, True])
def test_what_only_begins_like_a_header_is_nobody_elses(columns: bool) -> None:
    for header in (b"PROXY TCP9 1 2 3 4\r\n", b"PROXY " + b"x" * PROXY_HEADER_OCTETS):
        said = stream((0, header[:10]), (0, header[10:]), (0, REQUEST), (1, b"220 hello\r\n"))
        assert not [item for item in read(said, columns=columns) if isinstance(item, (Upgrade, WsMessage))]


def test_a_hole_in_a_header_ends_it() -> None:
    tls = Tls()
    gap = StreamGap(1, 0, 0, 3, 3, 3, 10, len(LINE) - 10)
    rest = StreamData(1, 0, 0, 4, 4, 4, len(LINE), REQUEST)
    found = tls.feed(only_items([OPENED, *stream((0, LINE[:10])), gap, rest])).items
    assert found == [OPENED, gap, rest]


@pytest.mark.parametrize("header", [LINE, BINARY])
def test_tls_behind_a_balancer_opens(recording: Recording, header: bytes) -> None:
    items = stream_items(recording)
    clients = {item.connection: item.client_direction for item in items if isinstance(item, StreamOpened)}
    behind: list[StreamItem] = []
    for item in items:
        is_first = isinstance(item, StreamData) and item.stream_offset == 0
        if is_first and isinstance(item, StreamData) and item.direction == clients[item.connection]:
            behind.append(replace(item, data=header))
        behind.append(item)
    plain, proxied = (Tls(keys_of(recording)).feed(only_items(part)).items for part in (items, behind))
    assert plaintext(proxied) == plaintext(plain)
    sessions = [item for item in plain if isinstance(item, TlsSession)]
    assert [item for item in proxied if isinstance(item, TlsSession)] == sessions
    told = [item for item in proxied if isinstance(item, StreamForwarded)]
    assert {item.source for item in told} == {"192.0.2.7"} and len(told) == len(clients)
    assert read_headers(header) == Headers(len(header), "192.0.2.7")


ASKED = b"CONNECT csms.example:443 HTTP/1.1\r\nHost: csms.example:443\r\n\r\n"
GRANTED = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 gate\r\n\r\n"
REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 5\r\n\r\nwho? "
WAYS = [
    [(0, ASKED), (1, GRANTED)],
    [(0, ASKED), (1, REFUSED[:60]), (1, REFUSED[60:]), (0, ASKED), (1, GRANTED)],
    [(0, ASKED[:30]), (0, ASKED[30:]), (1, b"HTTP/1.1 100 Continue\r\n\r\n" + GRANTED)],
    [(0, ASKED), (1, GRANTED), (0, ASKED), (1, GRANTED)],
]


@pytest.mark.parametrize("before", WAYS)
@pytest.mark.parametrize("columns", [False, True])
@pytest.mark.parametrize("size", [1, 3, 10**6])
def test_tls_behind_a_forward_proxy_opens(
    recording: Recording, before: list[tuple[int, bytes]], columns: bool, size: int
) -> None:
    items = stream_items(recording)
    opened = next(item for item in items if isinstance(item, StreamOpened))
    data = [item for item in items if isinstance(item, StreamData) and item.connection == opened.connection]
    client = opened.client_direction or 0
    first = [
        StreamData(opened.connection, opened.flow.pair, direction ^ client, opened.ts_ns, 1, opened.position, 0, octets)
        for direction, octets in before
    ]
    plain = Tls(keys_of(recording)).feed(only_items([opened, *data])).items
    tls = Tls(keys_of(recording))
    proxied = [*tls.feed(only_items([opened])).items]
    whole = first + data
    for start in range(0, len(whole), size):
        part = whole[start : start + size]
        batch = tls.feed(columns_of(part) if columns else only_items([*part]))
        assert not set(batch.connection) & {item.connection for item in batch.items if hasattr(item, "connection")}
        proxied += batch.items + items_of_columns(batch)
    passed = [item for item in proxied if isinstance(item, StreamData)][: len(before)]
    assert [(item.direction ^ client, item.data) for item in passed] == before
    rest = [item for item in proxied if not any(item is each for each in passed)]
    assert plaintext([*rest]) == plaintext(plain) != {}
    assert [item for item in rest if isinstance(item, TlsSession)] == [
        item for item in plain if isinstance(item, TlsSession)
    ]


def items_of_columns(batch: StreamBatch) -> list[StreamItem]:
    rows = zip(
        batch.connection.tolist(), (batch.flow >> 1).tolist(), (batch.flow & 1).tolist(), batch.ts_ns.tolist(),
        batch.packet.tolist(), batch.position.tolist(), batch.stream_offset.tolist(), batch.offset.tolist(),
        batch.length.tolist(), strict=True,
    )  # fmt: skip
    return [StreamData(*row[:7], batch.octets[row[7] : row[7] + row[8]].tobytes()) for row in rows]


@pytest.mark.parametrize("columns", [False, True])
def test_a_tunnel_without_tls_is_read_as_before(columns: bool) -> None:
    found = read(stream((0, ASKED), (1, GRANTED), (0, REQUEST), (1, ANSWER), (0, FRAME)), columns=columns)
    assert [item.payload for item in found if isinstance(item, WsMessage)] == [HEARTBEAT]
    assert [item.path for item in found if isinstance(item, Upgrade)] == ["/ocpp/CP1"]
