"""Captures of clean sessions, damaged as real ones are: whatever is missing, nobody is accused."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.model import Finding
from ocpp_inspect.pipeline import Options
from ocpp_inspect.pipeline.chain import Chain
from ocpp_inspect.pipeline.rules import built_in_and

SAMPLES = Path(__file__).parents[1] / "samples"
CLEAN = ["ocpp201-day", "ocpp201-deflate-no-takeover", "npm-ocpp-rpc", "reconnects"]
DAMAGES = ["drop", "hole", "begin", "end", "one direction", "snap length", "twice"]


@pytest.fixture(scope="module")
def rules() -> Program:
    return Program(built_in_and(Options()), load_monitor)


def records(octets: bytes) -> Iterator[bytes]:
    """The records of a little-endian pcap."""
    at = 24
    while at < len(octets):
        end = at + 16 + struct.unpack_from("<I", octets, at + 8)[0]
        yield octets[at:end]
        at = end


def snap(record: bytes, length: int) -> bytes:
    if len(record) <= 16 + length:
        return record
    return record[:8] + struct.pack("<I", length) + record[12 : 16 + length]


def damage(kind: str, packets: list[bytes], rnd: random.Random) -> list[bytes]:
    at = rnd.randrange(len(packets))
    if kind == "drop":
        share = rnd.choice([0.01, 0.05, 0.2])
        return [packet for packet in packets if rnd.random() > share]
    if kind == "hole":
        return packets[:at] + packets[at + rnd.randrange(1, 40) :]
    if kind in ("begin", "end"):
        return packets[at:] if kind == "begin" else packets[:at]
    if kind == "one direction":
        source, wanted = packets[0][42:46], rnd.random() < 0.5  # the IPv4 source of the first packet
        return [packet for packet in packets if (packet[42:46] == source) is wanted]
    if kind == "snap length":
        length = rnd.choice([60, 80, 100, 200, 300])
        return [snap(packet, length) for packet in packets]
    return [copy for packet in packets for copy in ([packet] * 2 if rnd.random() < 0.1 else [packet])]


def accusations(path: Path, rules: Program) -> list[Finding]:
    chain, found = Chain(rules), []
    with CaptureReader([str(path)]) as reader:
        for batch in reader:
            found += chain.feed(batch).findings
    found += chain.finish().findings
    return [finding for finding in found if finding.verdict == "violation" and finding.severity != "info"]


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("name", CLEAN)
def test_what_the_capture_lacks_is_nobodys_fault(name: str, kind: str, rules: Program, tmp_path: Path) -> None:
    octets = (SAMPLES / f"{name}.pcap").read_bytes()
    packets = list(records(octets))
    for seed in range(12 if kind == "drop" else 3):
        path = tmp_path / f"{seed}.pcap"
        path.write_bytes(octets[:24] + b"".join(damage(kind, packets, random.Random(seed))))
        found = accusations(path, rules)
        assert found == [], f"seed {seed}"
