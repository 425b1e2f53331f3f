"""The samples are complete, small, described, and agree with the logs of the applications that made them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from recorded_samples import FOLDER, OVER_SOAP, SAMPLES, WEBSOCKETS

KEYS = {
    "name",
    "title",
    "story",
    "file",
    "ports",
    "stations",
    "connections",
    "sent",
    "complete",
    "expected",
    "provenance",
}
RECORDED = [path for path in FOLDER.iterdir() if path.suffix in (".pcap", ".gz", ".yaml", ".jsonl")]


def test_there_are_enough_and_they_are_small() -> None:
    assert len(SAMPLES) >= 20
    assert sum(path.stat().st_size for path in RECORDED) < 5_000_000


def test_every_file_belongs_to_a_sample() -> None:
    files = {name + suffix for name in SAMPLES for suffix in (".yaml", ".jsonl")}
    assert {path.name for path in RECORDED} == files | {sample.capture.name for sample in SAMPLES.values()}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_description_is_complete(name: str) -> None:
    about = SAMPLES[name].about
    assert KEYS <= set(about) <= KEYS | {"note", "secured", "transport"}
    assert {"stack", "versions", "captured", "times", "again"} <= set(about["provenance"])
    assert about["name"] == name


@pytest.mark.parametrize("name", SAMPLES)
def test_both_sides_logged_the_same_texts(name: str) -> None:
    sample = SAMPLES[name]
    assert sample.said("sent", binary=True, other=True) == sample.said("received", binary=True, other=True)
    assert sum(sample.about["sent"].values()) == sum(map(len, sample.said("sent", binary=True).values()))
    assert sample.about["stations"] == sorted({entry["station"] for entry in sample.log} - {""})


@pytest.mark.parametrize("name", [name for name in WEBSOCKETS if not SAMPLES[name].about["expected"]])
def test_a_clean_sample_has_one_answer_a_call(name: str) -> None:
    calls: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    for entry in SAMPLES[name].log:
        if entry["did"] == "sent" and "other" not in entry:
            kind, unique_id, *_ = json.loads(entry["text"])
            {2: calls, 3: answers, 6: Counter()}[kind][unique_id] += 1
    assert calls == answers
    assert set(calls.values()) == {1}


@pytest.mark.parametrize("name", [name for name in OVER_SOAP if not SAMPLES[name].about["expected"]])
def test_a_clean_sample_over_soap_has_one_response_a_request(name: str) -> None:
    texts = [entry["text"] for entry in SAMPLES[name].log if entry["did"] == "sent"]
    asked = [found[1] for text in texts if (found := re.search("MessageID>([^<]*)<.*Request", text, re.DOTALL))]
    answered = [found[1] for text in texts if (found := re.search("RelatesTo>([^<]*)<", text))]
    assert len(set(asked)) == len(asked) == len(texts) // 2
    assert answered == asked


def test_the_index_is_fresh(tmp_path: Path) -> None:
    before = (FOLDER / "README.md").read_text(encoding="utf-8")
    command = [sys.executable, "-m", "samples.record", "--index", "--into", str(tmp_path / "README.md")]
    subprocess.run(command, cwd=FOLDER.parent, check=True)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == before
