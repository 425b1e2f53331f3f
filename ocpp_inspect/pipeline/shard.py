"""SegmentBatch in, the part of it that this worker decodes out.

Every worker reads the same packets and decides alone, and alike, who owns a connection, so nothing has to be sent
between them: a connection belongs to the worker of its *station*, which stands in the path of the upgrade request.
Rules are kept by station, so each worker can run all of them on its share. Stations are dealt out in turn: by a hash
of its name, one of two workers would get 55 of 100 stations, and all wait for it.

HTTP that does not ask for an upgrade goes to the first worker: SOAP names its stations in the bodies, one connection
may carry many of them (a balancer keeps few connections open), and one station has many connections.

A connection whose first octets do not tell yet (a bare SYN, half a request line, a CONNECT to a forward proxy) is held
back, bounded, and handed to its owner whole once it tells; otherwise the client's address decides. Of TLS for which
there are keys, every worker decrypts so much that the request can be read (`peek.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from zlib import crc32

import numpy as np

from ocpp_inspect.forwarded import read_headers
from ocpp_inspect.http import may_be_inside_xml
from ocpp_inspect.limits import HELD_CONNECTIONS, HELD_OCTETS, HELD_SEGMENTS, HELD_TLS_OCTETS, PEEKS, STATIONS
from ocpp_inspect.model import Flow, Int64, SegmentBatch, UInt8
from ocpp_inspect.pipeline.peek import COLUMNS, Peek
from ocpp_inspect.tls import CONNECT, Keys

_UNDECIDED: Final = -1
_SYN: Final = 2
_OPENING: Final = 1 | _SYN | 4 | 16
"""Of these flags a segment that opens a connection has SYN alone: with FIN or RST it is no such segment."""
_HTTP_METHODS: Final = (b"GET ", b"CONNECT ", b"POST ", b"HEAD ", b"OPTIONS ", b"PUT ", b"HTTP/1.")
_TLS: Final = b"\x16\x03"
_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")
_UPGRADE: Final = re.compile(rb"\n(?:upgrade|sec-websocket-[^:\n]*)[ \t]*:", re.IGNORECASE)
_SOAP_ANSWER: Final = re.compile(rb"\nContent-Type[ \t]*:[ \t]*(?:application/soap|text/xml)", re.IGNORECASE)
_SOAP_WORKER: Final = 0
_COLUMNS: Final = COLUMNS
_SEQ: Final = _COLUMNS.index("seq")
_FLAGS: Final = _COLUMNS.index("flags")
_FLOW: Final = _COLUMNS.index("flow")
_POSITION: Final = _COLUMNS.index("position")

Endpoints = tuple[str, int, str, int]
Learn = Callable[[Endpoints, str, int], None]
"""Called with ((client, port, server, port), station, position) for every upgrade request seen, own or not."""
Leave = Callable[[Endpoints, int], None]
"""Called with (endpoints, position) for every FIN or RST, twice: it is not known here which end is the client."""
_ENDING: Final = 1 | 4


class _Held:
    """Segments of one connection that wait for a decision: rows of column values and copies of their payloads."""

    __slots__ = ("is_http", "is_tls", "octets", "payloads", "peek", "rows")

    def __init__(self) -> None:
        self.rows: list[tuple[int, ...]] = []
        self.payloads: list[bytes] = []
        self.octets = 0
        self.peek: Peek | None = None
        self.is_tls = False
        self.is_http = False


class Sharder:
    """Selects the segments of worker `index` of `count`.

    `station_from_path` is the ocpp room's reading of a request path; `learn` tells it which station an address has,
    `leave` which connections ended. `keys` are those that the worker's tls room has.
    """

    def __init__(
        self,
        index: int,
        count: int,
        station_from_path: Callable[[str], str],
        learn: Learn,
        leave: Leave,
        keys: Keys | None = None,
    ) -> None:
        self._keys = keys if keys is not None else Keys()
        self._peeks: dict[int, None] = {}  # pairs that have one
        self._index = index
        self._count = count
        self._station_from_path = station_from_path
        self._learn = learn
        self._leave = leave
        self._owner: Int64 = np.full(1024, _UNDECIDED, dtype=np.int64)
        self._flows: dict[int, Flow] = {}
        self._held: dict[int, _Held] = {}
        # Of the client's SYN, to tell port reuse from a repeated SYN.
        self._initial_seq: Int64 = np.full(1024, _UNDECIDED, dtype=np.int64)
        self._owner_of_address: dict[tuple[str, str, int], int] = {}
        self._soap_servers: dict[tuple[str, int], None] = {}
        self._worker_of_station: dict[str, int] = {}
        self._worker_of_client: dict[str, int] = {}  # those of which no station is known

    def select(self, batch: SegmentBatch) -> SegmentBatch:
        """The segments that this worker owns, in order, with those released from waiting in front of theirs.

        A single worker gets all at once: nothing waits, only the addresses of stations are learned.
        """
        for flow in batch.new_flows:
            self._flows[flow.pair] = flow
            self._make_room(flow.pair)
            self._owner[flow.pair] = _UNDECIDED
        if not len(batch.packet):
            return batch
        pair = batch.flow >> 1
        owner = self._owner[pair]
        reopening = ((batch.flags & _OPENING) == _SYN) & (owner != _UNDECIDED)
        released: list[tuple[tuple[int, ...], bytes]] = []
        odd = owner == _UNDECIDED
        if reopening.any():
            odd |= np.isin(pair, np.unique(pair[reopening]))
        if odd.any():
            owner = owner.copy()
            for row in np.flatnonzero(odd).tolist():
                owner[row] = self._decide_row(batch, row, int(pair[row]), released)
        for row in np.flatnonzero(batch.flags & _ENDING).tolist():
            flow, position = self._flows[int(pair[row])], int(batch.position[row])
            self._leave((flow.a, flow.a_port, flow.b, flow.b_port), position)
            self._leave((flow.b, flow.b_port, flow.a, flow.a_port), position)
        if self._count == 1:
            return batch
        mine = owner == self._index
        if released:
            return _with_released(batch, mine, released)
        return _take(batch, mine)

    def finish(self, template: SegmentBatch | None) -> SegmentBatch | None:
        """What still waits when the capture ends, for its owner by address."""
        released: list[tuple[tuple[int, ...], bytes]] = []
        for pair, held in list(self._held.items()):
            self._settle(pair, self._fallback(pair, is_tls=held.is_tls), released)
        if template is None or not released or self._count == 1:
            return None
        return _with_released(template, np.zeros(len(template.packet), dtype=bool), released)

    # ------------------------------------------------------------------------------------------------ one segment

    def _decide_row(
        self, batch: SegmentBatch, row: int, pair: int, released: list[tuple[tuple[int, ...], bytes]]
    ) -> int:
        """The worker that gets this segment now; _UNDECIDED when it was put aside."""
        before = int(self._owner[pair])
        if before != _UNDECIDED:
            opens = int(batch.flags[row]) & _OPENING == _SYN
            if not opens or self._initial_seq[pair] == batch.seq[row]:
                return before
            # Port reuse: another station may have the new connection. The old owner sees the SYN, so that it closes
            # its connection; the new owner gets the SYN again with the rest.
            self._owner[pair] = _UNDECIDED
        held = self._held.get(pair)
        if held is None:
            if len(self._held) >= HELD_CONNECTIONS:
                oldest = next(iter(self._held))
                self._settle(oldest, self._fallback(oldest, is_tls=self._held[oldest].is_tls), released)
            held = self._held[pair] = _Held()
        start, length = int(batch.offset[row]), int(batch.length[row])
        payload = batch.octets[start : start + length].tobytes()
        held.rows.append(tuple(int(getattr(batch, name)[row]) for name in _COLUMNS))
        held.payloads.append(payload)
        held.octets += length
        if held.peek is not None:
            held.peek.feed(held.rows[-1], payload)
        if length == 0 and len(held.rows) < HELD_SEGMENTS:
            return before
        owner = self._owner_by_content(pair, held)
        most = HELD_OCTETS if held.peek is None else HELD_TLS_OCTETS
        if owner == _UNDECIDED and (len(held.rows) >= HELD_SEGMENTS or held.octets >= most):
            owner = _SOAP_WORKER if held.is_http else self._fallback(pair, is_tls=held.is_tls)
        if owner != _UNDECIDED:
            self._settle(pair, owner, released)
        return before  # the row itself is among the released ones

    def _settle(self, pair: int, owner: int, released: list[tuple[tuple[int, ...], bytes]]) -> None:
        self._owner[pair] = owner
        held = self._held.pop(pair)
        self._peeks.pop(pair, None)
        for row in held.rows:
            if row[_FLAGS] & _OPENING == _SYN:
                self._initial_seq[pair] = row[_SEQ]
        if owner == self._index:
            released.extend(zip(held.rows, held.payloads, strict=True))

    def _owner_by_content(self, pair: int, held: _Held) -> int:
        """The owner when the octets so far tell it: by the station of an upgrade request, else by address."""
        flow = self._flows[pair]
        if held.peek is not None:
            return self._owner_by_peek(flow, held, held.peek)
        undecided = False
        for direction in (0, 1):
            text = b"".join(
                payload
                for row, payload in sorted(zip(held.rows, held.payloads, strict=True))
                if row[_FLOW] & 1 == direction and payload
            )
            if not text:
                continue
            headers = read_headers(text)
            if headers is None or (headers.octets and headers.octets == len(text)):
                undecided = True
                continue
            text = text[headers.octets :]
            if not (text.startswith(_HTTP_METHODS) or any(method.startswith(text) for method in _HTTP_METHODS)):
                return self._owner_of_other(flow, held, text)
            undecided = held.is_http = True
            if text.startswith(CONNECT):
                return self._begin_peek(flow, held)  # there may be TLS behind it
            path = _upgrade_path(text)
            if path is not None:
                return self._owner_by_path(flow, direction, path, max(row[_POSITION] for row in held.rows))
            if _carries_soap(text):
                self._note_soap(flow, direction, text)
                return _SOAP_WORKER
        return _UNDECIDED if undecided else self._owner_by_address(flow)

    def _owner_of_other(self, flow: Flow, held: _Held, text: bytes) -> int:
        """The owner of what does not begin like HTTP."""
        held.is_tls = text.startswith(_TLS)
        if may_be_inside_xml(text):
            return _SOAP_WORKER
        if self._keys.is_empty:
            return self._owner_by_address(flow, is_tls=held.is_tls)
        return self._begin_peek(flow, held)

    def _owner_by_path(self, flow: Flow, direction: int, path: str, position: int) -> int:
        """The owner of the station in the path of a request; its address is learned."""
        station = self._station_from_path(path)
        ends = (flow.a, flow.a_port, flow.b, flow.b_port)
        client, client_port, server, port = ends if direction == 0 else (*ends[2:], *ends[:2])
        if station:
            self._learn((client, client_port, server, port), station, position)
        owner = self._deal(self._worker_of_station, station)
        if len(self._owner_of_address) >= STATIONS:
            del self._owner_of_address[next(iter(self._owner_of_address))]
        known = self._owner_of_address.setdefault((client, server, port), owner)
        if known != owner:
            self._owner_of_address[(client, server, port)] = _UNDECIDED  # several stations behind one address
        return owner

    def _begin_peek(self, flow: Flow, held: _Held) -> int:
        """There are keys and the connection is no HTTP, or a tunnel: look whether it is TLS that they open."""
        if len(self._peeks) >= PEEKS:
            return self._owner_by_address(flow, is_tls=held.is_tls)
        held.peek = Peek(flow, self._keys)
        self._peeks[flow.pair] = None
        for row, payload in zip(held.rows, held.payloads, strict=True):
            held.peek.feed(row, payload)
        return self._owner_by_peek(flow, held, held.peek)

    def _owner_by_peek(self, flow: Flow, held: _Held, peek: Peek) -> int:
        held.is_tls = peek.is_tls
        held.is_http &= not peek.is_tls
        if peek.is_closed:
            return self._owner_by_address(flow, is_tls=peek.is_tls)
        for direction, octets in enumerate(peek.texts):
            text = bytes(octets)
            if text and not (
                text.startswith(_HTTP_METHODS) or any(method.startswith(text) for method in _HTTP_METHODS)
            ):
                return self._owner_by_address(flow, is_tls=True)
            path = _upgrade_path(text)
            if path is not None:
                return self._owner_by_path(flow, direction, path, max(row[_POSITION] for row in held.rows))
            if _carries_soap(text):
                self._note_soap(flow, direction, text)
                return _SOAP_WORKER
        return _UNDECIDED

    def _note_soap(self, flow: Flow, direction: int, text: bytes) -> None:
        """Connections to a server of SOAP are the first worker's, whatever of them was captured."""
        is_to_b = (direction == 0) == text.startswith(b"POST ")
        self._soap_servers[(flow.b, flow.b_port) if is_to_b else (flow.a, flow.a_port)] = None
        if len(self._soap_servers) > STATIONS:
            del self._soap_servers[next(iter(self._soap_servers))]

    def _owner_by_address(self, flow: Flow, *, is_tls: bool = False) -> int:
        for key in ((flow.a, flow.b, flow.b_port), (flow.b, flow.a, flow.a_port)):
            owner = self._owner_of_address.get(key, _UNDECIDED)
            if owner != _UNDECIDED:
                return owner
        return self._fallback(flow.pair, is_tls=is_tls)

    def _fallback(self, pair: int, *, is_tls: bool = False) -> int:
        """By the end that looks like the client, which names a station that nothing else names.

        TLS that stays closed is named by the client's address alone: what its handshakes show is judged together.
        """
        flow = self._flows[pair]
        if (flow.a, flow.a_port) in self._soap_servers or (flow.b, flow.b_port) in self._soap_servers:
            return _SOAP_WORKER
        client, port = (flow.a, flow.a_port) if flow.a_port >= flow.b_port else (flow.b, flow.b_port)
        client = client if is_tls else f"{client}|{port}"
        return self._deal(self._worker_of_client, client)

    def _deal(self, table: dict[str, int], name: str) -> int:
        """The worker of a station or client, for ever: all that is known of it is there."""
        owner = table.get(name)
        if owner is None:
            if len(table) >= STATIONS:
                return crc32(name.encode("utf-8", "surrogatepass")) % self._count
            owner = table[name] = len(table) % self._count
        return owner

    def _make_room(self, pair: int) -> None:
        while pair >= len(self._owner):
            more = np.full(len(self._owner), _UNDECIDED, dtype=np.int64)
            self._owner = np.concatenate([self._owner, more])
            self._initial_seq = np.concatenate([self._initial_seq, more])


def _upgrade_path(text: bytes) -> str | None:
    """The path of the first complete upgrade request in `text`, None when there is none yet."""
    at = text.find(b"GET ")
    while at >= 0:
        # RFC 9112 §2.2: a lone LF may end a line, and the websocket room takes it for one.
        end = _END_OF_HEAD.search(text, at)
        head = text[at : end.start()] if end is not None else b""
        line = head.partition(b"\n")[0].rstrip(b"\r").split(b" ")
        if len(line) == 3 and _UPGRADE.search(head) is not None:
            path = line[1].decode("latin-1")
            if "://" in path:
                path = "/" + path.split("://", 1)[1].partition("/")[2]
            return path
        at = text.find(b"GET ", at + 4)
    return None


def _carries_soap(text: bytes) -> bool:
    """Whether the first head in `text` is that of a POST, or of an answer that is XML."""
    end = _END_OF_HEAD.search(text)
    if end is None:
        return False
    head = text[: end.end()]
    if head.startswith(b"POST "):
        return _UPGRADE.search(head) is None
    return head.startswith(b"HTTP/1.") and _SOAP_ANSWER.search(head) is not None


def _take(batch: SegmentBatch, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> SegmentBatch:
    if mask.all():
        return batch
    return _with_columns(batch, batch.octets, {name: getattr(batch, name)[mask] for name in _COLUMNS})


def _with_released(
    batch: SegmentBatch,
    mask: np.ndarray[tuple[int], np.dtype[np.bool_]],
    released: list[tuple[tuple[int, ...], bytes]],
) -> SegmentBatch:
    """The masked rows of `batch` and the released ones behind a copy of its octets, all by position."""
    base = len(batch.octets)
    rows, offset = [], base
    for row, payload in released:
        values = dict(zip(_COLUMNS, row, strict=True))
        values["offset"] = offset
        offset += len(payload)
        rows.append(tuple(values[name] for name in _COLUMNS))
    extra = np.frombuffer(b"".join(payload for _, payload in released), dtype=np.uint8)
    added = np.array(rows, dtype=np.int64).reshape(len(rows), len(_COLUMNS))
    columns = {name: np.concatenate([getattr(batch, name)[mask], added[:, i]]) for i, name in enumerate(_COLUMNS)}
    order = np.argsort(columns["position"], kind="stable")
    octets = np.concatenate([batch.octets, extra]) if len(extra) else batch.octets
    return _with_columns(batch, octets, {name: column[order] for name, column in columns.items()})


def _with_columns(batch: SegmentBatch, octets: UInt8, columns: dict[str, Int64]) -> SegmentBatch:
    """The same news, other rows."""
    return SegmentBatch(octets=octets, new_flows=batch.new_flows, anomalies=batch.anomalies, **columns)
