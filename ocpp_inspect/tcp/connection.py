"""Segments of one connection in, StreamData, StreamGap, StreamClosed and anomalies out, whatever order they come in.

Longer than most modules, because the state of one connection is one idea: every method changes the same two directions.
"""

from __future__ import annotations

from collections import deque

from ocpp_inspect import limits
from ocpp_inspect.model import (
    Anomaly,
    CloseReason,
    Flow,
    StreamClosed,
    StreamData,
    StreamDoubt,
    StreamGap,
    StreamItem,
    StreamOpened,
)
from ocpp_inspect.tcp.direction import CHUNK_OVERHEAD_BYTES, Direction, Run
from ocpp_inspect.tcp.history import History
from ocpp_inspect.tcp.segment import ACK, FIN, RST, SEQUENCE_MASK, SYN, URG, Bounds, Postponed, Ready, Segment, end_of
from ocpp_inspect.tcp.timeline import NEVER


class Connection:
    """One TCP connection as an observer sees it. Items go to `out`, a list that the room lends."""

    __slots__ = (
        "_bounds", "_counters", "_is_handing", "_origins", "_postponed", "_postponed_bytes", "_ready", "_told",
        "accounted_bytes", "closed_by", "closed_reason", "count", "directions", "due_ns", "ended_ns",
        "first_position", "flow", "given_up_ns", "given_up_position", "history", "id", "last_ns",
        "last_packet", "last_position", "lost_bytes", "out", "scheduled_ns",
    )  # fmt: skip

    def __init__(
        self,
        flow: Flow,
        first: Segment,
        bounds: Bounds,
        counters: dict[str, int],
        out: list[StreamItem],
        history: History,
    ) -> None:
        self._bounds = bounds
        self._counters = counters
        self._told: dict[str, int] = {}
        self.flow = flow
        self.id = first.packet
        self.directions = (Direction(), Direction())
        self._postponed: tuple[deque[Postponed], deque[Postponed]] = (deque(), deque())  # see _must_wait
        self._postponed_bytes = 0
        self._ready: tuple[deque[Ready], deque[Ready]] = (deque(), deque())  # about to be handed on
        self._is_handing = False
        self._origins = [(-1, 0), (-1, 0)]  # position and packet that completed the octets handed on last, by direction
        self.count = 0  # packets, as far as the per-item lane saw them: only differences matter
        self.closed_by: int | None = None
        self.ended_ns: int | None = None  # when the first FIN or RST came
        self.closed_reason: CloseReason | None = None
        self.lost_bytes = 0
        self.accounted_bytes = 0  # held octets that the room has counted
        self.out = out
        self.history = history
        self.first_position = first.position
        self.last_ns = first.ts_ns
        self.last_packet = first.packet
        self.last_position = first.position
        self.due_ns = NEVER  # when time alone changes something
        self.scheduled_ns = NEVER  # when the room will look
        self.given_up_ns = first.ts_ns  # when time alone last did: the close is not earlier
        self.given_up_position = first.position
        client = None
        if first.flags & SYN:
            client = 1 - first.direction if first.flags & ACK else first.direction
        counters["connections"] += 1
        out.append(StreamOpened(first.packet, flow, first.ts_ns, first.packet, first.position, client, client is None))

    # ------------------------------------------------------------------------------------------- what the room asks

    @property
    def is_plain(self) -> bool:
        """Nothing is pending: the vectorised lane may take the next segment if that continues exactly."""
        one, two = self.directions
        return (
            self.closed_reason is None
            and one.is_known and two.is_known and one.is_seen and two.is_seen
            and one.fin < 0 and two.fin < 0
            and not (one.lacks or two.lacks or one.is_stalled or two.is_stalled)
            and one.stray is None and two.stray is None
            and not self._postponed_bytes
        )  # fmt: skip

    @property
    def held_bytes(self) -> int:
        """Octets and bookkeeping held for both directions."""
        return self.directions[0].held_bytes + self.directions[1].held_bytes + self._postponed_bytes

    @property
    def idle_ns(self) -> int:
        """Silence after which this connection is forgotten."""
        one, two = self.directions
        if self.is_over:
            return self._bounds.closing_idle_ns
        if one.fin >= 0 or two.fin >= 0:
            return self._bounds.half_closed_idle_ns
        is_half_open = not (one.is_seen and two.is_seen) and (one.initial_seq >= 0 or two.initial_seq >= 0)
        is_started = one.is_started_by_data or two.is_started_by_data
        return self._bounds.closing_idle_ns if is_half_open and not is_started else self._bounds.idle_ns

    def is_replaced_by(self, segment: Segment) -> bool:
        """The segment belongs to a new connection between the same ports (RFC 9293 §3.6.1 and common practice)."""
        own, peer = self.directions[segment.direction], self.directions[1 - segment.direction]
        if segment.flags & SYN:
            return not segment.flags & (RST | FIN) and self._is_opened_anew(segment, own, peer)
        if segment.flags & RST or not segment.data:
            return False
        if self.is_over:
            return self._is_revived(segment, own)
        if peer.stray is not None and segment.flags & ACK and segment.ack == end_of(peer.stray):
            return True
        return own.stray is not None and segment.seq == end_of(own.stray)

    def _is_opened_anew(self, segment: Segment, own: Direction, peer: Direction) -> bool:
        """This SYN does not belong to the present connection."""
        answers = bool(segment.flags & ACK) and peer.initial_seq == (segment.ack - 1) & SEQUENCE_MASK
        if own.initial_seq < 0:
            # The SYN of a stream that we joined: recorded late, or known only from the acknowledgment.
            return not answers and (self.is_over or (own.is_known and own.offset_of(segment.seq + 1) != 0))
        if segment.seq == own.initial_seq:
            return False
        # A SYN-ACK with another number before any octet: a proxy in between, or a cookie that changed.
        return not answers or self.is_over or own.is_started_by_data

    def _is_revived(self, segment: Segment, own: Direction) -> bool:
        """These octets show that the closed connection was not closed, or that another one took its ports."""
        if not own.is_known:
            return self.closed_reason != "rst"
        start = own.offset_of(segment.seq)
        if self.closed_reason == "rst":
            return segment.direction == self.closed_by and start + len(segment.data) > own.next
        return abs(start - own.next) > self._bounds.window_bytes

    @property
    def is_over(self) -> bool:
        """StreamClosed was handed on."""
        return self.closed_reason is not None

    # ------------------------------------------------------------------------------------------------ one segment

    def receive(self, segment: Segment) -> None:  # noqa: PLR0912 - the flags of RFC 9293 §3.10 in their order
        """Take the next segment in the order of the capture."""
        self.count += 1
        self.last_ns, self.last_packet, self.last_position = segment.ts_ns, segment.packet, segment.position
        flags = segment.flags
        own, peer = self.directions[segment.direction], self.directions[1 - segment.direction]
        if self.is_over:
            self._receive_late(segment, own)
            return
        if flags & SYN and flags & (RST | FIN):
            self._tell("tcp.bad_flags", segment, f"flags {flags:#04x}")
            return
        if flags & RST:
            self._reset(segment, own)
            return
        seq = segment.seq
        if flags & SYN:
            self._synchronise(own, seq)
            seq += 1
        elif not own.is_known and peer.initial_seq >= 0 and flags & ACK:
            ahead = peer.offset_of(segment.ack)
            if not 0 <= ahead <= max(peer.acked, peer.next) + self._bounds.window_bytes:
                return  # a leftover of the ports' former connection, such as a challenge (RFC 5961 §4.2)
        own.is_seen = True
        if flags & ACK:
            self._acknowledge(segment, peer, bool(flags & SYN))
        self._watch_window(segment, own)
        if not own.is_known:
            own.begin(seq)
        if own.is_whole_before(seq, len(segment.data) + segment.missing):
            own.heard_ns = max(own.heard_ns, segment.ts_ns)
        if segment.data or segment.missing or flags & FIN:
            is_lacking = peer.acked > peer.doubted and peer.acked > peer.next + 1
            # The sender answers to octets that we lack: said before its own are handed on (one octet may be a FIN).
            if segment.data and is_lacking and not self._postponed[1 - segment.direction]:
                peer.doubted = peer.acked
                self._doubt(segment, 1 - segment.direction)
            if self._must_wait(segment, own, peer, seq):
                self._postpone(segment)
            else:
                self._take(segment, own, seq)
        if self._postponed_bytes:
            self._hand_on(segment.direction, [], segment.ts_ns, segment.position)
        if own.lacks or peer.lacks:
            self._give_up_overdue(segment)
            self._set_due()
        else:
            self.due_ns = NEVER
        if self.directions[0].is_complete and self.directions[1].is_complete:
            self._close("fin", self.closed_by)

    def expire(self, reason: CloseReason) -> None:
        """Nothing more is known of this connection: hand on what waits and close it, as of its last packet."""
        if self.is_over:
            return
        self._flush()
        self._close(reason, None)

    def pass_time(self, due_ns: int, position: int) -> None:
        """The capture's clock reached `due_ns` at `position`: give up the holes that this makes hopeless.

        The loss gets the time it was due, what waited behind it the time at which it had come; both the packets that
        show them.
        """
        for number in (0, 1):
            while self._due_of(number) <= due_ns:
                self._give_up(number, due_ns, position)
        self._gave_up_at(due_ns, position)
        if self.directions[0].is_complete and self.directions[1].is_complete:
            self._close("fin", self.closed_by)

    def give_up_first_hole(self, at: Segment, name: str, detail: str) -> None:
        """A bound was reached: the older hole of the fuller direction counts as lost."""
        one, two = self.directions
        number = 0 if one.held_bytes >= two.held_bytes else 1
        if not self.directions[number].held:  # the octets wait for an acknowledged hole of the other side
            number = 0 if one.lacks else 1
        self._tell(name, at, detail)
        self._give_up(number, at.ts_ns, at.position)
        self._gave_up_at(at.ts_ns, at.position)

    # -------------------------------------------------------------------------------------------------- the parts

    def _receive_late(self, segment: Segment, own: Direction) -> None:
        """A packet behind the close: the last ACK, retransmissions, octets that crossed the RST."""
        if not segment.data or not own.is_known or segment.flags & (SYN | RST):
            return
        if self.closed_reason == "rst" or own.offset_of(segment.seq) + len(segment.data) <= own.next:
            return
        self._tell("tcp.data_after_close", segment, f"{len(segment.data)} octets behind the FIN of both sides")

    def _reset(self, segment: Segment, own: Direction) -> None:
        if own.is_known and abs(own.offset_of(segment.seq) - own.next) > self._bounds.window_bytes:
            self._tell("tcp.rst_out_of_window", segment, f"sequence number {segment.seq}, expected {own.next_seq}")
            return
        self._counters["resets"] += 1
        self._flush()
        if self.ended_ns is None:
            self.ended_ns = segment.ts_ns
        self._close("rst", segment.direction if self.closed_by is None else self.closed_by)

    def _synchronise(self, own: Direction, seq: int) -> None:
        if own.initial_seq == seq:
            self._counters["retransmissions"] += 1
            return
        own.initial_seq = seq
        if not own.is_started_by_data:
            own.begin(seq + 1)

    def _acknowledge(self, segment: Segment, peer: Direction, opens: bool) -> None:
        if not peer.is_known:
            peer.begin(segment.ack)
            if opens:
                peer.initial_seq = (segment.ack - 1) & SEQUENCE_MASK
            return
        offset = peer.offset_of(segment.ack)
        if peer.fin >= 0:
            offset = min(offset, peer.fin)
        known = max(peer.acked, peer.next)
        if offset <= known:
            peer.acked = max(peer.acked, offset)
            return
        if offset - known > self._bounds.window_bytes:
            if peer.stray is None:
                self._tell("tcp.ack_out_of_window", segment, f"acknowledges {segment.ack}, expected {peer.next_seq}")
            return
        if peer.acked <= peer.next:
            peer.ack_ns = segment.now_ns
        peer.acked, peer.ack_packet = offset, segment.packet

    def _doubt(self, at: Segment, number: int) -> None:
        """Octets of a direction that belong before `at` may not have been captured, or not in their order."""
        self.out.append(StreamDoubt(self.id, self.flow.pair, number, at.ts_ns, at.packet, at.position))

    def _watch_window(self, segment: Segment, own: Direction) -> None:
        if segment.flags & URG:
            self._tell("tcp.urgent", segment, "")
        if segment.window:
            own.is_stalled = False
        elif not own.is_stalled and not segment.flags & SYN:
            own.is_stalled = True
            self._tell("tcp.zero_window", segment, "")

    def _take(self, segment: Segment, own: Direction, seq: int) -> None:
        """Octets and FIN of a segment."""
        data, missing = segment.data, segment.missing
        start = own.offset_of(seq)
        if data and own.answered > start and start + len(data) > own.next:
            # Recorded late: what answers to them may have been handed on before.
            self._doubt(segment, 1 - segment.direction)
        if start > own.next and not own.is_started:
            # Joined midway: what we know is only the peer's last ACK, and octets were in flight then.
            if own.acked > own.next:  # they came, but not before us
                self._doubt(segment, segment.direction)
            own.begin(seq)
            own.answered -= start - own.next
            own.acked = start = own.next
        if abs(start - own.next) > self._bounds.window_bytes:
            if own.stray is None:
                self._tell("tcp.out_of_window", segment, f"sequence number {segment.seq}, expected {own.next_seq}")
            own.stray = (seq & SEQUENCE_MASK, data) if data else None
            return
        own.stray = None
        if segment.flags & FIN:
            self._take_fin(segment, own, start + len(data) + missing)
        if 0 <= own.fin < start + len(data) + missing:
            self._tell("tcp.data_after_fin", segment, f"{start + len(data) + missing - own.fin} octets")
            data = data[: max(0, own.fin - start)]
            missing = max(0, min(missing, own.fin - start - len(data)))
        if data or missing:
            peer = self.directions[1 - segment.direction]
            peer.answered = max(peer.answered, self._answers_to(segment))
            self._take_octets(segment, own, start, data, missing)

    def _take_fin(self, segment: Segment, own: Direction, end: int) -> None:
        if own.fin >= 0 or end < own.next:
            return
        own.fin = end
        own.acked = min(own.acked, end)  # an acknowledgment recorded before the FIN counts one more
        if self.closed_by is None:
            self.closed_by, self.ended_ns = segment.direction, segment.ts_ns

    def _take_octets(self, segment: Segment, own: Direction, start: int, data: bytes, missing: int) -> None:
        end = start + len(data) + missing
        if start < own.next and not (len(data) <= 1 and start == own.next - 1):
            self._counters["retransmissions"] += 1
            self._compare(segment, data[: own.next - start], own.next_seq - (own.next - start))
        if start == own.next and not own.held and not missing:
            own.advance(len(data))
            runs: list[Run] = [(start, data, segment.packet, segment.now_ns)]
        elif end <= own.next:
            return
        else:
            if start > own.next:
                self._counters["out_of_order"] += 1
            if not own.insert(start, data, missing, (segment.now_ns, self.count, segment.packet)):
                self._tell("tcp.overlap_differs", segment, f"stream offset {start}, {len(data)} octets")
            runs = own.drain()
        if runs:
            own.ack_ns = segment.now_ns
            self._origins[segment.direction] = (segment.position, segment.packet)
            packet, ts_ns, position = segment.packet, segment.ts_ns, segment.position
            ready = [Ready(offset, run, packet, ts_ns, position) for offset, run, _, _ in runs]
            self._hand_on(segment.direction, ready, ts_ns, position)
        while own.held_bytes > self._bounds.held_bytes:
            detail = f"{own.held_bytes} octets of memory wait for stream offset {own.next}"
            self._tell("tcp.hold_limit", segment, detail)
            self._give_up(segment.direction, segment.ts_ns, segment.position)

    def _must_wait(self, segment: Segment, own: Direction, peer: Direction, seq: int) -> bool:
        """Whether the octets answer to some that were not captured so far: those come first, or are given up first.

        So a CALL that a capture recorded behind its answer is handed on before it. What fills a hole does not wait for
        octets that wait themselves: they may be waiting for it.
        """
        if not (segment.data or segment.missing) or not peer.is_seen or segment.flags & SYN:
            return False
        answers_to = self._answers_to(segment)
        if answers_to <= peer.next + 1:
            return False
        waiting = self._postponed[1 - segment.direction]
        if waiting and own.offset_of(seq) <= own.next:
            return all(peer.offset_of(each.segment.seq) >= answers_to for each in waiting)
        return True

    def _answers_to(self, segment: Segment) -> int:
        """Up to which octet of the peer the sender of a segment had received."""
        peer = self.directions[1 - segment.direction]
        return min(peer.offset_of(segment.ack), peer.acked) if segment.flags & ACK else 0

    def _postpone(self, segment: Segment) -> None:
        self._postponed[segment.direction].append(Postponed(segment, self.count))
        self._postponed_bytes += len(segment.data) + CHUNK_OVERHEAD_BYTES
        if self._postponed_bytes > self._bounds.held_bytes:
            self.give_up_first_hole(segment, "tcp.hold_limit", f"{self._postponed_bytes} octets of memory wait")

    def _compare(self, segment: Segment, data: bytes, seq: int) -> None:
        """Octets that were handed on already are compared with the captured segments that brought them."""
        flow = 2 * self.flow.pair + segment.direction
        if not self.history.repeats(flow, seq, data, segment.position, self.first_position):
            self._tell("tcp.overlap_differs", segment, f"{len(data)} octets sent again, not the same")

    def _give_up_overdue(self, segment: Segment) -> None:
        until_ns = min(segment.now_ns, NEVER - 1)  # a damaged time may lie behind every time, NEVER included
        for number in (0, 1):
            while self._due_of(number) <= until_ns or self._has_waited_long(number):
                self._give_up(number, segment.ts_ns, segment.position)

    def _has_waited_long(self, number: int) -> bool:
        """So many packets followed an acknowledged hole that it is no matter of order."""
        own = self.directions[number]
        waiting = self._postponed[1 - number]
        if waiting and own.acked > own.next + 1:
            return self.count - waiting[0].packets >= self._bounds.hole_packets
        if not own.held:
            return False
        start, _, _, (_, since_count, _) = own.held[0]
        return own.acked >= start and self.count - since_count >= self._bounds.hole_packets

    def _due_of(self, number: int) -> int:
        """When the first hole of this direction will not be filled any more."""
        own = self.directions[number]
        bounds = self._bounds
        due_ns = NEVER
        waiting = self._postponed[1 - number]
        # One acknowledged octet behind the end may be a FIN that was not captured.
        if own.acked > own.next + 1 and (waiting or not own.held):
            due_ns = (waiting[0].segment.now_ns if waiting else own.ack_ns) + bounds.acknowledged_ns
        if not own.held:
            return due_ns
        start, _, _, (since_ns, _, _) = own.held[0]
        if own.acked >= start:
            return min(due_ns, since_ns + bounds.hole_ns)
        is_heard = self.directions[1 - number].is_seen
        return min(due_ns, since_ns + (bounds.stale_hole_ns if is_heard else bounds.unheard_ns))

    def _set_due(self) -> None:
        self.due_ns = min(self._due_of(0), self._due_of(1))

    def _gave_up_at(self, ts_ns: int, position: int) -> None:
        self.given_up_ns, self.given_up_position = ts_ns, position
        self._set_due()

    def _flush(self) -> None:
        ts_ns, position = self._end
        for number in (0, 1):
            while self._postponed[1 - number] and self.directions[number].lacks:
                self._give_up(number, ts_ns, position)
        for number in (0, 1):
            self._hand_on_given_up(number, self.directions[number].give_up_all(), ts_ns, position)

    @property
    def _end(self) -> tuple[int, int]:
        """Time and position of the last that is known: the last packet, or a hole given up since."""
        return max(self.last_ns, self.given_up_ns), max(self.last_position, self.given_up_position)

    def _close(self, reason: CloseReason, closed_by: int | None) -> None:
        self.closed_reason = reason
        self.closed_by = closed_by
        self.due_ns = NEVER
        ts_ns, position = self._end
        one, two = self.directions
        one.stray = two.stray = None
        self.out.append(
            StreamClosed(
                self.id, self.flow.pair, ts_ns, self.last_packet, position, reason, closed_by, self.lost_bytes,
                (one.heard_ns, two.heard_ns), self.ended_ns,
            )
        )  # fmt: skip

    def _give_up(self, number: int, ts_ns: int, position: int) -> None:
        """Count the first hole of a direction as lost since `ts_ns`."""
        own = self.directions[number]
        waiting = self._postponed[number]
        behind = min(((own.offset_of(each.segment.seq), each.segment.packet) for each in waiting), default=None)
        if behind is None or behind[0] > own.next:
            self._hand_on_given_up(number, own.give_up(behind), ts_ns, position)
            return
        # No hole, but two sides that answer to each other: forged. Go on with what we have.
        first = min(waiting, key=lambda each: own.offset_of(each.segment.seq))
        waiting.remove(first)
        self._resume(first.segment, 0, position)
        self._hand_on(number, [], 0, position)

    def _hand_on_given_up(self, number: int, runs: list[Run], ts_ns: int, position: int) -> None:
        """The hole is lost since `ts_ns`; the octets behind it have the time at which they had all come."""
        self._hand_on(
            number,
            [
                Ready(offset, run, shown_by or self.last_packet, came_ns if isinstance(run, bytes) else ts_ns, position)
                for offset, run, shown_by, came_ns in runs
            ],
            0,
            position,
        )

    def _hand_on(self, number: int, runs: list[Ready], at_ns: int, position: int) -> None:
        """Hand runs on, and between them what the other side sent in answer to them and was postponed.

        The postponed octets keep their packets; their time is not before `at_ns`, their position that of now.
        """
        ready, postponed = self._ready, self._postponed
        ready[number].extend(runs)
        if self._is_handing:
            return
        if not self._postponed_bytes:
            while ready[number]:
                self._say(number, ready[number].popleft())
            return
        self._is_handing = True
        moved = True
        while moved:
            moved = False
            for side in (0, 1):
                waiting = postponed[1 - side]
                handed = ready[side][0].offset if ready[side] else self.directions[side].next
                for each in [each for each in waiting if self._answers_to(each.segment) <= handed + 1]:
                    if each not in waiting:  # a bound was reached meanwhile
                        continue
                    waiting.remove(each)
                    self._resume(each.segment, at_ns, position)
                    moved = True
            for side in (0, 1):
                if ready[side]:
                    self._say(side, ready[side].popleft())
                    moved = True
                    break
        self._is_handing = False

    def _resume(self, segment: Segment, at_ns: int, position: int) -> None:
        """Take a segment that had waited. Its octets name its packet, or a later one that their own side needed."""
        self._postponed_bytes -= len(segment.data) + CHUNK_OVERHEAD_BYTES
        number = segment.direction
        origin = max(self._origins[number], (segment.position, segment.packet))
        self._take(
            segment._replace(
                packet=origin[1], ts_ns=max(segment.ts_ns, at_ns), position=max(segment.position, position)
            ),
            self.directions[number],
            segment.seq,
        )
        self._origins[number] = origin

    def _say(self, number: int, ready: Ready) -> None:
        offset, run, packet, ts_ns, position = ready
        pair = self.flow.pair
        if isinstance(run, bytes):
            self._counters["octets"] += len(run)
            self.out.append(StreamData(self.id, pair, number, ts_ns, packet, position, offset, run))
        else:
            self.lost_bytes += run
            self._counters["gaps"] += 1
            self._counters["lost_octets"] += run
            self.out.append(StreamGap(self.id, pair, number, ts_ns, packet, position, offset, run))

    def _tell(self, name: str, at: Segment, detail: str) -> None:
        times = self._told.get(name, 0)
        self._told[name] = times + 1
        if times < limits.REPEATED_ANOMALIES:
            self.out.append(Anomaly(name, at.ts_ns, at.packet, at.position, self.id, "unknown", detail))

    def tell_revived(self, at: Segment) -> None:
        """Octets from the side that reset the connection, or in another sequence space: it is opened anew."""
        self._tell("tcp.data_after_close", at, f"{len(at.data)} octets; taken as a new connection")

    def adopt_stray(self, number: int, stray: tuple[int, bytes], before: int) -> None:
        """Start in the sequence space of a segment that the former connection of these ports could not explain."""
        own = self.directions[number]
        own.begin(stray[0])
        own.is_seen = True
        own.advance(len(stray[1]))
        self._hand_on(number, [Ready(0, stray[1], self.last_packet, self.last_ns, self.last_position)], 0, 0)
        detail = f"from sequence number {before} to {stray[0]}"
        self.out.append(
            Anomaly("tcp.sequence_jump", self.last_ns, self.last_packet, self.last_position, self.id, "unknown", detail)
        )
