"""Segments of one direction in, contiguous runs and holes out.

Inside, an octet is named by its stream offset, an unbounded integer: 0 is the octet behind the SYN, or the first one
seen. Sequence numbers (RFC 9293 §3.4, modulo 2**32) are translated at the door, relative to the next expected one, so
wrapping needs no care anywhere else.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final, TypeAlias

_MODULUS_MASK: Final = 0xFFFFFFFF
_HALF: Final = 1 << 31

CHUNK_OVERHEAD_BYTES: Final = 160
"""What a held run costs beside its octets (tuple, bytes header, list slot): a flood of one-octet runs stays bounded."""

Arrival: TypeAlias = tuple[int, int, int]
"""When octets came: the capture's clock in ns, the packets of the connection so far, the packet's key."""

Chunk: TypeAlias = tuple[int, int, bytes | None, Arrival]
"""Start and end offset, octets (None: the capture cut them off), and when they came."""

Run: TypeAlias = tuple[int, bytes | int, int, int]
"""Stream offset, octets or the length of a hole, the packet that shows it and its time: see `drain` and `give_up`."""


def sequence_distance(later: int, earlier: int) -> int:
    """How far `later` is ahead of `earlier`, from -2**31 to 2**31 - 1 (RFC 1982 arithmetic)."""
    return ((later - earlier + _HALF) & _MODULUS_MASK) - _HALF


class Direction:
    """What one side has sent, as far as the capture shows."""

    __slots__ = (
        "ack_ns", "ack_packet", "acked", "answered", "doubted", "fin", "heard_ns", "held", "held_bytes", "initial_seq",
        "is_known", "is_seen", "is_stalled", "next", "next_seq", "stray",
    )  # fmt: skip

    def __init__(self) -> None:
        self.is_known = False  # next_seq means something
        self.is_seen = False  # a segment of this side was captured
        self.is_stalled = False  # this side's last window was zero
        self.initial_seq = -1  # of its SYN; -1: not seen
        self.heard_ns = 0  # when a segment last showed that all before it was captured
        self.next_seq = 0
        self.next = 0  # stream offset of next_seq
        self.doubted = 0  # stream offset up to which the lack of acknowledged octets was told
        self.acked = 0  # stream offset up to which the peer acknowledged
        self.answered = 0  # stream offset up to which octets of the peer that were handed on answer to what came
        self.ack_ns = 0  # since when the peer has acknowledged what we lack
        self.ack_packet = 0  # that acknowledged furthest
        self.fin = -1  # stream offset of the FIN; -1: none seen
        self.held: list[Chunk] = []  # sorted, disjoint, all beyond `next`
        self.held_bytes = 0
        self.stray: tuple[int, bytes] | None = None  # (sequence number, octets) far outside the window

    def begin(self, seq: int) -> None:
        """`seq` is the first octet of the stream as we know it."""
        self.is_known = True
        self.next_seq = seq & _MODULUS_MASK

    def offset_of(self, seq: int) -> int:
        """The stream offset of a sequence number, at most 2**31 octets from the expected one."""
        return self.next + ((seq - self.next_seq + _HALF) & _MODULUS_MASK) - _HALF

    @property
    def is_started(self) -> bool:
        """Offset 0 is settled: a SYN or an octet was seen."""
        return self.initial_seq >= 0 or self.next > 0 or bool(self.held)

    @property
    def is_started_by_data(self) -> bool:
        """Octets were handed on, given up or held."""
        return self.next > 0 or bool(self.held)

    @property
    def is_complete(self) -> bool:
        """Everything up to the FIN was delivered or given up."""
        return 0 <= self.fin <= self.next

    @property
    def lacks(self) -> bool:
        """Something is known to be missing."""
        return bool(self.held) or self.acked > self.next

    def is_whole_before(self, seq: int, length: int) -> bool:
        """Whether a segment shows that nothing before it is missing; a keep-alive does, one octet back."""
        behind = (self.next_seq - seq) & _MODULUS_MASK
        return behind == 0 or (behind == 1 and length == 0)

    def advance(self, length: int) -> None:
        """`length` octets were delivered or given up."""
        self.next += length
        self.next_seq = (self.next_seq + length) & _MODULUS_MASK

    def insert(self, start: int, data: bytes, missing: int, arrival: Arrival) -> bool:
        """Hold new octets, and `missing` ones that the capture cut off; False when they contradict held ones."""
        end = start + len(data)
        agrees = self._insert(start, end, data, arrival) if data else True
        if missing:
            self._insert(end, end + missing, None, arrival)
        return agrees

    def _insert(self, start: int, end: int, data: bytes | None, arrival: Arrival) -> bool:
        origin = start
        start = max(start, self.next)
        if start >= end:
            return True
        held = self.held
        first = bisect_right(held, (start, _MODULUS_MASK << 64)) - 1 if held else -1
        if first < 0 or held[first][1] <= start:
            first += 1
        last = bisect_left(held, (end,), first)
        agrees = True
        merged: list[Chunk] = []
        for chunk in held[first:last]:
            low, high, known, known_arrival = chunk
            if start < low:
                merged.append((start, low, data and data[start - origin : low - origin], arrival))
            if known is None and data is not None:
                # Octets that one copy of the segment lacks, another copy may have.
                inner, outer = max(start, low), min(end, high)
                if low < inner:
                    merged.append((low, inner, None, known_arrival))
                merged.append((inner, outer, data[inner - origin : outer - origin], arrival))
                if outer < high:
                    merged.append((outer, high, None, known_arrival))
            else:
                merged.append(chunk)
                if known is not None and data is not None:
                    inner, outer = max(start, low), min(end, high)
                    agrees &= known[inner - low : outer - low] == data[inner - origin : outer - origin]
            start = max(start, high)
        if start < end:
            merged.append((start, end, data and data[start - origin :], arrival))
        before = sum(_cost(chunk) for chunk in held[first:last])
        held[first:last] = merged
        self.held_bytes += sum(map(_cost, merged)) - before
        return agrees

    def drain(self) -> list[Run]:
        """Take the held runs that now follow on; of each, the packet with which everything up to it had come.

        That packet brought the run, or an earlier run if those came in another order: so a packet's runs stay together.
        """
        runs: list[Run] = []
        taken = latest = latest_ns = 0
        for start, end, data, arrival in self.held:
            if start > self.next:
                break
            latest, latest_ns = max(latest, arrival[2]), max(latest_ns, arrival[0])
            runs.append((start, end - start if data is None else data, latest, latest_ns))
            self.advance(end - start)
            taken += 1
        if taken:
            self.held_bytes -= sum(map(_cost, self.held[:taken]))
            del self.held[:taken]
        return runs

    def give_up(self, behind: tuple[int, int] | None = None) -> list[Run]:
        """Count the first hole as lost, and take what follows on.

        The hole is shown by the packet behind it, or by the acknowledgment of what was never captured. It ends at
        the octet of `behind` at the latest, (stream offset, packet): the caller has it.
        """
        end = self.held[0][0] if self.held else self.acked
        shown_by = self.held[0][3][2] if self.held else self.ack_packet
        if behind is not None and behind[0] < end:
            end, shown_by = behind
        length = end - self.next
        if length <= 0:
            return []
        runs: list[Run] = [(self.next, length, shown_by, 0)]
        self.advance(length)
        return runs + self.drain()

    def give_up_all(self) -> list[Run]:
        """Nothing more will come: take everything, with the holes."""
        runs: list[Run] = []
        while self.held:
            runs += self.give_up()
        end = max(self.acked, self.fin)
        # A single acknowledged octet behind the end is the FIN that was not captured, not data (RFC 9293 §3.4).
        if end > self.next and (self.fin >= 0 or end - self.next > 1):
            runs.append((self.next, end - self.next, self.ack_packet if self.acked >= end else 0, 0))
            self.advance(end - self.next)
        return runs


def _cost(chunk: Chunk) -> int:
    data = chunk[2]
    return CHUNK_OVERHEAD_BYTES + (len(data) if data is not None else 0)
