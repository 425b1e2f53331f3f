"""Nothing in; what the parts of this room share: where items go, what is known of stations and their addresses.

A station over SOAP is one dialogue, however many TCP connections in both directions carry it. Its number is made of
that of the TCP connection on which it was first seen; messages, losses and the final ConnectionClosed bear it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from ocpp_inspect import limits
from ocpp_inspect.model import Anomaly, ConnectionClosed, Loss, Side, SoapItem, split_packet_key

_SHARED: Final = ""
_ELSEWHERE: Final = 10**9
"""Added to the number of a TCP connection: that of a dialogue must be none of theirs, and frames are never so many."""

Address = tuple[str, int]


class Dialogue(msgspec.Struct):
    """All that one station says and is told over SOAP."""

    number: int
    station: str
    opened_ns: int
    last_ns: int
    packet: int
    position: int
    client: str = ""  # the station's address
    server: str = ""  # the CSMS's
    server_port: int = 0
    path: str = ""
    host: str = ""
    listener: Address | None = None  # where it says that it listens
    messages: int = 0
    undecodable: int = 0
    lost_bytes: int = 0
    is_tls: bool = False
    open_ids: dict[str, Address] = msgspec.field(default_factory=dict)  # MessageID without an answer → who was asked
    reported: Counter[str] = msgspec.field(default_factory=Counter)


class Context:
    """The room's sink, counters and tables."""

    def __init__(self, stations: int) -> None:
        self.items: list[SoapItem] = []
        self.counters: Counter[str] = Counter()
        self.held_bytes = 0
        self._limit = stations
        self._dialogues: dict[str, Dialogue] = {}  # by station, the longest silent first
        self._last_number: dict[int, int] = {}  # by capture
        self._by_client: dict[tuple[str, str, int], str] = {}  # (client, server, port) → station, "" when several
        self._by_listener: dict[Address, str] = {}  # where a station was called, or said that it listens
        self._said: dict[Address, str] = {}  # the same, by what stations say of themselves alone
        self._servers: dict[Address, str] = {}  # where a CSMS listens → the path that was asked for last
        self._called: dict[Address, None] = {}  # listeners of stations that a CSMS was seen to call
        self._heard: dict[Address, None] = {}  # listeners whose answers are captured

    # ------------------------------------------------------------------------------------------------ addresses

    def learn_client(self, client: str, server: Address, path: str, station: str) -> None:
        """A station called a CSMS from there."""
        self._note(self._by_client, (client, *server), station)
        self._servers.pop(server, None)
        self._servers[server] = path
        if len(self._servers) > limits.SOAP_STATIONS:
            del self._servers[next(iter(self._servers))]

    def learn_listener(self, listener: Address, station: str, *, is_own_word: bool = False) -> None:
        """A station listens there."""
        self._note(self._by_listener, listener, station)
        if is_own_word:
            self._note(self._said, listener, station)
            return
        self._called[listener] = None
        if len(self._called) > limits.SOAP_STATIONS:
            del self._called[next(iter(self._called))]

    def station_at_client(self, client: str, server: Address) -> str:
        """The only station known to call from there, "" when none or several do."""
        return self._by_client.get((client, *server), _SHARED)

    def station_at_listener(self, listener: Address) -> str:
        """The only station known to listen there, "" when none or several do."""
        return self._by_listener.get(listener, _SHARED)

    def says_it_listens(self, listener: Address) -> str:
        """The only station that names this listener in its own requests, "" when none or several do."""
        return self._said.get(listener, _SHARED)

    def is_server(self, address: Address) -> bool:
        """Whether a CSMS listens there."""
        return address in self._servers

    def carries_ocpp(self, address: Address) -> bool:
        """Whether a request of OCPP was seen to go there."""
        return address in self._servers or address in self._called

    def is_asked_at(self, address: Address, path: str) -> bool:
        """Whether OCPP was asked for at this path of a CSMS, or at this listener of a station."""
        return address in self._by_listener or self._servers.get(address) == path

    def is_listener(self, address: Address) -> bool:
        """Whether a station listens there."""
        return address in self._by_listener

    def hear(self, listener: Address) -> None:
        """Octets that a listener sent were captured."""
        self._heard[listener] = None
        if len(self._heard) > limits.SOAP_STATIONS:
            del self._heard[next(iter(self._heard))]

    def is_heard(self, listener: Address) -> bool:
        """Whether what a listener sends is captured at all."""
        return listener in self._heard

    @staticmethod
    def _note(table: dict[Any, str], key: Any, station: str) -> None:
        known = table.pop(key, station)
        table[key] = station if known == station else _SHARED
        if len(table) > limits.SOAP_STATIONS:
            del table[next(iter(table))]

    # ------------------------------------------------------------------------------------------------ dialogues

    def dialogue(self, station: str) -> Dialogue | None:
        """The dialogue of a station that spoke before."""
        return self._dialogues.get(station)

    def open(self, station: str, number: int, ts_ns: int, packet: int, position: int) -> Dialogue:
        """The dialogue of a station, a new one when it was not seen before."""
        found = self._dialogues.pop(station, None)
        if found is None:
            capture = split_packet_key(number)[0]
            number = max(number + _ELSEWHERE, self._last_number.get(capture, 0) + 1)
            self._last_number[capture] = number
            found = Dialogue(number, station, ts_ns, ts_ns, packet, position)
        self._dialogues[station] = found
        if position >= found.position:  # what waited behind a hole comes late
            found.last_ns, found.packet, found.position = ts_ns, packet, position
        if len(self._dialogues) > self._limit:
            oldest = self._dialogues.pop(next(iter(self._dialogues)))
            detail = f"more than {self._limit} stations; '{oldest.station}' was forgotten"
            self.items.append(Anomaly("soap.station_limit", ts_ns, packet, position, found.number, "unknown", detail))
            self._close(oldest, ts_ns, packet, position, "idle")
        return found

    def close_all(self, end_ns: int) -> None:
        """The input ends."""
        for dialogue in self._dialogues.values():
            self._close(dialogue, max(end_ns, dialogue.last_ns), dialogue.packet, dialogue.position, "end")
        self._dialogues.clear()

    def _close(self, dialogue: Dialogue, ts_ns: int, packet: int, position: int, kind: str) -> None:
        for name, count in sorted(dialogue.reported.items()):
            if count > limits.CONNECTION_ANOMALIES:
                detail = f"{name}: {count - limits.CONNECTION_ANOMALIES} more, {count} in all"
                self.items.append(
                    Anomaly("soap.more_anomalies", ts_ns, packet, position, dialogue.number, "unknown", detail,
                            dialogue.station)
                )  # fmt: skip
        self.counters["stations"] += 1
        self.items.append(
            ConnectionClosed(
                dialogue.number, ts_ns, packet, position, dialogue.opened_ns, dialogue.client, 0, dialogue.server,
                dialogue.server_port, False, kind, "unknown", None, "", dialogue.lost_bytes, None, dialogue.messages,  # type: ignore[arg-type]
                dialogue.undecodable, dialogue.is_tls, dialogue.station, transport="soap", path=dialogue.path,
                host=dialogue.host,
            )
        )  # fmt: skip

    # ------------------------------------------------------------------------------------------------ facts

    def anomaly(
        self, dialogue: Dialogue, name: str, place: tuple[int, int, int], side: Side, detail: str, message_id: int = 0
    ) -> None:
        """Report a fact; one kind is told only so often for one station. `place` is (ts_ns, packet, position)."""
        if self.is_told(dialogue, name):
            self.items.append(Anomaly(name, *place, dialogue.number, side, detail, dialogue.station, message_id))

    @staticmethod
    def is_told(dialogue: Dialogue, name: str) -> bool:
        """Count a fact; whether it is among those told one by one."""
        dialogue.reported[name] += 1
        return dialogue.reported[name] <= limits.CONNECTION_ANOMALIES

    def loss(
        self,
        dialogue: Dialogue,
        place: tuple[int, int, int],
        cause: str,
        side: Side,
        octets: int = 0,
        messages: int = 0,
    ) -> None:
        """Something that the station said or was told is unknown."""
        dialogue.lost_bytes += octets
        dialogue.undecodable += messages
        self.items.append(
            Loss(dialogue.number, side, *place, cause, octets, messages, dialogue.station)  # type: ignore[arg-type]
        )


def listener_of(url: str) -> Address | None:
    """Host and port in the address of a From header; None when it names none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return parts.hostname, port or (443 if parts.scheme == "https" else 80)
