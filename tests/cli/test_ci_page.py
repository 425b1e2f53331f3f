"""docs/ci.md: its commands run, its example file is read, and exit codes are what it says."""

from __future__ import annotations

import json
import re
import shlex
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ocpp_inspect.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
FAULTY = str(ROOT / "samples" / "faulty-sequence-16.pcap")
CLEAN = str(ROOT / "samples" / "ocpp16-day.pcap")
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.pcapng").write_bytes(Path(FAULTY).read_bytes())
    (tmp_path / "quirks.yaml").write_text(re.findall(r"```yaml\n(- rule.*?)```", PAGE, re.DOTALL)[0], "utf-8")
    (tmp_path / "known.yaml").write_text("- {rule: RC-001, reason: nobody plugs in on the bench}\n", "utf-8")
    return tmp_path


def analyze(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["analyze", *arguments, "--quiet"])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_runs(line: str, desk: Path) -> None:
    arguments = shlex.split(line)[2:]
    code, out, _ = analyze(*arguments)
    assert code in (0, 1)
    assert out
    if "--output" in arguments:
        assert (desk / arguments[arguments.index("--output") + 1]).stat().st_size > 500


def test_a_written_baseline_accepts_what_it_was_written_from(desk: Path) -> None:
    code, _, said = analyze(FAULTY, "--write-baseline", "known.json")
    assert code == 1
    entries = json.loads((desk / "known.json").read_text("utf-8"))
    assert len(entries) >= 10
    assert f"{len(entries)} accepted findings" in said
    code, out, _ = analyze(FAULTY, "--baseline", "known.json", "--fail-on", "warning")
    assert code == 0
    found = sum(int(each["reason"].split()[1].rstrip("×")) for each in entries)  # "found 2× when …"
    assert f"{found} accepted in 0 of 1 station" in out
    (desk / "known.json").write_text(json.dumps([each for each in entries if each["rule"] != "BOOT-002"]), "utf-8")
    assert analyze(FAULTY, "--baseline", "known.json")[0] == 1


def test_what_is_expected_and_absent_fails(desk: Path) -> None:
    (desk / "k.yaml").write_text("- {rule: RC-001, reason: on purpose, expected: true}\n", "utf-8")
    code, _, said = analyze(CLEAN, "--baseline", "k.yaml")
    assert (code, "RC-001 was expected and is not found (on purpose)" in said) == (1, True)
    assert analyze(FAULTY, "--baseline", "k.yaml", "--select", "RC-001", "--fail-on", "warning")[0] == 0


def test_an_expired_entry_is_said_and_counts(desk: Path) -> None:
    yesterday = date.today() - timedelta(days=1)
    (desk / "k.yaml").write_text(f"- {{rule: RC-001, reason: k, until: {yesterday}}}\n", "utf-8")
    code, _, said = analyze(FAULTY, "--quirks", "k.yaml", "--select", "RC-001", "--fail-on", "warning")
    assert (code, f"k.yaml:1: expired on {yesterday}" in said) == (1, True)


def test_strict_weighs_compatibility_more() -> None:
    schema = str(ROOT / "samples" / "faulty-schema-16.pcap")
    told = [analyze(schema, "--format", "json", *more)[1] for more in ((), ("--strict",))]
    by_axis = [
        {(each["rule"], each["axis"], each["severity"]) for each in json.loads(text)["findings"]} for text in told
    ]
    steps = {"info": "warning", "warning": "error", "error": "error"}
    assert {
        (rule, axis, steps[severity] if axis == "compatibility" else severity) for rule, axis, severity in by_axis[0]
    } == by_axis[1]
    assert by_axis[0] != by_axis[1]


def test_files_that_are_wrong_are_said(desk: Path) -> None:
    (desk / "bad.yaml").write_text("- {rule: RPC-005, reson: x}\n", "utf-8")
    code, _, said = analyze(FAULTY, "--baseline", "bad.yaml")
    assert (code, "bad.yaml:1:19: unknown key 'reson'" in said) == (2, True)
    assert analyze(FAULTY, "--output", "no/such/file", "--format", "junit")[0] == 2
