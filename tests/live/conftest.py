"""A network, and the command `live` running in it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import duckdb
import pytest
from net_namespace import Namespace, namespace

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()"]


@pytest.fixture(scope="module")
def net() -> Iterator[Namespace]:
    with namespace() as found:
        yield found


class Live:
    """A running `ocpp-inspect live`."""

    def __init__(self, net: Namespace, *arguments: object, **how: Any) -> None:
        self.process = net.start(
            *COMMAND, "live", *arguments,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **({"stdin": subprocess.DEVNULL} | how),
        )  # fmt: skip
        self.lines: list[str] = []
        self.errors = ""
        self._queue: Queue[str] = Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))

    def until(self, text: str, seconds: float = 60.0) -> str:
        """The first line with that text, from here on."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.lines.append(self._queue.get(timeout=max(0.0, deadline - time.monotonic())))
            except Empty:
                said = "\n".join(self.lines[-30:])
                raise AssertionError(f"{text!r} was not said in {seconds} s; said was\n{said}\n{self.errors}") from None
            if text in self.lines[-1]:
                return self.lines[-1]

    def end(self, number: int = signal.SIGINT) -> int:
        """Ask it to end; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Its exit code."""
        assert self.process.stderr is not None
        self.errors += self.process.stderr.read()
        code = self.process.wait(30)
        self._thread.join(10)
        while not self._queue.empty():
            self.lines.append(self._queue.get())
        return code


@pytest.fixture
def live(net: Namespace) -> Iterator[Callable[..., Live]]:
    """Starts `live` in the network; whatever still runs is killed afterwards."""
    running: list[Live] = []

    def start(*arguments: object, **how: Any) -> Live:
        running.append(Live(net, *arguments, **how))
        return running[-1]

    yield start
    for each in running:
        each.process.kill()
        each.process.wait()
        for stream in (each.process.stdout, each.process.stderr):
            if stream is not None:
                stream.close()


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(query).fetchall()
