"""`live -r -`: a capture that grows in a pipe, of either format; and what time it is for its sender."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from live.conftest import COMMAND, ROOT, Live, rows

from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.capture.live.pipe import PipeSource, SenderClock
from ocpp_inspect.capture.pcapng_writer import PcapngWriter
from ocpp_inspect.pipeline import Options, analyze

SAMPLE = ROOT / "samples" / "faulty-sequence-16.pcap"
SECOND = 10**9


def as_pcapng() -> bytes:
    writer = PcapngWriter("test", {})
    with CaptureReader([str(SAMPLE)]) as reader:
        return writer.section() + b"".join(writer.packets(batch) for batch in reader)


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_a_growing_capture_is_told_as_it_grows(live: Callable[..., Live], tmp_path: Path, form: str) -> None:
    octets = SAMPLE.read_bytes() if form == "pcap" else as_pcapng()
    running = live("-r", "-", "--db", tmp_path / "pipe.duckdb", stdin=subprocess.PIPE)
    pipe = running.process.stdin
    assert pipe is not None
    half = len(octets) // 2  # in the middle of some packet
    pipe.buffer.write(octets[:half])  # type: ignore[attr-defined]
    pipe.buffer.flush()  # type: ignore[attr-defined]
    running.until("BootNotification")
    pipe.buffer.write(octets[half:])  # type: ignore[attr-defined]
    pipe.close()
    assert running.wait() == 0, running.errors
    analyze([str(SAMPLE)], tmp_path / "file.duckdb", Options(jobs=1))
    for query in (
        "SELECT * FROM message_records ORDER BY ALL",
        "SELECT * EXCLUDE finding_id FROM findings ORDER BY ALL",
    ):
        assert rows(tmp_path / "pipe.duckdb", query) == rows(tmp_path / "file.duckdb", query)
    ((path, found),) = rows(tmp_path / "pipe.duckdb", "SELECT path, format FROM captures")
    assert (path, found) == ("live:-", f"{form} pipe")


def test_what_is_no_capture_is_said() -> None:
    done = subprocess.run(
        [*COMMAND, "live", "-r", "-"], input=b"tcpdump: eth9: No such device\n", capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert b"is not a capture" in done.stderr


def test_an_empty_pipe_ends_cleanly() -> None:
    done = subprocess.run(
        [*COMMAND, "live", "-r", "-"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_pipe_without_an_end_is_interrupted(live: Callable[..., Live], tmp_path: Path) -> None:
    running = live("-r", "-", "--db", tmp_path / "pipe.duckdb", stdin=subprocess.PIPE)
    assert running.process.stdin is not None
    running.process.stdin.buffer.write(SAMPLE.read_bytes())  # type: ignore[attr-defined]
    running.process.stdin.buffer.flush()  # type: ignore[attr-defined]
    running.until("BootNotification")
    time.sleep(0.5)
    assert running.end() == 0
    running.process.stdin.close()
    assert rows(tmp_path / "pipe.duckdb", "SELECT count(*) > 0 FROM messages") == [(True,)]


def test_drops_that_tcpdump_tells_are_told(tmp_path: Path) -> None:
    """A program that writes a capture and says at its end, as tcpdump does, what the kernel dropped."""
    script = "cat \"$0\"; echo '12 packets received by filter' >&2; echo '7 packets dropped by kernel' >&2"
    program = subprocess.Popen(["sh", "-c", script, SAMPLE], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert program.stdout is not None
    source = PipeSource(f"/dev/fd/{program.stdout.fileno()}", "live:test0", program)
    source.begin(1)
    told = []
    while not source.has_ended:
        told += [anomaly.name for batch in source.poll(0.1) for anomaly in batch.anomalies]
    source.close()
    assert told == ["capture.dropped_packets"]
    assert source.info.dropped_packets == 7 and source.info.packets > 20


# --------------------------------------------------------------------------- the sender's time


def test_time_passes_behind_the_packets() -> None:
    clock = SenderClock()
    assert clock.now_ns(5 * SECOND) == 0
    clock.heard(1000 * SECOND, 1000 * SECOND, 50 * SECOND)
    assert clock.now_ns(50 * SECOND) == 1000 * SECOND
    assert clock.now_ns(60 * SECOND) == 1009 * SECOND  # one second of margin


def test_a_sender_that_gathers_packets_slows_the_clock() -> None:
    """tcpdump without -U: a minute of packets comes at once; the next minute's must not be missed before it comes."""
    clock = SenderClock()
    clock.heard(1000 * SECOND, 1060 * SECOND, 60 * SECOND)
    for later in range(60, 180):
        assert clock.now_ns(later * SECOND) == 1060 * SECOND
    clock.heard(1061 * SECOND, 1120 * SECOND, 120 * SECOND)
    assert clock.now_ns(121 * SECOND) == 1120 * SECOND


def test_an_old_capture_played_quickly_lets_no_time_pass() -> None:
    clock = SenderClock()
    for second in range(100):
        clock.heard(second * SECOND, second * SECOND, 1_000_000 * SECOND + second * SECOND // 1000)
    assert clock.now_ns(1_000_010 * SECOND) == 99 * SECOND


def test_the_clock_never_goes_back() -> None:
    clock, latest = SenderClock(), 0
    random = np.random.default_rng(1)
    for step in range(1, 500):
        delay = int(random.integers(0, 3 * SECOND))
        clock.heard(step * SECOND, step * SECOND, step * SECOND + delay)
        now = clock.now_ns(step * SECOND + delay)
        assert now >= step * SECOND
        latest = max(latest, now)
    assert latest <= 500 * SECOND
