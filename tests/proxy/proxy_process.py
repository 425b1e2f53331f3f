"""The command `ocpp-inspect proxy` as a process of its own, and what its database holds."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb

COMMAND = str(Path(sys.executable).parent / "ocpp-inspect")
_LISTENING = re.compile(r"listening on (wss?)://(\S+):(\d+)$")


@dataclass(frozen=True)
class Row:
    """One message of the database."""

    station: str
    sender: str
    raw: bytes
    compressed: bool
    kind: str
    action: str | None


class ProxyProcess:
    """Runs from `__enter__` on; `stop` ends it and keeps what it said."""

    def __init__(self, folder: Path, *arguments: str, listen: str = "127.0.0.1:0") -> None:
        self.database = folder / "run.duckdb"
        self._command = [COMMAND, "proxy", "--listen", listen, "--db", str(self.database), *arguments]
        self._environment = {**os.environ, "XDG_CONFIG_HOME": str(folder)}
        self.port = 0
        self.said: list[str] = []
        self.printed = ""
        self.code: int | None = None

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip("\n"))
            if found := _LISTENING.search(self.said[-1]):
                self.port = int(found[3])
                break
        else:
            self.printed, _ = self.process.communicate()
            raise AssertionError(f"the proxy did not start: {self.said}")
        self._reading = [
            threading.Thread(target=self._read_errors, daemon=True),
            threading.Thread(target=self._read_output, daemon=True),
        ]
        for thread in self._reading:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it like a person or the system does."""
        if self.code is None:
            self.process.send_signal(number)
            self.code = self.process.wait(90)
            for thread in self._reading:
                thread.join()
        return self.code

    def url(self, scheme: str = "ws") -> str:
        return f"{scheme}://127.0.0.1:{self.port}"

    def messages(self) -> list[Row]:
        """In the order in which they passed."""
        rows = self.query(
            "SELECT station, sender, coalesce(raw_bytes, encode(raw)), compressed, kind, action FROM message_records "
            "ORDER BY message_id"
        )
        return [Row(*row) for row in rows]

    def query(self, sql: str) -> list[Any]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            for line in stream:
                self.said.append(line.rstrip("\n"))

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            self.printed = stream.read()
