"""The first segments of one connection in; the beginning of its plaintext, when it is TLS that our keys open, out.

The rooms themselves look, in little: whatever the worker's own rooms will make of the connection (reordered segments,
holes that are given up), these make of it too.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from msgspec.structs import replace

from ocpp_inspect.limits import HTTP_HEAD_BYTES
from ocpp_inspect.model import Flow, SegmentBatch, StreamData, StreamSecured
from ocpp_inspect.tcp import Tcp
from ocpp_inspect.tls import CONNECT, Keys, Tls

COLUMNS: Final = (
    "packet", "position", "ts_ns", "flow", "seq", "ack", "flags", "window", "offset", "length", "missing",
)  # fmt: skip
"""The columns of a SegmentBatch, in the order of a row."""


class Peek:
    """One connection. About 60 µs a segment, and a connection needs some ten of them until its request is read."""

    def __init__(self, flow: Flow, keys: Keys) -> None:
        self._tcp = Tcp()
        self._tls = Tls(keys)
        self._flow: list[Flow] = [replace(flow, pair=0)]
        self.is_tls = False
        self.is_closed = False  # no TLS, or none that we can open
        self.texts = (bytearray(), bytearray())  # plaintext by direction

    def feed(self, row: tuple[int, ...], payload: bytes) -> None:
        """The next segment."""
        if self.is_closed:
            return
        values = dict(zip(COLUMNS, row, strict=True))
        values["flow"] &= 1
        values["offset"] = 0
        columns = {name: np.array([value], dtype=np.int64) for name, value in values.items()}
        octets = np.frombuffer(payload, dtype=np.uint8)
        segments = SegmentBatch(octets=octets, new_flows=self._flow, anomalies=[], **columns)
        self._flow = []
        for item in self._tls.feed(self._tcp.feed(segments)).items:
            if type(item) is StreamSecured:
                self.is_tls = True
                self.is_closed = not item.is_readable
                for text in self.texts:  # of the CONNECT in front
                    text.clear()
            elif type(item) is StreamData:
                text = self.texts[item.direction]
                text += item.data[: HTTP_HEAD_BYTES - len(text)]
                self.is_closed = not (self.is_tls or any(text.startswith(CONNECT) for text in self.texts))
        self.is_tls = self.is_tls or self._tls.counters["connections"] > 0
