"""One input in, its packets out stretch by stretch: recognises the format, keeps the window, fills CaptureInfo."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from ocpp_inspect.limits import BLOCK_OCTETS, CAPTURE_ANOMALIES, CAPTURE_NOTES
from ocpp_inspect.model import FRAMES_PER_CAPTURE, Anomaly, CaptureInfo, Int64, UInt8

from .pcap import MAGICS, PcapParser, pcap_byte_order
from .pcapng import SECTION, PcapngParser
from .run import Buffer, Notice, Parser, Run, empty_run, note
from .source import STDIN, CaptureError, Source, is_regular

_PROBE_OCTETS: Final = 64 * 1024
_SECOND_NS: Final = 10**9


@dataclass(slots=True)
class Stretch:
    """Packets of one capture (or several, merged) with the octets they point into. `key` never decreases."""

    octets: UInt8
    packet: Int64
    ts_ns: Int64
    key: Int64  # what is merged by: the latest time so far within the file
    offset: Int64
    captured: Int64
    original: Int64
    link: Int64
    interface: Int64
    anomalies: list[tuple[int, Anomaly]] = field(default_factory=list)  # packets before it, anomaly

    @property
    def last_key(self) -> int:
        """The key of the last packet."""
        return int(self.key[-1]) if len(self.key) else -(2**63)

    def split(self, count: int) -> tuple[Stretch, Stretch]:
        """The first packets and the rest; an anomaly stays with the packet before it."""
        if count >= len(self.packet):
            return self, self._part(count, len(self.packet), [])
        head = [entry for entry in self.anomalies if entry[0] <= count and (entry[0] or count)]
        rest = [(after - count, anomaly) for after, anomaly in self.anomalies if after > count or not (after or count)]
        return self._part(0, count, head), self._part(count, len(self.packet), rest)

    def _part(self, low: int, high: int, anomalies: list[tuple[int, Anomaly]]) -> Stretch:
        return Stretch(
            self.octets,
            self.packet[low:high],
            self.ts_ns[low:high],
            self.key[low:high],
            self.offset[low:high],
            self.captured[low:high],
            self.original[low:high],
            self.link[low:high],
            self.interface[low:high],
            anomalies,
        )


class CaptureFile:
    """One input, read once. `probe` first, then `next_stretch` until None."""

    def __init__(self, info: CaptureInfo) -> None:
        self.info = info
        self.first_ns = 0
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
        """The next packets (perhaps none, with anomalies only), None at the end."""
        if self._probed is not None:
            probed, self._probed = self._probed, None
            return probed
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
            "pcap and pcapng are read, plain or packed with gzip, zstd or xz",
        )

    # ------------------------------------------------------------------------------------------------------ output

    def _stretch(self, window: bytearray, run: Run) -> Stretch:
        info = self.info
        octets = np.frombuffer(window, np.uint8)
        octets.flags.writeable = False
        base = info.capture * FRAMES_PER_CAPTURE
        key = run.ts_ns
        backwards: list[tuple[int, str]] = []
        if len(run):
            steps = np.diff(run.ts_ns, prepend=run.ts_ns[0] if self._key == -(2**63) else self._last_ns)
            if steps.min() < 0 or self._key > int(run.ts_ns[0]):
                key = np.maximum(np.maximum.accumulate(run.ts_ns), self._key)
                for index in np.flatnonzero(steps < -_SECOND_NS).tolist():
                    text = f"frame {int(run.frame[index])}: {-int(steps[index]) / 1e9:.3f} s before the one before it"
                    backwards.append((index + 1, text))
            if not info.packets:
                info.first_ns, info.last_ns = int(run.ts_ns.min()), int(run.ts_ns.max())
            info.first_ns = min(info.first_ns, int(run.ts_ns.min()))
            info.last_ns = max(info.last_ns, int(run.ts_ns.max()))
            info.packets += len(run)
            info.bytes += int(run.captured.sum())
        notices = [*(Notice(index, "capture.time_goes_back", text) for index, text in backwards), *run.notices]
        anomalies = [entry for notice in notices if (entry := self._anomaly(notice, run)) is not None]
        if len(run):
            self._key = int(key[-1])
            self._last_ns = int(run.ts_ns[-1])
            self._last_packet = base + int(run.frame[-1])
        return Stretch(
            octets, run.frame + base, run.ts_ns, key, run.offset, run.captured, run.original, run.link, run.interface,
            sorted(anomalies, key=lambda entry: entry[0]),
        )  # fmt: skip

    def _anomaly(self, notice: Notice, run: Run) -> tuple[int, Anomaly] | None:
        self._anomalies += 1
        if self._anomalies > CAPTURE_ANOMALIES:
            return None
        packet, ts_ns = self._last_packet, self._last_ns
        if notice.after:
            packet = self.info.capture * FRAMES_PER_CAPTURE + int(run.frame[notice.after - 1])
            ts_ns = int(run.ts_ns[notice.after - 1])
        return notice.after, Anomaly(notice.name, ts_ns, packet, 0, detail=notice.detail)


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


def _begins_like_a_capture(head: bytes) -> bool:
    starts = [magic.to_bytes(4, order) for magic in (*MAGICS, SECTION) for order in ("big", "little")]
    return any(start.startswith(head) for start in starts)
