"""The room against itself: any chunking and lane give the same, gaps lose little, damage and wrong keys add nothing."""

from __future__ import annotations

import random
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tls_peers import Recording

from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.model import (
    Anomaly,
    Loss,
    OcppMessage,
    StreamBatch,
    StreamClosed,
    StreamData,
    StreamItem,
    TlsSession,
    Upgrade,
)
from ocpp_inspect.network import Network
from ocpp_inspect.pipeline.chain import Chain
from ocpp_inspect.tcp import Tcp
from ocpp_inspect.tls import Keys, Tls

Message = tuple[str, bytes]


def keys_of(recording: Recording) -> Keys:
    keys = Keys()
    keys.feed(recording.key_log.read_bytes())
    return keys


def decode(path: Path, keys: Keys, *, batch_packets: int = 1 << 20, item_by_item: bool = False) -> list[Any]:
    chain, found = Chain([], keys=keys), []
    if item_by_item:
        chain.tcp = Tcp(per_item=True)
    with CaptureReader([str(path)], batch_packets=batch_packets) as reader:
        for batch in reader:
            found += chain.feed(batch).items
    return found + chain.finish().items


def messages(items: list[Any]) -> list[Message]:
    return [(item.station, item.raw) for item in items if type(item) is OcppMessage]


def records(path: Path) -> tuple[bytes, list[bytes]]:
    """A pcap as its header and its records."""
    raw, at, found = path.read_bytes(), 24, []
    while at < len(raw):
        length = struct.unpack_from("<I", raw, at + 8)[0] + 16
        found.append(raw[at : at + length])
        at += length
    return raw[:24], found


@pytest.mark.parametrize("batch_packets", [1, 7, 100])
@pytest.mark.parametrize("item_by_item", [False, True])
def test_any_batches_and_lanes_give_the_same(recording: Recording, batch_packets: int, item_by_item: bool) -> None:
    whole = decode(recording.capture, keys_of(recording))
    other = decode(recording.capture, keys_of(recording), batch_packets=batch_packets, item_by_item=item_by_item)
    kinds = (OcppMessage, Upgrade, TlsSession, Anomaly, Loss)
    assert [item for item in map(comparable, other) if type(item) in kinds or isinstance(item, tuple)] == [
        item for item in map(comparable, whole) if type(item) in kinds or isinstance(item, tuple)
    ]


def comparable(item: Any) -> Any:
    """Messages without the live session, which compares by identity."""
    if type(item) is OcppMessage:
        return item.message_id, item.station, item.side, item.ts_ns, item.packet, item.raw, item.latency_ns
    return item


def stream_items(recording: Recording) -> list[StreamItem]:
    network, tcp, found = Network(), Tcp(per_item=True), []
    with CaptureReader([str(recording.capture)]) as reader:
        for batch in reader:
            found += tcp.feed(network.feed(batch)).items
            end_ns = int(batch.ts_ns[-1])
    return found + tcp.finish(end_ns).items


def only_items(items: list[StreamItem]) -> StreamBatch:
    none = np.zeros(0, dtype=np.int64)
    return StreamBatch(np.zeros(0, dtype=np.uint8), none, none, none, none, none, none, none, none, items)


def plaintext(items: list[StreamItem]) -> dict[tuple[int, int], bytes]:
    found: dict[tuple[int, int], bytes] = {}
    for item in items:
        if type(item) is StreamData:
            key = item.connection, item.direction
            assert item.stream_offset == len(found.get(key, b""))
            found[key] = found.get(key, b"") + item.data
    return found


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_octets_in_any_pieces_give_the_same_plaintext(recording: Recording, piece: int) -> None:
    items = stream_items(recording)[:260]  # the first cases; octet by octet is slow
    cut: list[StreamItem] = []
    for item in items:
        if type(item) is not StreamData:
            cut.append(item)
            continue
        for at in range(0, len(item.data), piece):
            part = item.data[at : at + piece]
            cut.append(
                StreamData(item.connection, item.pair, item.direction, item.ts_ns, item.packet, item.position, 0, part)
            )
    whole = plaintext(Tls(keys_of(recording)).feed(only_items(items)).items)
    assert whole
    assert plaintext(Tls(keys_of(recording)).feed(only_items(cut)).items) == whole


def test_connections_without_tls_pass_untouched() -> None:
    batch = only_items([])
    batch.flow = np.array([0, 1, 2], dtype=np.int64)
    assert Tls().feed(batch).flow is batch.flow


@pytest.mark.parametrize("seed", range(4))
def test_lost_packets_cost_what_they_held_and_little_more(recording: Recording, tmp_path: Path, seed: int) -> None:
    head, all_records = records(recording.capture)
    whole = messages(decode(recording.capture, keys_of(recording)))
    chance = random.Random(seed)
    path = tmp_path / "lossy.pcap"
    path.write_bytes(head + b"".join(record for record in all_records if chance.random() > 0.01))
    items = decode(path, keys_of(recording))
    left = messages(items)
    named = [each for each in left if ":" not in each[0]]  # else its upgrade was among what is lost
    assert not Counter(named) - Counter(whole)
    assert len(left) > 0.8 * len(whole)
    assert any(type(item) is Loss and item.cause == "gap" for item in items)
    assert any(type(item) is Anomaly and item.name == "tls.records_lost" for item in items)


@pytest.mark.parametrize("seed", range(6))
def test_damaged_records_invent_nothing(recording: Recording, tmp_path: Path, seed: int) -> None:
    head, all_records = records(recording.capture)
    whole = Counter(raw for _, raw in messages(decode(recording.capture, keys_of(recording))))
    chance = random.Random(seed)
    damaged = []
    for record in all_records:
        octets = bytearray(record)
        if chance.random() < 0.03 and len(octets) > 100:
            for _ in range(chance.choice((1, 2, 30))):
                octets[chance.randrange(16 + 14 + 20 + 32, len(octets))] = chance.randrange(256)
        damaged.append(bytes(octets))
    path = tmp_path / "damaged.pcap"
    path.write_bytes(head + b"".join(damaged))
    items = decode(path, keys_of(recording))
    assert not Counter(raw for _, raw in messages(items)) - whole


def test_wrong_keys_open_nothing_and_are_said(recording: Recording) -> None:
    keys = Keys()
    text = recording.key_log.read_text()
    keys.feed("".join(line[:-8] + "00000000\n" for line in text.splitlines() if line[:1] != "#").encode())
    items = decode(recording.capture, keys)
    assert messages(items) == []
    assert {item.name for item in items if type(item) is Anomaly} == {"tls.wrong_keys"}


def test_keys_that_come_late_open_what_waited(recording: Recording) -> None:
    items = stream_items(recording)
    whole = plaintext(Tls(keys_of(recording)).feed(only_items(items)).items)
    keys = Keys(is_growing=True)
    room = Tls(keys)
    lines = recording.key_log.read_bytes().splitlines(keepends=True)
    first = next(at for at, item in enumerate(items) if type(item) is StreamClosed)
    found = room.feed(only_items(items[:first])).items
    assert plaintext(found) == {}
    for line in lines:
        keys.feed(line[:20])
        keys.feed(line[20:])
    found += room.feed(only_items(items[first:])).items
    assert plaintext(found) == whole


def test_keys_that_never_come_are_given_up(recording: Recording) -> None:
    items = stream_items(recording)[:60]
    room = Tls(Keys(is_growing=True))
    found = room.feed(only_items(items)).items
    found += room.tick(items[-1].ts_ns + 60 * 10**9)
    assert plaintext(found) == {}
    assert any(type(item) is Anomaly and item.name == "tls.encrypted" for item in found)


def test_a_key_log_is_read_in_any_pieces_and_forgets_the_oldest() -> None:
    entry = b"CLIENT_RANDOM %064x %096x\r\n# a remark\nEXPORTER_SECRET %064x 00\n"
    lines = b"".join(entry % (number, number, number) for number in range(9))
    whole, pieces = Keys(), Keys()
    assert whole.feed(lines) == 9
    for at in range(len(lines)):
        pieces.feed(lines[at : at + 1])
    random_7 = (7).to_bytes(32, "big")
    assert whole.secrets_of(random_7) == pieces.secrets_of(random_7) == {"CLIENT_RANDOM": (7).to_bytes(48, "big")}
    small = Keys(secrets=3)
    small.feed(lines)
    assert (len(small), small.forgotten) == (3, 6)
    assert small.secrets_of((0).to_bytes(32, "big")) == {}


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_private_key_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="no private key"):
        Keys().add_private_key(text.encode())
