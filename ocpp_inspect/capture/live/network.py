"""Interfaces in, PacketBatch out: rings drained together, their packets in order of time, drops as anomalies.

Two taps may hold the two directions of one dialogue, so with several interfaces a packet waits until every other
interface has shown all that came before it: 100 ms at most.
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from ocpp_inspect.capture.links import link_name
from ocpp_inspect.capture.live.ring import RETIRE_NS, Blocks, Ring
from ocpp_inspect.capture.run import INTERFACES_PER_CAPTURE
from ocpp_inspect.limits import LIVE_BATCH_OCTETS, LIVE_BATCH_PACKETS
from ocpp_inspect.model import Anomaly, CaptureInfo, Int64, PacketBatch, UInt8, packet_key

_LATE_NS: Final = 2 * RETIRE_NS  # the kernel's timer for a block is not exact
_LOOK_NS: Final = 10**9
_STEP_NS: Final = 2 * 10**9  # a clock that is disciplined is never set by more


class NetworkSource:
    """Implements `LiveSource` for open rings."""

    def __init__(self, rings: Sequence[Ring]) -> None:
        self.info = CaptureInfo(0, "live:" + ",".join(ring.name for ring in rings), "live")
        self.info.link_types = sorted({link_name(ring.link) for ring in rings})
        self.names: dict[int, str] = {}
        self.dropped: dict[int, int] = {}
        self.has_ended = False
        self.has_program = False
        self._rings = list(rings)
        self._waiting: list[list[Blocks]] = [[] for _ in rings]
        self._capture = 0
        self._frames = 0
        self._position = 0
        self._complete_ns = 0
        self._ahead_ns = 0  # of this machine's clock before its time since start
        self._looked_ns = 0
        self._is_stopping = False
        self._news: list[str] = []
        self._told_drops = 0
        self._poll = select.poll()
        for ring in self._rings:
            self._poll.register(ring, select.POLLIN | select.POLLERR)

    def begin(self, capture: int) -> None:
        """See `LiveSource`."""
        self._capture = self.info.capture = capture
        self.names = {self._key(number): ring.name for number, ring in enumerate(self._rings)}

    def poll(self, timeout_s: float) -> list[PacketBatch]:
        """See `LiveSource`."""
        if not self._is_stopping:
            ready = self._poll.poll(timeout_s * 1000)
            if any(event & select.POLLERR for _, event in ready):
                self._looked_ns = 0
                time.sleep(0.01)  # an interface that stays broken must not keep us busy
        set_by_ns = self._clock_set_by()
        horizon_ns = self._drain()
        now_ns = time.time_ns()
        batches = self._merged(horizon_ns)
        if set_by_ns:
            batches.insert(0, self._told(_clock_set(set_by_ns), self.info.last_ns if self._frames else now_ns))
        if not 0 <= now_ns - self._looked_ns < _LOOK_NS or self._is_stopping:
            self._looked_ns = now_ns
            self._look(batches, now_ns)
        if self._is_stopping and not batches:
            self.has_ended = True
        return batches

    def now_ns(self) -> int:
        """See `LiveSource`."""
        return self._complete_ns

    def _clock_set_by(self) -> int:
        """By how much somebody set this machine's clock since the last poll; 0 when it just runs."""
        before_ns, self._ahead_ns = self._ahead_ns, time.time_ns() - time.monotonic_ns()
        step_ns = self._ahead_ns - before_ns if before_ns else 0
        if abs(step_ns) < _STEP_NS:
            return 0
        self._complete_ns = 0  # time may begin anew, earlier than it was
        self._looked_ns = 0
        self._news.append(f"the clock of this machine was set by {step_ns / 10**9:+.1f} s")
        return step_ns

    def _told(self, anomaly: tuple[str, str], ts_ns: int) -> PacketBatch:
        """A batch of nothing but an anomaly, behind the packets that came."""
        name, text = anomaly
        last = packet_key(self._capture, self._frames)
        none = np.zeros(0, np.int64)
        told = [Anomaly(name, ts_ns, last, max(self._position - 1, 0), detail=text)]
        return PacketBatch(np.zeros(0, np.uint8), none, none, none, none, none, none, none, none, told)

    def take_news(self) -> list[str]:
        """See `LiveSource`."""
        news, self._news = self._news, []
        return news

    def stop(self) -> None:
        """See `LiveSource`. What came until now is in the rings after their timeout."""
        time.sleep(2 * RETIRE_NS / 1e9)
        self._is_stopping = True

    def close(self) -> None:
        """See `LiveSource`."""
        for ring in self._rings:
            ring.close()

    # ------------------------------------------------------------------------------------------------- packets

    def _drain(self) -> int:
        """Take what the rings have; the time before which all is here."""
        horizon_ns = 2**63 - 1
        for ring, waiting in zip(self._rings, self._waiting, strict=True):
            asked_ns = time.time_ns()
            blocks = ring.take(LIVE_BATCH_OCTETS)
            if blocks is not None and len(blocks.ts_ns):
                waiting.append(blocks)
            if blocks is None or self._is_stopping:
                horizon_ns = min(horizon_ns, asked_ns - _LATE_NS)
            elif len(blocks.ts_ns):
                # More may be ready: take it as the next poll's.
                horizon_ns = min(horizon_ns, int(blocks.ts_ns[-1]))
        self._complete_ns = max(self._complete_ns, horizon_ns)
        return 2**63 - 1 if len(self._rings) == 1 or self._is_stopping else horizon_ns

    def _merged(self, horizon_ns: int) -> list[PacketBatch]:
        """What waits and came before the horizon, in order of time."""
        parts: list[tuple[int, Blocks, Int64]] = []
        for number, waiting in enumerate(self._waiting):
            kept: list[Blocks] = []
            for blocks in waiting:
                due = np.flatnonzero(blocks.ts_ns <= horizon_ns)
                if len(due):
                    parts.append((number, blocks, due))
                if len(due) < len(blocks.ts_ns):
                    rest = blocks.ts_ns > horizon_ns
                    columns = (blocks.ts_ns, blocks.offset, blocks.captured, blocks.original)
                    kept.append(Blocks(blocks.octets, *(column[rest] for column in columns)))
            waiting[:] = kept
        if not parts:
            return []
        octets: UInt8 = parts[0][1].octets if len(parts) == 1 else np.concatenate([part.octets for _, part, _ in parts])
        bases = np.cumsum([0, *(len(part.octets) for _, part, _ in parts)])
        ts_ns = np.concatenate([part.ts_ns[due] for _, part, due in parts])
        order = np.argsort(ts_ns, kind="stable") if len(parts) > 1 else np.arange(len(ts_ns))

        def joined(columns: list[Int64]) -> Int64:
            column: Int64 = np.concatenate(columns)
            return column[order]

        counts = [len(due) for _, _, due in parts]
        octets.flags.writeable = False
        return self._batches(
            octets,
            ts_ns[order],
            joined([part.offset[due] + base for (_, part, due), base in zip(parts, bases.tolist(), strict=False)]),
            joined([part.captured[due] for _, part, due in parts]),
            joined([part.original[due] for _, part, due in parts]),
            np.repeat([number for number, _, _ in parts], counts)[order],
        )

    def _batches(
        self, octets: UInt8, ts_ns: Int64, offset: Int64, captured: Int64, original: Int64, ring: Int64
    ) -> list[PacketBatch]:
        count = len(ts_ns)
        links = np.array([each.link for each in self._rings], np.int64)
        first = packet_key(self._capture, self._frames + 1)
        packet = np.arange(first, first + count, dtype=np.int64)
        position = np.arange(self._position, self._position + count, dtype=np.int64)
        self._frames += count
        self._position += count
        info = self.info
        low, high = int(ts_ns.min()), int(ts_ns.max())
        info.first_ns = min(info.first_ns, low) if info.packets else low
        info.last_ns = max(info.last_ns, high)
        info.packets += count
        info.bytes += int(captured.sum())
        interface = ring + self._capture * INTERFACES_PER_CAPTURE
        link = links[ring]
        batches = []
        for at in range(0, count, LIVE_BATCH_PACKETS):
            part = slice(at, at + LIVE_BATCH_PACKETS)
            batches.append(
                PacketBatch(
                    octets, packet[part], position[part], ts_ns[part], offset[part], captured[part], original[part],
                    link[part], interface[part],
                )
            )  # fmt: skip
        return batches

    def _key(self, number: int) -> int:
        return self._capture * INTERFACES_PER_CAPTURE + number

    # ------------------------------------------------------------------------------------- interfaces and drops

    def _look(self, batches: list[PacketBatch], now_ns: int) -> None:
        """Ask for drops and states; new drops become an anomaly behind the packets that came."""
        for number, ring in enumerate(self._rings):
            self.dropped[self._key(number)] = ring.count().dropped
            if ring.look():
                self._news.append(
                    f"{ring.name} is up again" if ring.is_up else f"{ring.name} went down; waiting for it"
                )
        total = sum(self.dropped.values())
        self.info.dropped_packets = total
        more, self._told_drops = total - self._told_drops, total
        if not more:
            return
        names = ", ".join(f"{ring.name}: {ring.counts.dropped}" for ring in self._rings if ring.counts.dropped)
        text = f"{more} packets were lost since the last look (in all {names})"
        batches.append(self._told(("capture.dropped_packets", text), now_ns))


def _clock_set(step_ns: int) -> tuple[str, str]:
    return "capture.clock_set", f"by {step_ns / 10**9:+.1f} s: spans of time across this moment are wrong"
