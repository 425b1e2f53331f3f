"""`--as 2.0.1`: what it says of real sessions; its tables agree with the schemas of both versions."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import ocpp
import pytest

from ocpp_inspect.engine import load_rules
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.pipeline import Options, temporary_analysis
from ocpp_inspect.resources import data_directory

ROOT = Path(__file__).parents[1]
SCHEMAS = Path(ocpp.__file__).parent
RULES = {rule.id: rule for rule in load_rules([data_directory("rules")], select=["migration"])}
changes: Any = sys.modules[load_monitor(RULES["MIG-001"]).__module__]


def schema(version: str, name: str) -> dict[str, Any]:
    return json.loads((SCHEMAS / version / "schemas" / f"{name}.json").read_text("utf-8-sig"))  # type: ignore[no-any-return]


def values(node: Any) -> Iterator[str]:
    """Every value of every enumeration in a schema."""
    if isinstance(node, dict):
        yield from node.get("enum", ())
        for each in node.values():
            yield from values(each)
    elif isinstance(node, list):
        for each in node:
            yield from values(each)


def actions(version: str, suffix: str) -> set[str]:
    names = {path.stem for path in (SCHEMAS / version / "schemas").glob("*.json")}
    return {name.removesuffix(suffix) for name in names if name.endswith(suffix)} if suffix else names


def findings(path: Path, **options: Any) -> list[tuple[str, str, str, str]]:
    with temporary_analysis([str(path)], Options(**options)) as name, duckdb.connect(str(name)) as database:
        return database.execute("SELECT rule, axis, severity, text FROM findings ORDER BY rule, text").fetchall()


def test_a_day_of_16_is_told_thing_by_thing() -> None:
    found = findings(ROOT / "samples" / "ocpp16-day.pcap", select=("migration",))
    assert {axis for _, axis, _, _ in found} == {"migration"}
    texts = [text for _, _, _, text in found]
    assert len(texts) == len(set(texts)) > 20
    assert any("HeartbeatInterval becomes OCPPCommCtrlr.HeartbeatInterval" in text for text in texts)
    assert any("TransactionEvent (Started)" in text for text in texts)
    assert {severity for _, _, severity, _ in found} == {"info", "warning"}


@pytest.mark.parametrize("sample", ["ocpp201-day.pcap", "ocpp21-session.pcap"])
def test_newer_versions_have_nothing_to_migrate(sample: str) -> None:
    assert findings(ROOT / "samples" / sample, select=("migration",)) == []


def test_they_judge_only_when_asked_for() -> None:
    assert not any(rule.axis == "migration" for rule in load_rules([data_directory("rules")]))
    assert {rule.id for rule in load_rules([data_directory("rules")], select=["MIG-003"])} == {"MIG-003"}
    every = load_rules([data_directory("rules")], every=True)
    assert len(every) == len(load_rules([data_directory("rules")])) + len(RULES)


def test_the_command_line(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()"]
    arguments = ["analyze", str(ROOT / "samples" / "ocpp16-day.pcap"), "--as", "2.0.1", "--format", "markdown"]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "MIG-003" in done.stdout
    refused = subprocess.run([*program, *arguments[:3], "1.6"], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2


def test_the_names_are_those_of_the_schemas() -> None:
    old = {name for name in actions("v16", "") if not name.endswith("Response")}
    new = actions("v201", "Request")
    extension = {"ExtendedTriggerMessage", "SignedFirmwareStatusNotification", "SignedUpdateFirmware"}
    assert set(changes.RENAMED) <= old | extension
    assert not set(changes.RENAMED) & new
    assert {text.split(",")[0].split(":")[0].split(";")[0].split(" ")[0] for text in changes.RENAMED.values()} <= new
    assert set(changes.RESTRUCTURED) <= old & new
    transactions = {"StartTransaction", "StopTransaction", "MeterValues"}
    told = set(changes.RENAMED) | set(changes.RESTRUCTURED) | transactions
    same = {"ClearCache", "Heartbeat", "DataTransfer"}  # and those of which other rules tell
    others = {"Authorize", "BootNotification", "Reset", "StatusNotification"}
    security = {
        "CertificateSigned", "DeleteCertificate", "GetInstalledCertificateIds", "GetLog", "InstallCertificate",
        "LogStatusNotification", "SecurityEventNotification", "SignCertificate",
    }  # fmt: skip
    assert old - told - same - others - security == set()


def test_the_values_are_those_of_the_schemas() -> None:
    assert set(values(schema("v201", "StatusNotificationRequest"))).isdisjoint(changes.STATUSES)
    assert set(values(schema("v16", "StatusNotification"))) >= changes.STATUSES
    assert set(values(schema("v16", "MeterValues"))) >= changes.GONE_MEASURANDS
    assert set(values(schema("v201", "MeterValuesRequest"))).isdisjoint(changes.GONE_MEASURANDS)
    kept = set(values(schema("v16", "StopTransaction"))) & set(values(schema("v201", "TransactionEventRequest")))
    stopped = schema("v201", "TransactionEventRequest")["definitions"]["ReasonEnumType"]["enum"]
    assert set(changes.Reasons.reasons).isdisjoint(stopped)
    old_reasons = set(schema("v16", "StopTransaction")["properties"]["reason"]["enum"])
    assert old_reasons - set(stopped) == set(changes.Reasons.reasons)
    assert kept >= {"Local", "Remote"}
    for action, value in changes.Answers.statuses:
        new = {"DiagnosticsStatusNotification": "LogStatusNotification", "ChangeConfiguration": "SetVariables"}
        suffixes = ("Request",) if action in ("DiagnosticsStatusNotification", "TriggerMessage") else ("Response",)
        for suffix in suffixes:
            assert value not in set(values(schema("v201", new.get(action, action) + suffix))), (action, value)


def test_the_variables_are_standard_ones() -> None:
    keys = set(changes.VARIABLES)
    assert keys.isdisjoint(changes.DROPPED)
    for text in changes.VARIABLES.values():
        component = text.split(".")[0]
        assert component.endswith("Ctrlr") or component.startswith("the EVSE")


def test_hostile_members_are_borne() -> None:
    import msgspec

    from ocpp_inspect.model import OcppMessage

    item = OcppMessage(1, 1, "S", "1.6", "station", 1, 1, 1, "CALL", "1", "DataTransfer", {}, b"", 0, False)
    strange: list[Any] = [
        None,
        1,
        [],
        {},
        "x" * 10_000,
        True,
        [None],
        [{"sampledValue": [None, {"value": {}}]}],
        {"a": 1},
    ]
    members = (
        "status", "errorCode", "connectorId", "configurationKey", "key", "idTag", "idTagInfo", "type", "meterValue",
        "transactionData", "reason", "vendorId", "messageId", "requestedMessage", "transactionId", "info",
    )  # fmt: skip
    for rule in RULES.values():
        if not rule.python:
            continue
        monitor = load_monitor(rule)()
        for action in ("StatusNotification", "ChangeConfiguration", "MeterValues", "DataTransfer", "StopTransaction"):
            for value in strange:
                for name in members:
                    payload = {name: value}
                    for remark in monitor.feed(msgspec.structs.replace(item, action=action, payload=payload)):
                        assert len(remark.text) < 400
                list(monitor.feed(msgspec.structs.replace(item, action=action, payload=value)))
        assert len(monitor.told) <= changes.THINGS
