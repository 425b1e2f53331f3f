"""What every live source is to the pipeline: packets that are there, the time that has passed, drops and news."""

from __future__ import annotations

from typing import Protocol

from ocpp_inspect.model import CaptureInfo, PacketBatch


class LiveSource(Protocol):
    """Packets as they come. `begin`, then `poll` until `has_ended`; after `stop` it ends when all is handed on."""

    info: CaptureInfo
    names: dict[int, str]  # of interfaces, by their number in PacketBatch.interface
    dropped: dict[int, int]  # packets that the kernel dropped, in all, by the same number
    has_ended: bool
    has_program: bool  # another process captures for us

    def begin(self, capture: int) -> None:
        """Packet keys carry this number."""

    def poll(self, timeout_s: float) -> list[PacketBatch]:
        """What came, at the latest after the timeout. Raises CaptureError when the source turns out to be unusable."""

    def now_ns(self) -> int:
        """The time, on the clock of the packets, before which nothing more will come; 0 when that is unknown."""

    def take_news(self) -> list[str]:
        """What a person should know, since the last call: an interface went down …"""

    def stop(self) -> None:
        """Take no more in; what is here already still comes."""

    def close(self) -> None:
        """Give everything back."""
