"""A socket to a proxy's console and a person (or a pipe) in; the prompt, completion and the editor out.

A thread prints what the proxy says, so that it appears while a line is being typed; captured text passes `report.safe`.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shlex
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import orjson

from ocpp_inspect.report.safe import safe

PROMPT: Final = "ocpp> "
_CHARACTERS: Final = 4000


class ConsoleError(Exception):
    """The console cannot begin; the text says what to do."""


class Terminal:
    """The person's end of a control socket."""

    def __init__(self, path: Path, write: Callable[[str], None]) -> None:
        self._write = write
        self._replies: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._stations: tuple[str, ...] = ()
        self._held: tuple[int, ...] = ()
        self._is_prompting = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise ConsoleError(f"{path}: {error.strerror or error}; start the proxy with --control {path}") from None
        self._file = self._socket.makefile("rwb")
        threading.Thread(target=self._listen, daemon=True, name="console").start()
        self._wait()

    def run(self) -> int:
        """Lines from standard input until it ends, or `quit`; the exit code: 1 when a line could not be done."""
        failed = 0
        for line in self._lines():
            if line.strip() in ("quit", "exit"):
                break
            if not line.strip():
                continue
            try:
                if not self.execute(line):
                    failed = 1
            except ConsoleError as error:
                self._print(str(error))
                return 1
        self.close()
        return 0 if sys.stdin.isatty() else failed

    def execute(self, line: str) -> bool:
        """Send one line and wait until it is done. Raises ConsoleError when the proxy has gone."""
        self._send({"line": _with_whole_path(line)})
        return self._wait()

    def close(self) -> None:
        """Leave."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    # ------------------------------------------------------------------ the proxy's side

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._file.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
            self._file.flush()
        except OSError:
            raise ConsoleError("the proxy has ended") from None

    def _wait(self) -> bool:
        while True:
            reply = self._replies.get()
            if reply is None:
                raise ConsoleError("the proxy has ended")
            if "edit" in reply:
                self._send({"edited": edited_in_editor(str(reply["edit"]))})
            elif "done" in reply:
                self._stations, self._held = tuple(reply["stations"]), tuple(reply["held"])
                return bool(reply["done"])

    def _listen(self) -> None:
        try:
            for line in self._file:
                message = orjson.loads(line)
                if "say" in message:
                    self._print(str(message["say"]))
                else:
                    self._replies.put(message)
        except (OSError, ValueError):
            pass  # the proxy has gone: said by who waits for its reply
        self._replies.put(None)

    def _print(self, line: str) -> None:
        text = safe(line, _CHARACTERS)
        if not self._is_prompting:
            self._write(text + "\n")
            return
        import readline  # noqa: PLC0415 - only where there is a terminal

        self._write(f"\r\x1b[K{text}\n{PROMPT}{readline.get_line_buffer()}")

    # ------------------------------------------------------------------ the person's side

    def _lines(self) -> Iterable[str]:
        if not sys.stdin.isatty():
            yield from sys.stdin
            return
        import readline  # noqa: PLC0415 - only where there is a terminal

        readline.set_completer_delims(" ")
        readline.set_completer(self._complete)
        readline.parse_and_bind("tab: complete")
        while True:
            self._is_prompting = True
            try:
                line = input(PROMPT)
            except (EOFError, OSError):  # Ctrl-D, or the terminal has gone
                self._write("\n")
                return
            except KeyboardInterrupt:
                self._write("\n")
                return
            finally:
                self._is_prompting = False
            yield line

    def _complete(self, _word: str, state: int) -> str | None:
        import readline  # noqa: PLC0415

        from ocpp_inspect.proxy.console.commands import complete  # noqa: PLC0415 - loads all schemas' names

        line = readline.get_line_buffer()[: readline.get_endidx()]
        found = complete(line, self._stations, self._held)
        return found[state] + " " if state < len(found) else None


def _with_whole_path(line: str) -> str:
    """The proxy may run in another folder: a file is named from here."""
    words = line.strip().split(maxsplit=2)
    if words[:2] == ["scenario", "load"] and len(words) > 2:
        return f"scenario load {Path(words[2]).absolute()}"
    return line


def edited_in_editor(text: str) -> str | None:
    """The text as $VISUAL or $EDITOR (else vi) leaves it; None when the editor fails."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="ocpp-inspect-") as directory:
        path = Path(directory) / "message.json"
        path.write_text(text + "\n", "utf-8")
        try:
            done = subprocess.run([*shlex.split(editor), str(path)], check=False)  # noqa: S603 - the person's own editor
        except (OSError, ValueError):
            return None
        if done.returncode:
            return None
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return None
