"""`query` reads, never writes; prints five formats; shows captured text and does not obey it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from ocpp_inspect.cli.query import query
from ocpp_inspect.limits import QUERY_TABLE_ROWS
from ocpp_inspect.model import CaptureInfo, OcppMessage
from ocpp_inspect.store import Columns, Writer

APP = typer.Typer()
APP.command()(query)
ESCAPE = "\x1b]0;owned\x07[red]"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("query") / "a.duckdb"
    raw = b'[2,"1","Heartbeat",{"a":[1,{"b":null}]}]'
    messages = [
        OcppMessage(
            (10**10 + number) * 10**5, 10**10 + 1, ESCAPE, "1.6", "station", 1_767_225_600_000_000_001, 10**10 + number,
            number, "CALL", "1", "Heartbeat", {}, raw, len(raw), False,
        )
        for number in range(1, QUERY_TABLE_ROWS + 11)
    ]  # fmt: skip
    columns = Columns()
    columns.add(messages)
    with Writer(path) as writer:
        writer.begin([CaptureInfo(1, "x")])
        writer.write(columns.flush())
        writer.commit([CaptureInfo(1, "x")])
    return path


def ask(database: Path, *arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(APP, [str(database), *arguments], input=stdin, env={"COLUMNS": "100"})


ONE = "SELECT frame_no, ts, payload, [1, 2] AS list, NULL AS nothing, 'nan'::DOUBLE AS nan, 'é' AS \"é\", raw::BLOB AS octets FROM messages ORDER BY frame_no LIMIT 1"  # noqa: E501


def test_a_table(database: Path) -> None:
    result = ask(
        database, "SELECT frame_no, 0.1::DOUBLE + 0.2 AS sum, NULL AS nothing FROM messages ORDER BY 1 LIMIT 2"
    )
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["frame_no", "sum", "nothing"]
    assert lines[2:] == [["1", "0.3", "NULL"], ["2", "0.3", "NULL"]]
    assert result.stderr == "2 rows\n"


def test_a_wide_row_becomes_a_block_of_lines(database: Path) -> None:
    result = ask(database, "SELECT * FROM messages LIMIT 1")
    assert result.stdout.splitlines()[0].strip() == "row 1"
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert "  message_id  1000000000100000" in result.stdout


def test_a_long_answer_is_cut_and_says_so(database: Path) -> None:
    result = ask(database, "SELECT frame_no FROM messages")
    assert len(result.stdout.splitlines()) == QUERY_TABLE_ROWS + 2
    assert result.stderr.startswith("the first 1,000 rows; --format csv")


def test_captured_text_is_shown_and_not_obeyed(database: Path) -> None:
    for sql in ("SELECT station FROM messages LIMIT 1", 'SELECT *, station AS "\x1b[2J" FROM messages LIMIT 1'):
        result = ask(database, sql)
        assert "\x1b" not in result.output
        assert "\x07" not in result.output
        assert "␛]0;owned␇[red]" in result.stdout
    failed = ask(database, 'SELECT "\x1b[2J" FROM messages')
    assert failed.exit_code == 2
    assert "\x1b" not in failed.output


def test_csv(database: Path) -> None:
    result = ask(database, ONE, "--format", "csv")
    [head, row] = csv.reader(io.StringIO(result.stdout))
    assert head == ["frame_no", "ts", "payload", "list", "nothing", "nan", "é", "octets"]
    assert row[:7] == ["1", "2026-01-01T00:00:00.000000001Z", '{"a":[1,{"b":null}]}', "[1, 2]", "", "nan", "é"]


def test_json_and_jsonl(database: Path) -> None:
    [row] = json.loads(ask(database, ONE, "-f", "json").stdout)
    assert row.pop("octets").startswith("WzIs")
    assert row == {
        "frame_no": 1, "ts": "2026-01-01T00:00:00.000000001Z", "payload": {"a": [1, {"b": None}]}, "list": [1, 2],
        "nothing": None, "nan": None, "é": "é",
    }  # fmt: skip
    lines = ask(database, "SELECT frame_no, frame_no FROM messages", "-f", "jsonl").stdout.splitlines()
    assert len(lines) == QUERY_TABLE_ROWS + 10
    assert set(json.loads(lines[0])) == {"frame_no", "frame_no_2"}
    assert json.loads(ask(database, "SELECT 1 WHERE false", "-f", "json").stdout) == []


def test_parquet_and_files(database: Path, tmp_path: Path) -> None:
    for name in ("a.parquet", "a.csv", "a.json", "a.jsonl", "a.txt"):
        assert ask(database, ONE, "-o", str(tmp_path / name)).exit_code == 0
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column("ts").cast("int64").to_pylist() == [1_767_225_600_000_000_001]
    assert table.column("list").to_pylist() == [[1, 2]]
    assert json.loads((tmp_path / "a.json").read_text()) == [json.loads((tmp_path / "a.jsonl").read_text())]
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "a.csv").read_text()
    assert ask(database, ONE, "-f", "table", "-o", str(tmp_path / "table")).exit_code == 0
    assert (tmp_path / "table").read_text().split()[0] == "frame_no"
    failing = ask(database, "SELECT CAST('x' || frame_no AS INT) FROM messages", "-o", str(tmp_path / "b.csv"))
    assert failing.exit_code == 2
    assert not [path for path in tmp_path.iterdir() if "b.csv" in path.name]
    assert ask(database, "SELECT INTERVAL 1 DAY", "-o", str(tmp_path / "i.parquet")).exit_code == 2


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT * FROM database", "database"),  # not our variables either
        ("DELETE FROM message_records", "read-only"),
        ("CREATE TABLE x (a INT)", "read-only"),
        ("SELECT * FROM read_text('/etc/hostname')", "disabled"),
        ("COPY (SELECT 1) TO '/tmp/never.csv'", "disabled"),
        ("ATTACH '/tmp/never.duckdb'", "disabled"),
        ("SET threads = 1", "locked"),
        ("SET enable_external_access = true", "enable_external_access"),
        ("INSTALL httpfs", "disabled"),
        (" ; ", "no SQL statement"),
        ("SELECT CAST(raw AS INT) FROM messages", "Could not convert"),
    ],
)
@pytest.mark.parametrize("format_name", ["table", "csv"])
def test_what_may_not_be_or_makes_no_sense(database: Path, sql: str, reason: str, format_name: str) -> None:
    result = ask(database, sql, "-f", format_name)
    assert result.exit_code == 2
    assert reason.lower() in result.stderr.lower()
    assert "Traceback" not in result.output
    assert ask(database, "SELECT count(*) FROM messages", "-f", "csv").stdout.split()[1] == str(QUERY_TABLE_ROWS + 10)


def test_sql_from_standard_input(database: Path) -> None:
    assert ask(database, "-", "-f", "csv", stdin="SELECT 1 AS one").stdout == "one\n1\n"


def test_tables(database: Path) -> None:
    shown = ask(database, "--tables").stdout
    assert "transactions (view)" in shown
    assert "message_records (table)" in shown
    listed = list(csv.DictReader(io.StringIO(ask(database, "--tables", "-f", "csv").stdout)))
    assert {"name": "messages", "kind": "view", "column": "payload", "type": "JSON"} in listed


@pytest.mark.parametrize("arguments", [[], ["SELECT 1", "--tables"]])
def test_one_of_both_is_wanted(database: Path, arguments: list[str]) -> None:
    result = ask(database, *arguments)
    assert result.exit_code == 2
    assert "--tables" in result.stderr


def test_what_is_no_database(tmp_path: Path) -> None:
    assert "no such database" in ask(tmp_path / "a.duckdb", "SELECT 1").stderr
    (tmp_path / "b.pcap").write_bytes(b"\xd4\xc3\xb2\xa1" * 4000)
    result = ask(tmp_path / "b.pcap", "SELECT 1")
    assert result.exit_code == 2
    assert "not a database" in result.stderr


def test_help_needs_none_of_the_rooms() -> None:
    code = "import sys, ocpp_inspect.cli.query; print({'duckdb', 'pyarrow', 'numpy', 'rich.table'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
