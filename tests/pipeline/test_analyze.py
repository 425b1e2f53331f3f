"""Whole runs: captures in, one database out; all of a run or nothing, whoever decodes it, whatever goes wrong."""

from __future__ import annotations

import multiprocessing
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest

from bench.traffic import Options as Traffic
from bench.traffic import generate
from ocpp_inspect.capture import CaptureError
from ocpp_inspect.pipeline import Options, analyze, temporary_analysis, workers
from ocpp_inspect.pipeline.workers import SMALL_INPUT_BYTES, WorkerError, decide_jobs
from ocpp_inspect.store import StoreError

SAMPLES = Path(__file__).parents[2] / "samples"
SITE = Traffic(messages=3000, stations=9, mtu=300, reorder=0.05, duplicate=0.02, retransmit=0.02, loss=0.01)
DATA_TABLES = (
    "connections",
    "upgrades",
    "message_records",
    "controls",
    "losses",
    "anomalies",
    "findings",
    "long_texts",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "site.pcap"
    generate(path, SITE)
    return path


def content(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of what was decoded, in an order of its own."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return {
            table: sorted(connection.execute(f"select * from {table}").fetchall(), key=repr)  # noqa: S608
            for table in DATA_TABLES
        }


def count(database: Path, what: str = "messages") -> int:
    with duckdb.connect(str(database), read_only=True) as connection:
        row = connection.execute(f"select count(*) from {what}").fetchone()  # noqa: S608
    assert row is not None
    return int(row[0])


def in_files(capture: Path, folder: Path, parts: int) -> list[Path]:
    """The capture as rotated files of about equal size."""
    octets = capture.read_bytes()
    records, at = [], 24
    while at < len(octets):
        size = 16 + struct.unpack_from("<I", octets, at + 8)[0]
        records.append(octets[at : at + size])
        at += size
    share = len(records) // parts + 1
    files = []
    for number in range(parts):
        files.append(folder / f"rotated{number + 1}.pcap")
        files[-1].write_bytes(octets[:24] + b"".join(records[number * share : (number + 1) * share]))
    return files


def command(*arguments: object, **how: Any) -> subprocess.CompletedProcess[bytes]:
    call = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(call, capture_output=True, check=False, timeout=120, **how)


# ------------------------------------------------------------------------------------------------------ what comes out


@pytest.mark.parametrize("jobs", [2, 3])
def test_any_number_of_workers_writes_the_same_rows(jobs: int, site: Path, tmp_path: Path) -> None:
    paths = [str(site), str(SAMPLES / "five-stations.pcap"), str(SAMPLES / "reconnects.pcap")]
    analyze(paths, tmp_path / "one.duckdb", Options(jobs=1))
    outcome = analyze(paths, tmp_path / "more.duckdb", Options(jobs=jobs))
    one, more = content(tmp_path / "one.duckdb"), content(tmp_path / "more.duckdb")
    for table in DATA_TABLES:
        assert more[table] == one[table], table
    assert one["message_records"]
    assert one["losses"]
    assert [info.packets for info in outcome.captures][1:] == [599, 127]


def test_several_captures_go_into_one_database(tmp_path: Path) -> None:
    database = tmp_path / "site.duckdb"
    first = analyze([str(SAMPLES / "ipv6.pcap")], database)
    before = count(database)
    second = analyze([str(SAMPLES / "reconnects.pcap"), str(SAMPLES / "snaplen.pcap")], database)
    assert [info.capture for info in first.captures + second.captures] == [1, 2, 3]
    assert count(database, "captures") == 3
    with temporary_analysis([str(SAMPLES / "reconnects.pcap"), str(SAMPLES / "snaplen.pcap")]) as other:
        assert count(database) == before + count(other)


def test_the_same_capture_is_refused_until_it_shall_replace(tmp_path: Path) -> None:
    database = tmp_path / "site.duckdb"
    capture = str(SAMPLES / "ipv6.pcap")
    analyze([capture], database)
    before = count(database), count(database, "findings"), count(database, "connections")
    with pytest.raises(StoreError):
        analyze([capture], database)
    assert (count(database), count(database, "findings"), count(database, "connections")) == before
    analyze([capture], database, replace=True)
    assert (count(database), count(database, "findings"), count(database, "connections")) == before
    assert count(database, "captures") == 1


def test_a_connection_goes_on_from_file_to_file(site: Path, tmp_path: Path) -> None:
    files = in_files(site, tmp_path, 4)
    with temporary_analysis([str(site)]) as whole, temporary_analysis([str(tmp_path / "rotated*.pcap")]) as parts:
        assert count(parts, "captures") == len(files)
        assert count(parts) == count(whole)
        assert count(parts, "connections") == count(whole, "connections")
        assert count(parts, "findings") == count(whole, "findings")


def test_standard_input_gives_what_the_file_gives(tmp_path: Path) -> None:
    capture = SAMPLES / "five-stations.pcap"
    with capture.open("rb") as file:
        ended = command("analyze", "-", "--db", tmp_path / "pipe.duckdb", "--fail-on", "never", "-q", stdin=file)
    assert (ended.returncode, ended.stderr) == (0, b"")
    with temporary_analysis([str(capture)]) as other:
        assert content(tmp_path / "pipe.duckdb") == content(other)


@pytest.mark.parametrize("jobs", [1, 2])
def test_progress_grows_to_the_whole(jobs: int, site: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    analyze([str(site)], tmp_path / "site.duckdb", Options(jobs=jobs), progress=lambda *now: told.append(now))
    assert told == sorted(told)
    assert told[-1] == (site.stat().st_size, site.stat().st_size)


def test_how_many_workers_there_are() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert decide_jobs(None, SMALL_INPUT_BYTES - 1) == 1
    assert decide_jobs(None, SMALL_INPUT_BYTES) == cores
    assert decide_jobs(7, 1) == 7
    assert decide_jobs(7, None) == 1  # a pipe can be read once


# ------------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("kind", ["missing", "text", "directory"])
def test_an_unreadable_input_leaves_no_database(kind: str, jobs: int, tmp_path: Path) -> None:
    path = tmp_path / "input"
    if kind == "directory":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(b"this is no capture, whatever its name may say")
    with pytest.raises(CaptureError):
        analyze([str(SAMPLES / "ipv6.pcap"), str(path)], tmp_path / "none.duckdb", Options(jobs=jobs))
    assert [each.name for each in tmp_path.iterdir() if "duckdb" in each.name] == []


def dying(*_: Any) -> Iterator[dict[str, Any]]:
    os.kill(os.getpid(), signal.SIGKILL)
    yield {}


def raising(*_: Any) -> Iterator[dict[str, Any]]:
    raise ZeroDivisionError("a bug of ours")
    yield {}


@pytest.mark.parametrize(("body", "said"), [(dying, "ended without a word"), (raising, "ZeroDivisionError")])
def test_a_worker_that_fails_leaves_the_database_as_it_was(
    body: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "site.duckdb"
    analyze([str(SAMPLES / "ipv6.pcap")], database)
    before = content(database)
    # Forked, whatever this test process has loaded: a spawned worker would not see what is patched here.
    monkeypatch.setattr(workers, "_context", lambda: multiprocessing.get_context("fork"))
    monkeypatch.setattr(workers, "_decode", body)
    capture = [str(SAMPLES / "lossy.pcap")]
    for target in (database, tmp_path / "none.duckdb"):
        with pytest.raises(WorkerError, match=said):
            analyze(capture, target, Options(jobs=2))
    assert content(database) == before
    assert [each.name for each in tmp_path.iterdir()] == ["site.duckdb"]
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_leaves_the_old_database(jobs: int, tmp_path: Path) -> None:
    database = tmp_path / "site.duckdb"
    analyze([str(SAMPLES / "ipv6.pcap")], database)
    before = content(database)
    capture = tmp_path / "more.pcap"
    os.mkfifo(capture) if jobs == 1 else generate(capture, Traffic(messages=40_000, stations=20))
    script = (
        "import sys, os, signal\n"
        "from ocpp_inspect.pipeline import Options, analyze\n"
        "from pathlib import Path\n"
        "def progress(done, total):\n"
        "    if done > 300_000: os.kill(os.getpid(), signal.SIGINT)\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored where a shell put us behind '&'
        "    try: analyze([sys.argv[1]], Path(sys.argv[2]), Options(jobs=int(sys.argv[3])), progress=progress)\n"
        "    except KeyboardInterrupt: sys.exit(130)\n"
    )
    (tmp_path / "run.py").write_text(script)
    call = [sys.executable, str(tmp_path / "run.py"), str(capture), str(database), str(jobs)]
    running = subprocess.Popen(call, env=os.environ | {"PYTHONPATH": str(SAMPLES.parent)}, stderr=subprocess.PIPE)
    if jobs == 1:  # a pipe that a person leaves with Ctrl-C while it waits for more
        generate(tmp_path / "site.pcap", Traffic(messages=8000, stations=5))
        with capture.open("wb", buffering=0) as pipe:
            with suppress(BrokenPipeError):  # it may leave before all is written: as it should
                pipe.write((tmp_path / "site.pcap").read_bytes())
            running.wait(timeout=120)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 130, errors.decode()
    assert content(database) == before
    assert not list(tmp_path.glob(".*"))


def test_a_database_that_exists_is_asked_where_no_worker_has_to_fork(site: Path, tmp_path: Path) -> None:
    """DuckDB starts threads, and a process with threads cannot be forked safely: starting anew takes half a second."""
    database = tmp_path / "run.duckdb"
    analyze([str(SAMPLES / "ocpp16-day.pcap")], database)
    program = (
        "import sys; from pathlib import Path; from ocpp_inspect.pipeline import analyze, workers\n"
        "from ocpp_inspect.pipeline import Options; begin = workers.decode_in_workers; seen = []\n"
        "import ocpp_inspect.pipeline.analysis as a\n"
        "def watched(*given, **named): seen.append('duckdb' in sys.modules); return begin(*given, **named)\n"
        "a.decode_in_workers = watched\n"
        f"analyze([{str(site)!r}], Path({str(database)!r}), Options(jobs=2)); print(seen)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[False]"
    with duckdb.connect(str(database), read_only=True) as connection:
        assert connection.execute("SELECT max(capture_id) FROM captures").fetchone() == (2,)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_no_database_is_said(jobs: int, site: Path, tmp_path: Path) -> None:
    database = tmp_path / "letter.duckdb"
    database.write_text("this is a letter to nobody, and long enough to be taken for something else")
    with pytest.raises(StoreError, match="not a DuckDB database"):
        analyze([str(site)], database, Options(jobs=jobs))


def test_a_helping_process_that_dies_is_told() -> None:
    program = "import os; from ocpp_inspect.pipeline.workers import elsewhere; elsewhere(os._exit, 3)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ended without a word" in done.stderr
