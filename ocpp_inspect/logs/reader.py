"""Lines of one log in, batches of WsItems out; fills CaptureInfo. The caller opens the file and knows the catalogue."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import PurePath
from typing import Final

from ocpp_inspect.limits import LOG_BATCH, LOG_DETECTION_LINES, LOG_DOCUMENT_OCTETS, LOG_LINE_OCTETS
from ocpp_inspect.logs.arrays import BEGINNING
from ocpp_inspect.logs.conversations import Conversations, Initiators, Learn
from ocpp_inspect.logs.detect import detect
from ocpp_inspect.logs.entry import Entry
from ocpp_inspect.logs.flows import entries_of_flows, is_flow_file
from ocpp_inspect.logs.formats import LogFormat
from ocpp_inspect.logs.har import entries_of_har, is_har
from ocpp_inspect.logs.lines import Lines
from ocpp_inspect.model import CaptureInfo, WsItem

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def is_log(head: bytes) -> bool:
    """Whether octets are the beginning of a text that holds an OCPP-J message, plain or inside JSON."""
    if is_har(head) or is_flow_file(head):
        return True
    text = _text_of(head)
    if text is None:
        return False
    return BEGINNING.search(text.replace('\\"', '"')) is not None or _begins_pretty(text)


def _begins_pretty(text: str) -> bool:
    """An array over several lines, or a trace that gives the parts of messages only."""
    return '"messageType"' in text or "ChargePoint>CentralSystem" in text or "CentralSystem>ChargePoint" in text


def _text_of(head: bytes) -> str | None:
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "replace")
    if b"\0" in head[:4096]:
        return None
    return head.decode("utf-8", "replace")


class LogReader:
    """Reads one log. `read` gives its octets piece by piece, b"" at the end."""

    def __init__(
        self,
        info: CaptureInfo,
        read: Callable[[], bytes],
        initiators: Initiators,
        learn: Learn,
        *,
        form: LogFormat | None = None,
        position: int = 0,
    ) -> None:
        self._info = info
        self._read = read
        self._form = form
        name = PurePath(info.path).name.partition(".")[0] or "station"
        self._conversations = Conversations(info.capture, position, initiators, learn, name)

    @property
    def position(self) -> int:
        """The position of the last item."""
        return self._conversations.position

    def __iter__(self) -> Iterator[list[WsItem]]:
        first = self._read()
        for name, is_one, entries_of in _DOCUMENTS:
            if is_one(first):
                yield from self._document(name, first, entries_of)
                return
        lines = self._lines(first)
        head = [line for _, line in zip(range(LOG_DETECTION_LINES), lines, strict=False)]
        form = self._form
        if form is None:
            form, _ = detect([text for _, text in head])
        reader = Lines(form)
        entries: list[Entry] = []
        for number, text in head:
            entries += reader.feed(number, text)
        self._conversations.learn_from(entries)
        batch: list[WsItem] = []
        for entry in entries:
            batch += self._conversations.items(entry)
        for number, text in lines:
            for entry in reader.feed(number, text):
                batch += self._conversations.items(entry)
            if len(batch) >= LOG_BATCH:
                yield batch
                batch = []
        for entry in reader.finish():
            batch += self._conversations.items(entry)
        batch += self._conversations.finish()
        self._tell(form.name, reader.messages, reader.cut)
        yield batch

    def _document(
        self, name: str, first: bytes, entries_of: Callable[[bytes], Iterator[Entry]]
    ) -> Iterator[list[WsItem]]:
        """A file that is one document; what is beyond the bound is left out, and the document is then damaged."""
        parts, size = [first], len(first)
        for octets in _until_end(self._read):
            size += len(octets)
            if size > LOG_DOCUMENT_OCTETS:
                self._info.notes.append(f"larger than {LOG_DOCUMENT_OCTETS} octets: read up to there")
                self._info.truncated = True
                break
            parts.append(octets)
        self._info.bytes = size
        number = 0
        batch: list[WsItem] = []
        for entry in entries_of(b"".join(parts)):
            number += entry.kind == "message"
            batch += self._conversations.items(entry)
            if len(batch) >= LOG_BATCH:
                yield batch
                batch = []
        batch += self._conversations.finish()
        self._tell(name, number, 0)
        yield batch

    def _tell(self, name: str, messages: int, cut: int) -> None:
        info, conversations = self._info, self._conversations
        info.format = "log"
        info.first_ns, info.last_ns = conversations.first_ns, conversations.last_ns
        info.packets = messages
        info.notes = [f"read as {name}: {messages} messages", *conversations.notes, *info.notes]
        if cut:
            info.notes.append(f"{cut} messages are cut off in the log")

    def _lines(self, first: bytes) -> Iterator[tuple[int, str]]:
        """(1-based number, text) of each line; a line longer than the bound is cut there, the rest is left out."""
        decoder: codecs.IncrementalDecoder | None = None
        number, rest, is_long = 0, "", False
        for octets in chain((first,) if first else (), _until_end(self._read)):
            if decoder is None:
                encoding = next((name for mark, name in _BOMS if octets.startswith(mark)), "utf-8")
                mark = next((mark for mark, _ in _BOMS if octets.startswith(mark)), b"")
                decoder = codecs.getincrementaldecoder(encoding)(
                    "surrogateescape" if encoding == "utf-8" else "replace"
                )
                octets = octets[len(mark) :]  # noqa: PLW2901
            self._info.bytes += len(octets)
            *whole, rest = (rest + decoder.decode(octets)).split("\n")
            for line in whole:
                number += 1
                if not is_long:
                    yield number, line.removesuffix("\r")
                is_long = False
            if len(rest) > LOG_LINE_OCTETS:
                if not is_long:
                    yield number + 1, rest
                    self._info.notes.append(f"line {number + 1} is longer than {LOG_LINE_OCTETS} octets and was cut")
                rest, is_long = "", True
        if rest and not is_long:
            yield number + 1, rest.removesuffix("\r")


_DOCUMENTS: Final[tuple[tuple[str, Callable[[bytes], bool], Callable[[bytes], Iterator[Entry]]], ...]] = (
    ("HAR", is_har, entries_of_har),
    ("mitmproxy flows", is_flow_file, entries_of_flows),
)


def _until_end(read: Callable[[], bytes]) -> Iterable[bytes]:
    while octets := read():
        yield octets
