"""Options and captures in, the Keys that open TLS out: the only place that reads key files.

A key log may be as large as it likes: it is read in pieces, once, and Keys forgets the oldest sessions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from ocpp_inspect.capture import secrets_in
from ocpp_inspect.model import CaptureInfo
from ocpp_inspect.pipeline.options import Options
from ocpp_inspect.tls import Keys
from ocpp_inspect.tls.keys import TLS_KEY_LOG

_PIECE_OCTETS: Final = 1024 * 1024


class KeyFileError(Exception):
    """A key file cannot be used; the text says which, why, and what to do."""


def check_keys(options: Options) -> None:
    """Say what is wrong with the key files before anything starts. Raises KeyFileError."""
    for path in options.key_logs:
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise KeyFileError(f"{path}: the key log cannot be read ({error.strerror})") from None
    for path in options.private_keys:
        _add_private_key(Keys(), path)


def keys_of(options: Options) -> Keys:
    """The keys in the files that the options name. Raises KeyFileError."""
    keys = Keys()
    for path in options.private_keys:
        _add_private_key(keys, path)
    for path in options.key_logs:
        try:
            with path.open("rb") as file:
                while piece := file.read(_PIECE_OCTETS):
                    keys.feed(piece, path)
        except OSError as error:
            raise KeyFileError(f"{path}: the key log cannot be read ({error.strerror})") from None
        keys.flush(path)
    return keys


def _add_private_key(keys: Keys, path: Path) -> None:
    try:
        keys.add_private_key(path.read_bytes())
    except OSError as error:
        raise KeyFileError(f"{path}: the private key cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise KeyFileError(f"{path}: {error}") from None


class GrowingKeyLogs:
    """The same for a live run: key logs are read again and again as they grow, from when they exist.

    Files that exist are opened here, and stay open when the right to read them is given up. Raises KeyFileError.
    """

    def __init__(self, options: Options) -> None:
        self.keys = Keys(is_growing=bool(options.key_logs))
        for path in options.private_keys:
            _add_private_key(self.keys, path)
        self._files: dict[Path, BinaryIO | None] = dict.fromkeys(options.key_logs)
        for path in self._files:
            if path.exists():
                try:
                    self._files[path] = path.open("rb")
                except OSError as error:
                    raise KeyFileError(f"{path}: the key log cannot be read ({error.strerror})") from None
        self.look()

    def look(self) -> None:
        """Take in what was written since the last look."""
        for path, known in self._files.items():
            with suppress(OSError):  # not there yet, or not for us: it may become so
                file = known or path.open("rb")
                self._files[path] = file
                if file.tell() > os.fstat(file.fileno()).st_size:
                    file.seek(0)  # it was emptied
                while piece := file.read(_PIECE_OCTETS):
                    self.keys.feed(piece, path)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            if file is not None:
                file.close()


def add_secrets_inside(keys: Keys, paths: Sequence[str]) -> None:
    """Take the key logs inside of pcapng files, wherever they stand in them."""
    for path in paths:
        for kind, octets in secrets_in(path):
            if kind == TLS_KEY_LOG:
                keys.feed(octets + b"\n", "pcapng")


class CaptureSecrets:
    """Hands the decryption secrets inside captures on to Keys, as the reader comes across them."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._taken: dict[int, int] = {}

    def take(self, captures: Sequence[CaptureInfo]) -> None:
        """Feed what is new."""
        for capture in captures:
            if len(capture.secrets) == self._taken.get(capture.capture, 0):
                continue
            for kind, octets in capture.secrets[self._taken.get(capture.capture, 0) :]:
                if kind == TLS_KEY_LOG:
                    self._keys.feed(octets + b"\n", "pcapng")
            self._taken[capture.capture] = len(capture.secrets)
