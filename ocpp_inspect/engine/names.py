"""Triggers and the names that expressions may use: the vocabulary between the model's items and the rules.

Each name is Python source over `m` (the item) and `st` (the station's state), inlined into the compiled rule.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

ItemClass: TypeAlias = Literal["message", "upgrade", "control", "closed", "loss", "anomaly", "tls"]

VERSIONS: Final = ("1.6", "2.0", "2.0.1", "2.1")
MESSAGE_KINDS: Final = ("CALL", "CALLRESULT", "CALLERROR", "CALLRESULTERROR", "SEND", "INVALID")
ANSWERS: Final = ("CALLRESULT", "CALLERROR")

_COMMON: Final = {
    "station": "m.station",
    "connection": "m.connection",
    "ts": "m.ts_ns / 1e9",
    "packet": "m.packet",
    "config": "st.sure",
    "complete": "(True if m.connection in st.whole else None)",
}
_LATENCY: Final = "(m.latency_ns / 1e9 if m.latency_ns >= 0 else None)"
_UPGRADE_LATENCY: Final = "((m.response_ns - m.ts_ns) / 1e9 if m.response_ns else None)"
_LEAF: Final = "m.certificates[0]"
_HAS_LEAF: Final = "m.certificates and m.certificates[0].is_readable"

NAMES: Final[dict[ItemClass, dict[str, str]]] = {
    "message": {
        **_COMMON,
        "version": "(m.version or None)",
        "side": "m.side",
        "kind": "m.kind",
        "unique_id": "m.unique_id",
        "action": "(m.action or None)",
        "payload": "m.payload",
        "request": "m.request",
        "call": "(m.request_id or m.message_id)",
        "error_code": "m.error_code",
        "error_description": "m.error_description",
        "latency": _LATENCY,
        "size": "m.size",
        "compressed": "m.compressed",
        "schema_valid": "m.schema_valid",
        "transaction": "m.transaction",
    },
    "upgrade": {
        **_COMMON,
        "version": "(st.version or None)",
        "side": '"station"',
        "status": "(m.status or None)",
        "path": "m.path",
        "host": "m.host",
        "request_complete": "m.request_complete",
        "answer_complete": "m.answer_complete",
        "offered": "(m.offered if m.request_complete else None)",
        "subprotocol": "m.subprotocol",
        "offered_extensions": "m.offered_extensions",
        "extensions": "m.extensions",
        "user": "m.user",
        "has_password": "m.has_password",
        "password_length": "m.password_length",
        "client": "m.client",
        "client_port": "m.client_port",
        "server": "m.server",
        "server_port": "m.server_port",
        "forwarded_for": "m.forwarded_for",
        "user_agent": "m.user_agent",
        "server_agent": "m.server_agent",
        "body": "m.body",
        "tls": "m.tls",
        "latency": _UPGRADE_LATENCY,
    },
    "control": {
        **_COMMON,
        "version": "(st.version or None)",
        "side": "m.side",
        "kind": "m.kind",
        "code": "m.code",
        "reason": "m.reason",
        "data": "m.payload",
    },
    "closed": {
        **_COMMON,
        "version": "(m.version or st.version or None)",
        "side": "m.closed_by",
        "duration": "((m.ts_ns - m.opened_ns) / 1e9 if not m.joined_midway else None)",
        "close_kind": "m.close_kind",
        "station_silence": "((m.ts_ns - st.heard['station'][m.connection]) / 1e9 "
        "if st.heard['station'].get(m.connection) else None)",
        "closed_by": "(m.closed_by if m.closed_by != 'unknown' else None)",
        "code": "m.close_code",
        "reason": "m.close_reason",
        "joined_midway": "m.joined_midway",
        "lost_bytes": "m.lost_bytes",
        "messages": "m.messages",
        "undecodable": "m.undecodable",
        "client": "m.client",
        "client_port": "m.client_port",
        "server": "m.server",
        "server_port": "m.server_port",
        "tls": "m.tls",
        "is_ocpp": "m.is_ocpp",
        "path": "(m.upgrade.path if m.upgrade is not None else None)",
        "offered": "(m.upgrade.offered if m.upgrade is not None and m.upgrade.request_complete else None)",
        "status": "(m.upgrade.status or None if m.upgrade is not None else None)",
        "subprotocol": "(m.upgrade.subprotocol if m.upgrade is not None else None)",
    },
    "loss": {
        **_COMMON,
        "version": "(st.version or None)",
        "side": "m.side",
        "cause": "m.cause",
        "bytes": "m.bytes",
        "messages": "m.messages",
    },
    "tls": {
        **_COMMON,
        "version": "(st.version or None)",
        "side": "m.ended_by",
        "client": "m.client",
        "client_port": "m.client_port",
        "server": "m.server",
        "server_port": "m.server_port",
        "outcome": "m.outcome",
        "ended_by": "(m.ended_by if m.ended_by != 'unknown' else None)",
        "alert": "(m.alert or None)",
        "alert_meaning": "(m.alert_meaning or None)",
        "alert_by": "(m.alert_by if m.alert_by != 'unknown' else None)",
        "tls_version": "(m.version or None)",
        "offered_versions": "(m.offered_versions if m.hello_seen else None)",
        "suite": "(m.suite or None)",
        "suite_is_weak": "(m.suite_is_weak if m.suite else None)",
        "offered_suites": "(m.offered_suites if m.hello_seen else None)",
        "compression": "m.compression",
        "server_name": "(m.server_name or None)",
        "protocol": "(m.protocol or None)",
        "offered_protocols": "(m.offered_protocols if m.hello_seen else None)",
        "certificates": "(len(m.certificates) if m.chain_seen else None)",
        "certificate_subject": f"({_LEAF}.subject or None if {_HAS_LEAF} else None)",
        "certificate_issuer": f"({_LEAF}.issuer or None if {_HAS_LEAF} else None)",
        "certificate_names": f"({_LEAF}.names if {_HAS_LEAF} else None)",
        "certificate_key": f"({_LEAF}.key_kind or None if {_HAS_LEAF} else None)",
        "certificate_key_bits": f"({_LEAF}.key_bits or None if {_HAS_LEAF} else None)",
        "certificate_begins": f"({_LEAF}.not_before_ns / 1e9 if {_HAS_LEAF} else None)",
        "certificate_ends": f"({_LEAF}.not_after_ns / 1e9 if {_HAS_LEAF} else None)",
        "self_signed": f"({_LEAF}.is_self_issued if {_HAS_LEAF} else None)",
        "chain_gap": "(m.chain_gap or None)",
        "name_matches": "m.name_matches",
        "client_certificate_asked": "m.client_certificate_asked",
        "client_certificate_sent": "(len(m.client_certificates) > 0 if m.client_certificates is not None else None)",
        "resumed": "m.resumed",
        "early_data": "m.early_data",
        "decrypted": "(m.opened_by != '' and m.closed_because == '')",
        "duration": "(m.handshake_ns / 1e9 if m.handshake_ns >= 0 else None)",
    },
    "anomaly": {
        **_COMMON,
        "version": "(st.about.version or None if st.about is not None else st.version or None)",
        "side": "m.side",
        "name": "m.name",
        "detail": "m.detail",
        "path": "m.path",
        # Of the message that the anomaly belongs to, if it belongs to one.
        "kind": "(st.about.kind if st.about is not None else None)",
        "unique_id": "(st.about.unique_id if st.about is not None else None)",
        "call": "(st.about.request_id or st.about.message_id if st.about is not None else None)",
        "action": "(st.about.action or None if st.about is not None else None)",
        "payload": "(st.about.payload if st.about is not None else None)",
        "request": "(st.about.request if st.about is not None else None)",
        "error_code": "(st.about.error_code if st.about is not None else None)",
    },
}

NAME_HELP: Final = {
    "station": "identity of the station",
    "connection": "number of the connection",
    "ts": "capture time in seconds since 1970",
    "packet": "number of its packet: larger means captured later, also where the time had to wait for a missing part",
    "config": "learned configuration of the station, texts: number(config.HeartbeatInterval)",
    "complete": "True when this connection was seen from its opening and nothing of it was lost since; else unknown",
    "version": 'OCPP version: "1.6", "2.0", "2.0.1", "2.1"; unknown when it was neither negotiated nor inferred',
    "side": 'who sent it: "station", "csms" or "unknown"',
    "kind": 'message type ("CALL", "CALLRESULT", …), or "ping", "pong", "close" of a control frame',
    "unique_id": "the message's id on the wire",
    "action": "the action, on answers too",
    "payload": "the decoded payload (of an error: its details)",
    "request": "on an answer: the payload of the CALL that it belongs to",
    "call": "number of the exchange, equal on a CALL and its paired answers: a key for `by`",
    "error_code": "code of a CALLERROR",
    "error_description": "text of a CALLERROR",
    "latency": "seconds between the CALL (upgrade request) and this answer",
    "size": "octets of the message's text",
    "compressed": "whether permessage-deflate carried it",
    "schema_valid": "whether the payload fits its JSON Schema; unknown when it was not checked",
    "transaction": "the transaction that the message belongs to, if it tells",
    "status": "HTTP status of the upgrade; unknown when no answer was seen",
    "path": "upgrade: request path as on the wire; anomaly: JSON path of the fault",
    "host": "Host header",
    "request_complete": "whether the whole head of the upgrade request was captured: else what it lacks is unknown",
    "answer_complete": "the same of the answer's head",
    "offered": "subprotocols offered by the station, in its order; unknown when the request was not wholly captured",
    "subprotocol": "subprotocol selected by the CSMS",
    "offered_extensions": "extensions offered, as text",
    "extensions": "extensions accepted, as text",
    "user": "user name of HTTP Basic authentication",
    "has_password": "whether a password was sent (it is never kept)",
    "password_length": "its length in octets",
    "client": "address of the connecting side",
    "client_port": "its TCP port",
    "server": "address of the listening side",
    "server_port": "its TCP port",
    "forwarded_for": "whom proxies speak for (X-Forwarded-For, Forwarded, PROXY protocol)",
    "user_agent": "User-Agent header",
    "server_agent": "Server header",
    "body": "first characters of a refusal's body",
    "tls": "whether the connection was encrypted (and decrypted for us)",
    "code": "close code; unknown when the close frame had none",
    "reason": "close reason",
    "data": "octets of a ping or pong",
    "duration": "seconds that the connection (the TLS handshake) lasted; unknown when its beginning was not seen",
    "close_kind": '"fin", "rst", "idle", "end" (of the capture) or "reuse" (of its ports)',
    "closed_by": "who closed first",
    "station_silence": "seconds since the station's last message or control frame on it; unknown when there was none",
    "joined_midway": "whether the connection was open before the capture began",
    "lost_bytes": "octets of it that the capture lacks",
    "messages": "number of messages",
    "undecodable": "number of messages that could not be decoded",
    "is_ocpp": "whether it carried OCPP",
    "cause": "of a loss: gap, snaplen, joined_midway, resync, inflate, oversize, limit, drops",
    "bytes": "octets lost; 0 when unknown",
    "outcome": 'of a TLS handshake: "completed", "aborted" (by an alert), "unfinished" (closed before), "unknown"',
    "ended_by": "who ended the handshake that did not complete",
    "alert": "name of the alert that ended it, as in the RFC: unknown_ca",
    "alert_meaning": "what that alert means",
    "alert_by": "who sent it",
    "tls_version": 'negotiated: "1.0" … "1.3"',
    "offered_versions": "TLS versions offered; unknown when the ClientHello was not wholly captured",
    "suite": "cipher suite chosen: TLS_AES_128_GCM_SHA256",
    "suite_is_weak": "whether the suite has no encryption or authentication, export keys, RC4, DES or MD5",
    "offered_suites": "cipher suites offered; unknown when the ClientHello was not wholly captured",
    "compression": "whether TLS compression was chosen",
    "server_name": "host name that the client asked for (SNI)",
    "protocol": "protocol chosen by ALPN",
    "offered_protocols": "protocols offered by ALPN",
    "certificates": "number of certificates that the server sent; unknown when not seen (TLS 1.3 without keys)",
    "certificate_subject": "subject of the server's certificate: CN=csms.example,O=Example",
    "certificate_issuer": "its issuer",
    "certificate_names": "DNS names and addresses that it is for",
    "certificate_key": 'kind of its key: "RSA", "EC", …',
    "certificate_key_bits": "size of its key",
    "certificate_begins": "not valid before, in seconds since 1970, as `ts`",
    "certificate_ends": "not valid after, in seconds since 1970",
    "self_signed": "whether its issuer is its subject",
    "chain_gap": "an issuer in the chain that the next certificate is not; unknown when all follow each other",
    "name_matches": "whether the certificate is for `server_name`; unknown when one of them was not seen",
    "client_certificate_asked": "whether the server asked the client for a certificate",
    "client_certificate_sent": "whether the client sent one; unknown when that was not seen",
    "resumed": "whether an earlier session was continued",
    "early_data": "whether the client offered data before the handshake was complete (0-RTT)",
    "decrypted": "whether the connection was decrypted",
    "name": "name of the anomaly",
    "detail": "its explanation",
}

_EVENTS: Final[dict[str, tuple[ItemClass, str]]] = {
    "Upgrade": ("upgrade", ""),
    "Control": ("control", ""),
    "Ping": ("control", "ping"),
    "Pong": ("control", "pong"),
    "Close": ("control", "close"),
    "ConnectionClosed": ("closed", ""),
    "Loss": ("loss", ""),
    "TlsHandshake": ("tls", ""),
}
_ACTION: Final = re.compile(r"([A-Z][A-Za-z0-9]*)\.(request|response|error)\Z")
_ANOMALY: Final = re.compile(r"Anomaly:([a-z0-9_]+(?:\.[a-z0-9_]+)*(?:\.\*|\*)?|\*)\Z")

TRIGGER_WORDS: Final = (*MESSAGE_KINDS, "ANY", *_EVENTS)


class Trigger:
    """A parsed trigger: which items start a rule."""

    __slots__ = ("action", "item_class", "kinds", "pattern")

    def __init__(
        self, item_class: ItemClass, *, kinds: tuple[str, ...] = (), action: str = "", pattern: str = ""
    ) -> None:
        self.item_class: ItemClass = item_class
        self.kinds = kinds  # message kinds, or control kinds
        self.action = action  # "": any
        self.pattern = pattern  # anomaly name, "prefix*"

    def matches_anomaly(self, name: str) -> bool:
        """Whether an anomaly of this name starts the rule."""
        return name.startswith(self.pattern[:-1]) if self.pattern.endswith("*") else name == self.pattern


def parse_trigger(text: str) -> Trigger | None:
    """The trigger that `text` names; None when it names none."""
    if text == "ANY":
        return Trigger("message", kinds=MESSAGE_KINDS)
    if text in MESSAGE_KINDS:
        return Trigger("message", kinds=(text,))
    if text in _EVENTS:
        item_class, kind = _EVENTS[text]
        return Trigger(item_class, kinds=(kind,) if kind else ())
    found = _ACTION.match(text)
    if found is not None:
        kinds = {"request": ("CALL", "SEND"), "response": ("CALLRESULT",), "error": ("CALLERROR",)}[found[2]]
        return Trigger("message", kinds=kinds, action=found[1])
    found = _ANOMALY.match(text)
    if found is not None:
        return Trigger("anomaly", pattern=found[1])
    return None
