"""TransactionEvents of one station in, remarks about missing sequence numbers out. Rule TX2-004."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark
from ocpp_inspect.model import OcppMessage

TRANSACTIONS: Final = 256  # per station, open or waiting; beyond it the oldest is forgotten
NUMBERS: Final = 20_000  # per transaction: a week of readings every 30 s; a longer one is not judged
SETTLE_NS: Final = 60 * 10**9  # events may arrive in another order


class Numbers(Monitor):
    """Judges a transaction a minute after its end, if all of it came on one connection, none of it offline."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int, set[int]]] = {}  # transaction → (connection, numbers); none: not judged
        self.begun: dict[str, int] = {}  # transaction → time of Started
        self.closed: deque[tuple[int, set[int]]] = deque(maxlen=64)  # judged ones: (time of Ended, numbers)
        self.ended: dict[str, tuple[OcppMessage, int, int]] = {}  # transaction → (Ended, first number, its number)
        self.strange: dict[str, set[int]] = {}  # transactions that are not judged, only some of it is known → numbers

    def feed(self, item: Any) -> Iterable[Remark]:
        """Note the number, and judge what has ended long enough ago."""
        # Ended ones stand in their order.
        is_due = self.ended and item.ts_ns >= next(iter(self.ended.values()))[0].ts_ns + SETTLE_NS
        remarks = self.tick(item.ts_ns) if is_due else ()
        payload = item.payload
        info = payload.get("transactionInfo")
        number, kind = payload.get("seqNo"), payload.get("eventType")
        name = info.get("transactionId") if isinstance(info, dict) else None
        if not isinstance(name, str) or not isinstance(number, int):
            self.forget()  # the schema's rules blame it; it may be the one that would be missing
            return remarks
        seen = self.seen.get(name)
        if seen is None:
            if kind != "Started":
                self.set_aside(name, {number})
                return remarks
            seen = self.seen[name] = item.connection, {number}
            self.begun[name] = item.ts_ns
            if len(self.seen) > TRANSACTIONS:
                self.drop(next(iter(self.seen)))
        connection, numbers = seen
        if connection != item.connection or payload.get("offline") or len(numbers) >= NUMBERS:
            self.drop(name)
            self.set_aside(name, numbers | {number})
            return remarks
        numbers.add(number)
        if kind == "Ended":
            self.ended.pop(name, None)
            self.ended[name] = item, min(numbers), number
        return remarks

    def set_aside(self, name: str, numbers: set[int]) -> None:
        """Remember numbers of a transaction whose others are not known: they are missing in no other one."""
        known = self.strange.setdefault(name, set())
        if len(known) < NUMBERS:
            known |= numbers
        if len(self.strange) > TRANSACTIONS:
            del self.strange[next(iter(self.strange))]

    def drop(self, name: str) -> None:
        """Do not judge this transaction."""
        self.seen.pop(name, None)
        self.ended.pop(name, None)
        self.begun.pop(name, None)

    def tick(self, now_ns: int) -> list[Remark]:
        """Judge what has ended long enough ago."""
        remarks = []
        for name, (item, first, last) in list(self.ended.items()):
            if now_ns < item.ts_ns + SETTLE_NS:
                continue
            numbers = self.seen[name][1]
            missing = [number for number in range(first, min(last, first + NUMBERS)) if number not in numbers]
            if missing:
                # A station that counts for all its EVSEs together uses the others' numbers in between.
                begun = self.begun[name]
                others = [used for other, (_, used) in self.seen.items() if other != name]
                others += [used for end_ns, used in self.closed if end_ns >= begun]
                others += self.strange.values()
                # One counter for all EVSEs never gives a number twice.
                used = set().union(*(other for other in others if other.isdisjoint(numbers)))
                missing = [number for number in missing if number not in used]
            self.drop(name)
            self.closed.append((item.ts_ns, numbers))
            if missing:
                more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                text = f"Transaction {name} lacks event number {missing[0]}{more} of {first} to {last}"
                remarks.append(Remark(item, text))
        return remarks

    def finish(self, end_ns: int) -> Iterable[Remark]:
        """Judge what has ended long enough ago."""
        return self.tick(end_ns)

    def forget(self) -> None:
        """A missing event may be among what was lost."""
        self.seen.clear()
        self.ended.clear()
        self.begun.clear()
        self.closed.clear()
        self.strange.clear()
