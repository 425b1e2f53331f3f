"""Entries in, WsItems out: a connection for each station and session, times on one clock, senders decided.

A log may leave open whose it is (does "received" mean from the station?) and in which zone its clock runs. Both are
decided from the first messages: a BootNotification comes from a station, and the CSMS tells its time in UTC. What stays
open is open: the sender is unknown, the zone is taken as UTC and that is noted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from ocpp_inspect.limits import LOG_CONNECTIONS
from ocpp_inspect.logs.entry import Entry
from ocpp_inspect.logs.formats import Sender
from ocpp_inspect.logs.times import after, find_time
from ocpp_inspect.model import ConnectionClosed, Loss, Side, WsItem, WsMessage, packet_key

_QUARTER_NS: Final = 15 * 60 * 10**9
_ZONE_DOUBT_NS: Final = 60 * 10**9  # how far the CSMS's clock may be from a whole quarter of an hour
_STEP_NS: Final = 10**6

Initiators = Mapping[str, Side]
Learn = Callable[[int, str, int], None]
"""Called with (connection, station, position) when a conversation begins."""


class Conversations:
    """Turns the entries of one log into items.

    `initiators` tells which side may send an action; `learn` is told whose connection begins. `name` is the station
    where the log names none.
    """

    def __init__(self, capture: int, position: int, initiators: Initiators, learn: Learn, name: str) -> None:
        self._capture = capture
        self.position = position
        self._initiators = initiators
        self._learn = learn
        self._name = name
        self._received: Sender = "unknown"
        self._zone_ns = 0
        self._last_ns = 0
        self._open: dict[tuple[str, str], tuple[int, int, str, int]] = {}  # → connection, opened, station, messages
        self._whole: set[int] = set()  # connections whose opening the log tells
        self._opening: set[tuple[str, str]] = set()
        self.notes: list[str] = []
        self.first_ns = 0

    @property
    def last_ns(self) -> int:
        """The latest time so far."""
        return self._last_ns

    # ------------------------------------------------------------------------------------- what the beginning tells

    def learn_from(self, entries: Sequence[Entry]) -> None:
        """Decide from the first entries what holds for the whole log."""
        self._decide_side(entries)
        self._decide_zone(entries)
        if not any(entry.station for entry in entries):
            serial = _serial_number(entries)
            self._name = serial or self._name
            self.notes.append(f"the log names no station: taken as {self._name}")
        if entries and not any(entry.stamp for entry in entries):
            self.notes.append("the log tells no times: the order is known, the silences are not")

    def _decide_side(self, entries: Sequence[Entry]) -> None:
        votes: Counter[str] = Counter()
        for entry in entries:
            if entry.kind != "message" or entry.sender not in ("received", "sent"):
                continue
            initiator = self._initiators.get(_action_of(entry.text), "unknown")
            if initiator == "unknown":
                continue
            is_station = (initiator == "station") == (entry.sender == "received")
            votes["csms" if is_station else "station"] += 1
        if votes:
            owner = votes.most_common(1)[0][0]
            self._received = "station" if owner == "csms" else "csms"
            whose = "the CSMS" if owner == "csms" else "the station"
            self.notes.append(f"taken as the log of {whose}: {votes[owner]} of {sum(votes.values())} requests say so")
        elif any(entry.sender in ("received", "sent") for entry in entries):
            self.notes.append("whose log it is does not show: the sender of each message is taken from its action")

    def _decide_zone(self, entries: Sequence[Entry]) -> None:
        if not any(entry.stamp and not entry.stamp.has_zone for entry in entries):
            return
        offsets: Counter[int] = Counter()
        for entry in entries:
            if entry.kind != "message" or entry.stamp is None or entry.stamp.has_zone or not entry.stamp.has_date:
                continue
            told = _current_time(entry.text)
            if told is None:
                continue
            difference = entry.stamp.ns - told
            quarters = round(difference / _QUARTER_NS)
            if abs(difference - quarters * _QUARTER_NS) < _ZONE_DOUBT_NS and abs(quarters) <= 4 * 14:
                offsets[quarters] += 1
        if offsets:
            quarters = offsets.most_common(1)[0][0]
            self._zone_ns = quarters * _QUARTER_NS
            if quarters:
                hours = f"{abs(quarters) // 4:02d}:{abs(quarters) % 4 * 15:02d}"
                sign = "+" if quarters > 0 else "-"
                self.notes.append(f"its times have no zone: taken as UTC{sign}{hours}, after the CSMS's currentTime")
        else:
            self.notes.append("its times have no zone: taken as UTC")

    # ------------------------------------------------------------------------------------- items

    def items(self, entry: Entry) -> Iterator[WsItem]:
        """What an entry becomes."""
        ts_ns = self._time(entry)
        station = entry.station or self._name
        key = (station, entry.session)
        if entry.kind == "open":
            yield from self._close(key, entry.line, ts_ns, "end")
            if len(self._opening) < LOG_CONNECTIONS:
                self._opening.add(key)
            return
        if entry.kind == "close":
            yield from self._close(key, entry.line, ts_ns, "fin", entry.code, entry.reason)
            return
        known = self._open.get(key)
        if known is None:
            yield from self._begin(key, station, entry.line, ts_ns)
            known = self._open[key]
        connection, opened_ns, _, messages = known
        self._open[key] = (connection, opened_ns, station, messages + 1)
        side = self._side(entry.sender)
        packet, position = self._place(entry.line)
        if entry.kind == "cut":
            yield Loss(connection, side, ts_ns, packet, position, "snaplen", messages=1)
            return
        payload = entry.text.encode("utf-8", "surrogateescape")
        yield WsMessage(connection, side, ts_ns, ts_ns, packet, position, 1, payload, 1, False, packet)

    def lose(self) -> Iterator[WsItem]:
        """Lines may be missing here, of every connection."""
        for connection, *_ in self._open.values():
            self.position += 1
            yield Loss(connection, "unknown", self._last_ns, connection, self.position, "drops")

    def finish(self) -> Iterator[WsItem]:
        """The log ends; its connections go on."""
        for key in list(self._open):
            yield from self._close(key, 0, self._last_ns, "end")

    def _begin(self, key: tuple[str, str], station: str, line: int, ts_ns: int) -> Iterator[WsItem]:
        if len(self._open) >= LOG_CONNECTIONS:
            yield from self._close(next(iter(self._open)), line, ts_ns, "end")
        connection = packet_key(self._capture, line)
        packet, position = self._place(line)
        self._learn(connection, station, position)
        self._open[key] = (connection, ts_ns, station, 0)
        if key in self._opening:
            self._opening.discard(key)
            self._whole.add(connection)
            return
        yield Loss(connection, "unknown", ts_ns, packet, position, "joined_midway")

    def _close(
        self, key: tuple[str, str], line: int, ts_ns: int, kind: str, code: int | None = None, reason: str = ""
    ) -> Iterator[WsItem]:
        found = self._open.pop(key, None)
        if found is None:
            return
        connection, opened_ns, station, messages = found
        is_whole = connection in self._whole
        self._whole.discard(connection)
        packet, position = self._place(line) if line else (connection, self.position)
        yield ConnectionClosed(
            connection, ts_ns, packet, position, opened_ns, station, 0, "log", 0,
            joined_midway=not is_whole, close_kind="fin" if kind == "fin" else "end", closed_by="unknown",
            close_code=code, close_reason=reason, lost_bytes=0, upgrade=None, messages=messages,
        )  # fmt: skip

    def _place(self, line: int) -> tuple[int, int]:
        self.position += 1
        return packet_key(self._capture, line), self.position

    def _side(self, sender: Sender) -> Side:
        if sender == "received":
            return "station" if self._received == "station" else "csms" if self._received == "csms" else "unknown"
        if sender == "sent":
            return "csms" if self._received == "station" else "station" if self._received == "csms" else "unknown"
        return sender

    def _time(self, entry: Entry) -> int:
        stamp = entry.stamp
        if stamp is None:
            ns = self._last_ns + _STEP_NS
        elif not stamp.has_date:
            ns = after(stamp.ns, self._last_ns)
        else:
            ns = stamp.ns if stamp.has_zone else stamp.ns - self._zone_ns
        # Threads write their lines a little out of order; the order of the lines is what is known.
        self._last_ns = max(self._last_ns, ns)
        if stamp is not None:
            self.first_ns = self.first_ns or self._last_ns
        return self._last_ns


def _parts(text: str) -> list[Any]:
    try:
        value = orjson.loads(text.encode("utf-8", "surrogateescape"))
    except ValueError:
        return []
    return value if isinstance(value, list) else []


def _action_of(text: str) -> str:
    parts = _parts(text)
    return parts[2] if len(parts) == 4 and isinstance(parts[2], str) else ""


def _current_time(text: str) -> int | None:
    """The CSMS's clock in an answer to a BootNotification or Heartbeat."""
    parts = _parts(text)
    payload = parts[2] if len(parts) == 3 else None
    told = payload.get("currentTime") if isinstance(payload, dict) else None
    stamp = find_time(told) if isinstance(told, str) else None
    return stamp.ns if stamp is not None and stamp.has_zone else None


def _serial_number(entries: Sequence[Entry]) -> str:
    for entry in entries:
        parts = _parts(entry.text)
        if len(parts) != 4 or parts[2] != "BootNotification" or not isinstance(parts[3], dict):
            continue
        payload = parts[3]
        inner = payload.get("chargingStation")
        for holder, name in (
            (payload, "chargeBoxSerialNumber"), (payload, "chargePointSerialNumber"),
            (inner if isinstance(inner, dict) else {}, "serialNumber"),
        ):  # fmt: skip
            if isinstance(found := holder.get(name), str) and found:
                return found
    return ""
