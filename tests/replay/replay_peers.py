"""Living peers for replays: CSMSs on PyPI `ocpp` and `websockets`, and a 1.6 station."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint as Of16
from ocpp.v16 import call as call16
from ocpp.v16 import call_result as result16
from ocpp.v21 import call_result as result21
from ocpp.v201 import call as call201
from ocpp.v201 import call_result as result201
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ocpp_inspect.pipeline import analyze
from ocpp_inspect.replay import Recording, read_recording
from ocpp_inspect.report.opened import open_database
from samples.stack2x import Csms21, Csms201
from samples.stack16 import Csms16

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


class Clock:
    """What the sample stacks ask for the time."""

    def text(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def sleep(self, _seconds: float) -> None:
        """Pauses of a day take no time here."""
        await asyncio.sleep(0)


class Site:
    """What the sample stacks know of their site."""

    def __init__(self, interval: int) -> None:
        self.clock = Clock()
        self.interval = interval


@contextlib.asynccontextmanager
async def csms(kind: Any, subprotocol: str, interval: int = 300, **more: Any) -> AsyncIterator[tuple[int, list[Any]]]:
    """(port, the peers that connected): a CSMS of the sample stacks on a free port."""
    peers: list[Any] = []

    async def accept(socket: ServerConnection) -> None:
        assert socket.request is not None
        peer = kind(socket.request.path.rsplit("/", 1)[-1], socket, Site(interval))
        peer.heard = []
        peer.request = socket.request
        route = peer.route_message

        async def listening(text: str) -> None:
            peer.heard.append(text)
            await route(text)

        peer.route_message = listening
        peers.append(peer)
        with contextlib.suppress(ConnectionClosed):
            await peer.start()

    async with serve(accept, "127.0.0.1", 0, subprotocols=[subprotocol], ping_interval=None, **more) as server:  # type: ignore[list-item]
        yield server.sockets[0].getsockname()[1], peers


def recording_of(tmp_path: Path, sample: str, station: str | None = None) -> Recording:
    """A sample's recording."""
    database = tmp_path / f"{sample}.duckdb"
    analyze([str(next(SAMPLES.glob(f"{sample}.pcap*")))], database)
    return read(database, station)


def read(database: Path, station: str | None) -> Recording:
    """The recording of a station in a database."""
    opened = open_database(database)
    try:
        return read_recording(opened, station)
    finally:
        opened.close()


def age_s(text: str) -> float:
    """Seconds since a date-time."""
    return (datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()


__all__ = ["Csms16", "Csms21", "Csms201", "Of16", "age_s", "asyncio", "call16", "call201", "csms", "on", "read",
           "recording_of",
           "result16", "result21", "result201", "timedelta"]  # fmt: skip
