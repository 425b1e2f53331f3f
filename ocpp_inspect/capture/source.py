"""A path in, octets out: files and standard input, plain or compressed, read in windows that bound the memory."""

from __future__ import annotations

import io
import lzma
import os
import select
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import zstandard

from ocpp_inspect.limits import XZ_MEMORY_OCTETS, ZSTD_WINDOW_OCTETS

STDIN: Final = "-"
_INPUT_OCTETS: Final = 64 * 1024
_PIPE_WAIT_SECONDS: Final = 0.05
_MAGIC_OCTETS: Final = 6


class CaptureError(Exception):
    """An input that cannot be used at all; the caller tells the user and exits with 2."""

    def __init__(self, path: str, reason: str, hint: str = "") -> None:
        super().__init__(path, reason, hint)  # all of them, so that it can cross from a worker process
        self.path = path
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f" ({self.hint})" if self.hint else "")


class _Unpacker(Protocol):
    """A decompressor that pulls its input; empty at the end. It raises when the data is damaged."""

    def read(self, size: int) -> bytes: ...


class _Members:
    """gzip members or xz streams, one behind the other (RFC 1952 §2.2)."""

    def __init__(self, pull: Callable[[int], bytes], make: Callable[[], Any]) -> None:
        self._pull = pull
        self._make = make
        self._object = make()
        self._input = b""

    def read(self, size: int) -> bytes:
        while True:
            octets: bytes = b"" if self._object.eof else self._object.decompress(self._input, size)
            self._input = b""
            if octets:
                return octets
            if self._object.eof:
                # padding of zeros may follow
                rest = (self._object.unused_data or self._pull(_INPUT_OCTETS)).lstrip(b"\0")
                if not rest:
                    return b""
                self._object, self._input = self._make(), rest
                continue
            self._input = self._pull(_INPUT_OCTETS)
            if not self._input:
                raise EOFError("the compressed file is cut")


class _Gzip:
    """zlib's object, which loses all output of a call that finds damage, made to keep what comes before the damage."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(wbits=31)
        self._tail = b""

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    def decompress(self, data: bytes, size: int) -> bytes:
        data = self._tail + data
        before = self._object.copy()
        try:
            octets = self._object.decompress(data, size)
            self._tail = self._object.unconsumed_tail
        except zlib.error:
            self._object = before
            return self._salvage(data, size)
        return octets

    def _salvage(self, data: bytes, size: int) -> bytes:
        """Octet by octet up to the damage; the call after that raises."""
        out = bytearray()
        for index in range(len(data)):
            self._tail = data[index:]
            try:
                out += self._object.decompress(data[index : index + 1], size - len(out))
            except zlib.error:
                if not out:
                    raise
                break
            if len(out) == size:
                self._tail = self._object.unconsumed_tail + data[index + 1 :]
                break
        return bytes(out)


class _Zstd:
    """zstandard's stream reader; its other interfaces have no bound on what one call may return."""

    def __init__(self, pull: Callable[[int], bytes]) -> None:
        unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_OCTETS)
        self._reader = unpacker.stream_reader(_Pulled(pull), read_size=_INPUT_OCTETS, read_across_frames=True)

    def read(self, size: int) -> bytes:
        result: bytes = self._reader.read(size)
        return result


class _Pulled(io.BytesIO):
    def __init__(self, pull: Callable[[int], bytes]) -> None:
        self._pull = pull

    def read(self, size: int | None = -1) -> bytes:
        return self._pull(size if size is not None and size >= 0 else _INPUT_OCTETS)


def _xz() -> Any:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY_OCTETS)


_UNPACKERS: Final[tuple[tuple[bytes, str, Callable[[Callable[[int], bytes]], _Unpacker]], ...]] = (
    (b"\x1f\x8b", "gzip", lambda pull: _Members(pull, _Gzip)),
    (b"\x28\xb5\x2f\xfd", "zstd", _Zstd),
    (b"\xfd7zXZ\x00", "xz", lambda pull: _Members(pull, _xz)),
)


class Source:
    """One input. `readinto` fills a window, less only at the end or when a pipe has paused; 0 is the end."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.bytes_read = 0  # of the file, before decompression
        self.compression = ""
        self.damage = ""  # why reading ended early, with the offset
        self.damage_name = ""
        self._file = self._open(path)
        self._is_pipe = not self._file.seekable()
        self._head = b""
        self._unpacker: _Unpacker | None = None
        self._ended = False
        while len(self._head) < _MAGIC_OCTETS and (more := self._raw(_MAGIC_OCTETS - len(self._head))):
            self._head += more
        for magic, name, make in _UNPACKERS:
            if self._head.startswith(magic):
                self.compression, self._unpacker = name, make(self._compressed)

    @staticmethod
    def _open(path: str) -> io.RawIOBase:
        if path == STDIN:
            return io.FileIO(sys.stdin.fileno(), closefd=False)
        try:
            return io.FileIO(path)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CaptureError(path, reason, "check the name and the permissions") from error

    @property
    def size(self) -> int | None:
        """Octets of the file, None when that cannot be known."""
        if self._is_pipe:
            return None
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._file.close()

    def readinto(self, window: memoryview) -> int:
        """Fill the window as far as octets come; 0 only at the end."""
        if self._unpacker is None:
            return self._plain(window)
        filled = 0
        while filled < len(window):
            octets = self._unpacked(len(window) - filled)
            if not octets:
                break
            window[filled : filled + len(octets)] = octets
            filled += len(octets)
            if self._is_pipe and not self._ready():
                break
        return filled

    # --------------------------------------------------------------------------------------------------- reading

    def _raw(self, size: int) -> bytes:
        """Octets of the file; empty at its end, or when the operating system cannot go on."""
        try:
            octets = self._file.read(size) or b""
        except OSError as error:
            self._broken("capture.read_error", f"offset {self.bytes_read}: {error.strerror or error}")
            return b""
        self.bytes_read += len(octets)
        return octets

    def _broken(self, name: str, text: str) -> None:
        self._ended = True
        self.damage = self.damage or text
        self.damage_name = self.damage_name or name

    def _plain(self, window: memoryview) -> int:
        filled = len(self._head)
        if filled:
            filled = min(filled, len(window))
            window[:filled] = self._head[:filled]
            self._head = self._head[filled:]
        while filled < len(window) and not self._ended:
            if filled and self._is_pipe and not self._ready():
                break
            try:
                count = self._file.readinto(window[filled:]) or 0
            except OSError as error:
                self._broken("capture.read_error", f"offset {self.bytes_read}: {error.strerror or error}")
                break
            if not count:
                break
            self.bytes_read += count
            filled += count
        return filled

    def _ready(self) -> bool:
        """Whether a pipe has more right now: what came so far is not held back for a window that fills slowly."""
        try:
            return bool(select.select([self._file], [], [], _PIPE_WAIT_SECONDS)[0])
        except (OSError, ValueError):  # not selectable here (Windows): fill the window
            return True

    def _compressed(self, size: int) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head or self._raw(size)

    def _unpacked(self, size: int) -> bytes:
        if self._ended or self._unpacker is None:
            return b""
        try:
            return self._unpacker.read(size)
        except (zlib.error, lzma.LZMAError, zstandard.ZstdError, EOFError, MemoryError) as error:
            where = f"near offset {self.bytes_read} of the compressed file: {error}"
            self._broken("capture.compression_error", where)
            return b""


def is_regular(path: str) -> bool:
    """Whether a path can be opened a second time."""
    return path != STDIN and Path(path).is_file()
