"""TransactionEvents of one station in, remarks about missing sequence numbers out. Rule TX2-004."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark
from ocpp_inspect.model import OcppMessage

TRANSACTIONS: Final = 256  # per station, open or waiting; beyond it the oldest is forgotten
NUMBERS: Final = 20_000  # per transaction: a week of readings every 30 s; a longer one is not judged
SETTLE_NS: Final = 60 * 10**9  # events may arrive in another order


class Numbers(Monitor):
    """A transaction is judged a minute after its end, if all of it came on one connection and none of it was offline."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int, set[int]]] = {}  # transaction → (connection, numbers); none: not judged
        self.ended: dict[str, tuple[OcppMessage, int, int]] = {}  # transaction → (Ended, first number, its number)

    def feed(self, item: Any) -> Iterable[Remark]:
        """Note the number, and judge what has ended long enough ago."""
        yield from self.tick(item.ts_ns)
        payload = item.payload
        info = payload.get("transactionInfo")
        number, kind = payload.get("seqNo"), payload.get("eventType")
        if not isinstance(info, dict) or not isinstance(number, int):
            return
        name = str(info.get("transactionId"))
        if kind == "Started" and name not in self.seen:
            self.seen[name] = item.connection, {number}
            if len(self.seen) > TRANSACTIONS:
                self.drop(next(iter(self.seen)))
        if name not in self.seen:
            return
        connection, numbers = self.seen[name]
        if connection != item.connection or payload.get("offline") or len(numbers) >= NUMBERS:
            self.drop(name)
            return
        numbers.add(number)
        if kind == "Ended":
            self.ended[name] = item, min(numbers), number

    def drop(self, name: str) -> None:
        """Do not judge this transaction."""
        self.seen.pop(name, None)
        self.ended.pop(name, None)

    def tick(self, now_ns: int) -> Iterable[Remark]:
        """Judge what has ended long enough ago."""
        for name, (item, first, last) in list(self.ended.items()):
            if now_ns < item.ts_ns + SETTLE_NS:
                continue
            numbers = self.seen[name][1]
            # A station that counts for all its EVSEs together uses the others' numbers in between.
            others = set().union(*(used for other, (_, used) in self.seen.items() if other != name))
            gaps = last - first + 1 - sum(first <= number <= last for number in numbers)
            self.drop(name)
            if 0 < gaps <= NUMBERS:
                missing = [
                    n for n in range(first, min(last, first + 2 * NUMBERS)) if n not in numbers and n not in others
                ]
                if missing:
                    text = (
                        f"Transaction {name} has ended; of its events {first} to {last}, number {missing[0]} is missing"
                    )
                    yield Remark(item, text + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""))

    def finish(self, end_ns: int) -> Iterable[Remark]:
        """Judge what has ended long enough ago."""
        return self.tick(end_ns)

    def forget(self) -> None:
        """A missing event may be among what was lost."""
        self.seen.clear()
        self.ended.clear()
