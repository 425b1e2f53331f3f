"""Every field of every item arrives in its column, whatever is in it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from site_day import START_NS, day
from test_store_writer import finding, message, rows

from ocpp_inspect.limits import STORE_PIECE_BYTES, STORE_TEXT_BYTES
from ocpp_inspect.model import (
    Anomaly,
    CaptureInfo,
    ConnectionClosed,
    OcppItem,
    OcppMessage,
    Upgrade,
    packet_key,
)
from ocpp_inspect.store import Batches, Columns, Writer, pack, unpack
from ocpp_inspect.store.anomalies import ANOMALIES


def store(path: Path, *batches: Batches) -> Path:
    info = CaptureInfo(1, "none")
    with Writer(path) as writer:
        writer.begin([info])
        for batch in batches:
            writer.write(batch)
        writer.commit([info])
    return path


def records(database: Path, sql: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute(sql)
        names = [column[0] for column in connection.description or []]
        return [dict(zip(names, row, strict=True)) for row in connection.fetchall()]


def batch_of(*items: OcppItem) -> Batches:
    columns = Columns()
    columns.add(items)
    return unpack(pack(columns.flush()))


def test_a_message_keeps_every_field(tmp_path: Path) -> None:
    raw = b'[4,"a\xe2\x82\xac","InternalError","why",{"x":1}]'
    item = OcppMessage(
        (10**10 + 77) * 10**5 + 3, 10**10 + 5, "CP1", "2.0.1", "csms", START_NS + 123_456_789, 10**10 + 77, 9,
        "CALLERROR", "a€", "Reset", {"x": 1}, raw, len(raw), True, "InternalError", "why", {"type": "Soft"},
        (10**10 + 70) * 10**5, START_NS, 1_234_567, False, "tx", True, object(),
    )  # fmt: skip
    database = store(tmp_path / "a.duckdb", batch_of(item))
    [row] = records(database, "SELECT *, epoch_ns(ts) AS ns FROM messages")
    assert row.pop("ns") == item.ts_ns
    assert row.pop("ts") == datetime.datetime(2026, 1, 1, 0, 0, 0, 123456)
    assert row == {
        "message_id": item.message_id, "connection_id": item.connection, "capture_id": 1, "station": "CP1",
        "version": "2.0.1", "version_inferred": True, "sender": "csms", "kind": "CALLERROR", "unique_id": "a€",
        "action": "Reset", "payload": '{"x":1}', "error_code": "InternalError", "error_description": "why",
        "raw": raw.decode(), "raw_bytes": None, "size": len(raw), "compressed": True, "frame_no": 77,
        "request_id": item.request_id, "latency_ms": 1.234567, "schema_valid": False, "transaction": "tx",
    }  # fmt: skip


def test_what_is_unknown_is_null(tmp_path: Path) -> None:
    item = msgspec.structs.replace(message(1), station="", version="", action="", kind="INVALID", schema_valid=None)
    database = store(tmp_path / "a.duckdb", batch_of(item))
    [row] = records(
        database,
        "SELECT station, version, action, payload, request_id, latency_ms, schema_valid, transaction FROM messages",
    )
    assert set(row.values()) == {None}


def test_the_other_items_keep_their_fields(database: Path) -> None:
    site = day()
    upgrade = next(item for item in site.items if type(item) is Upgrade)
    closed = next(item for item in site.items if type(item) is ConnectionClosed)
    [row] = records(database, f"SELECT * FROM upgrades WHERE connection_id = {upgrade.connection}")  # noqa: S608
    assert (row["status"], row["path"], row["host"]) == (101, "/ocpp/CP1", "csms.example")
    assert (row["offered_subprotocols"], row["subprotocol"]) == (["ocpp1.6", "ocpp2.0.1"], "ocpp1.6")
    assert (row["auth_user"], row["has_password"], row["password_length"]) == ("user", True, 16)
    assert (row["client"], row["client_port"], row["server"], row["server_port"]) == (
        "10.0.0.7",
        40000,
        "10.0.0.1",
        9000,
    )
    assert (row["forwarded_for"], row["user_agent"], row["server_agent"]) == ("192.0.2.1", "agent/1", "server/2")
    assert (row["frame_no"], row["response_frame_no"], row["tls"], row["body"]) == (1, 2, False, "")
    [row] = records(database, f"SELECT * FROM connections WHERE connection_id = {closed.connection}")  # noqa: S608
    assert (row["upgrade_status"], row["close_kind"], row["closed_by"], row["close_code"]) == (101, "fin", "csms", 1001)
    assert (row["close_reason"], row["joined_midway"], row["lost_bytes"]) == ("going away", False, 100)
    assert (row["messages"], row["undecodable"], row["is_ocpp"], row["version"]) == (12, 1, True, "1.6")
    assert row["extensions"] == "permessage-deflate"
    assert rows(
        database, "SELECT kind, code, reason, payload, sender FROM controls WHERE station = 'CP1' ORDER BY kind"
    ) == [
        ("close", 1001, "going away", b"", "csms"),
        ("ping", None, "", b"\x00\xff", "station"),
    ]
    assert rows(database, "SELECT sender, cause, bytes, messages FROM losses WHERE station = 'CP2'") == [
        ("csms", "gap", 100, 1)
    ]
    assert rows(
        database, "SELECT name, layer, sender, detail, message_id, path FROM anomalies WHERE station = 'CP2'"
    ) == [("ws.unmasked_client_frame", "ws", "station", "a detail", 7, "$.a")]
    [row] = records(database, "SELECT * FROM findings WHERE station = 'CP1'")
    assert (row["finding_id"], row["rule"], row["name"], row["axis"]) == (
        1,
        "RPC-001",
        "call-without-response",
        "conformance",
    )
    assert (row["severity"], row["verdict"], row["blame"], row["reference"]) == (
        "error", "violation", "csms", "OCPP-J 1.6 §4.1.1",
    )  # fmt: skip
    assert (row["evidence"][1], row["evidence_captures"], row["message_id"], row["text"]) == (3, [1, 2], 7, "no answer")
    [row] = records(database, "SELECT * FROM captures")
    assert (row["format"], row["link_types"], row["comments"], row["notes"]) == (
        "pcapng+gzip", ["ETHERNET"], ["a comment"], ["cut at 77"],
    )  # fmt: skip
    assert (row["dropped_packets"], row["truncated"], row["absolute_path"]) == (3, True, None)


HOSTILE = [
    b"",
    b"\x00\x01[2",
    b'[2,"1","Heartbeat",{"a":"\\ud800"}]',
    b'[2,"1","Heartbeat",{"a":NaN}]',
    b'[2,"1","Heartbeat",{"a":"\xff\xfe"}]',
    b"\xef\xbb\xbf[2]",
    b"[" * 3000,
    b"<soap:Envelope/>",
    b"'; DROP TABLE message_records; --",
    "😀\u202e".encode(),
]


@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_is_kept_and_can_be_read_through_every_view(tmp_path: Path, raw: bytes) -> None:
    items = [
        msgspec.structs.replace(message(number, raw=raw), kind=kind, action=action)
        for number, (kind, action) in enumerate(
            [
                (k, a)
                for k in ("CALL", "CALLRESULT", "INVALID")
                for a in ("MeterValues", "TransactionEvent", "BootNotification")
            ],
            1,
        )
    ]
    database = store(tmp_path / "a.duckdb", batch_of(*items))
    for text, octets in rows(database, "SELECT raw, raw_bytes FROM messages"):
        assert isinstance(text, str)
        assert (octets or text.encode()) == raw
    for (view,) in rows(database, "SELECT view_name FROM duckdb_views() WHERE NOT internal"):
        rows(database, f"SELECT * FROM {view}")  # noqa: S608


def test_text_without_a_utf8_form_is_replaced(tmp_path: Path) -> None:
    item = msgspec.structs.replace(message(1), unique_id="\ud800x", station="\udfff", error_description="a\x00b")
    anomaly = Anomaly("ws.x", 1, 10**10 + 1, 1, detail="\ud83d")
    upgrade = Upgrade(10**10, 1, 10**10, 1, 10**40, offered=("\ud800",))
    database = store(tmp_path / "a.duckdb", batch_of(item, anomaly, upgrade))
    assert rows(database, "SELECT unique_id, station, error_description FROM messages") == [
        ("\ufffdx", "\ufffd", "a\x00b")
    ]
    assert rows(database, "SELECT detail FROM anomalies") == [("\ufffd",)]
    assert rows(database, "SELECT status, offered_subprotocols FROM upgrades") == [(None, ["\ufffd"])]


def test_a_huge_text_is_whole_in_its_pieces(tmp_path: Path) -> None:
    raw = b'["' + "é".encode() * STORE_TEXT_BYTES + b'"]'
    database = store(tmp_path / "a.duckdb", batch_of(message(1, raw=raw), message(2)))
    [(text, octets, size), short] = rows(database, "SELECT raw, raw_bytes, size FROM messages ORDER BY message_id")
    assert text == raw.decode()
    [cut] = rows(database, "SELECT raw FROM message_records ORDER BY message_id LIMIT 1")
    assert isinstance(cut[0], str)
    assert raw.startswith(cut[0].encode())
    assert STORE_TEXT_BYTES - 4 < len(cut[0].encode()) <= STORE_TEXT_BYTES
    assert (octets, size, short[1]) == (None, len(raw), None)
    pieces = rows(database, "SELECT octets FROM long_texts ORDER BY message_id, part")
    assert b"".join(piece for (piece,) in pieces if isinstance(piece, bytes)) == raw
    assert len(pieces) == -(-len(raw) // STORE_PIECE_BYTES)


def test_no_digit_of_a_number_is_lost(tmp_path: Path) -> None:
    """`raw` is the truth; the payload shows what DuckDB makes of the number."""
    number = "0.1000000000000000055511151231257827021181583404541015625000000000000000001"
    raw = f'[2,"1","DataTransfer",{{"a":{number}}}]'.encode()
    database = store(tmp_path / "a.duckdb", batch_of(message(1, raw=raw)))
    [(text,)] = rows(database, "SELECT raw FROM messages")
    assert Decimal(number) == Decimal(str(text).partition(":")[2].rstrip("}]"))


@given(
    st.lists(
        st.builds(
            lambda n, raw, ts, unique_id: msgspec.structs.replace(message(n, raw=raw), ts_ns=ts, unique_id=unique_id),
            st.integers(1, 10**9),
            st.binary(max_size=60),
            st.integers(-(2**63) + 1, 2**63 - 1),
            st.text(max_size=20),
        ),
        max_size=20,
    ),
    st.integers(1, 7),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_batching_changes_nothing(messages: list[OcppMessage], size: int) -> None:
    whole = Columns()
    whole.add(messages)
    parts = Columns()
    for start in range(0, len(messages), size):
        parts.add(messages[start : start + size])
    one, other = whole.flush(), unpack(pack(parts.flush()))
    assert one.keys() == other.keys()
    for table, batch in one.items():
        assert batch.equals(other[table])
        assert batch["ts"].cast("int64").to_pylist() == [item.ts_ns for item in messages]


def test_full_tells_when_to_flush() -> None:
    columns = Columns(batch_rows=3, batch_bytes=1000)
    columns.add([message(1), Anomaly("ws.x", 1, 10**10, 1)])
    assert not columns.full
    columns.add_findings([finding(1, "x")])
    assert columns.full
    assert set(columns.flush()) == {"message_records", "anomalies", "findings"}
    assert not columns.full
    assert columns.flush() == {}
    columns.add([message(1, raw=b"x" * 1000)])
    assert columns.full


@dataclass
class _Stranger:
    """What no room hands on."""


def test_unknown_items_are_left_alone() -> None:
    columns = Columns()
    columns.add([_Stranger()])  # type: ignore[list-item]
    assert columns.flush() == {}
    assert ANOMALIES == {}


def test_message_ids_of_the_last_capture_fit() -> None:
    packet = packet_key(9_000, 10**10 - 1)
    batch = batch_of(msgspec.structs.replace(message(1), packet=packet, message_id=packet * 10**5 + 99_999))
    assert batch["message_records"]["capture_id"].to_pylist() == [9_000]
