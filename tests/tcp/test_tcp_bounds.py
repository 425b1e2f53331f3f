"""Every bound holds, says so, and costs nobody else anything."""

from __future__ import annotations

from tcp_segments import MILLISECOND, SECOND, Seg, batches, handshake, items_of, run, story

from ocpp_inspect import limits
from ocpp_inspect.model import Anomaly, StreamClosed, StreamData, StreamGap
from ocpp_inspect.tcp import ANOMALIES, Tcp


def test_one_direction_holds_no_more_than_its_bound() -> None:
    held = [Seg(0, "A", 200 + 100 * number, 501, b"x" * 100) for number in range(100)]
    items = run([*handshake(), *held], held_bytes=2_000)
    assert [item.name for item in items if isinstance(item, Anomaly)] == ["tcp.hold_limit"]
    assert sum(len(item.data) for item in items if isinstance(item, StreamData)) == 10_000
    assert [item.length for item in items if isinstance(item, StreamGap)] == [99]


def test_runs_of_one_octet_count_with_their_overhead() -> None:
    crumbs = [Seg(0, "A", 200 + 2 * number, 501, b"x") for number in range(200)]
    tcp = Tcp(held_bytes=5_000)
    peak = 0
    for batch in batches([*handshake(), *crumbs], [1]):
        tcp.feed(batch)
        peak = max(peak, tcp.held_bytes)
    assert 4_000 < peak <= 5_000


def test_all_connections_together_hold_no_more_than_their_bound() -> None:
    segments = [segment for pair in range(20) for segment in handshake(pair=pair)]
    segments += [Seg(2 * pair, "A", 200 + 100 * step, 501, b"x" * 100) for step in range(10) for pair in range(20)]
    tcp = Tcp(total_held_bytes=10_000)
    items = []
    for batch in batches(segments, [7]):
        items += items_of(tcp.feed(batch))
        assert tcp.held_bytes <= 10_000
    items += items_of(tcp.finish(SECOND))
    assert tcp.held_bytes == 0
    assert {item.name for item in items if isinstance(item, Anomaly)} == {"tcp.total_hold_limit"}
    assert sum(len(item.data) for item in items if isinstance(item, StreamData)) == 20 * 10 * 100
    assert sum(item.length for item in items if isinstance(item, StreamGap)) == 20 * 99


def test_syn_flood_forgets_closed_connections_first_then_the_longest_silent() -> None:
    segments = [*handshake(pair=0), Seg(2, "S", 1), Seg(3, "RA", 0, 2)]
    segments += [Seg(2 * pair, "S", pair) for pair in range(2, 500)]
    for number in range(0, len(segments), 20):  # the established connection goes on talking
        segments.insert(number + 3, Seg(0, "A", 101 + number // 20, 501, b"x"))
    tcp = Tcp(connections=100)
    items = []
    for batch in batches(segments, [50]):
        items += items_of(tcp.feed(batch))
        assert tcp.tracked_connections <= 100
    assert not [item for item in items if isinstance(item, StreamClosed) and item.pair == 0]
    assert "tcp.connection_limit" in {item.name for item in items if isinstance(item, Anomaly)}
    assert tcp.counters["forgotten_connections"] >= 398


def test_an_anomaly_is_repeated_a_few_times_only() -> None:
    wild = [Seg(0, "SF", 101, 501) for _ in range(100)]
    items = run([*handshake(), *wild])
    assert len([item for item in items if isinstance(item, Anomaly)]) == limits.REPEATED_ANOMALIES


def test_tick_gives_up_holes_and_forgets_the_silent() -> None:
    tcp = Tcp()
    for batch in batches([*handshake(), Seg(0, "A", 104, 501, b"d", at=10), Seg(1, "A", 501, 105, at=11)]):
        tcp.feed(batch)
    assert tcp.tick(12 * MILLISECOND) == []
    assert story(tcp.tick(1040 * MILLISECOND)) == ["4 at 5, 1010 ms: > 0 lost 3", "4 at 5, 10 ms: > 3 d"]
    assert story(tcp.tick(limits.IDLE_NS)) == []
    assert story(tcp.tick(limits.IDLE_NS + 100 * SECOND)) == ["5: closed idle by None lost 3"]
    assert tcp.tracked_connections == 0


def test_dues_that_never_come_do_not_pile_up() -> None:
    """Each round makes a hole, due in two minutes, acknowledges it, which makes it due at once, and gives it up."""
    tcp = Tcp()
    segments = handshake()
    for number in range(2000):
        at = 1_100.0 * number + 4
        segments.append(Seg(0, "A", 102 + 2 * number, 501, b"b", at=at))
        segments.append(Seg(1, "A", 501, 103 + 2 * number, at=at + 1))
    for batch in batches(segments, [500]):
        tcp.feed(batch)
        assert len(tcp._dues) < 1_100
    assert tcp.counters["gaps"] == 1999


def test_finish_gives_up_what_was_due_before_the_end() -> None:
    hole = [*handshake(), Seg(0, "A", 104, 501, b"d", at=10), Seg(1, "A", 501, 105, at=11)]
    assert story(run(hole, end_ns=2 * SECOND))[1:] == [
        "4 at 5, 1010 ms: > 0 lost 3", "4 at 5, 10 ms: > 3 d", "5: closed end by None lost 3",
    ]  # fmt: skip
    assert story(run(hole, end_ns=12 * MILLISECOND))[1:] == [
        "4 at 5, 11 ms: > 0 lost 3", "4 at 5, 10 ms: > 3 d", "5: closed end by None lost 3",
    ]  # fmt: skip


def test_empty_batch() -> None:
    assert run([*handshake()]) == run([*handshake()], [3, 1])
    whole = batches([*handshake()])[0]
    names = ["packet", "position", "ts_ns", "flow", "seq", "ack", "flags", "window", "offset", "length", "missing"]
    empty = type(whole)(whole.octets, *(getattr(whole, name)[:0] for name in names))
    assert items_of(Tcp().feed(empty)) == []


def test_every_anomaly_of_the_list_can_be_produced() -> None:
    shake = handshake()

    def a(offset: int, data: bytes, flags: str = "A", **more: int) -> Seg:
        return Seg(0, flags, 101 + offset, more.pop("ack", 501), data, **more)

    far = 2**30
    fins = [a(0, b"", "FA"), a(0, b"more"), Seg(1, "FA", 501, 102), a(0, b"more")]
    cases: list[tuple[list[Seg], dict[str, int]]] = [
        ([*shake, a(0, b"", ack=501 + far)], {}),
        ([*shake, a(0, b"", "SF")], {}),
        ([*shake, *handshake(pair=1), *handshake(pair=2)], {"connections": 2}),
        ([*shake, *fins], {}),
        ([*shake, a(9, b"x" * 99)], {"held_bytes": 100}),
        ([*shake, a(9, b"x" * 99)], {"total_held_bytes": 100}),
        ([*shake, a(far, b"x"), a(far + 1, b"y")], {}),
        ([*shake, a(2, b"c"), a(1, b"bX")], {}),
        ([*shake, a(far, b"", "R")], {}),
        ([*shake, a(0, b"x", "UA")], {}),
        ([*shake, a(0, b"x", window=0)], {}),
    ]
    names = {item.name for segments, bounds in cases for item in run(segments, **bounds) if isinstance(item, Anomaly)}
    assert names == set(ANOMALIES)
