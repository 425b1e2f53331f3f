"""A read-only connection and a choice in; the events of a timeline in time order out, a batch at a time.

One query merges what the tables hold, so nothing is loaded as a whole: DuckDB sorts (and spills), we fetch. Events of
one instant are ordered by what must come first: a connection opens, speaks, closes; a finding follows its message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

import msgspec

from ocpp_inspect.limits import REPORT_RAW_BYTES, REPORT_ROWS

EventType: TypeAlias = Literal["open", "upgrade", "message", "control", "loss", "close", "finding", "anomaly"]


class Choice(msgspec.Struct, frozen=True):
    """Which events a timeline shows."""

    station: str | None = None  # None: all
    actions: tuple[str, ...] = ()
    transaction: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    after: tuple[int, int, int, int] | None = None  # the `place` of the last event shown (follow)

    @property
    def is_narrow(self) -> bool:
        """Whether only messages of certain kinds, and what belongs to them, are wanted."""
        return bool(self.actions or self.transaction is not None)


class Event(msgspec.Struct, gc=False):
    """One line to be: a message, a control frame, a loss, an end of a connection, or a finding."""

    ts_ns: int
    phase: int
    order: int
    after: int
    type: EventType
    connection: int
    station: str
    sender: str
    frame: int
    kind: str
    version: str
    action: str
    raw: str | None
    error_code: str | None
    error_description: str | None
    size: int
    message_id: int
    request_id: int
    latency_ms: float | None
    schema_valid: bool | None
    transaction: str | None
    extra: str | None  # JSON object, by type
    joined: Event | None = None  # the later event that its line tells too

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Where it, and what is joined to it, ends in the timeline."""
        last = self.joined or self
        return last.ts_ns, last.phase, last.order, last.after


_COLUMNS: Final = (  # noqa: SIM905 a list would be twenty lines
    "ts_ns phase ord after_it type connection_id station sender frame_no kind version action raw error_code "
    "error_description size message_id request_id latency_ms schema_valid transaction extra"
).split()
_TEXT: Final = {
    "type",
    "station",
    "sender",
    "kind",
    "version",
    "action",
    "raw",
    "error_code",
    "error_description",
    "transaction",
    "extra",
}
_PACKET: Final = "(capture_id * 10000000000 + frame_no) * 100000"


def _select(source: str, **columns: str) -> str:
    """A SELECT with all columns of an event; those not named are NULL."""
    types = {"latency_ms": "DOUBLE", "schema_valid": "BOOLEAN"}
    listed = (
        f"{columns[name]} AS {name}"
        if name in columns
        else f"NULL::{types.get(name, 'VARCHAR' if name in _TEXT else 'BIGINT')} AS {name}"
        for name in _COLUMNS
    )
    return f"SELECT {', '.join(listed)} FROM {source}"  # noqa: S608 names and texts of ours only


def _json(**fields: str) -> str:
    return "to_json(struct_pack(" + ", ".join(f"{name} := {value}" for name, value in fields.items()) + "))::VARCHAR"


_MESSAGES = _select(
    "messages",
    ts_ns="epoch_ns(ts)",
    phase="2",
    ord="message_id",
    after_it="0",
    type="'message'",
    connection_id="connection_id",
    station="station",
    sender="sender",
    frame_no="frame_no",
    kind="kind",
    version="version",
    action="action",
    raw=f"CASE WHEN size <= {REPORT_RAW_BYTES} THEN raw END",
    error_code="error_code",
    error_description="error_description",
    size="size",
    message_id="message_id",
    request_id="request_id",
    latency_ms="latency_ms",
    schema_valid="schema_valid",
    transaction="transaction",
)
_UPGRADES = _select(
    "upgrades",
    ts_ns="epoch_ns(ts)",
    phase="1",
    ord=_PACKET,
    after_it="0",
    type="'upgrade'",
    connection_id="connection_id",
    station="station",
    sender="'station'",
    frame_no="frame_no",
    extra=_json(
        status="status",
        path="left(path, 400)",
        client="client",
        client_port="client_port",
        server="server",
        server_port="server_port",
        subprotocol="left(subprotocol, 100)",
        offered="offered_subprotocols[1:8]",
        extensions="left(extensions, 200)",
        user="left(auth_user, 100)",
        has_password="has_password",  # noqa: S106 a column
        agent="left(user_agent, 100)",
        body="left(body, 200)",
        tls="tls",
    ),
)
_OPENS = _select(
    "connections WHERE upgrade_status IS NULL AND is_ocpp",
    ts_ns="epoch_ns(opened_at)",
    phase="0",
    ord="connection_id * 100000",
    after_it="0",
    type="'open'",
    connection_id="connection_id",
    station="station",
    sender="'station'",
    version="version",
    extra=_json(
        client="client",
        client_port="client_port",
        server="server",
        server_port="server_port",
        joined_midway="joined_midway",
        tls="tls",
    ),
)
_CLOSES = _select(
    "connections WHERE is_ocpp AND (coalesce(upgrade_status, 101) = 101 OR messages > 0)",
    ts_ns="epoch_ns(closed_at)",
    phase="3",
    ord="connection_id * 100000",
    after_it="0",
    type="'close'",
    connection_id="connection_id",
    station="station",
    sender="closed_by",
    kind="close_kind",
    extra=_json(
        code="close_code",
        reason="left(close_reason, 200)",
        opened_ns="epoch_ns(opened_at)",
        messages="messages",
        undecodable="undecodable",
        lost_bytes="lost_bytes",
        status="upgrade_status",
    ),
)
_CONTROLS = _select(
    "controls",
    ts_ns="epoch_ns(ts)",
    phase="2",
    ord=_PACKET,
    after_it="0",
    type="'control'",
    connection_id="connection_id",
    station="station",
    sender="sender",
    frame_no="frame_no",
    kind="kind",
    extra=_json(code="code", reason="left(reason, 200)"),
)
_LOSSES = _select(
    "losses",
    ts_ns="epoch_ns(ts)",
    phase="2",
    ord=_PACKET,
    after_it="0",
    type="'loss'",
    connection_id="connection_id",
    station="station",
    sender="sender",
    frame_no="frame_no",
    kind="cause",
    extra=_json(bytes="bytes", messages="messages"),
)
_FINDINGS = _select(
    "findings f LEFT JOIN (SELECT message_id AS id, epoch_ns(ts) AS said_ns FROM messages) m"
    " ON m.id = f.message_id AND f.message_id > 0",
    ts_ns="coalesce(said_ns, epoch_ns(f.ts))",
    phase="2",
    ord="coalesce(m.id, (f.capture_id * 10000000000 + f.frame_no) * 100000 + 99999, 9223372036854775807)",
    after_it="2 + f.finding_id",
    type="'finding'",
    connection_id="f.connection_id",
    station="f.station",
    frame_no="f.frame_no",
    kind="f.severity",
    message_id="coalesce(m.id, 0)",
    extra=_json(
        rule="f.rule",
        verdict="f.verdict",
        blame="f.blame",
        text="left(f.text, 600)",
        reference="left(f.reference, 120)",
        frames="f.evidence[1:6]",
        more="greatest(len(f.evidence) - 6, 0)",
        ts_ns="epoch_ns(f.ts)",
    ),
)


# An anomaly whose detail a finding repeats is told by the finding; those below HTTP belong to the network, not here.
_ANOMALIES = _select(
    "anomalies a ANTI JOIN findings f ON f.capture_id = a.capture_id AND f.frame_no = a.frame_no"
    " AND contains(f.text, a.detail)"
    " LEFT JOIN (SELECT message_id AS id, epoch_ns(ts) AS said_ns FROM messages) m"
    " ON m.id = a.message_id AND a.message_id > 0 WHERE layer IN ('http', 'ws', 'ocpp', 'rpc', 'schema')",
    ts_ns="coalesce(said_ns, epoch_ns(a.ts))",
    phase="2",
    ord="coalesce(m.id, (a.capture_id * 10000000000 + a.frame_no) * 100000 + 99998, 9223372036854775807)",
    after_it="1",
    type="'anomaly'",
    connection_id="a.connection_id",
    station="a.station",
    sender="a.sender",
    frame_no="a.frame_no",
    kind="a.name",
    message_id="coalesce(m.id, 0)",
    extra=_json(detail="left(a.detail, 400)", path="left(a.path, 200)"),
)


def _belongs(choice: Choice, values: list[Any]) -> str:
    """The condition on a message that actions and transaction of a choice put."""
    conditions = []
    if choice.actions:
        conditions.append(f"lower(action) IN ({', '.join('?' for _ in choice.actions)})")
        values.extend(action.lower() for action in choice.actions)
    if choice.transaction is not None:
        # The CALL that starts a transaction of 1.6 does not know its id yet; its answer does.
        conditions.append(
            "(transaction = ? OR message_id IN (SELECT request_id FROM messages WHERE transaction = ?)"
            " OR request_id IN (SELECT message_id FROM messages WHERE transaction = ?))"
        )
        values.extend([choice.transaction] * 3)
    return " AND ".join(conditions)


def _query(choice: Choice) -> tuple[str, list[Any]]:
    values: list[Any] = []
    if choice.is_narrow:
        messages = f"SELECT * FROM ({_MESSAGES}) WHERE {_belongs(choice, values)}"  # noqa: S608
        wanted = f"SELECT message_id FROM messages WHERE {_belongs(choice, values)}"  # noqa: S608
        findings = f"SELECT * FROM ({_FINDINGS}) WHERE message_id IN ({wanted})"  # noqa: S608
        anomalies = f"SELECT * FROM ({_ANOMALIES}) WHERE message_id IN ({wanted})"  # noqa: S608
        values.extend(values[: len(values) // 2])
        sources = [messages, findings, anomalies]
    else:
        sources = [_MESSAGES, _UPGRADES, _OPENS, _CLOSES, _CONTROLS, _LOSSES, _FINDINGS, _ANOMALIES]
    conditions = ["ts_ns IS NOT NULL"]
    for condition, value in (("ts_ns >= ?", choice.since_ns), ("ts_ns <= ?", choice.until_ns)):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if choice.station is not None:
        conditions.append("coalesce(station, '') = ?")
        values.append(choice.station)
    if choice.after is not None:
        conditions.append("(ts_ns, phase, coalesce(ord, 0), after_it) > (?, ?, ?, ?)")
        values.extend(choice.after)
    union = " UNION ALL ".join(sources)
    where = " AND ".join(conditions)
    return f"SELECT * FROM ({union}) WHERE {where} ORDER BY ts_ns, phase, ord, after_it", values  # noqa: S608


def events(database: Any, choice: Choice) -> Iterator[Event]:
    """The chosen events in time order, `REPORT_ROWS` in memory at a time."""
    text, values = _query(choice)
    cursor = database.cursor()
    cursor.execute(text, values)
    while rows := cursor.fetchmany(REPORT_ROWS):
        for row in rows:
            yield Event(
                row[0],
                row[1],
                row[2] or 0,
                row[3],
                row[4],
                row[5] or 0,
                row[6] or "",
                row[7] or "unknown",
                row[8] or 0,
                row[9] or "",
                row[10] or "",
                row[11] or "",
                row[12],
                row[13],
                row[14],
                row[15] or 0,
                row[16] or 0,
                row[17] or 0,
                row[18],
                row[19],
                row[20],
                row[21],
            )


def stations(database: Any) -> list[tuple[str, int, int]]:
    """(station, first time, number of messages) of each station, first seen first; "" is the unknown one."""
    rows = database.execute(
        "SELECT station, min(first_ns), sum(number) FROM ("
        " SELECT coalesce(station, '') AS station, min(epoch_ns(ts)) AS first_ns, count(*) AS number"
        " FROM messages GROUP BY 1 UNION ALL"
        " SELECT coalesce(station, ''), min(epoch_ns(ts)), 0 FROM upgrades GROUP BY 1 UNION ALL"
        " SELECT coalesce(station, ''), min(epoch_ns(opened_at)), 0 FROM connections WHERE is_ocpp GROUP BY 1 UNION ALL"
        " SELECT coalesce(station, ''), min(epoch_ns(ts)), 0 FROM losses GROUP BY 1 UNION ALL"
        " SELECT coalesce(station, ''), min(epoch_ns(ts)), 0 FROM findings GROUP BY 1"
        ") GROUP BY 1 ORDER BY 2, 1"
    ).fetchall()
    return [(station, first_ns or 0, int(number)) for station, first_ns, number in rows]


def time_range(database: Any) -> tuple[int, int]:
    """(first, last) time of anything that a timeline shows; (0, 0) for an empty database."""
    row = database.execute(
        "SELECT epoch_ns(min(first_ts)), epoch_ns(max(last_ts)) FROM ("
        " SELECT min(ts) AS first_ts, max(ts) AS last_ts FROM messages UNION ALL"
        " SELECT min(ts), max(ts) FROM upgrades UNION ALL"
        " SELECT min(ts), max(ts) FROM losses UNION ALL"
        " SELECT min(opened_at), max(closed_at) FROM connections WHERE is_ocpp)"
    ).fetchone()
    return (row[0] or 0, row[1] or 0) if row is not None else (0, 0)


def open_transactions(database: Any, station: str | None, limit: int) -> int:
    """How many transactions run side by side at most (up to `limit`), as far as messages that name one tell."""
    row = database.execute(
        "WITH runs AS (SELECT min(ts) AS first_ts, max(ts) AS last_ts FROM messages"
        "  WHERE transaction IS NOT NULL AND (? IS NULL OR station = ?) GROUP BY station, transaction),"
        " marks AS (SELECT first_ts AS ts, 1 AS step FROM runs UNION ALL SELECT last_ts, -1 FROM runs)"
        " SELECT max(running) FROM (SELECT sum(step) OVER (ORDER BY ts, step DESC) AS running FROM marks)",
        [station, station],
    ).fetchone()
    return min(int(row[0] or 0), limit) if row is not None else 0
