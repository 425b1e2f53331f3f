"""What `export` writes: an excerpt that Wireshark and we read again, with findings as comments; a valid trace."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from ocpp_inspect.cli.main import app

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MESSAGES = "SELECT station, sender, raw FROM message_records ORDER BY message_id"
FINDINGS = "SELECT rule, station, text FROM findings ORDER BY finding_id"


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as opened:
        return opened.execute(query).fetchall()


def analysed(capture: Path, database: Path) -> Path:
    code, _, said = run("analyze", str(capture), "--db", str(database), "--quiet", "--fail-on", "never")
    assert code == 0, said
    return database


@pytest.mark.parametrize(
    "name", ["faulty-sequence-16.pcap", "five-stations.pcap", "two-interfaces.pcapng.gz", "lossy.pcap"]
)
def test_an_excerpt_of_everything_tells_the_same(name: str, tmp_path: Path) -> None:
    before = analysed(SAMPLES / name, tmp_path / "before.duckdb")
    code, _, said = run("export", str(before), "--output", str(tmp_path / "part.pcapng"))
    assert code == 0, said
    after = analysed(tmp_path / "part.pcapng", tmp_path / "after.duckdb")
    assert rows(before, MESSAGES) == rows(after, MESSAGES)
    assert rows(before, FINDINGS) == rows(after, FINDINGS)


def test_one_station_is_cut_out_whole(tmp_path: Path) -> None:
    before = analysed(SAMPLES / "five-stations.pcap", tmp_path / "before.duckdb")
    station = rows(before, "SELECT DISTINCT station FROM message_records ORDER BY 1")[2][0]
    run("export", str(before), "--station", str(station), "--output", str(tmp_path / "part.pcapng"))
    after = analysed(tmp_path / "part.pcapng", tmp_path / "after.duckdb")
    assert rows(after, MESSAGES) == [row for row in rows(before, MESSAGES) if row[0] == station]
    assert rows(after, "SELECT joined_midway FROM connections") == [(False,)]


@pytest.mark.tshark
def test_findings_are_packet_comments(tmp_path: Path) -> None:
    before = analysed(SAMPLES / "faulty-sequence-16.pcap", tmp_path / "before.duckdb")
    run("export", str(before), "--output", str(tmp_path / "part.pcapng"))
    command = ["tshark", "-r", str(tmp_path / "part.pcapng"), "-Y", "pkt_comment", "-T", "fields"]
    out = subprocess.run(
        [*command, "-e", "frame.number", "-e", "frame.comment"], capture_output=True, text=True, check=True
    )
    told = dict(line.split("\t") for line in out.stdout.splitlines())
    proofs = rows(before, "SELECT rule, text, unnest(evidence) AS frame FROM findings")
    frames = {str(frame) for _, _, frame in proofs}
    # The excerpt begins with the first packet of the capture, so the frame numbers are the same.
    assert set(told) == frames
    for rule, text, frame in proofs:
        assert f"{rule} " in told[str(frame)]
        assert str(text).split(" ")[0] in told[str(frame)]


def test_a_trace_comes_back_as_it_was(tmp_path: Path) -> None:
    before = analysed(SAMPLES / "faulty-sequence-16.pcap", tmp_path / "before.duckdb")
    code, out, said = run("export", str(before), "--format", "trace")
    assert (code, "51 messages" in said) == (0, True)
    records = [json.loads(line) for line in out.splitlines()]
    for record in records:
        assert {"schemaVersion", "timestamp", "transport", "direction", "messageType"} <= record.keys()
        assert record["messageType"] in ("CALL", "CALLRESULT", "CALLERROR")
        assert ("error" in record) == (record["messageType"] == "CALLERROR")
        assert record["messageType"] != "CALL" or record["action"]
    trace = tmp_path / "trace.jsonl"
    trace.write_text(out, encoding="utf-8")
    after = analysed(trace, tmp_path / "after.duckdb")
    assert sorted(rows(before, MESSAGES)) == sorted(rows(after, MESSAGES))


def test_what_a_trace_cannot_hold_is_said(tmp_path: Path) -> None:
    before = analysed(SAMPLES / "ocpp21-session.pcap", tmp_path / "before.duckdb")
    _, out, said = run("export", str(before), "--format", "trace")
    sends = len(rows(before, "SELECT 1 FROM message_records WHERE kind NOT IN ('CALL', 'CALLRESULT', 'CALLERROR')"))
    assert sends > 0
    assert f"{sends} that the format cannot hold were left out" in said
    assert len(out.splitlines()) == len(rows(before, MESSAGES)) - sends


def test_wrong_usage_is_said(tmp_path: Path) -> None:
    capture = tmp_path / "moved.pcap"
    capture.write_bytes((SAMPLES / "ipv6.pcap").read_bytes())
    database = analysed(capture, tmp_path / "site.duckdb")
    capture.unlink()
    for arguments, words in (
        (["export", str(database)], "--format"),
        (["export", str(database), "-o", str(tmp_path / "x.pcapng")], "is not there any more"),
        (["export", str(database), "-o", str(tmp_path / "no" / "x.jsonl")], "cannot be written"),
        (["export", str(database), "-f", "trace", "--station", "nobody"], "no station is named nobody"),
        (["export", str(tmp_path / "none.duckdb"), "-f", "trace"], "none.duckdb"),
    ):
        code, _, said = run(*arguments)
        assert (code, words in said) == (2, True), said
