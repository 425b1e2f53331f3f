"""Secrets in, keys of records out: the key derivation of TLS 1.0 to 1.2 (RFC 5246 §5, §6.3) and 1.3 (RFC 8446 §7)."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from ocpp_inspect.tls.opener import Opener
from ocpp_inspect.tls.suites import Suite

TLS_1_0: Final = 0x0301
TLS_1_1: Final = 0x0302
TLS_1_2: Final = 0x0303
TLS_1_3: Final = 0x0304
_MAC_OCTETS: Final = {"sha1": 20, "sha256": 32, "sha384": 48}


def _expand(secret: bytes, seed: bytes, octets: int, name: str) -> bytes:
    """P_hash of RFC 5246 §5."""
    out, a = b"", seed
    while len(out) < octets:
        a = hmac.digest(secret, a, name)
        out += hmac.digest(secret, a + seed, name)
    return out[:octets]


def prf(version: int, suite: Suite, secret: bytes, label: bytes, seed: bytes, octets: int) -> bytes:
    """The pseudo-random function of a version below 1.3."""
    if version >= TLS_1_2:
        return _expand(secret, label + seed, octets, suite.hash)
    half = (len(secret) + 1) // 2  # RFC 2246 §5: the halves share an octet when the length is odd
    one = _expand(secret[:half], label + seed, octets, "md5")
    two = _expand(secret[-half:], label + seed, octets, "sha1")
    return bytes(a ^ b for a, b in zip(one, two, strict=True))


def transcript_hash(version: int, suite: Suite, messages: bytes) -> bytes:
    """The session hash of RFC 7627 §3."""
    if version >= TLS_1_2:
        return hashlib.new(suite.hash, messages).digest()
    md5 = hashlib.md5(messages, usedforsecurity=False).digest()
    return md5 + hashlib.sha1(messages, usedforsecurity=False).digest()


def master_secret(
    version: int, suite: Suite, premaster: bytes, client_random: bytes, server_random: bytes, session_hash: bytes
) -> bytes:
    """RFC 5246 §8.1; with a session hash the extended one of RFC 7627 §4."""
    if session_hash:
        return prf(version, suite, premaster, b"extended master secret", session_hash, 48)
    return prf(version, suite, premaster, b"master secret", client_random + server_random, 48)


def openers_before_13(
    version: int, suite: Suite, master: bytes, client_random: bytes, server_random: bytes, mac_after: bool
) -> tuple[Opener, Opener] | None:
    """(the client's, the server's) decryption; None for a suite that we lack. `mac_after`: encrypt-then-MAC."""
    from ocpp_inspect.tls.ciphers import Cbc, ExplicitNonce, ImplicitNonce, aead_of  # noqa: PLC0415 - 40 ms

    if suite.mode == "cbc":
        mac, iv = _MAC_OCTETS[suite.mac], 16 if version == TLS_1_0 else 0
    elif suite.mode and version == TLS_1_2:
        mac, iv = 0, 12 if suite.mode == "chacha" else 4
    else:
        return None
    sizes = [mac, mac, suite.key_octets, suite.key_octets, iv, iv]
    block = prf(version, suite, master, b"key expansion", server_random + client_random, sum(sizes))
    parts = []
    for size in sizes:
        parts.append(block[:size])
        block = block[size:]
    openers: list[Opener] = []
    for side in (0, 1):
        mac_key, key, fixed = parts[side], parts[2 + side], parts[4 + side]
        if suite.mode == "cbc":
            openers.append(Cbc(key, mac_key, suite.mac, fixed, mac_after))
        elif suite.mode == "chacha":
            openers.append(ImplicitNonce(aead_of(suite, key), fixed, False))
        else:
            openers.append(ExplicitNonce(aead_of(suite, key), fixed, suite.tag_octets))
    return openers[0], openers[1]


def expand_label(name: str, secret: bytes, label: bytes, octets: int) -> bytes:
    """HKDF-Expand-Label without context (RFC 8446 §7.1, RFC 5869 §2.3)."""
    full = b"tls13 " + label
    info = octets.to_bytes(2, "big") + bytes((len(full),)) + full + b"\0"
    out, block, number = b"", b"", 1
    while len(out) < octets:
        block = hmac.digest(secret, block + info + bytes((number,)), name)
        out += block
        number += 1
    return out[:octets]


def opener_13(suite: Suite, secret: bytes) -> Opener | None:
    """The decryption under a traffic secret of TLS 1.3 (RFC 8446 §7.3); None for a suite that we lack."""
    from ocpp_inspect.tls.ciphers import ImplicitNonce, aead_of  # noqa: PLC0415 - 40 ms

    if suite.mode not in ("gcm", "ccm", "chacha") or len(secret) != hashlib.new(suite.hash).digest_size:
        return None
    key = expand_label(suite.hash, secret, b"key", suite.key_octets)
    return ImplicitNonce(aead_of(suite, key), expand_label(suite.hash, secret, b"iv", 12), True)


def next_secret(suite: Suite, secret: bytes) -> bytes:
    """The traffic secret behind a KeyUpdate (RFC 8446 §7.2)."""
    return expand_label(suite.hash, secret, b"traffic upd", len(secret))
