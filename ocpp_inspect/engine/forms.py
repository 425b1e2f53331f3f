"""A message in, what is known of it before a rule looks at it out: most rules have nothing to say to most forms.

The rules that see a kind of message run in one generated function. Of the most frequent action, TransactionEvent, each
form has its own: what the form decides of the rules' conditions is decided when the function is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

from ocpp_inspect.engine.conversation import ONLY_SAMPLES, only_samples

_INFO: Final = frozenset(("transactionId", "chargingState"))


@dataclass(frozen=True)
class Known:
    """What all messages of a function have in common."""

    texts: Mapping[str, str]  # name or path → its value: {"kind": "CALL", "payload.eventType": "Updated"}
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)  # path of an object → the most that it has
    only_samples: bool = False  # it is an event of OCPP 2.x that only carries meter values, or an empty answer

    def get(self, name: str) -> str:
        """The text of a name; empty when it is not known."""
        return self.texts.get(name, "")

    @cached_property
    def roots(self) -> frozenset[str]:
        """The names of which something is known."""
        return frozenset(path.partition(".")[0] for path in (*self.texts, *self.members))

    def is_absent(self, path: str) -> bool:
        """Whether certainly nothing is there."""
        owner, _, member = path.rpartition(".")
        while owner:
            if owner in self.members and member not in self.members[owner]:
                return True
            owner, _, member = owner.rpartition(".")
        return False

    def of(self, form: Form) -> Known:
        """The same for messages of one form."""
        return Known({**self.texts, **_TEXTS.get(form, {})}, _MEMBERS.get(form, {}), form in _SAMPLES)


NOTHING: Final = Known({})

Form = Literal["", "empty", "sample", "samples"]
"""Of a TransactionEvent or the answer to it; empty: none of the others.

`sample` is what a station sends every minute of a transaction, and nine of ten events; `samples` is whatever else only
carries meter values. Having Started, Updated and Ended apart saves the others 1 %, and to write a function takes 30 ms.
"""

_SAMPLES: Final = ("empty", "sample", "samples")
_TEXTS: Final[dict[Form, dict[str, str]]] = {
    "sample": {"payload.eventType": "Updated", "payload.triggerReason": "MeterValuePeriodic"},
}
_MEMBERS: Final[dict[Form, dict[str, frozenset[str]]]] = {
    "empty": {"payload": frozenset()},
    "sample": {"payload": ONLY_SAMPLES, "payload.transactionInfo": _INFO},
    "samples": {"payload": ONLY_SAMPLES},
}


def form_of(payload: Any) -> Form:
    """The form of an event, or of the answer to one."""
    if type(payload) is not dict:
        return ""
    if not payload:
        return "empty"
    if not only_samples(payload):
        return ""
    info = payload.get("transactionInfo")
    is_usual = payload["triggerReason"] == "MeterValuePeriodic" and payload.get("eventType") == "Updated"
    return "sample" if is_usual and type(info) is dict and _INFO.issuperset(info) else "samples"
