"""Faults of payloads: fields that are missing, of another type, too long, of another version."""

from __future__ import annotations

from bench.faults.fault import fault
from bench.faults.session import Payload, Session, Stamp, stamps_in

REQUIRED = {
    "DataTransfer": "vendorId", "StatusNotification": "connectorId", "UnlockConnector": "connectorId", "GetLog": "log",
    "TriggerMessage": "requestedMessage", "SecurityEventNotification": "type", "Reset": "type", "GetDiagnostics": "location",
    "CancelReservation": "reservationId", "SetDisplayMessage": "message", "CustomerInformation": "requestId",
}  # fmt: skip


@fault("SCH-001", "data_transfer", "unlock", "log", "triggers", also="RPC-010")
def required_field_missing(s: Session) -> None:
    request = s.one("DataTransfer", "UnlockConnector", "GetLog", "SecurityEventNotification", "SetDisplayMessage")
    del request.payload[REQUIRED[request.action]]


@fault("SCH-001", "unlock", "data_transfer", also="RPC-010")
def wrong_type(s: Session) -> None:
    """A text instead of a number, a number instead of a text."""
    request = s.one("UnlockConnector", "DataTransfer")
    if request.action == "UnlockConnector":
        request.payload["connectorId"] = str(request.payload["connectorId"])
    else:
        request.payload["vendorId"] = 4711


@fault("SCH-002", "unlock", also="RPC-013")
def bad_response(s: Session) -> None:
    request = s.one("UnlockConnector", "DataTransfer", "ClearCache", "Heartbeat")
    assert request.answer is not None
    request.answer.payload = s.chance.choice(({}, {"status": "Perhaps"}, {"status": None}, {"state": "Accepted"}))


@fault("SCH-003", also="RPC-010")
def unknown_field(s: Session) -> None:
    request = s.one("DataTransfer", "UnlockConnector", "Heartbeat", "StatusNotification")
    request.payload[s.chance.choice(("extra", "vendorExtension", "ConnectorId", "comment"))] = "x"


@fault("SCH-004", also="RPC-010")
def custom_data_of_nobody(s: Session) -> None:
    s.one("Heartbeat", "DataTransfer", "StatusNotification", "ClearCache").payload["customData"] = {"speed": 5}


@fault("SCH-005", "log", also=("RPC-010", "ST16-001"))
def value_not_in_enumeration(s: Session) -> None:
    """A value that sounds right."""
    request = s.one("StatusNotification", "GetLog")
    if request.action == "GetLog":
        request.payload["logType"] = s.chance.choice(("diagnosticsLog", "Everything"))
    else:
        name = "status" if s.version == "1.6" else "connectorStatus"
        request.payload[name] = s.chance.choice(("available", "Free", "Occupied" if s.version == "1.6" else "Charging"))


@fault("SCH-006", "data_transfer", also=("RPC-010",))
def text_too_long(s: Session) -> None:
    request = s.one("DataTransfer")
    request.payload["messageId"] = "m" * s.chance.randint(51, 200)


@fault("SCH-007", "transaction", also=("RPC-010",))
def unreadable_time(s: Session) -> None:
    """A date-time with a month 13, without a T, or in words."""
    request = s.one(
        "MeterValues", "StatusNotification", "SecurityEventNotification", where=lambda p: list(stamps_in(p))
    )
    wrong = s.chance.choice(("2026-13-01T00:00:00Z", "01.03.2026 12:00", "yesterday", "2026-03-02T25:00:00Z"))
    if "timestamp" in request.payload:
        request.payload["timestamp"] = wrong
    else:
        request.payload["meterValue"][0]["timestamp"] = wrong


@fault("SCH-008", also=("DQ-013", "SCH-090"))
def local_offset(s: Session) -> None:
    """A CSMS that tells its local time with an offset, in every heartbeat."""
    hours = s.chance.choice((1, 2, -5))
    for beat in s.requests("Heartbeat", "BootNotification"):
        assert beat.answer is not None
        time = beat.answer.payload["currentTime"]
        time.at += hours * 3600
        beat.answer.payload["currentTime"] = str(time).replace("Z", f"{'+' if hours > 0 else '-'}{abs(hours):02}:00")


@fault("SCH-009", "smart_charging")
def limit_too_precise(s: Session) -> None:
    request = s.one("SetChargingProfile")
    request.payload["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] = 16.25


@fault("SCH-010", "smart_charging", also=("SCH-009",))
def number_too_precise(s: Session) -> None:
    request = s.one("SetChargingProfile")
    request.payload["chargingProfile"]["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] = 16.123456789


@fault("SCH-011", "log")
def number_too_big(s: Session) -> None:
    """A number of 64 bits, such as a time in milliseconds used as a counter."""
    big = 1_772_431_200_000 + s.chance.randrange(1000)
    request = s.one("GetBaseReport", "GetLog", "CustomerInformation", "SignedUpdateFirmware", "DataTransfer")
    s.need(request.action != "DataTransfer")
    name = "requestId"
    old = request.payload[name]
    for other in s.requests(where=lambda p: p.get(name) == old):
        other.payload[name] = big


@fault("SCH-012", "transaction")
def letters_in_transaction_id(s: Session) -> None:
    old = s.one("TransactionEvent").payload["transactionInfo"]["transactionId"]
    new = s.chance.choice(("Tx Nr. 5", "Tx#5", "Größe5", "a/b"))
    for request in s.requests(where=lambda p: True):
        payload: Payload = request.payload
        if payload.get("transactionInfo", {}).get("transactionId") == old:
            payload["transactionInfo"]["transactionId"] = new
        if payload.get("transactionId") == old:
            payload["transactionId"] = new


@fault("SCH-014", "transaction", also=("RPC-014",))
def reason_demanded(s: Session) -> None:
    """The reason is optional, and this CSMS wants it."""
    request = s.one("StopTransaction")
    s.need(request.payload.get("reason", "Local") == "Local")
    request.payload.pop("reason", None)
    s.refuse(request, "OccurenceConstraintViolation", "reason is required")


@fault("SCH-016", "local_list")
def full_list_without_info(s: Session) -> None:
    request = s.one("SendLocalList", where=lambda p: p["updateType"] == "Full")
    entry = s.chance.choice(request.payload["localAuthorizationList"])
    entry.pop("idTagInfo", None)
    entry.pop("idTokenInfo", None)


@fault("SCH-017", "settings")
def more_items_than_announced(s: Session) -> None:
    """The station has said how many variables it takes in one request."""
    s.insert(min(s.quiet_moments), "<", "GetVariables", {"getVariableData": [
        {"component": {"name": "DeviceDataCtrlr"}, "variable": {"name": "ItemsPerMessage", "instance": "GetVariables"}}]},
        {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": "2", "component": {"name": "DeviceDataCtrlr"},
         "variable": {"name": "ItemsPerMessage", "instance": "GetVariables"}}]})  # fmt: skip
    asked = [{"component": {"name": "EVSE"}, "variable": {"name": f"V{n}"}} for n in range(5)]
    told = [{"attributeStatus": "UnknownVariable", **place} for place in asked]
    s.insert(max(s.quiet_moments), "<", "GetVariables", {"getVariableData": asked}, {"getVariableResult": told})


@fault("SCH-018", also=("SCH-001", "SCH-003", "RPC-010"))
def form_of_another_version(s: Session) -> None:
    """A message as 2.0.1 has it in a 1.6 connection, or the reverse."""
    request = s.one("StatusNotification", where=lambda p: "Available" in p.values())
    if s.version == "1.6":
        request.payload = {
            "timestamp": Stamp(request.at),
            "connectorStatus": "Available",
            "evseId": 1,
            "connectorId": 1,
        }
    else:
        request.payload = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


@fault("SCH-090", "transaction")
def legal_but_risky_time(s: Session) -> None:
    """Legal, refused by many: a small t or z; in 1.6 (ISO 8601) a comma, no seconds, an offset of hours only."""
    request = s.one(
        "MeterValues", "TransactionEvent", "StatusNotification", where=lambda p: "timestamp" in p or "meterValue" in p
    )
    holder = request.payload if "timestamp" in request.payload else request.payload["meterValue"][0]
    text = str(holder["timestamp"])
    forms = [text.replace("T", "t"), text.replace("Z", "z")]
    if s.version == "1.6":
        forms += [text.partition(".")[0].rstrip("Z") + ",5Z", text.replace("Z", "+00")]
    holder["timestamp"] = s.chance.choice(forms)
