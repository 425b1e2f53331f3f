"""Transactions, boots and resets of one station in; remarks about transactions that a boot left open out.

Rules BOOT-018, RST-002 (OCPP 1.6) and RST-003 (OCPP 2.x).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark
from ocpp_inspect.model import OcppMessage

TRANSACTIONS: Final = 256  # per station; beyond it the oldest is forgotten
SETTLE_NS: Final = 600 * 10**9  # after the boot: the queue comes first, and no document says how soon


class Unstopped(Monitor):
    """Judges every transaction that was open at a boot ten minutes after that boot was accepted."""

    after_reset = False  # which boots are judged: those that follow an accepted reset, or all others

    def __init__(self) -> None:
        self.open: dict[str, None] = {}
        self.ended: dict[str, None] = {}  # an event or a value that comes behind the end does not open it again
        self.reset = False
        self.due: dict[str, OcppMessage] = {}  # transaction → answer to the boot

    def feed(self, item: Any) -> Iterable[Remark]:
        """Follow the transactions."""
        remarks = self.tick(item.ts_ns) if self.due else ()
        payload, request = item.payload, item.request
        if not isinstance(payload, dict):
            return remarks
        if item.action == "BootNotification":
            if item.kind == "CALLRESULT" and payload.get("status") == "Accepted":
                self.boot(item)
        elif item.action == "Reset":
            if isinstance(request, dict) and payload.get("status") in ("Accepted", "Scheduled"):
                # A transaction may be resumed after the third kind (OCPP 2.1 B13); one EVSE is not the station.
                self.reset = request.get("evseId") is None and request.get("type") != "ImmediateAndResume"
        else:
            self.message(item, payload, request)
        return remarks

    def message(self, item: Any, payload: dict[str, Any], request: Any) -> None:
        """One that belongs to a transaction: it is open now, or closed."""
        info = payload.get("transactionInfo")
        name = info.get("transactionId") if isinstance(info, dict) else payload.get("transactionId")
        if name is None or isinstance(name, (dict, list)) or (item.action == "MeterValues" and name in (0, -1)):
            return
        name = str(name)
        goes_on = self.due.pop(name, None) is not None if self.due else False
        if item.action == "StopTransaction" or payload.get("eventType") == "Ended":
            self.open.pop(name, None)
            self.ended[name] = None
            if len(self.ended) > TRANSACTIONS:
                del self.ended[next(iter(self.ended))]
        elif name not in self.open and (
            goes_on
            or payload.get("eventType") == "Started"
            or (item.kind != "CALLRESULT" and name not in self.ended)
            or (isinstance(request, dict) and "meterStart" in request)
        ):
            self.open[name] = None
            if len(self.open) > TRANSACTIONS:
                del self.open[next(iter(self.open))]

    def boot(self, item: OcppMessage) -> None:
        """Everything that is open has to be told of now."""
        judged = self.open if self.reset is self.after_reset else ()
        self.due = dict.fromkeys((*self.due, *judged), item)  # what the boot before left open has its time anew
        while len(self.due) > TRANSACTIONS:
            del self.due[next(iter(self.due))]
        self.open.clear()
        self.reset = False

    def tick(self, now_ns: int) -> list[Remark]:
        """Judge what had its ten minutes."""
        late = [(name, item) for name, item in self.due.items() if now_ns >= item.ts_ns + SETTLE_NS]
        for name, _ in late:
            del self.due[name]
        return [Remark(item, self.text(name), ts_ns=item.ts_ns + SETTLE_NS) for name, item in late]

    def text(self, name: str) -> str:
        """What is said about a transaction."""
        return f"Transaction {name} was open before this boot, and nothing was heard of it within 10 min"

    def finish(self, end_ns: int) -> Iterable[Remark]:
        """Judge what had its ten minutes."""
        return self.tick(end_ns)

    def forget(self) -> None:
        """The stop may be among what was lost."""
        self.open.clear()
        self.ended.clear()
        self.due.clear()
        self.reset = False


class UnstoppedAfterReset(Unstopped):
    """The same, for boots that follow an accepted reset."""

    after_reset = True

    def text(self, name: str) -> str:
        """What is said about a transaction."""
        return f"Transaction {name} was open before the reset, and its end was told neither before nor 10 min after"
