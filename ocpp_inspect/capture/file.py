"""One input in, its packets out stretch by stretch: recognises the format, keeps the window, fills CaptureInfo."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from ocpp_inspect.limits import BLOCK_OCTETS, CAPTURE_ANOMALIES, CAPTURE_NOTES
from ocpp_inspect.model import FRAMES_PER_CAPTURE, Anomaly, CaptureInfo

from .order import ClockWatch, TimeOrder
from .pcap import MAGICS, PcapParser, pcap_byte_order
from .pcapng import SECTION, PcapngParser
from .run import Buffer, Notice, Parser, Run, empty_run, note
from .source import STDIN, CaptureError, Source, is_regular
from .stretch import Stretch

_PROBE_OCTETS: Final = 64 * 1024
_SECOND_NS: Final = 10**9
_READABLE: Final = "read are pcap and pcapng, plain or packed (gzip, zstd, xz), and logs that hold an OCPP-J message"
_PIPED: Final = "read are pcap and pcapng, plain or packed; a text log from a pipe: analyze --follow -"


class CaptureFile:
    """One input, read once. `probe` first, then `next_stretch` until None."""

    def __init__(self, info: CaptureInfo, watch: ClockWatch | None = None) -> None:
        self.info = info
        self.first_ns = 0
        self._order = TimeOrder(watch)
        self._sorted: list[Stretch] = []
        self.bytes_total: int | None = None
        self._source: Source | None = None
        self._parser: Parser | None = None
        self._bytes_read = 0
        self._probed: Stretch | None = None
        self._rest = b""  # octets of the window that no record was made of yet
        self._file_offset = 0  # of the first of them, in the (unpacked) file
        self._ended = False
        self._key = -(2**63)
        self._last_ns = 0
        self._given_ns = 0  # the time of the last packet handed on
        self._last_packet = info.capture * FRAMES_PER_CAPTURE
        self._anomalies = 0

    @property
    def bytes_read(self) -> int:
        """Octets read so far, as they are on the disk."""
        return self._bytes_read if self._source is None else self._source.bytes_read

    @property
    def holds_part(self) -> bool:
        """Whether octets wait of which no record was made yet."""
        return bool(self._rest)

    def probe(self, *, keep_open: bool) -> None:
        """Recognise the format, or raise. With `keep_open` False also learn when the capture begins, and close it."""
        if is_regular(self.info.path) or self.info.path == STDIN:
            pass
        elif Path(self.info.path).is_dir():
            raise CaptureError(self.info.path, "is a directory", "give the captures in it, or the directory to analyze")
        self._open()
        if keep_open:
            return
        if not is_regular(self.info.path):
            while (stretch := self.next_stretch(_PROBE_OCTETS)) is not None and not len(stretch.packet):
                pass
            self._probed = stretch
            self.first_ns = int(stretch.key[0]) if stretch is not None and len(stretch.key) else 0
            return
        scout = CaptureFile(CaptureInfo(self.info.capture, self.info.path))
        scout._source, scout._parser, scout._rest = self._source, None, self._rest
        scout._parser = scout._recognise(self._rest)
        while (stretch := scout.next_stretch(_PROBE_OCTETS)) is not None:
            if len(stretch.key):
                self.first_ns = int(stretch.key[0])
                break
        scout.close()
        self._source = None
        self._parser = None

    def close(self) -> None:
        """Close the file; nothing more is read."""
        if self._source is not None:
            self._bytes_read = self._source.bytes_read
            self._source.close()
            self._source = None
        self._ended = True

    def next_stretch(self, window_octets: int) -> Stretch | None:
        """The next packets (perhaps none, with anomalies only) in the order of their times, None at the end."""
        if self._probed is not None:
            probed, self._probed = self._probed, None
            return probed
        while not self._sorted:
            stretch = self._read(window_octets)
            if stretch is None:
                self._sorted = self._last_stretches()
                if not self._sorted:
                    return None
            else:
                self._sorted = self._order.feed(stretch)
        return self._in_time(self._sorted.pop(0))

    def _read(self, window_octets: int) -> Stretch | None:
        """The next packets in the order of the file."""
        if self._source is None and not self._ended:
            self._open()
        source, parser = self._source, self._parser
        while source is not None and parser is not None and not self._ended:
            kept = len(self._rest)
            window = bytearray(kept + window_octets)
            window[:kept] = self._rest
            count = source.readinto(memoryview(window)[kept:])
            final = count == 0
            end = kept + count
            run, used = parser.feed(window, 0, end, self._file_offset, final)
            self._rest = bytes(memoryview(window)[used:end])
            self._file_offset += used
            self._ended = final
            if final and source.damage:
                note(self.info, source.damage, CAPTURE_NOTES)
                run.notices.append(Notice(len(run), source.damage_name, source.damage))
            if not used and not final:
                # a record longer than the window: read on, the parsers bound what they wait for
                window_octets = min(2 * window_octets, BLOCK_OCTETS)
            if len(run) or run.notices:
                return self._stretch(window, run)
        return None

    # ------------------------------------------------------------------------------------------------- recognition

    def _open(self) -> None:
        self._source = Source(self.info.path)
        self.bytes_total = self._source.size
        head = bytearray(4)
        filled = 0
        while filled < 4 and (count := self._source.readinto(memoryview(head)[filled:])):
            filled += count
        self._rest = bytes(head[:filled])
        self._parser = self._recognise(self._rest)

    def _recognise(self, head: bytes) -> Parser:
        source = self._source
        packed = f"+{source.compression}" if source is not None and source.compression else ""
        if int.from_bytes(head, "big") == SECTION and len(head) == 4:
            self.info.format = "pcapng" + packed
            return PcapngParser(self.info)
        if pcap_byte_order(head) is not None:
            self.info.format = "pcap" + packed
            return PcapParser(self.info)
        if not head and source is not None:
            return _Nothing(self.info, source)
        if len(head) < 4 and _begins_like_a_capture(head):
            self.info.format = "pcap" + packed
            return PcapParser(self.info)
        self.close()
        raise CaptureError(
            self.info.path,
            f"is not a capture: it begins with {head.hex(' ')}",
            _PIPED if self.info.path == STDIN else _READABLE,
        )

    # ------------------------------------------------------------------------------------------------------ output

    def _stretch(self, window: bytearray, run: Run) -> Stretch:
        info = self.info
        octets = np.frombuffer(window, np.uint8)
        octets.flags.writeable = False
        base = info.capture * FRAMES_PER_CAPTURE
        if len(run):
            if not info.packets:
                info.first_ns, info.last_ns = int(run.ts_ns.min()), int(run.ts_ns.max())
            info.first_ns = min(info.first_ns, int(run.ts_ns.min()))
            info.last_ns = max(info.last_ns, int(run.ts_ns.max()))
            info.packets += len(run)
            info.bytes += int(run.captured.sum())
        anomalies = [entry for notice in run.notices if (entry := self._anomaly(notice, run)) is not None]
        if len(run):
            self._last_ns = int(run.ts_ns[-1])
            self._last_packet = base + int(run.frame[-1])
        return Stretch(
            octets, run.frame + base, run.ts_ns, run.ts_ns, run.offset, run.captured, run.original, run.link,
            run.interface, sorted(anomalies, key=lambda entry: entry[0]),
        )  # fmt: skip

    def _in_time(self, stretch: Stretch) -> Stretch:
        """The stretch with its `key`; times that still go back are told."""
        if not len(stretch.packet):
            return stretch
        steps = np.diff(stretch.ts_ns, prepend=stretch.ts_ns[0] if self._key == -(2**63) else self._given_ns)
        if steps.min() < 0 or self._key > int(stretch.ts_ns[0]):
            stretch.key = np.maximum(np.maximum.accumulate(stretch.ts_ns), self._key)
            for index in np.flatnonzero(steps < -_SECOND_NS).tolist():
                text = f"{-int(steps[index]) / 1e9:.3f} s before the one before it"
                self._tell(stretch, index, "capture.time_goes_back", text)
        self._key, self._given_ns = int(stretch.key[-1]), int(stretch.ts_ns[-1])
        return stretch

    def _tell(self, stretch: Stretch, index: int, name: str, text: str) -> None:
        """Say something about the packet at `index`."""
        packet = int(stretch.packet[index])
        detail = f"frame {packet % FRAMES_PER_CAPTURE}: {text}"
        anomaly = self._bounded(name, int(stretch.ts_ns[index]), packet, detail)
        if anomaly is not None:
            stretch.anomalies = sorted([*stretch.anomalies, (index + 1, anomaly)], key=lambda entry: entry[0])

    def _last_stretches(self) -> list[Stretch]:
        """What waited for its order at the end, with a word about what was out of it."""
        rest, late = self._order.finish(), self._order.late
        if late and rest and len(rest[-1].packet):
            text = f"up to here {late} packets stood behind later ones, by up to {self._order.furthest_ns / 1e9:.6f} s"
            self._tell(rest[-1], len(rest[-1].packet) - 1, "capture.disorder", text)
        return rest

    def _anomaly(self, notice: Notice, run: Run) -> tuple[int, Anomaly] | None:
        packet, ts_ns = self._last_packet, self._last_ns
        if notice.after:
            packet = self.info.capture * FRAMES_PER_CAPTURE + int(run.frame[notice.after - 1])
            ts_ns = int(run.ts_ns[notice.after - 1])
        anomaly = self._bounded(notice.name, ts_ns, packet, notice.detail)
        return None if anomaly is None else (notice.after, anomaly)

    def _bounded(self, name: str, ts_ns: int, packet: int, detail: str) -> Anomaly | None:
        self._anomalies += 1
        return Anomaly(name, ts_ns, packet, 0, detail=detail) if self._anomalies <= CAPTURE_ANOMALIES else None


class _Nothing:
    """The parser of an empty input."""

    def __init__(self, info: CaptureInfo, source: Source) -> None:
        self._info = info
        self._source = source

    def feed(self, octets: Buffer, start: int, end: int, file_offset: int, final: bool) -> tuple[Run, int]:
        if not final:
            return empty_run(), start
        text = "offset 0: the input is empty"
        if not self._source.damage:
            note(self._info, text, CAPTURE_NOTES)
        return empty_run([Notice(0, "capture.empty", text)]), end


_STARTS: Final = tuple(magic.to_bytes(4, order) for magic in (*MAGICS, SECTION) for order in ("big", "little"))


def is_capture(head: bytes) -> bool:
    """Whether octets, unpacked, are the beginning of a pcap or pcapng file."""
    return head.startswith(_STARTS)


def _begins_like_a_capture(head: bytes) -> bool:
    return any(start.startswith(head) for start in _STARTS)
