"""Packets written as they come: read back they are the same; files rotate, stay few, and survive a full disk."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ocpp_inspect.capture import CaptureError, CaptureReader
from ocpp_inspect.capture.live.rotation import CaptureOutput, Rotation, parse_rotation
from ocpp_inspect.capture.pcapng_writer import PcapngWriter
from ocpp_inspect.model import PacketBatch

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "five-stations.pcap"
SECOND = 10**9


def batches(path: Path = SAMPLE, at_once: int = 50) -> list[PacketBatch]:
    with CaptureReader([str(path)], batch_packets=at_once) as reader:
        return list(reader)


def packets(found: list[PacketBatch]) -> list[tuple[Any, ...]]:
    return [
        (int(frame) % 10**10, int(ts), bytes(batch.octets[at : at + size]), int(original), int(link))
        for batch in found
        for frame, ts, at, size, original, link in zip(
            batch.packet, batch.ts_ns, batch.offset, batch.captured, batch.original, batch.link, strict=True
        )
    ]


def output(path: Path, **rotation: int) -> CaptureOutput:
    return CaptureOutput(path, PcapngWriter("test", {}), Rotation(**rotation) if rotation else None)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = output(tmp_path / "kept.pcapng")
    for batch in batches():
        written.write(batch, int(batch.ts_ns[-1]))
    written.close()
    assert packets(batches(tmp_path / "kept.pcapng")) == packets(batches())


def test_tshark_reads_it_alike(tmp_path: Path) -> None:
    written = output(tmp_path / "kept.pcapng")
    for batch in batches():
        written.write(batch, int(batch.ts_ns[-1]))
    written.close()
    names = ("frame.number", "frame.time_epoch", "frame.len", "tcp.seq", "frame.protocols")
    fields = ["-T", "fields", *(part for name in names for part in ("-e", name))]
    said = [
        subprocess.run(["tshark", "-r", file, *fields], capture_output=True, text=True, check=True).stdout
        for file in (SAMPLE, tmp_path / "kept.pcapng")
    ]
    assert said[0] == said[1] != ""


def test_drops_are_written_where_they_belong(tmp_path: Path) -> None:
    written = output(tmp_path / "kept.pcapng")
    first, second, *_ = batches()
    interface = int(first.interface[0])
    written.write(first, 0)
    written.drops(int(first.ts_ns[-1]), {interface: 0})
    written.drops(int(first.ts_ns[-1]), {interface: 7})
    written.drops(int(first.ts_ns[-1]), {interface: 7})
    written.write(second, 0)
    written.drops(int(second.ts_ns[-1]), {interface: 9})
    written.close()
    with CaptureReader([str(tmp_path / "kept.pcapng")]) as reader:
        told = [anomaly for batch in reader for anomaly in batch.anomalies]
        assert reader.captures[0].dropped_packets == 9
    assert [(each.name, each.packet % 10**10, each.detail) for each in told] == [
        ("capture.dropped_packets", 50, "interface 0: 7 packets were lost"),
        ("capture.dropped_packets", 100, "interface 0: 2 packets were lost"),
    ]


def test_files_rotate_by_size_and_the_newest_stay(tmp_path: Path) -> None:
    written = output(tmp_path / "site.pcapng", octets=20_000, keep=3)
    for _ in range(4):
        for batch in batches(at_once=20):
            written.write(batch, int(batch.ts_ns[-1]))
    written.close()
    files = sorted(tmp_path.iterdir())
    assert len(files) == 3
    assert all(file.stat().st_size <= 20_000 for file in files)
    assert files[-1] == written.current
    assert int(files[-1].name.split("-")[1]) > 5
    last = packets(batches(SAMPLE))[-3:]
    assert [packet[1:] for packet in packets(batches(files[-1]))[-3:]] == [packet[1:] for packet in last]


def test_files_rotate_by_time(tmp_path: Path) -> None:
    written = output(tmp_path / "site.pcapng", seconds=60)
    batch = batches()[0]
    begun = written._begun_ns
    for second in (0, 30, 59, 61, 100, 125):
        written.write(batch, begun + second * SECOND)
    written.close()
    assert [len(packets(batches(file))) for file in sorted(tmp_path.iterdir())] == [150, 100, 50]


def test_files_of_an_earlier_run_are_counted(tmp_path: Path) -> None:
    for _ in range(3):
        written = output(tmp_path / "site.pcapng", octets=20_000, keep=2)
        for batch in batches(at_once=20):
            written.write(batch, int(batch.ts_ns[-1]))
        written.close()
    (tmp_path / "site-notes.txt").write_text("not ours")
    assert len(list(tmp_path.glob("*.pcapng"))) == 2
    numbers = [int(file.name.split("-")[1]) for file in sorted(tmp_path.glob("*.pcapng"))]
    assert numbers[1] == numbers[0] + 1 > 4


def test_an_existing_capture_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "kept.pcapng").write_bytes(b"evidence")
    with pytest.raises(CaptureError, match="exists already"):
        output(tmp_path / "kept.pcapng")
    with pytest.raises(CaptureError, match="cannot be written"):
        output(tmp_path / "nowhere" / "kept.pcapng")
    assert (tmp_path / "kept.pcapng").read_bytes() == b"evidence"


@pytest.mark.parametrize(
    ("text", "octets", "seconds"),
    [("100MB", 10**8, 0), ("1h", 0, 3600), ("1.5GB, 30min", 15 * 10**8, 1800), ("90s", 0, 90), ("5M", 5_000_000, 0)],
)
def test_rotations_that_people_write(text: str, octets: int, seconds: int) -> None:
    assert parse_rotation(text, 5) == Rotation(octets, seconds, 5)


@pytest.mark.parametrize("text", ["100", "1 fortnight", "MB", "-5MB", "5kB"])
def test_rotations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 100MB|smaller than"):
        parse_rotation(text)


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_capture_output import batches, output
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
written = output(Path(sys.argv[1]))
all_of_them = batches()
now = written._begun_ns
for number, batch in enumerate(all_of_them):
    if number == 1:
        resource.setrlimit(resource.RLIMIT_FSIZE, (written._file_octets + 1000, resource.RLIM_INFINITY))
    if number == 3:
        print(written.trouble)
        print(written.lost_packets)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        now += 6 * 10**9
    written.write(batch, now)
written.close()
print(written.trouble)
"""


def test_a_full_disk_costs_only_what_came_meanwhile(tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk; a block that does not fit whole is not begun."""
    file = tmp_path / "kept.pcapng"
    done = subprocess.run(
        [sys.executable, "-c", FULL, file, Path(__file__).parent], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{file}: cannot be written: file too large", "100", ""]
    with CaptureReader([str(file)]) as reader:
        found = list(reader)
        assert reader.captures[0].notes == [] and not any(batch.anomalies for batch in found)
    here = [packet[1:] for packet in packets(batches())]
    assert [packet[1:] for packet in packets(found)] == here[:50] + here[150:]


def test_interfaces_keep_their_names(tmp_path: Path) -> None:
    batch = batches()[0]
    interface = int(batch.interface[0])
    octets = PcapngWriter("test", {interface: "eth0"}).packets(batch)
    assert struct.unpack_from("<I", octets)[0] == 1
    assert b"eth0" in octets[:60]
    nameless = PcapngWriter("test", {})
    both = PacketBatch(
        batch.octets, batch.packet, batch.position, batch.ts_ns, batch.offset, batch.captured, batch.original,
        batch.link, np.where(np.arange(len(batch.link)) % 2 == 0, interface, interface + 1),
    )  # fmt: skip
    assert nameless.packets(both).count(struct.pack("<I", 1) + struct.pack("<I", 36 - 4)) == 2
