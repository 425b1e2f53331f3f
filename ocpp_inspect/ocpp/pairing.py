"""CALLs and answers of one connection in; which CALL an answer belongs to, and what is wrong with that, out.

An answer belongs to the most recent CALL with the same id, from the other side, on the same connection, not yet
answered. The two directions have id spaces of their own, and CALLs may cross (OCPP-J §4.1.1, §4.1.4).
"""

from __future__ import annotations

import msgspec

from ocpp_inspect import limits
from ocpp_inspect.model import OcppMessage
from ocpp_inspect.ocpp.text import Fault, excerpt


class Answered(msgspec.Struct, gc=False):
    """What is remembered of a CALL (or SEND) that needs no answer any more."""

    action: str
    message_id: int
    ts_ns: int
    content: int  # hash of its octets
    packet: int
    send: bool = False


class Calls:
    """The CALLs of one side: those that wait for an answer, and the last ones that do not."""

    __slots__ = ("_answered_limit", "_before", "_latest", "_limit", "_older", "last", "waiting")

    def __init__(self, limit: int = limits.OPEN_CALLS, answered_limit: int = limits.ANSWERED_CALLS) -> None:
        self.waiting: dict[str, OcppMessage] = {}
        # Answered ones: the latest, and as many before them, which are dropped at once when the latest are that many.
        self._latest: dict[str, Answered] = {}
        self._before: dict[str, Answered] = {}
        self.last: OcppMessage | None = None  # the CALL that was answered last, whole
        self._older: dict[str, list[OcppMessage]] = {}  # unanswered CALLs hidden behind one with the same id
        self._limit = limit
        self._answered_limit = answered_limit

    def past(self, unique_id: str) -> Answered | None:
        """The CALL or SEND with this id that needs no answer any more."""
        return self._latest.get(unique_id) or self._before.get(unique_id)

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was ever said."""
        return not (self.waiting or self._latest or self._before)

    def add(self, call: OcppMessage) -> list[Fault] | None:
        """Take a CALL in. None when nothing is odd, which is the usual case."""
        unique_id = call.unique_id
        waiting = self.waiting
        if (
            unique_id not in waiting
            and unique_id not in self._latest
            and unique_id not in self._before
            and len(waiting) < self._limit
        ):
            waiting[unique_id] = call
            return None
        faults = self._reused(call)
        if unique_id in waiting:
            self._older.setdefault(unique_id, []).append(waiting.pop(unique_id))
        waiting[unique_id] = call
        if len(waiting) + sum(map(len, self._older.values())) > self._limit:
            faults.append(("rpc.open_calls_limit", f"the CALL '{excerpt(self._forget())}' was forgotten"))
        return faults

    def _reused(self, call: OcppMessage) -> list[Fault]:
        """What is said of an id that was used before; nothing of a new one."""
        earlier = self.waiting.get(call.unique_id)
        shown = f"'{excerpt(call.unique_id)}'"
        if earlier is not None:
            seconds = (call.ts_ns - earlier.ts_ns) / 1e9
            if earlier.raw == call.raw:
                return [("rpc.retry", f"the same CALL was sent {seconds:.3f} s before and is unanswered")]
            detail = f"the id {shown} belongs to the unanswered {earlier.action} of {seconds:.3f} s before"
            return [("rpc.id_reused_open", detail)]
        past = self.past(call.unique_id)
        if past is None:
            return []
        seconds = (call.ts_ns - past.ts_ns) / 1e9
        if past.content == hash(call.raw):
            return [("rpc.retry", f"the same CALL was sent {seconds:.3f} s before and was answered")]
        return [("rpc.id_reused", f"the id {shown} was that of the {past.action} of {seconds:.3f} s before")]

    def _forget(self) -> str:
        for unique_id, calls in self._older.items():
            calls.pop(0)
            if not calls:
                del self._older[unique_id]
            return unique_id
        oldest = next(iter(self.waiting))
        del self.waiting[oldest]
        return oldest

    def take(self, unique_id: str) -> OcppMessage | None:
        """The CALL that an answer with this id belongs to; it waits no longer."""
        call = self.waiting.pop(unique_id, None)
        if call is None:
            return None
        self.last = call
        self._latest[unique_id] = Answered(call.action, call.message_id, call.ts_ns, hash(call.raw), call.packet)
        if len(self._latest) >= self._answered_limit:
            self._before, self._latest = self._latest, {}
        if self._older and (older := self._older.get(unique_id)):
            self.waiting[unique_id] = older.pop()
            if not older:
                del self._older[unique_id]
        return call

    def sent(self, call: OcppMessage) -> list[Fault] | None:
        """Take a SEND in, which shares the id space of CALLs but waits for nothing (P4-21 §4.1.4)."""
        faults = self._reused(call)
        self._latest[call.unique_id] = Answered(
            call.action, call.message_id, call.ts_ns, hash(call.raw), call.packet, True
        )
        if len(self._latest) >= self._answered_limit:
            self._before, self._latest = self._latest, {}
        return faults or None

    def open(self) -> list[OcppMessage]:
        """Every CALL that still waits, oldest first."""
        calls = [*self.waiting.values(), *(call for calls in self._older.values() for call in calls)]
        return sorted(calls, key=lambda call: call.message_id)
