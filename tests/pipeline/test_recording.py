"""A recording that goes on: whole after every second, readable meanwhile, undisturbed by a disk that is full."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from pipeline_recorder import feed, finish

from ocpp_inspect.pipeline import Options, analyze, recording
from ocpp_inspect.pipeline.chain import Chain
from ocpp_inspect.pipeline.recording import Recording
from ocpp_inspect.pipeline.rules import built_in_and
from ocpp_inspect.pipeline.stream import Decoded
from ocpp_inspect.store import StoreError

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "faulty-sequence-16.pcap"
TABLES = ("connections", "upgrades", "message_records", "controls", "losses", "anomalies", "long_texts", "counters")
SECOND_NS = 10**9


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return sorted(connection.execute(query).fetchall(), key=repr)


def content(database: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of what was decoded; findings are numbered in the order in which they became known."""
    found = {table: rows(database, f"SELECT * FROM {table}") for table in TABLES}  # noqa: S608
    return found | {"findings": rows(database, "SELECT * EXCLUDE finding_id FROM findings")}


def test_a_recording_holds_what_an_analysis_of_the_file_holds(tmp_path: Path) -> None:
    analyze([str(SAMPLE)], tmp_path / "file.duckdb", Options(jobs=1))
    seen: list[Decoded] = []
    with Recording(tmp_path / "live.duckdb", source="live:test0") as recording:
        recording.subscribe(seen.append)
        chain = Chain(built_in_and(Options()))
        feed(recording, chain, SAMPLE, packets_at_once=7)
        finish(recording, chain)
    assert content(tmp_path / "live.duckdb") == content(tmp_path / "file.duckdb")
    numbers = rows(tmp_path / "live.duckdb", "SELECT finding_id FROM findings")
    assert {number for (number,) in numbers} == set(range(1, len(numbers) + 1))
    assert rows(tmp_path / "live.duckdb", "SELECT path, packets > 0 FROM captures") == [("live:test0", True)]
    assert sum(len(decoded.findings) for decoded in seen) == len(numbers)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file.duckdb", "live.duckdb"]


def test_a_second_recording_goes_into_the_same_database(tmp_path: Path) -> None:
    for number in (1, 2):
        with Recording(tmp_path / "live.duckdb", source="live:test0") as recording:
            assert recording.info.capture == number
            chain = Chain(built_in_and(Options()))
            feed(recording, chain, SAMPLE)
            finish(recording, chain)
    found = rows(tmp_path / "live.duckdb", "SELECT capture_id, count(*) FROM messages GROUP BY 1")
    assert len(found) == 2 and found[0][1] == found[1][1]
    numbers = rows(tmp_path / "live.duckdb", "SELECT count(DISTINCT finding_id) = count(*) FROM findings")
    assert numbers == [(True,)]


def test_without_a_database_a_temporary_one_serves_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording(None, source="live:test0")
    chain = Chain(built_in_and(Options()))
    feed(recording, chain, SAMPLE)
    finish(recording, chain)
    assert rows(recording.database, "SELECT count(*) > 0 FROM messages") == [(True,)]
    recording.dispose()
    assert not recording.database.exists()


def test_a_temporary_database_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "RECORDING_SCRATCH_BYTES", 100_000)
    with Recording(None, source="live:test0") as running:
        chain = Chain(built_in_and(Options()))
        feed(running, chain, SAMPLE, packets_at_once=7)
        finish(running, chain)
        assert running.lost_rows > 0
        assert any("--db" in note for note in running.info.notes)


def test_a_database_that_cannot_be_made_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such directory"):
        Recording(tmp_path / "nowhere" / "live.duckdb", source="live:test0")
    with pytest.raises(StoreError, match="is a directory"):
        Recording(tmp_path, source="live:test0")


# --------------------------------------------------------------------------- other processes


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that records the sample again and again, a part every 20 ms, and says when a second was committed."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "tests" / "pipeline_recorder.py", tmp_path / "live.duckdb", SAMPLE],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def said(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def query(database: Path, sql: str) -> str:
    call = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", "query", database, sql, "-f", "csv"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_killed_recording_lacks_at_most_its_last_second(tmp_path: Path, recorder: subprocess.Popen[str]) -> None:
    committed = [said(recorder) for _ in range(3)][-1]
    time.sleep(1.3)  # what was decoded before has to be there
    recorder.send_signal(signal.SIGKILL)
    recorder.wait()
    ((number,),) = rows(tmp_path / "live.duckdb", "SELECT count(*) FROM messages")
    assert isinstance(number, int) and number >= committed > 0
    assert rows(tmp_path / "live.duckdb", "SELECT path FROM captures") == [("live:test",)]
    with Recording(tmp_path / "live.duckdb", source="live:again") as again:  # and it can be gone on with
        assert again.info.capture == 2


def test_readers_see_a_running_recording(tmp_path: Path, recorder: subprocess.Popen[str]) -> None:
    said(recorder)
    first = int(query(tmp_path / "live.duckdb", "SELECT count(*) FROM messages"))
    # The file stays lent for a moment after a look: a second one in that moment sees what the first one saw.
    deadline, second = time.monotonic() + 20, first
    while second == first and time.monotonic() < deadline:
        second = int(query(tmp_path / "live.duckdb", "SELECT count(*) FROM messages"))
    assert 0 < first < second


def test_a_reader_that_stays_does_not_cost_a_row(tmp_path: Path, recorder: subprocess.Popen[str]) -> None:
    said(recorder)
    hold = (
        "import sys, time, duckdb; from pathlib import Path; from ocpp_inspect.pipeline.lending import borrow\n"
        "borrow(Path(sys.argv[1])); c = duckdb.connect(sys.argv[1], read_only=True); print('has it', flush=True)\n"
        "time.sleep(3)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, tmp_path / "live.duckdb"], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "has it\n"
    time.sleep(0.5)
    recorder.send_signal(signal.SIGTERM)
    assert recorder.stdout is not None
    decoded = int(recorder.stdout.read().splitlines()[-1])
    assert recorder.wait(20) == 0
    assert rows(tmp_path / "live.duckdb", "SELECT count(*) FROM messages") == [(decoded,)]


def test_a_full_disk_is_told_and_the_recording_goes_on(tmp_path: Path) -> None:
    """The limit on a file's size stands for the disk; it is raised again, and nothing is missing afterwards."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "pipeline_recorder.py", tmp_path / "live.duckdb", SAMPLE, "full"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trouble, decoded = done.stdout.splitlines()
    assert "live.duckdb: cannot be written" in trouble
    assert rows(tmp_path / "live.duckdb", "SELECT count(*) FROM messages") == [(int(decoded),)]
    ((notes,),) = rows(tmp_path / "live.duckdb", "SELECT notes FROM captures")
    assert isinstance(notes, list) and "cannot be written" in notes[0] and "written again" in notes[1]


def test_what_does_not_fit_into_memory_meanwhile_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "RECORDING_HELD_BYTES", 20_000)
    hold = "import sys, duckdb; c = duckdb.connect(sys.argv[1]); print('has it', flush=True); sys.stdin.read()"
    running = Recording(tmp_path / "live.duckdb", source="live:test0")
    chain = Chain(built_in_and(Options()))
    feed(running, chain, SAMPLE, packets_at_once=20)
    running._appender.release()
    with subprocess.Popen(
        [sys.executable, "-c", hold, tmp_path / "live.duckdb"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
        for _ in range(3):
            feed(running, Chain(built_in_and(Options())), SAMPLE, packets_at_once=20)
        assert "another program has it open" in running.trouble
        assert running.waiting_octets <= 20_000
        other.communicate()
    finish(running, chain)
    assert running.lost_rows > 0
    ((notes,),) = rows(tmp_path / "live.duckdb", "SELECT notes FROM captures")
    assert isinstance(notes, list)
    assert any("given up" in note for note in notes) and f"{running.lost_rows} rows were not written" in notes[-1]


def test_timeline_follows_a_running_recording(tmp_path: Path, recorder: subprocess.Popen[str]) -> None:
    said(recorder)
    call = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", "timeline", "--follow"]
    with subprocess.Popen([*call, tmp_path / "live.duckdb"], stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        boots = 0
        while boots < 8:  # the sample has fewer than these; more of them come only from later rounds
            boots += "BootNotification" in follower.stdout.readline()
        follower.kill()
