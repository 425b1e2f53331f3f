"""Network interfaces, pipes and programs in, PacketBatch out while it happens; and the capture file that is kept of it.

The only part of the capture room with sockets, processes, threads and a clock.
"""

from __future__ import annotations

from .interfaces import ANY, Interface, interfaces
from .opening import WAYS, best_way, may_open_ring, open_interfaces
from .pipe import PipeSource
from .privileges import drop_privileges, permission_hint
from .rotation import CaptureOutput, Rotation, parse_rotation
from .source import LiveSource

__all__ = [
    "ANY",
    "WAYS",
    "CaptureOutput",
    "Interface",
    "LiveSource",
    "PipeSource",
    "Rotation",
    "best_way",
    "drop_privileges",
    "interfaces",
    "may_open_ring",
    "open_interfaces",
    "parse_rotation",
    "permission_hint",
]
