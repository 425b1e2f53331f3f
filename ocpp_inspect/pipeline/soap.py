"""StreamBatch in, OCPP items and findings of what came over SOAP out: a lane of its own beside the WebSocket's.

Its ocpp room and its rules share nothing with those of the other lane, so that what is found does not depend on which
worker has which of them; both are made when the first SOAP message comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import structs

from ocpp_inspect.engine import Acceptance, Engine, callers
from ocpp_inspect.engine.program import Program
from ocpp_inspect.limits import STATIONS
from ocpp_inspect.model import Anomaly, Finding, Loss, OcppItem, OcppMessage, SoapItem, StreamBatch
from ocpp_inspect.ocpp import SoapOcpp
from ocpp_inspect.soap import Soap

_NEVER: Final = 1 << 63


class SoapLane:
    """The soap room and what follows it."""

    def __init__(self, program: Program, *, validate: bool, acceptances: Sequence[Acceptance]) -> None:
        self.soap = Soap()
        self._program = program
        self._validate = validate
        self._acceptances = acceptances
        self._rests_on: dict[str, frozenset[str]] = {}  # rule → sides whose requests it needs to see
        self._called: dict[str, dict[str, int]] = {}  # station → side → when its first request was seen
        self._ocpp: SoapOcpp | None = None
        self._engine: Engine | None = None

    def feed(self, streams: StreamBatch, losses: Sequence[Loss]) -> tuple[list[OcppItem], list[Finding]]:
        """Decode and judge a batch; `losses` may concern any station."""
        return self._judge(self.soap.feed(streams), losses)

    def tick(self, now_ns: int) -> tuple[list[OcppItem], list[Finding]]:
        """Let time pass."""
        items, findings = self._judge(self.soap.tick(now_ns), ())
        if self._engine is not None:
            findings += self._told(self._engine.tick(now_ns))
            items += self._engine.take_anomalies()
        return items, findings

    def finish(self, end_ns: int) -> tuple[list[OcppItem], list[Finding]]:
        """Close what is open at the end."""
        items, findings = self._judge(self.soap.finish(end_ns), ())
        if self._engine is not None:
            findings += self._told(self._engine.finish(end_ns))
            items += self._engine.take_anomalies()
        return items, findings

    def counters(self) -> dict[str, dict[str, int]]:
        """What its rooms counted: room → name → number."""
        found = {"soap": {name: number for name, number in self.soap.counters.items() if number}}
        return found if self._ocpp is None else found | {"ocpp": structs.asdict(self._ocpp.counters)}

    def _judge(self, read: list[SoapItem], losses: Sequence[Loss]) -> tuple[list[OcppItem], list[Finding]]:
        if not read and (self._engine is None or not losses):
            return [], []
        if self._ocpp is None or self._engine is None:
            self._ocpp = SoapOcpp(validate=self._validate)
            program = self._program.over("soap")
            self._engine = Engine(program, acceptances=self._acceptances)
            self._rests_on = {rule.id: callers(rule) for rule in program.rules}
        items = self._ocpp.feed_soap(read)
        judged = sorted([*items, *losses], key=_position) if losses else items
        for item in items:
            if type(item) is OcppMessage and item.kind == "CALL":
                self._called.setdefault(item.station, {}).setdefault(item.side, item.ts_ns)
                if len(self._called) > STATIONS:
                    del self._called[next(iter(self._called))]
        findings = self._told(self._engine.feed(judged))
        anomalies: list[Anomaly] = self._engine.take_anomalies()
        return [*items, *anomalies], findings

    def _told(self, findings: list[Finding]) -> list[Finding]:
        """The findings; those that rest on requests of a side whose connections were not captured are no violations."""
        for finding in findings:
            called = self._called.get(finding.station, {})
            if any(called.get(side, _NEVER) > finding.ts_ns for side in self._rests_on.get(finding.rule, ())):
                finding.verdict = "inconclusive"
        return findings


def _position(item: OcppItem) -> int:
    return item.position
