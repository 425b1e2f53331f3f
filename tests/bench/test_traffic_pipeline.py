"""Generated traffic through the whole pipeline: every message is decoded, and nobody is accused."""

from __future__ import annotations

import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import pytest

from bench.traffic import Options, Totals, generate
from ocpp_inspect.pipeline import analyze

SMALL = Options(messages=3000, stations=12)
WHOLE = {
    "1.6": SMALL,
    "2.0.1": SMALL._replace(version="2.0.1"),
    "2.1": SMALL._replace(version="2.1", pcapng=True),
    "compressed": SMALL._replace(compressed=True),
    "no-context-takeover": SMALL._replace(compressed=True, context_takeover=False, nanoseconds=True),
    "one-address": SMALL._replace(one_address=True, port=9220),
    "rough": SMALL._replace(mtu=150, reorder=0.2, duplicate=0.1, retransmit=0.1),
}
TORN = {
    "loss": SMALL._replace(loss=0.02),
    "loss-201": SMALL._replace(loss=0.02, version="2.0.1"),
    "loss-compressed": SMALL._replace(loss=0.005, compressed=True),
    "loss-small-mtu": SMALL._replace(loss=0.01, mtu=150, reorder=0.1, duplicate=0.05, retransmit=0.05),
}
ACCUSATIONS = (
    "select rule, station, text from findings where verdict = 'violation' and severity in ('error', 'warning')"
)
MESSAGES = "select station, sender, raw from messages order by message_id"


def analysed(options: Options, folder: Path, truth: io.StringIO | None = None) -> tuple[Totals, list[Any], list[Any]]:
    """(what was written, the messages, the accusations)."""
    totals = generate(folder / "site.pcap", options, truth)
    analyze([str(folder / "site.pcap")], folder / "site.duckdb")
    with duckdb.connect(str(folder / "site.duckdb"), read_only=True) as database:
        return totals, database.execute(MESSAGES).fetchall(), database.execute(ACCUSATIONS).fetchall()


@pytest.mark.parametrize("name", WHOLE)
def test_every_message_is_decoded_and_nobody_accused(name: str, tmp_path: Path) -> None:
    truth = io.StringIO()
    _, messages, accusations = analysed(WHOLE[name], tmp_path, truth)
    expected = defaultdict(list)
    for line in truth.getvalue().splitlines():
        entry = json.loads(line)
        expected[entry["station"]].append((entry["sender"], entry["text"]))
    found = defaultdict(list)
    for station, sender, text in messages:
        found[station].append((sender, text))
    assert found == expected
    assert accusations == []


@pytest.mark.parametrize("name", TORN)
def test_nobody_is_accused_of_what_the_capture_lost(name: str, tmp_path: Path) -> None:
    totals, messages, accusations = analysed(TORN[name], tmp_path)
    assert len(messages) < totals.messages
    assert accusations == []
