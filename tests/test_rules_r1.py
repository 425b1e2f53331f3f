"""What the examples of the rules of transport, framing and RPC cannot say: evidence, blame, severity by version."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocpp_inspect.engine import Engine, Rule, load_rules
from ocpp_inspect.model import Finding, Upgrade, WsItem, WsMessage, packet_key
from ocpp_inspect.ocpp import Ocpp

RULES = Path(__file__).parents[1] / "rules"
SECOND = 10**9


@pytest.fixture(scope="module")
def rules() -> list[Rule]:
    return [rule for rule in load_rules([RULES]) if rule.id.startswith(("CON-", "FRM-", "RPC-", "SCH-", "SEC-"))]


def run(rules: list[Rule], *lines: tuple[float, str, bytes], version: str = "1.6", **upgrade: object) -> list[Finding]:
    """Findings about one connection; each line is the packet that follows the upgrade's, which is packet 1."""
    fields: dict[str, object] = {"path": "/ocpp/CP1", "offered": (f"ocpp{version}",), "subprotocol": f"ocpp{version}"}
    fields |= {"client": "a", "tls": True} | upgrade
    items: list[WsItem] = [Upgrade(1, 0, packet_key(1, 1), 1, 101, **fields)]  # type: ignore[arg-type]
    for number, (seconds, side, payload) in enumerate(lines, start=2):
        at, packet = round(seconds * SECOND), packet_key(1, number)
        items.append(WsMessage(1, side, at, at, packet, number, 1, payload, 1, False, packet))  # type: ignore[arg-type]
    engine = Engine(rules)
    return engine.feed(Ocpp().feed(items)) + engine.finish(items[-1].ts_ns)


def frames(finding: Finding) -> list[int]:
    return [packet % 10**10 for packet in finding.evidence]


def test_the_later_call_is_evidence_of_an_overlap(rules: list[Rule]) -> None:
    lines = (
        (1.0, "station", b'[2,"1","Heartbeat",{}]'),
        (1.5, "station", b'[2,"2","Heartbeat",{}]'),
        (2.0, "csms", b'[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]'),
        (2.1, "csms", b'[3,"2",{"currentTime":"2026-01-01T00:00:00Z"}]'),
    )
    (old,) = run(rules, *lines)
    (new,) = run(rules, *lines, version="2.0.1")
    for found in (old, new):
        assert (found.rule, found.blame, sorted(frames(found))) == ("RPC-004", "station", [2, 3, 4])
    assert (old.severity, new.severity) == ("warning", "error")
    assert "0.500 s after Heartbeat" in old.text


def test_what_was_told_before_is_no_evidence(rules: list[Rule]) -> None:
    found = run(
        rules,
        (1.0, "station", b'[2,"1","Authorize",{"idTag":7}]'),
        (1.1, "csms", b'[4,"1","TypeConstraintViolation","",{}]'),
        (2.0, "station", b'[2,"2","Authorize",{"idTag":8}]'),
        (2.1, "csms", b'[4,"2","TypeConstraintViolation","",{}]'),
    )
    assert [(each.rule, frames(each)) for each in found] == [("SCH-001", [2]), ("SCH-001", [4])]


def test_many_equal_faults_of_one_message_are_one_finding(rules: list[Rule]) -> None:
    samples = b",".join(b'{"value":%d}' % value for value in range(20))
    values = b'{"timestamp":"2026-01-01T00:00:00Z","sampledValue":[%b]}' % samples
    call = b'[2,"1","MeterValues",{"connectorId":1,"meterValue":[%b]}]'
    found = run(rules, (1.0, "station", call % values), (1.1, "csms", b'[4,"1","TypeConstraintViolation","",{}]'))
    assert [(each.rule, each.blame) for each in found] == [("SCH-001", "station")]


def test_the_upgrade_is_evidence_when_messages_show_that_it_was_ocpp(rules: list[Rule]) -> None:
    boot = b'[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
    (found,) = run(rules, (1.0, "station", boot), path="/stations/CP1", offered=(), subprotocol=None)
    assert (found.rule, found.blame, frames(found)) == ("CON-001", "station", [2, 1])


def test_no_secret_is_written_into_a_finding(rules: list[Rule]) -> None:
    call = b'[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"00112233445566778899"}]'
    found = run(rules, (1.0, "csms", call), tls=False, user="CP1")
    assert [each.rule for each in found] == ["SEC-009", "SEC-010"]
    assert not [each for each in found if "0011" in each.text]
