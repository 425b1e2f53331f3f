"""The id or name of a rule in, its page out: what it judges, why it matters, when it is harmless."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def explain(
    rule: Annotated[str, typer.Argument(help="Id, name or former name of a rule.", metavar="RULE")],
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", help="A directory of your own rules (repeatable).")
    ] = None,
) -> None:
    """Explain a rule: what it judges and by which clause, why it matters, when it is harmless, with examples.

    [bold]Examples[/bold]

      ocpp-inspect explain RPC-005

      ocpp-inspect explain call-without-response

      ocpp-inspect explain RPC-005 > page.md
    """
    from ocpp_inspect.cli.failures import said_clearly
    from ocpp_inspect.cli.rules import find_rule
    from ocpp_inspect.engine import load_rules
    from ocpp_inspect.engine.page import page
    from ocpp_inspect.pipeline.rules import directories_and

    with said_clearly():
        found = find_rule(rule, load_rules(directories_and(rules), every=True))
    text = page(found)
    if not sys.stdout.isatty():
        sys.stdout.write(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    from ocpp_inspect.cli.screen import screen_width

    Console(width=min(screen_width(), 110)).print(Markdown(text))
