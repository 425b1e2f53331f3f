"""A database in; what the TLS connections between two ends show, opened or not, as facts and as lines, out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from ocpp_inspect.report.clock import Clock, span, stamp
from ocpp_inspect.report.lines import Line, clip, wrap
from ocpp_inspect.report.safe import safe
from ocpp_inspect.report.wording import FAINT

_GROUPS: Final = 12  # pairs of ends that are told; the database has them all
_FAILURES: Final = 3  # different reasons of failed handshakes that are told
_WHO: Final = {"station": "the client", "csms": "the server"}


class TlsGroup(msgspec.Struct):
    """All TLS connections of one client to one port of one server."""

    client: str
    server: str
    server_port: int
    connections: int
    opened: int  # decrypted
    completed: int  # handshakes
    failed: int
    versions: list[str]
    suites: list[str]
    server_name: str
    certificate_subject: str
    certificate_issuer: str
    certificate_key: str
    certificate_not_after_ns: int
    certificates: int  # in the chain; 0: none was seen
    client_certificate: str  # "asked", "sent" or "" (not asked, or not seen)
    resumed: int
    failures: list[str]  # in words
    handshake_ms: float | None  # median
    octets_up: int  # of connections that were not decrypted
    octets_down: int
    lost_records: int
    rhythm: str


def groups(database: Any) -> list[TlsGroup]:
    """The groups, those with failed handshakes first; none of a database that an earlier version wrote."""
    if not database.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'tls_sessions'").fetchone():
        return []
    rows = database.execute(
        "SELECT client, server, server_port, count(*),"
        " count(*) FILTER (opened_by IS NOT NULL AND closed_because IS NULL),"
        " count(*) FILTER (outcome = 'completed'), count(*) FILTER (outcome IN ('aborted', 'unfinished')) AS failed,"
        " list_sort(list(DISTINCT version) FILTER (version IS NOT NULL)),"
        " list_sort(list(DISTINCT suite) FILTER (suite IS NOT NULL))[1:4],"
        " arg_max(server_name, ts), arg_max(certificate_subject, ts), arg_max(certificate_issuer, ts),"
        " arg_max(certificate_key, ts), epoch_ns(arg_max(certificate_not_after, ts)), max(len(chain)),"
        " CASE WHEN bool_or(client_certificate <> '') THEN 'sent' WHEN bool_or(client_certificate_asked) THEN 'asked'"
        " ELSE '' END, count(*) FILTER (resumed),"
        " list(DISTINCT concat_ws('|', coalesce(alert, ''), coalesce(ended_by, ''), coalesce(alert_meaning, '')))"
        "  FILTER (outcome IN ('aborted', 'unfinished')),"
        " median(handshake_ms), sum(octets_up) FILTER (opened_by IS NULL OR closed_because IS NOT NULL),"
        " sum(octets_down) FILTER (opened_by IS NULL OR closed_because IS NOT NULL), sum(lost_records),"
        " any_value(rhythm)"
        " FROM tls_sessions GROUP BY client, server, server_port"
        " ORDER BY failed DESC, count(*) DESC, client, server, server_port"
    ).fetchall()
    return [_group(row) for row in rows]


def _group(row: Sequence[Any]) -> TlsGroup:
    return TlsGroup(
        client=row[0] or "",
        server=row[1] or "",
        server_port=row[2] or 0,
        connections=row[3],
        opened=row[4],
        completed=row[5],
        failed=row[6],
        versions=list(row[7] or ()),
        suites=list(row[8] or ()),
        server_name=row[9] or "",
        certificate_subject=row[10] or "",
        certificate_issuer=row[11] or "",
        certificate_key=row[12] or "",
        certificate_not_after_ns=row[13] or 0,
        certificates=row[14] or 0,
        client_certificate=row[15],
        resumed=row[16],
        failures=[_failure(*each.split("|", 2)) for each in sorted(row[17] or ())[:_FAILURES]],
        handshake_ms=row[18],
        octets_up=int(row[19] or 0),
        octets_down=int(row[20] or 0),
        lost_records=int(row[21] or 0),
        rhythm=row[22] or "",
    )


def _failure(alert: str, ended_by: str, meaning: str) -> str:
    who = _WHO.get(ended_by, "somebody")
    if not alert and not meaning:
        return f"{who} closed it without an alert"
    return f"{who} ended it: {': '.join(filter(None, (alert, meaning)))}"


def tls_lines(found: list[TlsGroup], width: int, clock: Clock) -> Iterator[Line]:
    """What is worth knowing of connections that were not opened, or whose handshake failed."""
    told = [group for group in found if group.failed or group.opened < group.connections]
    for group in told[:_GROUPS]:
        name = f" ({clip(safe(group.server_name), 60)})" if group.server_name else ""
        head = f"{safe(group.client, 60)} → {safe(group.server, 60)}:{group.server_port}{name}"
        number = f"{group.connections} TLS connection{'' if group.connections == 1 else 's'}"
        yield [("▪ ", "yellow" if group.failed else "blue"), (head, "bold"), (f"  {number}", "")]
        for text, style in _facts(group, clock):
            yield from ([("    " + line, style)] for line in wrap(text, max(width - 4, 20)))
    if len(told) > _GROUPS:
        yield [(f"… and {len(told) - _GROUPS} more pairs of ends", FAINT)]


def _facts(group: TlsGroup, clock: Clock) -> Iterator[tuple[str, str]]:
    for failure in group.failures:
        times = f"{group.failed} handshakes failed" if group.failed > 1 else "the handshake failed"
        yield f"{times}; {safe(failure, 300)}", "yellow"
    parts = [f"TLS {safe('/'.join(group.versions), 40)}"] if group.versions else []
    parts += [safe(", ".join(group.suites), 300)] if group.suites else []
    parts += [f"handshake {span(int(group.handshake_ms * 10**6))}"] if group.handshake_ms else []
    parts += [f"{group.resumed} resumed"] if group.resumed else []
    parts += ["client certificate " + group.client_certificate] if group.client_certificate else []
    if parts:
        yield ", ".join(parts), ""
    if group.certificate_subject:
        until = stamp(group.certificate_not_after_ns, clock)[:10] if group.certificate_not_after_ns else "?"
        yield (
            f"certificate {safe(group.certificate_subject, 200)} ({safe(group.certificate_key, 30)}) of"
            f" {safe(group.certificate_issuer, 200)}, valid until {until}, chain of {group.certificates}",
            "",
        )
    closed = group.connections - group.opened
    if closed and group.completed:
        up, down = (f"{number:,}".replace(",", " ") for number in (group.octets_up, group.octets_down))
        guess = f"; {safe(group.rhythm, 200)}" if group.rhythm else ""
        yield f"{closed} not decrypted: {up} octets up, {down} down{guess}", FAINT
