"""A meddler in; its consoles beside a running relay out: a Unix socket, and the prompt of this terminal.

The prompt is a thread at the end of a second, private socket, so that there is one console and not two.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from ocpp_inspect.proxy.console.socket import ControlError, ControlSocket
from ocpp_inspect.proxy.console.terminal import ConsoleError, Terminal
from ocpp_inspect.proxy.meddler import Meddler

Beside = Callable[[Any, asyncio.Event], Coroutine[Any, Any, None]]


def consoles(meddler: Meddler, sockets: list[ControlSocket], say: Callable[[str], None], *, prompts: bool) -> Beside:
    """What runs beside the relay until it is stopped: these sockets, and with `prompts` this terminal.

    A socket that cannot be made is said, and stops the proxy.
    """

    async def run(_relay: Any, stopped: asyncio.Event) -> None:
        with tempfile.TemporaryDirectory(prefix="ocpp-inspect-") as directory:
            own = ControlSocket(Path(directory) / "console", meddler)
            listening = [*sockets, own] if prompts else sockets
            try:
                for each in listening:
                    await each.start()
                with _kept_terminal() if prompts else contextlib.nullcontext():
                    if prompts:
                        _prompt(own.path, say)
                    await stopped.wait()
            except ControlError as error:
                say(str(error))
                stopped.set()
            finally:
                for each in listening:
                    await each.stop()

    return run


def _prompt(path: Path, say: Callable[[str], None]) -> None:
    """Ask for lines in a thread; it dies with the process."""

    def run() -> None:
        try:
            Terminal(path, _write).run()
            say("the console is left; Ctrl-C ends the proxy")
        except ConsoleError:
            return  # the proxy ends

    threading.Thread(target=run, daemon=True, name="prompt").start()


@contextlib.contextmanager
def _kept_terminal() -> Iterator[None]:
    """Leave the terminal as it was, though a thread is reading a line from it."""
    import termios  # noqa: PLC0415 - only where there is a terminal

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal has gone, and with it what was to be restored
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
        _write("\n")


def _write(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that has gone must not end the proxy
        sys.stdout.write(text)
        sys.stdout.flush()
