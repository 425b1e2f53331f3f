"""Logs of every shape hold the same dialogue: each is recognised, by none is another taken for it, nothing is lost."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from log_texts import (
    DIALOGUE,
    SENT,
    anything,
    docker,
    evcc,
    libocpp,
    libocpp_console,
    libocpp_html,
    python,
    steve,
    structured,
    trace,
    without_direction,
)
from typer.testing import CliRunner

from ocpp_inspect.cli.main import app
from ocpp_inspect.logs import LogFormatError, is_log, own_format
from ocpp_inspect.logs.arrays import Scanner
from ocpp_inspect.logs.detect import detect
from ocpp_inspect.logs.lines import Lines
from ocpp_inspect.logs.times import find_time
from ocpp_inspect.pipeline import Options, temporary_analysis

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "logs"
SHAPES: dict[str, tuple[str, str]] = {
    "steve": (steve(), "SteVe"),
    "evcc": (evcc(), "evcc"),
    "python, CSMS": (python("csms"), "Python ocpp"),
    "python, station": (python("station"), "Python ocpp"),
    "libocpp": (libocpp(), "libocpp file"),
    "libocpp html": (libocpp_html(), "libocpp HTML"),
    "libocpp console": (libocpp_console(), "libocpp console"),
    "trace": (trace(raw=True), "lines with OCPP-J"),
    "trace without raw": (trace(raw=False), "lines with OCPP-J"),
    "structured": (structured(), "lines with OCPP-J"),
    "docker": (docker(), "evcc"),
    "anything": (anything(), "lines with OCPP-J"),
    "without direction": (without_direction(), "lines with OCPP-J"),
}
INDENTED = {"libocpp", "libocpp html"}


def read(path: Path, query: str, options: Options | None = None) -> list[Any]:
    with temporary_analysis([str(path)], options or Options(jobs=1)) as name, duckdb.connect(str(name)) as database:
        return database.execute(query).fetchall()


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_is_recognised(shape: str) -> None:
    text, name = SHAPES[shape]
    form, found = detect(text.splitlines())
    assert (form.name, found) == (name, len(DIALOGUE))
    assert is_log(text.encode())


@pytest.mark.parametrize("shape", SHAPES)
def test_every_message_is_read_as_it_was_sent(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "CP1.log"
    path.write_text(SHAPES[shape][0], encoding="utf-8")
    rows = read(path, "SELECT sender, raw, station FROM message_records ORDER BY message_id")
    same = json.loads if shape in INDENTED or shape == "trace without raw" else str
    assert [(sender, same(raw)) for sender, raw, _ in rows] == [(sender, same(text)) for sender, text in SENT]
    assert {station for _, _, station in rows} == {"CP1"}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_clean_log_gives_no_findings(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "CP1.log"
    path.write_text(SHAPES[shape][0], encoding="utf-8")
    assert read(path, "SELECT rule, text FROM findings WHERE severity <> 'info'") == []


@pytest.mark.parametrize(
    "shape", sorted(SHAPES.keys() - {"without direction", "trace", "trace without raw", "structured"})
)
def test_times_are_those_of_the_clock(shape: str, tmp_path: Path) -> None:
    """A clock without a zone is set by what the CSMS tells."""
    path = tmp_path / "CP1.log"
    path.write_text(SHAPES[shape][0], encoding="utf-8")
    (first,) = read(path, "SELECT strftime(min(ts)::TIMESTAMP, '%Y-%m-%dT%H:%M:%S') FROM message_records")
    assert first == ("2026-02-01T11:00:01",)


def test_a_fault_is_found_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "CP1.log"
    wrong = '[2,"s9","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Charging"}]'
    lines = [*evcc().splitlines(), f"[ocpp  ] TRACE 2026/02/01 12:00:20 recv CP1: {wrong}"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = read(path, "SELECT rule, frame_no, blame FROM findings WHERE severity = 'warning'")
    assert found == [("ST16-002", len(lines), "station")]


def test_real_logs_and_recordings_tell_the_same() -> None:
    told = []
    for name in ("python-ocpp-csms.log", "python-ocpp-station.log", "mitmproxy.flow", "mitmproxy.har"):
        rows = read(SAMPLES / name, "SELECT sender, raw FROM message_records ORDER BY message_id")
        assert len(rows) == 18
        told.append(sorted(rows))
        assert read(SAMPLES / name, "SELECT rule, text FROM findings WHERE severity <> 'info'") == []
    assert all(each == told[0] for each in told)


def test_a_log_and_a_capture_go_into_one_database(tmp_path: Path) -> None:
    path = tmp_path / "CP1.log.gz"
    path.write_bytes(gzip.compress(steve().encode()))
    capture = SAMPLES.parent / "ocpp16-day.pcap"
    database = tmp_path / "both.duckdb"
    done = CliRunner().invoke(
        app, ["analyze", str(path), str(capture), "--db", str(database), "--quiet", "--jobs", "2"]
    )
    assert done.exit_code == 0, done.output
    with duckdb.connect(str(database), read_only=True) as opened:
        assert opened.execute("SELECT format, packets FROM captures ORDER BY 1").fetchall() == [
            ("log", 6),
            ("pcap", 537),
        ]
        stations = opened.execute("SELECT DISTINCT station FROM message_records ORDER BY 1").fetchall()
    assert [name for (name,) in stations] == ["CP1", "EW-1001"]


def test_own_formats(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    arrow = {"station": "up", "csms": "down"}
    path.write_text("".join(f"@{at} #CP1 {arrow[who]} {text}\n" for at, who, text in DIALOGUE), encoding="utf-8")
    form = r"^@(?P<time>\S+) #(?P<station>\S+) (?P<direction>\S+) (?P<message>.*)$"
    rows = read(
        path, "SELECT sender, raw, station FROM message_records ORDER BY message_id", Options(jobs=1, log_format=form)
    )
    assert [(sender, raw) for sender, raw, _ in rows] == SENT
    assert {station for _, _, station in rows} == {"CP1"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(?P<message>", "not a regular expression"),
        ("x", "is missing"),
        ("(?P<message>.)(?P<who>.)", "unknown group 'who'"),
    ],
)
def test_a_wrong_format_is_said(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(LogFormatError, match=words):
        own_format(text)
    path = tmp_path / "a.log"
    path.write_text(evcc(), encoding="utf-8")
    done = CliRunner().invoke(app, ["analyze", str(path), "--log-format", text, "--quiet"])
    assert (done.exit_code, words in done.stderr) == (2, True)


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear all,\n[2] see the appendix.\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["analyze", str(path), "--quiet"])
    assert (done.exit_code, "letter.txt" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "encode",
    [lambda t: t.encode("utf-8-sig"), lambda t: t.encode("utf-16"), lambda t: t.replace("\n", "\r\n").encode()],
)
def test_marks_and_line_ends_do_not_matter(encode: Callable[[str], bytes], tmp_path: Path) -> None:
    path = tmp_path / "CP1.log"
    path.write_bytes(encode(steve()))
    assert read(path, "SELECT sender, raw FROM message_records ORDER BY message_id") == SENT


@pytest.mark.parametrize(
    ("text", "ns", "zone", "date"),
    [
        ("2026-02-01T11:00:01.5Z x", 1769943601_500000000, True, True),
        ("2026-02-01 12:00:01,500+01:00", 1769943601_500000000, True, True),
        ("[2026-02-01 11:00:01.123456]", 1769943601_123456000, False, True),
        ("2026/02/01 11:00:01 recv", 1769943601_000000000, False, True),
        ("01.02.2026 11:00:01", 1769943601_000000000, False, True),
        ("[01/Feb/2026:11:00:01 +0000]", 1769943601_000000000, True, True),
        ("Feb 1, 2026 11:00:01", 1769943601_000000000, False, True),
        ("1769943601.25 in", 1769943601_250000000, True, True),
        ("1769943601250 in", 1769943601_250000000, True, True),
        ("11:00:01.25 in", 39601_250000000, False, False),
    ],
)
def test_times(text: str, ns: int, zone: bool, date: bool) -> None:
    assert find_time(text) == (ns, zone, date)


@pytest.mark.parametrize("text", ["no time", "id 12345678901234567890", "99:99:99"])
def test_no_times(text: str) -> None:
    assert find_time(text) is None


def test_arrays_end_where_they_end_however_they_are_cut() -> None:
    text = '[2,"a]\\"[","X",{"k":"}\\\\","l":[1,[2]]}] rest'
    end = text.index(" rest")
    for cut in range(1, len(text)):
        scanner = Scanner()
        first = scanner.feed(text[:cut])
        if first >= 0:
            assert first == end
        else:
            assert cut + scanner.feed(text[cut:]) == end


def test_messages_that_are_cut_off_are_counted_and_told(tmp_path: Path) -> None:
    path = tmp_path / "CP1.log"
    lines = evcc().splitlines()
    lines[4] = lines[4][:60]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (notes,) = read(path, "SELECT notes FROM captures")[0]
    assert "1 messages are cut off in the log" in notes
    assert read(path, "SELECT cause, sender FROM losses WHERE cause = 'snaplen'") == [("snaplen", "csms")]
    assert read(path, "SELECT rule FROM findings WHERE verdict = 'violation' AND severity <> 'info'") == []


def test_damaged_logs_never_raise() -> None:
    dice = random.Random(7)
    for text, _ in SHAPES.values():
        octets = text.encode()
        for _ in range(60):
            damaged = bytearray(octets)
            for _ in range(dice.randrange(1, 12)):
                at = dice.randrange(len(damaged))
                kind = dice.randrange(3)
                if kind == 0:
                    damaged[at] = dice.randrange(256)
                elif kind == 1:
                    del damaged[at : at + dice.randrange(1, 40)]
                else:
                    damaged[at:at] = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 20)))
                if not damaged:
                    break
            lines = bytes(damaged).decode("utf-8", "surrogateescape").split("\n")
            form, _ = detect(lines)
            reader = Lines(form)
            for number, line in enumerate(lines, 1):
                list(reader.feed(number, line))
            list(reader.finish())


@pytest.mark.parametrize("name", ["mitmproxy.flow", "mitmproxy.har"])
def test_damaged_documents_never_raise(name: str, tmp_path: Path) -> None:
    dice = random.Random(11)
    octets = (SAMPLES / name).read_bytes()
    path = tmp_path / name
    for _ in range(6):
        damaged = bytearray(octets)
        for _ in range(3):
            damaged[dice.randrange(300, len(damaged))] = dice.randrange(256)
        path.write_bytes(damaged[: dice.randrange(len(damaged) // 2, len(damaged))])
        read(path, "SELECT count(*) FROM message_records")
