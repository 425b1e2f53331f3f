"""Lines of key logs and private keys in; the secrets of one connection, found by its client random, out.

The key log is NSS's (draft-ietf-tls-keylogfile): `LABEL client_random secret`, in hexadecimal, one a line.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

from ocpp_inspect.limits import TLS_RESUMABLE, TLS_SECRETS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

MASTER: Final = "CLIENT_RANDOM"
PREMASTER: Final = "PMS_CLIENT_RANDOM"
LABELS: Final = (
    MASTER,
    PREMASTER,
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "CLIENT_EARLY_TRAFFIC_SECRET",
)
"""What is kept; EXPORTER_SECRET, EARLY_EXPORTER_SECRET and the like decrypt no record."""

TLS_KEY_LOG: Final = 0x544C534B
"""The type of a pcapng decryption secrets block that holds a key log (draft-ietf-opsawg-pcapng §4.7)."""

_NUMBER: Final = {label.encode(): number for number, label in enumerate(LABELS)}
_LINE: Final = re.compile(
    rb"^[ \t]*(" + b"|".join(map(re.escape, sorted(_NUMBER, key=len, reverse=True))) + rb")[ \t]+"
    rb"([0-9A-Fa-f]{64})[ \t]+((?:[0-9A-Fa-f]{2}){1,128})[ \t]*\r?$",
    re.MULTILINE,
)
_LONGEST_LINE: Final = 1024
_ENCRYPTED_PREMASTER_OCTETS: Final = 1024


class Keys:
    """Everything that can open connections. Shared by all who decrypt; it only grows (and forgets the oldest).

    `is_growing`: more lines may come (a live capture), so a connection whose key is missing waits for it.
    """

    def __init__(self, *, is_growing: bool = False, secrets: int = TLS_SECRETS) -> None:
        self.is_growing = is_growing
        self.generation = 0  # changes when something was learned
        self.forgotten = 0
        self._most = secrets
        self._secrets: dict[bytes, bytes] = {}  # client random → (label, length, secret) after each other
        self._rests: dict[Hashable, bytes] = {}  # by source: the beginning of a line
        self._private: list[tuple[RSAPrivateKey, int]] = []  # with the modulus
        self._resumable: dict[bytes, bytes] = {}  # session id or ticket → master secret

    def __len__(self) -> int:
        return len(self._secrets)

    @property
    def is_empty(self) -> bool:
        """Nothing can be opened, now or later."""
        return not (self._secrets or self._private or self.is_growing)

    def feed(self, octets: bytes, source: Hashable = None) -> int:
        """Take the next octets of a key log (any piece of it); returns how many lines were understood.

        `source` keeps the beginnings of lines of several key logs apart.
        """
        text = self._rests.pop(source, b"") + octets
        end = text.rfind(b"\n") + 1
        if 0 < len(text) - end <= _LONGEST_LINE:
            self._rests[source] = text[end:]
        return self._read(text[:end])

    def flush(self, source: Hashable = None) -> int:
        """A key log ended: its last line may lack a line end."""
        return self._read(self._rests.pop(source, b""))

    def _read(self, text: bytes) -> int:
        count = 0
        for found in _LINE.finditer(text):
            label, random, secret = found.groups()
            self._add(bytes.fromhex(random.decode()), _NUMBER[label], bytes.fromhex(secret.decode()))
            count += 1
        self.generation += bool(count)
        return count

    def _add(self, random: bytes, label: int, secret: bytes) -> None:
        known = self._secrets.get(random, b"")
        entry = bytes((label, len(secret))) + secret
        if entry in known or len(known) > _LONGEST_LINE:
            return
        self._secrets[random] = entry + known  # the newest of two that differ comes first
        if len(self._secrets) > self._most:
            del self._secrets[next(iter(self._secrets))]
            self.forgotten += 1

    def add_private_key(self, pem: bytes, password: bytes | None = None) -> None:
        """Take an RSA private key in PEM. Raises ValueError with a sentence for a person when it is none."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - 40 ms, rarely needed
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

        try:
            key = load_pem_private_key(pem, password)
        except TypeError:
            raise ValueError("the key is protected by a password; take it off (openssl pkey -in …)") from None
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("this is no private key in PEM") from None
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("only RSA keys open TLS, and only where the key exchange is RSA; use a key log")
        self._private.append((key, key.public_key().public_numbers().n))
        self.generation += 1

    @property
    def has_private_keys(self) -> bool:
        """Whether connections with an RSA key exchange can be opened without a key log."""
        return bool(self._private)

    def secrets_of(self, random: bytes) -> dict[str, bytes]:
        """Label → secret of the connection with this client random; empty when the log does not have it."""
        packed = self._secrets.get(random, b"")
        found: dict[str, bytes] = {}
        at = 0
        while at + 2 <= len(packed):
            label, length = LABELS[packed[at]], packed[at + 1]
            found.setdefault(label, packed[at + 2 : at + 2 + length])
            at += 2 + length
        return found

    def premaster_of(self, encrypted: bytes, version: int, modulus: int) -> bytes | None:
        """Decrypt a ClientKeyExchange (RFC 5246 §7.4.7.1). `modulus`: of the server's certificate, 0 when unseen."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415

        for key, own in self._private:
            if (modulus and own != modulus) or not 0 < len(encrypted) <= _ENCRYPTED_PREMASTER_OCTETS:
                continue
            try:
                premaster = key.decrypt(encrypted, PKCS1v15())
            except ValueError:
                continue
            if len(premaster) == 48 and premaster[:2] == version.to_bytes(2, "big"):
                return premaster
        return None

    def resume(self, name: bytes) -> bytes | None:
        """The master secret of the session that this session id or ticket continues."""
        return self._resumable.get(name)

    def remember(self, name: bytes, master: bytes) -> None:
        """A session that may be continued by this session id or ticket."""
        if not name:
            return
        self._resumable.pop(name, None)
        self._resumable[name] = master
        if len(self._resumable) > TLS_RESUMABLE:
            del self._resumable[next(iter(self._resumable))]
