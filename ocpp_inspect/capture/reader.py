"""Paths in, PacketBatch out: all captures as one, in time order, within a bound of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from ocpp_inspect.limits import (
    BATCH_OCTETS,
    BATCH_PACKETS,
    OPEN_CAPTURES,
    WINDOW_MINIMUM_OCTETS,
)
from ocpp_inspect.model import FRAMES_PER_CAPTURE, Anomaly, CaptureInfo, PacketBatch

from .file import CaptureFile
from .order import ClockWatch
from .stretch import Stretch, join


class CaptureReader:
    """Iterate over it once. Unusable inputs raise `CaptureError` at once; damage never raises.

    `watch` makes, for each capture, what tells whether its clock was set back: then packets out of order are sorted by
    time (see `order`), which holds a few thousand of them back. Without it the order of each file stands.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        first_capture: int = 1,
        batch_packets: int = BATCH_PACKETS,
        batch_bytes: int = BATCH_OCTETS,
        open_captures: int = OPEN_CAPTURES,
        watch: Callable[[], ClockWatch] | None = None,
    ) -> None:
        self._batch_packets = max(1, batch_packets)
        self._batch_octets = max(64, batch_bytes)
        self._open_captures = max(1, open_captures)
        self._position = 0
        self.captures = [CaptureInfo(first_capture + index, str(path)) for index, path in enumerate(paths)]
        self._files = [CaptureFile(info, watch() if watch is not None else None) for info in self.captures]
        for file in self._files:
            file.probe(keep_open=len(self._files) == 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every file."""
        for file in self._files:
            file.close()

    @property
    def bytes_read(self) -> int:
        """Octets read so far, as they are on the disk."""
        return sum(file.bytes_read for file in self._files)

    @property
    def bytes_total(self) -> int | None:
        """Octets of all inputs on the disk; None when one of them is a pipe."""
        sizes = [file.bytes_total for file in self._files]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def holds_part(self) -> bool:
        """Whether a part of a record was read, whose rest has not come (from a pipe)."""
        return any(file.holds_part for file in self._files)

    def __iter__(self) -> Iterator[PacketBatch]:
        try:
            if len(self._files) == 1:
                yield from self._alone(self._files[0])
            else:
                yield from self._merged()
        finally:
            self.close()

    # ------------------------------------------------------------------------------------------------ one source

    def _alone(self, file: CaptureFile) -> Iterator[PacketBatch]:
        while (stretch := file.next_stretch(self._batch_octets)) is not None:
            yield from self._batches([stretch])

    def _batches(self, stretches: list[Stretch]) -> Iterator[PacketBatch]:
        """Stretches that are to be merged by time (they are free for it), as batches."""
        stretch = stretches[0] if len(stretches) == 1 else _merge(stretches)
        total = len(stretch.packet)
        for low in range(0, max(total, 1), self._batch_packets):
            high = min(total, low + self._batch_packets)
            anomalies = [
                anomaly for after, anomaly in stretch.anomalies if low < after <= high or (after == 0 and low == 0)
            ]
            if low == high and not anomalies:
                return
            position = np.arange(self._position, self._position + high - low, dtype=np.int64)
            for anomaly in anomalies:
                anomaly.position = self._position
                behind = np.flatnonzero(stretch.packet[low:high] == anomaly.packet)
                if len(behind):
                    anomaly.position += int(behind[0])
                elif self._position and anomaly.packet % FRAMES_PER_CAPTURE:
                    anomaly.position -= 1
            self._position += high - low
            yield PacketBatch(
                octets=stretch.octets,
                packet=stretch.packet[low:high],
                position=position,
                ts_ns=stretch.ts_ns[low:high],
                offset=stretch.offset[low:high],
                captured=stretch.captured[low:high],
                original=stretch.original[low:high],
                link=stretch.link[low:high],
                interface=stretch.interface[low:high],
                anomalies=anomalies,
            )

    # --------------------------------------------------------------------------------------------- several sources

    def _merged(self) -> Iterator[PacketBatch]:
        """Merge by (time, order of the arguments). Each file is in its order already, whatever its clock did.

        The file whose stretch ends first bounds what may be handed on: nothing that is still to be read can come
        before its end. Files that begin later are not opened before they are needed.
        """
        waiting = sorted(range(len(self._files)), key=lambda index: (self._files[index].first_ns, index), reverse=True)
        active: dict[int, Stretch] = {}
        late_told = False
        while waiting or active:
            if not active:
                self._activate(waiting.pop(), active)
                continue
            bound = min((stretch.last_key, index) for index, stretch in active.items())
            if waiting and (self._files[waiting[-1]].first_ns, waiting[-1]) <= bound:
                if len(active) < self._open_captures:
                    self._activate(waiting.pop(), active)
                    continue
                if not late_told:
                    late_told = True
                    self._tell_late(active[bound[1]], self._files[waiting[-1]].info)
            taken: list[Stretch] = []
            for index in sorted(active):
                side = "right" if index <= bound[1] else "left"
                count = int(np.searchsorted(active[index].key, bound[0], "right" if side == "right" else "left"))
                head, rest = active[index].split(count)
                if count or head.anomalies:
                    taken.append(head)
                active[index] = rest
            if taken:
                yield from self._batches(taken)
            if not len(active[bound[1]].packet):
                del active[bound[1]]
                self._refill(bound[1], active)

    def _activate(self, index: int, active: dict[int, Stretch]) -> None:
        self._refill(index, active)

    def _refill(self, index: int, active: dict[int, Stretch]) -> None:
        file = self._files[index]
        window = max(min(WINDOW_MINIMUM_OCTETS, self._batch_octets), self._batch_octets // (len(active) + 1))
        stretch = file.next_stretch(window)
        if stretch is None:
            file.close()
        else:
            active[index] = stretch

    def _tell_late(self, stretch: Stretch, info: CaptureInfo) -> None:
        text = f"{info.path} overlaps in time with {self._open_captures} other captures"
        stretch.anomalies.insert(0, (0, Anomaly("capture.too_many_open", stretch.last_key, 0, 0, detail=text)))


def _merge(stretches: list[Stretch]) -> Stretch:
    """Several stretches as one, stable by time."""
    joined = join(stretches)
    return joined.reordered(np.argsort(joined.key, kind="stable"))
