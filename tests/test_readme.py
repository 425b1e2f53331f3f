"""The README's commands do what it says; every command's help has examples, and these run too."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ocpp_inspect.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()"]
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def run(arguments: list[str], where: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        PROGRAM + arguments,
        cwd=where,
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        # A home of its own: `wireshark install` must not reach the Wireshark of whoever runs the tests.
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error", "HOME": str(where)},
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: captures, a database, rules of one's own."""
    place = tmp_path_factory.mktemp("desk")
    shutil.copy(ROOT / "samples" / "faulty-sequence-16.pcap", place / "site.pcap")
    shutil.copy(ROOT / "samples" / "two-interfaces.pcapng.gz", place / "site.pcapng")
    shutil.copy(ROOT / "samples" / "ocpp16-day.pcap", place / "run.pcapng")
    (place / "site.keys").write_text("# a key log without keys\n")
    made = run(["analyze", "site.pcap", "--db", "site.duckdb", "--fail-on", "never"], place)
    assert made.returncode == 0, made.stderr.decode()
    return place


def console_lines(text: str) -> list[str]:
    """The `ocpp-inspect …` commands of a text, without comments."""
    found = re.findall(r"^\s*(?:\$ )?ocpp-inspect ([^#\n`]*)", text, re.MULTILINE)
    return [line.strip().rstrip("\\") for line in found if line.strip()]


README_COMMANDS = [
    line
    for block in re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    for line in console_lines(block)
]


@pytest.mark.parametrize("line", README_COMMANDS)
def test_a_command_of_the_readme_runs(line: str, desk: Path) -> None:
    arguments = shlex.split(line)
    if arguments[:2] == ["analyze", "site.pcapng"]:
        arguments = ["analyze", "site.pcapng", "--db", "other.duckdb", "--replace"]
    if "CP1" in arguments:
        arguments[arguments.index("CP1")] = "EW-1601"
    done = run(arguments, desk)
    assert done.returncode in (0, 1), done.stderr.decode()
    assert done.stdout


def test_the_readme_shows_commands() -> None:
    assert len(README_COMMANDS) >= 6


@pytest.mark.parametrize("target", ["demo", "test"])
def test_the_two_commands_of_the_readme_are_targets(target: str) -> None:
    assert f"make {target}" in (ROOT / "README.md").read_text("utf-8")
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def test_the_pictures_and_pages_that_the_readme_names_exist() -> None:
    for name in re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text("utf-8")):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_there_with_examples(command: str, desk: Path) -> None:
    done = run([command, "--help"] if command else ["--help"], desk)
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "Usage: " in text
    if command not in ("doctor", "rules", "wireshark"):
        assert "ocpp-inspect" in text, "no example"


def test_wrong_usage_is_said_clearly(desk: Path) -> None:
    (desk / "text.txt").write_text("no capture\n", "utf-8")
    for arguments, words in (
        (["analyze", "missing.pcap"], "missing.pcap"),
        (["analyze", "text.txt"], "text.txt"),
        (["analyze", "site.pcap", "--select", "NO-SUCH-RULE"], "NO-SUCH-RULE"),
        (["timeline", "missing.duckdb"], "missing.duckdb"),
        (["timeline", "site.duckdb", "--station", "nobody"], "nobody"),
        (["query", "site.duckdb", "SELECT nothing"], "nothing"),
        (["query", "missing.duckdb", "SELECT 1"], "missing.duckdb"),
        (["explain", "NO-SUCH-RULE"], "NO-SUCH-RULE"),
        (["analyze", "site.pcap", "--db", "no/such/folder.duckdb"], "no/such"),
        (["analyze", "site.pcap", "--db", "site.duckdb"], "--replace"),
    ):
        done = run(arguments, desk)
        said = done.stderr.decode()
        assert done.returncode == 2, (arguments, said, done.stdout.decode()[:500])
        assert words in said, said
        assert "Traceback" not in said


def test_exit_codes_tell_findings(desk: Path) -> None:
    assert run(["analyze", "run.pcapng", "--fail-on", "warning"], desk).returncode == 0
    assert run(["analyze", "site.pcap", "--fail-on", "warning"], desk).returncode == 1
    assert run(["analyze", "site.pcap", "--fail-on", "never"], desk).returncode == 0


def test_a_pipe_that_closes_early_is_no_error(desk: Path) -> None:
    shell = " ".join(map(shlex.quote, [*PROGRAM, "timeline", "site.duckdb"])) + " | head -1"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=desk, capture_output=True, timeout=60, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == b""


def test_help_does_not_load_the_rooms() -> None:
    """`--help` and completion are immediate because nothing heavy is imported for them."""
    check = (
        "import sys, ocpp_inspect.cli.main; "
        "print(sorted({'duckdb', 'pyarrow', 'numpy', 'rich.console', 'orjson'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, timeout=60, check=True)
    assert done.stdout.strip() == b"[]"
