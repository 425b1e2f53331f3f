"""A recorded message in, the text to send now out: new message id, times of now, the ids that the peer gave this time.

Only these places of the text change (`ocpp.splice`), so a peculiar spelling is replayed as it was. Pure: the moment of
sending is passed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final
from uuid import uuid4

from ocpp_inspect.limits import EXPRESSION_ITEMS
from ocpp_inspect.ocpp.places import Path, date_times
from ocpp_inspect.ocpp.splice import PathError, spliced
from ocpp_inspect.replay.dates import moved
from ocpp_inspect.replay.recording import Said, Speaker

LINKED: Final = frozenset({"transactionId", "remoteStartId", "requestId", "reservationId"})
"""Members whose values one side makes up and the other repeats: they are followed, and never compared."""

_PAYLOAD_AT: Final = {"CALL": 3, "SEND": 3, "CALLRESULT": 2, "CALLERROR": 4, "CALLRESULTERROR": 4}
_DEPTH: Final = 32


class Timing:
    """Maps the recording's time onto now: speed N makes a second of the recording last 1/N s.

    At speed 0 (as fast as it goes) nothing has a moment of its own, and date-times are moved so that the recording has
    just ended: its own distances stay, and nothing lies in the future.
    """

    __slots__ = ("_first_ns", "_last_ns", "_start_ns", "speed")

    def __init__(self, first_ns: int, last_ns: int, start_ns: int, speed: float) -> None:
        self._first_ns, self._last_ns, self._start_ns, self.speed = first_ns, last_ns, start_ns, speed

    def moment(self, ts_ns: int) -> int:
        """When something recorded at `ts_ns` is due; 0: at once."""
        return self._start_ns + int((ts_ns - self._first_ns) / self.speed) if self.speed else 0

    def date(self, ns: int) -> int:
        """What a date-time of the recording becomes."""
        if not self.speed:
            return ns + self._start_ns - self._last_ns
        return self._start_ns + int((ns - self._first_ns) / self.speed)


def new_id() -> str:
    """A message id that nobody else uses; 36 characters, as many as OCPP-J allows (OCPP-J 1.6 §4.1.4)."""
    return str(uuid4())


class Renewal:
    """Renews the messages of `role`, and learns from what the peer says."""

    def __init__(self, role: Speaker, date: Callable[[int], int]) -> None:
        self._role = role
        self._date = date
        self._ids: dict[tuple[str, Any], Any] = {}  # (member, recorded value) → value of now

    def learn(self, recorded: Any, live: Any) -> None:
        """Compare what was said then with its counterpart of now: ids at the same places mean the same thing."""
        for path, name, value in _linked(recorded):
            now = _at(live, path)
            if type(now) in (int, str):
                self._ids[name, value] = now

    def unknown(self, said: Said) -> set[tuple[str, Any]]:
        """(member, recorded value) of every id in it whose counterpart of now is not known yet."""
        return {(name, value) for _, name, value in _linked(said.payload) if (name, value) not in self._ids}

    def text(self, said: Said, unique_id: str) -> str | bytes:
        """What to send for a recorded CALL, SEND or answer; as it was when it is no well-formed message."""
        at = _PAYLOAD_AT.get(said.kind)
        if at is None or said.payload is None:
            return said.octets
        try:
            text = said.octets.decode()
            json.loads(text)  # what only our lenient reader takes (NUL, BOM, NaN) has no places that could be found
        except ValueError:
            return said.octets
        changes: dict[Path, Any] = {(1,): unique_id}
        for path, value in self.changes(said).items():
            changes[(at, *path)] = value
        try:
            return spliced(text, changes)
        except PathError:
            return said.octets

    def changes(self, said: Said) -> dict[Path, Any]:
        """What becomes different in its payload."""
        changes: dict[Path, Any] = {}
        if said.kind in ("CALL", "SEND", "CALLRESULT"):
            for path, text in date_times(said.version, said.action, said.kind == "CALLRESULT", said.payload):
                if (now := moved(text, self._date)) != text:
                    changes[path] = now
        for path, name, value in _linked(said.payload):
            new = self._ids.get((name, value))
            if new is None and self._makes_up(said, name):
                # A CSMS refuses, or mixes up, a transaction that it has seen end: stations of 2.x name theirs (E01).
                new = self._ids[name, value] = new_id()
            if new is not None:
                changes[path] = new
        return changes

    def _makes_up(self, said: Said, name: str) -> bool:
        return self._role == "station" and name == "transactionId" and said.version.startswith("2")


def ids_in(payload: Any) -> set[tuple[str, Any]]:
    """(member, value) of every id in a payload that is followed."""
    return {(name, value) for _, name, value in _linked(payload)}


def _linked(value: Any, path: Path = ()) -> Iterator[tuple[Path, str, Any]]:
    """(path, member, value) of every id in a payload that is followed."""
    if len(path) > _DEPTH:
        return
    if isinstance(value, list):
        for at, item in enumerate(value[:EXPRESSION_ITEMS]):
            yield from _linked(item, (*path, at))
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in LINKED and type(item) in (int, str):
                yield (*path, name), name, item
            elif name != "customData":
                yield from _linked(item, (*path, name))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value
