"""What the room remembers of one connection: its station and version, its open CALLs, what of it is missing."""

from __future__ import annotations

from ocpp_inspect.model import Side
from ocpp_inspect.ocpp.actions import Action
from ocpp_inspect.ocpp.pairing import Calls
from ocpp_inspect.ocpp.session import Session
from ocpp_inspect.ocpp.version import Inference


class Connection:
    """State of one connection; forgotten when the connection closes."""

    __slots__ = (
        "actions", "calls", "foreign", "inference", "is_ocpp", "left_out", "lossy", "negotiated", "noted_schemas",
        "session", "station", "upgraded", "version", "version_inferred",
    )  # fmt: skip

    def __init__(self, station: str) -> None:
        self.station = station
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
