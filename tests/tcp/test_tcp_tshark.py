"""What tshark follows in the same segments is what the room delivers."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from pathlib import Path

import pytest
from tcp_segments import FLAGS, Seg, handshake, run

from ocpp_inspect.model import StreamData, StreamGap

pytestmark = pytest.mark.tshark


def write_capture(path: Path, segments: list[Seg]) -> None:
    """Raw IPv4 packets, 1 ms apart; port 9 so that no dissector above TCP interferes."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
    for number, segment in enumerate(segments):
        back = segment.flow & 1
        ends = [(b"\x0a\0\0\1", 40_000), (b"\x0a\0\0\2", 9)]
        (source, source_port), (target, target_port) = ends[back], ends[1 - back]
        flags = sum(FLAGS[flag] for flag in segment.flags)
        tcp = struct.pack(
            ">HHIIBBHHH", source_port, target_port, segment.seq % 2**32, segment.ack % 2**32, 0x50, flags, 500, 0, 0
        )
        total = 20 + len(tcp) + len(segment.data)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, total, number & 0xFFFF, 0, 64, 6, 0, source, target)
        out.append(struct.pack("<IIII", 1, number * 1000, total, total) + ip + tcp + segment.data)
    path.write_bytes(b"".join(out))


def followed(path: Path) -> tuple[bytes, bytes]:
    """Both directions as tshark follows them; octets that the capture lacks are left out."""
    command = ["tshark", "-n", "-r", str(path), "-q", "-z", "follow,tcp,raw,0", "-o", "tcp.check_checksum:FALSE"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    streams = [b"", b""]
    for line in text.splitlines():
        if re.fullmatch(r"\t?(?:[0-9a-f]{2})+", line):
            data = bytes.fromhex(line.strip())
            streams[line.startswith("\t")] += re.sub(rb"\[\d+ bytes missing in capture file\]\0?", b"", data)
    return streams[0], streams[1]


def conversation(rng: random.Random, *, lost: float) -> list[Seg]:
    """Turns of up to 3 kB in segments of 300, shuffled in small groups, repeated, overlapping; some never captured."""
    client, server = rng.choice([100, 2**32 - 700]), rng.choice([500, 2**32 - 90])
    segments = handshake(client, server)
    position = [client + 1, server + 1]
    for _ in range(30):
        side = rng.randrange(2)
        start = position[side]
        end = start + rng.randint(1, 3000)
        burst = []
        for low in range(start, end, 300):
            early = max(start, low - rng.choice([0, 0, 0, 40]))
            burst.append(Seg(side, "PA", early, position[1 - side], octets(side, early, min(end, low + 300))))
        burst += rng.sample(burst, len(burst) // 4)
        for index in range(len(burst) - 1):
            if rng.random() < 0.3:
                burst[index], burst[index + 1] = burst[index + 1], burst[index]
        segments += [segment for segment in burst if rng.random() >= lost]
        position[side] = end
        segments += [Seg(1 - side, "A", position[1 - side], end)] * 2
    segments.append(Seg(0, "PA", position[0], position[1], b"end"))
    segments.append(Seg(1, "PA", position[1], position[0] + 3, b"end"))
    return [*segments, Seg(0, "A", position[0] + 3, position[1] + 3), Seg(1, "A", position[1] + 3, position[0] + 3)]


def octets(side: int, start: int, end: int) -> bytes:
    return bytes((seq * 31 + (seq >> 8) * 7 + side) & 0xFF for seq in range(start, end))


@pytest.mark.parametrize("seed", range(4))
def test_equal_streams(tmp_path: Path, seed: int) -> None:
    segments = conversation(random.Random(seed), lost=0)
    write_capture(tmp_path / "a.pcap", segments)
    items = run(segments)
    ours = tuple(
        b"".join(item.data for item in items if isinstance(item, StreamData) and item.direction == direction)
        for direction in (0, 1)
    )
    assert len(ours[0]) > 1000
    assert followed(tmp_path / "a.pcap") == ours
    assert not [item for item in items if isinstance(item, StreamGap)]


@pytest.mark.parametrize("seed", range(4))
def test_equal_streams_around_holes(tmp_path: Path, seed: int) -> None:
    segments = conversation(random.Random(seed), lost=0.05)
    write_capture(tmp_path / "a.pcap", segments)
    items = run(segments)
    ours = tuple(
        b"".join(item.data for item in items if isinstance(item, StreamData) and item.direction == direction)
        for direction in (0, 1)
    )
    assert [item for item in items if isinstance(item, StreamGap)]
    assert followed(tmp_path / "a.pcap") == ours
