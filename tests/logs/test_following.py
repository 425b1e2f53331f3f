"""A log that grows: told as it grows, the same in the end as the whole file; rotated, cut off, or out of a pipe."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import Empty, Queue
from typing import IO, Any

import duckdb
import pytest
from log_texts import anything, evcc, libocpp, libocpp_html, python, steve, structured, without_direction

from ocpp_inspect.capture.source import CaptureError
from ocpp_inspect.logs import GrowingLog
from ocpp_inspect.model import CaptureInfo, Loss
from ocpp_inspect.ocpp.actions import initiators
from ocpp_inspect.pipeline import Options, analyze
from ocpp_inspect.pipeline.following import LogRun
from ocpp_inspect.pipeline.tail import Tail

COMMAND = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", "analyze", "--follow"]
MESSAGES = "SELECT * FROM message_records ORDER BY ALL"
FINDINGS = "SELECT * EXCLUDE finding_id FROM findings ORDER BY ALL"
SHAPES: dict[str, Callable[[], str]] = {
    "steve": steve,
    "evcc": evcc,
    "python": partial(python, "csms"),
    "libocpp": libocpp,
    "html": libocpp_html,
    "structured": structured,
    "anything": anything,
    "without direction": without_direction,
}


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("shape", SHAPES)
def test_in_whatever_pieces_it_grows_the_items_are_the_same(shape: str) -> None:
    octets = SHAPES[shape]().encode()
    seen = []
    for seed in range(5):
        pieces = random.Random(seed)
        log = GrowingLog(CaptureInfo(1, "a.log"), initiators(), lambda *_: None)
        items, start = [], 0
        while start < len(octets):
            size = len(octets) if seed == 0 else pieces.randrange(1, 400)
            items += log.feed(octets[start : start + size])
            start += size
        items += log.settle()
        assert log.is_decided
        assert len(items) > 5
        seen.append([*items, *log.finish()])
    assert all(each == seen[0] for each in seen[1:])


def test_lines_wait_until_one_of_them_is_a_message() -> None:
    log = GrowingLog(CaptureInfo(1, "a.log"), initiators(), lambda *_: None)
    first, _, rest = steve().partition("\n")
    assert log.feed(b"Starting up ...\n") == []
    assert log.settle() == []
    assert (log.is_waiting, log.is_decided) == (True, False)
    log.feed(f"{first}\n{rest}".encode())
    assert log.settle()
    assert (log.is_waiting, log.is_decided) == (False, True)


class Follower:
    """A running `analyze --follow`."""

    def __init__(self, *arguments: object, **how: Any) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how
        )
        self._lines: Queue[str] = Queue()
        self.thread = threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True)
        self.thread.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)

    def until(self, text: str, seconds: float = 60) -> str:
        deadline, said = time.monotonic() + seconds, ""
        while text not in said:
            try:
                said += self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                raise AssertionError(f"{text!r} was not said; said was\n{said}") from None
        return said

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        return self.process.wait(60)

    @property
    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()


@pytest.fixture
def follow() -> Iterator[Callable[..., Follower]]:
    running: list[Follower] = []

    def start(*arguments: object, **how: Any) -> Follower:
        running.append(Follower(*arguments, **how))
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.wait()
        each.thread.join(10)
        for stream in (each.process.stdin, each.process.stdout, each.process.stderr):
            if stream is not None:
                stream.close()


def test_a_growing_file_is_told_as_it_grows_and_equals_the_whole(
    tmp_path: Path, follow: Callable[..., Follower]
) -> None:
    text = steve()
    path, half = tmp_path / "steve.log", len(text) // 2  # in the middle of some line
    path.write_text(text[:half])
    running = follow(path, "--db", tmp_path / "grown.duckdb", "--fail-on", "never")
    running.until("BootNotification")
    with path.open("a") as file:
        file.write(text[half:])
    running.until("closed after")
    assert running.end() == 0, running.errors
    analyze([str(path)], tmp_path / "whole.duckdb", Options(jobs=1))
    assert rows(tmp_path / "grown.duckdb", MESSAGES) == rows(tmp_path / "whole.duckdb", MESSAGES)
    assert rows(tmp_path / "grown.duckdb", FINDINGS) == rows(tmp_path / "whole.duckdb", FINDINGS)
    whole = rows(tmp_path / "whole.duckdb", "SELECT packets, bytes, first_ts, last_ts, notes FROM captures")
    assert rows(tmp_path / "grown.duckdb", "SELECT packets, bytes, first_ts, last_ts, notes FROM captures") == whole


def test_a_pipe_is_followed_to_its_end_and_told_by_exit_code(tmp_path: Path, follow: Callable[..., Follower]) -> None:
    running = follow("-", "--format", "json", stdin=subprocess.PIPE)
    assert running.process.stdin is not None
    running.process.stdin.write(steve())
    running.process.stdin.close()
    said = running.until('"captures"')
    assert running.wait() == 0, running.errors
    assert said.lstrip().startswith("{")  # nothing but the report on stdout


def test_rotation_goes_on_in_the_new_file(tmp_path: Path, follow: Callable[..., Follower]) -> None:
    lines = steve().splitlines(keepends=True)
    path, half = tmp_path / "steve.log", len(lines) // 2
    path.write_text("".join(lines[:half]))
    running = follow(path, "--db", tmp_path / "grown.duckdb", "--fail-on", "never")
    running.until("BootNotification")
    path.rename(tmp_path / "steve.log.1")
    time.sleep(0.5)  # the old name is gone for a while
    path.write_text("".join(lines[half:]))
    said = running.until("closed after")
    assert "was rotated" in said
    assert running.end() == 0, running.errors
    (tmp_path / "both.log").write_text("".join(lines))
    analyze([str(tmp_path / "both.log")], tmp_path / "whole.duckdb", Options(jobs=1))
    columns = "ts, sender, kind, unique_id, action, raw, frame_no"
    query = f"SELECT {columns} FROM message_records ORDER BY ALL"  # noqa: S608 - ours
    assert rows(tmp_path / "grown.duckdb", query) == rows(tmp_path / "whole.duckdb", query)
    (notes,) = rows(tmp_path / "grown.duckdb", "SELECT notes FROM captures")[0]
    assert any("was rotated" in note for note in notes)


def test_a_file_that_is_cut_off_is_a_loss(tmp_path: Path) -> None:
    lines = steve().splitlines(keepends=True)
    path = tmp_path / "steve.log"
    path.write_text("".join(lines[:6]))
    run = LogRun(str(path), Options(), None)
    seen: list[object] = []
    run.recording.subscribe(lambda decoded: seen.extend(decoded.items))
    turns = iter(range(200))

    def turn() -> None:
        number = next(turns)
        if number == 15:
            path.write_text("")
        elif number == 18:
            path.write_text("".join(lines[6:]))
            run.stop()

    try:
        run.run(turn)
        run.finish()
        drops = [item for item in seen if type(item) is Loss and item.cause == "drops"]
        assert drops
        assert any("cut off" in note for note in run.recording.info.notes)
    finally:
        run.recording.dispose()


def test_a_line_is_not_read_before_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text(
        '2026-01-01T00:00:00Z CP1 received [2,"1","Heartbeat",{}]\n2026-01-01T00:00:01Z CP1 sent [3,"1",{"cur'
    )
    tail = Tail(str(path))
    log = GrowingLog(CaptureInfo(1, "a.log"), initiators(), lambda *_: None)
    assert log.feed(tail.poll(0)) == []
    assert [type(item).__name__ for item in log.settle()] == ["Loss", "WsMessage"]
    assert tail.poll(0) == b""
    with path.open("a") as file:
        file.write('rentTime":"2026-01-01T00:00:01Z"}]\n')
    assert [type(item).__name__ for item in log.feed(tail.poll(0))] == ["WsMessage"]
    tail.close()


def test_what_cannot_be_followed_is_said(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="no such file"):
        Tail(str(tmp_path / "none.log"))
    with pytest.raises(CaptureError, match="directory"):
        Tail(str(tmp_path))
    packed = tmp_path / "a.log.gz"
    packed.write_bytes(b"\x1f\x8b\x08\x00")
    tail = Tail(str(packed))
    with pytest.raises(CaptureError, match="compressed"):
        tail.poll(0)
    tail.close()
    tail = Tail(str(Path(__file__).parents[2] / "samples" / "ocpp16-day.pcap"))
    with pytest.raises(CaptureError, match="capture of packets"):
        tail.poll(0)
    tail.close()
    piped = subprocess.run(
        [*COMMAND[:-1], "-"], input=b"2026-01-01 a log\n", capture_output=True, timeout=60, check=False
    )
    assert (piped.returncode, b"--follow" in piped.stderr) == (2, True)
    done = subprocess.run([*COMMAND, "a.log", "b.log"], capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"one log at a time" in done.stderr) == (2, True)
