"""Nothing in; what the parts of this room share: where items go, the bounds, and the facts of one connection."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING

from ocpp_inspect import limits
from ocpp_inspect.model import Anomaly, Loss, Side, WsItem

if TYPE_CHECKING:
    from typing import Literal

    from ocpp_inspect.websocket.inflate import Inflater

    Cause = Literal["gap", "snaplen", "joined_midway", "resync", "inflate", "oversize", "limit", "drops", "suspected"]


_LAST_POSITION = attrgetter("last_position")


class Context:
    """The room's sink, bounds and counters."""

    __slots__ = (
        "_clients",
        "_kept",
        "counters",
        "held_bytes",
        "inflate_ratio",
        "inflaters",
        "items",
        "message_bytes",
        "total_bytes",
    )

    def __init__(self, message_bytes: int, total_bytes: int, inflate_ratio: int, inflaters: int) -> None:
        self.items: list[WsItem] = []
        self.counters: Counter[str] = Counter()
        self.message_bytes = message_bytes
        self.total_bytes = total_bytes
        self.inflate_ratio = inflate_ratio
        self.inflaters = inflaters
        self.held_bytes = 0  # octets of incomplete frames and messages, over all connections
        self._kept: list[Inflater] = []
        self._clients: dict[int, list[tuple[int, tuple[str, int, str, int]]]] = {}

    def note_client(self, connection: int, position: int, ends: tuple[str, int, str, int]) -> None:
        """Octets told who is the client: kept beyond the connection's end, because its last items are named later."""
        known = self._clients.setdefault(connection, [])
        if len(known) < limits.CLIENT_CHANGES:
            known.append((position, ends))
        if len(self._clients) > limits.WEBSOCKET_CONNECTIONS:
            del self._clients[next(iter(self._clients))]

    def client_at(self, connection: int, position: int) -> tuple[str, int, str, int] | None:
        """(client, port, server, port) as known when the packet at `position` was read, however late it is asked."""
        found = None
        for since, ends in self._clients.get(connection, ()):
            if since <= position:
                found = ends
        return found

    def keep_inflater(self, inflater: Inflater) -> None:
        """Bound the windows alive: when there are too many, the longest idle eighth loses its history."""
        inflater.is_kept = True
        self._kept.append(inflater)
        if len(self._kept) <= self.inflaters:
            return
        alive = [kept for kept in self._kept if kept.stream is not None]
        alive.sort(key=_LAST_POSITION)
        excess = max(0, len(alive) - self.inflaters * 7 // 8)
        for idle in alive[:excess]:
            idle.lose()
            idle.is_kept = False
            idle.was_dropped = True
        self._kept = alive[excess:]


class Facts:
    """What is known about one connection, and where its reader stands: the packet being read."""

    __slots__ = (
        "close_code",
        "close_ns",
        "close_reason",
        "close_side",
        "connection",
        "context",
        "messages",
        "packet",
        "position",
        "reported",
        "ts_ns",
        "undecodable",
    )

    def __init__(self, context: Context, connection: int) -> None:
        self.context = context
        self.connection = connection
        self.ts_ns = 0
        self.packet = connection
        self.position = 0
        self.messages = 0
        self.undecodable = 0
        self.close_side: Side = "unknown"
        self.close_ns = 0  # of the first close frame
        self.close_code: int | None = None
        self.close_reason = ""
        self.reported: Counter[str] | None = None

    def anomaly(self, name: str, side: Side, detail: str = "") -> None:
        """Report a fact about the packet being read; one kind is told only so often for one connection."""
        if self.reported is None:
            self.reported = Counter()
        self.reported[name] += 1
        if self.reported[name] <= limits.CONNECTION_ANOMALIES:
            self.context.items.append(
                Anomaly(name, self.ts_ns, self.packet, self.position, self.connection, side, detail)
            )

    def tell_unreported(self) -> None:
        """Say at the end how many anomalies were not told one by one."""
        for name, count in sorted((self.reported or {}).items()):
            more = count - limits.CONNECTION_ANOMALIES
            if more > 0:
                detail = f"{name}: {more} more, {count} in all"
                self.context.items.append(
                    Anomaly(
                        "ws.more_anomalies", self.ts_ns, self.packet, self.position, self.connection, "unknown", detail
                    )
                )

    def loss(self, cause: Cause, side: Side, octets: int = 0, messages: int = 0) -> None:
        """Say that something is unknown from here on."""
        self.undecodable += messages
        self.context.items.append(
            Loss(self.connection, side, self.ts_ns, self.packet, self.position, cause, octets, messages)
        )
