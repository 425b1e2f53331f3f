"""Exceptions meant for people in, one clear line on stderr and exit code 2 out."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import typer

USAGE: int = 2
"""Exit code for wrong usage or unreadable input; 1 is kept for findings."""

_INTERRUPTED_QUERY: Final = "Query interrupted"
"""What DuckDB makes of Ctrl-C: a RuntimeError with this text."""

INTERRUPTED: int = 130
"""Exit code after Ctrl-C, as shells have it."""


def fail(text: str) -> NoReturn:
    """Say what went wrong and leave with exit code 2."""
    typer.echo(f"ocpp-inspect: {text}", err=True)
    sys.exit(USAGE)


@contextmanager
def said_clearly() -> Iterator[None]:
    """Turn the errors that rooms raise about a person's files and flags into one line each; bugs stay tracebacks.

    A reader that has seen enough (`| head`) ends the command as SIGPIPE would, but what it had to tidy up is tidied up.
    """
    from ocpp_inspect.capture import CaptureError
    from ocpp_inspect.engine import RuleError
    from ocpp_inspect.plugins import PluginError

    try:
        with _broken_pipes_raised():
            yield
    except BrokenPipeError:
        _end_by_broken_pipe()
    except KeyboardInterrupt:
        _end_by_interrupt()
    except (CaptureError, RuleError, PluginError) as error:
        fail(str(error))
    except Exception as error:
        from ocpp_inspect.pipeline.keys import KeyFileError
        from ocpp_inspect.store import StoreError

        if isinstance(error, StoreError | KeyFileError):
            fail(str(error))
        if str(error) == _INTERRUPTED_QUERY:
            _end_by_interrupt()
        raise


@contextmanager
def _broken_pipes_raised() -> Iterator[None]:
    """SIGPIPE kills at once, and a temporary database of the size of the capture would stay behind."""
    if not hasattr(signal, "SIGPIPE") or signal.getsignal(signal.SIGPIPE) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _forget_output() -> None:
    """What is still buffered for stdout has no place to go; Python must not try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail_for_output(error: OSError) -> NoReturn:
    """Say that stdout could not be written; an error that names a file is another one and is raised again."""
    if error.filename is not None or error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EBADF):
        raise error
    _forget_output()
    fail(f"standard output cannot be written: {(error.strerror or str(error)).lower()}")


def _end_by_interrupt() -> NoReturn:
    typer.echo("ocpp-inspect: interrupted", err=True)
    sys.exit(INTERRUPTED)


def _end_by_broken_pipe() -> NoReturn:
    _forget_output()
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.raise_signal(signal.SIGPIPE)
    sys.exit(USAGE)
