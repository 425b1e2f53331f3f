"""The dissector for Wireshark, run by tshark on every sample: its messages, stations and sentences are ours."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ocpp_inspect.catalogue import summarise
from ocpp_inspect.cli.main import app
from ocpp_inspect.pipeline import Options, temporary_analysis
from ocpp_inspect.report.opened import open_database
from ocpp_inspect.report.safe import safe

ROOT = Path(__file__).resolve().parents[2]
LUA = ROOT / "dissectors" / "wireshark" / "ocpp.lua"
FIELDS = (
    "frame.number", "ocpp.type", "ocpp.id", "ocpp.action", "ocpp.station", "ocpp.version", "ocpp.sender",
    "ocpp.summary", "ocpp.request_in",
)  # fmt: skip
TYPES = {"CALL": "2", "CALLRESULT": "3", "CALLERROR": "4", "CALLRESULTERROR": "5", "SEND": "6"}
# tshark gives up a stream at its first hole, does not see behind a cut packet, or takes a mirrored packet twice.
PARTLY_READ = {"lossy", "mirror-drops", "snaplen", "joined-midway-deflate", "two-interfaces", "mirror-duplicates"}
SOAP = "soap16"  # Wireshark shows its XML by itself
SAMPLES = sorted(path for path in (ROOT / "samples").glob("*.pcap*") if path.suffix != ".jsonl")
WHOLE = [path for path in SAMPLES if path.name.split(".")[0] not in PARTLY_READ and not path.name.startswith(SOAP)]

pytestmark = pytest.mark.tshark


def tshark(path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = ["tshark", "-X", f"lua_script:{LUA}", "-o", "tcp.reassemble_out_of_order:TRUE", "-r", str(path), *more]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def dissected(path: Path) -> list[dict[str, str]]:
    """The messages that the dissector tells, in the order of their frames."""
    wanted = [part for name in FIELDS for part in ("-e", name)]
    found: list[dict[str, str]] = []
    for packet in json.loads(tshark(path, "-Y", "ocpp", "-T", "json", *wanted).stdout):
        layers = packet["_source"]["layers"]
        number = len(layers["ocpp.summary"])
        for at in range(number):
            # A field that only some messages of a packet have is left out: it cannot be told whose it is.
            found.append(
                {name: layers[name][at] for name in FIELDS if len(layers.get(name, [])) == number}
                | {"frame.number": layers["frame.number"][0]}
            )
    return found


def ours(path: Path) -> list[dict[str, str]]:
    with temporary_analysis([str(path)], Options(jobs=1)) as name:
        opened = open_database(name)
        rows = opened.execute(
            "SELECT frame_no, kind, unique_id, action, station, version, sender, raw, request_id, error_code,"
            " error_description, message_id FROM message_records ORDER BY message_id"
        ).fetchall()
        opened.close()
    raw_of = {row[11]: (row[7], row[0]) for row in rows}
    found = []
    for frame, kind, unique_id, action, station, version, sender, raw, request_id, code, description, _ in rows:
        request, request_frame = raw_of.get(request_id, ("", 0))
        payload = payload_of(raw, kind)
        text = summarise(version or "", kind, action or "", payload, payload_of(request, "CALL"), code, description)
        told = {
            "frame.number": str(frame), "ocpp.type": TYPES.get(kind, ""), "ocpp.id": unique_id,
            "ocpp.action": action or "", "ocpp.station": station, "ocpp.version": version, "ocpp.sender": sender,
            "ocpp.summary": safe(text),
            "ocpp.request_in": str(request_frame) if request_frame else "",
        }  # fmt: skip
        found.append(told)
    return found


def payload_of(raw: str, kind: str) -> Any:
    try:
        return json.loads(raw)[{"CALL": 3, "SEND": 3, "CALLRESULT": 2}.get(kind, 4)]
    except (ValueError, LookupError, TypeError):
        return None


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_the_dissector_tells_what_we_tell(path: Path) -> None:
    mine = [each for each in ours(path) if each["ocpp.type"]]
    theirs = [each for each in dissected(path) if each.get("ocpp.type")]
    by_frame: dict[str, list[dict[str, str]]] = {}
    for each in theirs:
        by_frame.setdefault(each["frame.number"], []).append(each)
    # What the dissector reads of a malformed exchange is its own affair; the frames of such a one are known.
    odd = {"faulty-frames-16": {"22", "60", "62"}}.get(path.name.split(".")[0], set())
    for told in mine:
        if told["frame.number"] in odd:
            continue
        if path.name.startswith("joined-midway"):
            told["ocpp.station"] = ""  # nobody told
        fitting = [
            each
            for each in by_frame.get(told["frame.number"], [])
            if all(told[name] == value for name, value in each.items())
        ]
        assert fitting, (told, by_frame.get(told["frame.number"]))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_no_sample_makes_it_fail(path: Path) -> None:
    out = tshark(path, "-2", "-V")
    assert "Lua Error" not in out.stdout + out.stderr
    assert "lua" not in out.stderr.lower()


def test_a_capture_without_a_handshake_is_read() -> None:
    assert len(dissected(ROOT / "samples" / "joined-midway.pcap")) == 56


def test_chargers_that_count_alike_do_not_mix() -> None:
    """Two stations that both use the id "1" (a table for all connections pairs them wrongly)."""
    told = dissected(ROOT / "samples" / "five-stations.pcap")
    frames = {each["frame.number"]: each for each in told}
    answers = [each for each in told if each.get("ocpp.request_in")]
    assert answers
    assert all(frames[each["ocpp.request_in"]]["ocpp.station"] == each["ocpp.station"] for each in answers)


def expert_texts(path: Path) -> dict[str, str]:
    out = tshark(
        path, "-Y", "ocpp && _ws.expert", "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message"
    ).stdout
    return dict(line.split("\t") for line in out.splitlines())


def test_cheap_faults_are_expert_items() -> None:
    told = expert_texts(ROOT / "samples" / "faulty-frames-16.pcap")
    for frame, words in {
        "24": "no JSON from octet 23 on",
        "26": "JSON, but no array",
        "28": "the first element is 7, no message type",
        "30": "CALL has 3 elements, not 4",
        "32": "unique id has to be a text of 1 to 36 characters",
        "34": "payload must be an object",
        "36": "OCPP 1.6 has no action Hartbeat",
        "44": "the request in frame 40 was answered in frame 42",
        "46": "no request with this unique id was seen",
    }.items():
        assert words in told[frame], frame


@pytest.mark.parametrize("name", ["ocpp16-day", "ocpp201-day", "ocpp21-session", "npm-ocpp-rpc", "reconnects"])
def test_a_clean_session_has_no_expert_items(name: str) -> None:
    found = expert_texts(ROOT / "samples" / f"{name}.pcap")
    assert {frame: text for frame, text in found.items() if not re.fullmatch(r"[A-Z]\w+", text)} == {}


def test_install_puts_it_where_wireshark_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = CliRunner().invoke(app, ["wireshark", "install", "--folder", str(tmp_path / "plugins")])
    assert done.exit_code == 0, done.output
    installed = tmp_path / "plugins" / "ocpp.lua"
    assert installed.read_bytes() == LUA.read_bytes()
    again = CliRunner().invoke(app, ["wireshark", "install", "--folder", str(tmp_path / "plugins")])
    assert "already" in again.output
    installed.write_text("-- mine\n", encoding="utf-8")
    refused = CliRunner().invoke(app, ["wireshark", "install", "--folder", str(tmp_path / "plugins")])
    assert refused.exit_code == 2
    assert "--force" in refused.output
    forced = CliRunner().invoke(app, ["wireshark", "install", "--folder", str(tmp_path / "plugins"), "--force"])
    assert (forced.exit_code, installed.read_bytes()) == (0, LUA.read_bytes())
    # The folder that tshark names is taken when none is given.
    program = tmp_path / "tshark"
    program.write_text(
        f"#!/bin/sh\nprintf 'Temp:\\t/tmp\\nPersonal Lua Plugins:\\t{tmp_path}/own\\n'\n", encoding="utf-8"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = CliRunner().invoke(app, ["wireshark", "install"])
    assert found.exit_code == 0, found.output
    assert Path(found.stdout.strip()) == tmp_path / "own" / "ocpp.lua"
    assert (tmp_path / "own" / "ocpp.lua").read_bytes() == LUA.read_bytes()


def test_loading_it_twice_is_no_error(tmp_path: Path) -> None:
    again = tmp_path / "again.lua"
    again.write_bytes(LUA.read_bytes())
    sample = ROOT / "samples" / "ocpp16-day.pcap"
    assert "ua error" not in tshark(sample, "-X", f"lua_script:{again}", "-c", "20", "-Y", "ocpp").stderr.lower()
