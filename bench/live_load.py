"""A port, a rate and seconds in; real WebSocket connections over loopback that carry conforming dialogues, out.

Both ends of every connection live in this one process, because it has to be quicker than what it loads: each message
is one `send`. What was sent is printed at the end: stations, messages, octets, seconds.

    python -m bench.live_load 9000 --rate 20000 --seconds 60 --stations 50
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from itertools import count

from bench.dialogue import STATION, Exchange, Talker, dialogue_16

_KEY = base64.b64encode(b"sixteen octets!!").decode()
_ACCEPT = base64.b64encode(hashlib.sha1(f"{_KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()  # noqa: S324
_MASK = bytes(4)  # RFC 6455 §5.3 wants it random; zeros spare us the masking and cost the reader the same
_SLICES_PER_SECOND = 100
_DRAIN_EVERY = 32


class Station:
    """One connection with both its ends, after the upgrade."""

    def __init__(self, number: int, listening: socket.socket, transactions: Iterator[int]) -> None:
        self.client = socket.create_connection(listening.getsockname())
        self.server, _ = listening.accept()
        for end in (self.client, self.server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.sendall(
            f"GET /ocpp/LOAD-{number:04d} HTTP/1.1\r\nHost: csms\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )
        self.server.recv(4096)
        self.server.sendall(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {_ACCEPT}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )
        self.client.recv(4096)
        self._exchanges: Iterator[Exchange] = dialogue_16(Talker(number, time.time_ns(), transactions.__next__))
        self._sent = 0

    def exchange(self) -> int:
        """One CALL with its answer; the octets of both texts."""
        _, caller, call, answer, _ = next(self._exchanges)
        station, csms = (call, answer) if caller == STATION else (answer, call)
        if caller == STATION:
            self.client.send(masked(station))
            self.server.send(plain(csms))
        else:
            self.server.send(plain(csms))
            self.client.send(masked(station))
        self._sent += 1
        if self._sent % _DRAIN_EVERY == 0:
            self.server.recv(1 << 20)
            self.client.recv(1 << 20)
        return len(call) + len(answer)


def masked(text: bytes) -> bytes:
    """A text frame of a client."""
    length = len(text)
    head = struct.pack("!BB", 0x81, 0x80 | length) if length < 126 else struct.pack("!BBH", 0x81, 0xFE, length)
    return head + _MASK + text


def plain(text: bytes) -> bytes:
    """A text frame of a server."""
    length = len(text)
    head = struct.pack("!BB", 0x81, length) if length < 126 else struct.pack("!BBH", 0x81, 126, length)
    return head + text


def main(arguments: list[str] | None = None) -> int:
    """Load, then say what was sent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("--rate", type=int, default=20_000, help="messages a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--stations", type=int, default=50)
    options = parser.parse_args(arguments)
    with socket.create_server(("127.0.0.1", options.port)) as listening:
        transactions = count(1)
        stations = [Station(number, listening, transactions) for number in range(options.stations)]
    per_slice = options.rate / 2 / _SLICES_PER_SECOND
    begun = time.monotonic()
    exchanges = octets = turn = 0
    slices = int(options.seconds * _SLICES_PER_SECOND)
    for number in range(1, slices + 1):
        while exchanges < int(number * per_slice):
            octets += stations[turn].exchange()
            turn = (turn + 1) % len(stations)
            exchanges += 1
        ahead = begun + number / _SLICES_PER_SECOND - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
    took = time.monotonic() - begun
    for station in stations:
        station.client.close()
        station.server.close()
    figures = {"stations": len(stations), "messages": 2 * exchanges, "octets": octets, "seconds": round(took, 2)}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
