"""A capture and a random source in; a damaged capture, and the names of the damages, out."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from random import Random

from capture_records import Record, payload_of, place_of, read_pcap, splice, write_pcap, write_pcapng
from hostile_text import hostile_head, hostile_json, hostile_soap

SAMPLES = sorted(
    path for path in (Path(__file__).parents[2] / "samples").glob("*.pcap*") if path.suffix in (".pcap", ".gz")
)
_HTTP = (b"GET ", b"HTTP/1.")


def _flip(data: bytearray, low: int, high: int, chance: Random, most: int = 6) -> None:
    high = min(high, len(data))
    for _ in range(chance.randint(1, most)):
        if low < high:
            data[chance.randrange(low, high)] ^= 1 << chance.randrange(8)


def _some(records: list[Record], chance: Random) -> Iterator[Record]:
    """A few of the records, or nearly all."""
    if not records:
        return
    share = chance.choice((0.02, 0.2, 0.9))
    for record in records:
        if chance.random() < share:
            yield record
    yield chance.choice(records)


# ------------------------------------------------------------------------------------------------ damages of records


def flip_network_headers(records: list[Record], chance: Random) -> None:
    for record in _some(records, chance):
        _flip(record.data, 0, 34, chance, 2)


def flip_tcp_headers(records: list[Record], chance: Random) -> None:
    for record in _some(records, chance):
        place = place_of(record.data)
        if place is not None:
            _flip(record.data, place.tcp, place.payload, chance, 3)


def set_tcp_flags(records: list[Record], chance: Random) -> None:
    for record in _some(records, chance):
        place = place_of(record.data)
        if place is not None:
            record.data[place.tcp + 13] = chance.choice((0, 1, 2, 4, 16, 17, 18, 20, 24, 41, 255))


def move_sequences(records: list[Record], chance: Random) -> None:
    """Sequence or acknowledgment numbers off by a little, by a window, or by half of all."""
    for record in _some(records, chance):
        place = place_of(record.data)
        if place is not None:
            at = place.tcp + chance.choice((4, 8))
            number = int.from_bytes(record.data[at : at + 4], "big")
            number += chance.choice((-1, 1, -10, 10, 1460, -1460, 70_000, -70_000, 2**24, 2**31, 2**31 - 1))
            record.data[at : at + 4] = (number % 2**32).to_bytes(4, "big")


def wrap_sequences(records: list[Record], chance: Random) -> None:
    """Move a whole connection so that its sequence numbers pass 2**32."""
    places = [place for record in records if (place := place_of(record.data)) is not None]
    if not places:
        return
    ends = {places[0].source, places[0].target}
    shift = {end: chance.randrange(2**32) for end in sorted(ends)}
    for record in records:
        place = place_of(record.data)
        if place is None or {place.source, place.target} != ends:
            continue
        for at, end in ((place.tcp + 4, place.source), (place.tcp + 8, place.target)):
            number = int.from_bytes(record.data[at : at + 4], "big") + shift[end]
            record.data[at : at + 4] = (number % 2**32).to_bytes(4, "big")


def flip_payloads(records: list[Record], chance: Random) -> None:
    for record in _some(records, chance):
        place = place_of(record.data)
        if place is not None:
            _flip(record.data, place.payload, place.end, chance)


def flip_websocket_headers(records: list[Record], chance: Random) -> None:
    for record in _some(records, chance):
        place = place_of(record.data)
        if place is not None and not payload_of(record).startswith(_HTTP):
            _flip(record.data, place.payload, min(place.end, place.payload + 14), chance, 2)


def lie_about_frame_lengths(records: list[Record], chance: Random) -> None:
    for record in _some(records, chance):
        place = place_of(record.data)
        if place is None or place.end - place.payload < 2 or payload_of(record).startswith(_HTTP):
            continue
        at = place.payload + 1
        masked = record.data[at] & 0x80
        record.data[at] = masked | chance.choice((0, 1, 125, 126, 127, chance.randrange(128)))
        if record.data[at] & 0x7F == 127 and place.end - at > 9 and chance.random() < 0.7:
            size = chance.choice((0, 2**16, 2**24 + 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1))
            record.data[at + 1 : at + 9] = size.to_bytes(8, "big")


def set_opcodes(records: list[Record], chance: Random) -> None:
    for record in _some(records, chance):
        place = place_of(record.data)
        if place is not None and place.payload < place.end and not payload_of(record).startswith(_HTTP):
            record.data[place.payload] = chance.choice(
                (0x81, 0xC1, 0x01, 0x80, 0x00, 0x82, 0x88, 0x89, 0x8A, 0xF1, 0x0B)
            )


def flip_deflated_data(records: list[Record], chance: Random) -> None:
    """Octets behind the header of frames with RSV1, which permessage-deflate uses."""
    for record in _some(records, chance):
        place = place_of(record.data)
        if place is not None and place.payload < place.end and record.data[place.payload] & 0x40:
            _flip(record.data, place.payload + 2, place.end, chance, 3)


def shuffle(records: list[Record], chance: Random) -> None:
    """Records in another order; their times stay in place, or go with them."""
    times = [record.ts_ns for record in records]
    reach = chance.choice((2, 8, 100, 10_000))
    order = sorted(range(len(records)), key=lambda index: index + chance.random() * reach)
    records[:] = [records[index] for index in order]
    if chance.random() < 0.5:
        for record, ts_ns in zip(records, times, strict=True):
            record.ts_ns = ts_ns


def drop(records: list[Record], chance: Random) -> None:
    share = chance.choice((0.01, 0.1, 0.5))
    records[:] = [record for record in records if chance.random() >= share]


def drop_beginning(records: list[Record], chance: Random) -> None:
    del records[: chance.randint(0, len(records))]


def drop_one_direction(records: list[Record], chance: Random) -> None:
    ends = sorted({place.source for record in records if (place := place_of(record.data)) is not None})
    if ends:
        silent = chance.choice(ends)
        records[:] = [r for r in records if (p := place_of(r.data)) is None or p.source != silent]


def duplicate(records: list[Record], chance: Random) -> None:
    share, delay = chance.choice((0.05, 0.5, 1.0)), chance.choice((0, 1000, 3_000_000, 200_000_000))
    out: list[Record] = []
    for record in records:
        out.append(record)
        if chance.random() < share:
            again = record.copy()
            again.ts_ns += delay
            out.append(again)
    records[:] = out


def retransmit_changed(records: list[Record], chance: Random) -> None:
    """Segments again, later, with other octets or another cut: what TCP reassembly attacks do."""
    for _ in range(chance.randint(1, 20)):
        if not records:
            return
        index = chance.randrange(len(records))
        again = records[index].copy()
        place = place_of(again.data)
        if place is None:
            continue
        _flip(again.data, place.payload, place.end, chance)
        back = chance.randint(0, 40)
        at = place.tcp + 4
        number = int.from_bytes(again.data[at : at + 4], "big") - back
        again.data[at : at + 4] = (number % 2**32).to_bytes(4, "big")
        records.insert(min(len(records), index + chance.randint(1, 6)), again)


def lie_about_lengths(records: list[Record], chance: Random) -> None:
    for record in _some(records, chance):
        place = place_of(record.data)
        kind = chance.randrange(4)
        if kind == 0:
            record.original = chance.choice(
                (0, 1, len(record.data) - 1, len(record.data) + 1, 65_535, 2**31, 2**32 - 1)
            )
        elif place is None:
            continue
        elif kind == 1:
            at = place.ip + (2 if record.data[12:14] == b"\x08\x00" else 4)
            record.data[at : at + 2] = chance.choice((0, 20, 40, 52, 60, 1500, 65_535)).to_bytes(2, "big")
        elif kind == 2:
            record.data[place.tcp + 12] = chance.randrange(16) << 4
        else:
            record.data[place.ip] = (record.data[place.ip] & 0xF0) | chance.randrange(16)


def reduce_snaplen(records: list[Record], chance: Random) -> None:
    snaplen = chance.choice((0, 14, 34, 40, 54, 60, 66, 68, 80, 96, 128, 200, 400))
    for record in records:
        del record.data[snaplen:]


def move_times(records: list[Record], chance: Random) -> None:
    """A clock that jumps: to 1970, a day, a month, to the year 2100."""
    low = chance.randint(0, len(records))
    jump = chance.choice(
        (-(10**9), 10**9, 90 * 10**9, 27 * 3600 * 10**9, 30 * 86_400 * 10**9, -(10**19), 10**18, -3600 * 10**9)
    )
    for record in records[low:]:
        record.ts_ns = min(max(0, record.ts_ns + jump), (2**32 - 1) * 10**9)


def repeat_capture(records: list[Record], chance: Random) -> None:
    """Everything again later: the same ports, the same sequence numbers."""
    if not records:
        return
    delay = records[-1].ts_ns - records[0].ts_ns + chance.choice((1000, 10**9, 200 * 10**9))
    again = [record.copy() for record in records]
    for record in again:
        record.ts_ns += delay
    records += again


def share_address(records: list[Record], chance: Random) -> None:
    """All clients get one address; sometimes one port too, so that connections run into each other."""
    places = [place for record in records if (place := place_of(record.data)) is not None]
    if not places:
        return
    whole = chance.random() < 0.4
    server = places[0].target
    for record in records:
        place = place_of(record.data)
        if place is None or len(place.source) != 6:
            continue
        for at, port, end in ((26, 0, place.source), (30, 2, place.target)):
            if end != server:
                record.data[at : at + 4] = b"\x0a\x01\x01\x01"
                if whole:
                    record.data[place.tcp + port : place.tcp + port + 2] = b"\x9c\x40"


def rename_stations(records: list[Record], chance: Random) -> None:
    """Every upgrade names another station: several behind an address, names that come again."""
    for index in range(len(records)):
        payload = payload_of(records[index])
        if payload.startswith(b"GET "):
            line, _, rest = payload.partition(b"\r\n")
            name = f"GET /ocpp/CP{chance.randrange(4)} HTTP/1.1".encode()
            splice(records, index, name + b"\r\n" + rest if line else payload)


def garble_heads(records: list[Record], chance: Random) -> None:
    for index in range(len(records)):
        payload = payload_of(records[index])
        if payload.startswith(_HTTP) and chance.random() < 0.6:
            splice(records, index, hostile_head(payload, chance))


def hostile_messages(records: list[Record], chance: Random) -> None:
    """Texts replaced by hostile ones in correct frames; sequence numbers follow."""
    share = chance.choice((0.02, 0.1, 0.4))
    for index in range(len(records)):
        if chance.random() < share and (frame := _read_frame(payload_of(records[index]))) is not None:
            text, masked = frame
            octets = hostile_json(text, chance)
            splice(records, index, make_frame(octets, masked, chance))


def hostile_exchanges(records: list[Record], chance: Random) -> None:
    """HTTP messages, of SOAP or not, that become hostile ones; sequence numbers follow."""
    share = chance.choice((0.05, 0.2, 0.6))
    for index in range(len(records)):
        payload = payload_of(records[index])
        is_http = payload.startswith((b"POST ", b"HTTP/1.")) or b"Envelope" in payload
        if is_http and chance.random() < share:
            splice(records, index, hostile_soap(payload, chance))


def split_segments(records: list[Record], chance: Random) -> None:
    """Segments cut in two, as a small MTU would."""
    out: list[Record] = []
    for record in records:
        place = place_of(record.data)
        if place is None or place.end - place.payload < 2 or chance.random() < 0.3:
            out.append(record)
            continue
        cut = chance.randrange(place.payload + 1, place.end)
        first, second = record.copy(), record.copy()
        del first.data[cut:]
        del second.data[place.payload : cut]
        for piece in (first, second):
            at = place.ip + (2 if piece.data[12:14] == b"\x08\x00" else 4)
            total = int.from_bytes(record.data[at : at + 2], "big") - (len(record.data) - len(piece.data))
            piece.data[at : at + 2] = max(0, total).to_bytes(2, "big")
            piece.original = len(piece.data)
        at = place.tcp + 4
        number = int.from_bytes(record.data[at : at + 4], "big") + cut - place.payload
        second.data[at : at + 4] = (number % 2**32).to_bytes(4, "big")
        out += (first, second)
    records[:] = out


def _read_frame(payload: bytes) -> tuple[str, bool] | None:
    """(text, masked) of a payload that is exactly one text frame."""
    if len(payload) < 2 or payload[0] != 0x81:
        return None
    masked, length, at = bool(payload[1] & 0x80), payload[1] & 0x7F, 2
    if length == 126:
        length, at = int.from_bytes(payload[2:4], "big"), 4
    key = payload[at : at + 4] if masked else b"\0\0\0\0"
    at += 4 if masked else 0
    if length == 127 or len(payload) != at + length:
        return None
    text = bytes(octet ^ key[index & 3] for index, octet in enumerate(payload[at:]))
    return text.decode("utf-8", "replace"), masked


def make_frame(octets: bytes, masked: bool, chance: Random) -> bytes:
    """One text frame (RFC 6455 §5.2)."""
    octets = octets[:64_000]
    length = len(octets)
    size = bytes((length,)) if length < 126 else b"\x7e" + length.to_bytes(2, "big")
    if not masked:
        return b"\x81" + size + octets
    key = chance.randbytes(4)
    body = bytes(octet ^ key[index & 3] for index, octet in enumerate(octets))
    return b"\x81" + bytes((size[0] | 0x80,)) + size[1:] + key + body


# ------------------------------------------------------------------------------------------------ damages of octets


def flip_anywhere(octets: bytearray, chance: Random) -> None:
    _flip(octets, 0, len(octets), chance, chance.choice((1, 20, 400)))


def flip_file_head(octets: bytearray, chance: Random) -> None:
    _flip(octets, 0, 120, chance, 3)


def cut(octets: bytearray, chance: Random) -> None:
    del octets[chance.randint(0, len(octets)) :]


def cut_out(octets: bytearray, chance: Random) -> None:
    low = chance.randint(0, len(octets))
    del octets[low : low + chance.choice((1, 3, 16, 700, 5000))]


def insert_garbage(octets: bytearray, chance: Random) -> None:
    low = chance.randint(0, len(octets))
    octets[low:low] = chance.choice((bytes(17), b"\xff" * 900, chance.randbytes(300), bytes(octets[:200])))


def append_itself(octets: bytearray, chance: Random) -> None:
    octets += octets[: chance.choice((30, len(octets)))]


def append_another(octets: bytearray, chance: Random) -> None:
    octets += chance.choice(SAMPLES).read_bytes()[:50_000]


def lie_in_places(octets: bytearray, chance: Random) -> None:
    """Words of 32 bits that look like small lengths become large, zero or odd ones."""
    for _ in range(chance.randint(1, 5)):
        at = chance.randrange(0, max(1, len(octets) - 4)) & ~3
        value = chance.choice((0, 1, 3, 11, 12, 13, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 2**24))
        octets[at : at + 4] = value.to_bytes(4, chance.choice(("little", "big")))


RECORD_DAMAGES: tuple[Callable[[list[Record], Random], None], ...] = (
    flip_network_headers, flip_tcp_headers, set_tcp_flags, move_sequences, wrap_sequences, flip_payloads,
    flip_websocket_headers, lie_about_frame_lengths, set_opcodes, flip_deflated_data, shuffle, drop, drop_beginning,
    drop_one_direction, duplicate, retransmit_changed, lie_about_lengths, reduce_snaplen, move_times, repeat_capture,
    share_address, rename_stations, garble_heads, hostile_messages, hostile_exchanges, split_segments,
)  # fmt: skip
OCTET_DAMAGES: tuple[Callable[[bytearray, Random], None], ...] = (
    flip_anywhere, flip_file_head, cut, cut_out, insert_garbage, append_itself, append_another, lie_in_places,
)  # fmt: skip


def mutant(sample: Path, chance: Random, *, number: int = 0, in_order: bool = False) -> tuple[bytes, list[str]]:
    """(the octets of a damaged capture, what was done to it). `number` makes sure that every damage has its turn.

    `in_order`: packets stand in the order of their times, and the file itself is whole.
    """
    octets = sample.read_bytes()
    names: list[str] = []
    if sample.suffix == ".gz":
        octets = gzip.decompress(octets)
    else:
        records = read_pcap(octets)
        wanted = [RECORD_DAMAGES[number % len(RECORD_DAMAGES)]]
        wanted += chance.sample(RECORD_DAMAGES, chance.choice((0, 0, 1, 2)))
        for damage in wanted:
            damage(records, chance)
            names.append(damage.__name__)
        if in_order:
            records.sort(key=attrgetter("ts_ns"))
        form = chance.choice(("pcap", "pcap", "pcap-big", "pcap-ns", "pcapng"))
        names.append(form)
        octets = (
            write_pcapng(records)
            if form == "pcapng"
            else write_pcap(records, big=form == "pcap-big", nanoseconds=form == "pcap-ns")
        )
    if in_order:
        return octets, names
    if sample.suffix == ".gz" or chance.random() < 0.25:
        changed = bytearray(octets)
        for spoil in chance.sample(OCTET_DAMAGES, chance.choice((1, 1, 2))):
            spoil(changed, chance)
            names.append(spoil.__name__)
        octets = bytes(changed)
    if chance.random() < 0.04:
        octets = gzip.compress(octets)[: chance.choice((None, -1, -9, 4000))]
        names.append("gzip")
    return octets, names
