"""What the rooms below one connection speak of: its bounds, one segment, what waits and what is ready. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from ocpp_inspect import limits

FIN: Final = 1
SYN: Final = 2
RST: Final = 4
ACK: Final = 16
URG: Final = 32
SEQUENCE_MASK: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of this room; see limits.py for their reasons."""

    connections: int = limits.CONNECTIONS
    held_bytes: int = limits.HELD_BYTES
    total_held_bytes: int = limits.TOTAL_HELD_BYTES
    window_bytes: int = limits.WINDOW_BYTES
    hole_ns: int = limits.HOLE_NS
    hole_packets: int = limits.HOLE_PACKETS
    acknowledged_ns: int = limits.ACKNOWLEDGED_NS
    unheard_ns: int = limits.UNHEARD_NS
    remembered_positions: int = limits.REMEMBERED_POSITIONS
    clock_positions: int = limits.CLOCK_POSITIONS
    stale_hole_ns: int = limits.STALE_HOLE_NS
    idle_ns: int = limits.IDLE_NS
    closing_idle_ns: int = limits.CLOSING_IDLE_NS
    half_closed_idle_ns: int = limits.HALF_CLOSED_IDLE_NS


class Segment(NamedTuple):
    """One segment of the per-item lane. `now_ns` is the capture's clock: the newest time up to here."""

    packet: int
    position: int
    ts_ns: int
    direction: int
    seq: int
    ack: int
    flags: int
    window: int
    data: bytes
    missing: int
    now_ns: int


class Postponed(NamedTuple):
    """A segment that answers to octets not captured so far, and the packets of the connection when it came."""

    segment: Segment
    packets: int


class Ready(NamedTuple):
    """A run that can be handed on: its stream offset, octets or the length of a hole, packet, time and position."""

    offset: int
    run: bytes | int
    packet: int
    ts_ns: int
    position: int


def end_of(stray: tuple[int, bytes]) -> int:
    """The sequence number behind a segment."""
    return (stray[0] + len(stray[1])) & SEQUENCE_MASK
