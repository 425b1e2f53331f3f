"""A finished database in; its report in the wanted format, a new baseline and an exit code out."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ocpp_inspect.cli.formats import Format

if TYPE_CHECKING:
    from ocpp_inspect.engine import Acceptance
    from ocpp_inspect.pipeline import Options


class FailOn(StrEnum):
    """What `--fail-on` takes."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"


def acceptances_of(options: Options, files: list[Path]) -> tuple[Acceptance, ...]:
    """What is accepted today. An entry may name any rule, also one that this run leaves out."""
    from datetime import date

    from ocpp_inspect.engine import in_force, load_rules, read_acceptances
    from ocpp_inspect.pipeline.rules import directories_and

    if not files:
        return ()
    entries = read_acceptances(files, load_rules(directories_and(options.rules), every=True))
    current = in_force(entries, date.today())
    for entry in entries:
        if entry not in current:
            typer.echo(f"{entry.place}: expired on {entry.until}: {entry.rule} is told again", err=True)
    return current


class Reporter:
    """Tells a finished database in the wanted way."""

    def __init__(
        self, options: Options, form: Format, output: Path | None, fail_on: FailOn, baseline: Path | None
    ) -> None:
        self._options = options
        self._format = form
        self._output = output
        self._failing = {FailOn.ERROR: ("error",), FailOn.WARNING: ("error", "warning"), FailOn.NEVER: ()}[fail_on]
        self._baseline = baseline

    def tell(self, database: Path) -> int:
        """Print and write the result; returns the exit code."""
        from ocpp_inspect.report import facts
        from ocpp_inspect.report.opened import open_database

        opened = open_database(database)
        try:
            self._write(opened)
            if self._baseline is not None:
                _write_baseline(opened, self._baseline)
            found = facts.severities(opened)
            absent = self._absent(opened)
        finally:
            opened.close()
        for entry in absent:
            typer.echo(f"{entry.place}: {entry.rule} was expected and is not found ({entry.reason})", err=True)
        return 1 if absent or any(found.get(severity) for severity in self._failing) else 0

    def _write(self, opened: Any) -> None:
        from ocpp_inspect.cli.failures import fail
        from ocpp_inspect.cli.formats import write_report
        from ocpp_inspect.pipeline.rules import built_in_and

        rules = built_in_and(self._options) if self._format is Format.SARIF else []
        if self._output is not None:
            try:
                with self._output.open("wb") as stream:
                    write_report(opened, self._format, stream, rules, self._failing)
            except OSError as error:
                fail(f"{self._output}: cannot be written: {error.strerror}")
        if self._output is not None or self._format is Format.RICH:
            _print_summary(opened)
        else:
            write_report(opened, self._format, sys.stdout.buffer, rules, self._failing)
        sys.stdout.flush()

    def _absent(self, opened: Any) -> list[Acceptance]:
        """Entries of the baseline that were expected to fire and did not."""
        from ocpp_inspect.report.judged import judged

        waiting = [entry for entry in self._options.acceptances if entry.expected]
        if waiting:
            for finding in judged(opened):
                waiting = [
                    entry for entry in waiting if not entry.accepts(finding.rule, finding.station or "", finding.text)
                ]
        return waiting


def _write_baseline(opened: Any, path: Path) -> None:
    """One entry a rule and station of what counts now; a person adds the reasons."""
    import json

    from ocpp_inspect.cli.failures import fail
    from ocpp_inspect.report.judged import judged

    known: dict[tuple[str, str], int] = {}
    for finding in judged(opened):
        if finding.fails:
            key = finding.rule, finding.station or ""
            known[key] = known.get(key, 0) + 1
    entries = [
        {"rule": rule, "station": _literal(station), "reason": f"found {number}× when the baseline was written"}
        for (rule, station), number in sorted(known.items())
    ]
    try:
        path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        fail(f"{path}: cannot be written: {error.strerror}")
    typer.echo(f"{path}: {len(entries)} accepted findings; say why in each `reason`", err=True)


def _literal(station: str) -> str:
    """A pattern that means this station only."""
    from glob import escape

    return escape(station) or "*"


def _print_summary(opened: Any) -> None:
    from ocpp_inspect.cli.screen import print_lines, screen_width
    from ocpp_inspect.report.summary import summary

    print_lines(summary(opened, screen_width()))
