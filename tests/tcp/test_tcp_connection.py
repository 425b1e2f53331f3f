"""Transcripts: what each kind of segment does to a connection."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tcp_segments import Seg, handshake, run, story

from ocpp_inspect.model import StreamClosed

H = handshake()
OPEN = "1: opened by 0"


def tell(*segments: Seg, **bounds: int) -> list[str]:
    """The story, which must not depend on the lane or on batches."""
    whole = run(segments, **bounds)
    assert run(segments, per_item=True, **bounds) == whole
    ordered = sorted(whole, key=lambda item: item.position)
    assert sorted(run(segments, [1], **bounds), key=lambda item: item.position) == ordered
    padded = [*segments, *(Seg(999, "A", 1, 1, at=1) for _ in range(40))]  # a batch large enough for the columns
    padded_items = [item for item in run(padded, **bounds) if getattr(item, "packet", 0) % 10**10 <= len(segments)]
    ended = [line for line in story(padded_items) if "closed end" not in line and "closed idle" not in line]
    assert ended == [line for line in story(whole) if "closed end" not in line and "closed idle" not in line]
    return story(whole)


def up(offset: int, data: bytes, **more: object) -> Seg:
    return Seg(0, "PA", 101 + offset, 501, data, **more)  # type: ignore[arg-type]


def down(offset: int, data: bytes = b"", ack: int = 0, **more: object) -> Seg:
    return Seg(1, "A", 501 + offset, 101 + ack, data, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ends", "at_ms"),
    [
        ([Seg(1, "FA", 501, 101, at=7), Seg(0, "FA", 101, 502, at=9), Seg(1, "A", 502, 102, at=11)], 7),
        ([Seg(1, "FA", 501, 101, at=7), up(0, b"x", at=9), Seg(1, "R", 502, at=11)], 7),
        ([Seg(0, "R", 101, at=8)], 8),
        ([], None),
    ],
)
def test_when_a_connection_began_to_end_is_told(ends: list[Seg], at_ms: int | None) -> None:
    items = run([*H, *ends])
    (closed,) = [item for item in items if isinstance(item, StreamClosed)]
    assert closed.ended_ns == (None if at_ms is None else at_ms * 10**6)


def test_plain_connection() -> None:
    assert tell(
        *H, up(0, b"GET"), down(0, b"101", 3), Seg(0, "FA", 104, 504), Seg(1, "FA", 504, 105), Seg(0, "A", 105, 505)
    ) == [OPEN, "4: > 0 GET", "5: < 0 101", "7: closed fin by 0 lost 0"]


def test_out_of_order_waits_for_the_missing_part() -> None:
    assert tell(*H, up(3, b"def"), up(6, b"g"), up(0, b"abc")) == [
        OPEN, "6: > 0 abc", "6: > 3 def", "6: > 6 g", "6: closed end by None lost 0",
    ]  # fmt: skip


def test_a_time_behind_every_time_does_not_hang() -> None:
    """A damaged clock may be beyond the year 2116, behind what stands for never: no other hole is due for that."""
    late = [replace(segment, at=5e12) for segment in (*H, up(3, b"def"), up(0, b"abc"))]
    assert story(run(late))[-1].startswith("5: closed")


def test_retransmissions_full_partial_and_spurious_are_delivered_once() -> None:
    assert tell(*H, up(0, b"abc"), up(0, b"abc"), up(1, b"bcde"), up(0, b"abcde"), up(5, b"f")) == [
        OPEN, "4: > 0 abc", "6: > 3 de", "8: > 5 f", "8: closed end by None lost 0",
    ]  # fmt: skip


def test_overlap_with_other_octets_keeps_the_first() -> None:
    assert tell(*H, up(2, b"cd"), up(1, b"bXd"), up(0, b"a")) == [
        OPEN, "5: tcp.overlap_differs", "6: > 0 a", "6: > 1 b", "6: > 2 cd", "6: closed end by None lost 0",
    ]  # fmt: skip


def test_retransmission_with_other_octets_than_were_handed_on() -> None:
    assert tell(*H, up(0, b"abcd"), up(4, b"ef"), up(0, b"abcd"), up(2, b"cdXf"), up(1, b"bcdefg")) == [
        OPEN, "4: > 0 abcd", "5: > 4 ef", "7: tcp.overlap_differs", "8: tcp.overlap_differs", "8: > 6 g",
        "8: closed end by None lost 0",
    ]  # fmt: skip


@pytest.mark.parametrize("initial", [2**32 - 1, 2**32 - 2, 2**32 - 4, 2**31 - 3])
def test_sequence_wrap(initial: int) -> None:
    first = initial + 1
    assert tell(
        *handshake(initial), Seg(0, "A", first + 3, 501, b"def"), Seg(0, "A", first, 501, b"abc"),
        Seg(0, "A", first + 6, 501, b"g"), Seg(1, "A", 501, first + 7),
    ) == [OPEN, "5: > 0 abc", "5: > 3 def", "6: > 6 g", "7: closed end by None lost 0"]  # fmt: skip


def test_keep_alive_is_silent() -> None:
    assert tell(*H, up(0, b"abc"), up(2, b""), up(2, b"c"), down(0, ack=3), up(3, b"d")) == [
        OPEN, "4: > 0 abc", "8: > 3 d", "8: closed end by None lost 0",
    ]  # fmt: skip


def test_hole_that_the_peer_acknowledged_is_given_up_after_a_grace() -> None:
    assert tell(*H, up(3, b"def", at=10), down(0, ack=6, at=11), down(0, ack=6, at=1_011)) == [
        OPEN, "4 at 6, 1010 ms: > 0 lost 3", "4 at 6, 10 ms: > 3 def", "6: closed end by None lost 3",
    ]  # fmt: skip


def others(*times: float) -> list[Seg]:
    """Packets of another connection: all that they do is to show that time passes."""
    return [Seg(2, "A", 1, 1, at=at) for at in times]


def tell_first(*segments: Seg) -> list[str]:
    """The story of the first connection, without its close."""
    return [line for line in tell(*segments)[1:] if "opened by None midway" not in line and "closed end" not in line]


def test_acknowledged_hole_is_due_whoever_sends_the_next_packet() -> None:
    hole = [*H, up(3, b"def", at=10), down(0, ack=6, at=11)]
    assert tell_first(*hole, *others(1_009.99), up(0, b"abc", at=1_009.99)) == ["7: > 0 abc", "7: > 3 def"]
    assert tell_first(*hole, *others(1_009.99, 1_010, 60_000)) == [
        "4 at 7, 1010 ms: > 0 lost 3", "4 at 7, 10 ms: > 3 def",
    ]  # fmt: skip
    # Minutes later, still with the time it was due, and in front of what the connection says then.
    assert tell_first(*hole, *others(12), up(6, b"g", at=60_000)) == [
        "4 at 7, 1010 ms: > 0 lost 3", "4 at 7, 10 ms: > 3 def", "7: > 6 g",
    ]  # fmt: skip


def test_octets_that_nobody_captured_are_due_a_second_after_their_acknowledgment() -> None:
    hole = [*H, down(0, b"x", 8, at=10)]
    assert tell_first(*hole, *others(1_009), up(0, b"01234567", at=1_009)) == [
        "4: > doubted", "6: > 0 01234567", "4 at 6, 1009 ms: < 0 x",
    ]  # fmt: skip
    assert tell_first(*hole, *others(1_009, 1_010)) == [
        "4: > doubted", "4 at 6, 1010 ms: > 0 lost 8", "4 at 6, 10 ms: < 0 x",
    ]  # fmt: skip


def test_hole_is_due_after_three_seconds_when_the_peer_was_never_captured() -> None:
    hole = [H[0], up(0, b"abc", at=9), up(5, b"fg", at=10)]
    assert tell_first(*hole, *others(3_009, 3_010)) == [
        "2: > 0 abc", "3 at 5, 3010 ms: > 3 lost 2", "3 at 5, 10 ms: > 5 fg",
    ]  # fmt: skip
    assert tell_first(*hole, *others(3_009), up(3, b"de", at=3_009)) == ["2: > 0 abc", "5: > 3 de", "5: > 5 fg"]


def test_hole_that_was_never_acknowledged_is_due_after_two_minutes() -> None:
    hole = [*H, up(3, b"def", at=10), down(0, at=11)]
    assert tell_first(*hole, *others(120_009, 120_010)) == [
        "4 at 7, 120010 ms: > 0 lost 3", "4 at 7, 10 ms: > 3 def",
    ]  # fmt: skip
    assert tell_first(*hole, *others(120_009), up(0, b"abc", at=120_009)) == ["7: > 0 abc", "7: > 3 def"]


def test_each_hole_has_its_own_time_and_a_packets_octets_name_one_packet() -> None:
    """What waited names the packet with which everything up to it had come: 9 to 10 came before 7 to 9."""
    holes = [up(3, b"d", at=10), up(9, b"j", at=15), up(6, b"g", at=16), up(7, b"hi", at=17), down(0, ack=10, at=18)]
    assert tell_first(*H, *holes, *others(1_100)) == [
        "4 at 9, 1010 ms: > 0 lost 3", "4 at 9, 10 ms: > 3 d", "6 at 9, 1016 ms: > 4 lost 2", "6 at 9, 16 ms: > 6 g",
        "7 at 9, 17 ms: > 7 hi", "7 at 9, 17 ms: > 9 j",
    ]  # fmt: skip


def test_time_alone_completes_a_close() -> None:
    fins = [Seg(0, "FA", 107, 501, at=11), Seg(1, "FA", 501, 108, at=12)]
    assert tell_first(*H, up(3, b"def", at=10), *fins, *others(1_100)) == [
        "4 at 7, 1010 ms: > 0 lost 3", "4 at 7, 10 ms: > 3 def", "6 at 7, 1010 ms: closed fin by 0 lost 3",
    ]  # fmt: skip


def test_a_clock_that_steps_back_gives_up_nothing_early() -> None:
    back = [
        *others(50_000),
        up(3, b"def", at=10),
        down(0, ack=6, at=11),
        *others(12, 1_031, 50_999),
        up(0, b"abc", at=40),
    ]
    assert tell_first(*H, *back) == ["10: > 0 abc", "10: > 3 def"]


def test_a_hole_is_given_up_before_its_connection_is_forgotten() -> None:
    """By its own old times it was silent for an hour, by the clock that had run ahead its hole is recent."""
    before = [*others(5_000_000), up(3, b"def", at=10), Seg(0, "FA", 107, 501, at=11)]
    assert tell_first(*H, *before, *others(5_070_000, 5_071_000, 5_121_000)) == [
        "5 at 9, 5.12e+06 ms: > 0 lost 3", "5 at 9, 5e+06 ms: > 3 def",
        "6 at 9, 5.12e+06 ms: closed idle by None lost 3",
    ]  # fmt: skip


def test_hole_is_given_up_after_many_packets() -> None:
    acks = [down(0, ack=6, at=10) for _ in range(40)]
    assert tell(*H, up(3, b"def", at=10), *acks)[1:3] == ["4 at 36, 10 ms: > 0 lost 3", "4 at 36, 10 ms: > 3 def"]


def test_acknowledgment_recorded_before_its_octets_loses_nothing() -> None:
    assert tell(*H, down(0, ack=3, at=10), up(0, b"abc", at=900), up(3, b"d", at=2000)) == [
        OPEN, "5: > 0 abc", "6: > 3 d", "6: closed end by None lost 0",
    ]  # fmt: skip


def test_hole_that_the_peer_did_not_acknowledge_waits_for_the_retransmission() -> None:
    assert tell(*H, up(3, b"def", at=10), down(0, at=11), down(0, at=60_000), up(0, b"abc", at=60_001)) == [
        OPEN, "7: > 0 abc", "7: > 3 def", "7: closed end by None lost 0",
    ]  # fmt: skip


def test_acknowledged_octets_that_were_never_captured_are_a_gap() -> None:
    assert tell(*H, down(0, b"x", 8, at=10), down(1, b"y", 8, at=1500), up(8, b"z", at=1501)) == [
        OPEN, "4: > doubted", "4 at 5, 1010 ms: > 0 lost 8", "4 at 5, 10 ms: < 0 x", "5: < 1 y", "6: > 8 z",
        "6: closed end by None lost 8",
    ]  # fmt: skip


def test_a_lack_is_doubted_once_before_the_data_that_answers_it() -> None:
    """The answer to octets that were not captured comes after the doubt; a bare ACK and a FIN's octet doubt nothing."""
    assert tell(*H, down(0, b"x", 8), down(1, b"y", 8), down(2, b"z", 12))[1:3] == ["4: > doubted", "6: > doubted"]
    assert tell(*H, down(0, ack=8), down(0, b"x", 1))[1:2] == ["5: > doubted"]
    assert tell(*H, down(0, b"x", 1))[1:2] == ["4: < 0 x"]


def test_an_answer_recorded_before_its_question_comes_behind_it() -> None:
    """So the pairing of requests and answers does not depend on how the capture's queues swap packets."""
    swapped = [
        down(0, b"yes", 4, at=10),
        Seg(0, "A", 105, 504, b"2?", at=12),
        up(0, b"one?", at=11),
        down(3, b"ok", 6, at=14),
    ]
    assert tell_first(*H, *swapped) == [
        "4: > doubted", "6: > 0 one?", "4 at 6, 11 ms: < 0 yes", "6: > 4 2?", "7: < 3 ok",
    ]  # fmt: skip


def test_an_answer_waits_although_it_fills_a_hole() -> None:
    """Behind the hole stands what answers to it, and that waits as well."""
    swapped = [
        Seg(0, "A", 105, 504, b"2?", at=10),
        down(0, b"yes", 4, at=11),
        up(0, b"one?", at=12),
        down(3, b"ok", 6, at=14),
    ]
    assert tell_first(*H, *swapped) == [
        "4: < doubted", "6: > 0 one?", "5 at 6, 12 ms: < 0 yes", "6: > 4 2?", "7: < 3 ok",
    ]  # fmt: skip


def test_a_question_that_was_recorded_behind_its_answer_is_doubted() -> None:
    """Its side was not seen before, so the answer could not know that it had to wait."""
    story = [Seg(1, "SA", 500, 101), down(0, b"yes", 4), up(0, b"one?"), down(3, b"ok", 4)]
    assert tell(*story)[1:4] == ["2: > doubted", "2: < 0 yes", "3: < doubted"]
    midway = [down(0, b"a", 4), down(1, b"b", 8), up(4, b"two?"), up(8, b"x", at=9)]
    assert tell(*midway)[1:6] == ["1: < 0 a", "2: > doubted", "2: < 1 b", "3: < doubted", "3: > 0 two?"]


def test_octets_in_flight_when_we_joined_are_doubted_when_they_were_acknowledged() -> None:
    story = [Seg(0, "A", 101, 501, b"a"), Seg(0, "A", 102, 509, b"b"), down(8, b"c", 2)]
    assert tell(*story)[1:] == [
        "1: > 0 a", "2: < doubted", "2: > 1 b", "3: < doubted", "3: < 0 c", "3: closed end by None lost 0",
    ]  # fmt: skip
    assert "doubted" not in str(tell(Seg(0, "A", 101, 501, b"a"), down(8, b"c", 2)))


def test_the_last_segment_that_shows_all_before_it_is_told() -> None:
    def heard(*segments: Seg) -> tuple[int, int] | None:
        """In ms; of both lanes, which must agree: the columns take what comes behind the handshake."""
        padded = [*segments, *(Seg(999, "A", 1, 1, at=900) for _ in range(40))]
        items = [item for per_item in (False, True) for item in run(padded, [3, 1000], per_item=per_item)]
        (heard_ns,) = {item.heard_ns for item in items if isinstance(item, StreamClosed) and item.pair == 0}
        return None if heard_ns is None else (heard_ns[0] // 10**6, heard_ns[1] // 10**6)

    assert heard(*H, up(0, b"abc", at=10), down(0, b"x", 3, at=20)) == (10, 20)
    assert heard(*H, up(0, b"abc", at=10), down(0, ack=3, at=11), down(0, b"x", 3, at=20)) == (10, 20)
    # What stands behind a hole shows nothing; neither does an acknowledgment behind one. A keep-alive does.
    assert heard(*H, up(0, b"abc", at=10), down(7, b"x", 3, at=20)) == (10, 2)
    assert heard(*H, up(0, b"abc", at=10), down(7, ack=3, at=20)) == (10, 2)
    assert heard(*H, up(0, b"abc", at=10), down(-1, ack=3, at=20)) == (10, 20)


def test_an_answer_to_a_question_that_was_lost_comes_behind_the_loss() -> None:
    story = [
        down(0, b"yes", 4, at=10), Seg(0, "A", 105, 504, b"2?", at=100), down(3, b"ok", 6, at=110),
        Seg(0, "A", 107, 506, b"3?", at=200),
    ]  # fmt: skip
    assert tell_first(*H, *story, *others(1_010)) == [
        "4: > doubted", "5 at 8, 1010 ms: > 0 lost 4", "4 at 8, 10 ms: < 0 yes", "5 at 8, 100 ms: > 4 2?",
        "6 at 8, 110 ms: < 3 ok", "7 at 8, 200 ms: > 6 3?",
    ]  # fmt: skip


def test_one_direction_only() -> None:
    assert tell(Seg(0, "S", 100), up(0, b"abc"), up(5, b"fg", at=10), up(7, b"h", at=5000)) == [
        OPEN, "2: > 0 abc", "3 at 4, 3010 ms: > 3 lost 2", "3 at 4, 10 ms: > 5 fg", "4: > 7 h",
        "4: closed end by None lost 2",
    ]  # fmt: skip


def test_joined_midway_starts_where_it_starts() -> None:
    assert tell(up(50, b"abc"), down(90, b"x", 53), up(53, b"d")) == [
        "1: opened by None midway", "1: > 0 abc", "2: < 0 x", "3: > 3 d", "3: closed end by None lost 0",
    ]  # fmt: skip


def test_only_the_syn_ack_was_seen() -> None:
    assert tell(*H[1:], up(0, b"abc"), down(0, b"x", 3)) == [
        "1: opened by 0", "3: > 0 abc", "4: < 0 x", "4: closed end by None lost 0",
    ]  # fmt: skip


def test_syn_recorded_behind_the_syn_ack_and_repeated() -> None:
    assert tell(H[1], H[0], H[0], H[1], H[2], up(0, b"abc"))[0::1] == [
        "1: opened by 0", "6: > 0 abc", "6: closed end by None lost 0",
    ]  # fmt: skip


def test_simultaneous_open() -> None:
    assert tell(Seg(0, "S", 100), Seg(1, "S", 500), Seg(0, "SA", 100, 501), Seg(1, "SA", 500, 101), up(0, b"a")) == [
        OPEN, "5: > 0 a", "5: closed end by None lost 0",
    ]  # fmt: skip


def test_octets_in_the_syn() -> None:
    assert tell(Seg(0, "S", 100, data=b"abc"), Seg(1, "SA", 500, 104), Seg(0, "A", 104, 501, b"d")) == [
        OPEN, "1: > 0 abc", "3: > 3 d", "3: closed end by None lost 0",
    ]  # fmt: skip


def test_half_close_lets_the_other_side_go_on() -> None:
    assert tell(*H, Seg(0, "FA", 101, 501), down(0, b"abc", 1), down(3, b"d", 1), Seg(1, "FA", 505, 102)) == [
        OPEN, "5: < 0 abc", "6: < 3 d", "7: closed fin by 0 lost 0",
    ]  # fmt: skip


def test_fin_out_of_order_and_repeated() -> None:
    assert tell(
        *H,
        Seg(0, "FA", 104, 501),
        Seg(0, "FA", 104, 501),
        Seg(1, "FA", 501, 101),
        up(0, b"abc"),
        Seg(1, "FA", 501, 105),
    ) == [OPEN, "7: > 0 abc", "7: closed fin by 0 lost 0"]


def test_fin_that_was_not_captured_is_no_gap() -> None:
    assert tell(*H, up(0, b"abc"), down(0, ack=4, at=10), down(0, b"x", ack=4, at=5000)) == [
        OPEN, "4: > 0 abc", "6: < 0 x", "6: closed end by None lost 0",
    ]  # fmt: skip


def test_acknowledgment_of_a_fin_recorded_before_it() -> None:
    assert tell(*H, down(0, ack=1), Seg(0, "FA", 101, 501), Seg(1, "FA", 501, 102)) == [
        OPEN, "6: closed fin by 0 lost 0",
    ]  # fmt: skip


def test_reset_gives_out_what_waits() -> None:
    assert tell(*H, up(3, b"def"), Seg(0, "R", 107), down(0, b"late", 1)) == [
        OPEN, "4 at 5, 5 ms: > 0 lost 3", "4 at 5, 4 ms: > 3 def", "5: closed rst by 0 lost 3",
    ]  # fmt: skip


def test_refused_and_scanned_ports() -> None:
    assert tell(Seg(0, "S", 100), Seg(1, "RA", 0, 101)) == [OPEN, "2: closed rst by 1 lost 0"]
    assert tell(Seg(0, "R", 100)) == ["1: opened by None midway", "1: closed rst by 0 lost 0"]


def test_reset_outside_the_window_is_ignored() -> None:
    assert tell(*H, Seg(0, "R", 101 + 2**30), up(0, b"abc")) == [
        OPEN, "4: tcp.rst_out_of_window", "5: > 0 abc", "5: closed end by None lost 0",
    ]  # fmt: skip


def test_ports_used_again() -> None:
    assert tell(*H, up(0, b"abc"), *handshake(9000, 7000), Seg(0, "A", 9001, 7001, b"new")) == [
        OPEN, "4: > 0 abc", "5: closed reuse by None lost 0", "5: opened by 0", "8: > 0 new",
        "8: closed end by None lost 0",
    ]  # fmt: skip


def test_ports_used_again_after_the_close() -> None:
    assert tell(*H, Seg(0, "R", 101), *handshake(9000, 7000), Seg(0, "A", 9001, 7001, b"new"))[1:] == [
        "4: closed rst by 0 lost 0", "5: opened by 0", "8: > 0 new", "8: closed end by None lost 0",
    ]  # fmt: skip


def test_ports_used_again_without_a_captured_syn() -> None:
    far = 2**30
    assert tell(*H, up(0, b"abc"), up(far, b"GET", at=10), down(far, b"101", far + 3, at=11)) == [
        OPEN, "4: > 0 abc", "5: tcp.out_of_window", "6: closed reuse by None lost 0", "6: opened by None midway",
        "6: > 0 GET", "6: tcp.sequence_jump", "6: < 0 101", "6: closed end by None lost 0",
    ]  # fmt: skip


def test_a_single_wild_segment_changes_nothing() -> None:
    assert tell(*H, up(0, b"abc"), up(2**30, b"wild"), up(3, b"d")) == [
        OPEN, "4: > 0 abc", "5: tcp.out_of_window", "6: > 3 d", "6: closed end by None lost 0",
    ]  # fmt: skip


def test_snaplen_gives_what_is_present_and_a_gap() -> None:
    assert tell(*H, up(0, b"abc", missing=4), up(7, b"h")) == [
        OPEN, "4: > 0 abc", "4: > 3 lost 4", "5: > 7 h", "5: closed end by None lost 4",
    ]  # fmt: skip


def test_snaplen_behind_a_hole_is_filled_by_a_longer_copy() -> None:
    assert tell(*H, up(1, b"b", missing=3), up(2, b"cde"), up(0, b"a")) == [
        OPEN, "6: > 0 a", "6: > 1 b", "6: > 2 cde", "6: closed end by None lost 0",
    ]  # fmt: skip


def test_zero_window_is_told_once_an_episode() -> None:
    stalled = [down(0, window=0), down(0, window=0), down(0), down(0, window=0)]
    assert tell(*H, *stalled)[1:-1] == ["4: tcp.zero_window", "7: tcp.zero_window"]


def test_silence_ends_a_connection() -> None:
    day = 24 * 3600 * 1000.0
    assert tell(*H, up(0, b"a", at=10), up(1, b"b", at=day), up(2, b"c", at=3 * day)) == [
        OPEN, "4: > 0 a", "5: > 1 b", "5: closed idle by None lost 0", "6: opened by None midway", "6: > 0 c",
        "6: closed end by None lost 0",
    ]  # fmt: skip


def test_half_open_is_forgotten_earlier() -> None:
    assert tell(Seg(0, "S", 100, at=0), Seg(0, "S", 100, at=121_000))[1:3] == [
        "1: closed idle by None lost 0", "2: opened by 0",
    ]  # fmt: skip


def test_data_after_fin_and_after_close() -> None:
    fins = [Seg(0, "FA", 101, 501), up(0, b"more"), Seg(1, "FA", 501, 102), up(0, b"more")]
    assert tell(*H, *fins)[1:] == [
        "5: tcp.data_after_fin", "6: closed fin by 0 lost 0", "7: tcp.data_after_close",
    ]  # fmt: skip


def test_the_side_that_reset_goes_on() -> None:
    assert tell(*H, Seg(0, "R", 101), up(0, b"abc")) == [
        OPEN, "4: closed rst by 0 lost 0", "5: tcp.data_after_close", "5: opened by None midway", "5: > 0 abc",
        "5: closed end by None lost 0",
    ]  # fmt: skip
