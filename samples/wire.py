"""What a recording needs around the applications: addresses, tcpdump, logged connections, a CSMS that admits them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from samples.virtual_time import VirtualTime

CSMS_ADDRESS = "192.168.50.1"
CSMS_ADDRESS_6 = "fd50:51::1"
PASSWORD = "sixteen-letters1"  # noqa: S105 - a password of nobody, 16 characters as OCPP-J 1.6 §6.2.1 wants at least


def shell(*command: str) -> None:
    subprocess.run(command, check=True)


def prepare_loopback(mtu: int = 1500) -> None:
    """Give the loopback of this (private) network namespace the addresses of a small site."""
    shell("ip", "link", "set", "lo", "up", "mtu", str(mtu))
    for address in (CSMS_ADDRESS, *(f"192.168.50.{n}" for n in range(11, 20)), "172.16.4.20"):
        shell("ip", "addr", "add", f"{address}/32", "dev", "lo")
    for address in (CSMS_ADDRESS_6, "fd50:51::11"):
        shell("ip", "-6", "addr", "add", f"{address}/128", "dev", "lo", "nodad")


class Log:
    """Texts as the applications sent and received them, one JSON object a line."""

    def __init__(self, path: Path, clock: VirtualTime) -> None:
        self.path = path
        self.clock = clock
        self.lines: list[str] = []

    def add(
        self, side: str, station: str, connection: str, did: str, message: str | bytes, *, is_ocpp: bool = True
    ) -> None:
        entry: dict[str, Any] = {
            "time": self.clock.text(),
            "side": side,
            "station": station,
            "connection": connection,
            "did": did,
        }
        if isinstance(message, str):
            entry["text"] = message
        else:
            entry["hex"] = message.hex()
        if not is_ocpp:
            entry["other"] = True
        self.lines.append(json.dumps(entry, ensure_ascii=False) + "\n")

    def write(self) -> None:
        self.path.write_text("".join(self.lines), encoding="utf-8")


class Logged:
    """A WebSocket connection that logs each message: the interface which PyPI `ocpp` expects (`send`, `recv`)."""

    def __init__(self, socket: ClientConnection | ServerConnection, side: str, station: str, log: Log) -> None:
        self.socket = socket
        self._side = side
        self._station = station
        self._log = log
        end = socket.local_address if side == "station" else socket.remote_address
        self.connection = f"{end[0]}:{end[1]}"

    async def send(self, message: str | bytes) -> None:
        self._log.add(self._side, self._station, self.connection, "sent", message)
        await self.socket.send(message)

    async def recv(self) -> str | bytes:
        message = await self.socket.recv()
        self._log.add(self._side, self._station, self.connection, "received", message)
        return message


class Tcpdump:
    """tcpdump in the background from `start` to `stop`."""

    def __init__(self, path: Path, interface: str, expression: str = "tcp", snaplen: int = 0) -> None:
        self.path = path
        self._command = ["tcpdump", "-i", interface, "-n", "-U", "-w", str(path), "--time-stamp-precision=nano"]
        self._command += ["--immediate-mode", "-Z", "root", "-s", str(snaplen), expression]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        while line := self._process.stderr.readline():
            if b"listening on" in line:
                break
        time.sleep(0.15)

    def stop(self) -> None:
        assert self._process is not None
        time.sleep(0.25)
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=10)


def basic_auth(identity: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{identity}:{password}".encode()).decode()}


class Site:
    """One recording: clock, log, the CSMS and the stations that connect to it."""

    def __init__(self, clock: VirtualTime, log: Log) -> None:
        self.clock = clock
        self.log = log
        self.peers: dict[str, Any] = {}  # identity → the CSMS's end of the live connection
        self._arrived: dict[str, asyncio.Event] = {}
        self.known: set[str] | None = None  # None: every identity is known
        self.lax = False  # let everybody in
        self.interval = 300  # of BootNotification answers

    @contextlib.asynccontextmanager
    async def csms(
        self,
        make: Callable[[str, Logged, Site], Any],
        address: str = CSMS_ADDRESS,
        port: int = 80,
        subprotocols: tuple[str, ...] = ("ocpp1.6",),
        compression: str | None = None,
        extensions: Any = None,
        ssl: Any = None,
    ) -> AsyncIterator[Server]:
        """A CSMS on `websockets`; `make` builds the message handler of one connection (an `ocpp` ChargePoint)."""

        async def accept(socket: ServerConnection) -> None:
            assert socket.request is not None
            identity = socket.request.path.rsplit("/", 1)[-1]
            peer = make(identity, Logged(socket, "csms", identity, self.log), self)
            self.peers[identity] = peer
            self._arrived.setdefault(identity, asyncio.Event()).set()
            await until_closed(peer.start())

        def choose(_: ServerConnection, offered: Any) -> Any:
            return next((version for version in subprotocols if version in offered), None)

        async with serve(
            accept,
            address,
            port,
            subprotocols=list(subprotocols),  # type: ignore[arg-type]
            compression=compression,
            extensions=extensions,
            process_request=self._admit,
            select_subprotocol=choose if self.lax else None,
            ping_interval=None,
            ssl=ssl,
            server_header="example-csms/1.0",
        ) as server:
            yield server

    def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        identity = request.path.rsplit("/", 1)[-1]
        if self.lax:
            return None
        if self.known is not None and identity not in self.known:
            return socket.respond(HTTPStatus.NOT_FOUND, f"There is no station {identity}.\n")
        if request.headers.get("Authorization") != basic_auth(identity)["Authorization"]:
            refusal = socket.respond(HTTPStatus.UNAUTHORIZED, "Wrong user or password.\n")
            refusal.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
            return refusal
        return None

    @contextlib.asynccontextmanager
    async def station(
        self,
        make: Callable[[str, Logged, Site], Any],
        identity: str,
        address: str = "192.168.50.11",
        url: str = "ws://192.168.50.1:80/ocpp",
        subprotocols: tuple[str, ...] = ("ocpp1.6",),
        compression: str | None = None,
        extensions: Any = None,
        **more: Any,
    ) -> AsyncIterator[Any]:
        """A connected station with `.csms`, the other end of its connection."""
        self._arrived[identity] = asyncio.Event()
        async with connect(
            f"{url}/{identity}",
            subprotocols=list(subprotocols),  # type: ignore[arg-type]
            compression=compression,
            extensions=extensions,
            additional_headers=basic_auth(identity),
            user_agent_header="example-station/4.2",
            local_addr=None if "sock" in more else (address, 0),
            ping_interval=None,
            proxy=None,
            **more,
        ) as socket:
            logged = Logged(socket, "station", identity, self.log)
            station = make(identity, logged, self)
            reader = asyncio.create_task(until_closed(station.start()))
            await self._arrived[identity].wait()
            station.csms = self.peers[identity]
            yield station
            await asyncio.sleep(0.08)
        await reader


async def until_closed(reader: Awaitable[None]) -> None:
    with contextlib.suppress(ConnectionClosed):
        await reader
