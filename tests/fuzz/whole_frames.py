"""Records of a capture in; the texts of the WebSocket frames that are wholly there, behind a begin of a segment, out.

Written for the tests only and apart from the rooms: what stands in one segment from its begin needs no reassembly, so
whatever else is missing, a decoder has no excuse to miss it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from capture_records import Record, payload_of, place_of

_TEXT, _CONTROLS = 1, (8, 9, 10)


def texts_in(payload: bytes) -> Iterator[str]:
    """Uncompressed texts of one segment that look like OCPP-J, up to the first octet that is not understood."""
    at = 0
    while at + 2 <= len(payload):
        first, second = payload[at], payload[at + 1]
        opcode, length, start = first & 15, second & 0x7F, at + 2
        if first & 0xF0 != 0x80 or opcode not in (_TEXT, *_CONTROLS) or length == 127:
            return
        if length == 126:
            length, start = int.from_bytes(payload[start : start + 2], "big"), start + 2
        key = payload[start : start + 4] if second & 0x80 else bytes(4)
        start += 4 if second & 0x80 else 0
        at = start + length
        if at > len(payload):
            return
        if opcode == _TEXT:
            text = bytes(octet ^ key[index & 3] for index, octet in enumerate(payload[start:at]))
            if not text.startswith(b"["):
                return
            yield text.decode("utf-8", "replace")


def whole_texts(records: list[Record]) -> Counter[str]:
    """How often each text is there; what is sent or captured twice counts once."""
    found: dict[tuple[bytes, bytes, bytes, str], None] = {}
    for record in records:
        place = place_of(record.data)
        if place is None or len(record.data) < record.original:
            continue
        number = bytes(record.data[place.tcp + 4 : place.tcp + 8])
        for text in texts_in(payload_of(record)):
            found[place.source, place.target, number, text] = None
    return Counter(text for *_, text in found)
