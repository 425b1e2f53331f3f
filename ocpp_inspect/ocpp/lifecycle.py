"""Everything that is no message in; connections opened, named, versioned and closed, and the item passed on, out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from ocpp_inspect import limits
from ocpp_inspect.model import (
    Anomaly,
    ConnectionClosed,
    Loss,
    OcppItem,
    OcppMessage,
    TlsSession,
    Upgrade,
    WsItem,
    WsMessage,
)
from ocpp_inspect.ocpp import actions, frame, text, version
from ocpp_inspect.ocpp.connection import Connection
from ocpp_inspect.ocpp.identity import Endpoints, Identities, address, station_from_path
from ocpp_inspect.ocpp.pairing import Calls
from ocpp_inspect.ocpp.session import Session

_BEGINNINGS: Final = (b"[2,", b"[3,", b"[4,", b"[5,", b"[6,")


class Counters(msgspec.Struct):
    """What went through."""

    messages: int = 0
    invalid: int = 0  # OCPP messages that could not be decoded
    refused: int = 0  # payloads that break their schema
    not_ocpp_messages: int = 0  # messages of other WebSockets, left out
    ocpp_connections: int = 0
    not_ocpp_connections: int = 0


class Lifecycle:
    """The tables of connections and stations; `room.Ocpp` adds the messages."""

    def __init__(
        self,
        endpoints: Callable[[int, int], Endpoints | None] | None,
        connection_limit: int,
        station_limit: int,
        open_calls_limit: int,
        learns_addresses: bool,
    ) -> None:
        self.counters = Counters()
        self._endpoints = endpoints
        self._connection_limit = connection_limit
        self._station_limit = station_limit
        self._open_calls_limit = open_calls_limit
        self._connections: dict[int, Connection] = {}
        self._sessions: dict[str, Session] = {}
        self._identities = Identities(station_limit)
        self._learns_addresses = learns_addresses

    def learn_address(self, endpoints: Endpoints, station: str, position: int) -> None:
        """A request to upgrade in the packet at `position`: an address that serves several stations names none."""
        self._identities.learn(endpoints, station, position)

    def leave_address(self, endpoints: Endpoints, position: int) -> None:
        """A FIN or RST between these endpoints in the packet at `position`: the station may come back on another."""
        self._identities.leave(endpoints, position)

    def session(self, station: str) -> Session | None:
        """The live state of a station, None when nothing was seen of it."""
        return self._sessions.get(station)

    def _open(self, item: WsItem, out: list[OcppItem]) -> Connection:
        endpoints = self._endpoints(item.connection, item.position) if self._endpoints is not None else None
        connection = Connection(self._identities.recall(endpoints, item.position) if endpoints is not None else "")
        connection.guessed = endpoints is not None and connection.station != address(endpoints)
        if self._open_calls_limit != limits.OPEN_CALLS:
            connection.calls = {"station": Calls(self._open_calls_limit), "csms": Calls(self._open_calls_limit)}
        self._connections[item.connection] = connection
        if len(self._connections) > self._connection_limit:
            oldest = next(iter(self._connections))
            self._leave(oldest, self._connections.pop(oldest))
            out.append(
                Anomaly(
                    "ocpp.connection_limit",
                    item.ts_ns,
                    item.packet,
                    item.position,
                    oldest,
                    detail=f"more than {self._connection_limit} connections at once",
                )
            )
        return connection

    def _station_of(self, item: WsItem) -> str:
        endpoints = self._endpoints(item.connection, item.position) if self._endpoints is not None else None
        return self._identities.recall(endpoints, item.position) if endpoints is not None else ""

    def _client_of(self, item: Anomaly) -> str:
        endpoints = self._endpoints(item.connection, item.position) if self._endpoints is not None else None
        return self._identities.recall(endpoints, item.position, names_port=False) if endpoints is not None else ""

    def _session(self, connection: Connection, item: WsMessage, out: list[OcppItem]) -> Session:
        """The session of the connection's station; a new one, or that of its earlier connections."""
        station = connection.station
        key = station or f"#{item.connection}"  # stations without a name share nothing
        session = self._sessions.pop(key, None) or Session(station, joined_midway=not connection.upgraded)
        self._sessions[key] = session  # the one that connected longest ago stays first
        session.connections.add(item.connection)
        if connection.version:
            session.version = connection.version
        elif session.version and not connection.negotiated:  # until a message tells otherwise
            connection.version, connection.version_inferred = session.version, True
            connection.actions = actions.table(session.version)
        connection.session = session
        if len(self._sessions) > self._station_limit:
            oldest = next(iter(self._sessions))
            del self._sessions[oldest]
            out.append(
                Anomaly(
                    "ocpp.station_limit",
                    item.ts_ns,
                    item.packet,
                    item.position,
                    item.connection,
                    detail=f"more than {self._station_limit} stations",
                    station=oldest,
                )
            )
        return session

    def _recognise(self, connection: Connection, value: Any, sure: bool, item: WsMessage, out: list[OcppItem]) -> bool:
        """Whether the connection speaks OCPP, as far as this message tells. Only asked until one does."""
        known = connection.negotiated
        if not known and sure and frame.looks_like(value):
            # WAMP has the same arrays: under another subprotocol only a known action counts.
            known = not connection.foreign or (value[0] in (2, 6) and bool(version.known_in(value[2])))
        if not known and not connection.foreign and not sure:
            known = item.payload.lstrip()[:4].replace(b" ", b"")[:3] in _BEGINNINGS
        if not known:
            connection.left_out += 1
            self.counters.not_ocpp_messages += 1
            return False
        connection.is_ocpp = True
        if connection.version_inferred or not (connection.version or connection.negotiated):
            connection.inference = version.Inference()
        if connection.left_out:
            detail = f"{connection.left_out} messages before this one were not OCPP-J"
            out.append(
                Anomaly(
                    "ocpp.late_recognition",
                    item.ts_ns,
                    item.packet,
                    item.position,
                    item.connection,
                    item.side,
                    detail,
                    connection.station,
                )
            )
        return True

    def _infer(self, connection: Connection, message: OcppMessage) -> None:
        inference = connection.inference
        entry = connection.actions.get(message.action)
        if inference is None or (entry is not None and entry.accepts_call(message.payload)):
            return  # a version that fits is kept: asking three schemas costs 3 µs
        found = inference.observe(message.action, message.payload)
        if inference.settled():
            connection.inference = None
        if found and found != connection.version:
            connection.version, connection.version_inferred = found, True
            connection.actions = actions.table(found)
            if connection.session is not None:
                connection.session.version = found
        message.version, message.version_inferred = connection.version, connection.version_inferred

    def _other(self, item: WsItem, out: list[OcppItem]) -> None:
        """Everything that is no message: named, counted, passed on."""
        if isinstance(item, WsMessage):
            return
        if not item.connection:
            out.append(item)  # an anomaly of no connection
            return
        if type(item) is Upgrade:
            self._upgrade(item, out)
            return
        if type(item) is TlsSession:
            self._secured(item, out)
            return
        connection = self._connections.get(item.connection)
        if connection is None and type(item) is not ConnectionClosed and type(item) is not Anomaly:
            connection = self._open(item, out)
        station = connection.station if connection is not None else self._station_of(item)
        if type(item) is Anomaly and connection is None and item.name.startswith("tls."):
            station = self._client_of(item)
        if not item.station:
            item.station = station
        if type(item) is ConnectionClosed:
            self._closed(item, connection, out)
            return
        if type(item) is Loss and connection is not None:
            connection.lossy = True
        out.append(item)

    def _secured(self, item: TlsSession, out: list[OcppItem]) -> None:
        """TLS that stays closed names no station: the client's address stands for it, whatever port it came from."""
        connection = self._connections.get(item.connection)
        if item.station:
            pass  # named by whoever made it
        elif connection is not None and connection.station:
            item.station = connection.station
        else:
            ends = (item.client, item.client_port, item.server, item.server_port)
            item.station = self._identities.recall(ends, item.named_at, names_port=False)
        out.append(item)

    def _upgrade(self, item: Upgrade, out: list[OcppItem]) -> None:
        connection = self._connections.get(item.connection) or self._open(item, out)
        station = station_from_path(item.path)
        if station:
            connection.station, connection.guessed = station, False
            self._doubt_guesses(station, item, out)
            if item.client and self._learns_addresses:
                ends = (item.client, item.client_port, item.server, item.server_port)
                self._identities.learn(ends, station, item.position)
        elif not connection.station and item.client:
            ends = (item.client, item.client_port, item.server, item.server_port)
            connection.station = self._identities.recall(ends, item.position)
        item.station = connection.station
        out.append(item)
        if item.status not in (0, 101):
            return
        connection.upgraded = item.status == 101  # both directions were captured
        token = item.subprotocol
        if not token:
            self._offered(connection, item)
            return
        found, name, detail = version.from_token(token)
        if name:
            out.append(
                Anomaly(
                    name,
                    item.response_ns or item.ts_ns,
                    item.response_packet or item.packet,
                    item.position,
                    item.connection,
                    "csms",
                    detail,
                    connection.station,
                )
            )
        connection.negotiated = bool(found) or name == "ocpp.unsupported_version"
        connection.foreign = not connection.negotiated
        connection.version = found
        connection.actions = actions.table(found)

    def _doubt_guesses(self, station: str, item: Upgrade, out: list[OcppItem]) -> None:
        """The station itself comes, and a connection that was taken for its own is open: perhaps it is another's."""
        session = self._sessions.get(station)
        for number in session.connections if session is not None else ():
            other = self._connections.get(number)
            if other is not None and other.guessed and number != item.connection:
                at = item.ts_ns, item.packet, item.position
                out.append(Loss(number, "unknown", *at, "joined_midway", station=station))

    def _offered(self, connection: Connection, item: Upgrade) -> None:
        """No subprotocol was agreed, or the answer was not seen: take the only one that the station offered."""
        found = {version.from_token(token)[0] for token in item.offered}
        if len(found) == 1 and (only := found.pop()):
            connection.version, connection.version_inferred = only, True
            connection.actions = actions.table(only)

    def _closed(self, item: ConnectionClosed, connection: Connection | None, out: list[OcppItem]) -> None:
        if connection is None:  # nothing but its end was seen
            out.append(item)
            return
        item.station = connection.station or item.station
        if not item.station:
            ends = (item.client, item.client_port, item.server, item.server_port)
            item.station = self._identities.recall(ends, item.position)
        item.version = connection.version
        offered = item.upgrade.offered if item.upgrade is not None else ()
        other = bool(offered) and not any("ocpp" in token.lower() for token in offered)
        item.is_ocpp = bool(connection.is_ocpp) or not (connection.left_out or connection.foreign or other)
        if item.is_ocpp:
            self.counters.ocpp_connections += 1
        else:
            self.counters.not_ocpp_connections += 1
        if self._learns_addresses and item.close_kind in ("fin", "rst"):
            self._identities.leave((item.client, item.client_port, item.server, item.server_port), item.position)
        # Idle expiry and the end of the capture prove nothing about the CALLs that are open.
        if item.close_kind in ("fin", "rst", "reuse"):
            for calls in connection.calls.values():
                for call in calls.open():
                    out.append(_lost(item, call))
        out.append(item)
        self._leave(item.connection, self._connections.pop(item.connection))

    def _leave(self, number: int, connection: Connection) -> None:
        if connection.session is not None:
            connection.session.connections.discard(number)


def _lost(item: ConnectionClosed, call: OcppMessage) -> Anomaly:
    waited = (item.ts_ns - call.ts_ns) / 1e9
    detail = f"{call.action or 'a CALL'} '{text.excerpt(call.unique_id)}' had waited {waited:.3f} s for its answer"
    return Anomaly(
        "rpc.connection_lost", item.ts_ns, item.packet, item.position, item.connection, call.side, detail,
        item.station, call.message_id,
    )  # fmt: skip
