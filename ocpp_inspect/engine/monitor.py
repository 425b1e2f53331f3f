"""The contract of a rule in Python, for what three verbs cannot say. One instance serves one station."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from ocpp_inspect.model import OcppItem, Verdict


@dataclass(frozen=True, slots=True)
class Remark:
    """Something wrong. `item` proves it; without `ts_ns` the finding has the item's time."""

    item: OcppItem
    text: str
    verdict: Verdict = "violation"
    blame: str = ""  # as in a rule file; empty: as the rule says
    ts_ns: int = 0


class Monitor:
    """Base of Python rules. Bound every table; let no item raise; use the item's time only."""

    rests_on: ClassVar[frozenset[str]] = frozenset()
    """Actions whose messages mean nothing to the rule while `resting`: they are not shown to it then."""

    rests_without: ClassVar[tuple[str, ...]] = ()
    """Attributes that hold what is remembered: while all of them are empty, the rule rests."""

    asleep: bool = False
    """Set when enough was seen: the rule sees nothing before the station's next connection (50 ns instead of 400)."""

    @property
    def resting(self) -> bool:
        """Whether nothing is remembered that a message of `rests_on` could complete, end or make due.

        Override it only for what `rests_without` cannot say: asking here is six times as dear.
        """
        return bool(self.rests_without) and not any(getattr(self, name) for name in self.rests_without)

    @classmethod
    def rests(cls, variable: str) -> str:
        """Source that is true while the rule in `variable` rests; empty when it never does."""
        if cls.resting is not Monitor.resting:
            return f"{variable}.resting"
        return " and ".join(f"not {variable}.{name}" for name in cls.rests_without)

    def feed(self, item: OcppItem) -> Iterable[Remark]:
        """Look at one item of the station that the rule's `when` and `where` chose."""
        return ()

    def tick(self, now_ns: int) -> Iterable[Remark]:
        """Time has passed."""
        return ()

    def finish(self, end_ns: int) -> Iterable[Remark]:
        """The capture ends: what is not due yet is not wrong."""
        return ()

    def forget(self) -> None:
        """Something of this station was lost: what was learned is unknown now.

        Called before the first item too, when something was lost before it: most often, the capture joined midway.
        """


class Absent(Monitor):
    """Stands for a rule that is shown nothing."""

    asleep = True


NOT_YET: Final = Absent()
"""For one that the station has sent nothing yet."""

SWITCHED_OFF: Final = Absent()
"""For one that raised an exception."""
