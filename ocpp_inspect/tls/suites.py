"""A cipher suite's number in; its name and what it takes to decrypt its records out.

The numbers and names are those of the IANA registry "TLS Cipher Suites" (suites.txt); the name tells the rest.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Final, Literal, NamedTuple

Mode = Literal["gcm", "ccm", "chacha", "cbc", ""]

_GREASE: Final = re.compile(r"(.)a\1a")
_CIPHER: Final = re.compile(
    r"(?:AES_(?P<aes>128|256)_(?P<mode>GCM|CCM_8|CCM|CBC)|(?P<chacha>CHACHA20_POLY1305))(?:_(?P<hash>SHA\d*|MD5))?$"
)
# What no security profile allows any more (OCPP 2.0.1 Part 2 A00.FR.320: no primitives unsuitable for legacy use).
_WEAK: Final = re.compile(r"NULL|EXPORT|RC4|RC2|_DES_|DES40|3DES|IDEA|SEED|anon|MD5")


class Suite(NamedTuple):
    """A cipher suite. `mode` is empty when we cannot decrypt it."""

    number: int
    name: str
    mode: Mode = ""
    key_octets: int = 0
    tag_octets: int = 16
    mac: str = ""  # of CBC: sha1, sha256, sha384
    hash: str = "sha256"  # of the key derivation in TLS 1.2 and 1.3
    is_rsa: bool = False  # the client encrypts the premaster secret with the server's RSA key

    @property
    def is_weak(self) -> bool:
        """Built on something broken: no encryption, no authentication, export keys, RC4, DES."""
        return _WEAK.search(self.name) is not None


@cache
def _names() -> dict[int, str]:
    text = (resources.files(__package__) / "suites.txt").read_text(encoding="ascii")
    return {int(line[:4], 16): "TLS_" + line[5:] for line in text.splitlines() if line}


@cache
def suite_of(number: int) -> Suite:
    """The suite with this number; a name made of the number when the registry has none."""
    name = _names().get(number)
    if name is None:
        text = f"{number:04x}"
        return Suite(number, "GREASE" if _GREASE.fullmatch(text) else f"0x{text}")
    exchange, _, cipher = name.rpartition("_WITH_")
    found = _CIPHER.search(cipher.removeprefix("TLS_"))
    is_rsa = exchange == "TLS_RSA"
    if found is None:
        return Suite(number, name, is_rsa=is_rsa)
    digest = (found["hash"] or "SHA256").lower()
    prf = "sha384" if digest == "sha384" else "sha256"
    if found["chacha"]:
        return Suite(number, name, "chacha", 32, hash=prf)
    key_octets = int(found["aes"]) // 8
    mode = found["mode"]
    if mode == "CBC":
        mac = {"sha": "sha1"}.get(digest, digest)
        return Suite(
            number, name, "cbc" if mac in ("sha1", "sha256", "sha384") else "", key_octets, 0, mac, prf, is_rsa
        )
    tag_octets = 8 if mode == "CCM_8" else 16
    return Suite(number, name, "gcm" if mode == "GCM" else "ccm", key_octets, tag_octets, hash=prf, is_rsa=is_rsa)


def is_grease(number: int) -> bool:
    """RFC 8701: a number that a client offers only to see whether the server ignores it."""
    return _GREASE.fullmatch(f"{number:04x}") is not None
