"""Stream bytes of one direction in, WsMessage | WsControl | Loss | Anomaly out: RFC 6455 frames for an observer.

A participant fails the connection at the first fault; an observer says what is wrong and reads on. Long because the
reader is one state machine: buffer, skip, fragments and search are states of the same boundary.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from ocpp_inspect import limits
from ocpp_inspect.model import Side, WsControl, WsMessage
from ocpp_inspect.websocket.context import Facts
from ocpp_inspect.websocket.inflate import Inflater, TooLargeError, looks_like_ocpp
from ocpp_inspect.websocket.resync import Search, is_valid_close_code, unmask

_CONTROL_KINDS: Final[dict[int, Literal["ping", "pong", "close"]]] = {8: "close", 9: "ping", 10: "pong"}

# What the column lane may take without asking: see fast.py, which computes the same numbers for each segment.
ANYTHING_ELSE: Final = 0
UNMASKED_TEXT: Final = 1
MASKED_TEXT: Final = 2
UNMASKED_DEFLATED: Final = 3
MASKED_DEFLATED: Final = 4


class FrameReader:
    """One direction of a WebSocket connection.

    `expects_mask` is None while it is unknown which side this is. `negotiated` is None when the upgrade was not seen.
    `plain_kind` and `deflated_kind` tell the column lane which single-frame segments it may read by itself; they are
    ANYTHING_ELSE whenever this reader is not at the beginning of a frame and of a message.
    """

    __slots__ = (
        "_buffer",
        "_first_ns",
        "_first_packet",
        "_fragment_bytes",
        "_fragment_first",
        "_fragments",
        "_is_oversize",
        "_may_continue",
        "_need",
        "_queue",
        "_skip",
        "deflated_kind",
        "expects_mask",
        "facts",
        "has_closed",
        "inflater",
        "negotiated",
        "plain_kind",
        "search",
        "side",
    )

    def __init__(
        self, facts: Facts, side: Side, expects_mask: bool | None, inflater: Inflater | None, negotiated: bool | None
    ) -> None:
        self.facts = facts
        self.side = side
        self.expects_mask = expects_mask
        self.inflater = inflater
        self.negotiated = negotiated
        self.search: Search | None = None
        self.has_closed = False
        self._buffer = bytearray()
        self._need = 0
        self._queue: deque[tuple[bytes, int, int]] | None = None  # octets to read again, with their packets
        self._first_ns = 0
        self._first_packet = 0
        self._skip = 0  # octets of a payload that is not kept
        self._fragments: list[bytes] | None = None  # of the message begun
        self._fragment_bytes = 0
        self._fragment_first = (0, 0, 0)  # first octet of the first frame, ts_ns, packet
        self._is_oversize = False  # the message begun is not kept
        self._may_continue = False  # the start of a message may have been lost
        self.plain_kind = ANYTHING_ELSE
        self.deflated_kind = ANYTHING_ELSE
        self.arm()

    # ------------------------------------------------------------------ state that others ask for

    def arm(self) -> None:
        """Tell the column lane what it may take."""
        is_clean = (
            not self._buffer
            and not self._skip
            and self._fragments is None
            and self.search is None
            and not self.has_closed
            and not self._may_continue
            and self.expects_mask is not None
        )
        self.plain_kind = self.deflated_kind = ANYTHING_ELSE
        if is_clean:
            self.plain_kind = MASKED_TEXT if self.expects_mask else UNMASKED_TEXT
            if self.inflater is not None and self.negotiated:
                self.deflated_kind = MASKED_DEFLATED if self.expects_mask else UNMASKED_DEFLATED

    def lose_boundary(self, *, is_known: bool = True) -> None:
        """Frame boundaries are unknown from here on: search."""
        self._drop_buffer()
        self._skip = 0
        self._give_up_message()
        self._may_continue = True
        if self.inflater is not None:
            self.inflater.lose()
        self.search = Search(
            is_known=is_known,
            expects_mask=self.expects_mask,
            allows_deflate=self.negotiated is not False,
            message_bytes=self.facts.context.message_bytes,
        )
        self.arm()

    def gap(self, length: int) -> None:
        """`length` octets are missing (0: unknown). When a frame's known end lies behind them, nothing is searched."""
        messages = 0
        if self.search is None and length:
            left = self._skip or self._octets_left()
            if left >= length:
                opcode = self._buffer[0] & 0x0F if self._buffer else -1
                messages = int(opcode in (0, 1, 2) or self._fragments is not None)
                self._drop_buffer()
                self._skip = left - length
                if opcode in (0, 1, 2):
                    self._give_up_message()
                    self._may_continue = True
                    if self.inflater is not None:
                        self.inflater.lose()
                self.facts.loss("gap", self.side, length, messages)
                self.arm()
                return
        if self.search is None and (self._buffer or self._fragments is not None):
            messages = 1
        self.facts.loss("gap", self.side, length, messages)
        self.lose_boundary()

    def finish(self, *, was_closed: bool) -> None:
        """No more octets come."""
        if was_closed and (self._buffer or self._skip) and not self.has_closed:
            self.facts.anomaly("ws.cut_frame", self.side, f"{len(self._buffer)} octets of it came")
        self._drop_buffer()
        self._give_up_message()
        self.inflater = None

    # ------------------------------------------------------------------ bytes

    def feed(self, data: bytes, ts_ns: int, packet: int) -> None:
        """The next octets of this direction; `facts` names the packet that anomalies are reported for."""
        self._feed(data, ts_ns, packet)
        self._drain()

    def _drain(self) -> None:
        # A queue and no recursion: hostile streams lose and find their boundary thousands of times in one segment.
        while self._queue:
            self._feed(*self._queue.popleft())

    def _again(self, parts: list[tuple[bytes, int, int]]) -> None:
        if self._queue is None:
            self._queue = deque()
        self._queue.extendleft(reversed(parts))

    def _feed(self, data: bytes, ts_ns: int, packet: int) -> None:
        if self.search is not None:
            at = self.search.feed(data, ts_ns, packet)
            if at is not None and self.search.is_known:
                self._found(at)
            return
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if not data:
            self.arm()
            return
        first_ns, first_packet = ts_ns, packet
        if self._buffer:
            self._buffer += data
            self.facts.context.held_bytes += len(data)
            if len(self._buffer) < self._need:
                self._bound_memory()
                return
            data = bytes(self._buffer)
            first_ns, first_packet = self._first_ns, self._first_packet
            self._drop_buffer()
        self._read(data, ts_ns, packet, first_ns, first_packet)
        self.arm()

    def _read(  # noqa: PLR0912, PLR0915 - the hot loop of segments with several frames: a call costs 0.1 µs
        self, data: bytes, ts_ns: int, packet: int, first_ns: int, first_packet: int
    ) -> None:
        at, size = 0, len(data)
        message_bytes = self.facts.context.message_bytes
        while size - at >= 2:
            first, second = data[at], data[at + 1]
            length = second & 0x7F
            start = at + 2
            need = 0
            if length == 126:
                need = 4
                length = int.from_bytes(data[start : start + 2], "big")
                start += 2
            elif length == 127:
                need = 10
                length = int.from_bytes(data[start : start + 8], "big")
                start += 8
            if start > size:
                self._keep(data[at:], need, first_ns, first_packet)
                return
            is_masked = second >= 0x80
            if is_masked:
                start += 4
            end = start + length
            if (
                first == 0x81
                and end <= size
                and is_masked == self.expects_mask
                and length <= message_bytes
                and (need == 0 or (need == 4 and length > 125))
                and self._fragments is None
                and not self.has_closed
            ):
                # The usual frame, without the calls below: 2.2 µs instead of 2.8 for 200 octets.
                payload = data[start:end]
                if is_masked and length:
                    payload = unmask(payload, data[start - 4 : start])
                self._may_continue = False
                if payload.isascii():
                    facts = self.facts
                    facts.messages += 1
                    facts.context.items.append(
                        WsMessage(
                            facts.connection,
                            self.side,
                            first_ns,
                            ts_ns,
                            packet,
                            facts.position,
                            1,
                            payload,
                            1,
                            False,
                            first_packet,
                        )
                    )
                else:
                    self.message(first, [payload], ts_ns, packet, first_ns, first_packet)
                at = end
                first_ns, first_packet = ts_ns, packet
                continue
            if self._is_no_header(first, second, length, is_masked):
                where = " behind its close frame" if self.has_closed else ""
                self.facts.anomaly("ws.lost_sync", self.side, f"octets {data[at : at + 4].hex(' ')}{where}")
                self.lose_boundary()
                self._again([(data[at:], ts_ns, packet)])
                return
            if length > message_bytes and not first & 0x08:
                self._skip_frame(first, length)
                self._skip = max(0, end - size)
                at = end
                first_ns, first_packet = ts_ns, packet
                continue
            if end > size:
                self._keep(data[at:], end - at, first_ns, first_packet)
                return
            payload = data[start:end]
            if is_masked and length:
                payload = unmask(payload, data[start - 4 : start])
            if is_masked != self.expects_mask:
                self._check_mask(is_masked)
            if need and length < (126 if need == 4 else 65_536):
                self.facts.anomaly("ws.long_length_form", self.side, f"{length} octets in a {8 * need - 16}-bit length")
            self._frame(first, payload, ts_ns, packet, first_ns, first_packet)
            at = end
            first_ns, first_packet = ts_ns, packet
        if at < size:
            self._keep(data[at:], 2, first_ns, first_packet)

    def _keep(self, rest: bytes, need: int, first_ns: int, first_packet: int) -> None:
        self._buffer += rest
        self._need = need
        self._first_ns, self._first_packet = first_ns, first_packet
        self.facts.context.held_bytes += len(rest)
        self._bound_memory()

    def _drop_buffer(self) -> None:
        self.facts.context.held_bytes -= len(self._buffer)
        self._buffer = bytearray()

    def _octets_left(self) -> int:
        """Octets up to the end of the frame in the buffer, 0 when its header is incomplete."""
        buffer = self._buffer
        if len(buffer) < 2:
            return 0
        extended = {126: 2, 127: 8}.get(buffer[1] & 0x7F, 0)
        return self._need - len(buffer) if len(buffer) >= 2 + extended else 0

    def _bound_memory(self) -> None:
        """Many connections in the middle of large messages: skip this one rather than grow."""
        context = self.facts.context
        if context.held_bytes <= context.total_bytes:
            return
        self.facts.anomaly("ws.memory_limit", self.side, f"{context.held_bytes} octets held by all connections")
        left = self._octets_left()
        if self._buffer and not left:
            return  # a header: at most 14 octets
        self.facts.loss("limit", self.side, len(self._buffer), 1)
        self._skip = left
        self._drop_buffer()
        self._give_up_message()
        self._may_continue = True
        if self.inflater is not None:
            self.inflater.lose()

    def _is_no_header(self, first: int, second: int, length: int, is_masked: bool) -> bool:
        """Two faults in one header, or an absurd length, are no frame; one is a faulty peer (RFC 6455 §5.2)."""
        if first in (0x81, 0xC1) and length < 65_536 and is_masked == self.expects_mask:
            return False
        if length > limits.FRAME_BYTES:
            return True
        opcode = first & 0x0F
        is_control = opcode >= 8
        faults = int(opcode not in (0, 1, 2, 8, 9, 10))
        faults += bool(first & 0x30) + (is_control and bool(first & 0x40))
        faults += is_control and (not first & 0x80 or (second & 0x7F) > 125)
        faults += (
            self.expects_mask is not None
            and is_masked != self.expects_mask
            and self.facts.messages > 0
            and (not self.facts.reported or not self.facts.reported[_mask_fault(is_masked)])
        )
        faults += is_control and length > limits.CONTROL_BYTES
        return faults >= 2

    def _check_mask(self, is_masked: bool) -> None:
        if self.expects_mask is None:
            return
        detail = "a frame with a mask" if is_masked else "a frame without a mask"
        self.facts.anomaly(_mask_fault(is_masked), self.side, detail)

    def _skip_frame(self, first: int, length: int) -> None:
        """A data frame beyond the limit: its payload is skipped, not its connection."""
        self.facts.anomaly("ws.message_too_long", self.side, f"{length} octets in one frame")
        self._begin_oversize(length, is_final=bool(first & 0x80))

    def _begin_oversize(self, length: int, *, is_final: bool) -> None:
        if not self._is_oversize:
            self.facts.loss("oversize", self.side, length, 1)
        if self.inflater is not None:
            self.inflater.lose()
        self._drop_fragments()
        self._is_oversize = not is_final
        self._fragments = None if is_final else []

    def _drop_fragments(self) -> None:
        self.facts.context.held_bytes -= self._fragment_bytes
        self._fragments = None
        self._fragment_bytes = 0

    def _give_up_message(self) -> None:
        self._drop_fragments()
        self._is_oversize = False

    # ------------------------------------------------------------------ frames

    def _frame(  # noqa: PLR0912 - one branch a fault of RFC 6455 §5.4
        self, first: int, payload: bytes, ts_ns: int, packet: int, first_ns: int, first_packet: int
    ) -> None:
        facts = self.facts
        opcode = first & 0x0F
        if first & 0x30:
            facts.anomaly("ws.reserved_bits", self.side, f"first octet 0x{first:02x}")
        if opcode >= 8:
            self._control(first, payload, ts_ns, packet)
            return
        if opcode > 2:
            facts.anomaly("ws.unknown_opcode", self.side, f"opcode {opcode}, {len(payload)} octets")
            return
        if self.has_closed:
            facts.anomaly("ws.data_after_close", self.side, "a message behind its own close frame")
        if opcode:
            if self._fragments is not None:
                facts.anomaly("ws.interrupted_message", self.side, "a new message before the last fragment of another")
                if not self._is_oversize:
                    facts.loss("resync", self.side, self._fragment_bytes, 1)
                self._give_up_message()
                if self.inflater is not None:
                    self.inflater.lose()
            self._may_continue = False
            if first & 0x80:
                self.message(first, [payload], ts_ns, packet, first_ns, first_packet)
                return
            self._fragments = []
            self._fragment_first = (first, first_ns, first_packet)
        elif self._fragments is None:
            if not self._may_continue:
                facts.anomaly("ws.continuation_without_start", self.side, "a continuation, but no message had begun")
            if first & 0x80:
                self._may_continue = False
            return
        elif first & 0x40:
            facts.anomaly("ws.reserved_bits", self.side, "RSV1 on a continuation frame")
        self._fragment(first, payload, ts_ns, packet)

    def _fragment(self, first: int, payload: bytes, ts_ns: int, packet: int) -> None:
        context = self.facts.context
        fragments = self._fragments
        assert fragments is not None  # noqa: S101 - set by the caller
        if not self._is_oversize:
            fragments.append(payload)
            # An empty fragment costs memory too.
            self._fragment_bytes += len(payload) + limits.FRAGMENT_OVERHEAD_BYTES
            context.held_bytes += len(payload) + limits.FRAGMENT_OVERHEAD_BYTES
            if self._fragment_bytes > context.message_bytes:
                self.facts.anomaly("ws.message_too_long", self.side, f"{len(fragments)} fragments")
                self._begin_oversize(self._fragment_bytes, is_final=False)
            elif context.held_bytes > context.total_bytes:
                self.facts.anomaly("ws.memory_limit", self.side, f"{context.held_bytes} octets held by all connections")
                self._begin_oversize(self._fragment_bytes, is_final=False)
        if not first & 0x80:
            return
        if self._is_oversize:
            self._give_up_message()
            return
        start, first_ns, first_packet = self._fragment_first
        self._drop_fragments()
        self.message(start, fragments, ts_ns, packet, first_ns, first_packet)

    def message(
        self, first: int, parts: list[bytes], ts_ns: int, packet: int, first_ns: int, first_packet: int
    ) -> None:
        """A whole message: inflate it, check its text, hand it on."""
        facts = self.facts
        payload = parts[0] if len(parts) == 1 else b"".join(parts)
        opcode = first & 0x0F
        is_compressed = bool(first & 0x40)
        if is_compressed:
            inflated = self._inflate(payload, is_text=opcode == 1)
            if inflated is None:
                return
            payload = inflated
        if opcode == 1 and not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError as error:
                facts.anomaly("ws.invalid_utf8", self.side, f"octet {error.start} of {len(payload)}: {error.reason}")
        facts.messages += 1
        facts.context.items.append(
            WsMessage(
                facts.connection,
                self.side,
                first_ns,
                ts_ns,
                packet,
                facts.position,
                opcode,
                payload,
                len(parts),
                is_compressed,
                first_packet,
            )
        )

    def _inflate(self, payload: bytes, *, is_text: bool) -> bytes | None:
        """The inflated payload; None after saying why there is none."""
        facts = self.facts
        if self.negotiated is False:
            facts.anomaly("ws.compressed_without_negotiation", self.side, "RSV1 is set without agreed compression")
            if is_text and looks_like_ocpp(payload):
                return payload  # only the bit is wrong
        if self.inflater is None:
            # Midway nothing is known about the history; without negotiation it begins with the connection.
            self.inflater = Inflater(facts.context, no_takeover=False, is_lost=self.negotiated is not False)
        inflater = self.inflater
        inflater.last_position = facts.position
        was_lost = inflater.is_lost
        if inflater.was_dropped:
            inflater.was_dropped = False
            facts.anomaly("ws.inflate_contexts", self.side, "its compression history was dropped")
        try:
            output = inflater.message(payload, is_text=is_text)
        except TooLargeError:
            facts.anomaly("ws.inflate_limit", self.side, f"{len(payload)} octets compressed")
            facts.loss("inflate", self.side, len(payload), 1)
            return None
        if output is None:
            if not was_lost:
                facts.anomaly("ws.inflate_failed", self.side, f"{len(payload)} octets compressed")
            facts.loss("inflate", self.side, len(payload), 1)
        return output

    def _control(self, first: int, payload: bytes, ts_ns: int, packet: int) -> None:
        facts = self.facts
        kind = _CONTROL_KINDS.get(first & 0x0F)
        if kind is None:
            facts.anomaly("ws.unknown_opcode", self.side, f"opcode {first & 0x0F}, {len(payload)} octets")
            return
        if not first & 0x80:
            facts.anomaly("ws.fragmented_control", self.side, kind)
        if len(payload) > 125:
            facts.anomaly("ws.long_control", self.side, f"{kind} of {len(payload)} octets")
        if first & 0x40:
            facts.anomaly("ws.reserved_bits", self.side, f"RSV1 on a {kind} frame")
        code: int | None = None
        reason = ""
        if kind == "close":
            code, reason = self._close(payload)
        facts.context.items.append(
            WsControl(facts.connection, self.side, ts_ns, packet, facts.position, kind, code, reason, payload)
        )

    def _close(self, payload: bytes) -> tuple[int | None, str]:
        """RFC 6455 §5.5.1: empty, or a code and a reason in UTF-8."""
        facts = self.facts
        code: int | None = None
        reason = ""
        if len(payload) == 1:
            facts.anomaly("ws.bad_close_payload", self.side, "a payload of one octet, too short for a code")
        elif payload:
            code = int.from_bytes(payload[:2], "big")
            if not is_valid_close_code(code):
                facts.anomaly("ws.bad_close_code", self.side, str(code))
            try:
                reason = payload[2:].decode()
            except UnicodeDecodeError:
                facts.anomaly("ws.bad_close_reason", self.side, repr(payload[2:]))
                reason = payload[2:].decode(errors="replace")
        if facts.close_side == "unknown":
            facts.close_side, facts.close_code, facts.close_reason = self.side, code, reason
            facts.close_ns = facts.ts_ns
        self.has_closed = True
        return code, reason

    # ------------------------------------------------------------------ search

    def resume(self, at: int) -> None:
        """The boundary is found at `at` in the searched octets: read them from there, each with its own packet."""
        self._found(at)
        self._drain()

    def _found(self, at: int) -> None:
        search = self.search
        if search is None:
            return
        self.search = None
        skipped = search.searched_bytes - (len(search.buffer) - at)
        if skipped:
            self.facts.loss("resync", self.side, skipped)
        stops = [mark[0] for mark in search.marks[1:]] + [len(search.buffer)]
        self._again(
            [
                (bytes(search.buffer[max(start, at) : stop]), ts_ns, packet)
                for (start, ts_ns, packet), stop in zip(search.marks, stops, strict=True)
                if stop > at
            ]
        )
        self.arm()


def _mask_fault(is_masked: bool) -> str:
    return "ws.masked_server_frame" if is_masked else "ws.unmasked_client_frame"
