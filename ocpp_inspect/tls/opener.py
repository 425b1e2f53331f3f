"""Nothing in; what every decryption of one direction can do."""

from __future__ import annotations

from typing import Protocol

Opened = tuple[int, bytes]
"""(content type, plaintext)"""


class Opener(Protocol):
    """The decryption of one direction under one key."""

    least_octets: int  # of an encrypted fragment

    def open(self, sequence: int, header: bytes, fragment: bytes) -> Opened | None:
        """`header` is the record's five octets, `fragment` what follows them."""
        ...

    def skip(self, fragment: bytes) -> None:
        """A record that is not opened went by."""
        ...
