"""StreamBatch in; SoapMessage | Loss | ConnectionClosed | Anomaly out.

OCPP over SOAP (OCPP-S 1.6, and 1.2 and 1.5 as far as they are alike): `connection` follows the HTTP exchanges of one
TCP connection, `body` unpacks, `xml` and `envelope` read, `reading` makes messages of it, and `context` knows which
station it is: its dialogue takes many connections, in both directions.
"""

from __future__ import annotations

from ocpp_inspect.soap.anomalies import ANOMALIES
from ocpp_inspect.soap.room import Soap

__all__ = ["ANOMALIES", "Soap"]
