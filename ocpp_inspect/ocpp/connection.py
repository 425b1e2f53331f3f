"""What the room remembers of one connection: its station and version, its open CALLs, what of it is missing."""

from __future__ import annotations

from typing import Final

from ocpp_inspect.limits import REVISITED_PACKETS
from ocpp_inspect.model import MESSAGES_PER_PACKET, Side
from ocpp_inspect.ocpp.actions import Action
from ocpp_inspect.ocpp.pairing import Calls
from ocpp_inspect.ocpp.session import Session
from ocpp_inspect.ocpp.version import Inference

_REVISITED: Final = MESSAGES_PER_PACKET // 2


class Connection:
    """State of one connection; forgotten when the connection closes."""

    __slots__ = (
        "actions", "calls", "foreign", "guessed", "inference", "is_ocpp", "left_out", "lossy", "negotiated",
        "noted_schemas", "ordinal", "packet", "revisited", "session", "station", "upgraded", "version",
        "version_inferred",
    )  # fmt: skip

    def __init__(self, station: str) -> None:
        self.station = station
        self.guessed = False  # that station, from its address alone
        self.version = ""
        self.version_inferred = False
        self.negotiated = False  # an OCPP subprotocol was agreed
        self.foreign = False  # another subprotocol was agreed
        self.upgraded = False
        self.is_ocpp: bool | None = None  # None: not known yet
        self.left_out = 0  # messages that were not OCPP-J
        self.lossy = False  # something of the connection is missing
        self.noted_schemas = False
        self.actions: dict[str, Action] = {}
        self.calls: dict[Side, Calls] = {"station": Calls(), "csms": Calls()}
        self.session: Session | None = None
        self.inference: Inference | None = None
        self.packet = 0  # key of the latest packet that completed a message
        self.ordinal = 0  # of its last message
        self.revisited: dict[int, int] = {}  # earlier packet that completed messages later again → last ordinal

    def next_ordinal(self, packet: int) -> int:
        """Which message of `packet` this is, when it is not the first one of a new packet.

        Octets that waited behind a hole name the packet that brought them, so a packet can come again behind later
        ones. Its messages are then numbered from the middle on: a packet holds too few octets to get there in order.
        """
        if packet == self.packet:
            self.ordinal = min(self.ordinal + 1, _REVISITED - 1)
            return self.ordinal
        ordinal = min(self.revisited.pop(packet, _REVISITED - 1) + 1, MESSAGES_PER_PACKET - 1)
        self.revisited[packet] = ordinal
        if len(self.revisited) > REVISITED_PACKETS:
            del self.revisited[next(iter(self.revisited))]
        return ordinal
