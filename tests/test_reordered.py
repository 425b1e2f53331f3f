"""Samples whose packets overtake each other in, with or without their times; the same dialogue out, nobody blamed."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import duckdb
import pytest
from recorded_samples import SAMPLES

from ocpp_inspect.pipeline import Options, analyze

HEADER_OCTETS = 24
RECORD = struct.Struct("<IIII")
NEAR_NS = 100_000_000
MICROSECOND_NS = 1_000
Packet = tuple[int, int, bytes]


def packets_of(path: Path) -> tuple[bytes, list[Packet]]:
    """(file header, [(ns, length on the wire, octets)]) of a pcap with microseconds."""
    data, found, at = path.read_bytes(), [], HEADER_OCTETS
    assert data[:4] == b"\xd4\xc3\xb2\xa1"
    while at < len(data):
        seconds, fraction, captured, original = RECORD.unpack_from(data, at)
        at += RECORD.size
        found.append((seconds * 10**9 + fraction * MICROSECOND_NS, original, data[at : at + captured]))
        at += captured
    return data[:HEADER_OCTETS], found


def shuffled(packets: list[Packet], seed: int, *, keeps_times: bool) -> list[Packet]:
    """One in four packets comes up to six places late, as far as no pause of the dialogue lies in between."""
    chance = random.Random(seed)
    late = [index + (6.5 * chance.random() if chance.random() < 0.25 else 0) for index in range(len(packets))]
    out: list[Packet] = []
    for index in sorted(range(len(packets)), key=late.__getitem__):
        out.append(packets[index])
        at = len(out) - 1
        while at and abs(out[at - 1][0] - out[at][0]) > NEAR_NS and out[at - 1][0] > out[at][0]:
            out[at - 1], out[at] = out[at], out[at - 1]
            at -= 1
    if keeps_times:
        return out
    times = sorted(packet[0] for packet in packets)
    return [(ns, original, octets) for ns, (_, original, octets) in zip(times, out, strict=True)]


def told(path: Path, folder: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """(messages of each side in order, answers without a CALL, accusations)."""
    database = folder / f"{path.stem}.duckdb"
    analyze([str(path)], database, Options(jobs=1))
    with duckdb.connect(str(database), read_only=True) as opened:
        messages = opened.execute(
            "SELECT connection_id, sender, list(raw ORDER BY ts, message_id) FROM messages GROUP BY 1, 2 ORDER BY 1, 2"
        ).fetchall()
        unpaired = opened.execute(
            "SELECT raw FROM messages WHERE kind = 'CALLRESULT' AND request_id IS NULL"
        ).fetchall()
        accusations = opened.execute(
            "SELECT rule, text FROM findings WHERE verdict = 'violation' AND severity IN ('error', 'warning')"
        ).fetchall()
    return [(sender, raw) for _, sender, raw in messages], unpaired, accusations


@pytest.mark.parametrize("keeps_times", [True, False])
@pytest.mark.parametrize("name", ["ocpp16-deflate", "ocpp201-day"])
def test_shuffled_packets_tell_the_same_dialogue(tmp_path: Path, name: str, keeps_times: bool) -> None:
    header, packets = packets_of(SAMPLES[name].capture)
    handshake, rest = packets[:8], packets[8:]  # the story of TCP's and HTTP's openings is told elsewhere
    path = tmp_path / "shuffled.pcap"
    swapped = shuffled(rest, 7, keeps_times=keeps_times)
    assert [octets for _, _, octets in swapped] != [octets for _, _, octets in rest]
    with path.open("wb") as file:
        file.write(header)
        for ns, original, octets in handshake + swapped:
            file.write(RECORD.pack(ns // 10**9, ns % 10**9 // MICROSECOND_NS, len(octets), original) + octets)
    messages, unpaired, accusations = told(path, tmp_path)
    plain = tmp_path / "plain.pcap"
    plain.write_bytes(SAMPLES[name].capture.read_bytes())
    assert messages == told(plain, tmp_path)[0]
    assert (unpaired, accusations) == ([], [])
