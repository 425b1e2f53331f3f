"""Octets of a pcapng file in, packets out: sections of either byte order, interfaces, every kind of packet block.

Clauses are those of draft-ietf-opsawg-pcapng. Enhanced packet blocks are walked in one tight loop and read as
columns; all other blocks take the lane of `_block`. Long, because nearly every kind of block reads or changes the
section's interfaces: apart they would only pass that state to and fro.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from ocpp_inspect.limits import (
    BLOCK_OCTETS,
    CAPTURE_COMMENT_OCTETS,
    CAPTURE_COMMENTS,
    CAPTURE_INTERFACES,
    CAPTURE_NOTES,
    CAPTURE_SECRETS_OCTETS,
    CAPTURED_OCTETS,
    SEARCH_OCTETS,
)
from ocpp_inspect.model import CaptureInfo, Int64

from .links import link_name
from .run import INTERFACES_PER_CAPTURE, Buffer, Notice, Run, empty_run, gather, note

SECTION: Final = 0x0A0D0D0A  # reads the same in both byte orders
_INTERFACE: Final = 1
_OLD_PACKET: Final = 2
_SIMPLE_PACKET: Final = 3
_STATISTICS: Final = 5
_ENHANCED_PACKET: Final = 6
_SECRETS: Final = 10
# with name resolution, systemd journal and custom blocks: known, of no use here
_KNOWN: Final = (SECTION, 1, 2, 3, 4, 5, 6, 9, 10, 0xBAD, 0x40000BAD)
_KNOWN_KINDS: Final = np.array(_KNOWN, np.uint32)
_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_FLAGS_OPTION: Final = 2
_NO_INTERFACE: Final = -1
_MAX_SECONDS: Final = (2**63 - 1) // 10**9


@dataclass(slots=True)
class _Interface:
    """An interface description (§4.2) and what was learned about it."""

    ordinal: int  # within the capture, over all sections
    link: int
    snaplen: int
    resolution: int = 6  # if_tsresol: power of ten, or of two with the top bit set
    offset_seconds: int = 0
    reported_drops: int = 0  # interface statistics (§4.6), a running total
    counted_drops: int = 0  # epb_dropcount (§4.3), summed

    @property
    def drops(self) -> int:
        return max(self.reported_drops, self.counted_drops)


@dataclass(slots=True)
class _Section:
    order: str = "<"
    interfaces: list[_Interface] = field(default_factory=list)
    told_undescribed: bool = False


class PcapngParser:
    """Implements `run.Parser` for one pcapng file."""

    def __init__(
        self, info: CaptureInfo, *, captured_octets: int = CAPTURED_OCTETS, block_octets: int = BLOCK_OCTETS
    ) -> None:
        self._info = info
        self._max_captured = captured_octets
        self._max_block = block_octets
        self._section = _Section()
        self._interfaces = 0
        self._frames = 0
        self._last_ns = 0
        self._lost_at = -1
        self._secret_octets = 0
        self._unknown_blocks: set[int] = set()
        self._parts: list[Run] = []
        self._packets = 0  # in self._parts
        self._notices: list[Notice] = []

    def feed(self, octets: Buffer, start: int, end: int, file_offset: int, final: bool) -> tuple[Run, int]:
        """See `run.Parser`."""
        position = start
        shift = file_offset - start
        self._parts, self._packets, self._notices = [], 0, []
        while True:
            if self._lost_at >= 0:
                position, found = self._search(octets, position, end, final)
                if not found and not final:
                    break
                self._report_garbage(position + shift)
                if not found:
                    break
            position = self._walk(octets, position, end)
            if end - position < 12:
                break
            kind, length = struct.unpack_from(self._section.order + "2I", octets, position)
            if kind == SECTION:
                order = self._byte_order(octets, position)
                length = struct.unpack_from((order or "<") + "I", octets, position + 4)[0] if order else 0
            if not self._believable(kind, length):
                self._lost_at = position + shift
                position += 1
                continue
            if position + length > end:
                if final and not self._is_cut_packet(octets, position, kind, length, end):
                    place, found = self._search(octets, position + 1, end, final)
                    if found:
                        self._lost_at = position + shift
                        self._report_garbage(place + shift)
                        position = place
                        continue
                break
            trailer = self._section.order if kind != SECTION else self._byte_order(octets, position) or "<"
            if struct.unpack_from(trailer + "I", octets, position + length - 4)[0] != length:
                self._lost_at = position + shift
                position += 1
                continue
            self._block(octets, position, kind, length, length)
            position += length
        if final and position < end:
            self._partial(octets, position, end, shift)
            position = end
        return self._joined(), position

    # ------------------------------------------------------------------------------------------ enhanced packets

    def _walk(self, octets: Buffer, position: int, end: int) -> int:
        """Take the run of enhanced packet blocks from here; where it stopped. 0.2 µs a block."""
        read = struct.Struct(self._section.order + "2I").unpack_from
        offsets: list[int] = []
        append = offsets.append
        last = end - 32
        limit = self._max_captured + 65_536
        while position <= last:
            kind, length = read(octets, position)
            if kind != 6 or length < 32 or length & 3 or length > limit:
                break
            following = position + length
            if following > end:
                break
            append(position)
            position = following
        if not offsets:
            return position
        starts = np.array(offsets, np.int64)
        order = self._section.order
        headers = gather(octets, starts, 28).view(order + "u4").astype(np.int64)
        lengths = headers[:, 1]
        trailers = gather(octets, starts + lengths - 4, 4).view(order + "u4")[:, 0]
        captured = headers[:, 5]
        wrong = np.flatnonzero((trailers != lengths) | (captured > lengths - 32) | (captured > self._max_captured))
        if len(wrong):
            # the block before which all is well; the caller looks at it again and finds it broken
            count = int(wrong[0])
            position = offsets[count]
            starts, headers, captured = starts[:count], headers[:count], captured[:count]
            if count:
                self._enhanced(octets, starts, headers, captured)
            if int(trailers[wrong[0]]) == int(lengths[wrong[0]]):
                position = self._bad_packet(position, int(lengths[wrong[0]]))
            return position
        self._enhanced(octets, starts, headers, captured)
        return position

    def _bad_packet(self, position: int, length: int) -> int:
        """A whole block whose captured length does not fit into it: it counts as a frame, but holds no packet."""
        self._frames += 1
        text = f"frame {self._frames}: the packet claims more octets than its block has"
        self._report("capture.garbage", text)
        return position + length

    def _enhanced(self, octets: Buffer, starts: Int64, headers: Int64, captured: Int64) -> None:
        """Turn enhanced packet blocks (§4.3) into columns."""
        lengths, names = headers[:, 1], headers[:, 2]
        ticks = (headers[:, 3].astype(np.uint64) << np.uint64(32)) | headers[:, 4].astype(np.uint64)
        options_at = 28 + ((captured + 3) & ~3)
        self._add(starts + 28, captured, headers[:, 6], names, ticks)
        optioned = np.flatnonzero(lengths - options_at > 8)
        if not len(optioned):
            return
        # epb_flags alone is what capture programs write on every packet: nothing to learn
        first = gather(octets, starts[optioned] + options_at[optioned], 8).view(self._section.order + "u2")
        rest = (lengths - options_at)[optioned] - 4
        dull = (first[:, 0] == _FLAGS_OPTION) & (first[:, 1] == 4) & (rest <= 12)
        before = len(starts)
        for index in optioned[~dull].tolist():
            begin = int(starts[index]) + int(options_at[index])
            end = int(starts[index] + lengths[index]) - 4
            self._packet_options(octets, begin, end, int(names[index]), before - index)

    def _packet_options(self, octets: Buffer, begin: int, end: int, name: int, from_end: int) -> None:
        """Options of the packet that is the `from_end`-th from the last one taken."""
        frame = self._frames - from_end + 1
        for code, value in self._options(octets, begin, end):
            if code == 1:
                self._comment(value, f"frame {frame}: ")
            elif code == 4 and len(value) == 8:
                (drops,) = struct.unpack(self._section.order + "Q", value)
                if drops and name < len(self._section.interfaces):
                    self._count_drops(
                        self._section.interfaces[name], counted=drops, after=max(0, self._packets - from_end)
                    )

    def _add(
        self, offset: Int64, captured: Int64, original: Int64, names: Int64, ticks: npt.NDArray[np.uint64]
    ) -> None:
        """Append packets; their interfaces give link types and times."""
        count = len(offset)
        ts_ns, link = np.zeros(count, np.int64), np.zeros(count, np.int64)
        interface = np.zeros(count, np.int64)
        interfaces = self._section.interfaces
        described = np.flatnonzero(names < len(interfaces))
        frame = np.arange(self._frames + 1, self._frames + count + 1, dtype=np.int64)
        self._frames += count
        original = np.maximum(original, captured)
        if len(described) < count:
            lost = int(np.flatnonzero(names >= len(interfaces))[0])
            if not self._section.told_undescribed:  # once a section
                self._section.told_undescribed = True
                text = f"frame {int(frame[lost])}: interface {int(names[lost])} was not described"
                self._report("capture.unknown_interface", text, self._packets + lost)
            offset, captured, original, frame = (c[described] for c in (offset, captured, original, frame))
            names, ticks, ts_ns = names[described], ticks[described], ts_ns[described]
            link, interface = link[described], interface[described]
        for name in np.unique(names).tolist() if len(interfaces) > 1 else range(len(interfaces)):
            chosen: Int64 | slice = np.flatnonzero(names == name) if len(interfaces) > 1 else slice(None)
            described_as = interfaces[name]
            ts_ns[chosen] = self._times(ticks[chosen], described_as)
            link[chosen] = described_as.link
            interface[chosen] = self._info.capture * INTERFACES_PER_CAPTURE + described_as.ordinal
        self._mend_times(ts_ns, frame)
        self._parts.append(Run(frame, ts_ns, offset, captured, original, link, interface))
        self._packets += len(frame)

    def _times(self, ticks: npt.NDArray[np.uint64], interface: _Interface) -> Int64:
        """Ticks to nanoseconds since the epoch (§4.2, if_tsresol and if_tsoffset); -2**63 for what does not fit."""
        resolution = interface.resolution
        if resolution in (6, 9) and not interface.offset_seconds and len(ticks):
            factor = 1000 if resolution == 6 else 1
            if int(ticks.max()) <= (2**63 - 1) // factor:
                return ticks.astype(np.int64) * factor
        base, power = (2, resolution & 0x7F) if resolution & 0x80 else (10, resolution)
        per_second = base**power
        values = [tick * 10**9 // per_second + interface.offset_seconds * 10**9 for tick in ticks.tolist()]
        return np.array([value if abs(value) < 2**63 else -(2**63) for value in values], np.int64)

    def _mend_times(self, ts_ns: Int64, frame: Int64) -> None:
        for index in np.flatnonzero(ts_ns == -(2**63)).tolist():
            ts_ns[index] = ts_ns[index - 1] if index else self._last_ns
            text = f"frame {int(frame[index])}: its time does not fit into 64-bit nanoseconds"
            self._report("capture.bad_timestamp", text, self._packets + index)
        if len(ts_ns):
            self._last_ns = int(ts_ns[-1])

    # ---------------------------------------------------------------------------------------------- other blocks

    def _block(self, octets: Buffer, position: int, kind: int, length: int, present: int) -> None:
        """Any block but a whole enhanced packet. `present` is less than `length` in the last block of a cut file."""
        body, end = position + 8, position + present - (4 if present == length else 0)
        if kind == SECTION:
            self._section = _Section(self._byte_order(octets, position) or "<")
            self._comments(octets, body + 16, end, "")
        elif kind == _INTERFACE and end - body >= 8:
            self._describe_interface(octets, body, end)
        elif kind == _ENHANCED_PACKET and end - body >= 20:
            name, high, low, captured, original = struct.unpack_from(self._section.order + "5I", octets, body)
            self._one(body + 20, end, captured, original, name, high << 32 | low)
        elif kind == _OLD_PACKET and end - body >= 20:
            self._old_packet(octets, body, end)
        elif kind == _SIMPLE_PACKET and end - body >= 4:
            self._simple_packet(octets, body, end)
        elif kind == _STATISTICS and end - body >= 12:
            self._statistics(octets, body, end)
        elif kind == _SECRETS and end - body >= 8:
            self._keep_secrets(octets, body, end)
        elif kind not in _KNOWN and kind not in self._unknown_blocks and len(self._unknown_blocks) < CAPTURE_NOTES:
            self._unknown_blocks.add(kind)
            note(self._info, f"blocks of the unknown type {kind:#x} were skipped", CAPTURE_NOTES)

    def _describe_interface(self, octets: Buffer, body: int, end: int) -> None:
        link, _reserved, snaplen = struct.unpack_from(self._section.order + "HHI", octets, body)
        if self._interfaces >= CAPTURE_INTERFACES:
            self._report("capture.limit", f"more than {CAPTURE_INTERFACES} interfaces are described")
            return
        interface = _Interface(self._interfaces, link, snaplen)
        self._interfaces += 1
        for code, value in self._options(octets, body + 8, end):
            if code == 1:
                self._comment(value, f"interface {interface.ordinal}: ")
            elif code == 9 and value:
                interface.resolution = value[0]
            elif code == 14 and len(value) == 8:
                (interface.offset_seconds,) = struct.unpack(self._section.order + "q", value)
        self._section.interfaces.append(interface)
        name = link_name(link)
        if name not in self._info.link_types:
            self._info.link_types.append(name)

    def _old_packet(self, octets: Buffer, body: int, end: int) -> None:
        """The obsolete packet block (appendix A)."""
        order = self._section.order
        name, _drops, high, low, captured, original = struct.unpack_from(order + "HHIIII", octets, body)
        self._one(body + 20, end, captured, original, name, high << 32 | low)

    def _simple_packet(self, octets: Buffer, body: int, end: int) -> None:
        """The simple packet block (§4.4): no time, and the captured length follows from the interface's snaplen."""
        (original,) = struct.unpack_from(self._section.order + "I", octets, body)
        interfaces = self._section.interfaces
        snaplen = interfaces[0].snaplen if interfaces else 0
        captured = min(original, snaplen) if snaplen else original
        self._one(body + 4, end, min(captured, end - body - 4), original, 0, None)

    def _one(self, offset: int, end: int, captured: int, original: int, name: int, ticks: int | None) -> None:
        if captured > self._max_captured:
            self._bad_packet(0, 0)
            return
        last_ns = self._last_ns
        column = np.array([[offset], [min(captured, end - offset)], [max(original, captured)], [name]], np.int64)
        self._add(column[0], column[1], column[2], column[3], np.array([ticks or 0], np.uint64))
        if ticks is None and self._parts and len(self._parts[-1]):
            self._parts[-1].ts_ns[0] = self._last_ns = last_ns

    def _statistics(self, octets: Buffer, body: int, end: int) -> None:
        (name,) = struct.unpack_from(self._section.order + "I", octets, body)
        drops = 0
        for code, value in self._options(octets, body + 12, end):
            if code in (5, 7) and len(value) == 8:  # isb_ifdrop, isb_osdrop
                drops += struct.unpack(self._section.order + "Q", value)[0]
            elif code == 1:
                self._comment(value, "")
        if drops and name < len(self._section.interfaces):
            self._count_drops(self._section.interfaces[name], reported=drops, after=self._packets)

    def _count_drops(self, interface: _Interface, *, after: int, reported: int = 0, counted: int = 0) -> None:
        before = interface.drops
        interface.reported_drops = max(interface.reported_drops, reported)
        interface.counted_drops += counted
        more = interface.drops - before
        if more:
            self._info.dropped_packets += more
            self._report("capture.dropped_packets", f"interface {interface.ordinal}: {more} packets were lost", after)

    def _keep_secrets(self, octets: Buffer, body: int, end: int) -> None:
        kind, length = struct.unpack_from(self._section.order + "2I", octets, body)
        data = bytes(octets[body + 8 : min(end, body + 8 + length)])
        if self._secret_octets + len(data) > CAPTURE_SECRETS_OCTETS:
            self._report("capture.limit", f"more than {CAPTURE_SECRETS_OCTETS} octets of decryption secrets")
            return
        self._secret_octets += len(data)
        self._info.secrets.append((kind, data))

    def _options(self, octets: Buffer, position: int, end: int) -> Iterator[tuple[int, bytes]]:
        """(code, value) of each option (§3.5) up to the end mark or the end of the block."""
        read = struct.Struct(self._section.order + "HH").unpack_from
        while position + 4 <= end:
            code, length = read(octets, position)
            if code == 0 or position + 4 + length > end:
                return
            yield code, bytes(octets[position + 4 : position + 4 + length])
            position += 4 + ((length + 3) & ~3)

    def _comments(self, octets: Buffer, position: int, end: int, where: str) -> None:
        for code, value in self._options(octets, position, end):
            if code == 1:
                self._comment(value, where)

    def _comment(self, value: bytes, where: str) -> None:
        comments = self._info.comments
        if len(comments) < CAPTURE_COMMENTS:
            comments.append(where + value[:CAPTURE_COMMENT_OCTETS].decode("utf-8", "replace"))
        elif len(comments) == CAPTURE_COMMENTS:
            comments.append("more comments were dropped")
            self._report("capture.limit", f"more than {CAPTURE_COMMENTS} comments")

    # ---------------------------------------------------------------------------------------------------- damage

    def _byte_order(self, octets: Buffer, position: int) -> str | None:
        return next(
            (o for o in "<>" if struct.unpack_from(o + "I", octets, position + 8)[0] == _BYTE_ORDER_MAGIC), None
        )

    def _believable(self, kind: int, length: int) -> bool:
        """Whether a block of this type and length can be; §3.1: multiples of four, twelve at least."""
        least = {SECTION: 28, _INTERFACE: 20, _ENHANCED_PACKET: 32, _OLD_PACKET: 32, _SIMPLE_PACKET: 16}.get(kind, 12)
        return least <= length <= self._max_block and not length & 3

    def _is_cut_packet(self, octets: Buffer, position: int, kind: int, length: int, end: int) -> bool:
        """Whether the block that does not fit into the rest of the file is a packet, cut, rather than garbage."""
        if kind not in (_ENHANCED_PACKET, _OLD_PACKET) or end - position < 28:
            return False
        (captured,) = struct.unpack_from(self._section.order + "I", octets, position + 20)
        return bool(captured <= min(length - 32, self._max_captured))

    def _search(self, octets: Buffer, position: int, end: int, final: bool) -> tuple[int, bool]:
        """The next offset of a block of a known type whose two lengths agree, if there is one."""
        span = SEARCH_OCTETS  # grows, so that neither much garbage nor many small pieces of it cost much
        while end - position >= 12:
            count = min(end - position - 11, span)
            base = np.frombuffer(octets, np.uint8, count + 3, position)
            kinds = np.ndarray((count,), self._section.order + "u4", buffer=base, strides=(1,))
            for candidate in np.flatnonzero(np.isin(kinds, _KNOWN_KINDS)).tolist():
                place = position + candidate
                length = self._length_of(octets, place, end)
                if place + length > end and not final:
                    return place, False  # more octets decide
                if length and place + length <= end:
                    return place, True
            position += count
            span *= 2
        return (end if final else position), False

    def _length_of(self, octets: Buffer, place: int, end: int) -> int:
        """The length of the block that seems to begin here; 0 when it cannot be one as far as the octets reach."""
        order: str | None = self._section.order
        (kind,) = struct.unpack_from(self._section.order + "I", octets, place)
        if kind == SECTION:
            order = self._byte_order(octets, place)
        if order is None:
            return 0
        length = int(struct.unpack_from(order + "I", octets, place + 4)[0])
        if not self._believable(kind, length):
            return 0
        if place + length <= end and struct.unpack_from(order + "I", octets, place + length - 4)[0] != length:
            return 0
        return length

    def _report_garbage(self, resumed_at: int) -> None:
        text = f"offset {self._lost_at}: {resumed_at - self._lost_at} octets are not a block and were skipped"
        note(self._info, text, CAPTURE_NOTES)
        self._report("capture.garbage", text)
        self._lost_at = -1

    def _partial(self, octets: Buffer, position: int, end: int, shift: int) -> None:
        """Use what is there of a packet block that the end of the file cuts."""
        self._info.truncated = True
        text = f"offset {position + shift}: the file ends inside a block"
        if end - position >= 12:
            kind, length = struct.unpack_from(self._section.order + "2I", octets, position)
            if kind in (_ENHANCED_PACKET, _OLD_PACKET) and end - position > 28:
                self._block(octets, position, kind, length, end - position)
        note(self._info, text, CAPTURE_NOTES)
        self._report("capture.truncated", text)

    def _report(self, name: str, detail: str, after: int | None = None) -> None:
        self._notices.append(Notice(self._packets if after is None else after, name, detail))

    def _joined(self) -> Run:
        parts = self._parts
        notices = sorted(self._notices, key=lambda notice: notice.after)
        if not parts:
            return empty_run(notices)
        if len(parts) == 1:
            parts[0].notices = notices
            return parts[0]

        def column(name: str) -> Int64:
            return np.concatenate([getattr(part, name) for part in parts])

        return Run(
            frame=column("frame"),
            ts_ns=column("ts_ns"),
            offset=column("offset"),
            captured=column("captured"),
            original=column("original"),
            link=column("link"),
            interface=column("interface"),
            notices=notices,
        )
