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

# --- store, report ---------------------------------------------------------------------------------------------
