"""Every type that crosses a door between rooms. No behaviour; imports nothing of ours. Long because it is a list.

Time is integer nanoseconds since the Unix epoch. A packet is named by one integer, its *packet key*:
``capture * 10**10 + frame`` with the 1-based frame number that Wireshark shows. ``position`` is the ordinal of
the packet in the merged input (all files, in time order): rooms sort by it, so output never depends on batch size,
lane or number of workers.

Door by door:
    capture    → PacketBatch
    network    → SegmentBatch
    tcp        → StreamBatch (columns for in-order segments; StreamOpened, StreamData, StreamGap … for all others)
    tls        → the same, TLS as its plaintext behind a StreamSecured; TlsSession for what a handshake shows
    websocket  → list of Upgrade | WsMessage | WsControl | Loss | ConnectionClosed | Anomaly
    soap       → list of SoapMessage | Loss | ConnectionClosed | Anomaly
    ocpp       → the same lists, each WsMessage and SoapMessage replaced by OcppMessage, `station` filled everywhere
    engine     → list of Finding
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Side: TypeAlias = Literal["station", "csms", "unknown"]
Kind: TypeAlias = Literal["CALL", "CALLRESULT", "CALLERROR", "CALLRESULTERROR", "SEND", "INVALID"]
Layer: TypeAlias = Literal[
    "capture", "network", "tcp", "tls", "http", "ws", "soap", "ocpp", "rpc", "schema", "pipeline", "proxy"
]
Severity: TypeAlias = Literal["error", "warning", "info"]
Verdict: TypeAlias = Literal["violation", "inconclusive"]
Blame: TypeAlias = Literal["station", "csms", "network", "unknown"]
CloseReason: TypeAlias = Literal["fin", "rst", "idle", "end", "reuse"]

Int64: TypeAlias = npt.NDArray[np.int64]
UInt8: TypeAlias = npt.NDArray[np.uint8]
Octets: TypeAlias = bytes
"""`bytes`, where a field of that name hides the type."""

FRAMES_PER_CAPTURE: Final = 10**10
MESSAGES_PER_PACKET: Final = 10**5


def packet_key(capture: int, frame: int) -> int:
    """The packet key of a 1-based frame of a 1-based capture."""
    return capture * FRAMES_PER_CAPTURE + frame


def split_packet_key(packet: int) -> tuple[int, int]:
    """(capture, frame) of a packet key."""
    return divmod(packet, FRAMES_PER_CAPTURE)


# --------------------------------------------------------------------------- facts that any room can report


class Anomaly(msgspec.Struct, gc=False):
    """A fact about malformed, missing or surprising input. It judges nothing: rules do.

    `name` is stable and dotted (`ws.unmasked_client_frame`), its first part is the layer. `detail` is plain text for
    a person (where, what was expected, what was found); captured text inside it is NOT yet escaped.
    `message_id` is set when the anomaly belongs to one OCPP message; `path` is then the JSON path inside it.
    """

    name: str
    ts_ns: int
    packet: int
    position: int
    connection: int = 0  # 0: no connection
    side: Side = "unknown"  # who sent the offending bytes
    detail: str = ""
    station: str = ""
    message_id: int = 0
    path: str = ""


# --------------------------------------------------------------------------- capture → network


@dataclass(slots=True)
class CaptureInfo:
    """One input file (or stream): what the `captures` table and the summary say about it."""

    capture: int
    path: str
    format: str = ""  # "pcap", "pcapng", with "+gzip" etc. when compressed
    link_types: list[str] = field(default_factory=list)
    first_ns: int = 0
    last_ns: int = 0
    packets: int = 0
    bytes: int = 0
    dropped_packets: int = 0
    truncated: bool = False
    comments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what could not be read, with offsets
    secrets: list[tuple[int, Octets]] = field(default_factory=list)  # pcapng DSB: (secrets type, data)


@dataclass(slots=True)
class PacketBatch:
    """A run of packets in merged time order. All columns have equal length; `offset` points into `octets`."""

    octets: UInt8  # the bytes that all offsets point into (read-only)
    packet: Int64  # packet key
    position: Int64  # global ordinal, increasing
    ts_ns: Int64
    offset: Int64  # first octet of the link-layer header
    captured: Int64  # octets present
    original: Int64  # octets on the wire
    link: Int64  # LINKTYPE_ value
    interface: Int64  # unique per (capture, section, interface)
    anomalies: list[Anomaly] = field(default_factory=list)


# --------------------------------------------------------------------------- network → tcp


class Flow(msgspec.Struct, gc=False, frozen=True):
    """A pair of TCP endpoints. Direction 0 is a → b, 1 is b → a; a sent the first packet seen."""

    pair: int
    a: str
    a_port: int
    b: str
    b_port: int


@dataclass(slots=True)
class SegmentBatch:
    """TCP segments of the batch, in merged order. `flow` is `2 * pair + direction`."""

    octets: UInt8
    packet: Int64
    position: Int64
    ts_ns: Int64
    flow: Int64
    seq: Int64  # 0 … 2**32-1
    ack: Int64
    flags: Int64  # the low byte of the TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16
    window: Int64
    offset: Int64  # first payload octet, into `octets`
    length: Int64  # payload octets present
    missing: Int64  # payload octets that the IP header promises behind them but the capture lacks (snaplen)
    new_flows: list[Flow] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)


# --------------------------------------------------------------------------- tcp → tls → websocket


class StreamOpened(msgspec.Struct, gc=False):
    """A connection begins; `flow.pair` names its endpoints.

    `client_direction` is 0 or 1 when a SYN (or SYN-ACK) told it, else None.
    """

    connection: int  # packet key of the first packet of the connection
    flow: Flow
    ts_ns: int
    packet: int
    position: int
    client_direction: int | None
    joined_midway: bool  # no SYN of either side was seen


class StreamData(msgspec.Struct, gc=False):
    """Contiguous new bytes of one direction; `packet` is the packet whose arrival made them deliverable.

    Bytes that waited behind a hole which was given up name the packet with which they had all come, so that evidence
    points to the frame that holds them; their `ts_ns` is when they had come, `position` that of the giving up.
    Octets that answer to some of the other side that were captured later come behind those, with their own packet.
    """

    connection: int
    pair: int
    direction: int
    ts_ns: int
    packet: int
    position: int
    stream_offset: (
        int  # offset of the first byte in this direction's stream, 0 behind the SYN (or at the first byte seen)
    )
    data: bytes


class StreamGap(msgspec.Struct, gc=False):
    """`length` bytes of one direction that will not come any more (0: unknown).

    When time alone gave them up, `ts_ns` is when that was due, `position` that of the first packet of the capture, of
    whatever connection, at or after it, and `packet` what shows the hole: the octets behind it, or an acknowledgment.
    """

    connection: int
    pair: int
    direction: int
    ts_ns: int
    packet: int
    position: int
    stream_offset: int
    length: int


class StreamDoubt(msgspec.Struct, gc=False):
    """Octets of `direction` were acknowledged that the capture has not shown: they may be recorded late, or be lost.

    Comes before the data whose packet carries the acknowledgment, so that nobody is judged by what was not seen. When
    the octets do not come, a StreamGap follows.
    """

    connection: int
    pair: int
    direction: int
    ts_ns: int
    packet: int
    position: int


class StreamClosed(msgspec.Struct, gc=False):
    """The connection ends. `closed_by` is the direction of the first FIN/RST, None for idle/end/reuse.

    `heard_ns`: for each direction, when a segment last showed that nothing before it is missing, 0: never. None where
    there are no segments. `ended_ns` is when that first FIN/RST was seen, None when that is not known.
    """

    connection: int
    pair: int
    ts_ns: int
    packet: int
    position: int
    reason: CloseReason
    closed_by: int | None
    lost_bytes: int
    heard_ns: tuple[int, int] | None = None
    ended_ns: int | None = None


class StreamSecured(msgspec.Struct, gc=False):
    """A connection is TLS. Readable: all data of it from here on are plaintext. Else none come: it stays closed."""

    connection: int
    pair: int
    ts_ns: int
    packet: int
    position: int
    is_readable: bool


class StreamForwarded(msgspec.Struct, gc=False):
    """A balancer made this connection for somebody else, and said so before it passed anything on; that is taken out.

    Stands in front of the connection's data, of which the columns may hold some in the same batch.
    """

    connection: int
    pair: int
    ts_ns: int
    packet: int
    position: int
    source: str  # address of the client; "unknown" when the balancer does not tell it


class Certificate(msgspec.Struct, gc=False, frozen=True):
    """What a certificate of a handshake says of itself. Captured text is NOT yet escaped."""

    subject: str = ""  # RFC 4514: "CN=csms.example,O=Example"
    issuer: str = ""
    common_name: str = ""
    not_before_ns: int = 0
    not_after_ns: int = 0
    key_kind: str = ""  # "RSA", "EC", "Ed25519" …
    key_bits: int = 0
    names: tuple[str, ...] = ()  # DNS names and addresses of the subject's alternative names
    is_self_issued: bool = False  # subject and issuer are the same
    signature: str = ""  # "sha256" …
    is_readable: bool = True


class TlsSession(msgspec.Struct):
    """What one TLS connection shows, with or without its keys.

    Told twice: as `phase` "handshake" when the handshake is over, however it ended (behind the upgrade, if that can be
    read), and as "closed" with the connection, complete. What was not captured is None, 0 or "".
    """

    connection: int
    ts_ns: int  # of the ClientHello, or of the first record seen
    packet: int
    position: int  # orders the item
    phase: Literal["handshake", "closed"]
    client: str = ""
    client_port: int = 0
    server: str = ""
    server_port: int = 0
    named_at: int = 0  # the position at which the station's address was looked up
    outcome: Literal["completed", "aborted", "unfinished", "unknown"] = "unknown"
    ended_by: Side = "unknown"  # of a handshake that was not completed
    alert: str = ""  # name of the alert that ended it, or the connection
    alert_meaning: str = ""
    alert_by: Side = "unknown"
    alert_packet: int = 0
    version: str = ""  # negotiated: "1.0" … "1.3", "SSL 3.0"
    offered_versions: tuple[str, ...] = ()
    suite: str = ""
    suite_is_weak: bool = False
    offered_suites: tuple[str, ...] = ()
    compression: bool | None = None
    server_name: str = ""  # SNI
    offered_protocols: tuple[str, ...] = ()  # ALPN
    protocol: str = ""
    hello_seen: bool = False  # the whole ClientHello
    chain_seen: bool = False  # the server's Certificate message, whole
    certificates: tuple[Certificate, ...] = ()
    chain_gap: str = ""  # issuer of a certificate that the next one of the chain is not
    name_matches: bool | None = None  # whether the server's certificate is for the name that the client asked for
    client_certificate_asked: bool | None = None
    client_certificates: tuple[Certificate, ...] | None = None  # (): asked for, none sent
    resumed: bool | None = None
    early_data: bool = False
    handshake_ns: int = -1  # from ClientHello to the last Finished
    opened_by: Literal["", "key log", "private key"] = ""
    closed_because: str = ""  # why it stayed closed to us
    records_up: int = 0
    records_down: int = 0
    octets_up: int = 0
    octets_down: int = 0
    lost_records: int = 0
    largest_record: int = 0
    last_ns: int = 0
    rhythm: str = ""  # a guess from sizes and times of records that could not be read
    station: str = ""


StreamItem: TypeAlias = (
    StreamOpened
    | StreamData
    | StreamGap
    | StreamDoubt
    | StreamClosed
    | StreamSecured
    | StreamForwarded
    | TlsSession
    | Anomaly
)


@dataclass(slots=True)
class StreamBatch:
    """What tcp hands to websocket.

    The columns hold in-order data segments of connections in which nothing odd happened during the batch; `items`
    (sorted by position) holds everything of all other connections. One connection is never in both in one batch.
    """

    octets: UInt8
    packet: Int64
    position: Int64
    ts_ns: Int64
    flow: Int64
    connection: Int64
    offset: Int64
    length: Int64
    stream_offset: Int64
    items: list[StreamItem] = field(default_factory=list)


# --------------------------------------------------------------------------- websocket → ocpp


class Upgrade(msgspec.Struct):
    """One HTTP upgrade attempt, accepted (101) or not. Emitted when the response is complete (or will not come)."""

    connection: int
    ts_ns: int  # of the request
    packet: int  # of the request
    position: int
    status: int  # HTTP status, 0: no answer was seen
    path: str = ""  # as on the wire (absolute URIs reduced to their path)
    host: str = ""
    offered: tuple[str, ...] = ()  # subprotocols
    subprotocol: str | None = None
    offered_extensions: str = ""
    extensions: str = ""  # as accepted
    user: str | None = None  # Basic auth name; the password is never kept
    has_password: bool = False
    password_length: int = 0
    client: str = ""
    client_port: int = 0
    server: str = ""
    server_port: int = 0
    forwarded_for: str = ""  # whom proxies say they speak for; "unknown" when one of them does not tell
    user_agent: str = ""
    server_agent: str = ""
    response_ns: int = 0
    response_packet: int = 0
    body: str = ""  # first characters of a refusal's body
    tls: bool = False
    station: str = ""
    request_complete: bool = True  # False: its head, or a part of it, was not captured: what is absent is unknown
    answer_complete: bool = True  # the same of the answer's head
    key: str = ""  # Sec-WebSocket-Key, when it has its form: 16 random octets that proxies hand on


class WsMessage(msgspec.Struct, gc=False):
    """One complete WebSocket data message, unmasked, inflated, defragmented."""

    connection: int
    side: Side
    first_ns: int
    ts_ns: int  # of its last octet
    packet: int  # in which its last octet came
    position: int
    opcode: int  # 1 text, 2 binary
    payload: bytes
    frames: int  # number of WebSocket frames
    compressed: bool
    first_packet: int


class WsControl(msgspec.Struct, gc=False):
    """A ping, pong or close frame."""

    connection: int
    side: Side
    ts_ns: int
    packet: int
    position: int
    kind: Literal["ping", "pong", "close"]
    code: int | None = None  # close only; None: no status
    reason: str = ""
    payload: bytes = b""
    station: str = ""


class Loss(msgspec.Struct, gc=False):
    """From here on something of this connection is unknown: rules that depend on it become inconclusive.

    cause: `gap` (TCP bytes missing), `snaplen`, `joined_midway`, `resync` (frame boundary had to be searched),
    `inflate` (a compressed message could not be decoded), `oversize` (payload skipped), `limit` (a bound was reached),
    `drops` (the capture lost packets), `suspected` (acknowledged octets were not captured so far: only a warning to
    those who judge, neither stored nor shown; a `gap` follows unless they come late), `manipulated` (the proxy changed
    what the sides say to each other: a warning to those who judge; anomalies tell what was done).
    `messages` is the number of messages known to be undecodable (0: unknown).
    """

    connection: int
    side: Side
    ts_ns: int
    packet: int
    position: int
    cause: Literal[
        "gap", "snaplen", "joined_midway", "resync", "inflate", "oversize", "limit", "drops", "suspected", "manipulated"
    ]
    bytes: int = 0
    messages: int = 0
    station: str = ""


class ConnectionClosed(msgspec.Struct):
    """The whole record of a connection that carried (or tried to carry) WebSocket traffic: one row of `connections`.

    Emitted once, at its close, at idle expiry or at the end of the capture (`close_kind` "end"). `heard_ns` says until
    when the station and the CSMS are known to have sent nothing else (0: not known at all; None: there are no packets).
    """

    connection: int
    ts_ns: int  # of the close, or of the last packet
    packet: int
    position: int
    opened_ns: int
    client: str
    client_port: int
    server: str
    server_port: int
    joined_midway: bool
    close_kind: CloseReason
    closed_by: Side  # who closed first, by a close frame or FIN/RST
    close_code: int | None
    close_reason: str
    lost_bytes: int
    upgrade: Upgrade | None
    messages: int = 0
    undecodable: int = 0
    tls: bool = False
    station: str = ""
    version: str = ""  # filled by the ocpp room
    is_ocpp: bool = True  # filled by the ocpp room
    transport: Literal["websocket", "soap"] = "websocket"
    path: str = ""  # of SOAP: where the CSMS listens
    host: str = ""
    heard_ns: tuple[int, int] | None = None


WsItem: TypeAlias = Upgrade | WsMessage | WsControl | Loss | ConnectionClosed | TlsSession | Anomaly


# --------------------------------------------------------------------------- soap → ocpp

SoapValue: TypeAlias = "str | list[tuple[str, Any]] | None"
"""An element of a SOAP body: its text, or (name, SoapValue) of each child in order; None for xsi:nil."""


class SoapFacts(msgspec.Struct):
    """What HTTP and the envelope of one SOAP message say, beside its body. Captured text is NOT yet escaped."""

    tcp_connection: int = 0  # packet key of the first packet of the TCP connection that carried it
    client: str = ""
    client_port: int = 0
    server: str = ""
    server_port: int = 0
    path: str = ""
    host: str = ""
    status: int = 0  # HTTP status of a response
    content_type: str = ""
    content_encoding: str = ""
    soap_version: str = ""  # "1.2", "1.1" or ""
    namespace: str = ""  # of the operation
    identity: str = ""  # chargeBoxIdentity
    action: str = ""  # the WS-Addressing headers
    message_id: str = ""
    relates_to: str = ""
    sender: str = ""  # From
    reply_to: str = ""
    to: str = ""
    xml: Octets = b""  # the unpacked body of the HTTP message; passwords of WS-Security are masked


class SoapMessage(msgspec.Struct):
    """One request or response of an HTTP exchange that carries OCPP.

    `connection` stands for all the dialogue of the station over SOAP, whatever TCP connections it took.
    """

    connection: int
    station: str
    version: str  # "1.2", "1.5", "1.6", "" (unknown)
    side: Side
    ts_ns: int  # of its last octet
    packet: int
    position: int
    message_id: int
    kind: Kind
    unique_id: str  # MessageID of the request
    action: str
    body: SoapValue
    request_id: int  # message_id of the request that it answers; 0: a request, or not known
    facts: SoapFacts
    error_code: str | None = None
    error_description: str | None = None
    anomalies: list[tuple[str, str]] = []  # (name, detail)


SoapItem: TypeAlias = SoapMessage | Loss | ConnectionClosed | Anomaly


# --------------------------------------------------------------------------- ocpp → engine, store


class OcppMessage(msgspec.Struct):
    """One OCPP message. For kind INVALID only `raw` and the anomalies say what it is.

    `request` is the CALL's payload on an answer that was paired (None otherwise), `request_id` its message_id,
    `request_ns` its time. `transaction` names the transaction the message belongs to, if it tells.
    `session` is the live state of the station (`ocpp_inspect.ocpp.session.Session`).
    """

    message_id: int
    connection: int
    station: str
    version: str  # "1.6", "2.0", "2.0.1", "2.1" or "" (unknown); of SOAP also "1.2" and "1.5"
    side: Side
    ts_ns: int
    packet: int
    position: int
    kind: Kind
    unique_id: str
    action: str  # on answers too; "" when unknown
    payload: Any  # decoded payload (CALL, CALLRESULT, SEND); error details for errors
    raw: bytes  # the exact octets of the message text; of SOAP the same in the form of OCPP-J, its XML is in `soap`
    size: int
    compressed: bool
    error_code: str | None = None
    error_description: str | None = None
    request: Any = None
    request_id: int = 0
    request_ns: int = 0
    latency_ns: int = -1  # -1: not an answer, or unpaired
    schema_valid: bool | None = None  # None: not checked (unknown action, 2.0, INVALID …)
    transaction: str | None = None
    version_inferred: bool = False
    session: Any = None
    soap: SoapFacts | None = None  # None: it came over a WebSocket


OcppItem: TypeAlias = OcppMessage | Upgrade | WsControl | Loss | ConnectionClosed | TlsSession | Anomaly


# --------------------------------------------------------------------------- engine → store, report


class Finding(msgspec.Struct):
    """A rule's judgement. `evidence` are packet keys, the first one proves it best; `reference` is the clause."""

    rule: str
    name: str
    severity: Severity
    verdict: Verdict
    blame: Blame
    station: str
    connection: int
    ts_ns: int
    text: str
    evidence: tuple[int, ...]
    reference: str
    message_id: int = 0
    axis: Literal["conformance", "compatibility", "migration"] = "conformance"
    position: int = 0
    accepted: str = ""  # why somebody accepts it (baseline, quirks); "": it is not accepted
    cause: str = ""  # the rule of an earlier finding about the station that explains this one
