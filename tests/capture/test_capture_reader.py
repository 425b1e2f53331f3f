"""Files, packed files, pipes, many files as one; errors for people; the names of anomalies; tshark as oracle."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import zstandard
from capture_writing import (
    START_NS,
    Packet,
    enhanced,
    interface,
    pcap,
    pcapng,
    read,
    read_octets,
    section,
    some_packets,
    whole,
)

from ocpp_inspect.capture import ANOMALIES, CaptureError, CaptureReader, expand_inputs
from ocpp_inspect.capture.source import Source

PACKETS = some_packets(300)
PACKERS = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress, "xz": lzma.compress}


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("size", [64, 1000, 1 << 20])
def test_packed_files(tmp_path: Path, name: str, size: int) -> None:
    for write, form in ((pcap, "pcap"), (pcapng, "pcapng")):
        packed = PACKERS[name](write(PACKETS))
        reading = read_octets(tmp_path, packed, batch_bytes=size)
        assert reading.packets == whole(PACKETS)
        assert not reading.anomalies
        assert reading.reader.captures[0].format == f"{form}+{name}"
        assert reading.reader.bytes_read == reading.reader.bytes_total == len(packed)


@pytest.mark.parametrize("name", PACKERS)
def test_packed_in_several_members(tmp_path: Path, name: str) -> None:
    octets = pcap(PACKETS)
    packed = PACKERS[name](octets[:5000]) + PACKERS[name](octets[5000:])
    assert read_octets(tmp_path, packed).packets == whole(PACKETS)


@pytest.mark.parametrize("name", ["gzip", "xz"])
def test_packed_file_that_is_cut(tmp_path: Path, name: str) -> None:
    packets = [Packet(START_NS + i, os.urandom(100)) for i in range(300)]
    octets = pcap(packets, magic=0xA1B23C4D, fraction_ns=1)
    packed = PACKERS[name](octets)
    reading = read_octets(tmp_path, packed[: len(packed) * 3 // 4])
    assert "capture.compression_error" in reading.names
    count = len(reading.rows)
    assert 150 < count < 300
    assert reading.packets[: count - 1] == whole(packets[: count - 1])


def test_damaged_gzip_gives_all_that_comes_before(tmp_path: Path) -> None:
    packets = [Packet(START_NS + i, os.urandom(100)) for i in range(300)]
    packed = bytearray(gzip.compress(pcap(packets, magic=0xA1B23C4D, fraction_ns=1)))
    half = len(packed) // 2
    packed[half : half + 400] = b"\xff" * 400
    reading = read_octets(tmp_path, bytes(packed))
    assert "capture.compression_error" in reading.names
    assert len(reading.rows) > 100
    assert reading.packets[:100] == whole(packets[:100])


def test_decompression_bomb_stays_a_window(tmp_path: Path) -> None:
    body = pcap([Packet(START_NS, bytes(1000))])
    bomb = gzip.compress(body + pcap([Packet(START_NS, bytes(1000))] * 1)[24:] + bytes(30_000_000))
    reading = read_octets(tmp_path, bomb, batch_bytes=65_536)
    assert len(reading.rows) == 2
    assert "capture.garbage" in reading.names


def test_pipe(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(PACKETS))
    script = textwrap.dedent("""
        from ocpp_inspect.capture import CaptureReader
        with CaptureReader(["-"]) as reader:
            assert reader.bytes_total is None
            print(sum(len(batch.packet) for batch in reader), reader.bytes_read)
    """)
    command = f"cat {path} | {sys.executable} -c '{script.strip()}'"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["300", str(path.stat().st_size)]


def test_rotated_files_follow_each_other(tmp_path: Path) -> None:
    paths = []
    for index in range(12):
        paths.append(tmp_path / f"trace{index}.pcap")
        paths[-1].write_bytes(pcap(PACKETS[index * 25 : index * 25 + 25]))
    reading = read(expand_inputs([str(tmp_path)]))
    assert reading.packets == whole(PACKETS)
    assert [row[0] for row in reading.rows] == [capture for capture in range(1, 13) for _ in range(25)]
    assert [row[1] for row in reading.rows] == list(range(1, 26)) * 12
    assert [info.path for info in reading.reader.captures] == [str(path) for path in paths]
    backwards = read(list(reversed(paths)), first_capture=5)
    assert backwards.packets == whole(PACKETS)
    assert backwards.rows[0][0] == 16


@pytest.mark.parametrize("size", [64, 500, 1 << 20])
@pytest.mark.parametrize("packets", [1, 7, 10_000])
def test_overlapping_files_are_merged_stably(tmp_path: Path, size: int, packets: int) -> None:
    shares: list[list[Packet]] = [[], [], []]
    for index, packet in enumerate(some_packets(150, step_ns=5_000_000)):
        for share in range(3):
            if (index + share) % 4:
                shares[share].append(Packet(packet.ts_ns + share % 2 * 1000, bytes([share]) + packet.data))
    paths = []
    for share, content in enumerate(shares):
        paths.append(tmp_path / f"{share}.pcap")
        paths[-1].write_bytes(pcap(content) if share % 2 else pcapng(content))
    reading = read(paths, batch_bytes=size, batch_packets=packets)
    expected = sorted(
        (
            (packet.ts_ns, share, place, packet.data)
            for share, content in enumerate(shares)
            for place, packet in enumerate(content)
        ),
        key=lambda entry: entry[:3],
    )
    assert [(row[2], row[0] - 1, row[1] - 1, row[3]) for row in reading.rows] == expected
    assert not reading.anomalies


def test_more_overlapping_files_than_may_be_open(tmp_path: Path) -> None:
    paths = []
    for share in range(5):
        paths.append(tmp_path / f"{share}.pcap")
        paths[-1].write_bytes(pcap(some_packets(50, start_ns=START_NS + share * 1000, tag=bytes([share]))))
    reading = read(paths, open_captures=2)
    assert len(reading.rows) == 250
    assert set(reading.names) == {"capture.too_many_open"}
    for share in range(5):
        assert [row[1] for row in reading.rows if row[0] == share + 1] == list(range(1, 51))


def test_empty_file(tmp_path: Path) -> None:
    for empty in (b"", gzip.compress(b"")):
        reading = read_octets(tmp_path, empty)
        assert reading.names == ["capture.empty"]
        assert not reading.rows
    assert not read_octets(tmp_path, pcap([])).anomalies
    assert not read_octets(tmp_path, section() + interface()).anomalies


def test_empty_file_among_others(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap(PACKETS))
    (tmp_path / "b.pcap").write_bytes(b"")
    reading = read([tmp_path / "a.pcap", tmp_path / "b.pcap"])
    assert reading.packets == whole(PACKETS)
    assert reading.names == ["capture.empty"]


def test_what_cannot_be_read_is_an_error_for_people(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(CaptureError, match="is not a capture: it begins with 68 65 6c 6c") as caught:
        CaptureReader([tmp_path / "notes.txt"])
    assert caught.value.hint
    assert caught.value.path == str(tmp_path / "notes.txt")
    with pytest.raises(CaptureError, match="no such file"):
        CaptureReader([tmp_path / "missing.pcap"])
    with pytest.raises(CaptureError, match="no such file"):
        CaptureReader(expand_inputs([str(tmp_path / "missing.pcap")]))
    with pytest.raises(CaptureError, match="is a directory"):
        CaptureReader([tmp_path])
    with pytest.raises(CaptureError, match="no captures in this directory"):
        expand_inputs([str(tmp_path)])
    with pytest.raises(CaptureError, match="no file matches"):
        expand_inputs([str(tmp_path / "*.pcap")])


def test_expand_inputs(tmp_path: Path) -> None:
    for name in ("x2.pcap", "x10.pcap", "x1.pcap.gz", "y.pcapng", "z.cap", "rotated.pcap3", "notes.txt"):
        (tmp_path / name).write_bytes(pcap([]))
    names = [Path(path).name for path in expand_inputs([str(tmp_path)])]
    assert names == ["rotated.pcap3", "x1.pcap.gz", "x2.pcap", "x10.pcap", "y.pcapng", "z.cap"]
    twice = expand_inputs([str(tmp_path / "x*.pcap"), str(tmp_path / "x2.pcap"), "-", "-"])
    assert [Path(path).name for path in twice] == ["x2.pcap", "x10.pcap", "-"]


def test_packets_of_a_long_record_wait_for_more_window(tmp_path: Path) -> None:
    packets = [Packet(START_NS, b"j" * 200_000), Packet(START_NS, b"k" * 20)]
    for write in (pcap, pcapng):
        assert read_octets(tmp_path, write(packets), batch_bytes=256).packets == whole(packets)


@pytest.mark.tshark
def test_tshark_reads_the_same(tmp_path: Path) -> None:
    mixed = section() + interface(1) + interface(101)
    mixed += b"".join(enhanced(packet, number=index % 2) for index, packet in enumerate(PACKETS))
    variants = {
        "micro": pcap(PACKETS),
        "nano": pcap(PACKETS, magic=0xA1B23C4D, fraction_ns=1, order=">"),
        "modified": pcap(PACKETS, magic=0xA1B2CD34, header_extra=bytes(8)),
        "nokia": pcap(PACKETS, header_extra=bytes(4)),
        "ixia": pcap(PACKETS, magic=0x1C0001AC, behind_header=b"\0\0\1\0"),
        "ng": pcapng(PACKETS, order=">"),
        "mixed": mixed,
    }
    for name, octets in variants.items():
        path = tmp_path / name
        path.write_bytes(octets)
        fields = ["frame.number", "frame.time_epoch", "frame.cap_len", "frame.len"]
        command = ["tshark", "-n", "-r", str(path), "-T", "fields"]
        for field in fields:
            command += ["-e", field]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        theirs = []
        for line in lines:
            number, epoch, captured, original = line.split("\t")
            seconds, _, fraction = epoch.partition(".")
            theirs.append(
                (int(number), int(seconds) * 10**9 + int(fraction.ljust(9, "0")), int(captured), int(original))
            )
        assert [(row[1], row[2], len(row[3]), row[4]) for row in read([path]).rows] == theirs, name


class _BadDisk(io.RawIOBase):
    """A file whose second read fails."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if not self._octets:
            raise OSError(5, "Input/output error")
        count = min(len(view), len(self._octets))
        view[:count], self._octets = self._octets[:count], self._octets[count:]
        return count


def test_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "capture").write_bytes(pcap(PACKETS))
    monkeypatch.setattr(Source, "_open", lambda self, path: _BadDisk(pcap(PACKETS[:10])))
    monkeypatch.setattr(Source, "size", None)
    monkeypatch.setattr(Source, "_ready", lambda self: True)
    reading = read([tmp_path / "capture"])
    assert reading.packets == whole(PACKETS[:10])
    assert reading.names == ["capture.read_error"]
    assert "Input/output error" in reading.reader.captures[0].notes[0]


def test_every_anomaly_is_produced_by_a_test() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in ANOMALIES if f'"{name}"' not in tests] == []
