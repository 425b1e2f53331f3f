"""The path of an upgrade, or the endpoints of a connection, in; the identity of the station out.

The identity is the last path segment of the URL, percent-decoded (J16 §3.1.1; P4-201 §3.1.1). A connection whose
upgrade was not captured takes the identity that the same addresses had earlier, if only one did; else `addr:port`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

from ocpp_inspect import limits

_NEVER: Final = 1 << 62
"""A position behind every packet."""

Endpoints = tuple[str, int, str, int]
"""(client, client port, server, server port)"""


def station_from_path(path: str) -> str:
    """The station's identity in the path of an upgrade, "" when it names none.

    Control characters and wrong UTF-8 become U+FFFD, so that an identity is always printable and never empty by
    accident; it is cut to `limits.STATION_CHARACTERS`.
    """
    bare = path.partition("?")[0].partition("#")[0].rstrip("/")
    segment = bare.rpartition("/")[2][: 3 * limits.STATION_CHARACTERS]
    text = unquote_to_bytes(segment).decode("utf-8", "replace") if "%" in segment else segment
    text = text[: limits.STATION_CHARACTERS]
    return text if text.isprintable() else "".join(each if each.isprintable() else "�" for each in text)


class Identities:
    """What was learned about which station speaks from which address, and from which packet on.

    What is told about a packet is named by what was known when it came, so that names do not depend on how packets are
    grouped, or on how many workers learn the same addresses.
    """

    __slots__ = ("_known", "_limit")

    def __init__(self, limit: int = limits.STATIONS) -> None:
        # address → [station, known since, shared with other stations since]
        self._known: dict[tuple[str, str, int], tuple[str, int, int]] = {}
        self._limit = limit

    def learn(self, endpoints: Endpoints, station: str, position: int = 0) -> None:
        """Remember that `station` upgraded a connection between these endpoints in the packet at `position`."""
        key = (endpoints[0], endpoints[2], endpoints[3])
        earlier, since, shared = self._known.pop(key, (station, position, _NEVER))
        self._known[key] = (earlier, since, shared if earlier == station else min(shared, position))
        if len(self._known) > self._limit:
            del self._known[next(iter(self._known))]

    def recall(self, endpoints: Endpoints, position: int = _NEVER - 1, *, names_port: bool = True) -> str:
        """The only station known at the client's address when `position` came, else address and port of the client."""
        station, since, shared = self._known.get((endpoints[0], endpoints[2], endpoints[3]), ("", 0, 0))
        if since <= position < shared:
            return station
        if not names_port:
            return endpoints[0]
        return address(endpoints)


def address(endpoints: Endpoints) -> str:
    """Address and port of the client; of a log, which knows no ports, the name that it gives."""
    if not endpoints[1]:
        return endpoints[0]
    host = f"[{endpoints[0]}]" if ":" in endpoints[0] else endpoints[0]
    return f"{host}:{endpoints[1]}"
