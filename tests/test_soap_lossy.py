"""The clean day over SOAP, damaged as captures are damaged; nobody is blamed for what the capture lacks."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from recorded_samples import SAMPLES

from ocpp_inspect.pipeline import Options, analyze

RECORD = struct.Struct("<IIII")
DAY = SAMPLES["soap16-day"].capture
Packet = tuple[bytes, bytes]
"""(record header, octets)"""


def packets_of(path: Path) -> tuple[bytes, list[Packet]]:
    data, found, at = path.read_bytes(), [], 24
    while at < len(data):
        size = RECORD.unpack_from(data, at)[2]
        found.append((data[at : at + 16], data[at + 16 : at + 16 + size]))
        at += 16 + size
    return data[:24], found


def ports_of(packet: Packet) -> tuple[int, int]:
    """(source, target); Ethernet and IPv4 without options."""
    return struct.unpack_from(">HH", packet[1], 34)


def accusations(packets: list[Packet], folder: Path, jobs: int = 1) -> list[tuple[str, str]]:
    path, database = folder / "damaged.pcap", folder / "damaged.duckdb"
    path.write_bytes(packets_of(DAY)[0] + b"".join(head + octets for head, octets in packets))
    database.unlink(missing_ok=True)
    analyze([str(path)], database, Options(jobs=jobs))
    with duckdb.connect(str(database), read_only=True) as opened:
        return opened.execute(
            "SELECT rule, text FROM findings WHERE verdict = 'violation' AND severity IN ('error', 'warning')"
        ).fetchall()


Damage = Callable[[list[Packet], random.Random], list[Packet]]


def lose(share: float) -> Damage:
    return lambda packets, chance: [packet for packet in packets if chance.random() > share]


def lose_bursts(packets: list[Packet], chance: random.Random) -> list[Packet]:
    """Runs of up to 8 packets: parts of messages, whole messages, both sides of an exchange."""
    out, at = [], 0
    while at < len(packets):
        if chance.random() < 0.02:
            at += chance.randrange(2, 9)
            continue
        out.append(packets[at])
        at += 1
    return out


def begin_late(packets: list[Packet], chance: random.Random) -> list[Packet]:
    return packets[chance.randrange(len(packets)) :]


def shorten(packets: list[Packet], chance: random.Random) -> list[Packet]:
    """A snap length: the IP header says how long the packet was."""
    snap = chance.choice((96, 300, 700))
    cut = []
    for head, octets in packets:
        seconds, fraction, _, original = RECORD.unpack(head)
        cut.append((RECORD.pack(seconds, fraction, len(octets[:snap]), original), octets[:snap]))
    return cut


def only_to(port: int) -> Damage:
    """A filter on the port of one listener: calls in the other direction are not captured."""
    return lambda packets, chance: [packet for packet in packets if port in ports_of(packet)]


def only_from(port: int) -> Damage:
    """What one listener sends, and nothing that it gets."""
    return lambda packets, chance: [packet for packet in packets if ports_of(packet)[0] == port]


def only_towards(port: int) -> Damage:
    return lambda packets, chance: [packet for packet in packets if ports_of(packet)[1] == port]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "damage",
    [
        lose(0.02),
        lose(0.1),
        lose(0.4),
        lose_bursts,
        begin_late,
        shorten,
        only_to(8080),
        only_to(9000),
        only_from(8080),
        only_towards(8080),
    ],
    ids=["2 %", "10 %", "40 %", "bursts", "late", "snap", "to CSMS", "to station", "from CSMS", "towards CSMS"],
)
def test_what_is_missing_is_nobodys_fault(damage: Damage, seed: int, tmp_path: Path) -> None:
    packets = damage(packets_of(DAY)[1], random.Random(seed))
    assert accusations(packets, tmp_path) == []


def test_what_was_damaged_would_be_blamed(tmp_path: Path) -> None:
    """The same comparison finds what is wrong when nothing is missing."""
    packets = [
        (head, octets.replace(b"<ns0:transactionId>711<", b"<ns0:transactionId>999<"))
        for head, octets in packets_of(DAY)[1]
    ]
    assert "TX16-002" in {rule for rule, _ in accusations(packets, tmp_path)}
