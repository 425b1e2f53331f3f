"""Octets of one side of a WebSocket in, the same octets at the other side out; messages of our own between them.

Three ways, from cheap to expensive: *direct* (the socket's octets go to the other socket, then to the analysis),
*watched* (the same, then the compression history is followed, so that interception can begin at any time) and
*intercepted* (whole messages are asked about). Ways change only between two messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from ocpp_inspect.proxy.deflate import Agreement
from ocpp_inspect.proxy.frames import TEXT, Boundary, encode_close, encode_frame
from ocpp_inspect.proxy.interception import Close, Cut, Interceptor, Link, Mark, Sender
from ocpp_inspect.proxy.lane import Lane


class Surroundings(Protocol):
    """What a direction needs of its session."""

    def tap_of(self, direction: int, octets: bytes) -> None:
        """Octets to the analysis (and to a mirror)."""
        ...

    def mark(self, mark: Mark) -> None:
        """What was done to a message."""
        ...

    def hold_sender(self, direction: int, held: bool) -> None:
        """Stop, or go on, reading from a side."""
        ...

    def end(self, action: Close | Cut) -> None:
        """End the connection on both sides."""
        ...

    def too_long(self, direction: int, octets: int) -> None:
        """A frame beyond the limit was announced."""
        ...


class Direction:
    """What one side says to the other, behind the upgrade."""

    def __init__(
        self, index: int, link: Link, write: Callable[[bytes], object], around: Surroundings,
        interceptor: Interceptor, agreement: Agreement | None,
    ) -> None:  # fmt: skip
        self.boundary = Boundary()
        self.sender: Sender = "csms" if index else "station"
        self._index = index
        self._link = link
        self._send = write
        self._around = around
        self._interceptor = interceptor
        self._agreement = agreement
        self._lane: Lane | None = None
        self._is_intercepted = False
        self._is_wanted = False
        self._injections: list[tuple[str, str, str]] = []
        self._has_history = agreement is not None and not agreement.no_takeover
        if self._has_history and interceptor.may_want:
            self._lane = Lane(link, self.sender, interceptor, self, agreement)

    @property
    def is_direct(self) -> bool:
        """Whether the socket's octets may go straight to the other socket."""
        return self._lane is None and not self._is_wanted and not self._injections

    def receive(self, octets: bytes) -> None:
        """Octets of the sender that nobody has forwarded yet."""
        while octets:
            if self._is_intercepted and self._lane is not None:
                self._lane.feed(octets)
                self._leave()
                return
            if self._is_wanted or self._injections:
                taken = self.boundary.split(octets)
                if taken:
                    self._pass_on(octets[:taken])
                    octets = octets[taken:]
                self._change()
            else:
                self.boundary.feed(octets)
                self._pass_on(octets)
                return

    def want(self, is_wanted: bool) -> None:
        """Interception shall begin, or end, at the next boundary between messages."""
        self._is_wanted = is_wanted
        if self._is_intercepted:
            self._leave()
        else:
            self._change()

    def inject(self, text: str, note: str, name: str) -> None:
        """A message of our own, as if the sender had sent it."""
        if self._is_intercepted and self._lane is not None:
            self._lane.inject(text, note, name)
        else:
            self._injections.append((text, note, name))
            self._change()

    def close_frame(self, code: int, reason: str) -> None:
        """A close frame, if it does not fall into a frame of the sender."""
        if self._is_intercepted or self.boundary.is_between_messages:
            octets = encode_close(code, reason, is_masked=self.sender == "station")
            self._send(octets)
            self.tap(octets)

    def finish(self) -> None:
        """The sender has gone."""
        if self._lane is not None and self._is_intercepted:
            self._lane.finish()

    def _pass_on(self, octets: bytes) -> None:
        self._send(octets)
        self._around.tap_of(self._index, octets)
        if self._lane is not None:
            self._lane.watch(octets)
        if self.boundary.too_long:
            self._around.too_long(self._index, self.boundary.too_long)

    def _change(self) -> None:
        """Do what waits for a boundary, if here is one."""
        if not self.boundary.is_between_messages:
            return
        waiting, self._injections = self._injections, []
        for text, note, name in waiting:
            # Uncompressed, always legal (RFC 7692 §6.1): the sender's compression history is not touched.
            octets = encode_frame(TEXT, text.encode(), is_masked=self.sender == "station")
            self._send(octets)
            self.tap(octets)
            link = self._link
            self.mark(Mark(name, link.connection, link.station, self.sender, time.time_ns(), "", text, note))
        if self._is_wanted:
            if self._lane is None:
                self._lane = Lane(self._link, self.sender, self._interceptor, self, self._agreement)
                if self._has_history:
                    self._lane.lose_history()
            self._is_intercepted = True

    def _leave(self) -> None:
        """Back to the cheap way, when nothing is held."""
        if self._is_wanted or self._lane is None or not self._lane.is_idle:
            return
        self._is_intercepted = False
        if not self._has_history:
            self._lane = None

    # ------------------------------------------------------------------ Outlet of the lane

    def write(self, octets: bytes) -> None:
        """Octets to the receiver."""
        self._send(octets)

    def tap(self, octets: bytes) -> None:
        """Octets of the sender to the analysis."""
        self._around.tap_of(self._index, octets)

    def mark(self, mark: Mark) -> None:
        """What was done to a message."""
        self._around.mark(mark)

    def hold_sender(self, held: bool) -> None:
        """Stop, or go on, reading from the sender."""
        self._around.hold_sender(self._index, held)

    def end(self, action: Close | Cut) -> None:
        """End the connection on both sides."""
        self._around.end(action)
