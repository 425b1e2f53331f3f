"""WebSocket items in; the same items with OCPP messages decoded, paired, validated and named out.

`text` reads JSON, `frame` takes a message apart, `version` names the OCPP version, `actions` knows who sends what,
`schema` decides, `explain` says why not and `verdict` settles it, `pairing` joins answers to CALLs, `session` learns
about the station, `identity` names it; `lifecycle` opens and closes connections, and `room` is the way of a message
through all of them.
"""

from __future__ import annotations

from ocpp_inspect.ocpp.anomalies import ANOMALIES
from ocpp_inspect.ocpp.identity import station_from_path
from ocpp_inspect.ocpp.lifecycle import Counters
from ocpp_inspect.ocpp.room import Ocpp
from ocpp_inspect.ocpp.session import Boot, Session, Transaction
from ocpp_inspect.ocpp.soap_room import SoapOcpp

__all__ = ["ANOMALIES", "Boot", "Counters", "Ocpp", "Session", "SoapOcpp", "Transaction", "station_from_path"]
