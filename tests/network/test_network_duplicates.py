"""Copies by mirrors and bridges are dropped; what TCP itself repeats never is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_building import START_NS, Result, Seen, both, ethernet, ipv4, ipv6, tcp

OTHER_MAC = bytes.fromhex("020000000003020000000004")
MS = 10**6


def frame(
    identification: int,
    *,
    ttl: int = 64,
    mac: bytes | None = None,
    tags: tuple[int, ...] = (),
    payload: bytes = b"data",
    **fields: int,
) -> bytes:
    options = {} if mac is None else {"mac": mac}
    body = ipv4(tcp(payload, **fields), identification=identification, ttl=ttl)  # type: ignore[arg-type]
    return ethernet(body, tags=tags, **options)  # type: ignore[arg-type]


def pair(first: bytes, second: bytes, *, gap_ns: int = MS, interface: int = 0) -> Result:
    return both([Seen(first, ts_ns=START_NS), Seen(second, ts_ns=START_NS + gap_ns, interface=interface)])


def is_dropped(result: Result) -> bool:
    dropped = len(result.rows) == 1
    assert result.counters.get("duplicates", 0) == (1 if dropped else 0)
    assert result.counters["tcp"] == 2
    return dropped


def test_copies_are_dropped() -> None:
    assert is_dropped(pair(frame(9), frame(9)))
    assert is_dropped(pair(frame(9), frame(9), interface=1))
    assert is_dropped(pair(frame(9), frame(9, ttl=63, mac=OTHER_MAC)))
    assert is_dropped(pair(frame(9), frame(9, tags=(0x8100,))))
    assert is_dropped(pair(frame(9), frame(9), gap_ns=0))


def test_without_identification_another_place_must_prove_it() -> None:
    assert not is_dropped(pair(frame(0), frame(0)))
    assert is_dropped(pair(frame(0), frame(0), interface=1))
    assert is_dropped(pair(frame(0), frame(0, ttl=63)))
    assert is_dropped(pair(frame(0), frame(0, mac=OTHER_MAC)))
    assert is_dropped(pair(frame(0), frame(0, tags=(0x8100,))))
    six = ethernet(ipv6(tcp(b"data")), 0x86DD)
    assert not is_dropped(pair(six, six))
    assert is_dropped(pair(six, six, interface=2))


@pytest.mark.parametrize("change", [{"seq": 2}, {"ack": 2}, {"flags": 0x10}, {"window": 5}, {"sport": 4}])
def test_other_segments_are_kept(change: dict[str, int]) -> None:
    assert not is_dropped(pair(frame(9), frame(9, **change), interface=1))  # type: ignore[arg-type]


def test_retransmissions_are_kept() -> None:
    assert not is_dropped(pair(frame(9), frame(10)))
    assert not is_dropped(pair(frame(9), frame(10), interface=1))
    assert not is_dropped(pair(frame(9), frame(9), gap_ns=200 * MS))
    assert not is_dropped(pair(frame(9), frame(9), gap_ns=5 * MS + 1))
    assert not is_dropped(pair(frame(9), frame(9, payload=b"atad"), interface=1))


def test_every_packet_on_two_interfaces() -> None:
    packets = []
    for index in range(200):
        for interface in range(2):
            data = frame(index + 1 if index % 3 else 0, seq=index * 4)
            packets.append(Seen(data, ts_ns=START_NS + index * MS // 4 + interface, interface=interface))
    result = both(packets)
    assert result.counters["duplicates"] == 200
    assert [row[2] for row in result.rows] == [index * 4 for index in range(200)]


def test_lookback_is_bounded_the_same_for_any_batch() -> None:
    between = [Seen(frame(index + 100, seq=index), ts_ns=START_NS) for index in range(6)]
    packets = [Seen(frame(9), ts_ns=START_NS), *between, Seen(frame(9), ts_ns=START_NS)]
    assert both(packets, duplicate_lookback=7).counters["duplicates"] == 1
    assert "duplicates" not in both(packets, duplicate_lookback=6).counters


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 4), st.integers(0, 1), st.integers(0, 4)),
        max_size=25,
    )
)
def test_any_history_in_any_batches(history: list[tuple[int, int, int, int, int]]) -> None:
    now = START_NS
    packets = []
    for identification, seq, step, interface, ttl in history:
        now += step * 1_500_000
        packets.append(Seen(frame(identification, seq=seq, ttl=60 + ttl // 3), ts_ns=now, interface=interface))
    both(packets, duplicate_lookback=4)
