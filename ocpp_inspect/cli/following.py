"""`analyze --follow`: a text log that grows in; screen or lines meanwhile, the report and an exit code at its end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ocpp_inspect.cli.failures import fail
from ocpp_inspect.cli.running import ending_wanted, say_kept, watch

if TYPE_CHECKING:
    from ocpp_inspect.cli.reporter import Reporter
    from ocpp_inspect.pipeline import Options


def follow(paths: Sequence[str], db: Path | None, options: Options, report: Reporter, *, quiet: bool) -> int:
    """Follow one log until it ends or is ended; the exit code of its report. `quiet`: nothing is shown meanwhile."""
    if len(paths) != 1:
        fail("--follow follows one log at a time")
    if paths[0] == "-" and sys.stdin.isatty():
        fail("--follow - reads a log from a pipe: kubectl logs -f csms | ocpp-inspect analyze --follow -")
    from ocpp_inspect.pipeline.following import LogRun

    with ending_wanted() as ending:
        run = LogRun(paths[0], options, db)
        try:
            watch(run, ending, None, is_screen=sys.stdout.isatty() and not quiet, quiet=quiet, local=False)
            code = report.tell(run.recording.database)
            say_kept(run, db)
        finally:
            run.recording.dispose()
    return code
