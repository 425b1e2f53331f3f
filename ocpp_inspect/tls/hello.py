"""The body of a handshake message in, what it says out (RFC 5246 §7.4, RFC 8446 §4); None when it is malformed."""

from __future__ import annotations

from typing import Final, NamedTuple

from ocpp_inspect.limits import TLS_CERTIFICATES, TLS_NAME_CHARACTERS, TLS_NAMES
from ocpp_inspect.tls.suites import is_grease

CLIENT_HELLO: Final = 1
SERVER_HELLO: Final = 2
NEW_SESSION_TICKET: Final = 4
END_OF_EARLY_DATA: Final = 5
ENCRYPTED_EXTENSIONS: Final = 8
CERTIFICATE: Final = 11
CERTIFICATE_REQUEST: Final = 13
SERVER_HELLO_DONE: Final = 14
CLIENT_KEY_EXCHANGE: Final = 16
FINISHED: Final = 20
KEY_UPDATE: Final = 24

_SERVER_NAME: Final = 0
_ALPN: Final = 16
_ENCRYPT_THEN_MAC: Final = 22
_EXTENDED_MASTER_SECRET: Final = 23
_SESSION_TICKET: Final = 35
_PRE_SHARED_KEY: Final = 41
_EARLY_DATA: Final = 42
_SUPPORTED_VERSIONS: Final = 43
_RETRY_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
_SIGNALS: Final = (0x00FF, 0x5600)  # TLS_EMPTY_RENEGOTIATION_INFO_SCSV, TLS_FALLBACK_SCSV: no suites


class Malformed(ValueError):  # noqa: N818 - captured octets are no error of ours
    """A length inside the message points behind its end."""


class _Reader:
    """Octets in, numbers and vectors out."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._octets) - self._at

    def take(self, octets: int) -> bytes:
        if octets > self.left:
            raise Malformed
        self._at += octets
        return self._octets[self._at - octets : self._at]

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "big")

    def vector(self, octets: int) -> bytes:
        """What stands behind a length of that many octets."""
        return self.take(self.number(octets))


class ClientHello(NamedTuple):
    """What a client offers."""

    version: int  # the legacy field
    random: bytes
    session_id: bytes
    suites: tuple[int, ...]
    versions: tuple[int, ...]  # newest first as offered; the legacy field alone without the extension
    server_name: str
    protocols: tuple[str, ...]
    ticket: bytes  # TLS 1.2, to resume
    compressions: bytes
    offers_psk: bool
    early_data: bool


class ServerHello(NamedTuple):
    """What a server chose."""

    version: int  # negotiated
    random: bytes
    session_id: bytes
    suite: int
    compression: int
    protocol: str
    encrypt_then_mac: bool
    extended_master_secret: bool
    psk: bool
    is_retry: bool


def _extensions(reader: _Reader) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    if not reader.left:
        return found
    block = _Reader(reader.vector(2))
    while block.left:
        kind = block.number(2)
        found.setdefault(kind, block.vector(2))
    return found


def _text(octets: bytes) -> str:
    return octets[:TLS_NAME_CHARACTERS].decode("utf-8", "replace")


def _server_name(octets: bytes | None) -> str:
    if not octets:
        return ""
    names = _Reader(_Reader(octets).vector(2))
    while names.left:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return _text(name)
    return ""


def _protocols(octets: bytes | None) -> tuple[str, ...]:
    if not octets:
        return ()
    names = _Reader(_Reader(octets).vector(2))
    found: list[str] = []
    while names.left and len(found) < TLS_NAMES:
        found.append(_text(names.vector(1)))
    return tuple(found)


def _pairs(octets: bytes) -> tuple[int, ...]:
    numbers = [int.from_bytes(octets[at : at + 2], "big") for at in range(0, len(octets) - 1, 2)]
    return tuple(number for number in numbers if not is_grease(number))


def client_hello(body: bytes) -> ClientHello | None:
    """RFC 8446 §4.1.2."""
    reader = _Reader(body)
    try:
        version, random = reader.number(2), reader.take(32)
        session_id, suites, compressions = reader.vector(1), reader.vector(2), reader.vector(1)
        extensions = _extensions(reader)
        versions = extensions.get(_SUPPORTED_VERSIONS)
        return ClientHello(
            version,
            random,
            session_id,
            tuple(suite for suite in _pairs(suites) if suite not in _SIGNALS)[: 4 * TLS_NAMES],
            (_pairs(_Reader(versions).vector(1)) if versions else ()) or (version,),
            _server_name(extensions.get(_SERVER_NAME)),
            _protocols(extensions.get(_ALPN)),
            extensions.get(_SESSION_TICKET, b""),
            compressions,
            _PRE_SHARED_KEY in extensions,
            _EARLY_DATA in extensions,
        )
    except Malformed:
        return None


def server_hello(body: bytes) -> ServerHello | None:
    """RFC 8446 §4.1.3."""
    reader = _Reader(body)
    try:
        version, random = reader.number(2), reader.take(32)
        session_id, suite, compression = reader.vector(1), reader.number(2), reader.number(1)
        extensions = _extensions(reader)
        chosen = extensions.get(_SUPPORTED_VERSIONS, b"")
        if len(chosen) == 2:
            version = int.from_bytes(chosen, "big")
        protocols = _protocols(extensions.get(_ALPN))
        return ServerHello(
            version,
            random,
            session_id,
            suite,
            compression,
            protocols[0] if protocols else "",
            _ENCRYPT_THEN_MAC in extensions,
            _EXTENDED_MASTER_SECRET in extensions,
            _PRE_SHARED_KEY in extensions,
            random == _RETRY_RANDOM,
        )
    except Malformed:
        return None


def encrypted_extensions(body: bytes) -> tuple[str, bool] | None:
    """(protocol of ALPN, early data accepted) of RFC 8446 §4.3.1."""
    try:
        extensions = _extensions(_Reader(body))
        protocols = _protocols(extensions.get(_ALPN))
        return (protocols[0] if protocols else ""), _EARLY_DATA in extensions
    except Malformed:
        return None


def certificates(body: bytes, is_13: bool) -> list[bytes] | None:
    """The chain in DER, the owner's certificate first (RFC 5246 §7.4.2, RFC 8446 §4.4.2)."""
    reader = _Reader(body)
    try:
        if is_13:
            reader.vector(1)
        entries = _Reader(reader.vector(3))
        found: list[bytes] = []
        while entries.left:
            octets = entries.vector(3)
            if is_13:
                entries.vector(2)
            if len(found) < TLS_CERTIFICATES:
                found.append(octets)
        return found
    except Malformed:
        return None


def ticket(body: bytes) -> bytes:
    """The ticket of a NewSessionTicket of TLS 1.2 (RFC 5077 §3.3)."""
    reader = _Reader(body)
    try:
        reader.take(4)
        return reader.vector(2)
    except Malformed:
        return b""


def encrypted_premaster(body: bytes, version: int) -> bytes:
    """Of a ClientKeyExchange with RSA; SSL 3.0 has no length in front."""
    try:
        return body if version < 0x0301 else _Reader(body).vector(2)
    except Malformed:
        return b""
