"""A read-only connection in; the facts that the summary and the machine formats tell, grouped and counted, out.

Everything is counted by the database; what comes out is bounded by the number of stations and by the limits asked for.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ocpp_inspect.report import meddled
from ocpp_inspect.report.tls import TlsGroup, groups

_ORDER: Final = "CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END"
UNKNOWN: Final = ""
"""The station's name where none is known."""


class Capture(msgspec.Struct, frozen=True):
    """One input file."""

    capture_id: int
    path: str
    format: str
    first_ns: int | None
    last_ns: int | None
    packets: int
    bytes: int
    dropped_packets: int
    truncated: bool
    link_types: list[str]
    notes: list[str]


class Transaction(msgspec.Struct, frozen=True):
    """One charging transaction, of either generation."""

    transaction_id: str | None
    evse: int | None
    connector: int | None
    token: str | None
    start_ns: int | None
    stop_ns: int | None
    energy_wh: float | None
    reason: str | None
    state: str


class Latency(msgspec.Struct, frozen=True):
    """How long the answers to one action took."""

    action: str
    sender: str  # of the CALL
    answered: int
    median_ms: float
    max_ms: float


class FindingGroup(msgspec.Struct, frozen=True):
    """All findings of one rule, with one verdict, about one station."""

    rule: str
    name: str
    severity: str
    verdict: str
    blame: str
    reference: str
    count: int
    text: str  # of the first
    frames: list[int]  # the first evidence of the first few
    capture_id: int
    first_ns: int
    last_ns: int
    accepted: str = ""  # why somebody accepts them
    cause: str = ""  # the rule whose finding explains them


class LossGroup(msgspec.Struct, frozen=True):
    """What was lost for one reason."""

    cause: str
    count: int
    bytes: int
    messages: int


class Station(msgspec.Struct):
    """What is known about one station."""

    station: str
    vendor: str | None = None
    model: str | None = None
    firmware: str | None = None
    serial_number: str | None = None
    versions: list[str] = []
    first_ns: int | None = None
    last_ns: int | None = None
    sessions: int = 0
    refused: int = 0
    connected_s: float = 0.0
    messages: int = 0
    calls: int = 0
    errors_answered: int = 0
    invalid: int = 0
    unanswered: int = 0
    undecodable: int = 0
    transactions_total: int = 0
    energy_wh: float | None = None
    transactions: list[Transaction] = []
    latencies: list[Latency] = []
    findings: list[FindingGroup] = []
    losses: list[LossGroup] = []


class Facts(msgspec.Struct):
    """Everything a summary says."""

    captures: list[Capture]
    stations: list[Station]
    stations_total: int
    errors: int
    warnings: int
    infos: int
    inconclusive: int
    accepted: int
    stations_with_findings: int
    ocpp_connections: int
    refused_connections: int
    other_websockets: int
    tls_connections: int
    anomalies: list[tuple[str, int, str, int]]  # name, count, first detail, first frame
    counters: dict[str, dict[str, int]]  # room → name → number, of all captures
    tls: list[TlsGroup] = []  # by client and server, failed handshakes first

    @property
    def captures_span(self) -> tuple[int, int]:
        """(first, last) time of all captures."""
        first = [each.first_ns for each in self.captures if each.first_ns]
        last = [each.last_ns for each in self.captures if each.last_ns]
        return (min(first) if first else 0, max(last) if last else 0)


def collect(database: Any, stations: int = 50, rows: int = 8) -> Facts:
    """The facts; of at most `stations` stations (the worst first), with at most `rows` of each list."""
    shown, total = _stations(database, stations)
    by_name = {each.station: each for each in shown}
    _connections(database, by_name)
    _messages(database, by_name)
    _transactions(database, by_name, rows)
    _latencies(database, by_name, rows)
    _findings(database, by_name)
    _losses(database, by_name)
    errors, warnings, infos, inconclusive, with_findings = _one(
        database,
        "SELECT count(*) FILTER (verdict = 'violation' AND severity = 'error'),"
        " count(*) FILTER (verdict = 'violation' AND severity = 'warning'),"
        " count(*) FILTER (verdict = 'violation' AND severity = 'info'),"
        " count(*) FILTER (verdict = 'inconclusive'), count(DISTINCT coalesce(station, ''))"
        " FROM findings WHERE accepted IS NULL",
    )
    (accepted,) = _one(database, "SELECT count(*) FROM findings WHERE accepted IS NOT NULL")
    ocpp, refused, other, tls = _one(
        database,
        "SELECT count(*) FILTER (is_ocpp AND coalesce(upgrade_status, 101) = 101),"
        " count(*) FILTER (is_ocpp AND upgrade_status <> 101), count(*) FILTER (NOT is_ocpp),"
        " count(*) FILTER (tls) FROM connections",
    )
    return Facts(
        captures(database),
        shown,
        total,
        errors,
        warnings,
        infos,
        inconclusive,
        accepted,
        with_findings,
        ocpp,
        refused,
        other,
        tls,
        anomalies(database),
        counters(database),
        groups(database),
    )


def captures(database: Any) -> list[Capture]:
    """The input files in the order in which they were given."""
    rows = database.execute(
        "SELECT capture_id, path, format, epoch_ns(first_ts), epoch_ns(last_ts), packets, bytes, dropped_packets,"
        " truncated, link_types, notes FROM captures ORDER BY capture_id"
    ).fetchall()
    return [
        Capture(
            row[0],
            row[1] or "",
            row[2] or "",
            row[3],
            row[4],
            row[5] or 0,
            row[6] or 0,
            row[7] or 0,
            bool(row[8]),
            list(row[9] or ()),
            list(row[10] or ()),
        )
        for row in rows
    ]


def anomalies(database: Any, limit: int = 1000) -> list[tuple[str, int, str, int]]:
    """(name, number, first detail, first frame) of each kind of anomaly; whole messages are not among the details."""
    rows = database.execute(
        "SELECT name, count(*), left(arg_min(coalesce(detail, ''), ts), 200), arg_min(frame_no, ts) FROM anomalies"
        " GROUP BY name ORDER BY count(*) DESC, name LIMIT ?",
        [limit],
    ).fetchall()
    return [(row[0] or "", row[1], _brief(row[0], row[2] or ""), row[3] or 0) for row in rows]


def _brief(name: str, detail: str) -> str:
    return meddled.told(name, detail, briefly=True) if name in meddled.WORDS else detail


def counters(database: Any) -> dict[str, dict[str, int]]:
    """What the rooms counted: room → name → number."""
    found: dict[str, dict[str, int]] = {}
    for room, name, number in database.execute(
        "SELECT room, name, sum(number) FROM counters GROUP BY room, name ORDER BY room, name"
    ).fetchall():
        found.setdefault(room, {})[name] = int(number)
    return found


def _one(database: Any, query: str) -> tuple[int, ...]:
    return tuple(value or 0 for value in database.execute(query).fetchone())


def _stations(database: Any, limit: int) -> tuple[list[Station], int]:
    rows = database.execute(
        "WITH names AS (SELECT DISTINCT coalesce(station, '') AS station FROM message_records"
        "  UNION SELECT DISTINCT coalesce(station, '') FROM connections WHERE is_ocpp"
        "  UNION SELECT DISTINCT coalesce(station, '') FROM findings),"
        " faults AS (SELECT coalesce(station, '') AS station,"
        "  count(*) FILTER (severity = 'error' AND verdict = 'violation') AS errors,"
        "  count(*) FILTER (severity = 'warning' AND verdict = 'violation') AS warnings, count(*) AS number"
        "  FROM findings WHERE accepted IS NULL GROUP BY 1)"
        " SELECT names.station, vendor, model, firmware, serial_number, versions, epoch_ns(first_seen),"
        " epoch_ns(last_seen), connected_s, count(*) OVER ()"
        " FROM names LEFT JOIN stations USING (station) LEFT JOIN faults USING (station)"
        " ORDER BY coalesce(errors, 0) DESC, coalesce(warnings, 0) DESC, coalesce(number, 0) DESC,"
        " names.station LIMIT ?",
        [limit],
    ).fetchall()
    found = [
        Station(row[0], row[1], row[2], row[3], row[4], list(row[5] or ()), row[6], row[7], connected_s=row[8] or 0.0)
        for row in rows
    ]
    return found, rows[0][9] if rows else 0


def _connections(database: Any, stations: dict[str, Station]) -> None:
    for name, sessions, refused, undecodable in database.execute(
        "SELECT coalesce(station, ''), count(*) FILTER (coalesce(upgrade_status, 101) = 101),"
        " count(*) FILTER (upgrade_status <> 101), sum(undecodable) FROM connections WHERE is_ocpp GROUP BY 1"
    ).fetchall():
        if station := stations.get(name):
            station.sessions, station.refused, station.undecodable = sessions, refused, int(undecodable or 0)


def _messages(database: Any, stations: dict[str, Station]) -> None:
    for name, messages, calls, answered, errors, invalid in database.execute(
        "SELECT coalesce(station, ''), count(*), count(*) FILTER (kind = 'CALL'),"
        " count(*) FILTER (request_id > 0), count(*) FILTER (kind IN ('CALLERROR', 'CALLRESULTERROR')),"
        " count(*) FILTER (kind = 'INVALID') FROM message_records GROUP BY 1"
    ).fetchall():
        if station := stations.get(name):
            station.messages, station.calls, station.errors_answered, station.invalid = messages, calls, errors, invalid
            station.unanswered = max(calls - answered, 0)


def _transactions(database: Any, stations: dict[str, Station], rows: int) -> None:
    for row in database.execute(
        "SELECT coalesce(station, ''), transaction_id, evse, connector, token, epoch_ns(start), epoch_ns(stop),"
        " energy_wh, reason, state, count(*) OVER mine, sum(energy_wh) OVER mine FROM transactions"
        " WINDOW mine AS (PARTITION BY coalesce(station, ''))"
        " QUALIFY row_number() OVER (PARTITION BY coalesce(station, '') ORDER BY coalesce(start, stop)) <= ?"
        " ORDER BY coalesce(start, stop)",
        [rows],
    ).fetchall():
        if station := stations.get(row[0]):
            station.transactions_total, station.energy_wh = row[10], row[11]
            station.transactions = [*station.transactions, Transaction(*row[1:10])]


def _latencies(database: Any, stations: dict[str, Station], rows: int) -> None:
    for row in database.execute(
        "SELECT coalesce(station, ''), action, CASE sender WHEN 'station' THEN 'csms' ELSE 'station' END AS asker,"
        " count(*), median(latency_ms), max(latency_ms) AS worst FROM message_records"
        " WHERE latency_ms IS NOT NULL AND latency_ms >= 0 GROUP BY 1, 2, 3"
        " QUALIFY row_number() OVER (PARTITION BY 1, coalesce(station, '') ORDER BY worst DESC) <= ?"
        " ORDER BY worst DESC",
        [rows],
    ).fetchall():
        if station := stations.get(row[0]):
            station.latencies = [*station.latencies, Latency(row[1] or "", *row[2:6])]


def _findings(database: Any, stations: dict[str, Station]) -> None:
    for row in database.execute(
        "SELECT coalesce(station, ''), rule, any_value(name), severity, verdict, blame, any_value(reference),"  # noqa: S608
        " count(*),"
        " left(arg_min(text, finding_id), 600), list(frame_no ORDER BY finding_id)[1:5], min(capture_id),"
        " epoch_ns(min(ts)), epoch_ns(max(ts)), accepted, cause"
        " FROM findings GROUP BY coalesce(station, ''), rule, severity, verdict, blame, accepted, cause,"
        " CASE WHEN axis = 'migration' THEN text END"  # each is a thing of its own, and no repetition
        f" ORDER BY accepted IS NOT NULL, verdict = 'inconclusive', {_ORDER}, count(*) DESC, rule"
    ).fetchall():
        if station := stations.get(row[0]):
            rule, name, severity, verdict, blame, reference = (value or "" for value in row[1:7])
            frames = [frame for frame in row[9] if frame]
            group = FindingGroup(
                rule, name, severity, verdict, blame, reference, row[7], row[8] or "", frames, row[10] or 0,
                row[11] or 0, row[12] or 0, row[13] or "", row[14] or "",
            )  # fmt: skip
            station.findings = [*station.findings, group]
    for station in stations.values():
        station.findings = _causes_first(station.findings)


def _causes_first(groups: list[FindingGroup]) -> list[FindingGroup]:
    """Each finding behind the one that explains it; those that explain each other stay where they are."""
    ordered: list[FindingGroup] = []
    waiting = list(groups)

    def place(group: FindingGroup) -> None:
        if group not in waiting:
            return
        waiting.remove(group)
        ordered.append(group)
        for other in [each for each in waiting if each.cause == group.rule]:
            place(other)

    present = {group.rule for group in groups}
    for group in groups:
        if group.cause not in present:
            place(group)
    for group in groups:
        place(group)
    return ordered


def _losses(database: Any, stations: dict[str, Station]) -> None:
    for name, cause, count, lost_bytes, messages in database.execute(
        "SELECT coalesce(station, ''), cause, count(*), sum(bytes), sum(messages) FROM losses"
        " GROUP BY 1, 2 ORDER BY 3 DESC, 2"
    ).fetchall():
        if station := stations.get(name):
            group = LossGroup(cause or "", count, int(lost_bytes or 0), int(messages or 0))
            station.losses = [*station.losses, group]


def severities(database: Any) -> dict[str, int]:
    """Severity → number of findings that are violations; those that are inconclusive or accepted fail nobody."""
    rows = database.execute(
        "SELECT severity, count(*) FROM findings WHERE verdict = 'violation' AND accepted IS NULL GROUP BY severity"
    )
    return dict(rows.fetchall())
