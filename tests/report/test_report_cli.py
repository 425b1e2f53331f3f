"""The `timeline` command: choices, errors, pipes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))
import report_database

from ocpp_inspect.cli.timeline import timeline

APP = typer.Typer()
APP.command()(timeline)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "site.duckdb"
    report_database.sample(str(path)).close()
    return str(path)


def test_a_pipe_gets_plain_text_of_120_columns(site: str) -> None:
    result = CliRunner().invoke(APP, [site])
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) == 120


def test_a_part_of_a_name_is_enough(site: str) -> None:
    result = CliRunner().invoke(APP, [site, "--station", "cs-2"])
    assert "Voltaire" in result.stdout
    assert "VendorX" not in result.stdout


def test_the_beginning_of_a_transaction_is_enough(site: str) -> None:
    result = CliRunner().invoke(APP, [site, "--transaction", "5f3e"])
    assert "starts transaction 5f3e-77aa" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--station", "CP"], "no station is named CP; there is CP-0001, CP-0003"),
        (["--station", "\x1b[31m"], "no station is named ␛[31m"),
        (["--since", "noon"], "write +10m"),
        (["--transaction", "9"], "no transaction has the id 9"),
    ],
)
def test_mistakes_exit_2_and_say_what_is_possible(site: str, arguments: list[str], problem: str) -> None:
    result = CliRunner().invoke(APP, [site, *arguments])
    assert result.exit_code == 2
    assert problem in result.output


def test_what_is_not_there_or_no_database_of_ours(tmp_path: Path) -> None:
    import duckdb

    result = CliRunner().invoke(APP, [str(tmp_path / "none")])
    assert (result.exit_code, "no such file" in result.output) == (2, True)
    other = tmp_path / "other.duckdb"
    duckdb.connect(str(other)).close()
    result = CliRunner().invoke(APP, [str(other)])
    assert (result.exit_code, "not one that ocpp-inspect wrote" in result.output) == (2, True)


def test_an_empty_choice_says_so_on_stderr(site: str) -> None:
    result = CliRunner().invoke(APP, [site, "--action", "Nothing"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing to show" in result.stderr


def test_no_heavy_import_before_it_is_needed() -> None:
    code = (
        "import sys, ocpp_inspect.cli.timeline;"
        "print([name for name in ('duckdb', 'rich.console', 'orjson', 'numpy') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_follow_shows_what_is_written_later(tmp_path: Path) -> None:
    path, fresh = tmp_path / "site.duckdb", tmp_path / "fresh.duckdb"
    report_database.empty(str(path)).close()
    code = "import typer; from ocpp_inspect.cli.timeline import timeline; typer.run(timeline)"
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", code, str(path), "--follow"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        watchdog = threading.Timer(30, process.kill)
        watchdog.start()
        try:
            time.sleep(1.5)
            report_database.sample(str(fresh)).close()
            fresh.replace(path)
            lines = [process.stdout.readline() for _ in range(12)]
        finally:
            watchdog.cancel()
            process.terminate()
    assert any("BootNotification" in line for line in lines)
