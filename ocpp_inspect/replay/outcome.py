"""What a replay finds in, its lines for a person and its document for a machine out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from ocpp_inspect.replay.compare import Difference
from ocpp_inspect.report.lines import Line
from ocpp_inspect.report.safe import safe

Verdict = Literal["equal", "different", "missing", "unexpected", "unknown"]

_STYLES: Final[dict[str, str]] = {
    "equal": "green", "different": "bold red", "missing": "bold red", "unexpected": "bold red", "unknown": "yellow",
}  # fmt: skip
_WORDS: Final[dict[str, str]] = {
    "equal": "answered as recorded",
    "different": "answered differently",
    "missing": "not answered, was answered when it was recorded",
    "unexpected": "answered, was not answered when it was recorded",
    "unknown": "cannot be compared",
}


class Judged(msgspec.Struct, frozen=True):
    """One CALL that was sent again, and how its answer compares. `offset_s` counts from the start of the replay."""

    offset_s: float
    sender: str
    action: str
    verdict: Verdict
    text: str = ""
    latency_s: float | None = None
    recorded_latency_s: float | None = None
    differences: tuple[Difference, ...] = ()

    @property
    def is_difference(self) -> bool:
        """Whether it makes the replay unequal to the recording."""
        return self.verdict in ("different", "missing", "unexpected")


class Note(msgspec.Struct, frozen=True):
    """Something else that happened: a connection, a CALL of the peer, what could not be sent."""

    offset_s: float
    text: str
    is_difference: bool = False


class Outcome(msgspec.Struct):
    """All that a replay found, in the order in which it happened."""

    station: str
    target: str
    entries: list[Judged | Note] = msgspec.field(default_factory=list)
    is_complete: bool = True  # False: stopped by a person

    @property
    def is_equal(self) -> bool:
        """Whether nothing differed from the recording."""
        return not any(entry.is_difference for entry in self.entries)


def lines_of(entry: Judged | Note) -> Iterator[Line]:
    """One entry as people read it."""
    when = (f"{entry.offset_s:10.3f}  ", "dim")
    if isinstance(entry, Note):
        yield [when, ("! " if entry.is_difference else "· ", ""),
               (safe(entry.text), "bold red" if entry.is_difference else "dim")]  # fmt: skip
        return
    latency = "" if entry.latency_s is None else f"  {entry.latency_s * 1000:.0f} ms"
    if entry.latency_s is not None and entry.recorded_latency_s is not None:
        latency += f" (recorded {entry.recorded_latency_s * 1000:.0f} ms)"
    yield [
        when, ("> " if entry.sender == "station" else "< ", ""), (f"{safe(entry.action):<28}", "bold"),
        (f" {_WORDS[entry.verdict]}", _STYLES[entry.verdict]), (latency, "dim"),
    ]  # fmt: skip
    if entry.text:
        yield [(" " * 14, ""), (safe(entry.text), "")]
    for each in entry.differences:
        yield [(" " * 14, ""), (safe(each.path), "bold"), (
            f"  recorded {safe(each.recorded) or 'nothing'}, now {safe(each.now) or 'nothing'}", "")]  # fmt: skip


def summary_of(outcome: Outcome) -> Iterator[Line]:
    """The last lines: how many CALLs were sent, how their answers compare, and the verdict."""
    judged = [entry for entry in outcome.entries if isinstance(entry, Judged)]
    counts: Counter[str] = Counter(entry.verdict for entry in judged)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _STYLES if counts[verdict])
    other = sum(entry.is_difference for entry in outcome.entries if isinstance(entry, Note))
    yield []
    yield [(f"{len(judged)} CALLs sent again: {said or 'none'}"
            + (f"; {other} other difference{'s' if other != 1 else ''}" if other else ""), "bold")]  # fmt: skip
    if outcome.is_equal:
        far = "" if outcome.is_complete else "as far as it went, "
        yield [(f"{far}equal to the recording, times and ids left aside", "bold green")]
    else:
        yield [("not equal to the recording", "bold red")]


def document(outcome: Outcome) -> dict[str, Any]:
    """The whole as plain data for JSON."""
    entries = []
    for entry in outcome.entries:
        kind = "note" if isinstance(entry, Note) else "call"
        entries.append({"type": kind, **msgspec.to_builtins(entry), "is_difference": entry.is_difference})
    return {
        "format": 1, "station": outcome.station, "target": outcome.target, "is_equal": outcome.is_equal,
        "is_complete": outcome.is_complete, "entries": entries,
    }  # fmt: skip
