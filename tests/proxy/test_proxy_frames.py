"""Boundaries, messages and frames of our own, in any chunking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ocpp_inspect.proxy.frames import Boundary, MessageReader, encode_close, encode_frame, frame_length, payload_of

LENGTHS = st.sampled_from([0, 1, 2, 125, 126, 127, 200, 65_535, 65_536, 70_000])


def fragment(first: int, payload: bytes, *, is_masked: bool) -> bytes:
    frame = bytearray(encode_frame(1, payload, is_masked=is_masked))
    frame[0] = first
    return bytes(frame)


@st.composite
def dialogues(draw: st.DrawFn) -> list[tuple[bytes, int, bytes]]:
    """(octets, opcode, payload) of messages; fragmented ones with pings in between."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        masked = draw(st.booleans())
        parts = [bytes([draw(st.integers(0, 255))]) * draw(LENGTHS) for _ in range(draw(st.integers(1, 3)))]
        last = len(parts) - 1
        octets = b"".join(
            fragment((0x80 if i == last else 0) | (0 if i else 1), part, is_masked=masked)
            for i, part in enumerate(parts)
        )
        found.append((octets, 1, b"".join(parts)))
        if draw(st.booleans()):
            found.append((encode_frame(9, b"hi", is_masked=masked), 9, b"hi"))
    return found


def chunked(octets: bytes, cuts: list[int]) -> list[bytes]:
    stops = sorted({min(cut, len(octets)) for cut in cuts} | {len(octets)})
    return [octets[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]


@given(dialogues(), st.lists(st.integers(0, 300_000), max_size=8))
def test_any_chunking_gives_the_same_messages(dialogue: list[tuple[bytes, int, bytes]], cuts: list[int]) -> None:
    octets = b"".join(each for each, _, _ in dialogue)
    reader = MessageReader()
    found = [raw for chunk in chunked(octets, cuts) for raw in reader.feed(chunk)]
    assert [(raw.octets, raw.opcode, raw.payload) for raw in found] == dialogue
    assert reader.is_between_messages


@given(dialogues(), st.lists(st.integers(0, 300_000), max_size=8))
def test_a_boundary_is_where_a_message_ends(dialogue: list[tuple[bytes, int, bytes]], cuts: list[int]) -> None:
    octets = b"".join(each for each, _, _ in dialogue)
    ends = {0}
    for each, _, _ in dialogue:
        ends.add(max(ends) + len(each))
    boundary = Boundary()
    at = 0
    for chunk in chunked(octets, cuts):
        boundary.feed(chunk)
        at += len(chunk)
        assert boundary.is_between_messages == (at in ends)


@given(dialogues(), st.integers(0, 100_000))
def test_split_stops_behind_the_first_message_that_ends(dialogue: list[tuple[bytes, int, bytes]], cut: int) -> None:
    octets = b"".join(each for each, _, _ in dialogue)
    cut = min(cut, len(octets))
    boundary = Boundary()
    boundary.feed(octets[:cut])
    ends, at = [0], 0
    for each, _, _ in dialogue:
        at += len(each)
        ends.append(at)
    assert boundary.split(octets[cut:]) == min(end for end in ends if end >= cut) - cut
    assert boundary.is_between_messages


def test_octet_by_octet_with_a_tail() -> None:
    whole = encode_frame(1, b"a" * 200, is_masked=True) + encode_frame(1, b"b" * 70_000, is_masked=False)
    reader, boundary = MessageReader(), Boundary()
    found = []
    for index in range(len(whole)):
        found += reader.feed(whole[index : index + 1])
        boundary.feed(whole[index : index + 1])
    found += reader.feed(b"\x81")
    boundary.feed(b"\x81")
    assert [raw.payload for raw in found] == [b"a" * 200, b"b" * 70_000]
    assert not reader.is_between_messages
    assert not boundary.is_between_messages


def test_a_frame_beyond_the_limit_is_told_from_its_header() -> None:
    boundary = Boundary(maximum=1000)
    boundary.feed(encode_frame(1, b"x" * 900, is_masked=True))
    assert boundary.too_long == 0
    boundary.feed(encode_frame(1, b"x" * 2000, is_masked=True)[:4])
    assert boundary.too_long == 2008


def test_a_message_too_long_is_handed_on_in_pieces_and_reading_goes_on() -> None:
    reader = MessageReader(maximum=1000)
    long = fragment(0x01, b"a" * 600, is_masked=True) + fragment(0x80, b"b" * 600, is_masked=True)
    short = encode_frame(1, b"short", is_masked=True)
    found = reader.feed(long[:700]) + reader.feed(long[700:] + short)
    assert b"".join(raw.octets for raw in found) == long + short
    assert [raw.payload for raw in found][-1] == b"short"
    assert all(raw.payload is None for raw in found[:-1])
    assert reader.is_between_messages


def test_a_close_frame_fits_whatever_its_reason() -> None:
    frame = encode_close(1000, "é" * 200, is_masked=False)
    assert frame_length(frame, 0) == len(frame) <= 127
    assert payload_of(frame)[2:].decode() == "é" * 61
