"""Stream items in, OCPP items and findings out: the rooms above TCP in a row, for every source of streams.

The packet chain feeds it what TCP made of packets, the proxy what it relays. A source without packets makes up its
packet keys: see `StreamChain`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from msgspec import structs

from ocpp_inspect.engine import Acceptance, Engine, Rule
from ocpp_inspect.engine.program import Program
from ocpp_inspect.limits import NAMED_CONNECTIONS
from ocpp_inspect.model import Anomaly, Finding, Loss, OcppItem, StreamBatch, StreamItem, StreamOpened, WsItem
from ocpp_inspect.ocpp import Ocpp
from ocpp_inspect.pipeline.bursts import Bursts, in_order
from ocpp_inspect.pipeline.soap import SoapLane
from ocpp_inspect.websocket import WebSockets

if TYPE_CHECKING:
    from ocpp_inspect.store.columns import Columns  # loads Arrow, before which workers are forked

_BY_POSITION = attrgetter("position")


class Decoded(NamedTuple):
    """What one batch gave, in position order."""

    items: list[OcppItem]
    findings: list[Finding]


class StreamChain:
    """WebSocket, SOAP, OCPP and rules, connected.

    Without packets (a proxy, a log) call `feed` with StreamOpened, StreamData and StreamClosed items such that

    - every item has a new `position`, one higher than the one before, and `packet = packet_key(capture, position)`
      with the `capture` number that the Recording was given: findings name that number as their frame;
    - `connection` is the packet key of the connection's StreamOpened, on all of its items;
    - `flow.pair` (and `pair`) is a small number that no other open connection has; numbers may be used again;
    - direction 0 is a → b; with `client_direction=0` the charger is `flow.a`;
    - `stream_offset` counts the octets of one direction from 0; one StreamData may hold any part of a frame;
    - times are nanoseconds since the epoch and do not go back.

    Call `tick` about once a second, so that what is overdue is told although nothing comes. Nothing here has a clock,
    a thread or I/O; one owner calls it.

    `learns_addresses=False`: only `ocpp.learn_address` tells which station an address has, not the upgrades fed.
    `reads_soap=False`: another worker has all that may be SOAP.
    """

    def __init__(
        self,
        rules: Sequence[Rule] | Program,
        *,
        validate: bool = True,
        acceptances: Sequence[Acceptance] = (),
        learns_addresses: bool = True,
        reads_soap: bool = True,
    ) -> None:
        self._endpoints: dict[int, tuple[str, int, str, int]] = {}  # of the latest connections
        self.websockets = WebSockets()
        self.ocpp = Ocpp(validate=validate, endpoints=self._endpoints_of, learns_addresses=learns_addresses)
        self.engine = Engine(rules, acceptances=acceptances)
        program = self.engine.program
        self._soap = SoapLane(program, validate=validate, acceptances=acceptances) if reads_soap else None
        self._bursts = Bursts()
        self._last_ns = 0

    def feed(self, items: Sequence[StreamItem]) -> Decoded:
        """Decode and judge items of any number of connections, in order of their positions."""
        for item in items:
            self._last_ns = max(self._last_ns, item.ts_ns)
        return self.feed_batch(only_items(list(items)))

    def feed_messages(self, items: Sequence[WsItem]) -> Decoded:
        """Decode and judge WebSocket messages that somebody else took apart: a log, a trace."""
        for item in items:
            self._last_ns = max(self._last_ns, item.ts_ns)
        decoded = self.ocpp.feed(list(items))
        findings = self.engine.feed(decoded)
        return Decoded([*decoded, *self.engine.take_anomalies()], findings)

    def name_connection(self, connection: int, station: str, position: int) -> None:
        """Say whose connection it is, where no handshake tells it: the station's name stands for its address."""
        self._endpoints[connection] = (station, 0, "log", 0)
        self.ocpp.learn_address(self._endpoints[connection], station, position)

    def feed_batch(
        self,
        streams: StreamBatch,
        below: Sequence[Anomaly] = (),
        losses: Sequence[Loss] = (),
        *,
        hands_on_losses: bool = True,
    ) -> Decoded:
        """Decode and judge a batch of the tcp room, with facts `below` TCP and `losses`, each at its position.

        Another worker may hand on the losses; they are judged all the same.
        """
        read = in_order(self._bursts.take()) + self._read(streams)
        decoded = self._judged(read, below, losses, hands_on_losses=hands_on_losses)
        return decoded if self._soap is None else self._joined(decoded, self._soap.feed(streams, losses))

    def feed_bursts(
        self,
        streams: StreamBatch,
        below: Sequence[Anomaly] = (),
        losses: Sequence[Loss] = (),
        *,
        hands_on_losses: bool = True,
    ) -> Iterator[Decoded]:
        """The same in parts, each of one station where that is possible, for who keeps nothing of them.

        A part is decoded, judged and handed on within the processor's nearest cache, and its memory serves the next:
        an eighth of the time of all rooms. Only the items of one station come in position order, and they may come
        with a later batch, or by `flush`.
        """
        read = self._read(streams, by_connection=True)
        parts = None if below or losses else self.ocpp.by_station(read)
        if parts is None:
            yield from self.flush()
            read.sort(key=_BY_POSITION)
            yield self._judged(read, below, losses, hands_on_losses=hands_on_losses)
        else:
            self._bursts.add(parts)
            del read, parts
            if self._bursts.are_due:
                yield from self.flush()
        if self._soap is not None:
            yield Decoded(*self._soap.feed(streams, losses))

    def flush(self) -> Iterator[Decoded]:
        """What `feed_bursts` holds back."""
        parts = self._bursts.take()
        while parts:
            items = self.ocpp.feed(parts.pop())
            self.engine.judge(items)
            yield Decoded(items, [])
            del items
        yield Decoded([*self.engine.take_anomalies()], self.engine.take())

    def _read(self, streams: StreamBatch, *, by_connection: bool = False) -> list[WsItem]:
        for item in streams.items:
            if type(item) is StreamOpened:
                self._note_endpoints(item)
        return self.websockets.feed(streams, by_connection=by_connection)

    def _judged(
        self, read: list[WsItem], below: Sequence[Anomaly], losses: Sequence[Loss], *, hands_on_losses: bool
    ) -> Decoded:
        items: list[OcppItem] = self.ocpp.feed(read)
        if below:
            items = sorted([*below, *items], key=_BY_POSITION)
        # Behind what its packet gave: a CALL may have lost its answer.
        judged = sorted([*items, *losses], key=_BY_POSITION) if losses else items
        if hands_on_losses:
            items = judged
        findings = self.engine.feed(judged)
        return Decoded([*items, *self.engine.take_anomalies()], findings)

    def decrypted(self, connection: int) -> None:
        """What is fed of this connection is, from its beginning, the plaintext of TLS."""
        self.websockets.decrypted(connection)
        if self._soap is not None:
            self._soap.soap.decrypted(connection)

    @staticmethod
    def _joined(websocket: Decoded, soap: tuple[list[OcppItem], list[Finding]]) -> Decoded:
        """What both lanes gave, in position order."""
        if not soap[0] and not soap[1]:
            return websocket
        items = sorted([*websocket.items, *soap[0]], key=_BY_POSITION)
        return Decoded(items, websocket.findings + soap[1])

    def tick(self, now_ns: int) -> Decoded:
        """Let time pass; `now_ns` is on the clock of the items' times."""
        self._last_ns = max(self._last_ns, now_ns)
        items = self.ocpp.feed(in_order(self._bursts.take()) + self.websockets.tick(now_ns))
        findings = self.engine.feed(items) + self.engine.tick(now_ns)
        decoded = Decoded([*items, *self.engine.take_anomalies()], findings)
        return decoded if self._soap is None else self._joined(decoded, self._soap.tick(now_ns))

    def finish(self, end_ns: int | None = None) -> Decoded:
        """Close what is open at the end; `end_ns` None: at the latest time seen."""
        end_ns = self._last_ns if end_ns is None else end_ns
        items = self.ocpp.feed(in_order(self._bursts.take()) + self.websockets.finish(end_ns))
        items += self.ocpp.finish(end_ns)
        findings = self.engine.feed(items)
        findings += self.engine.finish(end_ns)
        self.engine.program.keep()
        decoded = Decoded([*items, *self.engine.take_anomalies()], findings)
        return decoded if self._soap is None else self._joined(decoded, self._soap.finish(end_ns))

    def counters(self) -> dict[str, dict[str, int]]:
        """What each room counted: room → name → number."""
        ocpp = Counter(structs.asdict(self.ocpp.counters))
        soap = {} if self._soap is None else self._soap.counters()
        ocpp.update(soap.pop("ocpp", {}))
        return {"websocket": dict(self.websockets.counters), "ocpp": dict(ocpp)} | soap

    def _note_endpoints(self, item: StreamOpened) -> None:
        flow = item.flow
        self._endpoints[item.connection] = (
            (flow.b, flow.b_port, flow.a, flow.a_port)
            if item.client_direction == 1
            else (flow.a, flow.a_port, flow.b, flow.b_port)
        )
        if len(self._endpoints) > NAMED_CONNECTIONS:
            del self._endpoints[next(iter(self._endpoints))]

    def _endpoints_of(self, connection: int, position: int) -> tuple[str, int, str, int] | None:
        """(client, port, server, port); without a handshake the websocket room knows the client by its masking."""
        return self.websockets.endpoints(connection, position) or self._endpoints.get(connection)


def only_items(items: list[StreamItem]) -> StreamBatch:
    """A batch without columns."""
    none = np.zeros(0, dtype=np.int64)
    octets = np.zeros(0, dtype=np.uint8)
    return StreamBatch(octets, none, none, none, none, none, none, none, none, items)


def losses_of_drops(anomalies: Sequence[Anomaly]) -> list[Loss]:
    """What the capturing machine dropped may belong to any connection: a loss of all of them (connection 0).

    When its clock was set, nobody can say how long anything took: that is such a loss, too.
    """
    return [
        Loss(0, "unknown", anomaly.ts_ns, anomaly.packet, anomaly.position, "drops")
        for anomaly in anomalies
        if anomaly.name in ("capture.dropped_packets", "capture.clock_set")
    ]


def filled(columns: Columns, parts: Iterable[Decoded]) -> Iterator[dict[str, Any]]:
    """Add the parts to the columns; yields the batches (table → Arrow record batch) that are full."""
    for decoded in parts:
        columns.add(decoded.items)
        columns.add_findings(decoded.findings)
        if columns.full:
            yield columns.flush()
