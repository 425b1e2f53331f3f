"""A version in; what the room needs to know of each of its actions, ready for the hot path, out."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from ocpp_inspect import catalogue
from ocpp_inspect.model import Side
from ocpp_inspect.ocpp import schema
from ocpp_inspect.ocpp.session import Learner, learner

# Where a message names its transaction: in a CALL, and in a CALLRESULT when the CALL cannot name it yet.
_IN_CALL: Final[dict[str, tuple[str, ...]]] = {
    "ChangeTransactionTariff": ("transactionId",),
    "CostUpdated": ("transactionId",),
    "GetTransactionStatus": ("transactionId",),
    "MeterValues": ("transactionId",),
    "NotifyPriorityCharging": ("transactionId",),
    "NotifySettlement": ("transactionId",),
    "RemoteStopTransaction": ("transactionId",),
    "RequestStopTransaction": ("transactionId",),
    "StopTransaction": ("transactionId",),
    "TransactionEvent": ("transactionInfo", "transactionId"),
    "UsePriorityCharging": ("transactionId",),
}
_IN_ANSWER: Final[dict[str, tuple[str, ...]]] = {
    "RequestStartTransaction": ("transactionId",),
    "StartTransaction": ("transactionId",),
}
_PROFILES: Final = {"1.6": "csChargingProfiles"}


class Action:
    """One action of one version. The checkers are compiled when the first such message comes."""

    __slots__ = (
        "_empty_answer", "accepts_answer", "accepts_call", "answer_path", "call_path", "initiator", "learn_answer",
        "learn_call", "name", "send", "version",
    )  # fmt: skip

    def __init__(self, version: str, name: str, initiator: Side, send: bool) -> None:
        self.version = version
        self.name = name
        self.initiator = initiator  # "unknown": either
        self.send = send
        self.call_path = _IN_CALL.get(name)
        if name == "SetChargingProfile":
            self.call_path = (_PROFILES.get(version, "chargingProfile"), "transactionId")
        self.answer_path = _IN_ANSWER.get(name)
        self.learn_call: Learner | None = learner(name, answer=False)
        self.learn_answer: Learner | None = learner(name, answer=True)
        self._empty_answer: tuple[bool | None, ...] = ()  # its verdict, when it was asked for
        self.accepts_call: Callable[[Any], bool | None] = self._compile_call
        self.accepts_answer: Callable[[Any], bool | None] = self._compile_answer

    def accepts_empty_answer(self) -> bool | None:
        """`accepts_answer` of an object without members."""
        if not self._empty_answer:
            self._empty_answer = (self.accepts_answer({}),)
        return self._empty_answer[0]

    def _compile_call(self, payload: Any) -> bool | None:
        self.accepts_call = _decider(self.version, self.name, answer=False)
        return self.accepts_call(payload)

    def _compile_answer(self, payload: Any) -> bool | None:
        self.accepts_answer = _decider(self.version, self.name, answer=True)
        return self.accepts_answer(payload)


def _unchecked(_payload: Any) -> None:
    """The decision about a payload without a schema: none."""


def _decider(version: str, action: str, answer: bool) -> Callable[[Any], bool | None]:
    checker = schema.checker(version, action, answer)
    return _unchecked if checker is None else checker.accepts


@cache
def table(version: str) -> dict[str, Action]:
    """All actions of a version by name; empty for an unknown version."""
    sides: dict[str, Side] = {"CS": "station", "CSMS": "csms", "both": "unknown"}
    return {
        name: Action(version, name, sides[info.initiator], info.send) for name, info in catalogue.load(version).items()
    }


@cache
def initiators() -> dict[str, Side]:
    """Who sends an action, over all versions: for messages whose side is unknown."""
    found: dict[str, Side] = {}
    for version in catalogue.VERSIONS:
        for name, action in table(version).items():
            found[name] = action.initiator if found.get(name, action.initiator) == action.initiator else "unknown"
    return found


def transaction_in(payload: Any, path: tuple[str, ...]) -> str | None:
    """The transaction that a payload names at `path`, as text."""
    for key in path:
        if type(payload) is not dict:
            return None
        payload = payload.get(key)
    if type(payload) is int:
        return str(payload)
    return payload[:64] if type(payload) is str and payload else None
