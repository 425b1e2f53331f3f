"""A number of connections in; round trips a second and their latencies out. Its own process, on both ends.

python -m bench.round_trips serve PORT                    a CSMS: every CALL is answered at once
python -m bench.round_trips ask PORT CONNECTIONS SECONDS  stations: each sends its next CALL when the answer came
python -m bench.round_trips idle PORT CONNECTIONS SECONDS EVERY   stations that only send a heartbeat now and then

Frames are made by hand and hardly read, so that what lies between the two ends is measured rather than they.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import sys
import time
from typing import Any

import uvloop

METER = (
    b'[2,"%08d","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-11-26T13:00:00Z","sampledValue":'
    b'[{"value":"%d","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]}]'
)
BEAT = b'[2,"%08d","Heartbeat",{}]'
NOW = b'{"currentTime":"2026-11-26T13:00:00Z"}'


def frame(payload: bytes, *, is_masked: bool) -> bytes:
    """One text frame; a key of zeros is legal, and leaves the payload readable."""
    size = len(payload)
    bit = 0x80 if is_masked else 0
    head = bytes((0x81, bit | size)) if size < 126 else bytes((0x81, bit | 126)) + size.to_bytes(2, "big")
    return head + (b"\0\0\0\0" if is_masked else b"") + payload


class Csms(asyncio.Protocol):
    """Answers every CALL; one frame a segment, as stations that wait for answers send them."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.is_open = False
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            self.buffer += data
            _, end, data = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self.is_open = True
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
            )
            self.buffer = b""
            if not data:
                return
        data = self.buffer + data
        while True:
            length = frame_length(data)
            if length is None or length > len(data):
                self.buffer = data
                return
            self.answer(data[:length])
            data = data[length:]

    def answer(self, message: bytes) -> None:
        if message[0] != 0x81:
            return
        key, text = masking(message)
        if any(key):
            text = bytes(octet ^ key[index & 3] for index, octet in enumerate(text))
        at = text.index(b'"')
        payload = NOW if text[at + 12 : at + 21] == b"Heartbeat" else b"{}"
        self.transport.write(frame(b"[3," + text[at : at + 10] + b"," + payload + b"]", is_masked=False))


def masking(message: bytes) -> tuple[bytes, bytes]:
    start = 4 if message[1] & 0x7F == 126 else 2
    return message[start : start + 4], message[start + 4 :]


def frame_length(data: bytes) -> int | None:
    if len(data) < 4:
        return None
    length, head = data[1] & 0x7F, 2
    if length == 126:
        length, head = int.from_bytes(data[2:4], "big"), 4
    return head + length + (4 if data[1] & 0x80 else 0)


class Station(asyncio.Protocol):
    """Sends its next CALL when the answer came."""

    def __init__(self, number: int, run: Run) -> None:
        self.number = number
        self.run = run
        self.is_open = False
        self.sent_ns = 0
        self.count = 0
        self.buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(
            b"GET /CP%d HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n" % self.number
        )

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data
        if not self.is_open:
            if b"\r\n\r\n" not in data:
                self.buffer = data
                return
            self.is_open, self.buffer = True, b""
            self.run.opened()
            return
        length = frame_length(data)
        if length is None or length > len(data):
            self.buffer = data
            return
        self.buffer = data[length:]
        if data[0] == 0x89:  # a ping of what lies between
            self.transport.write(b"\x8a\x80\0\0\0\0")
            return
        self.run.answered(self, time.perf_counter_ns() - self.sent_ns)

    def connection_lost(self, error: Exception | None) -> None:
        self.run.lost += 1

    def ask(self) -> None:
        self.count += 1
        payload = METER % (self.count, 1000 + self.count) if self.run.is_busy else BEAT % self.count
        self.sent_ns = time.perf_counter_ns()
        self.transport.write(frame(payload, is_masked=True))


class Run:
    """One measurement."""

    def __init__(self, *, is_busy: bool) -> None:
        self.is_busy = is_busy
        self.is_measuring = False
        self.latencies: list[int] = []
        self.trips = 0
        self.open = 0
        self.lost = 0
        self.is_over = False

    def opened(self) -> None:
        self.open += 1

    def answered(self, station: Station, latency_ns: int) -> None:
        if self.is_measuring:
            self.trips += 1
            if len(self.latencies) < 2_000_000:
                self.latencies.append(latency_ns)
        if self.is_busy and not self.is_over:
            station.ask()

    def told(self, seconds: float) -> dict[str, float]:
        ordered = sorted(self.latencies) or [0]
        return {
            "trips": self.trips,
            "per_second": self.trips / seconds,
            "p50_us": statistics.median(ordered) / 1000,
            "p99_us": ordered[int(len(ordered) * 0.99)] / 1000,
            "open": self.open,
            "lost": self.lost,
        }


async def connected(port: int, count: int, run: Run) -> list[Station]:
    stations = []
    for number in range(count):
        _, station = await asyncio.get_running_loop().create_connection(
            lambda number=number: Station(number, run),
            "127.0.0.1",
            port,  # type: ignore[misc]
        )
        stations.append(station)
        while number - run.open > 200:
            await asyncio.sleep(0.01)
    began = time.monotonic()
    while run.open < count and time.monotonic() - began < 60:
        await asyncio.sleep(0.05)
    return stations


async def ask(port: int, count: int, seconds: float) -> None:
    run = Run(is_busy=True)
    stations = await connected(port, count, run)
    for station in stations:
        station.ask()
    await asyncio.sleep(1)  # caches, branch predictors, adaptive interpreters
    run.is_measuring = True
    began = time.monotonic()
    await asyncio.sleep(seconds)
    run.is_over = True
    run.is_measuring = False
    print(json.dumps(run.told(time.monotonic() - began)), flush=True)
    for station in stations:
        station.transport.close()
    await asyncio.sleep(0.2)


async def idle(port: int, count: int, seconds: float, every: float) -> None:
    run = Run(is_busy=False)
    stations = await connected(port, count, run)
    print(json.dumps({"open": run.open}), flush=True)
    run.is_measuring = True
    began = time.monotonic()
    sent = 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(count * passed / every)
        while sent < due:
            stations[sent % count].ask()
            sent += 1
        await asyncio.sleep(0.02)
    await asyncio.sleep(1)
    print(json.dumps({**run.told(seconds), "sent": sent}), flush=True)
    for station in stations:
        station.transport.close()
    await asyncio.sleep(1)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Csms, "127.0.0.1", port, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


def main(arguments: list[str]) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    what, port, *numbers = arguments
    if what == "serve":
        uvloop.run(serve(int(port)))
    elif what == "ask":
        uvloop.run(ask(int(port), int(numbers[0]), float(numbers[1])))
    else:
        uvloop.run(idle(int(port), int(numbers[0]), float(numbers[1]), float(numbers[2])))


if __name__ == "__main__":
    main(sys.argv[1:])
