"""Expectations whose time is up in; findings out, as certain as what the capture shows of those who owe.

A loss shows only when its side speaks again, so a violation is held until then. When it does not, packets tell until
when a side sent nothing else; of a side that was not there when the time was up, nothing is certain.
"""

from __future__ import annotations

from heapq import heappop, heappush

from ocpp_inspect.engine.state import ANYWHERE, NEVER, SEEN_CONNECTIONS, Due, StationState
from ocpp_inspect.engine.verdict import OTHER, absorb, publish, unlink
from ocpp_inspect.limits import RULE_WAITS
from ocpp_inspect.model import ConnectionClosed


def fire(st: StationState, now_ns: int) -> None:
    """Judge every expectation whose deadline is over.

    A loss shows only when its side speaks again, long after the deadline perhaps. So a violation is held until then.
    """
    absorb(st)
    heap = st.heap
    while heap and heap[0][0] <= now_ns:
        deadline_ns, _number, wait = heappop(heap)
        if wait.item is None:
            if wait.renews:
                unlink(st, wait)
            continue
        if wait.deadline_ns > deadline_ns:  # renewed meanwhile
            st.number += 1
            heappush(heap, (wait.deadline_ns, st.number, wait))
            continue
        st.open_waits -= 1
        unlink(st, wait)
        judge = wait.judge
        finding = judge.overdue(wait, st)
        where = ANYWHERE if judge.survives_connection else wait.item.connection
        held = st.due.setdefault(where, [])
        if wait.uncertain or len(held) >= RULE_WAITS:
            publish(st, finding)
            continue
        side = OTHER.get(getattr(wait.item, "side", ""), "")
        held.append(Due(finding, wait, {side} if judge.answers_only and side else {"station", "csms"}))
    st.next_ns = heap[0][0] if heap else NEVER


def confirm(st: StationState, connection: int, side: str) -> None:
    """`side` of `connection` was read, without a loss before: what it owed by now it has not sent."""
    for where in (connection, ANYWHERE):
        held = st.due.get(where)
        if held and any(side in due.owing for due in held):
            rest = []
            for due in held:
                due.owing.discard(side)
                if due.owing:
                    rest.append(due)
                else:
                    publish(st, due.finding)
            st.due[where] = rest
    if not any(st.due.values()):
        st.due = {}


def conclude(st: StationState, m: ConnectionClosed) -> None:
    """A connection ended, or no more of it was captured. Who ended it was there; the other side perhaps not."""
    if m.heard_ns is not None:
        st.seen[m.connection] = m.heard_ns
        if len(st.seen) > SEEN_CONNECTIONS:
            del st.seen[next(iter(st.seen))]
    if not st.due:
        return
    held = st.due.pop(m.connection, None)
    if held:
        _publish_all(st, held, {m.closed_by} if m.close_kind != "end" else set() if m.heard_ns is not None else None)
    confirm(st, m.connection, m.closed_by)


def doubt(st: StationState, connection: int, side: str) -> None:
    """Bytes of `side` were lost (connection 0: of anybody): what is overdue may have been among them."""
    for where in list(st.due) if connection == 0 else [where for where in (connection, ANYWHERE) if where in st.due]:
        rest = []
        for due in st.due.pop(where):
            if connection == 0 or due.wait.judge.is_hidden(due.wait, connection, (side,)):
                due.finding.verdict = "inconclusive"
                publish(st, due.finding)
            else:
                rest.append(due)
        if rest:
            st.due[where] = rest


def came_back(st: StationState, connection: int) -> None:
    """The station opened `connection`: what is overdue on its others, silent since, was perhaps cut off with them."""
    for where in [where for where in st.due if where not in (connection, ANYWHERE)]:
        _publish_all(st, st.due.pop(where), set())


def give_up_waiting(st: StationState, *, live: bool = False) -> None:
    """Tell what is still held: no loss was seen. `live`: a person waits for it now."""
    for held in st.due.values():
        _publish_all(st, held, None if live or not st.seen else set())
    st.due = {}


def _publish_all(st: StationState, held: list[Due], alive: set[str] | None) -> None:
    """Tell what is held. Blamed are, unless `alive` is None, sides in it or heard of since.

    Packets tell until when a side sent nothing else; without packets, a message since the expectation opened counts.
    """
    for due in held:
        for side in due.owing:
            if not _was_there(st, due, side, alive):
                due.finding.verdict = "inconclusive"
        publish(st, due.finding)


def _was_there(st: StationState, due: Due, side: str, alive: set[str] | None) -> bool:
    """Whether `side` could be heard when the time was up."""
    connection = due.finding.connection
    last_ns: int | None = st.heard[side].get(connection)
    if last_ns is None:  # a side that was never heard of was perhaps not captured at all
        return False
    if alive is None or side in alive:
        return True
    index = 1 if side == "csms" else 0
    if due.wait.judge.survives_connection and st.seen:
        return any(heard_ns[index] >= due.finding.ts_ns for heard_ns in st.seen.values())
    if connection in st.seen:
        return st.seen[connection][index] >= due.finding.ts_ns
    opened_ns: int = due.wait.item.ts_ns
    return last_ns > opened_ns
