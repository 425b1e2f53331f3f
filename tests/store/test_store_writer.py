"""Writer: all of a run or nothing, and never the same capture twice."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ocpp_inspect.model import CaptureInfo, Finding, OcppMessage, packet_key
from ocpp_inspect.store import Columns, StoreError, Writer, next_capture_id, pack, unpack


def message(number: int, capture: int = 1, raw: bytes = b'[2,"1","Heartbeat",{}]') -> OcppMessage:
    packet = packet_key(capture, number)
    return OcppMessage(
        message_id=packet * 10**5,
        connection=packet_key(capture, 1),
        station="CP1",
        version="1.6",
        side="station",
        ts_ns=1_700_000_000_000_000_000 + number,
        packet=packet,
        position=number,
        kind="CALL",
        unique_id="1",
        action="Heartbeat",
        payload={},
        raw=raw,
        size=len(raw),
        compressed=False,
    )


def finding(number: int, text: str, capture: int = 1) -> Finding:
    packet = packet_key(capture, number)
    return Finding("R1", "a-name", "error", "violation", "station", "CP1", packet, number, text, (packet,), "§1")


def capture_file(directory: Path, name: str, content: bytes) -> Path:
    path = directory / name
    path.write_bytes(content)
    return path


def run(database: Path, capture: Path, messages: int = 3, replace: bool = False) -> CaptureInfo:
    number = next_capture_id(database)
    info = CaptureInfo(number, str(capture), packets=messages, bytes=len(capture.read_bytes()), first_ns=1, last_ns=9)
    columns = Columns()
    columns.add([message(i + 1, number) for i in range(messages)])
    columns.add_findings([finding(1, capture.name, number)])
    with Writer(database) as writer:
        writer.begin([info], replace=replace)
        writer.write(unpack(pack(columns.flush())))
        writer.commit([info])
    return info


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_several_captures_go_into_one_database(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    for number in range(10):
        run(database, capture_file(tmp_path, f"{number}.pcap", b"x" * (number + 1)), messages=number + 1)
    assert rows(database, "SELECT list(capture_id ORDER BY capture_id) FROM captures") == [(list(range(1, 11)),)]
    assert rows(database, "SELECT capture_id, count(*) FROM messages GROUP BY 1 ORDER BY 1") == [
        (number, number) for number in range(1, 11)
    ]
    assert rows(database, "SELECT count(DISTINCT finding_id), max(finding_id) FROM findings") == [(10, 10)]
    assert sorted(path.name for path in tmp_path.glob("*duckdb*")) == ["a.duckdb"]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("second", ["a.pcap", "copy.pcap"])
def test_the_same_capture_is_refused_and_replaced_on_demand(tmp_path: Path, second: str) -> None:
    database = tmp_path / "a.duckdb"
    run(database, capture_file(tmp_path, "a.pcap", b"same"))
    again = capture_file(tmp_path, second, b"same")
    with pytest.raises(StoreError, match=r"already in .* as capture 1.*--replace"):
        run(database, again)
    assert rows(database, "SELECT count(*) FROM messages") == [(3,)]
    run(database, again, messages=5, replace=True)
    assert rows(database, "SELECT capture_id, count(*) FROM messages GROUP BY 1") == [(2, 5)]
    assert rows(database, "SELECT count(*), count(DISTINCT capture_id) FROM findings") == [(1, 1)]
    assert rows(database, "SELECT capture_id FROM captures") == [(2,)]
