"""A read-only connection in; one line a finding out: station, frame, rule, severity, blame, text, clause."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ocpp_inspect.limits import REPORT_ROWS
from ocpp_inspect.report.lines import Line
from ocpp_inspect.report.safe import safe
from ocpp_inspect.report.wording import FAINT, finding_label


def findings(database: Any, station: str | None = None) -> Iterator[Line]:
    """`CP1 frame 4711 RPC-005 error station: text [clause]`, in the order in which they were found."""
    cursor = database.cursor()
    cursor.execute(
        "SELECT station, capture_id, frame_no, rule, severity, verdict, blame, left(text, 1000), reference, accepted,"
        " (SELECT count(*) FROM captures) FROM findings WHERE (? IS NULL OR station = ?) ORDER BY finding_id",
        [station, station],
    )
    while rows := cursor.fetchmany(REPORT_ROWS):
        for name, capture, frame, rule, severity, verdict, blame, text, reference, accepted, captures in rows:
            _, style, label = finding_label(severity or "", verdict or "", accepted or "")
            place = f"frame {frame or '?'}" + (f" of capture {capture}" if captures > 1 else "")
            line: Line = [(safe(name, 64) or "unknown station", "bold cyan"), (f" {place} ", FAINT)]
            line += [
                (safe(rule, 40), style),
                (f" {label} {safe(blame, 20) or 'unknown'}: ", style.removeprefix("bold ")),
            ]
            line.append((safe(text, 1000), ""))
            if reference:
                line.append((f" [{safe(reference, 120)}]", FAINT))
            yield line
