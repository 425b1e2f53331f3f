"""Arguments in, exit code out: the `ocpp-inspect` command and the list of its subcommands."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from ocpp_inspect import __version__
from ocpp_inspect.cli.analyze import analyze
from ocpp_inspect.cli.console import console
from ocpp_inspect.cli.doctor import doctor
from ocpp_inspect.cli.explain import explain
from ocpp_inspect.cli.export import export
from ocpp_inspect.cli.live import live
from ocpp_inspect.cli.proxy import app as proxy_app
from ocpp_inspect.cli.query import query
from ocpp_inspect.cli.replay import replay
from ocpp_inspect.cli.rules import app as rules_app
from ocpp_inspect.cli.timeline import timeline
from ocpp_inspect.cli.wireshark import app as wireshark_app

app = typer.Typer(
    name="ocpp-inspect",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Find out why a charger and its back office do not get along.

    Reads network captures, decodes OCPP 1.6, 2.0, 2.0.1 and 2.1 over WebSocket, judges sequences and timing by rules,
    and says who is at fault, by which clause, and which frames prove it.

    [bold]Examples[/bold]

      ocpp-inspect analyze site.pcapng --db site.duckdb
      ocpp-inspect timeline site.duckdb --station CP1 --problems
      ocpp-inspect query site.duckdb "SELECT * FROM latency"
      ocpp-inspect live -i eth0
      ocpp-inspect proxy --listen 0.0.0.0:9000 --upstream wss://csms.example/ocpp
      ocpp-inspect explain RPC-005
    """,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ocpp-inspect {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Options that stand before the subcommand."""


# In the order of the help: look at what was recorded, watch, stand between, hand on, know more.
app.command()(analyze)
app.command()(timeline)
app.command()(query)
app.command()(live)
app.add_typer(proxy_app, name="proxy")
app.command()(console)
app.command()(replay)
app.command()(export)
app.command()(explain)
app.add_typer(rules_app, name="rules")
app.add_typer(wireshark_app, name="wireshark")
app.command()(doctor)


def _end_tidily(number: int, _: FrameType | None) -> NoReturn:
    """A polite kill: half-written databases go, as after an error."""
    sys.exit(128 + number)


def main() -> None:
    """Run the command line. A reader that has seen enough (`| head`) ends it like every tool; Ctrl-C gives 130."""
    # What a start makes (modules, rules) stays: looking for cycles in it again and again costs 10 % of a small run.
    gc.set_threshold(50_000, 20, 50)
    # numpy's linear algebra, which nothing here uses, else starts a thread a core: 30 ms of each process's start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, _end_tidily)
    try:
        app()
    except OSError as error:
        from ocpp_inspect.cli.failures import fail_for_output

        fail_for_output(error)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
