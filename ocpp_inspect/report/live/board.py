"""OcppItems and Findings in, as they happen; stations, rates and the latest happenings, for a screen to draw, out.

Bounded: the stations that were silent for longest are forgotten, of happenings the latest are kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import structs

from ocpp_inspect.limits import LIVE_FINDINGS, LIVE_HAPPENINGS, LIVE_STATIONS
from ocpp_inspect.model import ConnectionClosed, Finding, Loss, OcppItem, OcppMessage, Upgrade
from ocpp_inspect.report.live.happenings import Happening, happening_of

_RATE_NS: Final = 5 * 10**9
_POWER: Final = "Power.Active.Import"
_TOGETHER_NS: Final = 60 * 10**9  # losses of one connection and cause within it are one line
_SAMPLES: Final = 200  # values of one message that are looked at


class StationRow(msgspec.Struct):
    """What the table says about one station. `session` is the ocpp room's live state of it, None before a message."""

    name: str
    version: str = ""
    client: str = ""
    session: Any = None
    connections: set[int] = set()
    refused: int = 0  # HTTP status of the last upgrade, when it was refused
    messages: int = 0
    last_ns: int = 0
    last_words: str = ""
    heard_ns: int = 0  # the last message of the station itself
    power_w: dict[int, float] = {}  # by connector or EVSE
    power_ns: int = 0
    findings: dict[str, int] = {}  # severity → number, violations only
    doubts: int = 0  # inconclusive findings

    @property
    def is_connected(self) -> bool:
        """Whether a connection is open now."""
        return bool(self.connections)


class Board:
    """All that a screen shows but the source's own figures."""

    def __init__(self) -> None:
        self.stations: dict[str, StationRow] = {}
        self.happenings: deque[Happening] = deque(maxlen=LIVE_HAPPENINGS)
        self.findings: dict[tuple[str, str, str], Happening] = {}  # the latest of each station and rule, in order
        self.messages = 0
        self.losses = 0
        self.counts: dict[str, int] = {}  # severity → findings that are violations
        self.doubts = 0
        self.forgotten = 0
        self._told_losses: dict[tuple[int, str], Happening] = {}  # by connection and cause
        self._past: deque[tuple[int, int, int]] = deque()  # (time, messages, packets)

    def show(self, items: Sequence[OcppItem], findings: Sequence[Finding]) -> list[Happening]:
        """Take in what was decoded; what there is to tell of it, in order."""
        told: list[Happening] = []
        for item in items:
            kind = type(item)
            if kind is OcppMessage:
                self._message(item)  # type: ignore[arg-type]
            elif kind is Upgrade:
                self._upgrade(item)  # type: ignore[arg-type]
            elif kind is ConnectionClosed:
                self._closed(item)  # type: ignore[arg-type]
            happening = happening_of(item)
            if happening is not None and not (kind is Loss and self._is_repeated(item, happening)):  # type: ignore[arg-type]
                told.append(happening)
        for finding in findings:
            self._finding(finding)
            happening = happening_of(finding)
            if happening is not None:
                told.append(happening)
                self._note_finding(happening)
        if findings:
            told.sort(key=lambda each: each.ts_ns)
        self.happenings.extend(told)
        return told

    def note(self, text: str, ts_ns: int) -> Happening:
        """Something about the capture itself: an interface went down."""
        happening = Happening("notice", ts_ns, "", "unknown", 0, text=text, style="bold yellow")
        self.happenings.append(happening)
        return happening

    def rates(self, now_ns: int, packets: int) -> tuple[float, float]:
        """(messages, packets) a second over the last five; call it with every screen."""
        past = self._past
        if past and not 0 <= now_ns - past[-1][0] < 100 * _RATE_NS:
            past.clear()
        past.append((now_ns, self.messages, packets))
        while now_ns - past[0][0] > _RATE_NS and len(past) > 2:
            past.popleft()
        then_ns, messages, before = past[0]
        seconds = max((now_ns - then_ns) / 1e9, 1.0)
        return (self.messages - messages) / seconds, (packets - before) / seconds

    def _note_finding(self, happening: Happening) -> None:
        key = (happening.station, happening.rule, happening.verdict)
        before = self.findings.pop(key, None)
        latest = happening if before is None else structs.replace(happening, times=before.times + 1)
        self.findings[key] = latest
        if len(self.findings) > LIVE_FINDINGS:
            del self.findings[next(iter(self.findings))]

    def _is_repeated(self, item: Loss, happening: Happening) -> bool:
        """Whether a line tells of this loss already: a compressed dialogue joined midway loses every message."""
        self.losses += 1
        key = (item.connection, item.cause)
        before = self._told_losses.get(key)
        if before is not None and item.ts_ns - before.ts_ns < _TOGETHER_NS:
            before.times += 1
            return True
        if len(self._told_losses) >= LIVE_STATIONS:
            self._told_losses.clear()
        self._told_losses[key] = happening
        return False

    # ------------------------------------------------------------------------------------------------- stations

    def _row(self, name: str) -> StationRow:
        row = self.stations.get(name)
        if row is None:
            if len(self.stations) >= LIVE_STATIONS:
                silent = min(self.stations.values(), key=lambda each: (each.is_connected, each.last_ns))
                del self.stations[silent.name]
                self.forgotten += 1
            row = self.stations[name] = StationRow(name)
        return row

    def _message(self, item: OcppMessage) -> None:
        self.messages += 1
        row = self.stations.get(item.station) or self._row(item.station)
        row.messages += 1
        row.last_ns = item.ts_ns
        row.session = item.session
        row.connections.add(item.connection)
        if item.version:
            row.version = item.version
        if item.soap is not None:  # a call of the CSMS has the station as its server
            is_upward = (item.side == "station") == (item.kind == "CALL")
            row.client = item.soap.client if is_upward else item.soap.server
        if item.kind in ("CALL", "SEND"):
            row.last_words = item.action
        elif item.kind not in ("CALLRESULT",):
            row.last_words = item.error_code or item.kind
        if item.side == "station":
            row.heard_ns = item.ts_ns
            row.refused = 0
            if item.kind == "CALL" and item.action in ("MeterValues", "TransactionEvent"):
                _note_power(row, item)
            elif item.kind == "CALL" and item.action == "StopTransaction":
                row.power_w.clear()

    def _upgrade(self, item: Upgrade) -> None:
        if not item.station:
            return
        row = self._row(item.station)
        row.client, row.last_ns = item.client, max(item.ts_ns, row.last_ns)
        row.refused = 0 if item.status == 101 else item.status
        if item.status == 101:
            row.connections.add(item.connection)
            row.heard_ns = max(row.heard_ns, item.ts_ns)
            if (item.subprotocol or "").lower().startswith("ocpp"):
                row.version = (item.subprotocol or "")[4:]

    def _closed(self, item: ConnectionClosed) -> None:
        row = self.stations.get(item.station)
        if row is not None and item.connection in row.connections:
            row.connections.discard(item.connection)
            row.last_ns = max(row.last_ns, item.ts_ns)

    def _finding(self, item: Finding) -> None:
        row = self._row(item.station) if item.station else None
        if item.verdict != "violation":
            self.doubts += 1
            if row is not None:
                row.doubts += 1
            return
        self.counts[item.severity] = self.counts.get(item.severity, 0) + 1
        if row is not None:
            row.findings[item.severity] = row.findings.get(item.severity, 0) + 1


def _note_power(row: StationRow, item: OcppMessage) -> None:
    """The latest active power that the station draws, as far as a message tells it. Payloads may be of any shape."""
    payload = item.payload
    if not isinstance(payload, dict):
        return
    evse = payload.get("evse")
    where = payload.get("connectorId", payload.get("evseId", evse.get("id") if isinstance(evse, dict) else 0))
    key = where if isinstance(where, int) else 0
    if payload.get("eventType") == "Ended":
        row.power_w.pop(key, None)
        return
    entries = payload.get("meterValue")
    seen = 0
    for entry in entries if isinstance(entries, list) else ():
        samples = entry.get("sampledValue") if isinstance(entry, dict) else None
        for sample in samples if isinstance(samples, list) else ():
            seen += 1
            if seen > _SAMPLES:
                return
            watts = _watts(sample) if isinstance(sample, dict) else None
            if watts is not None:
                if len(row.power_w) < _SAMPLES or key in row.power_w:
                    row.power_w[key] = watts
                row.power_ns = item.ts_ns


def _watts(sample: dict[str, Any]) -> float | None:
    if sample.get("measurand") != _POWER or sample.get("phase") is not None:
        return None
    unit, power = sample.get("unit"), 0
    measure = sample.get("unitOfMeasure")
    if isinstance(measure, dict):
        unit, power = measure.get("unit", "W"), measure.get("multiplier", 0)
    try:
        value = float(sample.get("value", "")) * 10.0 ** (power if isinstance(power, int) and abs(power) < 10 else 0)
    except (TypeError, ValueError, OverflowError):
        return None
    if not abs(value) < 1e12:
        return None
    return value * 1000 if unit == "kW" else value
