"""OcppItem and Finding in, one Arrow record batch a table out.

Hot: everything here costs 1.2 µs a message of 200 bytes (bench of 20,000 messages: 0.5 to take the fields apart, 0.7 to
build the arrays). So fast by: messages as tuples, which `zip` turns, and no object of our own a message. Values are
copied out at once, because a held OcppMessage would keep its payload tree alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, Final, TypeAlias

import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from ocpp_inspect.limits import STORE_BATCH_BYTES, STORE_BATCH_ROWS, STORE_PIECE_BYTES, STORE_TEXT_BYTES
from ocpp_inspect.model import (
    FRAMES_PER_CAPTURE,
    MESSAGES_PER_PACKET,
    Anomaly,
    ConnectionClosed,
    Finding,
    Loss,
    OcppItem,
    OcppMessage,
    SoapFacts,
    TlsSession,
    Upgrade,
    WsControl,
    split_packet_key,
)
from ocpp_inspect.store.layout import MESSAGES, SCHEMAS, TEXTS, TIME

_MANY: Final = 5_000
"""Labels that Arrow encodes faster than we do; but it loads pyarrow.compute for that, which takes 60 ms."""

Batches: TypeAlias = dict[str, Any]
"""Table name → pyarrow.RecordBatch."""


def valid_text(value: str) -> str:
    """The text with every lone surrogate replaced by U+FFFD: such a code point has no UTF-8 form (RFC 3629 §3)."""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _text(values: Sequence[str | None]) -> Any:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowException, UnicodeError):  # a lone surrogate out of a JSON escape
        return pa.array([None if value is None else valid_text(str(value)) for value in values], pa.string())


def _labels(values: Sequence[str | None]) -> Any:
    """Texts of which there are few different ones; an empty one says that nothing is known."""
    if "" in values:
        values = [value or None for value in values]
    if len(values) >= _MANY:
        return _text(values).dictionary_encode()
    texts = list(dict.fromkeys(values))
    numbers = {text: number for number, text in enumerate(texts)}
    indices = np.fromiter(map(numbers.__getitem__, values), np.int32, len(values))
    nothing = numbers.get(None)
    mask = None if nothing is None else indices == nothing
    return pa.DictionaryArray.from_arrays(pa.array(indices, mask=mask), _text(texts))


def _texts(values: Sequence[Sequence[str] | None]) -> Any:
    try:
        return pa.array(values, TEXTS)
    except (pa.ArrowException, UnicodeError):
        return pa.array([None if v is None else [valid_text(str(text)) for text in v] for v in values], TEXTS)


def _column(values: Sequence[Any], kind: Any) -> Any:
    if kind == pa.string():
        return _text(values)
    if kind == TEXTS:
        return _texts(values)
    if kind == TIME:
        return _numbers(values, pa.int64()).view(TIME)
    return _numbers(values, kind)


def _numbers(values: Sequence[Any], kind: Any) -> Any:
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError):  # a status line of forty digits
        return pa.array([_fitting(value, kind) for value in values], kind)


def _fitting(value: Any, kind: Any) -> Any:
    try:
        return pa.scalar(value, kind).as_py()
    except (pa.ArrowException, OverflowError):
        return None


def _head(raw: bytes) -> bytes:
    """As much of the text as a row keeps, not cut within a character (RFC 3629 §3: 10xxxxxx continues one)."""
    if len(raw) <= STORE_TEXT_BYTES:
        return raw
    end = STORE_TEXT_BYTES
    while end > STORE_TEXT_BYTES - 4 and raw[end] & 0xC0 == 0x80:
        end -= 1
    return raw[:end]


def _raw(octets: list[bytes]) -> tuple[Any, Any]:
    """(text, the exact octets of those that are no UTF-8) of the messages."""
    ends = np.zeros(len(octets) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, octets), np.int32, len(octets)), out=ends[1:])
    # Joined by hand: 0.13 µs a message, where pa.array(octets) takes 0.4.
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(octets))]
    column = pa.Array.from_buffers(pa.string(), len(octets), buffers)
    try:
        column.validate(full=True)  # RFC 3629
        return column, pa.nulls(len(octets), pa.binary())
    except pa.ArrowInvalid:
        pass
    texts: list[str] = []
    exact: list[bytes | None] = []
    for raw in octets:
        try:
            texts.append(raw.decode())
            exact.append(None)
        except UnicodeDecodeError:
            texts.append(raw.decode("utf-8", "replace"))
            exact.append(raw)
    return pa.array(texts, pa.string()), pa.array(exact, pa.binary())


_NOT_STORED: Final = {"packet", "position", "payload", "request", "request_ns", "session", "soap"}
"""Fields of a message that follow from others, or would keep its payload alive."""

_IS_STORED: Final = [name not in _NOT_STORED for name in OcppMessage.__struct_fields__]
_FIELDS: Final = list(compress(OcppMessage.__struct_fields__, _IS_STORED))


class _Messages:
    """The messages as lists, one list a field."""

    def __init__(self) -> None:
        self.rows = 0
        self.octets = 0
        self._fields: dict[str, list[Any]] = {name: [] for name in _FIELDS}

    def add(self, messages: list[OcppMessage]) -> list[OcppMessage]:
        """Take the messages; gives back those whose text is too long for a row and will be cut."""
        self.rows += len(messages)
        # As tuples that are turned: 0.5 µs a message, where a comprehension for each field takes 0.7.
        fields = compress(zip(*map(astuple, messages), strict=True), _IS_STORED)
        for held, values in zip(self._fields.values(), fields, strict=True):
            held.extend(values)
        sizes = [len(m.raw) for m in messages]
        self.octets += sum(sizes)
        return [m for m in messages if len(m.raw) > STORE_TEXT_BYTES] if max(sizes) > STORE_TEXT_BYTES else []

    def batch(self) -> Any:
        fields = self._fields
        # np.fromiter takes 0.012 µs a number, pa.array 0.024.
        ids, connections, times, sizes, requests, latencies = (
            np.fromiter(fields[name], np.int64, self.rows)
            for name in ("message_id", "connection", "ts_ns", "size", "request_id", "latency_ns")
        )
        captures, frames = np.divmod(ids // MESSAGES_PER_PACKET, FRAMES_PER_CAPTURE)
        raws = fields["raw"]
        raw, raw_bytes = _raw(list(map(_head, raws)) if max(map(len, raws)) > STORE_TEXT_BYTES else raws)
        columns = [
            pa.array(ids),
            pa.array(connections),
            pa.array(captures),
            _labels(fields["station"]),
            _labels(fields["version"]),
            pa.array(fields["version_inferred"], pa.bool_()),
            pa.array(times).view(TIME),
            _labels(fields["side"]),
            _labels(fields["kind"]),
            _text(fields["unique_id"]),
            _labels(fields["action"]),
            _text(fields["error_code"]),
            _text(fields["error_description"]),
            raw,
            raw_bytes,
            pa.array(sizes),
            pa.array(fields["compressed"], pa.bool_()),
            pa.array(frames),
            pa.array(requests, mask=requests == 0),
            pa.array(latencies / 1e6, mask=latencies < 0),
            pa.array(fields["schema_valid"], pa.bool_()),
            _text(fields["transaction"]),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=MESSAGES)


def _connection_row(item: ConnectionClosed) -> tuple[Any, ...]:
    upgrade = item.upgrade
    handshake: tuple[Any, ...] = (None,) * 7
    if upgrade is not None:
        handshake = (*_handshake(upgrade), upgrade.status or None)
    elif item.transport == "soap":
        handshake = (item.path, item.host, *(None,) * 5)
    return (
        item.connection,
        split_packet_key(item.connection)[0],
        item.station or None,
        item.version or None,
        item.client,
        item.client_port,
        item.server,
        item.server_port,
        *handshake,
        item.tls,
        item.opened_ns or None,
        item.ts_ns,
        item.close_kind,
        item.closed_by,
        item.close_code,
        item.close_reason,
        item.joined_midway,
        item.lost_bytes,
        item.messages,
        item.undecodable,
        item.is_ocpp,
        item.transport,
    )


def _handshake(item: Upgrade) -> tuple[Any, ...]:
    return (item.path, item.host, item.offered, item.subprotocol, item.offered_extensions, item.extensions)


def _upgrade_row(item: Upgrade) -> tuple[Any, ...]:
    return (
        item.connection,
        *split_packet_key(item.packet),
        item.station or None,
        item.ts_ns,
        item.status or None,
        *_handshake(item),
        item.user,
        item.has_password,
        item.password_length,
        item.client,
        item.client_port,
        item.server,
        item.server_port,
        item.forwarded_for,
        item.user_agent,
        item.server_agent,
        item.response_ns or None,
        split_packet_key(item.response_packet)[1] or None,
        item.body,
        item.tls,
    )


def _control_row(item: WsControl) -> tuple[Any, ...]:
    place = (item.connection or None, *split_packet_key(item.packet), item.station or None, item.ts_ns)
    return (*place, item.side, item.kind, item.code, item.reason, item.payload)


def _loss_row(item: Loss) -> tuple[Any, ...]:
    place = (item.connection or None, *split_packet_key(item.packet), item.station or None, item.ts_ns)
    return (*place, item.side, item.cause, item.bytes, item.messages)


def _anomaly_row(item: Anomaly) -> tuple[Any, ...]:
    return (
        item.name,
        item.name.partition(".")[0],
        item.connection or None,
        *split_packet_key(item.packet),
        item.station or None,
        item.ts_ns,
        item.side,
        item.detail,
        item.message_id or None,
        item.path or None,
    )


def _tls_row(item: TlsSession) -> tuple[Any, ...]:
    owner = item.certificates[0] if item.certificates and item.certificates[0].is_readable else None
    client = item.client_certificates
    certificate: tuple[Any, ...] = (None,) * 6
    if owner is not None:
        key = f"{owner.key_kind} {owner.key_bits}".strip()
        validity = owner.not_before_ns, owner.not_after_ns
        certificate = (owner.subject, owner.issuer, *validity, key or None, owner.names)
    return (
        item.connection,
        *split_packet_key(item.packet),
        item.station or None,
        item.ts_ns,
        item.client,
        item.client_port,
        item.server,
        item.server_port,
        item.outcome,
        item.ended_by if item.ended_by != "unknown" else None,
        item.alert or None,
        item.alert_meaning or None,
        item.alert_by if item.alert_by != "unknown" else None,
        split_packet_key(item.alert_packet)[1] or None,
        item.version or None,
        item.offered_versions if item.hello_seen else None,
        item.suite or None,
        item.offered_suites if item.hello_seen else None,
        item.server_name or None,
        item.offered_protocols if item.hello_seen else None,
        item.protocol or None,
        *certificate,
        [each.subject for each in item.certificates] if item.chain_seen else None,
        item.name_matches,
        item.client_certificate_asked,
        (client[0].subject if client else "") if client is not None else None,
        item.resumed,
        item.early_data,
        item.handshake_ns / 1e6 if item.handshake_ns >= 0 else None,
        item.opened_by or None,
        item.closed_because or None,
        item.records_up,
        item.records_down,
        item.octets_up,
        item.octets_down,
        item.largest_record,
        item.lost_records,
        item.last_ns or None,
        item.rhythm or None,
    )


def _soap_row(message: OcppMessage, facts: SoapFacts) -> tuple[Any, ...]:
    return (
        message.message_id,
        message.connection,
        *split_packet_key(message.packet),
        message.station or None,
        message.ts_ns,
        facts.tcp_connection,
        facts.client,
        facts.client_port,
        facts.server,
        facts.server_port,
        facts.path or None,
        facts.host or None,
        facts.status or None,
        facts.content_type or None,
        facts.content_encoding or None,
        facts.soap_version or None,
        facts.namespace or None,
        facts.identity or None,
        facts.action or None,
        facts.message_id or None,
        facts.relates_to or None,
        facts.sender or None,
        facts.reply_to or None,
        facts.to or None,
        facts.xml.decode("utf-8", "replace"),
    )


def _finding_row(item: Finding) -> tuple[Any, ...]:
    evidence = [split_packet_key(packet) for packet in item.evidence]
    capture, frame = evidence[0] if evidence else (split_packet_key(item.connection)[0] or None, None)
    return (
        item.position,
        item.rule,
        item.name,
        item.axis,
        item.severity,
        item.verdict,
        item.blame,
        item.station or None,
        item.connection or None,
        capture,
        frame,
        item.ts_ns,
        item.text,
        [frame for _, frame in evidence],
        [capture for capture, _ in evidence],
        item.reference,
        item.message_id or None,
        item.accepted or None,
        item.cause or None,
    )


_ROWS: Final[dict[type, tuple[str, Any]]] = {
    ConnectionClosed: ("connections", _connection_row),
    Upgrade: ("upgrades", _upgrade_row),
    WsControl: ("controls", _control_row),
    Loss: ("losses", _loss_row),
    Anomaly: ("anomalies", _anomaly_row),
    TlsSession: ("tls_sessions", _tls_row),
}


_UNSAID: Final = ("suspected", "manipulated")
"""Losses that only warn those who judge."""


def _is_whole(item: OcppItem) -> bool:
    """A TLS session is told twice; the second time it is complete."""
    return type(item) is not TlsSession or item.phase == "closed"


_TOGETHER: Final = 64
"""Messages that are taken apart together: of fewer, each column costs more than its values; more leave the cache."""


class Columns:
    """Collects what a worker decoded, and gives it as Arrow batches when `full` (or at the end)."""

    def __init__(self, batch_rows: int = STORE_BATCH_ROWS, batch_bytes: int = STORE_BATCH_BYTES) -> None:
        self._batch_rows = batch_rows
        self._batch_bytes = batch_bytes
        self._messages = _Messages()
        self._waiting: list[OcppMessage] = []  # a few, to be taken apart together
        self._tables: dict[str, list[tuple[Any, ...]]] = {}
        self._rows = 0

    @property
    def full(self) -> bool:
        """True when the rows held should be flushed."""
        held, waiting = self._messages, self._waiting
        rows = held.rows + len(waiting) + self._rows
        return rows >= self._batch_rows or held.octets + sum(len(m.raw) for m in waiting) >= self._batch_bytes

    def add(self, items: Sequence[OcppItem]) -> None:
        """Take items; nothing of them is kept alive for long but text."""
        messages = [item for item in items if type(item) is OcppMessage]
        self._waiting += messages
        if len(self._waiting) >= _TOGETHER:
            self._take_apart()
        if len(messages) == len(items):
            return
        for item in items:
            row = _ROWS.get(type(item))
            if row is not None and getattr(item, "cause", "") not in _UNSAID and _is_whole(item):
                table, build = row
                self._tables.setdefault(table, []).append(build(item))
                self._rows += 1

    def _take_apart(self) -> None:
        messages, self._waiting = self._waiting, []
        if not messages:
            return
        for message in self._messages.add(messages):
            self._add_long_text(message)
        # 0.02 µs a message, for the few captures that have any.
        over_soap = [_soap_row(m, m.soap) for m in messages if m.soap is not None]
        if over_soap:
            self._tables.setdefault("soap_messages", []).extend(over_soap)
            self._rows += len(over_soap)

    def _add_long_text(self, message: OcppMessage) -> None:
        rows = self._tables.setdefault("long_texts", [])
        capture = split_packet_key(message.packet)[0]
        for part, start in enumerate(range(0, len(message.raw), STORE_PIECE_BYTES)):
            octets = message.raw[start : start + STORE_PIECE_BYTES]
            rows.append((message.message_id, capture, part, octets))

    def add_findings(self, findings: Sequence[Finding]) -> None:
        """Take findings."""
        if findings:
            self._tables.setdefault("findings", []).extend(map(_finding_row, findings))
            self._rows += len(findings)

    def flush(self) -> Batches:
        """Everything added since the last flush; tables without rows are absent."""
        batches: Batches = {}
        self._take_apart()
        if self._messages.rows:
            batches["message_records"] = self._messages.batch()
            self._messages = _Messages()
        for table, rows in self._tables.items():
            schema = SCHEMAS[table]
            columns = [
                _column(values, kind) for values, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
            ]
            batches[table] = pa.RecordBatch.from_arrays(columns, schema=schema)
        self._tables = {}
        self._rows = 0
        return batches


def pack(batches: Batches) -> dict[str, Any]:
    """The batches as Arrow IPC streams (objects that show their octets as a buffer), to cross a pipe."""
    packed: dict[str, Any] = {}
    for table, batch in batches.items():
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        packed[table] = sink.getvalue()
    return packed


def unpack(packed: dict[str, Any]) -> Batches:
    """The batches again, without a copy: they point into `packed`."""
    return {table: pa.ipc.open_stream(octets).read_next_batch() for table, octets in packed.items()}
