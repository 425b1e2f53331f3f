"""The shape of a scenario as data: which messages, and what to do with them. docs/scenarios.md is its manual."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from ocpp_inspect.engine.condition import Condition
from ocpp_inspect.engine.names import Trigger
from ocpp_inspect.proxy.interception import Refusal, Sender
from ocpp_inspect.proxy.scenario.values import PathPattern, Value

Scope: TypeAlias = Literal["connection", "station", "all"]

NAMES: Final = (
    "station", "connection", "version", "side", "ts", "kind", "unique_id", "action", "payload", "request", "error_code",
    "error_description", "latency", "size", "compressed", "path", "client", "subprotocol", "user_agent", "code",
    "reason", "age", "count",
)  # fmt: skip
"""What expressions and templates may say; those that an item lacks are unknown."""


@dataclass(frozen=True, slots=True)
class Window:
    """Only between these times after the opening of the connection, or the loading of the scenario."""

    from_s: float = 0.0
    to_s: float = float("inf")
    of: Literal["connection", "scenario"] = "connection"


@dataclass(frozen=True, slots=True)
class Match:
    """Which messages a step is about, and which of them, in order of their coming, it takes."""

    triggers: tuple[Trigger | Literal["Opened"], ...]
    station: str = "*"
    sender: Sender | None = None
    where: Condition | None = None
    nth: tuple[int, ...] = ()  # 1-based
    every: int = 1
    after: int = 0
    times: int = 0  # 0: without end
    probability: float = 1.0
    during: Window = Window()
    per: Scope = "station"


# --------------------------------------------------------------------------- what to do


@dataclass(frozen=True, slots=True)
class DropIt:
    """Not forwarded."""


@dataclass(frozen=True, slots=True)
class DelayIt:
    """Forwarded later; those behind it wait, unless it may be overtaken."""

    seconds: float
    is_overtaken: bool = False


@dataclass(frozen=True, slots=True)
class DuplicateIt:
    """Forwarded so many times in all."""

    copies: int = 2


@dataclass(frozen=True, slots=True)
class ReorderIt:
    """Forwarded behind the next `behind` messages of its sender, at the latest after `within_s`."""

    behind: int = 1
    within_s: float = 30.0


@dataclass(frozen=True, slots=True)
class ModifyIt:
    """Fields set or deleted, the payload replaced, or the whole text."""

    set: tuple[tuple[PathPattern, Value], ...] = ()
    delete: tuple[PathPattern, ...] = ()
    payload: Value | None = None
    frame: dict[str, Value] = field(default_factory=dict)  # unique_id, action, error_code, error_description
    text: Value | None = None


@dataclass(frozen=True, slots=True)
class AnswerIt:
    """A CALL is answered in the receiver's place, and not forwarded."""

    payload: Value | None = None
    error_code: Value | None = None
    error_description: Value | None = None
    error_details: Value | None = None


@dataclass(frozen=True, slots=True)
class InjectIt:
    """A CALL (or any text) to one side, `delay_s` later, before or behind the message that caused it."""

    to: Sender
    action: str = ""
    payload: Value | None = None
    text: Value | None = None
    is_forced: bool = False  # though the schema refuses it
    is_before: bool = False
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CloseIt:
    """Both sides get a close frame, then the sockets are closed."""

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CutIt:
    """Both sockets are reset."""


@dataclass(frozen=True, slots=True)
class RefuseIt:
    """The upgrade gets this answer."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class HoldIt:
    """Kept until somebody releases it, or for so long."""

    seconds: float = float("inf")


Order: TypeAlias = (
    DropIt | DelayIt | DuplicateIt | ReorderIt | ModifyIt | AnswerIt | InjectIt | CloseIt | CutIt | RefuseIt | HoldIt
)


@dataclass(frozen=True, slots=True)
class Step:
    """If a message fits, do this with it."""

    name: str
    match: Match
    orders: tuple[Order, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole file. `examples` are (line of the file, text) of the dialogues inside."""

    title: str
    steps: tuple[Step, ...]
    seed: int = 0
    path: str = ""
    examples: tuple[tuple[int, str], ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)


def holds_for_ever(step: Step) -> bool:
    """Whether its messages wait until a person releases them."""
    return any(isinstance(order, HoldIt) and order.seconds == float("inf") for order in step.orders)
