"""Nothing in; the state of one direction of a TLS connection: where its records stand, and what opens them."""

from __future__ import annotations

import re
from collections import deque
from typing import Final

from ocpp_inspect.limits import TLS_RECORD_OCTETS, TLS_SEQUENCE_SEARCH
from ocpp_inspect.tls.opener import Opened, Opener

HEADER_OCTETS: Final = 5
CHANGE_CIPHER_SPEC: Final = 20
ALERT: Final = 21
HANDSHAKE: Final = 22
APPLICATION_DATA: Final = 23
_CLEAR_MESSAGES: Final = (1, 2, 4, 11, 12, 13, 14, 15, 16, 22)
HEADER: Final = re.compile(rb"[\x14-\x18]\x03[\x00-\x04]", re.DOTALL)


def is_header(data: bytes, at: int) -> bool:
    """Whether a record may begin there, as far as its header tells (the whole of it must be present)."""
    return (
        CHANGE_CIPHER_SPEC <= data[at] <= 24
        and data[at + 1] == 3
        and data[at + 2] <= 4
        and (data[at + 3] << 8 | data[at + 4]) <= TLS_RECORD_OCTETS
    )


def may_be_clear(fragment: bytes) -> bool:
    """Whether a handshake record looks like a message, and not like an encrypted one."""
    return len(fragment) >= 4 and fragment[0] in _CLEAR_MESSAGES and fragment[1] == 0


class Half:
    """One direction. A record is opened by `opener` with the number `sequence`."""

    __slots__ = (
        "buffer",
        "ends_early",
        "failures",
        "flow",
        "handshake",
        "has_opened",
        "is_dark",
        "is_finished",
        "is_odd",
        "lost_octets",
        "octets",
        "opener",
        "owes_gap",
        "plain_offset",
        "records",
        "rungs",
        "searching",
        "secret",
        "sequence",
        "skip",
        "skips_failures",
        "stash",
        "trials",
    )

    def __init__(self, flow: int) -> None:
        self.flow = flow
        self.buffer = b""  # the beginning of a record
        self.skip = 0  # octets of a record that is not read any more
        self.searching = False  # where the next record begins is unknown
        self.lost_octets = 0  # since the last record that was opened; -1: unknown how many
        self.is_odd = False  # searching, skipping or stashing: the fast lane is closed
        self.is_dark = False  # encrypted, and nothing opens it
        self.opener: Opener | None = None
        self.sequence = 0
        self.secret = b""  # TLS 1.3: the traffic secret of `opener`
        self.rungs: deque[tuple[str, bytes]] = deque()  # TLS 1.3: (label, secret) of what comes behind
        self.has_opened = False  # a record was opened with `opener`
        self.skips_failures = False  # records that do not open belong to a secret that the log lacks
        self.failures = 0  # records in a row that did not open
        self.trials = 0
        self.handshake = b""  # the beginning of a handshake message
        self.is_finished = False  # its Finished went by
        self.ends_early = False  # TLS 1.3: the key log lacks the secret behind the handshake
        self.owes_gap = False  # plaintext is missing in front of the first that can be handed on
        self.stash: deque[tuple[int, int, int, bytes | int]] | None = None  # what waits
        self.plain_offset = 0
        self.records = 0
        self.octets = 0

    def use(self, opener: Opener | None, secret: bytes = b"") -> None:
        """From the next record on."""
        self.opener = opener
        self.secret = secret
        self.sequence = 0
        self.has_opened = False
        self.is_dark = opener is None

    def lose(self, octets: int) -> None:
        """So many octets are missing (0: unknown); the next record's place is known only if they are inside one."""
        self.handshake = b""
        left = self.skip
        if len(self.buffer) >= HEADER_OCTETS:
            left = HEADER_OCTETS + (self.buffer[3] << 8 | self.buffer[4]) - len(self.buffer)
        is_inside = 0 < octets <= left and not self.searching
        if is_inside and self.skip == 0:
            self.sequence += 1  # the damaged record
        self.buffer = b""
        self.skip = left - octets if is_inside else 0
        if not is_inside:
            self.searching = True
            self.lost_octets = -1 if octets == 0 or self.lost_octets < 0 else self.lost_octets + octets
        self.note_oddness()

    def note_oddness(self) -> None:
        """Keep the fast lane's flag true."""
        self.is_odd = self.searching or self.skip > 0 or self.stash is not None

    @property
    def is_waiting(self) -> bool:
        """Octets are put aside."""
        return self.stash is not None

    def wait_behind(self, rest: deque[tuple[int, int, int, bytes | int]]) -> None:
        """Put these aside behind those that are already."""
        if self.stash is not None:
            self.stash.extend(rest)

    @property
    def window(self) -> int:
        """How many records may have been lost at most."""
        if self.lost_octets < 0 or self.opener is None:
            return TLS_SEQUENCE_SEARCH
        return min(TLS_SEQUENCE_SEARCH, self.lost_octets // (HEADER_OCTETS + self.opener.least_octets) + 2)

    def open_from(self, first: int, window: int, header: bytes, fragment: bytes) -> Opened | None:
        """Try sequence numbers; leaves `sequence` behind the one that fits."""
        opener = self.opener
        if opener is None or len(fragment) < opener.least_octets:
            return None
        for sequence in range(first, first + window):
            opened = opener.open(sequence, header, fragment)
            if opened is not None:
                self.trials += sequence - first
                self.sequence = sequence + 1
                return opened
        self.trials += window
        return None
