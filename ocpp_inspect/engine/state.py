"""What the engine keeps about one station: registers, open expectations, windows, learned configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import msgspec

from ocpp_inspect.model import Finding, OcppMessage, Upgrade

if TYPE_CHECKING:
    from ocpp_inspect.engine.engine import Engine
    from ocpp_inspect.engine.verdict import Judge

Tables: TypeAlias = dict[tuple[str, str, str], Any]
"""(message kind, action, side) → the function that judges such a message, as far as there were any."""

FRESH_WAITS: Final = 32
NEVER: Final = 1 << 62
ANYWHERE: Final = -1
SEEN_CONNECTIONS: Final = 64
HANDSHAKES: Final = 16
EMPTY: Final[dict[Any, Any]] = {}
"""Stands for every table that is not used yet; never written to. Forty empty ones per station would cost 2.5 kB."""


class Wait(msgspec.Struct, gc=False, eq=False):
    """An open expectation. `older` chains those of the same key; no chain leads back to it."""

    judge: Judge
    key: Any
    item: Any  # that opened it; None: it was met or called off
    deadline_ns: int
    older: Wait | None
    renews: bool
    uncertain: bool = False  # what was awaited may have been lost


class Waits:
    """Where the open expectations of one rule are. A rule with one key of a station has a slot for it: no look-up."""

    def __init__(self, slot: int, *, has_keys: bool) -> None:
        self._slot = slot
        self._has_keys = has_keys
        self.first = f"S[{slot}].get(key)" if has_keys else f"S[{slot}]"  # source of the newest of `key`

    @staticmethod
    def empty(*, has_keys: bool) -> dict[Any, Any] | None:
        """What the slot of a new station holds."""
        return EMPTY if has_keys else None

    def of(self, st: StationState, key: Any) -> Wait | None:
        """The newest of a key."""
        found: Wait | None = st.slots[self._slot].get(key) if self._has_keys else st.slots[self._slot]
        return found

    def put(self, st: StationState, key: Any, wait: Wait | None) -> None:
        """Make it the newest of a key; None: the key has none any more."""
        if not self._has_keys:
            st.slots[self._slot] = wait
        elif wait is None:
            del st.slots[self._slot][key]
        elif st.slots[self._slot] is EMPTY:
            st.slots[self._slot] = {key: wait}
        else:
            st.slots[self._slot][key] = wait


class Due(NamedTuple):
    """A finding about something overdue, held until the side that owes it was read again without a loss."""

    finding: Finding
    wait: Wait
    owing: set[str]  # sides of the connection that have to be heard of before it is certain


class StationState:
    """All rule state of one station. No state crosses stations, so the stream can be sharded by them."""

    __slots__ = (
        "about", "blind", "causes", "config", "config_uncertain", "doubles", "due", "engine", "facts", "fresh",
        "handshakes", "heap", "heard", "is_full", "last_ns", "light", "lost_ns", "next_ns", "number", "open_waits",
        "restless", "seen", "slots", "station", "sure", "tables", "told", "torn", "untold", "version", "whole",
    )  # fmt: skip

    def __init__(self, engine: Engine, station: str, slots: list[Any]) -> None:
        self.engine = engine
        self.station = station
        self.slots = slots.copy()
        # Overdue, but what was awaited may still turn out to be lost: by connection, or ANYWHERE.
        self.due: dict[int, list[Due]] = {}
        self.heard: dict[str, dict[int, int]] = {"station": {}, "csms": {}, "unknown": {}}  # side → connection → time
        self.seen: dict[int, tuple[int, int]] = {}  # closed connection → until when (station, CSMS) sent nothing else
        self.doubles: set[int] = set()  # open connections, the other leg of which is judged
        self.handshakes: dict[str, Upgrade] = {}  # key → the latest accepted one that has it
        self.torn: dict[int, int] = {}  # connection → position of its last loss
        self.heap: list[tuple[int, int, Wait]] = []  # (deadline, number, wait); settled ones stay until they are met
        self.fresh: list[Wait] = []  # opened lately: not in `heap` yet, since most are settled soon
        self.number = 0
        self.is_full = False  # a table of registers has reached its bound, which was reported
        self.next_ns = NEVER  # no deadline before; may be early, never late
        self.open_waits = 0
        self.light = 0  # of them, how many are in no list yet: see `absorb`
        self.restless: set[int] = set()  # slots of the rules in Python that may not rest; may name some that do
        self.config: dict[str, str] = {}
        self.config_uncertain = False
        self.facts: dict[int, Any] = {}  # shared source → what follows from `config` by it
        self.sure: dict[str, str] = {}  # of `config`, what was learned since the last loss: rules may rely on it
        self.whole: set[int] = set()  # connections seen from their opening without a loss
        self.blind: dict[int, dict[str, bool]] = {}  # connection → side → for good
        self.version = ""
        self.tables: Tables = engine.program.messages[""]  # dispatch of its version
        self.about: OcppMessage | None = None
        self.causes: dict[str, int] = {}  # rule that explains others → time of its last finding
        self.told: dict[str, int] = {}  # rule → findings told
        self.untold: dict[str, list[Any]] = {}  # rule → [number, last finding]
        self.last_ns = 0  # of its last item
        self.lost_ns = -1  # when something was last lost

    @property
    def is_odd(self) -> bool:
        """Whether a message means more than its rules say: something was lost, is overdue, or seen twice."""
        return bool(self.doubles or self.due or self.blind or self.torn)
