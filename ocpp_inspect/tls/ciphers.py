"""One encrypted record in; its plaintext and type out, or None when it does not authenticate.

Measured with AES-128-GCM and 200 octets: 0.6 µs in `cryptography`, 1.3 µs with nonce, associated data and checks.
CBC takes 8 µs: a new cipher context and an HMAC a record.
"""

from __future__ import annotations

import hmac
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from ocpp_inspect.tls.opener import Opened
from ocpp_inspect.tls.suites import Suite

_BLOCK: Final = 16
_APPLICATION_DATA: Final = 23


def aead_of(suite: Suite, key: bytes) -> Any:
    """The AEAD of a suite."""
    if suite.mode == "gcm":
        return AESGCM(key)
    if suite.mode == "ccm":
        return AESCCM(key, tag_length=suite.tag_octets)
    return ChaCha20Poly1305(key)


class ImplicitNonce:
    """TLS 1.3 (RFC 8446 §5.2, §5.3), and ChaCha20 of TLS 1.2 (RFC 7905 §2): the nonce is made of the number."""

    def __init__(self, aead: Any, iv: bytes, is_13: bool) -> None:
        self._decrypt = aead.decrypt
        self._iv = int.from_bytes(iv, "big")
        self._is_13 = is_13
        self.least_octets = 17 if is_13 else 16

    def open(self, sequence: int, header: bytes, fragment: bytes) -> Opened | None:
        """Opened, or None."""
        nonce = (self._iv ^ sequence).to_bytes(12, "big")
        if not self._is_13:
            header = sequence.to_bytes(8, "big") + header[:3] + (len(fragment) - 16 & 0xFFFF).to_bytes(2, "big")
        try:
            plain = self._decrypt(nonce, fragment, header)
        except (InvalidTag, ValueError, OverflowError):
            return None
        if not self._is_13:
            return header[8], plain
        if plain and plain[-1] == _APPLICATION_DATA:
            return _APPLICATION_DATA, plain[:-1]
        plain = plain.rstrip(b"\0")  # padding, RFC 8446 §5.4
        return (plain[-1], plain[:-1]) if plain else (0, b"")

    def skip(self, fragment: bytes) -> None:
        """No state."""


class ExplicitNonce:
    """AES-GCM and AES-CCM of TLS 1.2 (RFC 5288 §3, RFC 6655 §3): half of the nonce is on the wire."""

    def __init__(self, aead: Any, salt: bytes, tag_octets: int) -> None:
        self._decrypt = aead.decrypt
        self._salt = salt
        self._tag_octets = tag_octets
        self.least_octets = 8 + tag_octets

    def open(self, sequence: int, header: bytes, fragment: bytes) -> Opened | None:
        """Opened, or None."""
        octets = len(fragment) - 8 - self._tag_octets
        if octets < 0:
            return None
        data = sequence.to_bytes(8, "big") + header[:3] + octets.to_bytes(2, "big")
        try:
            return header[0], self._decrypt(self._salt + fragment[:8], fragment[8:], data)
        except (InvalidTag, ValueError):
            return None

    def skip(self, fragment: bytes) -> None:
        """No state."""


class Cbc:
    """AES-CBC with HMAC: MAC inside (RFC 5246 §6.2.3.2) or behind (RFC 7366); before TLS 1.1 the IV is chained."""

    def __init__(self, key: bytes, mac_key: bytes, mac: str, iv: bytes, mac_after: bool) -> None:
        self._algorithm = algorithms.AES(key)
        self._mac_key = mac_key
        self._mac = mac
        self._mac_octets = {"sha1": 20, "sha256": 32, "sha384": 48}[mac]
        self._chained = iv  # the last block of the record before; empty: every record brings its own
        self._is_chained = bool(iv)
        self._mac_after = mac_after
        self.least_octets = self._mac_octets + _BLOCK if mac_after else 3 * _BLOCK

    def open(self, sequence: int, header: bytes, fragment: bytes) -> Opened | None:
        """Opened, or None."""
        name, octets = self._mac, self._mac_octets
        start = sequence.to_bytes(8, "big") + header[:3]
        body = fragment
        if self._mac_after:
            body, tag = fragment[:-octets], fragment[-octets:]
            signed = start + len(body).to_bytes(2, "big") + body
            if len(tag) < octets or not hmac.compare_digest(hmac.digest(self._mac_key, signed, name), tag):
                return None
        iv, body = (self._chained, body) if self._is_chained else (body[:_BLOCK], body[_BLOCK:])
        if not body or len(iv) != _BLOCK or len(body) % _BLOCK:
            return None
        plain = Cipher(self._algorithm, modes.CBC(iv)).decryptor().update(body)
        padding = plain[-1] + 1
        if len(plain) < padding + (0 if self._mac_after else octets):
            return None
        plain = plain[:-padding]
        if not self._mac_after:
            plain, tag = plain[:-octets], plain[-octets:]
            signed = start + len(plain).to_bytes(2, "big") + plain
            if not hmac.compare_digest(hmac.digest(self._mac_key, signed, name), tag):
                return None
        self.skip(fragment)
        return header[0], plain

    def skip(self, fragment: bytes) -> None:
        """Before TLS 1.1 the next record's IV is this one's last block."""
        if self._is_chained:
            end = len(fragment) - (self._mac_octets if self._mac_after else 0)
            self._chained = fragment[max(end - _BLOCK, 0) : end]
