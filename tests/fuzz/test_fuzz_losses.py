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
from capture_records import Record, read_pcap, write_pcap
from losses import LOSSES, REORDERING, flow_of, lossy
from whole_chain import ROUNDS, Result, run
from whole_frames import whole_texts

from ocpp_inspect.capture import CaptureReader
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
TLS = [SAMPLES / "wss-tls12.pcapng.gz", SAMPLES / "wss-tls13-mutual.pcapng.gz"]  # the chain has their keys
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


def records_of(capture: Path) -> list[Record]:
    if capture.suffix == ".pcap":
        return read_pcap(capture.read_bytes())
    with CaptureReader([capture]) as reader:
        return [
            Record(ts_ns, original, bytearray(batch.octets[offset : offset + captured].tobytes()))
            for batch in reader
            for ts_ns, original, offset, captured in zip(
                batch.ts_ns.tolist(), batch.original.tolist(), batch.offset.tolist(), batch.captured.tolist(),
                strict=True,
            )
        ]  # fmt: skip


@pytest.mark.parametrize("capture", [*CLEAN, *TLS, *OWN], ids=lambda path: path.stem)
def test_what_a_capture_lacks_is_nobodys_fault(capture: Path, tmp_path: Path) -> None:
    records = records_of(capture)
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


def test_a_tls_handshake_whose_sides_were_captured_apart_is_not_called_unfinished(tmp_path: Path) -> None:
    """The server's half of a moment first, then the client's, all with the same times: wherever the capture begins."""
    records = records_of(TLS[0])
    for record in records:
        record.ts_ns -= record.ts_ns % 62_500_000
    path = tmp_path / "apart.pcap"
    for begin in range(0, len(records), 3):
        left: list[Record] = []
        for low in range(begin, len(records), 64):
            left += sorted(records[low : low + 64], key=lambda record: flow_of(record) or (b"", b""))
        path.write_bytes(write_pcap(left, nanoseconds=True))
        assert accusations(run([path])) == [], f"from packet {begin}"
