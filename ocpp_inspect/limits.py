"""Every bound in one place, with its unit and its reason. Reaching one is reported as an Anomaly, never silent.

One section a room. A room takes its bounds as constructor arguments whose defaults are these.
"""

from __future__ import annotations

from typing import Final

# --- capture ---------------------------------------------------------------------------------------------------

# --- network ---------------------------------------------------------------------------------------------------

# --- tcp -------------------------------------------------------------------------------------------------------

# --- websocket -------------------------------------------------------------------------------------------------

MESSAGE_BYTES: Final = 16 * 1024 * 1024
"""Largest WebSocket message kept; a longer one is skipped, its connection is not. The issue's figure."""

# --- ocpp ------------------------------------------------------------------------------------------------------

# --- engine ----------------------------------------------------------------------------------------------------

# --- catalogue -------------------------------------------------------------------------------------------------

SUMMARY_CHARACTERS: Final = 320
"""Longest one-line summary of a message: two lines of a wide terminal; hostile payloads cannot make it longer."""

# --- store, report ---------------------------------------------------------------------------------------------

# --- pipeline --------------------------------------------------------------------------------------------------

HELD_CONNECTIONS: Final = 4096
"""Connections whose worker is not decided yet; beyond it the oldest goes to the worker of its address."""

HELD_SEGMENTS: Final = 64
"""Segments that one such connection may wait with: a split request line needs a few, a scan none."""

HELD_OCTETS: Final = 16 * 1024
"""Payload octets that one such connection may wait with: twice the usual limit on a request head."""
