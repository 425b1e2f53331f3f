"""A finished database and a format in; the report on a binary stream out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocpp_inspect.engine import Rule
    from ocpp_inspect.report.judged import RuleText


class Format(StrEnum):
    """What `--format` takes."""

    RICH = "rich"
    JSON = "json"
    JSONL = "jsonl"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"
    MARKDOWN = "markdown"


def write_report(
    opened: Any, form: Format, stream: IO[bytes], rules: Sequence[Rule] = (), failing: Collection[str] = ("error",)
) -> None:
    """Write the report of an opened database; the summary goes without colours at 120 columns."""
    stream.writelines(_pieces(opened, form, rules, failing))
    stream.flush()


def _pieces(  # noqa: PLR0911 - one case a format
    opened: Any, form: Format, rules: Sequence[Rule], failing: Collection[str]
) -> Iterable[bytes]:
    match form:
        case Format.JSON:
            from ocpp_inspect.report.machine import document

            return [document(opened)]
        case Format.JSONL:
            from ocpp_inspect.report.machine import lines

            return lines(opened)
        case Format.SARIF:
            from ocpp_inspect import __version__
            from ocpp_inspect.report.sarif import sarif

            return sarif(opened, map(_text_of, rules), __version__)
        case Format.JUNIT:
            from ocpp_inspect.report.junit import junit

            return [junit(opened, failing).encode()]
        case Format.GITHUB:
            from ocpp_inspect.report.annotations import workflow_commands

            return (line.encode("utf-8", "replace") for line in workflow_commands(opened))
        case Format.MARKDOWN:
            from ocpp_inspect.report.markdown import markdown

            return (line.encode("utf-8", "replace") for line in markdown(opened))
        case Format.RICH:
            from ocpp_inspect.cli.screen import PIPE_WIDTH
            from ocpp_inspect.report.lines import plain
            from ocpp_inspect.report.summary import summary

            return ((plain(line) + "\n").encode("utf-8", "replace") for line in summary(opened, PIPE_WIDTH))


def _text_of(rule: Rule) -> RuleText:
    from ocpp_inspect.report.judged import RuleText

    return RuleText(
        rule.id,
        rule.name,
        rule.title,
        rule.severity,
        rule.axis,
        rule.block,
        rule.why,
        rule.benign,
        rule.reference,
    )
