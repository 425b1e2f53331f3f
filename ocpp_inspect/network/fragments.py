"""IP fragments in, whole packets out (RFC 791 §3.2, RFC 8200 §4.5), within bounds of number, octets and time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from ocpp_inspect.limits import (
    FRAGMENT_OCTETS,
    FRAGMENT_PACKETS,
    FRAGMENT_TIMEOUT_NS,
    FRAGMENTS_PER_PACKET,
)

Report = Callable[[str, str], None]


@dataclass(slots=True)
class _Waiting:
    """The pieces of one packet, by their offset."""

    first_ns: int
    pieces: dict[int, tuple[bytes, int]] = field(default_factory=dict)  # offset → (octets present, octets promised)
    total: int = -1  # known once the last piece came
    octets: int = 0


class Fragments:
    """Reassembles. What cannot be completed is reported when it is given up."""

    def __init__(
        self,
        *,
        packets: int = FRAGMENT_PACKETS,
        octets: int = FRAGMENT_OCTETS,
        pieces: int = FRAGMENTS_PER_PACKET,
        timeout_ns: int = FRAGMENT_TIMEOUT_NS,
    ) -> None:
        self._max_packets, self._max_octets, self._max_pieces = max(1, packets), octets, pieces
        self._timeout_ns = timeout_ns
        self._waiting: OrderedDict[Hashable, _Waiting] = OrderedDict()
        self._octets = 0

    def add(
        self, key: Hashable, offset: int, data: bytes, promised: int, more: bool, ts_ns: int, report: Report
    ) -> tuple[bytes, int] | None:
        """Keep one piece; (octets present without a hole, octets promised) once the packet is whole."""
        self._expire(ts_ns, report)
        end = offset + promised
        if end > 65_535 or (more and promised % 8) or not promised:
            report("network.bad_fragment", f"octets {offset} to {end} of a fragmented packet")
            return None
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting(ts_ns)
        if not more:
            if waiting.total >= 0 and waiting.total != end:
                report("network.bad_fragment", f"two last fragments: the packet has {waiting.total} or {end} octets")
                return None
            waiting.total = end
        known = waiting.pieces.get(offset)
        if known is not None and known[1] >= promised:
            if known[0][: len(data)] != data[: len(known[0])]:
                report("network.fragment_overlap", f"octets {offset} to {end} came twice and differ")
            return None  # a copy
        if len(waiting.pieces) >= self._max_pieces:
            self._give_up(
                key, report, "network.fragment_limit", f"more than {self._max_pieces} fragments of one packet"
            )
            return None
        before = 0 if known is None else len(known[0])
        waiting.pieces[offset] = (data, promised)
        waiting.octets += len(data) - before
        self._octets += len(data) - before
        whole = self._assemble(waiting, report)
        if whole is not None:
            self._octets -= waiting.octets
            del self._waiting[key]
            return whole
        while self._waiting and (len(self._waiting) > self._max_packets or self._octets > self._max_octets):
            self._give_up(
                next(iter(self._waiting)), report, "network.fragment_limit", "a fragmented packet is given up"
            )
        return None

    def finish(self, report: Report) -> None:
        """Give up everything."""
        while self._waiting:
            self._give_up(
                next(iter(self._waiting)), report, "network.fragments_incomplete", "at the end of the capture"
            )

    def _expire(self, ts_ns: int, report: Report) -> None:
        while self._waiting:
            key, oldest = next(iter(self._waiting.items()))
            if ts_ns - oldest.first_ns <= self._timeout_ns:
                return
            self._give_up(key, report, "network.fragments_incomplete", "in time")

    def _give_up(self, key: Hashable, report: Report, name: str, when: str) -> None:
        waiting = self._waiting.pop(key)
        self._octets -= waiting.octets
        if name == "network.fragments_incomplete":
            total = str(waiting.total) if waiting.total >= 0 else "an unknown number of"
            when = f"{len(waiting.pieces)} fragments of a packet of {total} octets were not completed {when}"
        report(name, when)

    @staticmethod
    def _assemble(waiting: _Waiting, report: Report) -> tuple[bytes, int] | None:
        """Join the pieces when they cover the packet; the first of two that overlap counts."""
        if waiting.total < 0:
            return None
        covered = 0
        for offset, (_, promised) in sorted(waiting.pieces.items()):
            if offset > covered:
                return None
            covered = max(covered, offset + promised)
        if covered < waiting.total:
            return None
        out = bytearray()
        cut = False
        for offset, (data, promised) in sorted(waiting.pieces.items()):
            overlap = len(out) - offset
            if overlap > 0 and out[offset : offset + len(data)] != data[:overlap]:
                report("network.fragment_overlap", f"octets {offset} to {offset + promised} overlap and differ")
            if not cut and overlap < promised:
                out += data[overlap:]
                cut = len(data) < promised
        return bytes(out[: waiting.total]), waiting.total
