"""Lines of a log in, entries out: the message of each, over several lines where it was written so."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from ocpp_inspect.limits import LOG_MESSAGE_CHARACTERS, LOG_MESSAGE_LINES
from ocpp_inspect.logs.arrays import BEGINNING, Scanner
from ocpp_inspect.logs.entry import Entry, EntryKind
from ocpp_inspect.logs.formats import ANY, NAMED, LogFormat, Sender, sender_by_words
from ocpp_inspect.logs.objects import entry_of, inner_text
from ocpp_inspect.logs.times import Stamp, find_time

_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")


class _Head:
    """What the text in front of a message told about it."""

    __slots__ = ("line", "sender", "session", "stamp", "station")

    def __init__(self, line: int, stamp: Stamp | None, station: str, session: str, sender: Sender) -> None:
        self.line = line
        self.stamp = stamp
        self.station = station
        self.session = session
        self.sender = sender


class Lines:
    """Reads lines in one format; what it cannot read is counted."""

    def __init__(self, form: LogFormat) -> None:
        self.form = form
        self._head: _Head | None = None  # of a message that is not complete
        self._parts: list[str] = []
        self._scanner = Scanner()
        self._characters = 0
        self.messages = 0
        self.objects = 0  # of them in records of structured logs, which need no pattern
        self.cut = 0

    def feed(self, line: int, text: str) -> Iterator[Entry]:
        """The entries that a line completes."""
        if "\x1b" in text:
            text = _COLOURS.sub("", text)
        if self._head is not None:
            if self._goes_on(text):
                yield from self._continue(text)
                return
            yield from self._give_up()
        stripped = text.lstrip()
        if stripped.startswith("{") and (record := _object(stripped)) is not None:
            entry = entry_of(line, record)
            if entry is not None:
                self.messages += 1
                self.objects += 1
                yield entry
                return
            text = inner_text(record)
            if not text:
                return
        yield from self._line(line, text)

    def finish(self) -> Iterator[Entry]:
        """What was begun when the log ended."""
        if self._head is not None:
            yield from self._give_up()

    # ----------------------------------------------------------------------------------------- one line

    def _line(self, line: int, text: str) -> Iterator[Entry]:
        form = self.form
        event = self._event(line, text)
        if event is not None:
            yield event
            return
        if form.name == "--log-format":
            yield from self._own(line, text)
            return
        match = form.pattern.search(text)
        if match is None:
            return
        if form.follows:
            self._begin(self._head_of(line, text, match), "")
            return
        start = BEGINNING.search(text, match.end() if form is not ANY else 0)
        if start is None:
            if form.entities:  # indented: its first number stands on the next line
                self._begin(self._head_of(line, text, match), "")
                yield from self._continue(text[match.end() :])
            return
        head = self._head_of(line, text, match) if form is not ANY else self._guess(line, text[: start.start()], text)
        self._begin(head, "")
        yield from self._continue(text[start.start() :])

    def _event(self, line: int, text: str) -> Entry | None:
        for kind, pattern in (("open", self.form.opened), ("close", self.form.closed)):
            match = pattern.search(text) if pattern is not None else None
            if match is not None:
                head = self._head_of(line, text, match)
                parts = match.groupdict()
                code = int(parts["code"]) if parts.get("code") else None
                reason = (parts.get("reason") or "").removeprefix("null")
                return Entry(
                    line, "open" if kind == "open" else "close", head.stamp, head.station, head.session, "unknown", "",
                    code, reason,
                )  # fmt: skip
        return None

    def _own(self, line: int, text: str) -> Iterator[Entry]:
        match = self.form.pattern.search(text)
        if match is None:
            return
        head = self._head_of(line, text, match)
        message = match["message"] or ""
        start = BEGINNING.search(message)
        self._begin(head, "")
        yield from self._continue(message[start.start() :] if start is not None else message)

    def _head_of(self, line: int, text: str, match: re.Match[str]) -> _Head:
        parts = match.groupdict()
        told = parts.get("time")
        stamp = find_time(told) if told else find_time(text[: match.end()]) or find_time(text)
        return _Head(
            line, stamp, parts.get("station") or "", parts.get("session") or "",
            self.form.sender(parts.get("direction")),
        )  # fmt: skip

    @staticmethod
    def _guess(line: int, before: str, text: str) -> _Head:
        named = NAMED.search(before)
        stamp = find_time(before) or find_time(text[len(before) :][-200:])
        return _Head(line, stamp, named["station"] if named else "", "", sender_by_words(before))

    # ----------------------------------------------------------------------------------------- several lines

    def _begin(self, head: _Head, text: str) -> None:
        self._head, self._parts, self._scanner, self._characters = head, [text] if text else [], Scanner(), len(text)

    def _goes_on(self, text: str) -> bool:
        """Whether a line belongs to the message begun before: not when it is a record of its own."""
        if not self._parts:
            return not text.strip() or BEGINNING.match(text.lstrip()) is not None or text.strip() == "["
        if self.form is ANY or not self.form.follows:
            return self.form.pattern.search(text) is None if self.form is not ANY else find_time(text[:40]) is None
        return self.form.pattern.match(text) is None

    def _continue(self, text: str) -> Iterator[Entry]:
        assert self._head is not None  # noqa: S101 - only called with one
        if not self._parts and not text.strip():
            return
        end = self._scanner.feed(text)
        self._parts.append(text if end < 0 else text[:end])
        self._characters += len(text)
        if end >= 0:
            head, self._head = self._head, None
            self.messages += 1
            yield self._entry(head, "message")
        elif self._characters > LOG_MESSAGE_CHARACTERS or len(self._parts) > LOG_MESSAGE_LINES:
            yield from self._give_up()

    def _give_up(self) -> Iterator[Entry]:
        head, self._head = self._head, None
        if head is not None and self._parts:
            self.cut += 1
            yield self._entry(head, "cut")

    def _entry(self, head: _Head, kind: EntryKind) -> Entry:
        text = "\n".join(self._parts).strip()
        if self.form.entities:
            text = html.unescape(text)
        return Entry(head.line, kind, head.stamp, head.station, head.session, head.sender, text)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
