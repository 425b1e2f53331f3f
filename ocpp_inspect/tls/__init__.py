"""StreamBatch in, StreamBatch out: TLS connections become their plaintext when a key opens them, and facts in any case.

Connections that are not TLS pass untouched.
"""

from __future__ import annotations

from ocpp_inspect.tls.anomalies import ANOMALIES
from ocpp_inspect.tls.keys import Keys
from ocpp_inspect.tls.room import Tls
from ocpp_inspect.tls.tunnel import CONNECT

__all__ = ["ANOMALIES", "CONNECT", "Keys", "Tls"]
