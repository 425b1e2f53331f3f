"""Octets of one log in, as they come, WsItems out: what reads a log to its end, and what follows one that grows."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Final

from ocpp_inspect.limits import LOG_DETECTION_LINES, LOG_LINE_OCTETS
from ocpp_inspect.logs.conversations import Conversations, Initiators, Learn
from ocpp_inspect.logs.detect import detect
from ocpp_inspect.logs.entry import Entry
from ocpp_inspect.logs.formats import LogFormat
from ocpp_inspect.logs.lines import Lines
from ocpp_inspect.model import CaptureInfo, WsItem

BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def conversations_of(info: CaptureInfo, position: int, initiators: Initiators, learn: Learn) -> Conversations:
    """The conversations of a log, whose file's name stands for the station where nothing else does."""
    name = PurePath(info.path.removeprefix("log:")).name.partition(".")[0].removeprefix("-") or "station"
    return Conversations(info.capture, position, initiators, learn, name)


class GrowingLog:
    """Reads one log; fills `info`, whose notes say what it was taken for.

    The first `LOG_DETECTION_LINES` lines decide the format, whose log it is, and its zone; `settle` decides by what
    there is, when nothing more may come for long. Lines before that wait. A line without its end waits, too: its writer
    may be in the middle of it.
    """

    def __init__(
        self,
        info: CaptureInfo,
        initiators: Initiators,
        learn: Learn,
        *,
        form: LogFormat | None = None,
        position: int = 0,
    ) -> None:
        self._info = info
        self._form = form
        self._conversations = conversations_of(info, position, initiators, learn)
        self._splitter = _Splitter(self._tell_long_line)
        self._waiting: list[tuple[int, str]] = []  # lines that come before the decision
        self._lines: Lines | None = None
        self._notes = list(info.notes)  # of whoever opened the file, and of ours

    @property
    def position(self) -> int:
        """The position of the last item."""
        return self._conversations.position

    @property
    def is_decided(self) -> bool:
        """Whether it is known what the lines mean."""
        return self._lines is not None

    @property
    def is_waiting(self) -> bool:
        """Whether there are lines, and nobody knows yet what they mean."""
        return bool(self._waiting)

    def feed(self, octets: bytes) -> list[WsItem]:
        """What the lines that these octets complete say."""
        self._info.bytes += len(octets)
        return self._read(self._splitter.feed(octets))

    def settle(self) -> list[WsItem]:
        """Decide now, if there is a message among the lines that wait. Idempotent."""
        if self._lines is not None or not self._waiting:
            return []
        return self._decide(is_last=False)

    def restart(self, *, has_lost: bool) -> list[WsItem]:
        """The file begins anew under the same name: what was half written will not be completed."""
        self._splitter.drop_rest()
        return list(self._conversations.lose()) if has_lost else []

    def finish(self) -> list[WsItem]:
        """The log ends; what was begun is given up, and its connections go on unseen."""
        items = self._read(self._splitter.finish())
        if self._lines is None:
            items += self._decide(is_last=True)
        assert self._lines is not None  # noqa: S101 - for the type checker: decided above
        for entry in self._lines.finish():
            items += self._conversations.items(entry)
        items += self._conversations.finish()
        self.note()
        return items

    def note(self) -> None:
        """Write what is known so far into `info`."""
        info, conversations = self._info, self._conversations
        info.format = "log"
        info.first_ns, info.last_ns = conversations.first_ns, conversations.last_ns
        told: list[str] = []
        if self._lines is not None:
            info.packets = self._lines.messages
            told = [f"read as {self._lines.form.name}: {self._lines.messages} messages", *conversations.notes]
            if self._lines.cut:
                told.append(f"{self._lines.cut} messages are cut off in the log")
        info.notes[:] = [*told, *self._notes]

    def remark(self, text: str) -> None:
        """Add a note of whoever reads the file."""
        self._notes.append(text)

    def _read(self, lines: Iterator[tuple[int, str]]) -> list[WsItem]:
        items: list[WsItem] = []
        for number, text in lines:
            if self._lines is None:
                self._waiting.append((number, text))
                if len(self._waiting) >= LOG_DETECTION_LINES:
                    items += self._decide(is_last=True)
                continue
            for entry in self._lines.feed(number, text):
                items += self._conversations.items(entry)
        return items

    def _decide(self, *, is_last: bool) -> list[WsItem]:
        form = self._form if self._form is not None else detect([text for _, text in self._waiting])[0]
        lines = Lines(form)
        entries: list[Entry] = []
        for number, text in self._waiting:
            entries += lines.feed(number, text)
        if not entries and not is_last:
            return []
        self._lines = lines
        self._waiting = []
        self._conversations.learn_from(entries)
        items: list[WsItem] = []
        for entry in entries:
            items += self._conversations.items(entry)
        return items

    def _tell_long_line(self, number: int) -> None:
        self._notes.append(f"line {number} is longer than {LOG_LINE_OCTETS} octets and was cut")


class _Splitter:
    """Octets in, whole lines out, with their 1-based numbers; a line beyond the bound is cut, its rest is left out."""

    def __init__(self, tell_long: Callable[[int], None]) -> None:
        self._tell_long = tell_long
        self._decoder: codecs.IncrementalDecoder | None = None
        self._number = 0
        self._parts: list[str] = []  # of the line that has no end yet
        self._characters = 0
        self._is_long = False

    def feed(self, octets: bytes) -> Iterator[tuple[int, str]]:
        """The lines that are complete now."""
        if self._decoder is None:
            if not octets:
                return
            mark, encoding = next(((mark, name) for mark, name in BOMS if octets.startswith(mark)), (b"", "utf-8"))
            errors = "surrogateescape" if encoding == "utf-8" else "replace"
            self._decoder = codecs.getincrementaldecoder(encoding)(errors)
            octets = octets[len(mark) :]
        *whole, rest = self._decoder.decode(octets).split("\n")
        for line in whole:
            self._number += 1
            if not self._is_long:
                yield self._number, ("".join((*self._parts, line)) if self._parts else line).removesuffix("\r")
            self.drop_rest()
        if rest:
            self._parts.append(rest)
            self._characters += len(rest)
        if self._characters > LOG_LINE_OCTETS:
            if not self._is_long:
                yield self._number + 1, "".join(self._parts)
                self._tell_long(self._number + 1)
            self.drop_rest()
            self._is_long = True

    def finish(self) -> Iterator[tuple[int, str]]:
        """The last line, when nothing ended it."""
        if self._parts and not self._is_long:
            yield self._number + 1, "".join(self._parts).removesuffix("\r")
        self.drop_rest()

    def drop_rest(self) -> None:
        """Forget the line that has no end yet."""
        self._parts, self._characters, self._is_long = [], 0, False
