"""The path of an upgrade, or the endpoints of a connection, in; the identity of the station out.

The identity is the last path segment of the URL, percent-decoded (J16 §3.1.1; P4-201 §3.1.1). A connection whose
upgrade was not captured takes the identity that the same addresses had earlier, if only one did and that connection
has ended; else `addr:port`.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from ocpp_inspect import limits

_NEVER: Final = 1 << 62
"""A position behind every packet."""

Endpoints = tuple[str, int, str, int]
"""(client, client port, server, server port)"""


def station_from_path(path: str) -> str:
    """The station's identity in the path of an upgrade, "" when it names none.

    Control characters become U+FFFD, so that an identity is always printable and never empty by accident; it is cut to
    `limits.STATION_CHARACTERS`. Octets that are no UTF-8 are read as Latin-1, by which no two stations become one.
    """
    bare = path.partition("?")[0].partition("#")[0].rstrip("/")
    segment = bare.rpartition("/")[2][: 3 * limits.STATION_CHARACTERS]
    text = segment if segment.isascii() and "%" not in segment else _decoded(segment)
    text = text[: limits.STATION_CHARACTERS]
    return text if text.isprintable() else "".join(each if each.isprintable() else "�" for each in text)


def _decoded(segment: str) -> str:
    """Percent-encoded or, against RFC 3986 §2.1, bare octets; a head is read as Latin-1, a log as what it is."""
    try:
        octets = unquote_to_bytes(segment.encode("latin-1"))
    except UnicodeEncodeError:
        octets = unquote_to_bytes(segment)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


class _Line(msgspec.Struct):
    """One connection whose upgrade named a station: from which port, between which positions it was open."""

    port: int
    opened: int
    closed: int = _NEVER


class _Address(msgspec.Struct):
    """What is known of one client address."""

    station: str
    since: int
    shared: int = _NEVER  # with other stations, since then
    lines: list[_Line] = []


class Identities:
    """What was learned about which station speaks from which address, and from which packet on.

    What is told about a packet is named by what was known when it came, so that names do not depend on how packets are
    grouped, or on how many workers learn the same addresses.
    """

    __slots__ = ("_known", "_limit")

    def __init__(self, limit: int = limits.STATIONS) -> None:
        self._known: dict[tuple[str, str, int], _Address] = {}
        self._limit = limit

    def learn(self, endpoints: Endpoints, station: str, position: int = 0) -> None:
        """Remember that `station` upgraded a connection between these endpoints in the packet at `position`."""
        key = (endpoints[0], endpoints[2], endpoints[3])
        known = self._known.pop(key, None) or _Address(station, position)
        self._known[key] = known
        if known.station != station:
            known.shared = min(known.shared, position)
        known.lines.append(_Line(endpoints[1], position))
        if len(known.lines) > limits.LINES_PER_ADDRESS:
            closed = [line for line in known.lines if line.closed != _NEVER]
            known.lines.remove(min(closed or known.lines, key=lambda line: line.closed))
        if len(self._known) > self._limit:
            del self._known[next(iter(self._known))]

    def leave(self, endpoints: Endpoints, position: int) -> None:
        """Remember that the connection between these endpoints ended in the packet at `position`."""
        known = self._known.get((endpoints[0], endpoints[2], endpoints[3]))
        for line in known.lines if known is not None else ():
            if line.port == endpoints[1] and line.opened < position < line.closed:
                line.closed = position

    def recall(self, endpoints: Endpoints, position: int = _NEVER - 1, *, names_port: bool = True) -> str:
        """The only station known at the client's address when `position` came, else address and port of the client.

        A station has one connection at a time: beside another one that is open, this is perhaps another station.
        """
        known = self._known.get((endpoints[0], endpoints[2], endpoints[3]))
        if known is not None and known.since <= position < known.shared:
            others = (line for line in known.lines if line.port != endpoints[1])
            if not any(line.opened <= position < line.closed for line in others):
                return known.station
        return address(endpoints) if names_port else endpoints[0]


def address(endpoints: Endpoints) -> str:
    """Address and port of the client; of a log, which knows no ports, the name that it gives."""
    if not endpoints[1]:
        return endpoints[0]
    host = f"[{endpoints[0]}]" if ":" in endpoints[0] else endpoints[0]
    return f"{host}:{endpoints[1]}"
