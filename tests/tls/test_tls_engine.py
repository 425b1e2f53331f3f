"""`--engine tshark`: the same messages, stations and upgrades as our own engine finds, with keys and in the clear."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from recorded_samples import SAMPLES
from tls_peers import Recording

from ocpp_inspect.capture import CaptureError
from ocpp_inspect.pipeline import Options, analyze

QUERIES = (
    "SELECT frame_no, station, version, sender, kind, unique_id, action, raw, request_id IS NULL FROM messages "
    "ORDER BY frame_no, raw",
    "SELECT frame_no, station, path, host, status, subprotocol, auth_user, password_length, tls FROM upgrades "
    "ORDER BY frame_no",
)


def both(path: Path, folder: Path, **options: object) -> list[list[list[tuple[object, ...]]]]:
    found = []
    for engine in ("own", "tshark"):
        target = folder / f"{engine}.duckdb"
        analyze([str(path)], target, Options(engine=engine, jobs=1, **options))  # type: ignore[arg-type]
        with duckdb.connect(str(target), read_only=True) as database:
            found.append([database.execute(query).fetchall() for query in QUERIES])
    return found


@pytest.mark.parametrize("name", ["ocpp16-day", "ocpp201-deflate-no-takeover", "wss-tls13-mutual", "ipv6"])
def test_a_sample_decodes_alike(name: str, tmp_path: Path) -> None:
    ours, theirs = both(SAMPLES[name].capture, tmp_path)
    assert ours[0]
    assert theirs == ours


def test_a_key_log_is_handed_on(recording: Recording, tmp_path: Path) -> None:
    ours, theirs = both(recording.capture, tmp_path, key_logs=(recording.key_log,))
    assert len(ours[0]) > 200
    assert theirs == ours


def test_what_tshark_cannot_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    garbage = tmp_path / "garbage.pcap"
    garbage.write_bytes(b"no capture at all")
    with pytest.raises(CaptureError, match="tshark cannot read it"):
        analyze([str(garbage)], tmp_path / "run.duckdb", Options(engine="tshark"))
    with pytest.raises(CaptureError, match="reads files only"):
        analyze(["-"], tmp_path / "run.duckdb", Options(engine="tshark"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CaptureError, match="not installed"):
        analyze([str(garbage)], tmp_path / "run.duckdb", Options(engine="tshark"))
