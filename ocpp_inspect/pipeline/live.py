"""A LiveSource in; a database, a capture file and what observers make of it out, until it ends or is stopped."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocpp_inspect.capture.pcapng_writer import PcapngWriter
from ocpp_inspect.pipeline.chain import Chain
from ocpp_inspect.pipeline.keys import CaptureSecrets, GrowingKeyLogs
from ocpp_inspect.pipeline.options import Options
from ocpp_inspect.pipeline.recording import Recording
from ocpp_inspect.pipeline.rules import program_of

if TYPE_CHECKING:
    from ocpp_inspect.capture.live import LiveSource, Rotation
    from ocpp_inspect.model import CaptureInfo

_TURN_S: Final = 0.1
_TICK_NS: Final = 5 * 10**8
_SECOND_NS: Final = 10**9


class LiveRun:
    """One live analysis. `run` goes on until the source ends, `stop` is called or the duration is over; then `finish`.

    `key_logs` opens TLS; they are made before rights are given up, else here. Raises StoreError, CaptureError for what
    cannot be written, RuleError and KeyFileError for what cannot be read.

    Every turn, ten times a second or oftener: packets are written to the capture file, decoded, judged, recorded.
    Twice a second time passes for what waits for an answer. The capture file is written first: it holds what came,
    whatever analysis makes of it.
    """

    def __init__(
        self,
        source: LiveSource,
        options: Options,
        database: Path | None,
        *,
        key_logs: GrowingKeyLogs | None = None,
        write: Path | None = None,
        rotation: Rotation | None = None,
        application: str = "ocpp-inspect",
    ) -> None:
        from ocpp_inspect.capture.live import CaptureOutput

        self.source = source
        self.recording = Recording(database, source=source.info.path)
        source.begin(self.recording.info.capture)
        self.output: CaptureOutput | None = None
        if write is not None:
            try:
                self.output = CaptureOutput(write, PcapngWriter(application, source.names), rotation)
            except BaseException:
                self.recording.close()
                self.recording.dispose()
                raise
        self._key_logs = key_logs or GrowingKeyLogs(options)
        self._secrets = CaptureSecrets(self._key_logs.keys)
        self.chain = Chain(
            program_of(options),
            validate=options.validate,
            acceptances=options.acceptances,
            keys=self._key_logs.keys,
        )
        self.news: list[str] = []
        """What a person should know (an interface went down …); who shows it takes it out."""
        self._told_drops = 0
        self._ticked_ns = 0
        self._is_stopped = False
        self._is_finished = False

    @property
    def info(self) -> CaptureInfo:
        """The figures of the source."""
        return self.source.info

    def now_ns(self) -> int:
        """The time of the source; 0 before it told one."""
        return self.source.now_ns()

    def stop(self) -> None:
        """End with the next turn; for signal handlers."""
        self._is_stopped = True

    def run(self, turn: Callable[[], None] | None = None, duration_s: float | None = None) -> None:
        """Go on; `turn` is called after every one (keys, screen). Raises CaptureError for a source that is unusable."""
        # Decoded payloads hold no cycles: let reference counts free them and look for cycles rarely.
        thresholds = gc.get_threshold()
        gc.set_threshold(200_000, 50, 100)
        until_s = time.monotonic() + duration_s if duration_s is not None else None
        try:
            while not (self._is_stopped or self.source.has_ended):
                wait_s = _TURN_S if until_s is None else min(_TURN_S, max(0.0, until_s - time.monotonic()))
                self._turn(wait_s)
                if turn is not None:
                    turn()
                if until_s is not None and time.monotonic() >= until_s:
                    break
        finally:
            gc.set_threshold(*thresholds)

    def finish(self) -> None:
        """Take what is still on its way, close everything. The database is complete and readable afterwards."""
        if self._is_finished:
            return
        self._is_finished = True
        try:
            self.source.stop()
            while not self.source.has_ended:
                self._turn(_TURN_S)
        finally:
            self.source.close()
            self._key_logs.close()
            if self.output is not None:
                self.output.close()
                if self.output.lost_packets:
                    self.recording.info.notes.append(
                        f"{self.output.lost_packets} packets could not be written to the capture file"
                    )
            self._copy_info()
            self.recording.add(self.chain.finish())
            self.recording.close(self.chain.counters())

    def _turn(self, wait_s: float) -> None:
        source, recording, output = self.source, self.recording, self.output
        batches = source.poll(wait_s)
        self._key_logs.look()  # keys come before what they open, or it waits for them
        self._secrets.take([source.info])
        for batch in batches:
            if output is not None:
                if len(batch.packet):
                    output.write(batch, int(batch.ts_ns[-1]))
                if batch.anomalies:
                    output.drops(batch.anomalies[-1].ts_ns, source.dropped)
            recording.add(self.chain.feed(batch))
        self.news += source.take_news()
        now_ns = source.now_ns()
        if not 0 <= now_ns - self._ticked_ns < _TICK_NS and now_ns:
            self._ticked_ns = now_ns
            recording.add(self.chain.tick(now_ns))
        self._copy_info()
        recording.tick(time.monotonic_ns())

    def _copy_info(self) -> None:
        """The figures of the source, beside the notes that the recording makes."""
        mine, theirs = self.recording.info, self.source.info
        mine.format, mine.link_types = theirs.format, theirs.link_types
        mine.first_ns, mine.last_ns, mine.truncated = theirs.first_ns, theirs.last_ns, theirs.truncated
        mine.packets, mine.bytes, mine.dropped_packets = theirs.packets, theirs.bytes, theirs.dropped_packets
        mine.comments, mine.secrets = theirs.comments, theirs.secrets
        for note in theirs.notes:
            if note not in mine.notes:
                mine.notes.append(note)
