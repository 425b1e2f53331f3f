"""Octets of captures in, files on the disk out: one, or many of which the newest are kept.

With rotation `site.pcapng` becomes `site-00001-20260131T081500Z.pcapng` and so on: sorted by name they are in order of
time, and `analyze 'site-*.pcapng'` reads them as one recording. A disk that is full is told and tried again.
"""

from __future__ import annotations

import errno
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from ocpp_inspect.capture.pcapng_writer import PcapngWriter
from ocpp_inspect.capture.source import CaptureError
from ocpp_inspect.model import PacketBatch

_SIZES: Final = {"": 1, "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9}
_TIMES: Final = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_AMOUNT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)
_RETRY_NS: Final = 5 * 10**9
_SMALLEST_OCTETS: Final = 10_000
_EMPTY_OCTETS: Final = 128  # a section header alone
_STAMP: Final = r"-(\d{5,})-\d{8}T\d{6}Z"


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a new file begins, and how many stay (0: all)."""

    octets: int = 0
    seconds: int = 0
    keep: int = 0


def parse_rotation(text: str, keep: int = 0) -> Rotation:
    """`100MB`, `1h`, or both with a comma. Raises ValueError that says what is accepted."""
    octets = seconds = 0
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _AMOUNT.fullmatch(part)
        unit = match[2] if match else ""
        if match and unit.lower() in _TIMES and unit not in ("M",):
            seconds = int(float(match[1]) * _TIMES[unit.lower()])
        elif match and unit.lower() in _SIZES and unit:
            octets = int(float(match[1]) * _SIZES[unit.lower()])
        else:
            raise ValueError(f"{part!r} is no size or time: write 100MB, 1GB, 30min, 1h or 1d, or two with a comma")
    if octets and octets < _SMALLEST_OCTETS:
        raise ValueError(f"{text!r}: files smaller than 10kB would be many")
    return Rotation(octets, seconds, keep)


class CaptureOutput:
    """Writes packets as they come. Errors of the disk are told in `trouble`, never raised after the first file.

    `path` must not exist, unless it rotates: then the files of an earlier run are counted among those that are kept.
    """

    def __init__(self, path: Path, writer: PcapngWriter, rotation: Rotation | None = None) -> None:
        self.trouble = ""
        self.lost_packets = 0
        self.octets = 0  # written, in all
        self.current = path
        self._path = path
        self._writer = writer
        self._rotation = rotation or Rotation()
        self._is_rotating = bool(self._rotation.octets or self._rotation.seconds)
        self._kept, self._number = self._earlier() if self._is_rotating else ([], 0)
        self._file: FileIO | None = None
        self._file_octets = 0
        self._begun_ns = 0
        self._is_resumed = False
        self._totals: dict[int, int] = {}  # dropped packets of the interfaces, in all
        self._before: dict[int, int] = {}  # the same when the file began
        self._retry_ns = 0
        if not self._is_rotating and path.exists() and path.stat().st_size:
            raise CaptureError(str(path), "exists already", "name another file, or remove it")
        try:
            self._open(time.time_ns())
        except OSError as error:
            raise CaptureError(str(path), f"cannot be written: {(error.strerror or str(error)).lower()}") from error

    def write(self, batch: PacketBatch, now_ns: int) -> None:
        """Append packets. `now_ns` is their time."""
        if self._file is None and now_ns < self._retry_ns:
            self.lost_packets += len(batch.packet)
            return
        try:
            if self._file is not None and self._is_due(now_ns, int(batch.captured.sum()) + 32 * len(batch.packet)):
                self._close()
            if self._file is None:
                self._open(now_ns)
            self._append(self._writer.packets(batch))
            self.trouble = ""
        except OSError as error:
            self._failed(error, now_ns)
            self.lost_packets += len(batch.packet)

    def drops(self, ts_ns: int, totals: dict[int, int]) -> None:
        """Note the packets that interfaces dropped, in all, where they belong in the file."""
        self._totals = dict(totals)
        if self._file is None:
            return
        try:
            here = {interface: total - self._before.get(interface, 0) for interface, total in totals.items()}
            self._append(self._writer.drops(ts_ns, here))
        except OSError as error:
            self._failed(error, ts_ns)

    def close(self) -> None:
        """Finish the file."""
        self._close()

    def _append(self, octets: bytes) -> None:
        """All of it or nothing: a half-written block would hide all that follows."""
        assert self._file is not None  # noqa: S101 - for the type checker
        rest = memoryview(octets)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError:
            self._file.truncate(self._file_octets)
            raise
        self._file_octets += len(octets)
        self.octets += len(octets)

    def _failed(self, error: OSError, now_ns: int) -> None:
        reason = "the disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error)).lower()
        self.trouble = f"{self.current}: cannot be written: {reason}"
        self._retry_ns = now_ns + _RETRY_NS
        self._is_resumed = True
        self._close()

    def _is_due(self, now_ns: int, octets: int) -> bool:
        rotation = self._rotation
        if rotation.octets and self._file_octets + octets > rotation.octets and self._file_octets > _EMPTY_OCTETS:
            return True
        return bool(rotation.seconds) and now_ns - self._begun_ns >= rotation.seconds * 10**9

    def _open(self, now_ns: int) -> None:
        if not self._is_resumed:  # else a section behind the others of the same file
            self._number += 1
            self.current = self._name(now_ns) if self._is_rotating else self._path
            self._begun_ns = now_ns
        # Without a buffer of Python's: what is written is in the file, and an error belongs to its own block.
        self._file = FileIO(self.current, "ab" if self._is_resumed else "wb")
        self._file_octets = self.current.stat().st_size
        self._before = dict(self._totals)
        self._append(self._writer.section())
        if self._is_rotating and not self._is_resumed:
            self._kept.append(self.current)
            while self._rotation.keep and len(self._kept) > self._rotation.keep:
                with suppress(OSError):
                    self._kept[0].unlink(missing_ok=True)
                del self._kept[0]
        self._is_resumed = False

    def _name(self, now_ns: int) -> Path:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_ns // 10**9))
        return self._path.with_name(f"{self._path.stem}-{self._number:05d}-{stamp}{self._path.suffix or '.pcapng'}")

    def _earlier(self) -> tuple[list[Path], int]:
        """The files of earlier runs in their order, and the number of the last one."""
        suffix = re.escape(self._path.suffix or ".pcapng")
        pattern = re.compile(re.escape(self._path.stem) + _STAMP + suffix)
        found = []
        with suppress(OSError):  # the directory is missing: opening the file says so
            for file in self._path.parent.iterdir():
                if match := pattern.fullmatch(file.name):
                    found.append((int(match[1]), file))
        found.sort()
        return [file for _, file in found], found[-1][0] if found else 0

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
