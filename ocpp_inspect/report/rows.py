"""A read-only connection and a choice in; the events of a timeline in time order out, a batch at a time.

One query a window of time merges what the tables hold, so that neither we nor DuckDB sort more than a window at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

import msgspec

from ocpp_inspect.limits import REPORT_LONG_BYTES, REPORT_ROWS, REPORT_WINDOW_BYTES, REPORT_WINDOW_ROWS
from ocpp_inspect.report import sources

EventType: TypeAlias = Literal["open", "upgrade", "message", "control", "loss", "close", "finding", "anomaly", "tls"]


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


_LATEST_NS: Final = 2**63 - 2  # the year 2262; one more is DuckDB's infinity
_EARLIEST_NS: Final = -_LATEST_NS
_BUCKETS: Final = 4096


def _belongs(choice: Choice, values: list[Any]) -> str:
    """The condition on a message that actions and transaction of a choice put."""
    conditions = []
    if choice.actions:
        conditions.append(f"lower(action) IN ({', '.join('?' for _ in choice.actions)})")
        values.extend(action.lower() for action in choice.actions)
    if choice.transaction is not None:
        # The CALL that starts a transaction of 1.6 does not know its id yet; its answer does.
        conditions.append(
            "(transaction = ? OR message_id IN (SELECT request_id FROM message_records WHERE transaction = ?)"
            " OR request_id IN (SELECT message_id FROM message_records WHERE transaction = ?))"
        )
        values.extend([choice.transaction] * 3)
    return " AND ".join(conditions)


def _query(choice: Choice, since_ns: int, until_ns: int, every: tuple[str, ...]) -> tuple[str, list[Any]]:
    """The events of a choice with since_ns <= time < until_ns."""
    values: list[Any] = []
    chosen = [
        sources.windowed(each, since_ns, until_ns) for each in (sources.OF_MESSAGES if choice.is_narrow else every)
    ]
    if choice.is_narrow:
        messages, *others = chosen
        chosen = [f"SELECT * FROM ({messages}) WHERE {_belongs(choice, values)}"]  # noqa: S608
        for each in others:
            wanted = f"SELECT message_id FROM message_records WHERE {_belongs(choice, values)}"  # noqa: S608
            chosen.append(f"SELECT * FROM ({each}) WHERE message_id IN ({wanted})")  # noqa: S608
    conditions = ["true"]
    if choice.station is not None:
        conditions.append("coalesce(station, '') = ?")
        values.append(choice.station)
    if choice.after is not None:
        conditions.append("(ts_ns, phase, coalesce(ord, 0), after_it) > (?, ?, ?, ?)")
        values.extend(choice.after)
    union = " UNION ALL ".join(chosen)
    where = " AND ".join(conditions)
    return f"SELECT * FROM ({union}) WHERE {where} ORDER BY ts_ns, phase, ord, after_it", values  # noqa: S608


def _windows(cursor: Any, choice: Choice) -> Iterator[tuple[int, int]]:
    """Spans of time, together all of it, of about REPORT_WINDOW_ROWS messages: what is sorted at a time is bounded."""
    since = _EARLIEST_NS if choice.since_ns is None else choice.since_ns
    until = _LATEST_NS if choice.until_ns is None else choice.until_ns + 1
    if choice.after is not None:
        since = max(since, choice.after[0])
    condition = "ts >= make_timestamp_ns(?) AND ts < make_timestamp_ns(?)"
    values: list[Any] = [since, until]
    if choice.station is not None:
        condition, values = condition + " AND coalesce(station, '') = ?", [*values, choice.station]
    row = cursor.execute(
        "SELECT epoch_ns(min(ts)), epoch_ns(max(ts)), count(*), sum(size)"  # noqa: S608 texts of ours
        f" FROM message_records WHERE {condition}",
        values,
    ).fetchone()
    first_ns, last_ns, number, octets = row if row is not None else (None, None, 0, 0)
    if first_ns is None or (number <= REPORT_WINDOW_ROWS and (octets or 0) <= REPORT_WINDOW_BYTES):
        yield since, until
        return
    step = (last_ns - first_ns) // _BUCKETS + 1
    buckets = cursor.execute(
        f"SELECT (epoch_ns(ts) - ?) // ? AS bucket, count(*), sum(size) FROM message_records WHERE {condition}"  # noqa: S608
        " GROUP BY bucket ORDER BY bucket",
        [first_ns, step, *values],
    ).fetchall()
    begin, rows, size = since, 0, 0
    for bucket, bucket_rows, bucket_size in buckets:
        if rows and (rows + bucket_rows > REPORT_WINDOW_ROWS or size + bucket_size > REPORT_WINDOW_BYTES):
            end = first_ns + bucket * step
            yield begin, end
            begin, rows, size = end, 0, 0
        rows += bucket_rows
        size += bucket_size
    yield begin, until


def events(database: Any, choice: Choice) -> Iterator[Event]:
    """The chosen events in time order, `REPORT_ROWS` in memory at a time."""
    cursor = database.cursor()
    try:
        absent = [
            source
            for source, has in ((sources.TLS, sources.HAS_TLS), (sources.SOAP, sources.HAS_SOAP))
            if cursor.execute(has).fetchone() is None
        ]
        every = tuple(each for each in sources.ALL if each not in absent)
        for statement in sources.PLACES:
            cursor.execute(*sources.of_station(statement, choice.station))
        for since_ns, until_ns in _windows(cursor, choice):
            cursor.execute(*_query(choice, since_ns, until_ns, every))
            while rows := cursor.fetchmany(REPORT_ROWS):
                for row in rows:
                    event = _event(row)
                    if event.type == "message" and event.raw is None and event.size <= REPORT_LONG_BYTES:
                        event.raw = _long_text(database, event.message_id)
                    yield event
    finally:
        cursor.close()


def _long_text(database: Any, message_id: int) -> str | None:
    """The text of one message that the store keeps in pieces; the row groups of the table are in order of the id."""
    cursor = database.cursor()
    try:
        pieces = cursor.execute(
            "SELECT octets FROM long_texts WHERE message_id = ? ORDER BY part", [message_id]
        ).fetchall()
    finally:
        cursor.close()
    return b"".join(octets for (octets,) in pieces).decode("utf-8", "replace") if pieces else None


def _event(row: tuple[Any, ...]) -> Event:
    ts_ns, phase, order, after, kind_of, connection, station, sender, frame, kind, version, action = row[:12]
    raw, error_code, error_description, size, message_id, request_id, latency_ms, valid, transaction, extra = row[12:]
    return Event(
        ts_ns,
        phase,
        order or 0,
        after,
        kind_of,
        connection or 0,
        station or "",
        sender or "unknown",
        frame or 0,
        kind or "",
        version or "",
        action or "",
        raw,
        error_code,
        error_description,
        size or 0,
        message_id or 0,
        request_id or 0,
        latency_ms,
        valid,
        transaction,
        extra,
    )


def stations(database: Any) -> list[tuple[str, int, int]]:
    """(station, first time, number of messages) of each station, first seen first; "" is the unknown one."""
    rows = database.execute(
        "SELECT station, min(first_ns), sum(number) FROM ("  # noqa: S608 a text of ours
        " SELECT coalesce(station, '') AS station, min(epoch_ns(ts)) AS first_ns, count(*) AS number"
        " FROM message_records GROUP BY 1 UNION ALL"
        f" SELECT coalesce(station, ''), min(epoch_ns(ts)), 0 FROM upgrades WHERE {sources.OURS} GROUP BY 1 UNION ALL"
        " SELECT coalesce(station, ''), min(epoch_ns(opened_at)), 0 FROM connections WHERE is_ocpp GROUP BY 1 UNION ALL"
        f" SELECT coalesce(station, ''), min(epoch_ns(ts)), 0 FROM losses WHERE {sources.OURS} GROUP BY 1 UNION ALL"
        " SELECT coalesce(station, ''), min(epoch_ns(ts)), 0 FROM findings GROUP BY 1"
        ") GROUP BY 1 ORDER BY 2, 1"
    ).fetchall()
    return [(station, first_ns or 0, int(number)) for station, first_ns, number in rows]


def time_range(database: Any) -> tuple[int, int]:
    """(first, last) time of anything that a timeline shows; (0, 0) for an empty database."""
    row = database.execute(
        "SELECT epoch_ns(min(first_ts)), epoch_ns(max(last_ts)) FROM ("
        " SELECT min(ts) AS first_ts, max(ts) AS last_ts FROM message_records UNION ALL"
        " SELECT min(ts), max(ts) FROM upgrades UNION ALL"
        " SELECT min(ts), max(ts) FROM losses UNION ALL"
        " SELECT min(opened_at), max(closed_at) FROM connections WHERE is_ocpp)"
    ).fetchone()
    return (row[0] or 0, row[1] or 0) if row is not None else (0, 0)


def transactions_like(database: Any, beginning: str, station: str | None) -> list[str]:
    """The first few ids of transactions that are, or begin with, what a person typed; an exact one alone."""
    found = database.execute(
        "SELECT DISTINCT transaction FROM message_records"
        " WHERE starts_with(transaction, ?) AND (? IS NULL OR station = ?)"
        " ORDER BY transaction LIMIT 10",
        [beginning, station, station],
    ).fetchall()
    names = [name for (name,) in found]
    return [beginning] if beginning in names else names


def open_transactions(database: Any, station: str | None, limit: int) -> int:
    """How many transactions run side by side at most (up to `limit`), as far as messages that name one tell."""
    row = database.execute(
        "WITH runs AS (SELECT min(ts) AS first_ts, max(ts) AS last_ts FROM message_records"
        "  WHERE transaction IS NOT NULL AND (? IS NULL OR station = ?) GROUP BY station, transaction),"
        " marks AS (SELECT first_ts AS ts, 1 AS step FROM runs UNION ALL SELECT last_ts, -1 FROM runs)"
        " SELECT max(running) FROM (SELECT sum(step) OVER (ORDER BY ts, step DESC) AS running FROM marks)",
        [station, station],
    ).fetchone()
    return min(int(row[0] or 0), limit) if row is not None else 0
