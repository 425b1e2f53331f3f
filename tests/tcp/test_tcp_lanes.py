"""Any segmentation, any batches and both lanes give the same stream."""

from __future__ import annotations

import itertools
from operator import attrgetter

from hypothesis import given, settings
from hypothesis import strategies as st
from tcp_segments import Seg, batches, items_of, run, run_worker

from ocpp_inspect.model import Anomaly, StreamData, StreamGap, StreamItem
from ocpp_inspect.tcp import Tcp

PAIRS = 4
_BY_POSITION = attrgetter("position", "connection")
SIZES = st.lists(st.integers(1, 80), min_size=1, max_size=4)


def delivered(items: list[StreamItem]) -> dict[tuple[int, int], bytes]:
    streams: dict[tuple[int, int], bytes] = {}
    for item in items:
        if isinstance(item, StreamData):
            key = item.pair, item.direction
            assert item.stream_offset == len(streams.get(key, b""))
            streams[key] = streams.get(key, b"") + item.data
        assert not isinstance(item, StreamGap)
    return streams


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[Seg], dict[tuple[int, int], bytes]]:
    """Connections that talk in turns, with the network's mischief; nothing is lost for good."""
    segments: list[Seg] = []
    state: dict[int, int] = {}
    streams: dict[tuple[int, int], bytes] = {}
    for pair in range(PAIRS):
        client = draw(st.sampled_from([100, 2**32 - 1, 2**32 - 150, 2**31 - 5]))
        server = draw(st.sampled_from([500, 2**32 - 20]))
        segments += [Seg(2 * pair, "S", client), Seg(2 * pair + 1, "SA", server, client + 1)]
        segments.append(Seg(2 * pair, "A", client + 1, server + 1))
        state[2 * pair], state[2 * pair + 1] = client + 1, server + 1
    turns = draw(st.lists(st.tuples(st.integers(0, 2 * PAIRS - 1), st.integers(1, 60)), min_size=1, max_size=60))
    for turn, (flow, length) in enumerate(turns):
        data = bytes((turn * 7 + index) % 256 for index in range(length))
        streams[flow >> 1, flow & 1] = streams.get((flow >> 1, flow & 1), b"") + data
        segments += draw(burst(flow, state[flow], state[flow ^ 1], data))
        state[flow] += length
        if draw(st.booleans()):
            segments.append(Seg(flow ^ 1, "A", state[flow ^ 1], state[flow]))
    return segments, streams


@st.composite
def burst(draw: st.DrawFn, flow: int, seq: int, ack: int, data: bytes) -> list[Seg]:
    """One run of octets as segments: mostly whole, else cut, overlapping, repeated and shuffled."""
    if draw(st.integers(0, 3)):
        return [Seg(flow, "PA", seq, ack, data)]
    cuts = sorted(draw(st.sets(st.integers(0, len(data)), max_size=4)) | {0, len(data)})
    parts = []
    for start, end in itertools.pairwise(cuts):
        low = max(0, start - draw(st.integers(0, 3)))
        high = min(len(data), end + draw(st.integers(0, 3)))
        parts.append(Seg(flow, "PA", seq + low, ack, data[low:high]))
    again = draw(st.lists(st.sampled_from(parts), max_size=2))
    return draw(st.permutations(parts + again))


@settings(deadline=None, max_examples=120)
@given(conversations(), SIZES)
def test_segmentation_does_not_matter(
    conversation: tuple[list[Seg], dict[tuple[int, int], bytes]], sizes: list[int]
) -> None:
    segments, streams = conversation
    plain = run(segments, per_item=True)
    assert delivered(plain) == streams
    assert run(segments) == plain
    assert sorted(run(segments, sizes), key=_BY_POSITION) == sorted(plain, key=_BY_POSITION)


WILD = st.builds(
    Seg,
    flow=st.integers(0, 3),
    flags=st.sampled_from(["A", "A", "A", "PA", "PA", "PA", "S", "SA", "FA", "R", "RA", "SF", "UA", "", "P"]),
    seq=st.one_of(st.integers(95, 140), st.integers(0, 2**32 - 1), st.sampled_from([2**32 - 1, 0])),
    ack=st.one_of(st.integers(95, 140), st.integers(0, 2**32 - 1)),
    data=st.binary(max_size=12),
    window=st.sampled_from([0, 500, 500]),
    missing=st.sampled_from([0, 0, 0, 5]),
)
GAPS_MS = st.sampled_from([0, 0.01, 1, 19, 25, 1_100, 3_000, 130_000, 30 * 3_600_000, -1, -200_000])


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(WILD, GAPS_MS), min_size=1, max_size=90), SIZES)
def test_any_segments_at_all(wild: list[tuple[Seg, float]], sizes: list[int]) -> None:
    """Hostile input: no exception, equal in both lanes and any batches, streams without repetition or disorder."""
    clock = 0.0
    segments = []
    for segment, pause in wild:
        clock += pause
        segment.at = clock
        segments.append(segment)
    plain = run(segments, per_item=True)
    assert run(segments) == plain
    expected: dict[tuple[int, int], int] = {}
    opened: set[int] = set()
    closed: set[int] = set()
    reached: dict[int, int] = {}
    for item in plain:
        if not isinstance(item, Anomaly):
            assert item.position >= reached.get(item.connection, 0)
            reached[item.connection] = item.position
        if isinstance(item, StreamData | StreamGap):
            key = item.connection, item.direction
            assert item.connection in opened - closed
            assert item.stream_offset == expected.get(key, 0)
            expected[key] = item.stream_offset + (len(item.data) if isinstance(item, StreamData) else item.length)
        elif hasattr(item, "joined_midway"):
            assert item.connection not in opened
            opened.add(item.connection)
        elif hasattr(item, "reason"):
            assert item.connection in opened - closed
            closed.add(item.connection)
    assert opened == closed
    assert sorted(run(segments, sizes), key=_BY_POSITION) == sorted(plain, key=_BY_POSITION)


# Mostly in order, with holes of a few octets, their acknowledgments, and pauses about as long as each timer.
STEP = st.tuples(
    st.integers(0, 5),
    st.sampled_from([0, 0, 0, 3]),
    st.sampled_from([0, 4]),
    st.booleans(),
    st.sampled_from([0, 0, 0, 1, 19, 20, 400, 999, 1_000, 1_001, 2_999, 3_000, 119_000, 120_000, -5]),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(STEP, min_size=1, max_size=120), SIZES, st.integers(0, 4), st.booleans())
def test_holes_are_given_up_alike_whoever_decodes(
    steps: list[tuple[int, int, int, bool, float]], sizes: list[int], late: int, opens: bool
) -> None:
    """Any batches, both lanes, and one worker for each pair, which sees the others' packets as a clock only."""
    clock = 0.0
    segments: list[Seg] = []
    if opens:
        for pair in range(3):
            segments += [Seg(2 * pair, "S", 100, at=0), Seg(2 * pair + 1, "SA", 200, 101, at=0)]
    sent = {flow: 101 + 100 * (flow & 1) for flow in range(6)}
    for flow, lost, length, acknowledges, pause in steps:
        clock += pause
        sent[flow] += lost
        ack = sent[flow ^ 1] - (0 if acknowledges else min(30, sent[flow ^ 1]))
        segments.append(Seg(flow, "A", sent[flow], ack, b"abcd"[:length], at=clock))
        sent[flow] += length
    plain = run(segments, per_item=True)
    assert run(segments) == plain
    assert sorted(run(segments, sizes), key=_BY_POSITION) == sorted(plain, key=_BY_POSITION)
    pair_of = {10**10 + number + 1: segment.flow >> 1 for number, segment in enumerate(segments)}
    for pair in range(3):
        own = [item for item in plain if pair_of[item.packet] == pair]
        for per_item in (True, False):
            assert sorted(run_worker(segments, sizes, pair, late=late, per_item=per_item), key=_BY_POSITION) == own


def test_plain_traffic_takes_the_columns_and_comes_back_to_them() -> None:
    segments = [Seg(0, "S", 100), Seg(1, "SA", 500, 101), Seg(0, "A", 101, 501)]
    seq = 101
    for number in range(400):
        order = (seq, seq + 4) if number != 150 else (seq + 4, seq)
        segments += [Seg(0, "PA", each, 501, b"abcd") for each in order]
        seq += 8
        segments.append(Seg(1, "A", 501, seq))
    tcp = Tcp()
    items: list[StreamItem] = []
    for batch in batches(segments, [100]):
        items += items_of(tcp.feed(batch))
    assert len(delivered(items)[0, 0]) == 8 * 400
    assert tcp.counters["segments"] == len(segments)
    rest = len(segments) % 100
    assert tcp.counters["fast_segments"] == len(segments) - 200 - (rest if rest <= 24 else 0)
    assert tcp.counters["octets"] == 8 * 400
