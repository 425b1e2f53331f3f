"""Event streams of a station in, remarks about values of streams that are not open out. Rule PES-001."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Remark

STREAMS: Final = 256  # per station; when there are more, nothing is known of any


class NotOpen(Conversation):
    """Values of a stream that was refused, or that nobody saw opened since the station has booted."""

    def __init__(self) -> None:
        self.answers: dict[int, str] = {}  # stream → what its opening was answered with; "told" once it was
        self.has_booted = False

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Whether a stream outlives a boot is not said: one that was perhaps opened before is inconclusive."""
        stream = payload.get("id")
        if item.action != "NotifyPeriodicEventStream" or not isinstance(stream, int):
            return
        answer = self.answers.get(stream)
        if answer == "Rejected":
            yield Remark(item, f"Values come by event stream {stream}, which was refused")
        elif answer is None and self.has_booted:
            self.note(stream, "told")
            text = f"Values come by event stream {stream}, which was not opened since the station has booted"
            yield Remark(item, text, verdict="inconclusive")

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Openings and boots."""
        if item.action == "BootNotification":
            self.has_booted = True
        elif item.action == "OpenPeriodicEventStream":
            constant, status = request.get("constantStreamData"), payload.get("status")
            stream = constant.get("id") if isinstance(constant, dict) else None
            if isinstance(stream, int) and isinstance(status, str):
                self.note(stream, status)

    def note(self, stream: int, answer: str) -> None:
        """Remember one; a station with too many of them is not judged."""
        self.answers[stream] = answer
        if len(self.answers) > STREAMS:
            self.forget()

    def forget(self) -> None:
        """An opening may be among what was lost."""
        self.answers.clear()
        self.has_booted = False
