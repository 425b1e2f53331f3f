"""A log that grows in; a database and what observers make of it out, until its end or until it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocpp_inspect.capture.source import STDIN
from ocpp_inspect.logs import GrowingLog, own_format
from ocpp_inspect.model import CaptureInfo
from ocpp_inspect.pipeline.logs import check_log_format
from ocpp_inspect.pipeline.options import Options
from ocpp_inspect.pipeline.recording import Recording
from ocpp_inspect.pipeline.rules import program_of
from ocpp_inspect.pipeline.stream import StreamChain
from ocpp_inspect.pipeline.tail import Tail

if TYPE_CHECKING:
    from ocpp_inspect.capture.live import CaptureOutput

_TURN_S: Final = 0.2
_LAST_WORDS_S: Final = 5.0
_QUIET_S: Final = 2.0  # after a pause as long the first lines are all that can be known of the log
_PATIENCE_S: Final = 5.0  # or after so long in any case


class LogRun:
    """Follows one log. `run` goes on until a pipe ends, `stop` is called or the duration is over; then `finish`.

    Time passes with the lines, and not with our clock: a program may gather its lines for minutes, and nobody can say
    of a log that stands still whether the station is silent. What is overdue is told by the next line.

    Raises CaptureError for a log that cannot be read, StoreError for a database that cannot be written, RuleError.
    """

    def __init__(self, path: str, options: Options, database: Path | None) -> None:
        from ocpp_inspect.ocpp.actions import initiators

        check_log_format(options)
        self.tail = Tail(path)
        try:
            program = program_of(options)
            name = "standard input" if path == STDIN else path
            self.recording = Recording(database, source=f"log:{name}", format="log")
        except BaseException:
            self.tail.close()
            raise
        self.info = CaptureInfo(self.recording.info.capture, f"log:{path}", "log")
        self.chain = StreamChain(
            program, validate=options.validate, acceptances=options.acceptances, learns_addresses=False
        )
        form = own_format(options.log_format) if options.log_format else None
        self._log = GrowingLog(self.info, initiators(), self.chain.name_connection, form=form)
        self.output: CaptureOutput | None = None  # a log is a file already
        self.news: list[str] = []
        """What a person should know (the log was rotated …); who shows it takes it out."""
        self._told_notes = 0
        self._heard_s = 0.0
        self._begun_s = 0.0
        self._is_stopped = False
        self._is_finished = False

    def now_ns(self) -> int:
        """The time that the log has reached; 0 before its first message."""
        return self.info.last_ns

    def stop(self) -> None:
        """End with the next turn; for signal handlers."""
        self._is_stopped = True

    def run(self, turn: Callable[[], None] | None = None, duration_s: float | None = None) -> None:
        """Go on; `turn` is called after every one (keys, screen)."""
        until_s = time.monotonic() + duration_s if duration_s is not None else None
        while not (self._is_stopped or self.tail.has_ended):
            left_s = _TURN_S if until_s is None else until_s - time.monotonic()
            if left_s <= 0:
                break
            self._turn(min(_TURN_S, left_s))
            if turn is not None:
                turn()

    def finish(self) -> None:
        """Take what is written already, close everything. The database is complete and readable afterwards."""
        if self._is_finished:
            return
        self._is_finished = True
        try:
            until_s = time.monotonic() + _LAST_WORDS_S
            for octets in iter(partial(self.tail.poll, 0), b""):
                self.recording.add(self.chain.feed_messages(self._log.feed(octets)))
                if time.monotonic() > until_s:
                    break  # it grows faster than we read
            self.recording.add(self.chain.feed_messages(self._log.finish()))
        finally:
            self.tail.close()
            self._copy_info()
            self.recording.add(self.chain.finish())
            self.recording.close(self.chain.counters())

    def _turn(self, wait_s: float) -> None:
        log, tail, now_s = self._log, self.tail, time.monotonic()
        octets = tail.poll(wait_s)
        items = log.feed(octets) if octets else []
        if octets:
            self._heard_s = now_s
        elif tail.begins_anew:
            items += log.restart(has_lost=tail.has_lost)
        if log.is_waiting:
            self._begun_s = self._begun_s or now_s
            if now_s - self._heard_s >= _QUIET_S or now_s - self._begun_s >= _PATIENCE_S:
                items += log.settle()
        if items:
            self.recording.add(self.chain.feed_messages(items))
        for text in tail.news:
            log.remark(text)
            self.news.append(text)
        tail.news.clear()
        self._copy_info()
        self.recording.tick(time.monotonic_ns())

    def _copy_info(self) -> None:
        """The figures of the log, in front of the notes that the recording makes."""
        self._log.note()
        mine, theirs = self.recording.info, self.info
        mine.format, mine.packets, mine.bytes = theirs.format, theirs.packets, theirs.bytes
        mine.first_ns, mine.last_ns = theirs.first_ns, theirs.last_ns
        mine.notes[: self._told_notes] = theirs.notes
        self._told_notes = len(theirs.notes)
