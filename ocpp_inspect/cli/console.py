"""A control socket in; the console of a running proxy out, on the terminal or line by line from a pipe."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer


def console(
    path: Annotated[Path, typer.Argument(help="The socket that the proxy was given by --control.", metavar="PATH")],
    command: Annotated[
        list[str] | None, typer.Option("--command", "-c", help="Do this line and leave (repeatable).")
    ] = None,
) -> None:
    """Meddle with what passes a running proxy: send CALLs either way; hold, edit, drop, delay messages; cut lines.

    `help` lists the commands, Tab completes them. Lines from a pipe are done one after the other.

    Exit code: 0, or 1 when a line of a pipe or of --command could not be done, 2 when no proxy listens there.

    [bold]Examples[/bold]

      ocpp-inspect console ocpp.sock

      ocpp-inspect console ocpp.sock -c '< TriggerMessage {"requestedMessage":"Heartbeat"}'

      ocpp-inspect console ocpp.sock -c "hold > StartTransaction.request" -c list
    """
    import signal

    from ocpp_inspect.cli.failures import fail
    from ocpp_inspect.proxy.console.terminal import ConsoleError, Terminal

    def write(text: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody reads; the lines are still done
            sys.stdout.write(text)
            sys.stdout.flush()

    if hasattr(signal, "SIGPIPE"):  # a proxy that has gone is said
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        terminal = Terminal(path, write)
    except ConsoleError as error:
        fail(str(error))
    if command is None:
        sys.exit(terminal.run())
    try:
        done = [terminal.execute(line) for line in command]
    except ConsoleError as error:
        fail(str(error))
    terminal.close()
    sys.exit(0 if all(done) else 1)
