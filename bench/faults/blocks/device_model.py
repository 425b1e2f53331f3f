"""Faults of configuration, variables, reports, resets and triggers."""

from __future__ import annotations

import copy

from bench.faults.fault import fault
from bench.faults.scenes.beginning import number
from bench.faults.session import Session, Stamp, after


@fault("CFG-001", also=("CFG-002",))
def key_left_out(s: Session) -> None:
    request = s.insert(
        s.quiet(), "<", "GetConfiguration", {"key": ["HeartbeatInterval", "ResetRetries", "NumberOfConnectors"]}, {}
    )
    assert request.answer is not None
    request.answer.payload = {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": str(s.interval)}],
                              "unknownKey": ["NumberOfConnectors"]}  # fmt: skip


@fault("CFG-002", also=("CFG-001",))
def more_keys_than_it_takes(s: Session) -> None:
    """GetConfigurationMaxKeys is 50."""
    keys = [f"Key{n}" for n in range(60)]
    s.insert(s.quiet(), "<", "GetConfiguration", {"key": keys}, {"unknownKey": keys})


@fault("CFG-003", note="After a boot the keys are not known before they are read again.")
def changes_what_is_read_only(s: Session) -> None:
    s.insert(
        s.quiet(),
        "<",
        "ChangeConfiguration",
        {"key": "NumberOfConnectors", "value": str(s.traits["connectors"])},
        {"status": "Accepted"},
    )


@fault("CFG-004", "settings")
def change_without_effect(s: Session) -> None:
    request = s.one("GetConfiguration", where=lambda p: p.get("key"), answer=lambda p: p.get("unknownKey"))
    assert request.answer is not None
    entry = request.answer.payload["configurationKey"][0]
    entry["value"] = "7"


@fault("CFG-005", note="After a boot the keys are not known before they are read again.")
def unknown_key_accepted(s: Session) -> None:
    """The station listed a key, and now says that it does not support it."""
    s.insert(s.quiet(), "<", "ChangeConfiguration", {"key": "ResetRetries", "value": "3"}, {"status": "NotSupported"})


@fault("CFG-006")
def key_that_everybody_has(s: Session) -> None:
    request = s.pick([r for r in s.requests("GetConfiguration") if not r.payload])
    assert request.answer is not None
    keys = request.answer.payload["configurationKey"]
    gone = s.chance.choice(
        ("ConnectionTimeOut", "MeterValueSampleInterval", "ResetRetries", "TransactionMessageAttempts")
    )
    request.answer.payload["configurationKey"] = [entry for entry in keys if entry["key"] != gone]


@fault("CFG-007", "reservation", "local_list", "smart_charging")
def profile_not_declared(s: Session) -> None:
    """Core only, and it reserves and keeps lists."""
    for request in s.requests("GetConfiguration"):
        assert request.answer is not None
        for entry in request.answer.payload.get("configurationKey", []):
            if entry["key"] == "SupportedFeatureProfiles":
                entry["value"] = "Core"


@fault("CFG-008", "settings", note="A boot or a new connection within the given time settles it.")
def reboot_required_and_none(s: Session) -> None:
    at = max(s.quiet_moments)
    if s.version == "1.6":
        s.insert(
            at,
            "<",
            "ChangeConfiguration",
            {"key": "WebSocketPingInterval", "value": "90"},
            {"status": "RebootRequired"},
        )
    else:
        place = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "WebSocketPingInterval"}}
        s.insert(at, "<", "SetVariables", {"setVariableData": [{"attributeValue": "90", **place}]},
                 {"setVariableResult": [{"attributeStatus": "RebootRequired", **place}]})  # fmt: skip
    s.end_later(90_000)


# ---------------------------------------------------------------------------------------------- variables and reports


@fault("VAR-001", "settings", also=())
def result_of_set_missing(s: Session) -> None:
    request = s.one("SetVariables")
    assert request.answer is not None
    data = request.payload["setVariableData"]
    data.append({"attributeValue": "5", "component": {"name": "AlignedDataCtrlr"}, "variable": {"name": "Interval"}})


@fault("VAR-002", "settings")
def result_of_get_missing(s: Session) -> None:
    request = s.one("GetVariables", where=lambda p: len(p["getVariableData"]) > 1)
    assert request.answer is not None
    request.answer.payload["getVariableResult"].pop()


@fault("VAR-003", "settings")
def other_attribute(s: Session) -> None:
    """Asked for Actual, told of Target."""
    request = s.one("GetVariables", where=lambda p: p["getVariableData"][0].get("attributeType") == "Actual")
    assert request.answer is not None
    request.answer.payload["getVariableResult"][0]["attributeType"] = s.chance.choice(("Target", "MinSet", "MaxSet"))


@fault("VAR-004", "settings", also=("VAR-006",))
def value_and_failure(s: Session) -> None:
    request = s.one("GetVariables")
    assert request.answer is not None
    result = s.chance.choice(request.answer.payload["getVariableResult"])
    if s.chance.random() < 0.5:
        result["attributeStatus"] = s.chance.choice(("UnknownComponent", "UnknownVariable"))
    else:
        result.pop("attributeValue")


@fault("VAR-005", "settings", also=("VAR-001", "VAR-006"))
def set_twice_at_once(s: Session) -> None:
    request = s.one("SetVariables")
    assert request.answer is not None
    entry = copy.deepcopy(request.payload["setVariableData"][0])
    request.payload["setVariableData"].append(entry | {"attributeValue": "17"})
    request.answer.payload["setVariableResult"].append(copy.deepcopy(request.answer.payload["setVariableResult"][0]))


@fault("VAR-006", "settings")
def set_without_effect(s: Session) -> None:
    request = s.one("SetVariables")
    read = s.following(request, "GetVariables")
    assert read.answer is not None
    read.answer.payload["getVariableResult"][0]["attributeValue"] = "3"


@fault("VAR-007", "report", note="The end of the connection calls it off.")
def report_never_comes(s: Session) -> None:
    request = s.one("GetBaseReport")
    s.drop_exchange(*s.requests("NotifyReport", where=lambda p: p["requestId"] == request.payload["requestId"]))


@fault("VAR-008", "report", also=("VAR-007",))
def report_of_nobody(s: Session) -> None:
    parts = s.requests("NotifyReport")
    s.need(parts)
    for part in parts:
        part.payload["requestId"] += 5000


@fault("VAR-009", "report")
def part_missing(s: Session) -> None:
    """The second part is left out, or the numbers begin with 1."""
    request = s.one("GetBaseReport")
    parts = s.requests("NotifyReport", where=lambda p: p["requestId"] == request.payload["requestId"])
    if len(parts) > 2 and s.chance.random() < 0.5:
        s.drop_exchange(parts[1])
    else:
        for part in parts:
            part.payload["seqNo"] += 1


@fault("VAR-010", "report", also=("RPC-005",), note="The end of the connection calls it off.")
def last_part_missing(s: Session) -> None:
    request = s.one("GetBaseReport")
    parts = s.requests("NotifyReport", where=lambda p: p["requestId"] == request.payload["requestId"])
    s.drop_exchange(parts[-1])


@fault("VAR-013", "network_profile")
def slot_that_is_not_there(s: Session) -> None:
    place = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "NetworkConfigurationPriority"}}
    told = {"component": place["component"], "variable": place["variable"],
            "variableAttribute": [{"type": "Actual", "value": "1,2", "mutability": "ReadWrite"}],
            "variableCharacteristics": {"dataType": "SequenceList", "supportsMonitoring": False, "valuesList": "1,2"}}  # fmt: skip
    at, request = min(s.quiet_moments), number(s, "request")
    s.insert(at, "<", "GetReport", {"requestId": request, "componentVariable": [place]}, {"status": "Accepted"})
    s.insert(at + 1, ">", "NotifyReport", {"requestId": request, "generatedAt": Stamp(at + 1), "seqNo": 0, "tbc": False,
             "reportData": [told]}, {})  # fmt: skip
    profile = s.pick(s.requests("SetNetworkProfile"))
    s.need(profile.at > at)
    profile.payload["configurationSlot"] = 9


@fault("VAR-014", "report", also=("VAR-009",))
def part_behind_the_last(s: Session) -> None:
    request = s.one("GetBaseReport")
    parts = s.requests("NotifyReport", where=lambda p: p["requestId"] == request.payload["requestId"])
    more = copy.deepcopy(parts[-1].payload)
    more["seqNo"] += 1
    s.insert(after(parts[-1]), ">", "NotifyReport", more, {})


# ---------------------------------------------------------------------------------------------- resets


@fault("RST-001", "data_transfer")
def reset_without_effect(s: Session) -> None:
    """Accepted, and nothing happens."""
    at = max(s.quiet_moments)
    s.insert(at, "<", "Reset", {"type": "Hard" if s.version == "1.6" else "Immediate"}, {"status": "Accepted"})


@fault("RST-002", "reset_in_transaction", also=("TX16-022", "TX16-002", "BOOT-018", "TX16-013"))
def stop_lost_by_a_reset(s: Session) -> None:
    stop = s.one("StopTransaction", where=lambda p: p.get("reason") in ("SoftReset", "HardReset"))
    s.drop_exchange(stop)


@fault("RST-003", "reset_in_transaction", also=("TX2-022", "TX2-029", "TX2-021"))
def end_lost_by_a_reset(s: Session) -> None:
    s.drop_exchange(s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "ResetCommand"))


@fault("RST-004", "scheduled_reset", also=("RST-001", "BOOT-014", "RST-005"))
def on_idle_accepted_at_once(s: Session) -> None:
    """OnIdle is answered with Accepted, not Scheduled, and the car charges on."""
    request = s.one("Reset", answer=lambda p: p["status"] == "Scheduled")
    assert request.answer is not None
    request.answer.payload["status"] = "Accepted"


@fault("RST-005", "reset", "reset_in_transaction", also=("BOOT-014",))
def boots_for_another_reason(s: Session) -> None:
    request = s.one("Reset", answer=lambda p: p["status"] == "Accepted")
    boot = s.following(request, "BootNotification")
    boot.payload["reason"] = s.chance.choice(("PowerUp", "Watchdog", "LocalReset"))


@fault("RST-006", "reset_in_transaction", versions="2.1", also=("RST-008",))
def resumable_and_ended(s: Session) -> None:
    """ImmediateAndResume, and the transaction ends all the same."""
    event = s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "ResetCommand")
    request = s.pick([r for r in s.requests("Reset") if r.at < event.at][-1:])
    request.payload["type"] = "ImmediateAndResume"


@fault("RST-007", "reset", also=("BOOT-014", "RST-005"))
def refused_and_done(s: Session) -> None:
    request = s.one("Reset", answer=lambda p: p["status"] == "Accepted")
    assert request.answer is not None
    s.need(s.following(request, "BootNotification").at < request.at + 55)
    request.answer.payload["status"] = "Rejected"


@fault("RST-008", "reset_in_transaction", also=("TX2-017",))
def reset_called_otherwise(s: Session) -> None:
    event = s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "ResetCommand")
    if s.chance.random() < 0.5:
        event.payload["transactionInfo"]["stoppedReason"] = s.chance.choice(("Local", "PowerLoss", "Other"))
    else:
        event.payload["triggerReason"] = s.chance.choice(("AbnormalCondition", "StopAuthorized"))


# ---------------------------------------------------------------------------------------------- triggers


@fault("TRG-001", "triggers", note="Another message of the same kind within a minute counts as the answer.")
def trigger_without_message(s: Session) -> None:
    request = s.one(
        "TriggerMessage", where=lambda p: p["requestedMessage"] in ("MeterValues", "StatusNotification", "Heartbeat")
    )
    s.drop_exchange(s.following(request, request.payload["requestedMessage"]))


@fault("TRG-002", note="Not told when an earlier request may be the cause.")
def message_before_the_answer(s: Session) -> None:
    """The station sends what it was asked for, and answers then."""
    at = s.quiet()
    name = s.chance.choice(
        (
            "FirmwareStatusNotification",
            "DiagnosticsStatusNotification" if s.version == "1.6" else "LogStatusNotification",
        )
    )
    request = s.insert(at, "<", "TriggerMessage", {"requestedMessage": name}, {"status": "Accepted"})
    message = s.insert(at + 0.1, ">", name, {"status": "Idle"}, {})
    assert request.answer is not None
    assert message.answer is not None
    message.answer.at = at + 0.2
    request.answer.at = at + 0.4


@fault("TRG-003", "triggers", also=("TRG-001",))
def idle_that_nobody_asked_for(s: Session) -> None:
    name = s.chance.choice(
        (
            "FirmwareStatusNotification",
            "DiagnosticsStatusNotification" if s.version == "1.6" else "LogStatusNotification",
        )
    )
    s.insert(s.quiet(), ">", name, {"status": "Idle"}, {})


@fault("TRG-004", "transaction")
def event_does_not_say_whether_it_charges(s: Session) -> None:
    event = s.one(
        "TransactionEvent", where=lambda p: p["triggerReason"] == "MeterValuePeriodic" and not p.get("offline")
    )
    s.insert(event.at - 0.5, "<", "TriggerMessage", {"requestedMessage": "TransactionEvent"}, {"status": "Accepted"})
    event.payload["triggerReason"] = "Trigger"
    del event.payload["transactionInfo"]["chargingState"]


@fault("TRG-005")
def status_of_which_connector(s: Session) -> None:
    s.insert(s.quiet(), "<", "TriggerMessage", {"requestedMessage": "StatusNotification"}, {"status": "Rejected"})


@fault("TRG-006")
def last_connector_left_out(s: Session) -> None:
    s.need(s.traits["connectors"] > 1)
    at = max(s.quiet_moments)
    s.insert(at, "<", "TriggerMessage", {"requestedMessage": "StatusNotification"}, {"status": "Accepted"})
    for connector in range(s.traits["connectors"]):
        s.insert(
            at + 3 + connector,
            ">",
            "StatusNotification",
            {"connectorId": connector, "errorCode": "NoError", "status": "Available"},
            {},
        )


@fault("TRG-007", "firmware", "triggers", also=("TRG-003",))
def contradicts_what_it_told(s: Session) -> None:
    """Asked while it downloads, the station says Idle."""
    step = s.one("FirmwareStatusNotification", where=lambda p: p["status"] == "Downloading")
    at = after(step) + 1
    s.insert(at, "<", "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, {"status": "Accepted"})
    s.insert(at + 1, ">", "FirmwareStatusNotification", {"status": "Idle"}, {})
