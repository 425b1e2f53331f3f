"""Handshakes of one station in; whether they are the legs of one session, seen on both sides of proxies, out.

A reverse proxy hands the station's Sec-WebSocket-Key on, and answers only when it was answered itself. So the same key
in a handshake that lies inside of another one is the same session (a station with a constant key that comes back does
not look so). The innermost leg is judged, the others would only double what is found.
"""

from __future__ import annotations

from typing import Final

from ocpp_inspect.engine.state import HANDSHAKES, StationState
from ocpp_inspect.model import Upgrade

_HANDSHAKE_NS: Final = 10 * 10**9


def inner_leg(st: StationState, m: Upgrade) -> Upgrade | None:
    """The handshake between the last proxy and CSMS that lies inside of `m`, and is therefore told before it."""
    if not m.key or m.status != 101 or not m.response_ns:
        return None
    other = st.handshakes.pop(m.key, None)
    if other is not None and _are_legs(other, m):
        st.handshakes[m.key] = other  # in front of one proxy may stand another one
        return other if other.connection != m.connection else None
    st.handshakes[m.key] = m
    if len(st.handshakes) > HANDSHAKES:
        del st.handshakes[next(iter(st.handshakes))]
    return None


def _are_legs(other: Upgrade, m: Upgrade) -> bool:
    """Whether one lies inside of the other; or, times being as wrong as in captures that were merged, beside it.

    A station with a constant key that comes back has the address that it had, and so has its server.
    """
    if m.ts_ns <= other.ts_ns and other.response_ns <= m.response_ns:
        return True
    is_elsewhere = (m.client, m.server, m.server_port) != (other.client, other.server, other.server_port)
    return is_elsewhere and abs(m.ts_ns - other.ts_ns) <= _HANDSHAKE_NS
