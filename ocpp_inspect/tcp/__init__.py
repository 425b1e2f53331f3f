"""SegmentBatch in, StreamBatch out: TCP connections and the octets of each of their directions, in order."""

from __future__ import annotations

from ocpp_inspect.tcp.anomalies import ANOMALIES
from ocpp_inspect.tcp.room import Tcp
from ocpp_inspect.tcp.timeline import Clock

__all__ = ["ANOMALIES", "Clock", "Tcp"]
