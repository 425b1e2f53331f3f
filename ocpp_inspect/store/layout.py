"""Nothing in, the layout out: the Arrow schema of the batches of each table, in the order of `schema.sql`."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

TIME: Final = pa.timestamp("ns")
LABEL: Final = pa.dictionary(pa.int32(), pa.string())
"""Text of few different values: 0.25 µs a message less to insert, and fewer octets through the pipe."""
TEXTS: Final = pa.list_(pa.string())
NUMBERS: Final = pa.list_(pa.int64())

MESSAGES: Final = pa.schema(
    [
        ("message_id", pa.int64()),
        ("connection_id", pa.int64()),
        ("capture_id", pa.int64()),
        ("station", LABEL),
        ("version", LABEL),
        ("version_inferred", pa.bool_()),
        ("ts", TIME),
        ("sender", LABEL),
        ("kind", LABEL),
        ("unique_id", pa.string()),
        ("action", LABEL),
        ("error_code", pa.string()),
        ("error_description", pa.string()),
        ("raw", pa.string()),
        ("raw_bytes", pa.binary()),
        ("size", pa.int64()),
        ("compressed", pa.bool_()),
        ("frame_no", pa.int64()),
        ("request_id", pa.int64()),
        ("latency_ms", pa.float64()),
        ("schema_valid", pa.bool_()),
        ("transaction", pa.string()),
    ]
)

# The tables of few rows: name → (column, type). Their rows are tuples in this order.
_ADDRESSES: Final = [
    ("client", pa.string()),
    ("client_port", pa.int32()),
    ("server", pa.string()),
    ("server_port", pa.int32()),
]
_HANDSHAKE: Final = [
    ("path", pa.string()),
    ("host", pa.string()),
    ("offered_subprotocols", TEXTS),
    ("subprotocol", pa.string()),
    ("offered_extensions", pa.string()),
    ("extensions", pa.string()),
]
_PLACE: Final = [("connection_id", pa.int64()), ("capture_id", pa.int64()), ("frame_no", pa.int64())]
_SOAP_HEADERS: Final = (
    "content_type", "content_encoding", "soap_version", "namespace", "identity", "wsa_action", "wsa_message_id",
    "wsa_relates_to", "wsa_from", "wsa_reply_to", "wsa_to", "xml",
)  # fmt: skip
_WHO: Final = [("station", pa.string()), ("ts", TIME)]

SCHEMAS: Final[dict[str, Any]] = {
    "connections": pa.schema(
        [
            ("connection_id", pa.int64()),
            ("capture_id", pa.int64()),
            ("station", pa.string()),
            ("version", pa.string()),
            *_ADDRESSES,
            *_HANDSHAKE,
            ("upgrade_status", pa.int32()),
            ("tls", pa.bool_()),
            ("opened_at", TIME),
            ("closed_at", TIME),
            ("close_kind", pa.string()),
            ("closed_by", pa.string()),
            ("close_code", pa.int32()),
            ("close_reason", pa.string()),
            ("joined_midway", pa.bool_()),
            ("lost_bytes", pa.int64()),
            ("messages", pa.int64()),
            ("undecodable", pa.int64()),
            ("is_ocpp", pa.bool_()),
            ("transport", pa.string()),
        ]
    ),
    "upgrades": pa.schema(
        _PLACE
        + _WHO
        + [("status", pa.int32())]
        + _HANDSHAKE
        + [("auth_user", pa.string()), ("has_password", pa.bool_()), ("password_length", pa.int32())]
        + _ADDRESSES
        + [
            ("forwarded_for", pa.string()),
            ("user_agent", pa.string()),
            ("server_agent", pa.string()),
            ("response_ts", TIME),
            ("response_frame_no", pa.int64()),
            ("body", pa.string()),
            ("tls", pa.bool_()),
        ]
    ),
    "message_records": MESSAGES,
    "long_texts": pa.schema(
        [("message_id", pa.int64()), ("capture_id", pa.int64()), ("part", pa.int32()), ("octets", pa.binary())]
    ),
    "soap_messages": pa.schema(
        [("message_id", pa.int64()), *_PLACE, *_WHO, ("tcp_connection_id", pa.int64()), *_ADDRESSES]
        + [("path", pa.string()), ("host", pa.string()), ("http_status", pa.int32())]
        + [(name, pa.string()) for name in _SOAP_HEADERS]
    ),
    "tls_sessions": pa.schema(
        _PLACE
        + _WHO
        + _ADDRESSES
        + [
            ("outcome", pa.string()),
            ("ended_by", pa.string()),
            ("alert", pa.string()),
            ("alert_meaning", pa.string()),
            ("alert_by", pa.string()),
            ("alert_frame_no", pa.int64()),
            ("version", pa.string()),
            ("offered_versions", TEXTS),
            ("suite", pa.string()),
            ("offered_suites", TEXTS),
            ("server_name", pa.string()),
            ("offered_protocols", TEXTS),
            ("protocol", pa.string()),
            ("certificate_subject", pa.string()),
            ("certificate_issuer", pa.string()),
            ("certificate_not_before", TIME),
            ("certificate_not_after", TIME),
            ("certificate_key", pa.string()),
            ("certificate_names", TEXTS),
            ("chain", TEXTS),
            ("name_matches", pa.bool_()),
            ("client_certificate_asked", pa.bool_()),
            ("client_certificate", pa.string()),
            ("resumed", pa.bool_()),
            ("early_data", pa.bool_()),
            ("handshake_ms", pa.float64()),
            ("opened_by", pa.string()),
            ("closed_because", pa.string()),
            ("records_up", pa.int64()),
            ("records_down", pa.int64()),
            ("octets_up", pa.int64()),
            ("octets_down", pa.int64()),
            ("largest_record", pa.int64()),
            ("lost_records", pa.int64()),
            ("last_ts", TIME),
            ("rhythm", pa.string()),
        ]
    ),
    "controls": pa.schema(
        _PLACE
        + _WHO
        + [
            ("sender", pa.string()),
            ("kind", pa.string()),
            ("code", pa.int32()),
            ("reason", pa.string()),
            ("payload", pa.binary()),
        ]
    ),
    "losses": pa.schema(
        _PLACE
        + _WHO
        + [("sender", pa.string()), ("cause", pa.string()), ("bytes", pa.int64()), ("messages", pa.int64())]
    ),
    "anomalies": pa.schema(
        [
            ("name", pa.string()),
            ("layer", pa.string()),
            *_PLACE,
            *_WHO,
            ("sender", pa.string()),
            ("detail", pa.string()),
            ("message_id", pa.int64()),
            ("path", pa.string()),
        ]
    ),
    "findings": pa.schema(
        [
            ("position", pa.int64()),  # orders the rows when the writer numbers them; no column of the table
            ("rule", pa.string()),
            ("name", pa.string()),
            ("axis", pa.string()),
            ("severity", pa.string()),
            ("verdict", pa.string()),
            ("blame", pa.string()),
            ("station", pa.string()),
            ("connection_id", pa.int64()),
            ("capture_id", pa.int64()),
            ("frame_no", pa.int64()),
            ("ts", TIME),
            ("text", pa.string()),
            ("evidence", NUMBERS),
            ("evidence_captures", NUMBERS),
            ("reference", pa.string()),
            ("message_id", pa.int64()),
            ("accepted", pa.string()),
            ("cause", pa.string()),
        ]
    ),
}
"""Table name → Arrow schema of the batches that `Columns.flush` gives, in the order in which they are written."""
