"""The path of a text that grows in, its octets out as they come: over rotations, truncations, and from a pipe."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from pathlib import Path
from typing import Final

from ocpp_inspect.capture import is_capture
from ocpp_inspect.capture.source import STDIN, CaptureError

_PIECE_OCTETS: Final = 256 * 1024
_LOOK_S: Final = 0.1
_GZIP: Final = b"\x1f\x8b"
_PACKED: Final = (_GZIP, b"\x28\xb5\x2f\xfd", b"\xfd7zXZ")


class Tail:
    """Reads a regular file on and on, or a pipe (`-` is standard input) until its writer has closed it.

    A file that gets another one's place (logrotate) is read to its end, then the new one; one that became shorter
    (copytruncate) is read from its beginning, and `has_lost` says that lines may have gone unread. Both are told in
    `news`, and `begins_anew` is true until the next `poll`. Raises CaptureError for what cannot be opened, or cannot
    grow since it is compressed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.has_ended = False
        self.begins_anew = False
        self.has_lost = False
        self.news: list[str] = []
        self._offset = 0
        self._is_heard = False
        self._file = sys.stdin.fileno() if path == STDIN else self._open()
        self._is_regular = stat.S_ISREG(os.fstat(self._file).st_mode)

    def poll(self, timeout_s: float) -> bytes:
        """What came, at most 256 KiB; b"" when nothing did within `timeout_s`."""
        self.begins_anew = False
        if not self._is_regular:
            return self._from_pipe(timeout_s)
        until_s = time.monotonic() + timeout_s
        while True:
            octets = os.read(self._file, _PIECE_OCTETS)
            if octets:
                self._take(octets)
                return octets
            self._look_for_another()
            left_s = until_s - time.monotonic()
            if self.begins_anew or left_s <= 0:
                return b""
            time.sleep(min(_LOOK_S, left_s))

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self.path != STDIN:
            os.close(self._file)

    def _open(self) -> int:
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)  # a named pipe without a writer would block
            if stat.S_ISDIR(os.fstat(file).st_mode):
                os.close(file)
                raise CaptureError(self.path, "is a directory", "name the log that grows")
        except OSError as error:
            raise CaptureError(self.path, (error.strerror or "cannot be opened").lower()) from error
        return file

    def _take(self, octets: bytes) -> None:
        if not self._offset and octets.startswith(_PACKED):
            raise CaptureError(self.path, "is compressed, and will not grow", "analyze it without --follow")
        if not self._offset and is_capture(octets):
            raise CaptureError(self.path, "is a capture of packets, no log", "live -r - follows one that grows")
        self._offset += len(octets)
        self._is_heard = True

    def _from_pipe(self, timeout_s: float) -> bytes:
        ready, _, _ = select.select([self._file], [], [], timeout_s)
        if not ready:
            return b""
        try:
            octets = os.read(self._file, _PIECE_OCTETS)
        except BlockingIOError:
            return b""
        if octets:
            self._take(octets)
        elif self._is_heard or self.path == STDIN:
            self.has_ended = True
        else:
            time.sleep(min(_LOOK_S, timeout_s))  # a named pipe whose writer has not come yet is always "ready"
        return octets

    def _look_for_another(self) -> None:
        mine = os.fstat(self._file)
        if mine.st_size < self._offset:
            os.lseek(self._file, 0, os.SEEK_SET)
            self._begin_anew("was cut off: read from its beginning", has_lost=True)
            return
        try:
            named = Path(self.path).stat()
        except OSError:
            return  # moved away, and its successor is not there yet
        if (named.st_ino, named.st_dev) == (mine.st_ino, mine.st_dev):
            return
        try:
            successor = self._open()
        except CaptureError:
            return  # gone again, or not ours to read yet
        os.close(self._file)
        self._file = successor
        self._begin_anew("was rotated: going on in the new file", has_lost=False)

    def _begin_anew(self, what: str, *, has_lost: bool) -> None:
        self._offset = 0
        self.begins_anew = True
        self.has_lost = has_lost
        self.news.append(f"{Path(self.path).name} {what}")
