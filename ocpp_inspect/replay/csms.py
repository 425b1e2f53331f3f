"""A recording and an address in; the CSMS's part played to the chargers that connect, and what differed, out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ocpp_inspect.limits import MESSAGE_BYTES
from ocpp_inspect.ocpp.identity import station_from_path
from ocpp_inspect.replay.dialogue import Dialogue, ReplayError, Settings, Stage, Tell
from ocpp_inspect.replay.outcome import Outcome
from ocpp_inspect.replay.recording import Recording, Said
from ocpp_inspect.replay.renewal import ids_in

if TYPE_CHECKING:
    from websockets.asyncio.server import ServerConnection

_LOOK_S: Final = 0.02


@dataclass(slots=True)
class Listener:
    """Where to listen. Port 0 takes a free one; `socket` is one that listens already."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    socket: socket.socket | None = None


class _Csms:
    """The CSMS of one recording, for one charger at a time."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._arrived = asyncio.Event()
        self._current: Dialogue | None = None
        self._visit = stage.recording.visits[0]
        self._answers = {key: said for visit in stage.recording.visits for key, said in visit.answers().items()}
        self._script = [said for visit in stage.recording.visits for said in visit.messages
                        if said.sender == "csms" and said.kind in ("CALL", "SEND", "INVALID")]  # fmt: skip
        self._boot_ns = min((said.ts_ns for visit in stage.recording.visits for said in visit.messages
                             if said.action == "BootNotification"), default=2**63)  # fmt: skip
        self._transactions: dict[Any, int] = {}  # recorded transactionId → when the station first named it
        for visit in stage.recording.visits:
            for said in visit.messages:
                for name, value in ids_in(said.payload) if said.sender == "station" and said.kind == "CALL" else ():
                    if name == "transactionId":
                        self._transactions.setdefault(value, said.ts_ns)
        self._has_begun = False

    def subprotocol(self, _socket: ServerConnection, offered: Sequence[Any]) -> Any:
        """The recorded subprotocol when the charger offers it, else what it prefers: refusing would hide all else."""
        wanted = self._visit.subprotocol
        return wanted if wanted in offered else offered[0] if offered else None

    async def serve(self, socket: ServerConnection) -> None:
        """One charger's connection, until it ends."""
        stage = self._stage
        path = socket.request.path if socket.request is not None else ""
        if not self._has_begun:
            stage.begin()
            self._has_begun = True
        identity = station_from_path(path)
        same = identity == stage.recording.station
        stage.note(f"{identity or path} connected as {socket.subprotocol or 'no subprotocol'}"
                   + ("" if same else f"; the recording is of {stage.recording.station}"))  # fmt: skip
        dialogue = Dialogue(stage, socket, self._visit.version, is_lossy=any(
            visit.is_lossy or visit.joined_midway for visit in stage.recording.visits))  # fmt: skip
        self._current = dialogue
        self._arrived.set()
        await dialogue.wait_over(10**9)
        if self._current is dialogue:
            self._current = None
            self._arrived.clear()
        stage.note(f"{identity or path} ended the connection")
        await dialogue.settle()
        dialogue.result()

    async def play(self) -> None:
        """Send the recorded CALLs of the CSMS at their moments, then wait until the recording is over."""
        await self._arrived.wait()
        stage = self._stage
        sent: list[Said] = []
        for said in self._script:
            await stage.until(said.ts_ns)
            if said.ts_ns > self._boot_ns:
                await self._booted()
            await self._named(said)
            await self._send(said, sent)
        if stage.settings.speed:
            await stage.until(stage.recording.last_ns)
        elif self._current is not None:
            await self._current.settle()
            await self._current.wait_over(10**9)
        if self._current is not None:
            await self._current.settle()
            await self._current.close(1001, "the recording is over")

    async def _booted(self) -> None:
        """Wait for the charger to boot where the recorded one had: before, many refuse everything (1.6 §4.2)."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stage.booted.wait(), self._stage.settings.timeout_s)

    async def _named(self, said: Said) -> None:
        """Wait until the charger has named, or been given, the transaction that a CALL is about."""
        named = self._transactions
        waited_for = {(name, value) for name, value in ids_in(said.payload)
                      if name == "transactionId" and named.get(value, said.ts_ns) < said.ts_ns}  # fmt: skip
        deadline_s = time.monotonic() + self._stage.settings.timeout_s
        while waited_for & self._stage.renewal.unknown(said):
            if time.monotonic() > deadline_s:
                self._stage.note(f"{said.action} is sent with the recorded transactionId: the charger has shown none")
                return
            await asyncio.sleep(_LOOK_S)

    async def _send(self, said: Said, sent: list[Said]) -> None:
        while True:
            await self._arrived.wait()
            dialogue = self._current
            heard = [each for each in sent if (answer := self._answers.get(each.message_id)) is not None
                     and answer.ts_ns <= said.ts_ns]  # fmt: skip
            if dialogue is not None and await dialogue.send(said, self._answers.get(said.message_id), heard):
                sent[:] = [each for each in sent if each not in heard] + ([said] if said.kind == "CALL" else [])
                return
            self._arrived.clear()


async def play(
    recording: Recording, listener: Listener, settings: Settings, tell: Tell, *, ready: Any = None,
    stop: asyncio.Event | None = None,
) -> Outcome:  # fmt: skip
    """Answer a charger as the recorded CSMS did, and send the recorded CALLs at their moments.

    `ready` is called with the port once it listens. Ends when the recording is over; at speed 0 when the charger leaves
    after the last recorded CALL, or when `stop` is set. Raises ReplayError when it cannot listen.
    """
    from websockets.asyncio.server import serve  # noqa: PLC0415 - only those who replay need it

    stage = Stage(recording, "csms", f"{listener.host}:{listener.port}", settings, tell)
    csms = _Csms(stage)
    where: dict[str, Any] = {"host": listener.host, "port": listener.port}
    if listener.socket is not None:
        where = {"sock": listener.socket}
    try:
        server = await serve(
            csms.serve, **where, ssl=listener.tls, select_subprotocol=csms.subprotocol,
            ping_interval=None, max_size=MESSAGE_BYTES, close_timeout=5, server_header="ocpp-inspect replay",
            compression="deflate" if csms._visit.is_compressed else None,
        )  # fmt: skip
    except OSError as error:
        raise ReplayError(f"{listener.host}:{listener.port}: cannot listen: {error.strerror or error}") from error
    async with server:
        if ready is not None:
            ready(server.sockets[0].getsockname()[1])
        return await stage.play(csms.play(), stop)
