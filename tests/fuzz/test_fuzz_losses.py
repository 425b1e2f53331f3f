"""Captures of clean sessions, damaged as real ones are: nobody is accused, nothing is invented, what is whole is read.

The fast profile is always the same. OCPP_INSPECT_FUZZ_ROUNDS=20 makes twenty times as many captures,
OCPP_INSPECT_FUZZ_SEED=… others, and OCPP_INSPECT_CLEAN_CAPTURES=FOLDER adds clean pcap files of your own.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from capture_records import read_pcap, write_pcap
from losses import LOSSES, REORDERING, lossy
from whole_chain import ROUNDS, Result, run
from whole_frames import whole_texts

from ocpp_inspect.model import OcppMessage

SAMPLES = Path(__file__).parents[2] / "samples"
CLEAN = [
    SAMPLES / f"{name}.pcap"
    for name in (
        "ocpp16-day", "ocpp201-day", "ocpp21-session", "ocpp16-deflate", "ocpp201-deflate-no-takeover",
        "npm-ocpp-rpc", "five-stations", "ipv6", "reordered", "lossy", "mirror-duplicates", "mirror-drops",
        "joined-midway", "joined-midway-deflate", "reconnects", "other-traffic", "snaplen",
    )
]  # fmt: skip
FOLDER = os.environ.get("OCPP_INSPECT_CLEAN_CAPTURES")
OWN = sorted(Path(FOLDER).glob("*.pcap")) if FOLDER else []
SEED = os.environ.get("OCPP_INSPECT_FUZZ_SEED", "fixed")
MISSED_SHARE = 0.02
"""Of the messages that are whole, those that a search for the next frame behind a hole may give up."""


def accusations(result: Result) -> list[tuple[str, str, str]]:
    return [
        (finding.rule, finding.station, finding.text)
        for finding in result.findings
        if finding.verdict == "violation" and finding.severity != "info"
    ]


def texts_of(result: Result) -> Counter[str]:
    return Counter(item.raw.decode("utf-8", "replace") for item in result.items if isinstance(item, OcppMessage))


@pytest.mark.parametrize("capture", [*CLEAN, *OWN], ids=lambda path: path.stem)
def test_what_a_capture_lacks_is_nobodys_fault(capture: Path, tmp_path: Path) -> None:
    records = read_pcap(capture.read_bytes())
    truth = run([capture])
    assert accusations(truth) == []
    said = texts_of(truth)
    for number in range(len(LOSSES) * ROUNDS):
        left, names = lossy(records, Random(f"{SEED} {capture.stem} {number}"), number)
        path = tmp_path / "lossy.pcap"
        path.write_bytes(write_pcap(left, nanoseconds=True))
        about = f"OCPP_INSPECT_FUZZ_SEED={SEED}, {capture.name}, number {number}: {', '.join(names)}"
        result = run([path])
        assert accusations(result) == [], about
        read = texts_of(result)
        assert read - said == Counter(), about
        whole = whole_texts(left)
        missed = whole - read
        if not REORDERING.intersection(names):
            assert missed.total() <= 1 + MISSED_SHARE * whole.total(), about
