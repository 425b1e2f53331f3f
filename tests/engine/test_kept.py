"""Functions that an earlier run compiled: they judge alike, and only our own file is trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec import structs
from rule_making import make

from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.engine import Rule, load_rules
from ocpp_inspect.engine.kept import KeptCode, _digest
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.model import Finding
from ocpp_inspect.pipeline.chain import Chain
from ocpp_inspect.resources import data_directory

ROOT = Path(__file__).parents[2]
SAMPLES = sorted(path for path in (ROOT / "samples").glob("*.pcap*") if not path.name.startswith("wss-"))


@pytest.fixture(scope="module")
def rules() -> list[Rule]:
    return load_rules([data_directory("rules")])


def findings(program: Program) -> list[Finding]:
    found = []
    for path in SAMPLES:
        chain = Chain(program)
        with CaptureReader([path]) as reader:
            for batch in reader:
                found += chain.feed(batch).findings
        found += chain.finish().findings
    return found


def test_the_next_run_takes_what_one_compiled_and_judges_alike(rules: list[Rule], tmp_path: Path) -> None:
    path = tmp_path / "cache" / "functions.msgpack"
    plain = findings(Program(rules, load_monitor))
    first = Program(rules, load_monitor, kept=KeptCode(path))
    assert findings(first) == plain
    assert path.stat().st_mode & 0o077 == 0

    kept = KeptCode(path)
    asked: list[str] = []
    kept.put = lambda name, *_: asked.append(name)  # type: ignore[method-assign,misc,assignment]
    assert findings(Program(rules, load_monitor, kept=kept)) == plain
    assert asked == []


def test_functions_need_no_other_function_of_their_run(rules: list[Rule], tmp_path: Path) -> None:
    """What a function shares with others (numbers of sources, wanted members) comes with it."""
    path = tmp_path / "functions.msgpack"
    findings(Program(rules, load_monitor, kept=KeptCode(path)))
    plain = findings(Program(rules, load_monitor))
    names = sorted(KeptCode(path)._functions)
    for share in (slice(0, None, 2), slice(1, None, 2)):
        kept = KeptCode(path)
        kept._functions = {name: kept._functions[name] for name in names[share]}
        assert findings(Program(rules, load_monitor, kept=kept)) == plain


def test_what_somebody_else_can_write_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "functions.msgpack"
    kept = KeptCode(path)
    kept.put("f", compile("1", "", "exec"), {}, {})
    kept.save()
    assert KeptCode(path).get("f") is not None
    path.chmod(0o622)
    assert KeptCode(path).get("f") is None
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
        assert KeptCode(path).get("f") is None


@pytest.mark.parametrize("octets", [b"", b"\x81", b"\x81\xa1f\x93\xc4\x03abc\x80\x80", b"\x00" * 100])
def test_a_broken_file_costs_time_only(octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "functions.msgpack"
    path.write_bytes(octets)
    kept = KeptCode(path)
    assert kept.get("f") is None
    kept.put("f", compile("1", "", "exec"), {}, {})
    kept.save()
    assert KeptCode(path).get("f") is not None


def test_two_workers_that_save_keep_both(tmp_path: Path) -> None:
    path = tmp_path / "functions.msgpack"
    one, two = KeptCode(path), KeptCode(path)
    one.put("one", compile("1", "", "exec"), {}, {})
    two.put("two", compile("2", "", "exec"), {}, {})
    one.save()
    two.save()
    assert {name for name in ("one", "two") if KeptCode(path).get(name)} == {"one", "two"}


def test_other_rules_and_other_python_have_other_files(tmp_path: Path) -> None:
    one = make("when: CALL\nrequire: 1 == 1\n")
    two = make("when: CALL\nrequire: 1 == 2\n")
    assert len({_digest([one]), _digest([two]), _digest([one, two])}) == 3
    python = tmp_path / "a.py"
    python.write_text("a = 1")
    rule = make("when: CALL\npython: a.py:A\n")
    rule = structs.replace(rule, path=str(tmp_path / "rule.yaml"))
    before = _digest([rule])
    assert _digest([rule]) == before
    (tmp_path / "neighbour.py").write_text("b = 1")
    assert _digest([rule]) != before


def test_a_changed_module_of_a_package_has_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "charger_rules"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "watch.py").write_text("a = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    rule = make("when: CALL\npython: charger_rules.watch:A\n")
    before = _digest([rule])
    assert _digest([rule]) == before
    (package / "watch.py").write_text("a = 12")
    assert _digest([rule]) != before
    assert _digest([make("when: CALL\npython: no_such_package.watch:A\n")])


def test_old_files_go(tmp_path: Path) -> None:
    for number in range(12):
        kept = KeptCode(tmp_path / f"functions-{number}.msgpack")
        kept.put("f", compile("1", "", "exec"), {}, {})
        kept.save()
        os.utime(tmp_path / f"functions-{number}.msgpack", (number, number))
    left = {path.name for path in tmp_path.glob("functions-*.msgpack")}
    assert "functions-11.msgpack" in left and "functions-0.msgpack" not in left
    assert len(left) <= 9
