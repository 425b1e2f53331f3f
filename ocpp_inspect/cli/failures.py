"""Exceptions meant for people in, one clear line on stderr and exit code 2 out."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

USAGE: int = 2
"""Exit code for wrong usage or unreadable input; 1 is kept for findings."""


def fail(text: str) -> NoReturn:
    """Say what went wrong and leave with exit code 2."""
    typer.echo(f"ocpp-inspect: {text}", err=True)
    sys.exit(USAGE)


@contextmanager
def said_clearly() -> Iterator[None]:
    """Turn the errors that rooms raise about a person's files and flags into one line each; bugs stay tracebacks."""
    from ocpp_inspect.capture import CaptureError
    from ocpp_inspect.engine import RuleError
    from ocpp_inspect.plugins import PluginError

    try:
        yield
    except (CaptureError, RuleError, PluginError) as error:
        fail(str(error))
    except Exception as error:
        from ocpp_inspect.pipeline.keys import KeyFileError
        from ocpp_inspect.store import StoreError

        if isinstance(error, StoreError | KeyFileError):
            fail(str(error))
        raise
