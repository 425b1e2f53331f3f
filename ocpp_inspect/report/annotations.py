"""Findings in; workflow commands of GitHub Actions out: each violation becomes an annotation of the run."""

from collections.abc import Iterator
from typing import Any, Final

from ocpp_inspect.report.judged import judged
from ocpp_inspect.report.safe import safe

_COMMAND: Final = {"error": "error", "warning": "warning", "info": "notice"}


def workflow_commands(database: Any) -> Iterator[str]:
    """`::error file=run.pcap,title=RPC-005 CP1::text`, a line each; what is inconclusive or accepted is left out."""
    for finding in judged(database):
        if not finding.fails:
            continue
        title = f"{finding.rule} {finding.station or 'unknown station'}"
        text = f"{finding.text} — {finding.blame}, {finding.reference}, {finding.proof}".rstrip(", ")
        command = _COMMAND.get(finding.severity, "notice")
        yield f"::{command} file={_property(finding.capture)},title={_property(title)}::{_data(text)}\n"


def _data(value: str) -> str:
    """Escaped as the runner reads it; other control characters become pictures first."""
    return safe(value, 1000).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")
