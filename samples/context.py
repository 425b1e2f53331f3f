"""What a scenario is, and what it finds around itself while it is recorded."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from samples.relay import Faults, Relay, enter, new_namespace, tap
from samples.virtual_time import VirtualTime
from samples.wire import CSMS_ADDRESS, Log, Site, Tcpdump, prepare_loopback


@dataclass
class Expected:
    """A finding that must be made: the rule, and a part of the text of the first message that proves it."""

    rule: str
    where: str = ""  # empty: no single message proves it
    occurrence: int = 1  # the how-manieth message with that text
    sender: str = ""  # "station" or "csms" when the text alone does not tell


@dataclass
class Scenario:
    """One sample: how it is recorded, and what is true about it."""

    name: str
    title: str
    story: str
    run: Callable[[Context], Awaitable[None]]
    stack: str
    expected: list[Expected] = field(default_factory=list)
    ports: tuple[int, ...] = (80,)
    suffix: str = ".pcap"
    nanoseconds: bool = False
    complete: bool = True  # False: the capture lacks packets or the beginning, so it cannot equal the log
    note: str = ""
    transport: str = "websocket"
    secured: str = ""  # TLS: "keys" are inside of the capture, or it stays "closed"


@dataclass
class Context:
    """The recording's folder, clock and site."""

    folder: Path
    npm: Path | None
    site: Site
    raws: dict[str, Path] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    _dumps: list[Tcpdump] = field(default_factory=list)

    @property
    def key_log(self) -> Path:
        """Where a side of TLS writes its secrets."""
        return self.folder / "keys.log"

    @property
    def clock(self) -> VirtualTime:
        return self.site.clock

    @property
    def log(self) -> Log:
        return self.site.log

    def start_capture(self, interface: str = "lo", expression: str = "tcp", snaplen: int = 0) -> None:
        raw = self.folder / f"{interface}.raw"
        dump = Tcpdump(raw, interface, expression, snaplen)
        dump.start()
        self.raws[interface] = raw
        self._dumps.append(dump)
        cut = f" -s {snaplen}" if snaplen else ""
        command = f"tcpdump -i {interface} --time-stamp-precision=nano{cut} {expression}"
        self.provenance["captured"] = "; ".join(filter(None, [self.provenance.get("captured"), command]))

    def stop_captures(self) -> None:
        while self._dumps:
            self._dumps.pop().stop()

    @contextlib.contextmanager
    def capture(self, interface: str = "lo", expression: str = "tcp", snaplen: int = 0) -> Iterator[None]:
        prepare_loopback()
        self.start_capture(interface, expression, snaplen)
        try:
            yield
        finally:
            self.stop_captures()

    @contextlib.asynccontextmanager
    async def lan(self, mtu: int, faults: Faults, interface: str) -> AsyncIterator[Callable[[], socket.socket]]:
        """Two namespaces, a relay between them; gives a function that connects from the station's side."""
        here, there = new_namespace()
        a = tap("csms0", mtu, f"{CSMS_ADDRESS}/24")
        mirror = tap("mirror0", mtu)
        enter(there)
        b = tap("station0", mtu, "192.168.50.11/24")
        if interface == "station0":
            self.start_capture(interface)
        enter(here)
        if interface != "station0":
            self.start_capture(interface)
        relay = Relay(a, b, mirror, faults)
        relay.start()

        def connect() -> socket.socket:
            enter(there)
            end = socket.socket()
            enter(here)
            end.connect((CSMS_ADDRESS, 80))
            end.setblocking(False)
            return end

        try:
            yield connect
        finally:
            await asyncio.sleep(0.6)
            self.stop_captures()
            relay.stop()
            self.provenance["relay"] = f"TAP relay, MTU {mtu}: " + ", ".join(
                f"{count} {what}" for what, count in relay.counts.items()
            )
