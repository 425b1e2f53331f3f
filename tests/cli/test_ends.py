"""Runs that end early: by a reader that leaves, a full disk, Ctrl-C, a kill. Nothing stays behind, and it is said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recorded_samples import SAMPLES

from bench.traffic import Options, generate

COMMAND = str(Path(sys.executable).with_name("ocpp-inspect"))
CAPTURE = str(SAMPLES["ocpp16-day"].capture)


def start(folder: Path, *arguments: str, stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [COMMAND, *arguments],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=stdout,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def children_of(group: int) -> list[int]:
    """Living processes of that process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("large") / "site.pcap"
    generate(path, Options(messages=100_000))
    return str(path)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    folder = tmp_path / "desk"
    folder.mkdir()
    return folder


def test_a_reader_that_has_seen_enough_leaves_no_temporary_database(desk: Path, large: str) -> None:
    with start(desk, "timeline", large) as process:  # it says more than a pipe can hold
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGPIPE
    assert list(desk.iterdir()) == []


@pytest.mark.parametrize("arguments", [["timeline", CAPTURE], ["analyze", CAPTURE], ["rules", "list"], ["doctor"]])
def test_a_full_disk_behind_stdout_is_said_and_is_no_finding(desk: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(desk, *arguments, stdout=full.fileno())
        _, talk = process.communicate()
    assert talk == b"ocpp-inspect: standard output cannot be written: no space left on device\n"
    assert process.returncode == 2
    assert list(desk.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code", "talk"),
    [(signal.SIGINT, 130, b"ocpp-inspect: interrupted\n"), (signal.SIGTERM, 143, b"")],
)
def test_an_interrupted_run_leaves_nothing(desk: Path, number: int, code: int, talk: bytes) -> None:
    os.mkfifo(desk / "pipe")
    process = start(desk, "analyze", "pipe", "--db", "site.duckdb")
    with (desk / "pipe").open("wb") as pipe:  # opens when the command does; nothing comes, so it waits
        pipe.write(Path(CAPTURE).read_bytes()[:5000])
        pipe.flush()
        deadline = time.monotonic() + 20
        while not (desk / ".site.duckdb.partial").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.5)  # it has opened its database and waits for packets
        process.send_signal(number)
        assert process.communicate(timeout=20) == (b"", talk)
    assert process.returncode == code
    assert sorted(path.name for path in desk.iterdir()) == ["pipe"]


def test_ctrl_c_in_workers_shows_no_traceback(desk: Path, large: str) -> None:
    process = start(desk, "analyze", large, "--db", "site.duckdb", "--jobs", "2", "--quiet")
    deadline = time.monotonic() + 20
    while len(children_of(process.pid)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.4)
    os.killpg(process.pid, signal.SIGINT)
    _, talk = process.communicate(timeout=20)
    assert talk == b"ocpp-inspect: interrupted\n"
    assert process.returncode == 130
    assert list(desk.iterdir()) == []


def test_workers_end_when_their_parent_was_killed(desk: Path, large: str) -> None:
    process = start(desk, "analyze", large, "--db", "site.duckdb", "--jobs", "2", "--quiet")
    deadline = time.monotonic() + 20
    while len(children_of(process.pid)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)  # ends when the last process that holds the pipes has ended
    assert process.returncode == -signal.SIGKILL
    assert children_of(process.pid) == []
