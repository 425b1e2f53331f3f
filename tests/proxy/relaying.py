"""A relay in this event loop, its tap read back; for tests that need no process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from ocpp_inspect.limits import PROXY_QUEUE_BYTES
from ocpp_inspect.proxy import Interceptor
from ocpp_inspect.proxy.relay import Relay
from ocpp_inspect.proxy.routes import Routes, parse_route, parse_upstream
from ocpp_inspect.proxy.settings import Address, Bounds, Settings
from ocpp_inspect.proxy.tap import DATA, TYPES, Tap, read_records


@dataclass
class Told:
    """What the analysis would have been told."""

    octets: dict[tuple[int, int], bytearray] = field(default_factory=dict)
    records: list[tuple[int, Any]] = field(default_factory=list)

    def add(self, buffer: bytes) -> bytes:
        end = 0
        for kind, connection, _, octets, after in read_records(buffer):
            end = after
            if kind <= DATA + 1:
                self.octets.setdefault((connection, kind), bytearray()).extend(octets)
            elif kind in TYPES:
                self.records.append((connection, msgspec.msgpack.decode(octets, type=TYPES[kind])))
        return buffer[end:]

    def of(self, kind: type) -> list[Any]:
        return [payload for _, payload in self.records if isinstance(payload, kind)]

    def names(self) -> list[str]:
        return [payload.name for _, payload in self.records if hasattr(payload, "name")]

    def said_by(self, direction: int) -> bytes:
        """The octets of one direction of the only connection."""
        found = [bytes(octets) for (_, side), octets in self.octets.items() if side == direction]
        assert len(found) <= 1
        return found[0] if found else b""


@dataclass
class Running:
    """A relay that runs, where it listens, and what it said."""

    relay: Relay
    addresses: list[Address]
    told: Told
    lines: list[str]

    @property
    def port(self) -> int:
        return self.addresses[0].port

    @property
    def url(self) -> str:
        return str(self.addresses[0])


@contextlib.asynccontextmanager
async def relaying(
    upstream: str | list[str], interceptor: Interceptor | None = None, *, bounds: Bounds | None = None,
    mirror: str | None = None, is_tls: bool = False, queue_bytes: int = PROXY_QUEUE_BYTES,
    reads: threading.Event | None = None, records: list[bytes] | None = None, **more: Any,
) -> AsyncIterator[Running]:  # fmt: skip
    """A relay on a free port of the loopback; at the end `told` is complete.

    Its analysis begins to read when `reads` is set; what it read is added to `records`.
    """
    upstreams = [upstream] if isinstance(upstream, str) else upstream
    settings = Settings(
        (Address("127.0.0.1", 0, is_tls),),
        Routes([parse_route(each) for each in upstreams]),
        parse_upstream(mirror) if mirror else None,
        bounds=bounds or Bounds(),
    )
    settings = replace(settings, **more)
    reader, writer = os.pipe()
    told, lines = Told(), list[str]()
    tap = Tap(asyncio.get_running_loop(), writer, lines.append, queue_bytes)
    relay = Relay(settings, tap, lines.append, interceptor)
    collecting = asyncio.create_task(asyncio.to_thread(collect, reader, told, reads, records))
    addresses = await relay.start()
    try:
        yield Running(relay, addresses, told, lines)
    finally:
        await relay.stop()
        await relay.tap.finish(5)
        await collecting


def collect(descriptor: int, told: Told, reads: threading.Event | None, records: list[bytes] | None) -> None:
    """Read the pipe to its end, from when `reads` is set; keep what came in `records`."""
    if reads is not None:
        reads.wait()
    rest = b""
    while octets := os.read(descriptor, 1 << 20):
        if records is not None:
            records.append(octets)
        rest = told.add(rest + octets)
    os.close(descriptor)


def run(scenario: Callable[[], Coroutine[Any, Any, None]], seconds: float = 20) -> None:
    """Run a test's coroutine in a fresh event loop."""

    async def bounded() -> None:
        await asyncio.wait_for(scenario(), seconds)

    asyncio.run(bounded())


async def eventually(claim: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until something is true."""
    async with asyncio.timeout(seconds):
        while not claim():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def tcp_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A raw server on a free port."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await serve(reader, writer)
        tasks.discard(task)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
