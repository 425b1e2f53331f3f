"""OcppItem in, Finding out: rules run over each station's items in order, with timers by capture time.

A deadline is judged before the next item of the same station, or when time is told to pass (`tick`, `finish`). No state
crosses stations, so findings do not depend on how the stream is cut into batches or shared between workers; their order
is given by (ts_ns, position, rule), and those of one `feed` come in it.

A message costs what the rules that look at its kind and action cost, however many others there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Final

from ocpp_inspect.engine.acceptance import Acceptance, accept
from ocpp_inspect.engine.compile import Handler
from ocpp_inspect.engine.legs import inner_leg
from ocpp_inspect.engine.monitor import SWITCHED_OFF, Absent, Monitor, Remark
from ocpp_inspect.engine.overdue import came_back, conclude, confirm, doubt, fire, give_up_waiting
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.engine.rule import Rule
from ocpp_inspect.engine.state import HANDSHAKES, StationState
from ocpp_inspect.engine.verdict import UNKNOWN, Judge, absorb, call_off, is_one_sided, publish
from ocpp_inspect.limits import RULE_STATIONS
from ocpp_inspect.model import (
    Anomaly,
    ConnectionClosed,
    Finding,
    Loss,
    OcppItem,
    OcppMessage,
    TlsSession,
    Upgrade,
    WsControl,
)

_ORDER: Final = attrgetter("ts_ns", "position", "rule")
_KNOWN_ANOMALIES: Final = 2000  # names whose handlers are remembered; ours are a few hundred
_VERSION_OF: Final = {"ocpp1.6": "1.6", "ocpp2.0": "2.0", "ocpp2.0.1": "2.0.1", "ocpp2.1": "2.1"}


class Engine:
    """Runs rules."""

    def __init__(
        self,
        rules: Sequence[Rule] | Program,
        *,
        stations: int = RULE_STATIONS,
        acceptances: Sequence[Acceptance] = (),
    ) -> None:
        self._acceptances = acceptances
        program = rules if isinstance(rules, Program) else Program(rules, load_monitor)
        self.program = program
        self.findings: list[Finding] = []
        self.anomalies: list[Anomaly] = []
        self.counters: dict[str, int] = {"findings": 0, "undecidable": 0}
        self._reached: set[tuple[str, str]] = set()
        self._limit = stations
        self._stations: dict[str, StationState] = {}
        self._messages = program.messages
        self._upgrade = program.events("upgrade")
        self._closed = program.events("closed")
        self._loss = program.events("loss")
        self._tls = program.events("tls")
        self._control = {kind: program.events("control", kind) for kind in ("ping", "pong", "close")}
        self._anomaly: dict[str, tuple[Handler, ...]] = {}
        self._last: OcppMessage | None = None

    def feed(self, items: Sequence[OcppItem]) -> list[Finding]:
        """Judge items, those of each station in order."""
        for own in _by_station(items):
            self.judge(own)
        return self.take()

    def judge(self, items: Sequence[OcppItem]) -> None:
        """Judge items of one station; `take` gives the findings."""
        messages = self._messages
        st = self._stations.get(items[0].station)
        if st is None:
            st = self._admit(items[0])
        odd = st.is_odd  # changes only where something is due, and by what is no message
        for m in items:
            if odd and m.connection in st.doubles:
                if type(m) is ConnectionClosed:
                    st.doubles.discard(m.connection)
                continue
            if m.ts_ns >= st.next_ns:
                fire(st, m.ts_ns)
                odd = st.is_odd
            if odd and st.due:
                self._heard(m, st)
            if type(m) is not OcppMessage:
                self._event(m, st)
                odd = st.is_odd
                continue
            self._last = m
            st.heard[m.side][m.connection] = m.ts_ns  # 70 ns
            if m.version != st.version:
                st.version = m.version
                st.tables = messages.get(m.version, messages[""])
            if odd and st.blind:
                _sees(st, m)
            judge = st.tables.get((m.kind, m.action, m.side))
            if judge is None:
                version = m.version if m.version in messages else ""
                judge = self.program.judge_of(version, m.kind, m.action, m.side)
            judge(m, st)
            if odd and st.torn.get(m.connection) == m.position:
                self._forget(st)  # it waited with the lost bytes, which came behind it perhaps
        st.last_ns = items[-1].ts_ns

    def tick(self, now_ns: int) -> list[Finding]:
        """Let time pass: what is overdue is judged."""
        for st in self._stations.values():
            if now_ns >= st.next_ns:
                fire(st, now_ns)
            if st.due:
                give_up_waiting(st, live=True)
            self._remark(st, "tick", now_ns)
        return self.take()

    def finish(self, end_ns: int) -> list[Finding]:
        """The capture ends: what is overdue is judged, what is not due yet is dropped."""
        for st in self._stations.values():
            fire(st, end_ns)
            give_up_waiting(st)
            self._conclude(st, end_ns)
        self._stations.clear()
        self._last = None
        return self.take()

    def take_anomalies(self) -> list[Anomaly]:
        """The bounds that were reached since the last call."""
        taken, self.anomalies = self.anomalies, []
        return taken

    def state(self, station: str) -> StationState | None:
        """What is kept about a station: for tests and transcripts."""
        return self._stations.get(station)

    def hear(self, station: str, connection: int) -> None:
        """Say that both sides of a connection are captured, although none was heard of yet."""
        st = self._stations.get(station)
        if st is None:
            st = self._stations[station] = StationState(self, station, self.program.slots)
        st.heard["station"][connection] = 0
        st.heard["csms"][connection] = 0

    # ------------------------------------------------------------------------------------------------ for handlers

    def reached(self, name: str, m: OcppItem, *detail: str) -> None:
        """Report a bound, once for each station and kind. It may be reached by every message from now on."""
        if (name, m.station) in self._reached or len(self._reached) >= _KNOWN_ANOMALIES:
            return
        self._reached.add((name, m.station))
        text = "".join(detail)
        self.anomalies.append(Anomaly(name, m.ts_ns, m.packet, m.position, m.connection, "unknown", text, m.station))

    def watch(self, m: OcppItem, st: StationState, judge: Judge, slot: int, monitor: type[Monitor]) -> None:
        """Show a Python rule the first item of a station."""
        watcher = st.slots[slot] = monitor()
        watcher.asleep = False  # an attribute of its own is read faster than that of its class
        try:
            if st.lost_ns >= 0:
                watcher.forget()  # what it was not shown, and would have known, may have been lost
            remarks = watcher.feed(m)
        except Exception as error:  # noqa: BLE001 - a third party's rule must not end the analysis
            self.failed(st, judge, slot, error, m)
            return
        if remarks != ():
            self.tell(m, st, judge, slot, remarks)
        _note_rest(st, slot, watcher)

    def tell(self, m: OcppItem, st: StationState, judge: Judge, slot: int, remarks: Iterable[Remark]) -> None:
        """Tell what a Python rule remarked."""
        try:
            told = tuple(remarks)  # a generator runs here
        except Exception as error:  # noqa: BLE001 - a third party's rule must not end the analysis
            self.failed(st, judge, slot, error, m)
            return
        for remark in told:
            self._say(st, judge, remark)

    # ------------------------------------------------------------------------------------------------ events

    @staticmethod
    def _heard(m: Any, st: StationState) -> None:
        """Settle what is overdue by the next sign of the side that owes it."""
        kind = type(m)
        if kind is OcppMessage or kind is WsControl:
            confirm(st, m.connection, m.side)
        elif kind is Loss:
            doubt(st, m.connection, m.side)

    def _event(self, m: Any, st: StationState) -> None:  # noqa: PLR0912 - a branch for each kind
        """Everything that is no OCPP message."""
        kind = type(m)
        if kind is Anomaly:
            handlers = self._anomaly.get(m.name)
            if handlers is None:
                handlers = self.program.anomaly(m.name)
                if len(self._anomaly) < _KNOWN_ANOMALIES:
                    self._anomaly[m.name] = handlers
            if handlers:
                last = self._last
                st.about = last if last is not None and m.message_id and last.message_id == m.message_id else None
                self._run(handlers, m, st)
                st.about = None
        elif kind is WsControl:
            if m.connection in st.heard[m.side]:
                st.heard[m.side][m.connection] = m.ts_ns
            answering, others = self._control.get(m.kind, ((), ()))
            self._run(answering, m, st)
            self._run(others, m, st)
        elif kind is Upgrade:
            inner = inner_leg(st, m)
            if inner is None or len(st.doubles) >= HANDSHAKES:
                self._opened(m, st)
            else:
                self._leave_out(m, inner, st)
        elif kind is ConnectionClosed:
            conclude(st, m)
            self._run(self._closed[0], m, st)
            # "idle" and "end" say that nothing more was seen, not that the connection ended.
            if st.open_waits and m.close_kind not in ("idle", "end"):
                call_off(st, m.connection, ended=True, reboot=False)
            self._run(self._closed[1], m, st)
            st.whole.discard(m.connection)
            st.blind.pop(m.connection, None)
            for connections in st.heard.values():
                while len(connections) > _KNOWN_ANOMALIES:
                    del connections[next(iter(connections))]
        elif kind is Loss:
            self._lost(m, st)
        elif kind is TlsSession and m.phase == "handshake":
            self._run(self._tls[0], m, st)
            self._run(self._tls[1], m, st)

    def _leave_out(self, m: Upgrade, inner: Upgrade, st: StationState) -> None:
        """The other leg of this session is judged already."""
        st.doubles.add(m.connection)
        detail = (
            f"what {inner.client}:{inner.client_port} and {inner.server}:{inner.server_port} say is judged; between"
            f" {m.client}:{m.client_port} and {m.server}:{m.server_port} it is the same, seen on both sides of a proxy"
        )
        self.anomalies.append(
            Anomaly("pipeline.same_session", m.ts_ns, m.packet, m.position, m.connection, "unknown", detail, m.station)
        )

    def _opened(self, m: Upgrade, st: StationState) -> None:
        accepted = m.status == 101
        if accepted:
            st.version = _VERSION_OF.get((m.subprotocol or "").lower(), st.version)
            st.tables = self._messages[st.version]
        self._run(self._upgrade[0], m, st)
        if accepted:
            for _slot, _judge, monitor in self._shown(st):
                monitor.asleep = False
            if st.open_waits:
                call_off(st, m.connection, ended=False, reboot=False)
            if st.due:
                came_back(st, m.connection)
            st.heard["csms"][m.connection] = m.ts_ns
            heads = m.request_complete and m.answer_complete
            if heads and m.connection not in st.blind and len(st.whole) < _KNOWN_ANOMALIES:
                st.whole.add(m.connection)
        self._run(self._upgrade[1], m, st)

    def _lost(self, m: Loss, st: StationState) -> None:
        """What was learned may have changed unseen; what is awaited may have come unseen."""
        targets = self._stations.values() if not m.connection and not m.station else (st,)
        for target in targets:
            self._taint(target, m)
        self._run(self._loss[0], m, st)
        self._run(self._loss[1], m, st)

    def _forget(self, st: StationState) -> None:
        """What was learned of a station is unknown now: a change may be among what was lost."""
        for slot in self.program.register_slots:
            st.slots[slot] = self.program.slots[slot]
        for slot, _judge, monitor in self._shown(st):
            monitor.forget()
            _note_rest(st, slot, monitor)
        st.config_uncertain = bool(st.config)
        st.sure.clear()
        st.facts.clear()

    def _taint(self, st: StationState, m: Loss) -> None:
        self._forget(st)
        absorb(st)
        st.lost_ns = max(st.lost_ns, m.ts_ns)
        if not m.connection:
            st.whole.clear()
            st.torn[0] = m.position
            doubt(st, 0, m.side)
            for _deadline, _number, wait in st.heap:
                wait.uncertain = True
            return
        st.whole.discard(m.connection)
        st.torn[m.connection] = m.position
        while len(st.torn) > _KNOWN_ANOMALIES:
            del st.torn[next(iter(st.torn))]
        # Until the side is read again, nothing that it says is seen; a lost inflate history may hide any later message.
        sides = st.blind.setdefault(m.connection, {})
        sides[m.side] = sides.get(m.side, False) or m.cause == "inflate"
        for _deadline, _number, wait in st.heap:
            if wait.item is not None and wait.judge.is_hidden(wait, m.connection, (m.side,)):
                wait.uncertain = True
        while len(st.blind) > _KNOWN_ANOMALIES:
            del st.blind[next(iter(st.blind))]

    def _run(self, handlers: tuple[Handler, ...], m: Any, st: StationState) -> None:
        for handler in handlers:
            try:
                handler(m, st)
            except UNKNOWN:
                self.counters["undecidable"] += 1

    # ------------------------------------------------------------------------------------------------ stations

    def _admit(self, m: OcppItem) -> StationState:
        if len(self._stations) >= self._limit:
            self._evict(m)
        st = self._stations[m.station] = StationState(self, m.station, self.program.slots)
        return st

    def _evict(self, m: OcppItem) -> None:
        """Drop the quietest of the 16 stations that were admitted first; a scan of identities must not cost others."""
        oldest = [name for name, _ in zip(self._stations, range(16), strict=False)]
        name = min(oldest, key=lambda name: self._stations[name].last_ns)
        st = self._stations.pop(name)
        give_up_waiting(st)
        self._conclude(st, m.ts_ns)
        for kept in oldest:
            if kept != name:
                self._stations[kept] = self._stations.pop(kept)
        self.reached("pipeline.rule_stations_limit", m, f"more than {self._limit} stations")

    def _conclude(self, st: StationState, end_ns: int) -> None:
        self._remark(st, "finish", end_ns)
        for number, finding in st.untold.values():
            finding.text = f"{finding.text} (the last of {number} more findings like this, not told one by one)"
            self.findings.append(finding)

    def _shown(self, st: StationState) -> Iterator[tuple[int, Judge, Monitor]]:
        """(slot, judge, rule) of each Python rule that was shown something of the station."""
        for slot, judge in self.program.monitors:
            if type(monitor := st.slots[slot]) is not Absent:
                yield slot, judge, monitor

    def _remark(self, st: StationState, method: str, now_ns: int) -> None:
        """Tell the Python rules that time passed."""
        for slot, judge, monitor in self._shown(st):
            try:
                remarks: Iterable[Remark] = tuple(getattr(monitor, method)(now_ns))
            except Exception as error:  # noqa: BLE001 - a third party's rule must not end the analysis
                self.failed(st, judge, slot, error, Anomaly("", now_ns, 0, 0, station=st.station))
                continue
            _note_rest(st, slot, monitor)
            for remark in remarks:
                self._say(st, judge, remark)

    def failed(self, st: StationState, judge: Judge, slot: int, error: Exception, item: OcppItem) -> None:
        """A Python rule that raises is switched off for this station."""
        st.slots[slot] = SWITCHED_OFF
        self.reached("pipeline.rule_failed", item, f"rule {judge.rule.id}: {type(error).__name__}: {error}")

    @staticmethod
    def _say(st: StationState, judge: Judge, remark: Remark) -> None:
        verdict = "inconclusive" if is_one_sided(remark.item, st) else remark.verdict
        publish(st, judge.finding(remark.item, st, 0, remark.text, verdict, remark.ts_ns, remark.blame))

    def take(self) -> list[Finding]:
        """The findings since the last call."""
        found, self.findings = self.findings, []
        found.sort(key=_ORDER)
        self.counters["findings"] += len(found)
        if self._acceptances and found:
            accept(found, self._acceptances)
        return found


def _note_rest(st: StationState, slot: int, monitor: Monitor) -> None:
    """A rule in Python was told something by other ways than a message: it may have to be shown the next one."""
    if monitor.rests("w") and not monitor.resting:
        st.restless.add(slot)


def _by_station(items: Sequence[OcppItem]) -> Iterable[Sequence[OcppItem]]:
    """The items of one station after those of another: its state stays in the processor's nearest cache meanwhile.

    With 100 stations that takes a fifth off the time of all rules. A loss of everybody's bytes keeps its place.
    """
    groups: dict[str, list[OcppItem]] = {}
    for m in items:
        group = groups.get(m.station)
        if group is None:
            groups[m.station] = [m]
        else:
            group.append(m)
    if any(type(m) is Loss and not m.connection for m in groups.get("", ())):
        return [[m] for m in items]
    return groups.values()


def _sees(st: StationState, m: OcppMessage) -> None:
    """A message of a side was read: the side is seen again, unless its inflate history is lost for good."""
    sides = st.blind.get(m.connection)
    if not sides:
        return
    for side in (m.side, "unknown"):
        if sides.get(side) is False:
            del sides[side]
    if not sides:
        del st.blind[m.connection]
