"""The whole pipeline on every sample: the texts are those that were sent, the findings are those that must be made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from recorded_samples import OVER_SOAP, SAMPLES, WEBSOCKETS, Dialogue, is_part_of
from tshark_oracle import http_bodies, websocket_texts

from ocpp_inspect.pipeline import Options, analyze
from ocpp_inspect.pipeline.rules import built_in_and

NAMES = list(SAMPLES)
RULES = {rule.id for rule in built_in_and(Options())}  # a sample may expect more than we have rules for


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, duckdb.DuckDBPyConnection]]:
    folder = tmp_path_factory.mktemp("samples")
    opened = {}
    for name, sample in SAMPLES.items():
        path: Path = folder / f"{name}.duckdb"
        analyze([str(sample.capture)], path)
        opened[name] = duckdb.connect(str(path), read_only=True)
    yield opened
    for connection in opened.values():
        connection.close()


def decoded(database: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str, int]]:
    """(the station's end, sender, text, frame) of every message, in order."""
    return database.execute(
        "select client || ':' || client_port, sender, raw, frame_no "
        "from messages join connections using (connection_id) order by message_id"
    ).fetchall()


def dialogue(rows: list[tuple[str, str, str, int]]) -> Dialogue:
    found: Dialogue = defaultdict(list)
    for connection, sender, text, _ in rows:
        found[connection, sender].append(text)
    return dict(found)


@pytest.mark.parametrize("name", [name for name in NAMES if SAMPLES[name].complete])
def test_we_decode_what_was_sent(name: str, databases: dict[str, duckdb.DuckDBPyConnection]) -> None:
    assert dialogue(decoded(databases[name])) == SAMPLES[name].said("sent", binary=True)


@pytest.mark.parametrize("name", [name for name in NAMES if not SAMPLES[name].complete])
def test_we_decode_nothing_but_what_was_sent(name: str, databases: dict[str, duckdb.DuckDBPyConnection]) -> None:
    sent = SAMPLES[name].said("sent")
    seen = dialogue(decoded(databases[name]))
    for key, texts in seen.items():
        assert is_part_of(texts, sent[key])
    if name not in ("joined-midway-deflate", "wss-without-keys"):  # history lost with its beginning; no keys
        assert sum(map(len, seen.values())) > 0.5 * sum(map(len, sent.values()))


@pytest.mark.tshark
@pytest.mark.parametrize("name", OVER_SOAP)
def test_we_decode_over_soap_what_tshark_decodes(name: str, databases: dict[str, duckdb.DuckDBPyConnection]) -> None:
    sample = SAMPLES[name]
    theirs = [
        (each.frame, each.text.decode())
        for each in http_bodies(sample.capture, sample.about["ports"], is_tls=sample.is_tls)
    ]
    ours = databases[name].execute("select frame_no, raw from messages order by frame_no").fetchall()
    assert ours == theirs


@pytest.mark.tshark
@pytest.mark.parametrize("name", WEBSOCKETS)
def test_we_decode_what_tshark_decodes_in_its_order(name: str, databases: dict[str, duckdb.DuckDBPyConnection]) -> None:
    sample = SAMPLES[name]
    theirs = defaultdict(list)
    for message in websocket_texts(
        sample.capture, sample.about["ports"], reorder=sample.complete, is_tls=sample.is_tls
    ):
        sender = "csms" if message.source.endswith(sample.servers) else "station"
        if message.text.decode() not in sample.others:
            theirs[message.stream].append((sender, message.text.decode()))
    ours = defaultdict(list)
    for connection, sender, text, _ in decoded(databases[name]):
        if text not in sample.binary:  # tshark shows them as data
            ours[connection].append((sender, text))
    if sample.complete:
        assert sorted(ours.values()) == sorted(theirs.values())
    else:  # we may see more: tshark follows no connection without its handshake and stops at cut packets
        assert sum(map(len, ours.values())) >= sum(map(len, theirs.values()))


@pytest.mark.parametrize("name", NAMES)
def test_expected_findings_are_made(name: str, databases: dict[str, duckdb.DuckDBPyConnection]) -> None:
    made = findings(databases[name], "verdict = 'violation'")
    demanded = [wanted for wanted in SAMPLES[name].about["expected"] if wanted["rule"] in RULES]
    missing = [wanted for wanted in demanded if not is_made(wanted, made)]
    assert not missing, f"not found: {missing}; found: {made}"


@pytest.mark.parametrize("name", [name for name in NAMES if not SAMPLES[name].about["expected"]])
def test_clean_samples_have_no_errors_and_no_warnings(
    name: str, databases: dict[str, duckdb.DuckDBPyConnection]
) -> None:
    assert findings(databases[name], "verdict = 'violation' and severity in ('error', 'warning')") == []


def findings(database: duckdb.DuckDBPyConnection, where: str) -> list[dict[str, Any]]:
    rows = database.execute(f"select rule, evidence, text from findings where {where}").fetchall()  # noqa: S608
    return [{"rule": rule, "frames": frames, "text": text} for rule, frames, text in rows]


def is_made(wanted: dict[str, Any], made: list[dict[str, Any]]) -> bool:
    return any(
        finding["rule"] == wanted["rule"] and ("frame" not in wanted or wanted["frame"] in finding["frames"])
        for finding in made
    )
