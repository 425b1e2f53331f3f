"""Lines of one log in, batches of WsItems out; fills CaptureInfo. The caller opens the file and knows the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from ocpp_inspect.limits import LOG_BATCH, LOG_DOCUMENT_OCTETS
from ocpp_inspect.logs.arrays import BEGINNING
from ocpp_inspect.logs.conversations import Initiators, Learn
from ocpp_inspect.logs.entry import Entry
from ocpp_inspect.logs.flows import entries_of_flows, is_flow_file
from ocpp_inspect.logs.formats import LogFormat
from ocpp_inspect.logs.growing import BOMS, GrowingLog, conversations_of
from ocpp_inspect.logs.har import entries_of_har, is_har
from ocpp_inspect.model import CaptureInfo, WsItem


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
    for mark, encoding in BOMS:
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
        self._initiators = initiators
        self._learn = learn
        self._form = form
        self._position = position

    @property
    def position(self) -> int:
        """The position of the last item."""
        return self._position

    def __iter__(self) -> Iterator[list[WsItem]]:
        first = self._read()
        for name, is_one, entries_of in _DOCUMENTS:
            if is_one(first):
                yield from self._document(name, first, entries_of)
                return
        log = GrowingLog(self._info, self._initiators, self._learn, form=self._form, position=self._position)
        for octets in chain((first,) if first else (), _until_end(self._read)):
            items = log.feed(octets)
            self._position = log.position
            if items:
                yield items
        items = log.finish()
        self._position = log.position
        yield items

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
        conversations = conversations_of(self._info, self._position, self._initiators, self._learn)
        for entry in entries_of(b"".join(parts)):
            number += entry.kind == "message"
            batch += conversations.items(entry)
            if len(batch) >= LOG_BATCH:
                yield batch
                batch = []
        batch += conversations.finish()
        self._position = conversations.position
        info = self._info
        info.format = "log"
        info.first_ns, info.last_ns = conversations.first_ns, conversations.last_ns
        info.packets = number
        info.notes = [f"read as {name}: {number} messages", *conversations.notes, *info.notes]
        yield batch


_DOCUMENTS: Final[tuple[tuple[str, Callable[[bytes], bool], Callable[[bytes], Iterator[Entry]]], ...]] = (
    ("HAR", is_har, entries_of_har),
    ("mitmproxy flows", is_flow_file, entries_of_flows),
)


def _until_end(read: Callable[[], bytes]) -> Iterable[bytes]:
    while octets := read():
        yield octets
