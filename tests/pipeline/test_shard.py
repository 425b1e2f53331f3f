"""The sharder: every segment reaches exactly one worker, a connection whole, a station always the same one."""

from __future__ import annotations

import ssl
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocpp_inspect import limits
from ocpp_inspect.model import Flow, SegmentBatch
from ocpp_inspect.pipeline.shard import Sharder

SYN, ACK, PSH = 2, 16, 8
WORKERS = 3

Segment = tuple[int, int, int, int, bytes]  # pair, direction, flags, seq, payload


def upgrade(station: str) -> bytes:
    return f"GET /ocpp/{station} HTTP/1.1\r\nHost: csms\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode()


def conversation(pair: int, station: str, isn: int = 100) -> list[Segment]:
    return [
        (pair, 0, SYN, isn, b""),
        (pair, 1, SYN | ACK, 500, b""),
        (pair, 0, ACK, isn + 1, b""),
        (pair, 0, ACK | PSH, isn + 1, upgrade(station)),
        (pair, 1, ACK | PSH, 501, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        (pair, 0, ACK | PSH, isn + 90, b"\x81\x85abcdefghi"),
    ]


def batches(segments: list[Segment], sizes: list[int], flows: dict[int, Flow]) -> list[SegmentBatch]:
    made, start, told = [], 0, set()
    for size in [*sizes, len(segments)]:
        part = segments[start : start + size]
        start += size
        if not part:
            continue
        data = b"".join(s[4] for s in part)
        lengths = [len(s[4]) for s in part]
        offsets = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64)
        position = np.arange(start - size, start - size + len(part), dtype=np.int64)
        new = [flows[p] for p in dict.fromkeys(s[0] for s in part) if p not in told]
        told.update(f.pair for f in new)
        zero = np.zeros(len(part), dtype=np.int64)
        made.append(
            SegmentBatch(
                octets=np.frombuffer(data, dtype=np.uint8),
                packet=position + 1,
                position=position,
                ts_ns=position * 1000,
                flow=np.array([2 * s[0] + s[1] for s in part], dtype=np.int64),
                seq=np.array([s[3] for s in part], dtype=np.int64),
                ack=zero,
                flags=np.array([s[2] for s in part], dtype=np.int64),
                window=zero,
                offset=offsets,
                length=np.array(lengths, dtype=np.int64),
                missing=zero,
                new_flows=new,
            )
        )
    return made


def run(segments: list[Segment], sizes: list[int], flows: dict[int, Flow]) -> list[list[tuple[int, int, bytes]]]:
    """Per worker: (pair, position, payload) of what it got."""
    got: list[list[tuple[int, int, bytes]]] = []
    for index in range(WORKERS):
        sharder = Sharder(index, WORKERS, lambda path: path.rsplit("/", 1)[-1], lambda *_: None, lambda *_: None)
        parts = [sharder.select(batch) for batch in batches(segments, sizes, flows)]
        rest = sharder.finish(parts[-1] if parts else None)
        if rest is not None:
            parts.append(rest)
        rows = []
        for part in parts:
            for i in range(len(part.packet)):
                start = int(part.offset[i])
                payload = part.octets[start : start + int(part.length[i])].tobytes()
                rows.append((int(part.flow[i]) >> 1, int(part.position[i]), payload))
        got.append(rows)
    return got


def flows_of(pairs: range) -> dict[int, Flow]:
    return {pair: Flow(pair, f"10.0.0.{pair}", 40000 + pair, "10.9.9.9", 9000) for pair in pairs}


@settings(max_examples=60, deadline=None)
@given(
    order=st.lists(st.integers(0, 5), min_size=0, max_size=60),
    sizes=st.lists(st.integers(1, 12), max_size=10),
)
def test_every_segment_reaches_one_worker_and_batching_does_not_matter(order: list[int], sizes: list[int]) -> None:
    waiting = {pair: conversation(pair, f"CP{pair % 4}") for pair in range(6)}
    segments: list[Segment] = []
    for pair in order:
        if waiting[pair]:
            segments.append(waiting[pair].pop(0))
    flows = flows_of(range(6))
    got = run(segments, sizes, flows)
    everything = sorted(row for rows in got for row in rows)
    assert everything == [(s[0], i, s[4]) for i, s in sorted(enumerate(segments), key=lambda x: (x[1][0], x[0]))]
    assert [sorted(rows) for rows in got] == [sorted(rows) for rows in run(segments, [], flows)]
    owners = defaultdict(set)
    for worker, rows in enumerate(got):
        for pair, _, _ in rows:
            owners[pair].add(worker)
    assert all(len(workers) == 1 for workers in owners.values())


def test_the_station_decides_whatever_its_address() -> None:
    segments = conversation(0, "CP7") + conversation(1, "CP7")
    got = run(segments, [], flows_of(range(2)))
    assert sorted(map(len, got)) == [0, 0, len(segments)]


@pytest.mark.parametrize("cut", [6, 20, 44, 60])
def test_the_station_is_found_behind_the_header_of_a_balancer(cut: int) -> None:
    header = b"PROXY TCP4 192.0.2.7 10.9.9.9 56324 9000\r\n"
    first = header + upgrade("CP8")
    behind = [(1, 0, SYN, 100, b""), (1, 0, ACK, 101, first[:cut]), (1, 0, ACK, 101 + cut, first[cut:])]
    got = run(conversation(0, "CP7") + behind + conversation(2, "CP8"), [3, 4, 1], flows_of(range(3)))
    owner = {pair: worker for worker, rows in enumerate(got) for pair, _, _ in rows}
    assert owner[1] == owner[2] != owner[0]


@pytest.mark.parametrize("granted", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nVia: 1.1 gate\r\n\r\n"])
def test_tls_behind_a_forward_proxy_belongs_to_the_worker_of_its_client(granted: bytes) -> None:
    arriving, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(arriving, leaving, server_hostname="csms.example")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello, asked = leaving.read(), b"CONNECT csms.example:443 HTTP/1.1\r\n\r\n"
    opening = [(0, 0, SYN, 100, b""), (0, 1, SYN | ACK, 500, b"")]
    bare = [*opening, (0, 0, ACK, 101, hello)]
    behind = [*opening, (0, 0, ACK, 101, asked), (0, 1, ACK, 501, granted), (0, 0, ACK, 101 + len(asked), hello)]
    both = [*bare, *((1, *rest) for _, *rest in behind)]
    # Another client first, so that the worker by default is not that of this client.
    others = [(2, *rest) for _, *rest in bare]
    flows = {
        pair: Flow(pair, "10.0.0.7" if pair < 2 else "10.0.0.8", 40000 + pair, "10.9.9.9", 443) for pair in range(3)
    }
    got = run(others + both, [], flows)
    owner = {pair: worker for worker, rows in enumerate(got) for pair, _, _ in rows}
    assert owner[0] == owner[1] != owner[2] == 0


def test_a_request_in_single_octets_is_held_until_it_tells() -> None:
    text = upgrade("CP7")[: limits.HELD_SEGMENTS - 2]
    rest = upgrade("CP7")[len(text) :]
    segments = [(0, 0, ACK, 1 + i, text[i : i + 1]) for i in range(len(text))]
    segments.append((0, 0, ACK, 1 + len(text), rest))
    got = run(segments, [1] * len(segments), flows_of(range(1)))
    assert [b"".join(payload for _, _, payload in rows) for rows in got] == [upgrade("CP7"), b"", b""]


def test_a_health_check_before_the_upgrade_does_not_decide() -> None:
    health = b"GET /health HTTP/1.1\r\nHost: csms\r\n\r\n"
    segments = [(0, 0, ACK, 1, health), (0, 1, ACK, 1, b"HTTP/1.1 200 OK\r\n\r\n"), (0, 0, ACK, 40, upgrade("CP7"))]
    got = run(segments, [1, 1, 1], flows_of(range(1)))
    assert sorted(map(len, got)) == [0, 0, 3]


def test_a_reused_port_goes_to_the_new_station_and_tells_the_old_owner() -> None:
    segments = conversation(0, "CP7") + conversation(0, "CP8", isn=9000)
    for sizes in ([], [1] * 12, [8]):
        got = run(segments, sizes, flows_of(range(1)))
        old, new, _ = got
        assert [position for _, position, _ in old] == [0, 1, 2, 3, 4, 5, 6]  # with the new SYN
        assert [position for _, position, _ in new] == [6, 7, 8, 9, 10, 11]


def test_a_repeated_syn_changes_nothing() -> None:
    segments = conversation(0, "CP7")
    segments.append(segments[0])
    segments.append((0, 0, ACK, 300, b"\x81\x81aaaab"))
    got = run(segments, [], flows_of(range(1)))
    assert sorted(map(len, got)) == [0, 0, len(segments)]


def test_stations_are_dealt_out_evenly() -> None:
    segments = [segment for pair in range(30) for segment in conversation(pair, f"CP{pair}")]
    got = run(segments, [7] * 20, flows_of(range(30)))
    assert {len(rows) for rows in got} == {len(segments) // 3}


def test_stations_beyond_the_table_keep_their_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocpp_inspect.pipeline.shard.STATIONS", 2)
    segments = [segment for pair in range(12) for segment in conversation(pair, f"CP{pair % 6}")]
    got = run(segments, [7] * 20, flows_of(range(12)))
    stations = [{pair % 6 for pair, _, _ in rows} for rows in got]
    assert sorted(station for part in stations for station in part) == list(range(6))


def test_a_scan_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocpp_inspect.pipeline.shard.HELD_CONNECTIONS", 10)
    flows = flows_of(range(50))
    segments = [(pair, 0, SYN, 1, b"") for pair in range(50)]
    sharder = Sharder(0, WORKERS, str, lambda *_: None, lambda *_: None)
    for batch in batches(segments, [], flows):
        sharder.select(batch)
    assert len(sharder._held) == 10
    assert sum(len(rows) for rows in run(segments, [7] * 8, flows)) == 50


@pytest.mark.parametrize(
    "first",
    [
        (0, b"POST /soap HTTP/1.1\r\nHost: csms\r\nContent-Type: application/soap+xml\r\nContent-Length: 0\r\n\r\n"),
        (1, b"HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: 4\r\n\r\n"),
        (1, b"Time></o:heartbeatResponse></s:Body></s:Envelope>"),
        (0, b"GET /soap?wsdl HTTP/1.1\r\nHost: csms\r\n\r\n"),
    ],
)
def test_what_may_be_soap_goes_to_the_first_worker(first: tuple[int, bytes]) -> None:
    """Its stations stand in the bodies, many of them on one connection perhaps."""
    direction, octets = first
    segments: list[Segment] = []
    for pair in range(4):
        segments.append((pair, direction, ACK | PSH, 100, octets[:20]))
        segments.append((pair, direction, ACK | PSH, 120, octets[20:]))
        segments += [(pair, 1 - direction, ACK, 500 + number, b"") for number in range(limits.HELD_SEGMENTS)]
    got = run(segments, [3, 5], flows_of(range(4)))
    assert [len(rows) for rows in got] == [len(segments), 0, 0]
