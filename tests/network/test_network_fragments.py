"""IP fragments of both versions: any order, copies, overlap, loss, bounds."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_building import MAC, START_NS, Seen, both, ethernet, ipv4, ipv6, run, tcp

SEGMENT = tcp(bytes(range(200)))


def pieces4(body: bytes, cuts: list[int], **fields: int) -> list[bytes]:
    borders = [0, *cuts, len(body)]
    out = []
    for low, high in itertools.pairwise(borders):
        more = 0x2000 if high < len(body) else 0
        out.append(ethernet(ipv4(body[low:high], fragment=low // 8 | more, identification=77, **fields)))  # type: ignore[arg-type]
    return out


def pieces6(body: bytes, cuts: list[int]) -> list[bytes]:
    borders = [0, *cuts, len(body)]
    out = []
    for low, high in itertools.pairwise(borders):
        header = struct.pack(">BBHI", 6, 0, low | (high < len(body)), 99)
        out.append(ethernet(ipv6(header + body[low:high], following=44), 0x86DD))
    return out


@pytest.mark.parametrize("make", [pieces4, pieces6])
def test_any_order(make: type) -> None:
    for order in itertools.permutations(make(SEGMENT, [64, 128])):
        result = both(list(order))
        assert result.payloads == [bytes(range(200))]
        assert result.rows[0][0] == 10**10 + 3
        assert not result.anomalies
        assert result.counters == {"packets": 3, "fragments": 3, "reassembled": 1, "tcp": 1}


def test_between_other_packets_and_with_copies() -> None:
    a, b = pieces4(SEGMENT, [104])
    plain = ethernet(ipv4(tcp(b"plain", sport=5)))
    result = both([plain, a, a, plain, b, plain])
    assert result.payloads == [b"plain", b"plain", bytes(range(200)), b"plain"]
    assert not result.anomalies


def test_last_fragment_cut_by_snaplen() -> None:
    a, b = pieces4(SEGMENT, [104])
    result = both([a, Seen(b[:-50], original=len(b))])
    assert [(row[6], row[7]) for row in result.rows] == [(bytes(range(150)), 50)]


def test_first_fragment_cut_by_snaplen() -> None:
    a, b = pieces4(SEGMENT, [104])
    result = both([Seen(a[:-50], original=len(a)), b])
    assert [(row[6], row[7]) for row in result.rows] == [(bytes(range(34)), 166)]


def test_overlap_that_differs_is_told_and_the_first_counts() -> None:
    a, b = pieces4(SEGMENT, [104])
    forged = ethernet(ipv4(b"E" * 16, fragment=96 // 8 | 0x2000, identification=77))
    result = both([a, forged, b])
    assert result.names == ["network.fragment_overlap"] * 2
    assert result.payloads[0][:84] == bytes(range(84))
    same = ethernet(ipv4(SEGMENT[96:112], fragment=96 // 8 | 0x2000, identification=77))
    assert both([a, same, b]).payloads == [bytes(range(200))]
    assert not both([a, same, b]).anomalies


def test_loss_is_told() -> None:
    a, _ = pieces4(SEGMENT, [104])
    assert both([a]).names == ["network.fragments_incomplete"]
    late = pieces4(SEGMENT, [104], ttl=63)
    result = both([Seen(a, ts_ns=START_NS), Seen(late[1], ts_ns=START_NS + 31 * 10**9)])
    assert not result.rows
    assert result.names == ["network.fragments_incomplete"] * 2


def test_fragments_beyond_the_end() -> None:
    beyond = ethernet(ipv4(b"x" * 64, fragment=0x1FFF))
    odd = ethernet(ipv4(b"x" * 13, fragment=0x2000))
    assert both([beyond, odd]).names == ["network.bad_fragment"] * 2


def test_bounds() -> None:
    heads = [ethernet(ipv4(SEGMENT[:104], fragment=0x2000, identification=i)) for i in range(5)]
    result = both(heads, fragment_packets=3)
    assert result.names == ["network.fragment_limit"] * 2 + ["network.fragments_incomplete"] * 3
    assert "network.fragment_limit" in both(heads, fragment_octets=250).names
    many = pieces4(SEGMENT, list(range(8, 216, 8)))
    assert "network.fragment_limit" in both(many, fragments_per_packet=10).names


def test_fragmented_tunnel() -> None:
    inner = MAC + b"\x08\0" + ipv4(tcp(b"deep"))
    outer = b"\0\0\x65\x58" + inner
    parts = [
        ethernet(ipv4(outer[:48], fragment=0x2000, protocol=47)),
        ethernet(ipv4(outer[48:], fragment=48 // 8, protocol=47)),
    ]
    assert both(parts).payloads == [b"deep"]


@settings(max_examples=100, deadline=None)
@given(
    st.binary(min_size=1, max_size=400),
    st.sets(st.integers(1, 49), max_size=8),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_any_cuts_in_any_order(payload: bytes, cuts: set[int], rng: object, six: bool) -> None:
    body = tcp(payload)
    places = sorted(cut * 8 for cut in cuts if cut * 8 < len(body))
    if not places:
        places = [8]
    parts = (pieces6 if six else pieces4)(body, places)
    rng.shuffle(parts)  # type: ignore[attr-defined]
    assert run(parts).payloads == [payload]
