"""`rules` and `explain` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ocpp_inspect.cli.explain import explain
from ocpp_inspect.cli.main import app

RUN = CliRunner()
BAD = "id: X-001\nname: x-y\ntitle: t\nseverity: bad\nreference: r\nwhen: CALL\nmessage: m\nexamples: ['0 # X-001']\n"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_list_as_table_and_json() -> None:
    table = RUN.invoke(app, ["rules", "list", "--select", "RPC-005"])
    assert "RPC-005" in table.output
    assert "1 rules" in table.output
    rules = json.loads(RUN.invoke(app, ["rules", "list", "--format", "json"]).output)
    assert "RPC-005" in [rule["id"] for rule in rules]


def test_an_unknown_word_in_select() -> None:
    result = RUN.invoke(app, ["rules", "list", "--select", "RPC-0005"])
    assert result.exit_code == 2
    assert "did you mean 'RPC-005'?" in result.output


def test_show_prints_the_file() -> None:
    assert RUN.invoke(app, ["rules", "show", "call-without-response"]).output.startswith("id: RPC-005\n")


def test_check_tells_place_and_hint(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(BAD)
    result = RUN.invoke(app, ["rules", "check", str(file)])
    assert result.exit_code == 1
    assert f"{file}:4:11: 'bad' is none of error, warning, info" in result.output
    file.write_text(BAD.replace("bad", "info"))
    assert RUN.invoke(app, ["rules", "check", str(tmp_path / "x.yaml")]).exit_code == 0
    assert RUN.invoke(app, ["rules", "check", str(tmp_path / "none")]).exit_code == 2


def test_test_runs_own_rules_against_all(tmp_path: Path) -> None:
    assert RUN.invoke(app, ["rules", "test", "RPC-005"]).exit_code == 0
    file = tmp_path / "x.yaml"
    file.write_text(BAD.replace("bad", "info"))
    result = RUN.invoke(app, ["rules", "test", str(file)])
    assert result.exit_code == 1
    assert f"{file}:8: X-001: X-001 was not found" in result.output
    file.write_text(BAD.replace("bad", "info").replace("'0 # X-001'", '\'0 > [2,"1","Heartbeat",{}] # X-001\''))
    assert RUN.invoke(app, ["rules", "test", str(file)]).exit_code == 0
    assert RUN.invoke(app, ["rules", "test", "nonsense"]).exit_code == 2


def test_docs_are_written_checked_and_cleaned(tmp_path: Path) -> None:
    target = tmp_path / "docs"
    assert RUN.invoke(app, ["rules", "docs", str(target), "--check"]).exit_code == 1
    assert RUN.invoke(app, ["rules", "docs", str(target)]).exit_code == 0
    assert (target / "RPC-005.md").read_text().startswith("# RPC-005: ")
    (target / "OLD-001.md").write_text("gone")
    (target / "NOTES.md").write_text("somebody's own")
    assert RUN.invoke(app, ["rules", "docs", str(target), "--check"]).exit_code == 1
    assert RUN.invoke(app, ["rules", "docs", str(target)]).exit_code == 0
    assert not (target / "OLD-001.md").exists()
    assert (target / "NOTES.md").read_text() == "somebody's own"
    assert RUN.invoke(app, ["rules", "docs", str(target), "--check"]).exit_code == 0


def test_explain_and_its_suggestions() -> None:
    assert explain.__doc__
    for word in ("RPC-005", "rpc-005", "call-without-response"):
        assert "# RPC-005: " in RUN.invoke(app, ["explain", word]).output
    result = RUN.invoke(app, ["explain", "RPC005"])
    assert result.exit_code == 2
    assert "did you mean" in result.output
    assert "RPC-005" in result.output
    assert "see `ocpp-inspect rules list`" in RUN.invoke(app, ["explain", "zzzzzz"]).output


def test_importing_the_commands_imports_no_room() -> None:
    code = (
        "import sys, ocpp_inspect.cli.rules, ocpp_inspect.cli.explain; "
        "sys.exit(any(name.startswith(('ocpp_inspect.engine', 'yaml', 'duckdb')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
