"""A read-only database and a station's name in; all that the station and its CSMS said, visit by visit, out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from ocpp_inspect.limits import REPLAY_BYTES, REPLAY_MESSAGES
from ocpp_inspect.model import Kind
from ocpp_inspect.ocpp.frame import read_frame
from ocpp_inspect.ocpp.text import read

Speaker = Literal["station", "csms"]

_VISITS: Final = """
    SELECT c.connection_id, c.version, epoch_ns(c.opened_at), epoch_ns(c.closed_at), c.close_kind, c.closed_by,
           c.close_code, c.close_reason, c.joined_midway, c.lost_bytes + c.undecodable, c.path,
           coalesce(c.offered_subprotocols, []), c.subprotocol, coalesce(c.offered_extensions, ''), c.upgrade_status,
           u.auth_user, coalesce(u.has_password, false)
    FROM connections c LEFT JOIN upgrades u USING (connection_id)
    WHERE c.station = ? AND c.is_ocpp ORDER BY c.opened_at, c.connection_id
"""
_MESSAGES: Final = """
    SELECT connection_id, message_id, version, epoch_ns(ts), sender, kind, unique_id, action, raw, raw_bytes,
           coalesce(request_id, 0)
    FROM messages WHERE station = ? AND sender IN ('station', 'csms') ORDER BY ts, message_id
"""
_PINGS: Final = """
    SELECT connection_id, epoch_ns(ts), payload FROM controls
    WHERE station = ? AND sender = 'station' AND kind = 'ping' ORDER BY ts
"""


class RecordingError(Exception):
    """The database holds nothing that could be replayed; the text tells a person what to do."""


@dataclass(slots=True)
class Said:
    """One recorded message. `octets` are its exact text; `payload` is None when it could not be read."""

    message_id: int
    version: str
    ts_ns: int
    sender: Speaker
    kind: Kind
    unique_id: str
    action: str
    octets: bytes
    payload: Any
    error_code: str | None
    request_id: int


@dataclass(slots=True)
class Ping:
    """One recorded ping of the station."""

    ts_ns: int
    payload: bytes


@dataclass(slots=True)
class Visit:
    """One connection of the station, from its upgrade to its end."""

    connection: int
    version: str
    opened_ns: int
    closed_ns: int
    close_kind: str
    closed_by: str
    close_code: int | None
    close_reason: str
    joined_midway: bool
    is_lossy: bool
    path: str  # "" when the upgrade was not captured
    offered: tuple[str, ...]
    subprotocol: str | None
    is_compressed: bool  # permessage-deflate was offered
    status: int  # of the upgrade; 0: unknown
    user: str | None
    has_password: bool
    messages: list[Said] = field(default_factory=list)
    pings: list[Ping] = field(default_factory=list)

    def answers(self) -> dict[int, Said]:
        """message_id of a CALL → its answer."""
        found: dict[int, Said] = {}
        for said in self.messages:
            if said.request_id and said.kind in ("CALLRESULT", "CALLERROR"):
                found.setdefault(said.request_id, said)
        return found


@dataclass(slots=True)
class Recording:
    """What one station's part of a database says. Times are ns since the epoch."""

    station: str
    visits: list[Visit]

    @property
    def first_ns(self) -> int:
        """When its first connection was opened."""
        return self.visits[0].opened_ns

    @property
    def last_ns(self) -> int:
        """The time of the last thing that is known of it."""
        return max(max(visit.closed_ns, *(said.ts_ns for said in visit.messages), 0) for visit in self.visits)


def read_recording(database: Any, station: str | None) -> Recording:
    """The recording of `station`, or of the only one there is.

    Raises RecordingError when no station, or none of that name, is in the database, or when it is too long to replay.
    """
    known = [name for (name,) in database.execute(
        "SELECT station FROM connections WHERE is_ocpp AND station IS NOT NULL AND station <> ''"
        " GROUP BY station ORDER BY min(opened_at), station").fetchall()]  # fmt: skip
    names = ", ".join(known[:10]) + (" …" if len(known) > 10 else "")
    if station is None:
        if len(known) != 1:
            raise RecordingError(f"name one with --station: {names}" if known else "no station is in this recording")
        station = known[0]
    elif station not in known:
        raise RecordingError(f"no station is named {station!r}; there is {names or 'none'}")
    if _spoke_soap(database, station):
        raise RecordingError(f"{station} speaks OCPP over SOAP, only OCPP over WebSockets can be replayed")
    number, octets = database.execute(
        "SELECT count(*), coalesce(sum(size), 0) FROM message_records WHERE station = ?", [station]
    ).fetchone()
    if number > REPLAY_MESSAGES or octets > REPLAY_BYTES:
        raise RecordingError(
            f"{station} has {number:,} messages of {octets:,} octets, more than can be replayed at once"
            f" ({REPLAY_MESSAGES:,}, {REPLAY_BYTES:,}): use a shorter capture"
        )
    visits = {row[0]: _visit(row) for row in database.execute(_VISITS, [station]).fetchall()}
    for connection, *rest in database.execute(_MESSAGES, [station]).fetchall():
        if connection in visits:
            visits[connection].messages.append(_said(rest))
    for connection, ts_ns, payload in database.execute(_PINGS, [station]).fetchall():
        if connection in visits:
            visits[connection].pings.append(Ping(ts_ns, bytes(payload or b"")))
    return Recording(station, list(visits.values()))


def _spoke_soap(database: Any, station: str) -> bool:
    """Whether a station's messages came over SOAP. Databases of the first weeks know nothing of it."""
    tables = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'soap_messages'"
    if database.execute(tables).fetchone() is None:
        return False
    return database.execute("SELECT 1 FROM soap_messages WHERE station = ? LIMIT 1", [station]).fetchone() is not None


def _visit(row: tuple[Any, ...]) -> Visit:
    connection, version, opened, closed, kind, by, code, reason, midway, lost, path, offered, chosen = row[:13]
    extensions, status, user, has_password = row[13:]
    return Visit(
        connection, version or "", opened or 0, closed or 0, kind or "", by or "unknown", code, reason or "",
        bool(midway), bool(lost), path or "", tuple(offered), chosen or None, "permessage-deflate" in extensions,
        status or 0, user, has_password,
    )  # fmt: skip


def _said(row: list[Any]) -> Said:
    message_id, version, ts_ns, sender, kind, unique_id, action, raw, raw_bytes, request_id = row
    octets = bytes(raw_bytes) if raw_bytes is not None else (raw or "").encode()
    payload, code = None, None
    if kind != "INVALID":
        frame = read_frame(read(octets)[0])
        payload, code = frame.payload, frame.error_code
    return Said(
        message_id, version or "", ts_ns, cast(Speaker, sender), kind, unique_id or "", action or "", octets, payload,
        code, request_id,
    )  # fmt: skip
