"""Nothing in; the SQL of each source of timeline events out, all with the columns of `COLUMNS`.

Each source is a SELECT with the placeholder `{window}` for a condition on its own time column, so that DuckDB skips
the row groups outside it. `ts_ns, phase, ord, after_it` orders events of one instant by what must come first: a
connection opens, speaks, closes; a finding follows its message.
"""

from __future__ import annotations

from typing import Final

from ocpp_inspect.limits import REPORT_RAW_BYTES

COLUMNS: Final[dict[str, str]] = {
    "ts_ns": "BIGINT",
    "phase": "BIGINT",
    "ord": "BIGINT",
    "after_it": "BIGINT",
    "type": "VARCHAR",
    "connection_id": "BIGINT",
    "station": "VARCHAR",
    "sender": "VARCHAR",
    "frame_no": "BIGINT",
    "kind": "VARCHAR",
    "version": "VARCHAR",
    "action": "VARCHAR",
    "raw": "VARCHAR",
    "error_code": "VARCHAR",
    "error_description": "VARCHAR",
    "size": "BIGINT",
    "message_id": "BIGINT",
    "request_id": "BIGINT",
    "latency_ms": "DOUBLE",
    "schema_valid": "BOOLEAN",
    "transaction": "VARCHAR",
    "extra": "VARCHAR",
}
_PACKET: Final = "(capture_id * 10000000000 + frame_no) * 100000"


def _select(source: str, where: str = "true", time: str = "ts", **columns: str) -> str:
    """A SELECT with all columns of an event; those not named are NULL."""
    columns = {
        "ts_ns": f"epoch_ns({time})",
        "after_it": "0",
        "connection_id": "connection_id",
        "station": "station",
    } | columns
    listed = (f"{columns.get(name, f'NULL::{kind}')} AS {name}" for name, kind in COLUMNS.items())
    return f"SELECT {', '.join(listed)} FROM {source} WHERE {where} AND {{window:{time}}}"  # noqa: S608 texts of ours only


def _json(**fields: str) -> str:
    # Braces would be placeholders, so no struct literal.
    return "to_json(struct_pack(" + ", ".join(f"{name} := {value}" for name, value in fields.items()) + "))::VARCHAR"


# The records, not the view `messages`: that one puts long texts together and decodes payloads, for nothing here.
MESSAGES: Final = _select(
    "message_records",
    phase="2",
    ord="message_id",
    type="'message'",
    sender="sender",
    frame_no="frame_no",
    kind="kind",
    version="version",
    action="action",
    raw=f"CASE WHEN size <= {REPORT_RAW_BYTES} THEN raw END",
    error_code="left(error_code, 400)",
    error_description="left(error_description, 1000)",
    size="size",
    message_id="message_id",
    request_id="request_id",
    latency_ms="latency_ms",
    schema_valid="schema_valid",
    transaction="transaction",
)
OURS: Final = "coalesce(connection_id, 0) NOT IN (SELECT connection_id FROM connections WHERE NOT is_ocpp)"
"""Other WebSockets are counted and left alone."""

_ENDS: Final = {name: name for name in ("client", "client_port", "server", "server_port", "tls")}
UPGRADES: Final = _select(
    "upgrades",
    OURS,
    phase="1",
    ord=_PACKET,
    type="'upgrade'",
    sender="'station'",
    frame_no="frame_no",
    extra=_json(
        **_ENDS,
        status="status",
        path="left(path, 400)",
        subprotocol="left(subprotocol, 100)",
        offered="offered_subprotocols[1:8]",
        extensions="left(extensions, 200)",
        user="left(auth_user, 100)",
        has_password="has_password",  # noqa: S106 a column
        agent="left(user_agent, 100)",
        body="left(body, 200)",
    ),
)
OPENS: Final = _select(
    "connections",
    "upgrade_status IS NULL AND path IS NULL AND is_ocpp",  # an upgrade without an answer says itself that it begins
    "opened_at",
    phase="0",
    ord="connection_id * 100000",
    type="'open'",
    sender="'station'",
    version="version",
    extra=_json(**_ENDS, joined_midway="joined_midway"),
)
SOAP: Final = _select(
    "connections",
    "transport = 'soap'",
    "opened_at",
    phase="0",
    ord="connection_id * 100000",
    type="'open'",
    sender="'station'",
    version="version",
    kind="'soap'",
    extra=_json(**_ENDS, path="left(path, 400)"),
)
CLOSES: Final = _select(
    "connections",
    "is_ocpp AND (coalesce(upgrade_status, 101) = 101 OR messages > 0)",  # a refusal says itself that it ends
    "closed_at",
    phase="3",
    ord="connection_id * 100000",
    type="'close'",
    sender="closed_by",
    kind="close_kind",
    extra=_json(
        code="close_code",
        reason="left(close_reason, 200)",
        opened_ns="epoch_ns(opened_at)",
        messages="messages",
        undecodable="undecodable",
    ),
)
CONTROLS: Final = _select(
    "controls",
    OURS,
    phase="2",
    ord=_PACKET,
    type="'control'",
    sender="sender",
    frame_no="frame_no",
    kind="kind",
    extra=_json(code="code", reason="left(reason, 200)"),
)
LOSSES: Final = _select(
    "losses",
    OURS,
    phase="2",
    ord=_PACKET,
    type="'loss'",
    sender="sender",
    frame_no="frame_no",
    kind="cause",
    extra=_json(bytes="bytes", messages="messages"),
)

# A finding or anomaly about a message stands below it, whenever it was known: PLACES finds the messages once, into
# temporary tables of numbers, so that no window has to search all messages again.
PLACES: Final = (
    """CREATE OR REPLACE TEMP TABLE finding_places AS
    SELECT finding_id, coalesce(m.message_id, 0) AS said_id, coalesce(m.ts, f.ts) AS place_ts,
        coalesce(m.message_id, (f.capture_id * 10000000000 + f.frame_no) * 100000 + 99999, 9223372036854775807) AS ord
    FROM findings f LEFT JOIN message_records m ON m.message_id = f.message_id AND f.message_id > 0
    WHERE {station:f}""",
    """CREATE OR REPLACE TEMP TABLE anomaly_places AS
    SELECT a.rowid AS id, coalesce(m.message_id, 0) AS said_id, coalesce(m.ts, a.ts) AS place_ts,
        coalesce(m.message_id, (a.capture_id * 10000000000 + a.frame_no) * 100000 + 99998, 9223372036854775807) AS ord
    FROM anomalies a
    ANTI JOIN findings f
        ON f.capture_id = a.capture_id AND f.frame_no = a.frame_no AND contains(f.text, a.detail)
    LEFT JOIN message_records m ON m.message_id = a.message_id AND a.message_id > 0
    WHERE layer IN ('http', 'ws', 'soap', 'ocpp', 'rpc', 'schema', 'proxy') AND {station:a}""",
)
"""An anomaly whose detail a finding repeats is told by the finding; those below HTTP are the network's."""

FINDINGS: Final = _select(
    "findings f JOIN finding_places p USING (finding_id)",
    time="p.place_ts",
    phase="2",
    ord="p.ord",
    after_it="2 + f.finding_id",
    type="'finding'",
    frame_no="f.frame_no",
    kind="f.severity",
    message_id="p.said_id",
    extra=_json(
        rule="f.rule",
        verdict="f.verdict",
        blame="f.blame",
        text="left(f.text, 600)",
        reference="left(f.reference, 120)",
        frames="f.evidence[1:6]",
        more="greatest(len(f.evidence) - 6, 0)",
        accepted="left(f.accepted, 200)",
        cause="f.cause",
        ts_ns="epoch_ns(f.ts)",
    ),
)
ANOMALIES: Final = _select(
    "anomalies a JOIN anomaly_places p ON p.id = a.rowid",
    OURS,
    time="p.place_ts",
    phase="2",
    ord="p.ord",
    after_it="1",
    type="'anomaly'",
    sender="a.sender",
    frame_no="a.frame_no",
    kind="a.name",
    message_id="p.said_id",
    # What the proxy did to a message is told with both of its texts.
    extra=_json(detail="left(a.detail, CASE WHEN a.layer = 'proxy' THEN 40000 ELSE 400 END)"),
)
TLS: Final = _select(
    "tls_sessions",
    OURS,
    phase="0",
    ord=_PACKET,
    type="'tls'",
    sender="ended_by",
    frame_no="frame_no",
    kind="outcome",
    extra=_json(
        **{name: name for name in ("client", "client_port", "server", "server_port", "version", "suite", "alert")},
        server_name="left(server_name, 200)",
        meaning="left(alert_meaning, 200)",
        resumed="resumed",
        handshake_ms="handshake_ms",
        is_opened="opened_by IS NOT NULL AND closed_because IS NULL",
        subject="left(certificate_subject, 200)",
    ),
)
HAS_TLS: Final = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'tls_sessions'"
"""Databases of version 0.1.0 in its first weeks lack that table."""

HAS_SOAP: Final = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'soap_messages'"

ALL: Final = (MESSAGES, UPGRADES, OPENS, SOAP, TLS, CLOSES, CONTROLS, LOSSES, FINDINGS, ANOMALIES)
OF_MESSAGES: Final = (MESSAGES, FINDINGS, ANOMALIES)
"""The sources that tell of single messages."""


def windowed(source: str, since_ns: int, until_ns: int) -> str:
    """The source for since_ns <= time < until_ns. Rows without a time are left out."""
    head, _, rest = source.rpartition("{window:")
    time, _, tail = rest.partition("}")
    return f"{head}{time} >= make_timestamp_ns({since_ns:d}) AND {time} < make_timestamp_ns({until_ns:d}){tail}"


def of_station(statement: str, station: str | None) -> tuple[str, list[str]]:
    """A statement of PLACES for one station (None: all), and its parameter."""
    for alias in ("f", "a"):
        statement = statement.replace(
            f"{{station:{alias}}}", "true" if station is None else f"coalesce({alias}.station, '') = ?"
        )
    return statement, [] if station is None else [station]
