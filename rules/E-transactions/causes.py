"""Messages of one station in, remarks about stop reasons that contradict what was seen out. Rules TX16-010 and TX2-017.

Only transactions are judged that were seen to begin and from whose beginning on nothing was lost: then a command of the
CSMS that would have stopped them would have been seen. A start that was stored has begun earlier than that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Remark, looks_at
from ocpp_inspect.engine.functions import seconds_of

TRANSACTIONS: Final = 64  # per station; beyond it the oldest is forgotten
SECOND: Final = 10**9
BEFORE_NS: Final = 3600 * SECOND  # a start may be sent late: a command of the hour before it counts
RECENT_NS: Final = 60 * SECOND
FRESH_SECONDS: Final = 60.0  # a start is sent at once, and the station's clock right, if its time is so near
LIMIT: Final = "transactionLimit"  # the CSMS sets one: it stops the transaction, in a way
COMMANDS: Final = {
    # A vendor's own message may stop a transaction, an update may reset the station.
    "Remote": ("DataTransfer", LIMIT),
    "SoftReset": ("Reset", "UpdateFirmware", "SignedUpdateFirmware", "DataTransfer"),
    "HardReset": ("Reset", "UpdateFirmware", "SignedUpdateFirmware", "DataTransfer"),
    "ImmediateReset": ("Reset", "UpdateFirmware", "DataTransfer"),
    "UnlockCommand": ("UnlockConnector", "DataTransfer"),
}
STOPS: Final = ("RemoteStopTransaction", "RequestStopTransaction")  # these name their transaction
SAME: Final = {"RemoteStop": "Remote", "EVConnectTimeout": "Timeout", "Deauthorized": "DeAuthorized"}


def word(value: Any) -> str | None:
    """A value of an enumeration; None when it is none."""
    return value if isinstance(value, str) else None


class StopReasons(Conversation):
    """What could have stopped the transactions of a station."""

    looks_at_samples = False

    def __init__(self) -> None:
        self.begun: dict[str, int] = {}  # transaction → when it was seen to begin
        self.commands: dict[str, int] = {}  # action of the CSMS → last time
        self.stop_accepted: dict[str, int] = {}  # transaction → when the station accepted to stop it
        self.stop_asked: dict[str, None] = {}  # transactions that the CSMS wanted to stop
        self.doubtful: set[str] = set()  # transactions whose token was refused, or may run out
        self.known_ns: int | None = 0  # nothing was lost since; None: since the next message

    @looks_at("StopTransaction.request", "TransactionEvent.request")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Look at the reason of a stop."""
        if item.kind != "CALL" or item.action not in ("StopTransaction", "TransactionEvent"):
            return ()
        info = payload.get("transactionInfo")
        if item.action == "StopTransaction":
            name, reason, trigger = str(payload.get("transactionId")), word(payload.get("reason")), None
        elif payload.get("eventType") == "Ended" and isinstance(info, dict):
            name = str(info.get("transactionId"))
            reason, trigger = word(info.get("stoppedReason")), word(payload.get("triggerReason"))
        else:
            return ()
        told = self.contradiction(item, name, reason, trigger, "idTag" in payload)
        return (Remark(item, told),) if told else ()

    def contradiction(self, item: Any, name: str, reason: str | None, trigger: str | None, by_tag: bool) -> str:
        """How the reason contradicts its cause; empty when it does not."""
        if trigger in SAME and reason is not None and reason != SAME[trigger]:
            return f"Transaction {name} ends by {trigger} with reason {reason}, not {SAME[trigger]}"
        begun_ns = self.begun.get(name)
        if begun_ns is None:
            return ""
        if reason in COMMANDS:
            given = [self.commands.get(action, 0) for action in COMMANDS[reason]]
            asked = reason == "Remote" and name in self.stop_asked
            if max(given) < begun_ns - BEFORE_NS and not asked:
                return f"Transaction {name} stops by {reason}; since it began the CSMS has sent no such command"
        if reason == "DeAuthorized" and name not in self.doubtful and trigger in (None, "Deauthorized"):
            return f"Transaction {name} stops by DeAuthorized; its token was accepted"
        accepted_ns = self.stop_accepted.get(name, 0)
        if trigger is None and reason in (None, "Local") and not by_tag and accepted_ns > item.ts_ns - RECENT_NS:
            return f"Transaction {name} stops by {reason or 'Local (none given)'}; it had accepted a remote stop"
        return ""

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:  # noqa: PLR0912
        """Beginnings, commands and what is said of tokens."""
        action, kind = item.action, item.kind
        if self.known_ns is None:
            self.known_ns = item.ts_ns
        if action in STOPS and kind == "CALL":
            self.stop_asked[str(payload.get("transactionId"))] = None
            if len(self.stop_asked) > TRANSACTIONS:
                del self.stop_asked[next(iter(self.stop_asked))]
        elif item.side == "csms" and kind == "CALL":
            self.commands[action] = item.ts_ns  # as many as there are actions that a rule's `when` names
        elif action == "StartTransaction" and kind == "CALLRESULT":
            self.begin(str(payload.get("transactionId")), item, payload.get("idTagInfo"))
        elif action == "TransactionEvent":
            source = payload if kind == "CALL" else request
            info = source.get("transactionInfo")
            name = str(info.get("transactionId")) if isinstance(info, dict) else ""
            if kind == "CALL" and payload.get("eventType") == "Started":
                self.begin(name, item, None)
            elif kind == "CALLRESULT":
                self.token(name, payload.get("idTokenInfo"))
                if "transactionLimit" in payload:
                    self.commands[LIMIT] = item.ts_ns
        elif action in STOPS and payload.get("status") == "Accepted":
            self.stop_accepted[str(request.get("transactionId"))] = item.ts_ns
            if len(self.stop_accepted) > TRANSACTIONS:
                del self.stop_accepted[next(iter(self.stop_accepted))]
        elif action == "Authorize" and kind == "CALLRESULT" and self.begun:
            status = payload.get("idTagInfo", payload.get("idTokenInfo"))
            if not isinstance(status, dict) or status.get("status") != "Accepted":
                self.doubtful.update(self.begun)  # whichever it stopped

    def begin(self, name: str, item: Any, info: Any) -> None:
        """A transaction begins."""
        self.begun.pop(name, None)
        self.doubtful.discard(name)
        if item.ts_ns < (self.known_ns or 0) + BEFORE_NS and not self.is_fresh(item):
            return  # a command may have been lost that came after it had begun
        self.begun[name] = item.ts_ns
        if len(self.begun) > TRANSACTIONS:
            oldest = next(iter(self.begun))
            del self.begun[oldest]
            self.doubtful.discard(oldest)
        self.token(name, info)

    @staticmethod
    def is_fresh(item: Any) -> bool:
        """Whether a start was sent when it happened."""
        source, sent_ns = (item.payload, item.ts_ns) if item.kind == "CALL" else (item.request, item.request_ns)
        at = seconds_of(source.get("timestamp")) if isinstance(source, dict) else None
        return at is not None and abs(sent_ns / SECOND - at) < FRESH_SECONDS

    def token(self, name: str, info: Any) -> None:
        """A token that is not simply accepted may end the transaction."""
        if isinstance(info, dict) and name in self.begun:
            lasting = (
                info.get("status") == "Accepted" and "expiryDate" not in info and "cacheExpiryDateTime" not in info
            )
            if not lasting:
                self.doubtful.add(name)

    def forget(self) -> None:
        """A command may have been lost."""
        self.begun.clear()
        self.doubtful.clear()
        self.stop_accepted.clear()
        self.stop_asked.clear()
        self.known_ns = None
