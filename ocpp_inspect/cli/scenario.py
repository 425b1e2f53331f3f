"""Scenario files in; what is wrong with them, and with what their examples say, out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Check scenarios for the proxy: see docs/scenarios.md.")


@app.callback()
def _root() -> None:
    """Keeps `check` a command of its own."""


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Scenario files.", metavar="FILE...")],
) -> None:
    """Check scenario files and run the examples inside; says every file's first fault as file:line:column.

    Exit code: 0 all are good, 1 some are not, 2 a file cannot be read.

    [bold]Example[/bold]

      ocpp-inspect proxy scenario check lost-answers.yaml
    """
    from ocpp_inspect.cli.failures import fail
    from ocpp_inspect.engine import RuleError
    from ocpp_inspect.proxy.scenario import load_scenario
    from ocpp_inspect.proxy.scenario.examples import run_examples

    faults = 0
    examples = 0
    for file in files:
        if not file.is_file():
            fail(f"{file}: no such file")
        try:
            scenario = load_scenario(file)
        except RuleError as error:
            faults += 1
            typer.echo(str(error))
            continue
        examples += len(scenario.examples)
        for failure in run_examples(scenario):
            faults += 1
            typer.echo(f"{file}:{failure.line}:1: {failure.text}")
    typer.echo(f"{len(files)} files, {examples} examples, {faults} faults", err=True)
    if faults:
        sys.exit(1)
