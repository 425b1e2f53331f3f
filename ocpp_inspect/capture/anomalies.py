"""The names of what the capture room reports, each with one line for a person."""

from __future__ import annotations

from typing import Final

ANOMALIES: Final[dict[str, str]] = {
    "capture.empty": "The input holds no octets at all.",
    "capture.truncated": "The capture ends inside a record; what was present of it is used.",
    "capture.garbage": "Octets between records are not a record; reading went on behind them.",
    "capture.compression_error": "The compressed data is damaged or cut; what could be unpacked is used.",
    "capture.read_error": "The operating system could not read on; what was read before is used.",
    "capture.unknown_interface": "A packet names a capture interface that was never described; it has no link type.",
    "capture.bad_timestamp": "A packet's time does not fit into 64-bit nanoseconds; it takes the time before it.",
    "capture.dropped_packets": "The capturing machine lost packets before it could write them.",
    "capture.clock_set": "The clock of the capturing machine was set while it captured live; what waits is uncertain.",
    "capture.disorder": "Packets stand behind later ones; most were put in the order of their times.",
    "capture.time_goes_back": "Packet times go back by over a second: the clock was set, or the disorder is too large.",
    "capture.too_many_open": "More captures overlap in time than may be open; packets are not all in time order.",
    "capture.limit": "More secrets, comments or interfaces than are kept; the rest is dropped.",
}
