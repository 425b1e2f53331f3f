"""StatusNotifications of one station in, remarks about those that are older than the one before out. Rule ST16-009."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Remark, looks_at
from ocpp_inspect.engine.functions import seconds_of

CONNECTORS: Final = 256
SLACK_SECONDS: Final = 2.0


class Order(Conversation):
    """The last status of each connector, as long as the station's clock was not set."""

    def __init__(self) -> None:
        self.last: dict[int, tuple[float, str]] = {}  # connector → (time, status)

    @looks_at("StatusNotification.request")
    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Compare with the one before."""
        if item.action != "StatusNotification" or item.kind != "CALL":
            return ()
        connector, written = payload.get("connectorId"), payload.get("timestamp")
        at = seconds_of(written)
        if not isinstance(connector, int) or at is None:
            return ()
        if not isinstance(written, str) or (written[-1] not in "Zz" and written[-6:-5] not in ("+", "-")):
            return ()  # local time without a zone goes back in autumn
        before, status = self.last.get(connector), payload.get("status")
        if before is not None or len(self.last) < CONNECTORS:
            self.last[connector] = at, str(status)
        if before is None or at >= before[0] - SLACK_SECONDS:
            return ()
        text = f"Connector {connector}: {status} of {written} comes after {before[1]}, which is newer"
        return (Remark(item, text),)

    @looks_at("CALLRESULT")
    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """An answer that brings the time may set the clock back."""
        if "currentTime" in payload:
            self.last.clear()

    def forget(self) -> None:
        """Such an answer may have been lost."""
        self.last.clear()
