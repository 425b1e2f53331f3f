"""Octets of one direction in, what an interceptor makes of its messages out: held, delayed, replaced, dropped.

What the receiver knows of a compressed direction is the sum of the compressed messages that reached it (RFC 7692
§7.2.3). As long as that is what the sender sent, its frames are forwarded as they came, and messages of our own go
uncompressed, which touches no history. From the first one that is missing there, the receiver cannot read the sender's
compressed frames any more, and all following ones are compressed anew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from ocpp_inspect.limits import PROXY_HELD_BYTES, PROXY_HELD_MESSAGES
from ocpp_inspect.proxy.deflate import Agreement, Deflation, Inflation
from ocpp_inspect.proxy.frames import CLOSE, TEXT, MessageReader, RawMessage, encode_frame
from ocpp_inspect.proxy.interception import (
    Action,
    Close,
    Cut,
    Delay,
    Drop,
    Forward,
    Hold,
    Interceptor,
    Link,
    Mark,
    Passing,
    Replace,
    Sender,
)

_LOG: Final = logging.getLogger(__name__)


class Outlet(Protocol):
    """What a lane needs of its connection."""

    def write(self, octets: bytes) -> None:
        """Octets to the receiver."""
        ...

    def tap(self, octets: bytes) -> None:
        """Octets of the sender to the analysis."""
        ...

    def mark(self, mark: Mark) -> None:
        """What was done to a message."""
        ...

    def hold_sender(self, held: bool) -> None:
        """Stop, or go on, reading from the sender."""
        ...

    def end(self, action: Close | Cut) -> None:
        """End the connection on both sides."""
        ...


class _Pending:
    """A message for which not everything is done."""

    __slots__ = ("forwarded", "is_late", "passing", "raw")

    def __init__(self, raw: RawMessage, passing: Passing) -> None:
        self.raw = raw
        self.passing = passing
        self.forwarded = 0
        self.is_late = False  # later messages of its sender overtook it


class _Wait:
    """A message that waits for a time or for somebody's decision; `rest` follows."""

    __slots__ = ("began", "cancel", "name", "note", "pending", "rest")

    def __init__(self, pending: _Pending, rest: Sequence[Action], name: str, note: str) -> None:
        self.pending = pending
        self.rest = rest
        self.name = name
        self.note = note
        self.began = time.monotonic()
        self.cancel: Callable[[], object] = lambda: None


class Lane:
    """One direction of a link while somebody may want to intercept it."""

    def __init__(
        self, link: Link, sender: Sender, interceptor: Interceptor, outlet: Outlet, agreement: Agreement | None
    ) -> None:
        self._link = link
        self._sender: Sender = sender
        self._interceptor = interceptor
        self._outlet = outlet
        self._agreement = agreement
        self._reader = MessageReader()
        self._inflation = Inflation(agreement) if agreement is not None else None
        self._deflation = Deflation(agreement) if agreement is not None else None
        self._is_aligned = True  # the receiver's compression history is the sender's
        self._gate: _Wait | None = None  # behind which the following messages wait
        self._overtaken: set[_Wait] = set()
        self._queue: deque[RawMessage] = deque()
        self._queue_bytes = 0
        self._is_closing = False  # the sender has sent a close frame, or has gone
        self._is_finished = False
        self._injections: list[tuple[str, str, str]] = []  # behind a message that goes on in pieces

    # ------------------------------------------------------------------ octets

    def watch(self, octets: bytes) -> None:
        """Octets that were forwarded already: only the compression history is followed."""
        for raw in self._reader.feed(octets):
            self._inflate(raw)

    def lose_history(self) -> None:
        """Octets went by that were not watched: compressed messages cannot be read."""
        if self._inflation is not None:
            self._inflation.lose()

    def feed(self, octets: bytes) -> None:
        """Octets that were not forwarded yet."""
        for raw in self._reader.feed(octets):
            self._outlet.tap(raw.octets)
            if raw.payload is None:
                self._pass_piece(raw)
            elif self._gate is None or raw.opcode in (9, 10):
                self._decide(raw)
            else:
                self._queue.append(raw)
                self._queue_bytes += len(raw.octets)
                if raw.opcode == CLOSE:
                    self._give_up_holds("held until its sender closed the connection")
                self._bound_queue()
        if self._injections and self._reader.is_between_messages:
            waiting, self._injections = self._injections, []
            for text, note, name in waiting:
                self.inject(text, note, name)

    def inject(self, text: str, note: str, name: str) -> None:
        """Put a message of our own between the messages."""
        if self._reader.is_in_pieces:
            self._injections.append((text, note, name))
            return
        payload = text.encode()
        self._outlet.write(self._encode(TEXT, payload))
        # The analysis reads the sender's compression history, which this message is not part of.
        self._outlet.tap(encode_frame(TEXT, payload, is_masked=self._sender == "station"))
        self._mark(name, "", text, note)

    @property
    def is_idle(self) -> bool:
        """Whether octets could be forwarded unseen from here on."""
        return (
            self._reader.is_between_messages
            and self._gate is None
            and not self._queue
            and not self._overtaken
            and (self._is_aligned or self._inflation is None)
        )

    def finish(self) -> None:
        """The sender has gone: what is delayed goes on at once, what is held never will."""
        self._is_finished = True
        self._give_up_holds("held until the connection ended")
        for wait in self._waits():
            wait.cancel()
            self._resume(wait, wait.rest)

    def _give_up_holds(self, note: str) -> None:
        """Nobody can let messages go any more in time."""
        self._is_closing = True
        for wait in self._waits():
            if wait.name == "proxy.held":
                self._resume(wait, [Drop(note=note)], has_result=True)
                wait.cancel()

    def _waits(self) -> list[_Wait]:
        return [*self._overtaken] if self._gate is None else [self._gate, *self._overtaken]

    # ------------------------------------------------------------------ decisions

    def _decide(self, raw: RawMessage) -> None:
        payload = self._inflate(raw)
        text: str | None = None
        if raw.opcode == TEXT and payload is not None:
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                text = None
        passing = Passing(
            self._link, self._sender, time.time_ns(), raw.opcode, text, payload, raw.octets, raw.frames,
            raw.is_compressed,
        )  # fmt: skip
        actions: Sequence[Action]
        try:
            actions = self._interceptor.message(passing)
        except Exception:  # noqa: BLE001 - a bug in a scenario must not cost the station its message
            _LOG.exception("the interceptor failed; the message is forwarded")
            actions = (Forward(),)
        self._perform(_Pending(raw, passing), actions or (Drop(),))

    def _perform(self, pending: _Pending, actions: Sequence[Action]) -> None:
        for index, action in enumerate(actions):
            match action:
                case Forward():
                    self._forward(pending, action.note)
                case Replace():
                    self._replace(pending, action)
                case Drop():
                    self._miss(pending)
                    self._mark(action.mark, pending.passing.text or "", "", action.note)
                case Close() | Cut():
                    self._miss(pending)
                    self._outlet.end(action)
                    return
                case Delay() | Hold():
                    self._wait(pending, action, actions[index + 1 :])
                    return

    def _wait(self, pending: _Pending, action: Delay | Hold, rest: Sequence[Action]) -> None:
        if self._is_closing and isinstance(action, Hold):
            action.release.cancel()
            self._perform(pending, (Drop(note=action.note), *rest))
            return
        if self._is_finished:
            self._perform(pending, rest or (Forward(),))
            return
        if isinstance(action, Delay):
            wait = _Wait(pending, rest or (Forward(),), "proxy.delayed", action.note)
            wait.cancel = asyncio.get_running_loop().call_later(action.seconds, self._resume, wait, wait.rest).cancel
        else:
            wait = _Wait(pending, rest, "proxy.held", action.note)
            action.release.add_done_callback(lambda future: self._released(wait, future))
            wait.cancel = action.release.cancel
        if action.is_overtaken:
            self._overtaken.add(wait)
            pending.is_late = True
            self._miss(pending)
        else:
            self._gate = wait

    def _released(self, wait: _Wait, future: asyncio.Future[Sequence[Action]]) -> None:
        if future.cancelled():
            self._resume(wait, [Forward(), *wait.rest])
        elif future.exception() is not None:
            _LOG.error("a held message is forwarded: %s", future.exception())
            self._resume(wait, [Forward(), *wait.rest])
        else:
            self._resume(wait, [*future.result(), *wait.rest], has_result=True)

    def _resume(self, wait: _Wait, actions: Sequence[Action], *, has_result: bool = False) -> None:
        """A wait is over: go on with its message, then with those behind it."""
        if wait is not self._gate and wait not in self._overtaken:
            return
        self._overtaken.discard(wait)
        pending, text = wait.pending, wait.pending.passing.text or ""
        note = f"{time.monotonic() - wait.began:.3f} s"
        self._mark(wait.name, text, text, f"{note}; {wait.note}" if wait.note else note)
        if wait is self._gate:
            self._gate = None
        self._perform(pending, actions or ((Drop(),) if has_result else (Forward(),)))
        while self._queue and self._gate is None:
            raw = self._queue.popleft()
            self._queue_bytes -= len(raw.octets)
            self._decide(raw)
        self._bound_queue()

    def _bound_queue(self) -> None:
        is_full = self._queue_bytes > PROXY_HELD_BYTES or len(self._queue) > PROXY_HELD_MESSAGES
        self._outlet.hold_sender(is_full)

    # ------------------------------------------------------------------ what the receiver gets

    def _inflate(self, raw: RawMessage) -> bytes | None:
        if not raw.is_compressed or raw.opcode >= 8:
            return raw.payload
        if self._inflation is None:
            return None
        if raw.payload is None:
            self._inflation.lose()
            return None
        return self._inflation.inflate(raw.payload)

    def _pass_piece(self, raw: RawMessage) -> None:
        """A piece of a message too long to be put together."""
        if self._inflation is not None and raw.is_compressed:
            self._inflation.lose()
        self._outlet.write(raw.octets)
        self._mark("proxy.unreadable", "", "", "too long to be put together")

    def _miss(self, pending: _Pending) -> None:
        """The receiver does not get these frames of the sender, at least not now."""
        if self._agreement is not None and pending.raw.is_compressed and not self._agreement.no_takeover:
            self._is_aligned = self._is_aligned and pending.forwarded > 0

    def _forward(self, pending: _Pending, note: str) -> None:
        raw, payload = pending.raw, pending.passing.payload
        is_again = pending.forwarded > 0
        if raw.is_compressed and payload is not None and (is_again or pending.is_late or not self._is_aligned):
            self._outlet.write(self._encode(raw.opcode, payload))
        else:
            self._outlet.write(raw.octets)
        pending.forwarded += 1
        if is_again:
            self._mark("proxy.duplicated", pending.passing.text or "", pending.passing.text or "", note)

    def _replace(self, pending: _Pending, action: Replace) -> None:
        self._miss(pending)
        self._outlet.write(self._encode(TEXT, action.text.encode()))
        self._mark(action.mark, pending.passing.text or "", action.text, action.note)

    def _encode(self, opcode: int, payload: bytes) -> bytes:
        is_masked = self._sender == "station"
        agreement = self._agreement
        if self._deflation is not None and agreement is not None and (agreement.no_takeover or not self._is_aligned):
            compressed = self._deflation.deflate(payload)
            if compressed is not None:
                return encode_frame(opcode, compressed, is_masked=is_masked, is_compressed=True)
        return encode_frame(opcode, payload, is_masked=is_masked)

    def _mark(self, name: str, original: str, forwarded: str, note: str) -> None:
        link = self._link
        self._outlet.mark(
            Mark(name, link.connection, link.station, self._sender, time.time_ns(), original, forwarded, note)
        )
