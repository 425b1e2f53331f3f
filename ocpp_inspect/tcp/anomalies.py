"""The names of what this room reports, each with one line that says what it is."""

from __future__ import annotations

from typing import Final

ANOMALIES: Final[dict[str, str]] = {
    "tcp.ack_out_of_window": "An acknowledgment number is further ahead than any window allows; it was ignored.",
    "tcp.bad_flags": "A segment carries flags that exclude each other (SYN with FIN or RST); it was ignored.",
    "tcp.connection_limit": "Too many connections at once: the longest silent ones were forgotten.",
    "tcp.data_after_close": "Octets arrived on a connection that both sides had closed, "
    "or from the side that reset it.",
    "tcp.data_after_fin": "A side sent octets behind its own FIN; they were ignored.",
    "tcp.hold_limit": "Octets that wait for a missing part reached the bound of one direction: the part was given up.",
    "tcp.out_of_window": "A segment lies further from the expected octet than any window allows; it was ignored.",
    "tcp.overlap_differs": "A retransmission carries other octets than before; the first ones seen were kept.",
    "tcp.rst_out_of_window": "A RST lies outside the window; it was ignored.",
    "tcp.sequence_jump": "Both ends went on in another sequence space: a new connection whose SYN was not captured.",
    "tcp.total_hold_limit": "Octets that wait for missing parts reached the bound of all connections together: "
    "the part that was missing longest was given up.",
    "tcp.urgent": "A segment is marked urgent, which WebSocket stacks never use; its octets were taken in line.",
    "tcp.zero_window": "A receiver closed its window: its application does not read, the sender has to wait.",
}
