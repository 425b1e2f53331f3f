"""Variable monitors of one station and its events in; remarks out. Rules MON-004, MON-006 to MON-009 (N02 to N08)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Remark
from ocpp_inspect.engine.functions import seconds_of

MONITORS: Final = 512  # per station; beyond it the oldest is forgotten
GRACE_NS: Final = 60 * 10**9  # what was under way when something changed has arrived by then
TRIGGERS: Final = {
    "UpperThreshold": "Alerting",
    "LowerThreshold": "Alerting",
    "TargetDelta": "Alerting",
    "TargetDeltaRelative": "Alerting",
    "Delta": "Delta",
    "Periodic": "Periodic",
    "PeriodicClockAligned": "Periodic",
}
"""Type of a monitor → trigger of its events (N07.FR.16 to N07.FR.23, N08.FR.05)."""


@dataclass(slots=True)
class Known:
    """A monitor as the station told it, and what its events have shown."""

    type: str
    severity: int | None
    value: float | None
    at_ns: int  # when it was told
    is_new: bool = False  # created since, and nothing can have been missed
    by_transaction: bool = False  # only active during a transaction
    last: Any = None  # the last event of it on this connection
    told: bool = False


def of(holder: Any, name: str) -> list[dict[str, Any]]:
    """The objects of a list of a payload."""
    found = holder.get(name) if isinstance(holder, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def number(holder: dict[str, Any], name: str) -> int | None:
    """A whole number of a payload, None where there is none."""
    found = holder.get(name)
    return found if type(found) is int else None


def same(data: dict[str, Any], result: dict[str, Any]) -> bool:
    """Whether a result belongs to what was set: they come in any order."""
    return all(data.get(name) == result.get(name) for name in ("component", "variable", "type", "severity"))


def is_under_way(item: Any, event: dict[str, Any], since_ns: int) -> bool:
    """Whether an event may be older than what changed at `since_ns`: it was sent soon after, or waited in a queue."""
    at = seconds_of(event.get("timestamp"))
    return at is None or min(item.ts_ns, int(at * 1e9)) < since_ns + GRACE_NS


class Monitors(Conversation):
    """Follows which monitors there are. A loss leaves nothing certain; a boot may change all numbers (N04.FR.19)."""

    looks_at_samples = False
    rests_on = frozenset(
        {"NotifyEvent", "Heartbeat", "BootNotification", "SetMonitoringBase", "SetVariables", "OpenPeriodicEventStream"}
    )
    rests_without = ("known", "cleared")  # without a monitor there is nothing to compare an event with

    def __init__(self) -> None:
        self.known: dict[int, Known] = {}
        self.cleared: dict[int, int] = {}  # number → when

    def events(self, item: Any, payload: dict[str, Any]) -> Iterator[tuple[int | None, dict[str, Any]]]:
        """(number of the monitor, event) of a NotifyEvent that monitors have triggered."""
        if item.action == "NotifyEvent" and item.kind in ("CALL", "SEND"):
            for event in of(payload, "eventData"):
                if event.get("eventNotificationType") != "HardWiredNotification":
                    yield number(event, "variableMonitoringId"), event

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Take note of monitors that are set, told or cleared."""
        if item.action == "SetVariableMonitoring" and item.kind == "CALLRESULT":
            asked = of(request, "setMonitoringData")
            for result in of(payload, "setMonitoringResult"):
                data = [each for each in asked if same(each, result)]
                if result.get("status") == "Accepted" and len(data) == 1:
                    self.note(item, number(result, "id"), data[0], is_new="id" not in data[0])
        elif item.action == "NotifyMonitoringReport" and item.kind == "CALL":
            for entry in of(payload, "monitor"):
                for each in of(entry, "variableMonitoring"):
                    self.note(item, number(each, "id"), each, is_new=False)
        elif item.action == "ClearVariableMonitoring" and item.kind == "CALLRESULT":
            for result in of(payload, "clearMonitoringResult"):
                name = number(result, "id")
                if name is not None and result.get("status") == "Accepted":
                    self.known.pop(name, None)
                    self.cleared[name] = item.ts_ns
                    if len(self.cleared) > MONITORS:
                        del self.cleared[next(iter(self.cleared))]
        elif item.action in ("BootNotification", "SetMonitoringBase"):
            self.forget()

    def note(self, item: Any, name: int | None, data: dict[str, Any], *, is_new: bool) -> None:
        """Remember one monitor."""
        if name is None:
            return
        before = self.known.pop(name, None)
        self.cleared.pop(name, None)
        value = data.get("value")
        self.known[name] = Known(
            str(data.get("type")),
            number(data, "severity"),
            float(value) if type(value) in (int, float) and abs(value) < 1e9 else None,
            item.ts_ns,
            is_new=is_new and before is None,
            by_transaction=data.get("transaction", False) is not False,
        )
        if len(self.known) > MONITORS:
            del self.known[next(iter(self.known))]

    def forget(self) -> None:
        """Monitors may have been set or cleared unseen."""
        self.known.clear()
        self.cleared.clear()


class Cleared(Monitors):
    """MON-004: an event names a monitor that was cleared (N06.FR.01, N07.FR.06)."""

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Only a custom monitor: when it replaced a preconfigured one, that may come back under its number."""
        for name, event in self.events(item, payload) if self.cleared else ():
            since_ns = self.cleared.get(name) if name is not None else None
            if since_ns is None or name is None or is_under_way(item, event, since_ns):
                continue
            if event.get("eventNotificationType") == "CustomMonitor":
                del self.cleared[name]  # once
                yield Remark(
                    item,
                    f"An event names monitor {name}, which was cleared {(item.ts_ns - since_ns) // 10**9} s before",
                )


class OddTrigger(Monitors):
    """MON-006: the trigger of an event does not fit the type of its monitor."""

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Each monitor once."""
        for name, event in self.events(item, payload) if self.known else ():
            known = self.known.get(name) if name is not None else None
            if known is None or known.told or is_under_way(item, event, known.at_ns):
                continue
            due, trigger = TRIGGERS.get(known.type), event.get("trigger")
            if due is not None and trigger in TRIGGERS.values() and trigger != due:
                known.told = True
                yield Remark(
                    item, f"The event of monitor {name} of type {known.type} has the trigger {trigger}, not {due}"
                )


class ClearedFirst(Monitors):
    """MON-007: a return to normal of something that was never told to be wrong (N07.FR.02)."""

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Only of monitors that were created before our eyes, when it is the first word of them."""
        for name, event in self.events(item, payload) if self.known else ():
            known = self.known.get(name) if name is not None else None
            if known is None or not known.is_new:
                continue
            known.is_new = False
            if event.get("cleared") is True and TRIGGERS.get(known.type) == "Alerting":
                yield Remark(
                    item, f"Monitor {name} is told to be back to normal; it was never told to have been triggered"
                )

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Below another level an alert may have been held back."""
        super().learn(item, payload, request)
        if item.action == "SetMonitoringLevel":
            self.cut_off(item.ts_ns)

    def cut_off(self, now_ns: int) -> None:
        """While it is offline a station may drop events (N07, remark)."""
        for known in self.known.values():
            known.is_new = False


class AboveLevel(Monitors):
    """MON-008: an event less severe than the station was told to report (N05.FR.03, N07.FR.15)."""

    def __init__(self) -> None:
        super().__init__()
        self.level: tuple[int, int] | None = None  # (severity, when it was set)
        self.told: set[int | None] = set()

    @property
    def resting(self) -> bool:
        """Without a level everything may be reported."""
        return super().resting and self.level is None

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """The severity is in the event (OCPP 2.1), or that of the monitor."""
        if self.level is None:
            return
        for name, event in self.events(item, payload):
            if is_under_way(item, event, self.level[1]):
                continue
            severity = number(event, "severity")
            known = self.known.get(name) if name is not None else None
            if severity is None and known is not None:
                severity = known.severity
            if severity is not None and severity > self.level[0] and name not in self.told:
                if len(self.told) < MONITORS:
                    self.told.add(name)
                yield Remark(
                    item, f"An event has the severity {severity}; only those up to {self.level[0]} are to be reported"
                )

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Take note of the level."""
        super().learn(item, payload, request)
        if item.action == "SetMonitoringLevel" and payload.get("status") == "Accepted":
            level = number(request, "severity")
            self.level = None if level is None else (level, item.ts_ns)
            self.told.clear()

    def forget(self) -> None:
        """Another level may have been set unseen; no clause says that a boot keeps it."""
        super().forget()
        self.level = None


class Missed(Monitors):
    """MON-009: a periodic monitor that has begun to report falls silent (N08.FR.06, N08.FR.07)."""

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Note each event; whatever may rightly end a monitor starts all over."""
        super().learn(item, payload, request)
        for name, _ in self.events(item, payload):
            known = self.known.get(name) if name is not None else None
            if known is not None:
                known.last, known.told = item, False
        if item.action in ("SetMonitoringLevel", "SetVariables"):
            self.cut_off(item.ts_ns)
        elif item.action == "OpenPeriodicEventStream":  # from now on its values come by another message (2.1 N12)
            stream = request.get("constantStreamData")
            name = number(stream, "variableMonitoringId") if isinstance(stream, dict) else None
            if name is not None:
                self.known.pop(name, None)

    def due(self, now_ns: int) -> Iterable[Remark]:
        """Tell what was to be told by now: one and a half intervals and a minute are given."""
        for name, known in self.known.items():
            if known.last is None or known.told or known.value is None or known.by_transaction or known.value <= 0:
                continue
            late_ns = known.last.ts_ns + int(known.value * 1.5e9) + GRACE_NS
            if TRIGGERS.get(known.type) == "Periodic" and now_ns >= late_ns:
                known.told = True
                text = (
                    f"Monitor {name} is to report every {known.value:g} s, and is silent for more than 1.5 times that"
                )
                yield Remark(known.last, text, ts_ns=late_ns)

    def cut_off(self, now_ns: int) -> None:
        """What is missing was perhaps not sent, or not to be sent."""
        for known in self.known.values():
            known.last = None
