"""Octets read so far in, a progress bar on stderr out: only when stderr is a terminal and the work is long."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ocpp_inspect.pipeline.options import Progress

PATIENCE_BYTES = 20 * 1024 * 1024
"""Inputs below this are done before a bar could be read."""


@contextmanager
def progress_bar(wanted: bool = True) -> Iterator[Progress | None]:
    """A callback for the pipeline that draws a bar, or None when nobody looks."""
    if not (wanted and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = None

        def show(done: int, total: int | None) -> None:
            nonlocal task
            if total is not None and total < PATIENCE_BYTES:
                return
            if task is None:
                task = bar.add_task("reading", total=total)
            bar.update(task, completed=done, total=total)

        yield show
