"""The capture's clock: what it shows at a position, where it shows a time, and what it forgets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ocpp_inspect.tcp.timeline import Clock, Timeline


def clock(times: list[int], first: int = 0) -> Clock:
    return Clock(np.array(times, dtype=np.int64), np.arange(first, first + len(times), dtype=np.int64))


def shown(timeline: Timeline, positions: list[int], own: int = 0) -> list[int]:
    column = np.array(positions, dtype=np.int64)
    return timeline.at(column, np.full(len(positions), own, dtype=np.int64)).tolist()


@given(st.lists(st.integers(0, 60), min_size=1, max_size=80), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_it_is_the_newest_time_so_far(times: list[int], sizes: list[int]) -> None:
    timeline = Timeline(1_000)
    start = turn = 0
    while start < len(times):
        timeline.advance(clock(times[start : start + sizes[turn % len(sizes)]], start))
        start += sizes[turn % len(sizes)]
        turn += 1
    newest = [max(times[: index + 1]) for index in range(len(times))]
    assert shown(timeline, list(range(len(times)))) == newest
    assert timeline.now_ns == newest[-1]
    for due in range(70):
        reached = [position for position, now in enumerate(newest) if now >= due]
        assert timeline.position_of(due) == (reached[0] if reached else len(times) - 1)


def test_late_packets_move_no_clock() -> None:
    timeline = Timeline(1_000)
    timeline.advance(clock([10, 20, 30]))
    timeline.advance(clock([99, 99, 99, 40], first=0))
    assert shown(timeline, [0, 1, 2, 3]) == [10, 20, 30, 40]


def test_it_remembers_a_bounded_past() -> None:
    timeline = Timeline(100)
    for start in range(0, 100_000, 50):
        timeline.advance(clock(list(range(start, start + 50)), start))
    assert len(timeline._position) <= 2_000
    assert shown(timeline, list(range(99_900, 100_000))) == list(range(99_900, 100_000))
    assert shown(timeline, [5], own=7) == [7]
    assert timeline.position_of(5) >= 98_000


def test_without_a_packet_it_shows_nothing() -> None:
    assert shown(Timeline(10), [3], own=7) == [7]
