"""A rule and the item that broke it in, Finding out. Also opens, settles and fires expectations."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heapify, heappush
from typing import Any, Final

from ocpp_inspect.engine.registers import Registers
from ocpp_inspect.engine.rule import Rule, Within
from ocpp_inspect.engine.state import EMPTY, FRESH_WAITS, NEVER, StationState, Wait, Waits
from ocpp_inspect.limits import (
    FINDING_TEXT_CHARACTERS,
    FINDINGS_PER_RULE,
    RULE_CAUSE_NS,
    RULE_KEYS,
    RULE_WAITS,
    RULE_WITHIN_NS,
)
from ocpp_inspect.model import MESSAGES_PER_PACKET, Blame, Finding, OcppItem, OcppMessage, Verdict, WsControl

UNKNOWN: Final = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""What an odd value inside an expression raises: the rule cannot be decided and stays silent."""

OTHER: Final = {"station": "csms", "csms": "station"}
_WITHIN_SECONDS: Final = RULE_WITHIN_NS / 1e9
_VALUE_CHARACTERS: Final = 80
_FEW: Final = 256

Describe = Callable[[Any, StationState, Any], str]


class Judge:
    """One rule at work: its slots and how it reports. Holds no state of a station."""

    __slots__ = (
        "answers_only", "compares", "describe", "index", "is_constant", "is_light", "registers", "renews", "rule",
        "survives_connection", "survives_reboot", "verb_slot", "waits", "within",
    )  # fmt: skip

    def __init__(self, rule: Rule, index: int, registers: Registers, verb_slot: int) -> None:
        self.rule = rule
        self.index = index
        self.registers = registers
        self.verb_slot = verb_slot  # slot of waits, windows or the monitor
        self.waits = Waits(verb_slot, has_keys=registers.has_keys)
        self.describe: dict[type, Describe] = {}
        self.within: Within | None = rule.expect.within if rule.expect else None
        self.answers_only = False
        # It rests on more than the item that it is told of; to remember what was told is no comparison.
        self.compares = bool(rule.python or rule.count) or any(not name.startswith("told") for name in rule.registers)
        # Few keys, each opened again and again (silence of a station): the wait is used again, not allocated again.
        self.renews = set(rule.by) <= {"station", "connection"}
        # A limit that never changes and many keys (a CALL and its answer): until something else than the answer asks,
        # the item that opened the wait is all that has to be kept. 0.4 µs instead of 0.8 for both.
        self.is_constant = self.within is not None and 0 < self.within.constant_ns <= RULE_WITHIN_NS
        self.is_light = self.is_constant and not self.renews and registers.has_keys
        self.survives_connection = rule.expect is not None and "connection" in rule.expect.survives
        self.survives_reboot = rule.expect is not None and "reboot" in rule.expect.survives

    # ------------------------------------------------------------------------------------------------ findings

    def violate(self, m: OcppItem, st: StationState, key: Any, verdict: Verdict = "violation", ts_ns: int = 0) -> None:
        """Tell that `m` broke the rule."""
        rule = self.rule
        try:
            text = self.describe[type(m)](m, st, key)
        except UNKNOWN:
            text = rule.title
        if self.compares and is_one_sided(m, st):
            verdict = "inconclusive"
        publish(st, self.finding(m, st, key, text, verdict, ts_ns))

    def overdue(self, wait: Wait, st: StationState) -> Finding:
        """The finding about an expectation that was not met."""
        m = wait.item
        try:
            text = self.describe[type(m)](m, st, wait.key)
        except UNKNOWN:
            text = self.rule.title
        verdict: Verdict = "inconclusive" if wait.uncertain else "violation"
        return self.finding(m, st, wait.key, text, verdict, wait.deadline_ns)

    def finding(
        self, m: OcppItem, st: StationState, key: Any, text: str, verdict: Verdict, ts_ns: int = 0, blame: str = ""
    ) -> Finding:
        """A finding with the evidence that the item and the registers give."""
        rule = self.rule
        evidence = [m.packet]
        message_id = 0
        version = st.version
        if type(m) is OcppMessage:
            message_id = m.message_id
            version = m.version
            if m.request_id:
                evidence.append(m.request_id // MESSAGES_PER_PACKET)
        else:
            message_id = getattr(m, "message_id", 0)
            upgrade = getattr(m, "upgrade", None)
            if upgrade is not None:
                evidence.insert(0, upgrade.packet)
        learned = self.registers.packet(st, key)
        if learned is not None and learned not in evidence:
            evidence.append(learned)
        return Finding(
            rule=rule.id,
            name=rule.name,
            severity=rule.severities.get(version, rule.severity),
            verdict=verdict,
            blame=_blame(blame or rule.blame, getattr(m, "side", "unknown")),
            station=st.station,
            connection=m.connection,
            ts_ns=ts_ns or m.ts_ns,
            text=text[:FINDING_TEXT_CHARACTERS],
            evidence=tuple(evidence),
            reference=rule.reference,
            message_id=message_id,
            axis=rule.axis,
            position=m.position,
        )

    # ------------------------------------------------------------------------------------------------ expect

    def open(self, m: OcppItem, st: StationState, key: Any, within_ns: int) -> None:
        """Wait for what must follow `m`."""
        if not 0 < within_ns <= RULE_WITHIN_NS:
            return
        if st.open_waits >= RULE_WAITS:
            detail = ("rule ", self.rule.id, f": {RULE_WAITS} open expectations")
            st.engine.reached("pipeline.rule_waits_limit", m, *detail)
            return
        deadline_ns = m.ts_ns + within_ns
        wait = self.waits.of(st, key)
        if wait is not None and type(wait) is not Wait:  # a light one
            absorb(st)
            wait = self.waits.of(st, key)
        st.open_waits += 1
        if wait is not None and wait.item is None and deadline_ns >= wait.deadline_ns:
            # Its place in the heap is early by now; `fire` moves it when it gets there. 1.3 µs instead of 2.6.
            wait.item = m
            wait.deadline_ns = deadline_ns
            wait.uncertain = self._is_doubtful(wait, m, st)
            return
        wait = Wait(self, key, m, deadline_ns, wait, self.renews)
        self.waits.put(st, key, wait)
        st.fresh.append(wait)
        if len(st.fresh) > FRESH_WAITS:
            absorb(st)
        st.next_ns = min(st.next_ns, deadline_ns)
        if st.blind or st.torn or st.config_uncertain:
            wait.uncertain = self._is_doubtful(wait, m, st)

    def _is_doubtful(self, wait: Wait, m: OcppItem, st: StationState) -> bool:
        if st.blind and self.is_hidden(wait, m.connection, st.blind.get(m.connection, ())):
            return True
        if m.connection in st.torn:
            # It waited behind the lost bytes, or for where frames begin: its answer may have been read before it.
            other_ns = st.heard[OTHER.get(getattr(m, "side", ""), "unknown")].get(m.connection, 0)
            if st.torn[m.connection] == m.position or other_ns > m.ts_ns:
                return True
        if not self.answers_only and type(m) is OcppMessage and m.request_id and m.request_ns <= st.lost_ns:
            return True  # what an answer promises may come before it, and was perhaps lost between CALL and answer
        within = self.within
        return st.config_uncertain and within is not None and bool(within.config) and within.config not in st.sure

    def is_hidden(self, wait: Wait, connection: int, sides: Any) -> bool:
        """Whether bytes lost on `connection` from one of `sides` could have held what `wait` waits for."""
        if not sides:
            return False
        if wait.item.connection != connection and not self.survives_connection:
            return False
        if not self.answers_only:
            return True
        answering = OTHER.get(wait.item.side)
        return answering is None or answering in sides or "unknown" in sides

    def within_config(self, st: StationState) -> int:
        """The time limit by the station's learned configuration, else the default."""
        within = self.within
        assert within is not None  # noqa: S101 - the compiler calls it for such rules only
        text = st.config.get(within.config)
        limit = within.default_ns
        if text is not None:
            try:
                limit = int(float(text) * within.unit_ns)
            except (ValueError, OverflowError):
                limit = within.default_ns
        return int(limit * within.factor) + within.plus_ns

    # ------------------------------------------------------------------------------------------------ count

    def count(self, m: OcppItem, st: StationState, key: Any) -> None:
        """Note one more trigger of `key`; tell when the window holds too many."""
        limit = self.rule.count
        assert limit is not None  # noqa: S101 - the compiler calls it for such rules only
        windows = st.slots[self.verb_slot]
        if windows is EMPTY:
            windows = st.slots[self.verb_slot] = {}
        times = windows.get(key)
        if times is None:
            make_room(st, windows, m, self.rule.id)
            # Nearly all limits are small; an empty deque has 600 octets, a list 60.
            times = windows[key] = [] if limit.max <= _FEW else deque()
        now = m.ts_ns
        times.append(now)
        while times[0] <= now - limit.within_ns:
            del times[0]
        if len(times) > limit.max:
            times.clear()  # the next finding needs a full window of its own
            self.violate(m, st, key)


def is_one_sided(m: OcppItem, st: StationState) -> bool:
    """Whether the side that did not send `m` was never heard of: its direction is perhaps not captured at all."""
    other = OTHER.get(m.side) if isinstance(m, (OcppMessage, WsControl)) else None
    return other is not None and not st.heard[other] and m.connection not in st.whole


def publish(st: StationState, finding: Finding) -> None:
    """Tell a finding, or count it when too many of its rule were told about this station."""
    follows = st.engine.program.follows
    if finding.rule in follows:
        finding.cause = _cause(st, finding, follows[finding.rule])
    if finding.rule in st.engine.program.causes:
        st.causes[finding.rule] = finding.ts_ns
    told = st.told.get(finding.rule, 0)
    if told < FINDINGS_PER_RULE:
        st.told[finding.rule] = told + 1
        st.engine.findings.append(finding)
        return
    untold = st.untold.get(finding.rule)
    if untold is None:
        st.untold[finding.rule] = [1, finding]
    else:
        untold[0] += 1
        untold[1] = finding


def _cause(st: StationState, finding: Finding, follows: tuple[str, ...]) -> str:
    """The first rule of `follows` that was broken at the same station shortly before."""
    for rule in follows:
        broken_ns = st.causes.get(rule)
        if broken_ns is not None and abs(finding.ts_ns - broken_ns) <= RULE_CAUSE_NS:
            return rule
    return ""


def settle(st: StationState, wait: Wait) -> None:
    """Close an expectation that was met or called off. The caller takes it out of its slot."""
    wait.item = None
    st.open_waits -= 1
    fresh = st.fresh
    # The usual CALL is answered before anything else is opened or due: then nobody has to look for it.
    while fresh and (last := fresh[-1]).item is None and not last.renews:
        fresh.pop()
        if not fresh and not st.light:
            st.next_ns = st.heap[0][0] if st.heap else NEVER


def absorb(st: StationState) -> None:
    """Put the waits that are not settled yet into the heap, and keep that small. Light ones become waits here."""
    heap = st.heap
    if st.light:
        for judge in st.engine.program.light:
            table = st.slots[judge.verb_slot]
            limit_ns = judge.within.constant_ns if judge.within else 0
            for key, item in table.items():
                if type(item) is not Wait:
                    wait = table[key] = Wait(judge, key, item, item.ts_ns + limit_ns, None, False)
                    st.fresh.append(wait)
        st.light = 0
    for wait in st.fresh:
        if wait.item is not None or wait.renews:
            st.number += 1
            heappush(heap, (wait.deadline_ns, st.number, wait))
    st.fresh.clear()
    if len(heap) > 2 * (st.open_waits + FRESH_WAITS):
        heap[:] = [entry for entry in heap if entry[2].item is not None or entry[2].renews]
        heapify(heap)


def unlink(st: StationState, wait: Wait) -> None:
    """Take one wait out of the chain of its key."""
    waits = wait.judge.waits
    first = waits.of(st, wait.key)
    if first is wait:
        waits.put(st, wait.key, wait.older)
        return
    while first is not None:
        if first.older is wait:
            first.older = wait.older
            return
        first = first.older


def call_off(st: StationState, connection: int, *, ended: bool, reboot: bool) -> None:
    """Drop expectations that the end of `connection` (`ended`), or anything new beside it, made pointless.

    A CALL whose connection ended is not unanswered, its answer is lost (OCPP-J 1.6 §5.3). With `ended` false the
    station came back on `connection`: what was open on its other connections is called off.
    """
    absorb(st)
    for _deadline, _number, wait in list(st.heap):
        if wait.item is None or (wait.item.connection == connection) is not ended:
            continue
        judge = wait.judge
        if judge.survives_connection and not (reboot and not judge.survives_reboot):
            continue
        if not wait.renews:
            unlink(st, wait)
        settle(st, wait)


def make_room(st: StationState, table: dict[Any, Any], m: OcppItem, rule: str) -> None:
    """Keep a keyed table within its bound: the oldest key goes."""
    if len(table) >= RULE_KEYS:
        del table[next(iter(table))]
        if not st.is_full:  # it is told once for a station: 0.3 µs less for each message of a long transaction
            st.is_full = True
            st.engine.reached("pipeline.rule_keys_limit", m, "rule ", rule, f": {RULE_KEYS} keys")


def new_row(st: StationState, slot: int, empty: list[Any], key: Any, m: OcppItem, rule: str) -> list[Any]:
    """The row of a key in the table of registers in `slot`, made like `empty` if there is none."""
    table = st.slots[slot]
    if table is EMPTY:
        table = st.slots[slot] = {}
    row: list[Any] | None = table.get(key)
    if row is None:
        make_room(st, table, m, rule)
        row = table[key] = empty.copy()
    return row


def show(value: Any, digits: int = -1) -> str:
    """A value in a finding's text."""
    if value is None:
        return "unknown"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is float:
        return f"{value:.{digits}f}" if digits >= 0 else f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3f}"
    if type(value) is int and digits > 0:
        return f"{value:.{digits}f}"
    text = ", ".join(map(show, value[:10])) if type(value) in (tuple, list) else str(value)
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 1] + "…"


def duration(seconds: float) -> str:
    """A time limit for people: 30 s, 5 min, 24 h."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit and seconds % unit == 0:
            return f"{seconds / unit:g} {name}"
    return f"{seconds:g} s"


def nanoseconds(seconds: Any) -> int:
    """A computed time limit; 0 (do not wait) when it is unknown or no number."""
    if (type(seconds) is float or type(seconds) is int) and 0 < seconds < _WITHIN_SECONDS:
        return int(seconds * 1_000_000_000)
    return 0


def _blame(blame: str, side: str) -> Blame:
    if blame == "sender":
        return side  # type: ignore[return-value]
    if blame == "receiver":
        return OTHER.get(side, "unknown")  # type: ignore[return-value]
    return blame  # type: ignore[return-value]
