"""PacketBatch in, OCPP items and findings out: one worker's rooms in a row, offline as well as live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ocpp_inspect.engine import Acceptance, Rule
from ocpp_inspect.engine.program import Program
from ocpp_inspect.model import Anomaly, Finding, Loss, OcppItem, PacketBatch, SegmentBatch, StreamBatch
from ocpp_inspect.network import Network
from ocpp_inspect.ocpp import station_from_path
from ocpp_inspect.pipeline.shard import Sharder
from ocpp_inspect.pipeline.stream import Decoded, StreamChain, losses_of_drops, only_items
from ocpp_inspect.tcp import Clock, Tcp
from ocpp_inspect.tls import Keys, Tls

__all__ = ["Chain", "Decoded"]

_NO_PACKETS = Clock(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


class Chain:
    """The rooms of worker `index` of `count`, connected."""

    def __init__(
        self,
        rules: Sequence[Rule] | Program,
        *,
        validate: bool = True,
        acceptances: Sequence[Acceptance] = (),
        index: int = 0,
        count: int = 1,
        keys: Keys | None = None,
    ) -> None:
        self.network = Network()
        self.tcp = Tcp()
        self.tls = Tls(keys)
        self.streams = StreamChain(
            rules, validate=validate, acceptances=acceptances, learns_addresses=False, reads_soap=index == 0
        )
        self.websockets = self.streams.websockets
        self.ocpp = self.streams.ocpp
        self.engine = self.streams.engine
        self._is_first = index == 0
        # With one worker too: which station an address has is then learned from the same packets.
        self._sharder = Sharder(
            index, count, station_from_path, self.ocpp.learn_address, self.ocpp.leave_address, self.tls.keys
        )
        self._last: SegmentBatch | None = None
        self._last_ns = 0

    def feed(self, batch: PacketBatch) -> Decoded:
        """Decode and judge one batch of packets."""
        streams, below, drops = self._streams(batch)
        return self.streams.feed_batch(streams, below, drops, hands_on_losses=self._is_first)

    def feed_bursts(self, batch: PacketBatch) -> Iterator[Decoded]:
        """The same in parts, which are not to be kept, with `flush` behind the last batch: see StreamChain."""
        streams, below, drops = self._streams(batch)
        return self.streams.feed_bursts(streams, below, drops, hands_on_losses=self._is_first)

    def flush(self) -> Iterator[Decoded]:
        """What `feed_bursts` holds back; `finish` would give it in one piece."""
        return self.streams.flush()

    def _streams(self, batch: PacketBatch) -> tuple[StreamBatch, list[Anomaly], list[Loss]]:
        """(what TCP makes of this worker's packets, facts about packets, losses that concern all)."""
        segments = self.network.feed(batch)
        if len(batch.ts_ns):
            self._last_ns = max(self._last_ns, int(batch.ts_ns.max()))
        self._last = segments
        # Facts about packets belong to no station: the first worker tells them for all, but each judges the losses.
        drops = losses_of_drops(batch.anomalies)
        below = batch.anomalies + segments.anomalies if self._is_first else []
        segments = self._sharder.select(segments)
        streams = self.tls.feed(self.tcp.feed(segments, Clock(batch.ts_ns, batch.position)))
        return streams, below, drops

    def tick(self, now_ns: int) -> Decoded:
        """Let time pass without packets (live capture, proxy)."""
        self._last_ns = max(self._last_ns, now_ns)
        streams = self.tls.feed(only_items(self.tcp.tick(now_ns)))
        streams.items += self.tls.tick(now_ns)
        late = self.streams.feed_batch(streams)
        passed = self.streams.tick(now_ns)
        return Decoded(late.items + passed.items, late.findings + passed.findings)

    def finish(self) -> Decoded:
        """Close what is open at the end of the input."""
        end_ns = self._last_ns
        below = self.network.finish(end_ns) if self._is_first else []
        items: list[OcppItem] = []
        findings: list[Finding] = []
        waiting = self._sharder.finish(self._last)
        if waiting is not None:
            part = self.streams.feed_batch(self.tls.feed(self.tcp.feed(waiting, _NO_PACKETS)))
            items += part.items
            findings += part.findings
        for part in (
            self.streams.feed_batch(self.tls.feed(self.tcp.finish(end_ns)), below),
            self.streams.finish(end_ns),
        ):
            items += part.items
            findings += part.findings
        return Decoded(items, findings)

    def counters(self) -> dict[str, dict[str, int]]:
        """What each room counted: room → name → number."""
        shared = {"network": dict(self.network.counters)} if self._is_first else {}
        return shared | {"tcp": dict(self.tcp.counters), "tls": dict(self.tls.counters)} | self.streams.counters()
