"""Real peers under every version, kind of cipher suite and resumption: we read what tshark reads with the same keys."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import duckdb
import pytest
from tls_peers import CASES, Recording
from tshark_oracle import websocket_texts

from ocpp_inspect.pipeline import Options, analyze

Rows = list[tuple[object, ...]]
PER_CONNECTION = 10
STATIONS = {f"{case.name}-{number}" for case in CASES for number in range(case.connections)}


def messages(path: Path, folder: Path, options: Options) -> Rows:
    target = folder / "run.duckdb"
    target.unlink(missing_ok=True)
    analyze([str(path)], target, options)
    with duckdb.connect(str(target), read_only=True) as database:
        return database.execute(
            "SELECT frame_no, raw, station, sender, version FROM messages ORDER BY message_id"
        ).fetchall()


def test_we_read_what_tshark_reads(recording: Recording, tmp_path: Path) -> None:
    ours = messages(recording.capture, tmp_path, Options(key_logs=(recording.key_log,), jobs=1))
    theirs = websocket_texts(recording.capture, [recording.port], key_log=recording.key_log)
    assert sorted((frame, raw) for frame, raw, *_ in ours) == sorted(
        (each.frame, each.text.decode()) for each in theirs
    )
    assert {row[2] for row in ours} == STATIONS
    assert len(ours) == PER_CONNECTION * len(STATIONS)


@pytest.mark.parametrize("jobs", [2, 3])
def test_the_number_of_workers_changes_nothing(recording: Recording, tmp_path: Path, jobs: int) -> None:
    alone = messages(recording.capture, tmp_path, Options(key_logs=(recording.key_log,), jobs=1))
    assert messages(recording.capture, tmp_path, Options(key_logs=(recording.key_log,), jobs=jobs)) == alone


def test_a_private_key_opens_what_has_an_rsa_key_exchange(recording: Recording, tmp_path: Path) -> None:
    ours = messages(recording.capture, tmp_path, Options(private_keys=(recording.server_key,), jobs=2))
    assert {row[2] for row in ours} == {name for name in STATIONS if name.startswith("rsa")}
    assert len(ours) == PER_CONNECTION * 6


def test_secrets_inside_a_pcapng_open_it(recording: Recording, tmp_path: Path) -> None:
    with_keys = tmp_path / "all.pcapng"
    command = ["editcap", "--inject-secrets", f"tls,{recording.key_log}", str(recording.capture), str(with_keys)]
    subprocess.run(command, check=True)
    by_file = messages(recording.capture, tmp_path, Options(key_logs=(recording.key_log,), jobs=1))
    for jobs in (1, 2):
        assert messages(with_keys, tmp_path, Options(jobs=jobs)) == by_file


def test_secrets_behind_the_packets_open_them_too(recording: Recording, tmp_path: Path) -> None:
    plain, with_keys = tmp_path / "plain.pcapng", tmp_path / "late.pcapng"
    subprocess.run(["editcap", "-F", "pcapng", str(recording.capture), str(plain)], check=True)
    secrets = recording.key_log.read_bytes()
    body = struct.pack("<II", 0x544C534B, len(secrets)) + secrets + bytes(-len(secrets) % 4)
    block = struct.pack("<II", 10, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    with_keys.write_bytes(plain.read_bytes() + block)
    by_file = messages(recording.capture, tmp_path, Options(key_logs=(recording.key_log,), jobs=1))
    for jobs in (1, 2):
        assert messages(with_keys, tmp_path, Options(jobs=jobs)) == by_file


def test_without_keys_nothing_is_read_and_nothing_is_blamed(recording: Recording, tmp_path: Path) -> None:
    assert messages(recording.capture, tmp_path, Options(jobs=2)) == []
    with duckdb.connect(str(tmp_path / "run.duckdb"), read_only=True) as database:
        told = database.execute("SELECT name, count(*) FROM anomalies GROUP BY name").fetchall()
        findings = database.execute("SELECT DISTINCT rule, severity FROM findings ORDER BY rule").fetchall()
    assert told == [("tls.encrypted", len(STATIONS))]
    # TLS 1.0 was used, and our clients offer one suite each: both true, whatever the connections carry.
    assert findings == [("SEC-005", "warning"), ("SEC-035", "info")]
