"""PacketBatch in, OCPP items and findings out: one worker's rooms in a row, offline as well as live."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from msgspec import structs

from ocpp_inspect.engine import Engine, Rule
from ocpp_inspect.engine.program import Program
from ocpp_inspect.limits import NAMED_CONNECTIONS
from ocpp_inspect.model import (
    Anomaly,
    Finding,
    OcppItem,
    PacketBatch,
    SegmentBatch,
    StreamBatch,
    StreamItem,
    StreamOpened,
)
from ocpp_inspect.network import Network
from ocpp_inspect.ocpp import Ocpp, station_from_path
from ocpp_inspect.pipeline.shard import Sharder
from ocpp_inspect.tcp import Clock, Tcp
from ocpp_inspect.websocket import WebSockets

_BY_POSITION = attrgetter("position")
_NO_PACKETS = Clock(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


class Decoded(NamedTuple):
    """What one batch gave, in position order."""

    items: list[OcppItem]
    findings: list[Finding]


class Chain:
    """The rooms of worker `index` of `count`, connected."""

    def __init__(
        self, rules: Sequence[Rule] | Program, *, validate: bool = True, index: int = 0, count: int = 1
    ) -> None:
        self._endpoints: dict[int, tuple[str, int, str, int]] = {}  # of the latest connections
        self.network = Network()
        self.tcp = Tcp()
        self.websockets = WebSockets()
        self.ocpp = Ocpp(validate=validate, endpoints=self._endpoints_of, learns_addresses=False)
        self.engine = Engine(rules)
        self._is_first = index == 0
        # With one worker too: which station an address has is then learned from the same packets.
        self._sharder = Sharder(index, count, station_from_path, self.ocpp.learn_address)
        self._last: SegmentBatch | None = None
        self._last_ns = 0

    def feed(self, batch: PacketBatch) -> Decoded:
        """Decode and judge one batch of packets."""
        segments = self.network.feed(batch)
        if len(batch.ts_ns):
            self._last_ns = max(self._last_ns, int(batch.ts_ns.max()))
        self._last = segments
        # Facts about packets belong to no station: the first worker tells them for all.
        below = batch.anomalies + segments.anomalies if self._is_first else []
        segments = self._sharder.select(segments)
        return self._decode(self.tcp.feed(segments, Clock(batch.ts_ns, batch.position)), below)

    def tick(self, now_ns: int) -> Decoded:
        """Let time pass without packets (live capture, proxy)."""
        self._last_ns = max(self._last_ns, now_ns)
        decoded = self._decode(_only_items(self.tcp.tick(now_ns)), [])
        items = self.ocpp.feed(self.websockets.tick(now_ns))
        findings = decoded.findings + self.engine.feed(items) + self.engine.tick(now_ns)
        return Decoded([*decoded.items, *items, *self.engine.take_anomalies()], findings)

    def finish(self) -> Decoded:
        """Close what is open at the end of the input."""
        end_ns = self._last_ns
        below = self.network.finish(end_ns) if self._is_first else []
        items: list[OcppItem] = []
        findings: list[Finding] = []
        waiting = self._sharder.finish(self._last)
        if waiting is not None:
            part = self._decode(self.tcp.feed(waiting, _NO_PACKETS), [])
            items += part.items
            findings += part.findings
        part = self._decode(self.tcp.finish(end_ns), below)
        items += part.items
        findings += part.findings
        rest = self.ocpp.feed(self.websockets.finish(end_ns))
        rest += self.ocpp.finish(end_ns)
        findings += self.engine.feed(rest)
        findings += self.engine.finish(end_ns)
        return Decoded([*items, *rest, *self.engine.take_anomalies()], findings)

    def counters(self) -> dict[str, dict[str, int]]:
        """What each room counted: room → name → number."""
        shared = {"network": dict(self.network.counters)} if self._is_first else {}
        return shared | {
            "tcp": dict(self.tcp.counters),
            "websocket": dict(self.websockets.counters),
            "ocpp": structs.asdict(self.ocpp.counters),
        }

    def _endpoints_of(self, connection: int, position: int) -> tuple[str, int, str, int] | None:
        """(client, port, server, port); without a handshake the websocket room knows the client by its masking."""
        return self.websockets.endpoints(connection, position) or self._endpoints.get(connection)

    def _decode(self, streams: StreamBatch, below: list[Anomaly]) -> Decoded:
        for item in streams.items:
            if type(item) is StreamOpened:
                flow = item.flow
                backwards = item.client_direction == 1
                self._endpoints[item.connection] = (
                    (flow.b, flow.b_port, flow.a, flow.a_port)
                    if backwards
                    else (flow.a, flow.a_port, flow.b, flow.b_port)
                )
                if len(self._endpoints) > NAMED_CONNECTIONS:
                    del self._endpoints[next(iter(self._endpoints))]
        items: list[OcppItem] = self.ocpp.feed(self.websockets.feed(streams))
        if below:
            items = sorted([*below, *items], key=_BY_POSITION)
        findings = self.engine.feed(items)
        return Decoded([*items, *self.engine.take_anomalies()], findings)


def _only_items(items: list[StreamItem]) -> StreamBatch:
    """A batch without columns."""
    none = np.zeros(0, dtype=np.int64)
    octets = np.zeros(0, dtype=np.uint8)
    return StreamBatch(octets, none, none, none, none, none, none, none, none, items)
