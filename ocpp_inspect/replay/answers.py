"""A living CALL in; the recorded answer that fits it best, or the plainest legal one, out."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ocpp_inspect.ocpp import schema
from ocpp_inspect.ocpp.places import plain_answer
from ocpp_inspect.replay.compare import Comparison
from ocpp_inspect.replay.dates import written
from ocpp_inspect.replay.recording import Recording, Said, Speaker

_REFUSING: Final = ("NotSupported", "Rejected", "NotImplemented", "UnlockFailed", "Failed", "NoProfile", "Unknown")
_ACCEPTING: Final = ("Accepted",)


class Exchange(NamedTuple):
    """A recorded CALL and its answer."""

    call: Said
    answer: Said


class Answer(NamedTuple):
    """What to answer: a recorded exchange, or a made-up payload, or (both None) a CALLERROR with `error_code`."""

    exchange: Exchange | None
    payload: Any | None
    error_code: str
    why: str  # for the report


class Answers:
    """The recorded answers of `role` to the other side's CALLs.

    Of several to one action that is taken whose request was the same and which was not used yet; else the next one that
    was not used; else the last one again.
    """

    def __init__(self, recording: Recording, role: Speaker) -> None:
        self._role = role
        self._compare = Comparison()
        self._by_action: dict[str, list[Exchange]] = {}
        self._used: set[int] = set()
        self._fresh_id = 0
        for visit in recording.visits:
            answers = visit.answers()
            for said in visit.messages:
                answer = answers.get(said.message_id)
                if said.kind == "CALL" and said.sender != role and answer is not None:
                    self._by_action.setdefault(said.action, []).append(Exchange(said, answer))
                    if isinstance(answer.payload, dict) and isinstance(answer.payload.get("transactionId"), int):
                        self._fresh_id = max(self._fresh_id, answer.payload["transactionId"])

    def unused(self) -> list[Exchange]:
        """Recorded CALLs of the other side that did not come again."""
        return [
            each for exchanges in self._by_action.values() for each in exchanges
            if each.call.message_id not in self._used
        ]  # fmt: skip

    def to(self, version: str, action: str, payload: Any, now_ns: int) -> Answer:
        """The answer to a living CALL."""
        if (exchange := self._fitting(version, action, payload)) is not None:
            self._used.add(exchange.call.message_id)
            return Answer(exchange, None, "", "as recorded")
        known = action in schema.actions("2.0.1" if version == "2.0" else version)
        if not known:
            return Answer(None, None, "NotImplemented", "not recorded, unknown action")
        self._fresh_id += 1
        preferred = _REFUSING if self._role == "station" else _ACCEPTING
        made = plain_answer(version, action, preferred, written(now_ns), self._fresh_id)
        if made is None:
            return Answer(None, None, "NotSupported", "not recorded, refused")
        return Answer(None, made, "", "not recorded, plain answer")

    def _fitting(self, version: str, action: str, payload: Any) -> Exchange | None:
        recorded = self._by_action.get(action)
        if not recorded:
            return None
        unused = [each for each in recorded if each.call.message_id not in self._used]
        for each in (*unused, *reversed(recorded)):
            if not self._compare.differences(version, action, False, each.call.payload, payload):
                return each
        return unused[0] if unused else recorded[-1]
