"""Makes rules and items for the engine's tests."""

from __future__ import annotations

from typing import Any

from ocpp_inspect.engine import Engine, Rule
from ocpp_inspect.engine.examples import run_transcript
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.engine.reader import parse_rule
from ocpp_inspect.model import MESSAGES_PER_PACKET, ConnectionClosed, Finding, Loss, OcppMessage, Upgrade, packet_key
from ocpp_inspect.ocpp import Ocpp

SECOND = 10**9
HEAD = """\
id: TST-001
name: test-rule
title: A test
severity: error
reference: none
message: "{station}"
examples: ["0 # TST-001"]
"""


def make(text: str, **head: str) -> Rule:
    """A rule of this body; keys of the head may be replaced."""
    lines = dict(line.split(": ", 1) for line in HEAD.splitlines())
    lines |= head
    if "id" in head:
        lines["examples"] = f'["0 # {head["id"]}"]'
        lines.setdefault("name", "x")
        lines["name"] = f"test-{head['id'].lower()}"
    lines |= head
    return parse_rule("".join(f"{key}: {value}\n" for key, value in lines.items()) + text, "test.yaml")


def play(transcript: str, *rules: Rule, name: str = "TST-001") -> list[str]:
    """What is wrong with a transcript under these rules."""
    program = Program(rules, load_monitor)
    return [f"{failure.line}: {failure.text}" for failure in run_transcript(transcript, program, Ocpp().feed, rules[0])]


class Traffic:
    """Builds items; each gets the next packet."""

    def __init__(self, station: str = "CP1", connection: int = 1, version: str = "1.6") -> None:
        self.station, self.connection, self.version = station, connection, version
        self.frame = connection * 10_000

    def _next(self) -> dict[str, Any]:
        self.frame += 1
        return {"packet": packet_key(1, self.frame), "position": self.frame, "connection": self.connection}

    def message(
        self, seconds: float, kind: str, action: str = "Heartbeat", payload: Any = None, **more: Any
    ) -> OcppMessage:
        where = self._next()
        fields: dict[str, Any] = {
            "message_id": where["packet"] * MESSAGES_PER_PACKET, "station": self.station, "version": self.version,
            "side": "station" if kind in ("CALL", "SEND") else "csms", "ts_ns": round(seconds * SECOND), "kind": kind,
            "unique_id": str(self.frame), "action": action, "payload": {} if payload is None else payload,
            "raw": b"", "size": 100, "compressed": False, **where,
        }  # fmt: skip
        return OcppMessage(**(fields | more))

    def call(self, seconds: float, action: str = "Heartbeat", payload: Any = None, **more: Any) -> OcppMessage:
        return self.message(seconds, "CALL", action, payload, **more)

    def answer(self, seconds: float, call: OcppMessage, payload: Any = None, **more: Any) -> OcppMessage:
        return self.message(
            seconds, "CALLRESULT", call.action, payload, side="csms" if call.side == "station" else "station",
            request=call.payload, request_id=call.message_id, latency_ns=round(seconds * SECOND) - call.ts_ns, **more,
        )  # fmt: skip

    def loss(self, seconds: float, side: Any = "unknown", cause: Any = "gap") -> Loss:
        return Loss(ts_ns=round(seconds * SECOND), side=side, cause=cause, station=self.station, **self._next())

    def upgrade(self, seconds: float, status: int = 101, **more: Any) -> Upgrade:
        fields: dict[str, Any] = {"subprotocol": f"ocpp{self.version}", "offered": (f"ocpp{self.version}",)}
        return Upgrade(
            ts_ns=round(seconds * SECOND), status=status, station=self.station, **(fields | more), **self._next()
        )

    def closed(self, seconds: float, **more: Any) -> ConnectionClosed:
        fields: dict[str, Any] = {
            "opened_ns": 0, "client": "a", "client_port": 1, "server": "b", "server_port": 2, "joined_midway": False,
            "close_kind": "fin", "closed_by": "station", "close_code": None, "close_reason": "", "lost_bytes": 0,
            "upgrade": None, "station": self.station, "version": self.version,
        }  # fmt: skip
        return ConnectionClosed(ts_ns=round(seconds * SECOND), **(fields | more), **self._next())


def judge(items: list[Any], *rules: Rule, end: float | None = None) -> list[Finding]:
    """All findings of a run over the items, up to its end."""
    engine = Engine(rules)
    for item in items:
        engine.hear(item.station, item.connection)
    found = engine.feed(items)
    return found + engine.finish(round((end if end is not None else 0) * SECOND) or max(item.ts_ns for item in items))
