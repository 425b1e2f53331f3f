"""A read-only connection in; every finding as one record out, for the formats that machines read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ocpp_inspect.limits import REPORT_ROWS

_QUERY: Final = (
    "SELECT f.finding_id, f.rule, f.name, f.axis, f.severity, f.verdict, f.blame, f.station, f.connection_id,"
    " f.capture_id, f.frame_no, epoch_ns(f.ts), f.text, f.evidence, f.evidence_captures, f.reference, f.message_id,"
    " f.accepted, f.cause, c.path FROM findings f LEFT JOIN captures c USING (capture_id) ORDER BY f.finding_id"
)
_NUMBERS: Final = re.compile(r"[0-9a-fA-F-]*[0-9][0-9a-fA-F-]*")


class Judged(msgspec.Struct, frozen=True):
    """One finding. `evidence` are (capture_id, frame number) pairs, the one that proves it best first."""

    finding_id: int
    rule: str
    name: str
    axis: str
    severity: str
    verdict: str
    blame: str
    station: str | None
    connection_id: int | None
    capture_id: int | None
    frame: int | None
    ts_ns: int | None
    text: str
    evidence: tuple[tuple[int, int], ...]
    reference: str
    message_id: int | None
    accepted: str | None
    cause: str | None
    capture: str

    @property
    def fails(self) -> bool:
        """Whether it counts: neither inconclusive nor accepted."""
        return self.verdict == "violation" and not self.accepted

    @property
    def mark(self) -> str:
        """What stays the same when the same fault is found in another recording: numbers and ids do not count."""
        told = f"{self.rule}|{self.station or ''}|{_NUMBERS.sub('#', self.text)}"
        return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:32]

    @property
    def proof(self) -> str:
        """Its frames in words, "" when it has none: "frames 12, 8"."""
        frames = [str(frame) for _, frame in self.evidence if frame]
        return f"frame{'s' if len(frames) > 1 else ''} {', '.join(frames[:6])}" if frames else ""


def judged(database: Any) -> Iterator[Judged]:
    """All findings in the order in which they are numbered."""
    cursor = database.cursor()
    cursor.execute(_QUERY)
    while rows := cursor.fetchmany(REPORT_ROWS):
        for row in rows:
            frames, captures = row[13] or [], row[14] or []
            evidence = tuple(zip(captures, frames, strict=False))
            fields = [*row[:13], evidence, row[15] or "", row[16] or None, row[17], row[18], row[19] or ""]
            yield Judged(*fields)


class RuleText(msgspec.Struct, frozen=True):
    """What the formats say about a rule."""

    id: str
    name: str
    title: str
    severity: str
    axis: str = "conformance"
    block: str = ""
    why: str = ""
    benign: str = ""
    reference: str = ""
