"""StreamBatch in; Upgrade | WsMessage | WsControl | Loss | ConnectionClosed | Anomaly out.

The HTTP upgrade, RFC 6455 frames, permessage-deflate, and the search for frames after gaps and mid-session joins.
"""

from __future__ import annotations

from ocpp_inspect.websocket.anomalies import ANOMALIES
from ocpp_inspect.websocket.room import WebSockets

__all__ = ["ANOMALIES", "WebSockets"]
