"""Octets of a pcap file in, packets out: every byte order, µs and ns, and the modified record headers.

Layout: draft-ietf-opsawg-pcap §4 and §5. Modified headers (magic 0xa1b2cd34) and their rivals carry 8, 4 or 12 more
octets behind the usual 16; which of them a file uses is tried on its first records, because the magic does not tell.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from ocpp_inspect.limits import CAPTURE_NOTES, CAPTURED_OCTETS, SEARCH_OCTETS
from ocpp_inspect.model import CaptureInfo

from .links import link_name
from .run import INTERFACES_PER_CAPTURE, Buffer, Notice, Run, empty_run, gather, note

_MICRO: Final = 1_000
_NANO: Final = 1
# magic → (nanoseconds of one fraction, octets between file header and first record, record header sizes to try)
MAGICS: Final[dict[int, tuple[int, int, tuple[int, ...]]]] = {
    0xA1B2C3D4: (_MICRO, 0, (16, 24, 20)),
    0xA1B23C4D: (_NANO, 0, (16,)),
    0xA1B2CD34: (_MICRO, 0, (24, 28, 16)),
    0x1C0001AC: (_MICRO, 4, (16,)),  # IXIA hardware: the file's length follows the header
    0x1C0001AB: (_MICRO, 4, (16,)),  # IXIA software
}
FILE_HEADER_BYTES: Final = 24
_DAY_SECONDS: Final = 86_400
_PROBED_RECORDS: Final = 8


def pcap_byte_order(head: bytes) -> str | None:
    """The byte order of a file that starts so, or None when it is no pcap."""
    for order in "<>":
        if len(head) >= 4 and struct.unpack(order + "I", head[:4])[0] in MAGICS:
            return order
    return None


@dataclass(slots=True)
class _Layout:
    """How a record header of this file reads."""

    order: str
    size: int
    captured_at: int  # 8, or 12 in old versions that swap the two lengths
    fraction_ns: int

    @property
    def original_at(self) -> int:
        return 20 - self.captured_at


class PcapParser:
    """Implements `run.Parser` for one pcap file."""

    def __init__(self, info: CaptureInfo, *, captured_octets: int = CAPTURED_OCTETS) -> None:
        self._info = info
        self._max = captured_octets
        self._layout: _Layout | None = None
        self._sizes: tuple[int, ...] = ()
        self._skip = 0  # octets that still stand before the first record
        self._link = 0
        self._frames = 0
        self._last_seconds = 0
        self._lost_at = -1  # file offset of garbage that is being searched
        self._last_ns = 0

    def feed(self, octets: Buffer, start: int, end: int, file_offset: int, final: bool) -> tuple[Run, int]:
        """See `run.Parser`."""
        position = start
        if self._layout is None:
            if end - start < FILE_HEADER_BYTES:
                return self._cut_header(start, end, final)
            self._read_file_header(bytes(octets[start : start + FILE_HEADER_BYTES]))
            position += FILE_HEADER_BYTES
            if not final and not self._can_choose(octets, position + self._skip, end):
                self._layout = None
                return empty_run(), start
        assert self._layout is not None  # noqa: S101
        if self._sizes:
            position = min(position + self._skip, end)
            self._choose_layout(octets, position, end)
        shift = file_offset - start  # buffer offset → file offset
        offsets: list[int] = []
        notices: list[Notice] = []
        while True:
            if self._lost_at >= 0:
                position, found = self._search(octets, position, end, final)
                if not found and not final:
                    break
                self._report_garbage(notices, len(offsets), position + shift)
                if not found:
                    break
            bad, position = self._walk(octets, position, end, offsets, final)
            if not bad and not (final and self._is_misread(octets, position, end)):
                break
            self._lost_at = position + shift
            position += 1
        cut = 0
        if final and position < end:
            cut = self._partial(octets, position, end, offsets, notices, shift)
            position = end
        return self._columns(octets, offsets, notices, cut), position

    # ----------------------------------------------------------------------------------------------- file header

    def _cut_header(self, start: int, end: int, final: bool) -> tuple[Run, int]:
        if not final or end == start:
            return empty_run(), start
        self._info.truncated = True
        text = f"offset 0: the file ends after {end - start} of the {FILE_HEADER_BYTES} octets of its header"
        note(self._info, text, CAPTURE_NOTES)
        return empty_run([Notice(0, "capture.truncated", text)]), end

    def _read_file_header(self, head: bytes) -> None:
        order = pcap_byte_order(head) or "<"
        magic, major, minor, _zone, _accuracy, _snaplen, link = struct.unpack(order + "IHHiIII", head)
        fraction_ns, self._skip, self._sizes = MAGICS.get(magic, MAGICS[0xA1B2C3D4])
        self._link = link & 0xFFFF  # the upper half tells about a frame check sequence, which is never payload
        self._layout = _Layout(order, self._sizes[0], 12 if (major, minor) < (2, 3) else 8, fraction_ns)
        name = link_name(self._link)
        if name not in self._info.link_types:
            self._info.link_types.append(name)

    def _can_choose(self, octets: Buffer, position: int, end: int) -> bool:
        """Whether the first record and the header behind it are here: that is what a layout is tried on."""
        layout = self._layout
        if layout is None or end - position < 16:
            return False
        lengths = struct.unpack_from(layout.order + "2I", octets, position + 8)
        return bool(end - position >= 2 * max(self._sizes) + min(*lengths, self._max))

    def _choose_layout(self, octets: Buffer, position: int, end: int) -> None:
        """Take the record header size that reads the first records best; a tie goes to the usual one."""
        layout = self._layout
        assert layout is not None  # noqa: S101
        best = -1.0
        chosen = layout.size, layout.captured_at
        for captured_at in (layout.captured_at, 20 - layout.captured_at):
            for size in self._sizes:
                tried = _Layout(layout.order, size, captured_at, layout.fraction_ns)
                records, is_broken = self._chain(octets, position, end, tried)
                # one that reads well to the end of what is there beats every rarer one
                good = records if is_broken or not records else _PROBED_RECORDS
                if good > best:
                    best, chosen = good, (size, captured_at)
        layout.size, layout.captured_at = chosen
        self._sizes = ()

    def _chain(self, octets: Buffer, position: int, end: int, layout: _Layout) -> tuple[int, bool]:
        """How many records in a row read plausibly from here (capped), and whether one came that does not."""
        read = struct.Struct(layout.order + "4I").unpack_from
        good = seconds = 0
        while good < _PROBED_RECORDS and position + layout.size <= end:
            header = read(octets, position)
            captured, original = header[layout.captured_at // 4], header[layout.original_at // 4]
            if not 0 < captured <= self._max or original < captured or header[1] * layout.fraction_ns >= 10**9:
                return good, True
            if good and abs(header[0] - seconds) > _DAY_SECONDS:
                return good, True
            seconds = header[0]
            good += 1
            position += layout.size + captured
        return good, False

    # --------------------------------------------------------------------------------------------------- records

    def _walk(self, octets: Buffer, position: int, end: int, offsets: list[int], final: bool) -> tuple[bool, int]:
        """Append the offsets of whole records; (True, where) at something that is no record. 0.18 µs a record."""
        layout = self._layout
        assert layout is not None  # noqa: S101
        first = len(offsets)
        size, at, limit = layout.size, layout.captured_at, self._max
        read = struct.Struct(layout.order + "I").unpack_from
        append = offsets.append
        last = end - size
        while position <= last:
            (captured,) = read(octets, position + at)
            if captured > limit:
                break
            following = position + size + captured
            if following > end:
                break
            append(position)
            position = following
        bad = position <= last and read(octets, position + at)[0] > limit
        columns = self._headers(octets, np.array(offsets[first:], np.int64))
        wrong = np.flatnonzero(self._implausible(columns))
        if len(wrong):
            position = offsets[first + int(wrong[0])]
            del offsets[first + int(wrong[0]) :]
            bad = True
        while bad and len(offsets) > first and self._is_suspicious(octets, offsets, first):
            position = offsets.pop()
        if not bad and not final and len(offsets) > first:
            held = self._doubtful(columns[: len(offsets) - first, 0].astype(np.int64))
            if held < len(offsets) - first:
                position = offsets[first + held]
                del offsets[first + held :]
        if len(offsets) > first:
            self._last_seconds = int(struct.unpack_from(layout.order + "I", octets, offsets[-1])[0])
        return bad, position

    def _headers(self, octets: Buffer, offsets: np.typing.NDArray[np.int64]) -> np.typing.NDArray[np.uint32]:
        order = "<" if self._layout is None else self._layout.order
        return gather(octets, offsets, 16).view(order + "u4")

    def _implausible(self, columns: np.typing.NDArray[np.uint32]) -> np.typing.NDArray[np.bool_]:
        """What no writer produces: nothing at all, or a fraction beyond a second together with lengths that lie."""
        layout = self._layout
        assert layout is not None  # noqa: S101
        captured, original = columns[:, layout.captured_at // 4], columns[:, layout.original_at // 4]
        zero = (captured == 0) & (original == 0) & (columns[:, 0] == 0)
        odd_fraction = columns[:, 1] >= 10**9 // layout.fraction_ns
        result: np.typing.NDArray[np.bool_] = zero | (odd_fraction & (original < captured)) | (original > 1 << 26)
        return result

    def _doubtful(self, seconds: np.typing.NDArray[np.int64]) -> int:
        """How many records may be handed on now: behind a jump in time some more must read well, or it is garbage."""
        steps = np.diff(seconds, prepend=self._last_seconds or seconds[0])
        held = len(seconds)
        for jump in np.flatnonzero(np.abs(steps) > _DAY_SECONDS)[::-1].tolist():
            if held - jump > _PROBED_RECORDS:
                break
            held = jump
        return held

    def _is_suspicious(self, octets: Buffer, offsets: list[int], first: int) -> bool:
        """Whether the record before garbage is garbage itself: its length led astray."""
        layout = self._layout
        assert layout is not None  # noqa: S101
        header = struct.unpack_from(layout.order + "4I", octets, offsets[-1])
        before = self._last_seconds
        if len(offsets) - first > 1:
            (before,) = struct.unpack_from(layout.order + "I", octets, offsets[-2])
        if before and abs(header[0] - before) > _DAY_SECONDS:
            return True
        captured, original = header[layout.captured_at // 4], header[layout.original_at // 4]
        return bool(header[1] * layout.fraction_ns >= 10**9) or bool(original < captured)

    def _is_misread(self, octets: Buffer, position: int, end: int) -> bool:
        """Whether the record that does not fit into the rest of the file is garbage rather than cut.

        A cut record that holds two records of the same day in a row is less likely than a length that lies.
        """
        layout = self._layout
        assert layout is not None  # noqa: S101
        if end - position < layout.size:
            return False
        header = struct.unpack_from(layout.order + "4I", octets, position)
        lengths_lie = header[layout.original_at // 4] < header[layout.captured_at // 4]
        if lengths_lie or header[1] * layout.fraction_ns >= 10**9 or not self._near(octets, position):
            return True
        return self._search(octets, position + 1, end, final=True)[1]

    def _columns(self, octets: Buffer, offsets: list[int], notices: list[Notice], cut: int) -> Run:
        """`cut` octets of the last packet are missing at the end of the file."""
        layout = self._layout
        assert layout is not None  # noqa: S101
        if not offsets:
            return empty_run(notices)
        count = len(offsets)
        starts = np.array(offsets, np.int64)
        headers = self._headers(octets, starts)
        captured = headers[:, layout.captured_at // 4].astype(np.int64)
        original = headers[:, layout.original_at // 4].astype(np.int64)
        np.maximum(captured, original, out=original)
        if cut:
            captured[-1] -= cut
        ts_ns = headers[:, 0].astype(np.int64) * 10**9 + headers[:, 1].astype(np.int64) * layout.fraction_ns
        frame = np.arange(self._frames + 1, self._frames + count + 1, dtype=np.int64)
        self._frames += count
        interface = np.full(count, self._info.capture * INTERFACES_PER_CAPTURE, np.int64)
        link = np.full(count, self._link, np.int64)
        return Run(frame, ts_ns, starts + layout.size, captured, original, link, interface, notices)

    # ---------------------------------------------------------------------------------------------------- damage

    def _search(self, octets: Buffer, position: int, end: int, final: bool) -> tuple[int, bool]:
        """The next offset of a plausible record, if there is one."""
        layout = self._layout
        assert layout is not None  # noqa: S101
        size = layout.size
        span = SEARCH_OCTETS  # grows, so that neither much garbage nor many small pieces of it cost much
        while end - position >= size:
            count = min(end - position - size + 1, span)
            for place, captured in self._likely(octets, position, count):
                following = place + size + captured
                if following == end and final:
                    return place, True
                if following + size > end:
                    if final:
                        continue
                    return place, False  # more octets decide
                behind = min(end, following + size)
                # a record of the same day stands for itself: one in 10**12 of random octets looks so
                if self._last_seconds or self._chain(octets, following, behind, layout)[0]:
                    return place, True
            position += count
            span *= 2
        return (end if final else position), False

    def _likely(self, octets: Buffer, position: int, count: int) -> list[tuple[int, int]]:
        """(offset, captured length) of what could be a record, among `count` offsets from here."""
        layout = self._layout
        assert layout is not None  # noqa: S101

        def column(at: int) -> np.typing.NDArray[np.uint32]:
            window = np.frombuffer(octets, np.uint8, count + 3, position + at)
            return np.ndarray((count,), layout.order + "u4", buffer=window, strides=(1,)).astype(np.uint32)

        captured, original = column(layout.captured_at), column(layout.original_at)
        likely = (captured > 0) & (original >= captured) & (original <= self._max)
        likely &= column(4) < 10**9 // layout.fraction_ns
        if self._last_seconds:
            likely &= np.abs(column(0).astype(np.int64) - self._last_seconds) <= _DAY_SECONDS
        found = np.flatnonzero(likely)
        return list(zip((found + position).tolist(), captured[found].tolist(), strict=True))

    def _near(self, octets: Buffer, position: int) -> bool:
        order = "<" if self._layout is None else self._layout.order
        (seconds,) = struct.unpack_from(order + "I", octets, position)
        return not self._last_seconds or bool(abs(seconds - self._last_seconds) <= _DAY_SECONDS)

    def _report_garbage(self, notices: list[Notice], after: int, resumed_at: int) -> None:
        text = f"offset {self._lost_at}: {resumed_at - self._lost_at} octets are not a record and were skipped"
        note(self._info, text, CAPTURE_NOTES)
        notices.append(Notice(after, "capture.garbage", text))
        self._lost_at = -1

    def _partial(
        self, octets: Buffer, position: int, end: int, offsets: list[int], notices: list[Notice], shift: int
    ) -> int:
        """Use the record that the end of the file cuts; the number of its octets that are missing."""
        layout = self._layout
        assert layout is not None  # noqa: S101
        self._info.truncated = True
        present = end - position - layout.size
        text = f"offset {position + shift}: the file ends inside a record"
        cut = 0
        if present > 0:
            (captured,) = struct.unpack_from(layout.order + "I", octets, position + layout.captured_at)
            cut = captured - present
            offsets.append(position)
            text += f", {cut} octets of packet {self._frames + len(offsets)} are missing"
        note(self._info, text, CAPTURE_NOTES)
        notices.append(Notice(len(offsets), "capture.truncated", text))
        return cut
