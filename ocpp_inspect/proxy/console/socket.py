"""A path in, a Unix socket with a session for each console that connects out.

One JSON object a line. From the console: `{"line": "…"}` or `{"edited": "…" | null}`. To it: `{"say": "…"}` at any
time; `{"edit": "…"}` asks for an edited text; `{"done": true | false, "stations": […], "held": […]}` ends a line. Only
the user who runs the proxy may connect: the socket has mode 0600, and the peer's user id is asked for besides.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Any, Final

import orjson

from ocpp_inspect.limits import CONSOLE_CLIENTS, CONSOLE_LINE_BYTES
from ocpp_inspect.proxy.console.session import Session
from ocpp_inspect.proxy.meddler import Meddler

_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED
_UNSENT_BYTES: Final = 4 * 1024 * 1024


class ControlError(Exception):
    """The socket cannot be made; the text says what to do."""


class ControlSocket:
    """The console of a proxy, on a Unix socket: `start`, then `stop`."""

    def __init__(self, path: Path, meddler: Meddler) -> None:
        self.path = path
        self._meddler = meddler
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. Raises ControlError when the path is taken or cannot be used."""
        self.claim()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listening.bind(str(self.path))
        except OSError as error:
            listening.close()
            raise ControlError(f"{self.path}: cannot be made: {error.strerror or error}") from None
        finally:
            os.umask(before)
        listening.setblocking(False)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=CONSOLE_LINE_BYTES)

    async def stop(self) -> None:
        """Listen no more, let the consoles go, remove the socket."""
        if self._server is None:
            return
        self._server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    def claim(self) -> None:
        """Make sure that the path is free: remove the socket of a proxy that was killed, never anything else.

        Raises ControlError.
        """
        if not self.path.parent.is_dir():
            raise ControlError(f"{self.path.parent}: no such directory")
        try:
            mode = self.path.lstat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise ControlError(f"{self.path}: {error.strerror or error}") from None
        if not stat.S_ISSOCK(mode):
            raise ControlError(f"{self.path}: is there already, and is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self.path))
            except ConnectionRefusedError:
                self.path.unlink()
                return
            except OSError as error:
                raise ControlError(f"{self.path}: {error.strerror or error}") from None
        raise ControlError(f"{self.path}: another proxy listens there")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as one
        front = _Remote(reader, writer)
        if len(self._clients) >= CONSOLE_CLIENTS or not _is_ours(writer):
            front.say("? too many consoles, or not yours")
            writer.close()
            return
        self._clients.add(task)
        session = Session(self._meddler, front)
        try:
            await front.serve(session)
        except (ConnectionError, asyncio.IncompleteReadError, ValueError, asyncio.CancelledError):
            pass  # the console has gone, or spoke what no console speaks, or the proxy stops
        finally:
            session.end()
            self._clients.discard(task)
            writer.close()


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    """Whether the peer runs as our user, or as root."""
    peer = writer.get_extra_info("socket")
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the mode of the socket has to do
    octets = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return _CREDENTIALS.unpack(octets)[1] in (os.getuid(), 0)


class _Remote:
    """A console at the other end of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def serve(self, session: Session) -> None:
        """Lines until it leaves."""
        self._state(session, is_done=True)
        while (request := await self._read()) is not None:
            line = request.get("line")
            if not isinstance(line, str):
                raise ValueError("not a line of a console")
            is_done = await session.execute(line)
            self._state(session, is_done=is_done)
            await self._writer.drain()

    def say(self, line: str) -> None:
        """Tell, unless the console does not read: it must not cost the proxy its memory."""
        if self._writer.transport.get_write_buffer_size() < _UNSENT_BYTES:
            self._write({"say": line})

    async def edit(self, text: str) -> str | None:
        """Have a text edited there."""
        self._write({"edit": text})
        answer = await self._read()
        if answer is None or "edited" not in answer:
            raise ValueError("the console left while it edited")
        edited = answer["edited"]
        return edited if isinstance(edited, str) else None

    def _state(self, session: Session, *, is_done: bool) -> None:
        self._write({"done": is_done, "stations": session.stations(), "held": session.held()})

    def _write(self, message: dict[str, Any]) -> None:
        if not self._writer.transport.is_closing():
            with contextlib.suppress(ConnectionError):
                self._writer.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))

    async def _read(self) -> dict[str, Any] | None:
        line = await self._reader.readline()
        if not line:
            return None
        message = orjson.loads(line)
        if not isinstance(message, dict):
            raise ValueError("not an object")
        return message
