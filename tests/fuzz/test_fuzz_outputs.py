"""Captures of hostile texts in; a database, a summary, timelines and JSON without a control character out."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import orjson
import pytest
from mutants import RECORD_DAMAGES, SAMPLES
from whole_chain import ROUNDS, SEEDS, Mutant, for_each_mutant

from ocpp_inspect.pipeline import Options, analyze
from ocpp_inspect.report import machine
from ocpp_inspect.report.lines import plain
from ocpp_inspect.report.opened import open_database
from ocpp_inspect.report.summary import summary
from ocpp_inspect.report.timeline import TimelineOptions, timeline

COUNT = ROUNDS
HOSTILE_MESSAGES = [damage.__name__ for damage in RECORD_DAMAGES].index("hostile_messages")
LAYOUTS = (
    TimelineOptions(),
    TimelineOptions(interleaved=True, compact=True, width=60),
    TimelineOptions(problems=True, width=200, clock="relative"),
)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_what_is_printed_holds_no_control_characters(sample: Path, tmp_path: Path) -> None:
    database = tmp_path / "mutant.duckdb"

    def action(each: Mutant) -> None:
        database.unlink(missing_ok=True)
        analyze([str(each.path)], database, Options(jobs=1))
        opened = open_database(database)
        try:
            texts = [plain(line) for line in summary(opened)]
            for layout in LAYOUTS:
                texts += [plain(line) for line in timeline(opened, layout)]
            document = machine.document(opened)
            lines = list(machine.lines(opened))
        finally:
            opened.close()
        for text in texts:
            assert text.isprintable(), text
        orjson.loads(document)
        for line in lines:
            orjson.loads(line)
        for character in set(document.decode() + b"".join(lines).decode()) - {"\n"}:
            assert unicodedata.category(character) != "Cc" or character >= "\x7f", repr(character)

    for_each_mutant(sample, SEEDS[1], COUNT, tmp_path, action, first=HOSTILE_MESSAGES)
