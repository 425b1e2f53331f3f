"""PacketBatch in, SegmentBatch out."""

from __future__ import annotations

from .anomalies import ANOMALIES
from .network import Network

__all__ = ["ANOMALIES", "Network"]
