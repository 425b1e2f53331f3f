"""A relay with a meddler between PyPI `ocpp` peers on `websockets`, compressed or not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relaying import Running, relaying
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

from ocpp_inspect.proxy.meddler import Meddler
from ocpp_inspect.proxy.scenario import parse_scenario
from ocpp_inspect.proxy.tap import Marked
from samples.stack16 import Csms16, Station16

WAYS: dict[str, Any] = {
    "plain": None,
    "deflate": {},
    "no takeover": {"server_no_context_takeover": True, "client_no_context_takeover": True},
}


class Clock:
    def text(self) -> str:
        return "2026-01-01T00:00:00.000Z"


@dataclass
class Site:
    """What the sample stacks know of their site."""

    clock: Clock = field(default_factory=Clock)
    interval: int = 300


class Logged:
    """A connection that remembers what it received and sent, the interface that `ocpp` expects."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.received: list[Any] = []

    async def send(self, message: str) -> None:
        await self.socket.send(message)

    async def recv(self) -> Any:
        text = await self.socket.recv()
        self.received.append(json.loads(text))
        return text


@dataclass
class Scene:
    """The peers of one test, the relay and the meddler between them."""

    running: Running
    meddler: Meddler
    said: list[str]
    csms: list[Any]
    way: Any
    port: int

    @contextlib.asynccontextmanager
    async def station(self, identity: str = "CP1") -> AsyncIterator[Station16]:
        """A station that is connected through the proxy."""
        extensions = None if self.way is None else [ClientPerMessageDeflateFactory(**self.way)]
        async with connect(
            f"{self.running.url}/{identity}", subprotocols=["ocpp1.6"], compression=None, extensions=extensions,  # type: ignore[list-item]
            ping_interval=None,
        ) as socket:  # fmt: skip
            station = Station16(identity, Logged(socket), Site())  # type: ignore[arg-type]
            station._response_timeout = 2
            running = asyncio.create_task(until_closed(station))
            yield station
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def marks(self, name: str) -> list[Marked]:
        return [mark for mark in self.running.told.of(Marked) if mark.name == f"proxy.{name}"]


async def until_closed(peer: Any) -> None:
    with contextlib.suppress(ConnectionClosed):
        await peer.start()


@contextlib.asynccontextmanager
async def scene(
    steps: str = "", way: Any = None, csms: Any = Csms16, *, has_console: bool = True
) -> AsyncIterator[Scene]:
    """`steps` is the YAML list of a scenario."""
    scenario = parse_scenario(f"title: T\nsteps:\n{steps}", "test.yaml") if steps else None
    said: list[str] = []
    meddler = Meddler(scenario, said.append, has_console=has_console)
    peers: list[Any] = []

    async def accept(socket: ServerConnection) -> None:
        assert socket.request is not None
        peer = csms(socket.request.path.rsplit("/", 1)[-1], Logged(socket), Site())
        peer._response_timeout = 2
        peers.append(peer)
        await until_closed(peer)

    extensions = None if way is None else [ServerPerMessageDeflateFactory(**way)]
    async with serve(
        accept, "127.0.0.1", 0, subprotocols=["ocpp1.6"], compression=None, extensions=extensions, ping_interval=None  # type: ignore[list-item]
    ) as server:  # fmt: skip
        port = server.sockets[0].getsockname()[1]
        async with relaying(f"ws://127.0.0.1:{port}", meddler) as running:
            yield Scene(running, meddler, said, peers, way, port)


def script(path: Path, text: str) -> str:
    """An executable script: an editor of one's own."""
    path.write_text("#!/bin/sh\n" + text, "utf-8")
    path.chmod(0o755)
    return str(path)
