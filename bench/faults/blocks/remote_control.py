"""Faults of remote starts and stops, and of unlocking."""

from __future__ import annotations

import copy

from bench.faults.fault import fault
from bench.faults.scenes.beginning import number, tag
from bench.faults.session import Session, Step, after

STARTS = ("RemoteStartTransaction", "RequestStartTransaction")
STOPS = ("RemoteStopTransaction", "RequestStopTransaction")


def running(s: Session) -> list[Step]:
    """Messages of one transaction of OCPP 2.x on one connection, from its beginning to its end."""
    found: dict[str, list[Step]] = {}
    for event in s.requests("TransactionEvent"):
        found.setdefault(event.payload["transactionInfo"]["transactionId"], []).append(event)
    return list(s.pick([e for e in found.values() if len({x.label for x in e}) == 1 and len(e) > 5]))


def charging(s: Session) -> tuple[int, object, float]:
    """(connector or EVSE, transaction, a moment in the middle) of one that runs."""
    if s.version == "1.6":
        start = s.one("StartTransaction", answer=lambda p: p.get("transactionId", 0) > 0)
        assert start.answer is not None
        name = start.answer.payload["transactionId"]
        stop = s.following(start, "StopTransaction", where=lambda p: p["transactionId"] == name)
        s.need(stop.at > start.at + 130 and stop.label == start.label)
        return start.payload["connectorId"], name, start.at + 40
    events = running(s)
    s.need(events[-1].at > events[0].at + 140)
    place = next(e.payload["evse"]["id"] for e in events if "evse" in e.payload)
    begun = next(e for e in events if e.payload["transactionInfo"]["chargingState"] == "Charging")
    return place, events[0].payload["transactionInfo"]["transactionId"], after(begun) + 20


def remote_start(s: Session, at: float, **more: object) -> Step:
    """The CSMS asks, the station accepts."""
    if s.version == "1.6":
        return s.insert(at, "<", STARTS[0], {"idTag": tag(s), **more}, {"status": "Accepted"})
    request = {"idToken": {"idToken": tag(s), "type": "Central"}, "remoteStartId": number(s, "request"), **more}
    return s.insert(at, "<", STARTS[1], request, {"status": "Accepted"})


def in_a_pause(s: Session) -> float:
    """The last pause, behind which nothing begins."""
    return max(s.quiet_moments)


@fault("RC-001")
def remote_start_without_effect(s: Session) -> None:
    remote_start(s, in_a_pause(s), connectorId=1)


@fault(
    "RC-002",
    "remote_transaction",
    also=("TX16-013", "TX16-022", "TX16-002", "BOOT-018", "RST-002", "AVL-001", "RC-012"),
    note="A boot within the two minutes settles it.",
)
def remote_stop_without_effect(s: Session) -> None:
    """Accepted, and the car charges on; the stop is never told."""
    request = s.one(STOPS[0])
    s.drop_exchange(
        s.following(request, "StopTransaction", where=lambda p: p["transactionId"] == request.payload["transactionId"])
    )


@fault("RC-003", "transaction", also=("RC-002", "RC-010"))
def stops_what_has_ended(s: Session) -> None:
    """The CSMS asks for a transaction that is over, and the station says yes."""
    if s.version == "1.6":
        stop = s.one("StopTransaction")
        at, name = after(stop) + 70, stop.payload["transactionId"]
        action = STOPS[0]
    else:
        event = s.one("TransactionEvent", where=lambda p: p["eventType"] == "Ended")
        at, name = after(event) + 70, event.payload["transactionInfo"]["transactionId"]
        action = STOPS[1]
    s.insert(at, "<", action, {"transactionId": name}, {"status": "Accepted"})


@fault("RC-004", "remote_transaction", also=("SC-001", "SC-002", "SC-003", "SC-004", "SC-005"))
def profile_of_another_kind(s: Session) -> None:
    request = s.one(*STARTS, where=lambda p: "chargingProfile" in p)
    profile = request.payload["chargingProfile"]
    if s.chance.random() < 0.5:
        profile["chargingProfilePurpose"] = "TxDefaultProfile"
    else:
        profile["transactionId"] = 5 if s.version == "1.6" else "T5"


@fault("RC-005", also=("TX2-024",))
def request_start_without_effect(s: Session) -> None:
    where = {"component": {"name": "TxCtrlr"}, "variable": {"name": "TxStartPoint"}}
    s.insert(in_a_pause(s), "<", "GetVariables", {"getVariableData": [where]}, {"getVariableResult": [
        {"attributeStatus": "Accepted", "attributeValue": "Authorized", **where}]})  # fmt: skip
    remote_start(s, in_a_pause(s), evseId=1)


@fault("RC-006", "remote_transaction", also=("RC-005", "TX2-010"))
def started_without_its_number(s: Session) -> None:
    """The event that follows lacks the trigger, the number or the token."""
    event = s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "RemoteStart")
    what = s.chance.choice(("trigger", "token"))
    if what == "trigger":
        event.payload["triggerReason"] = "CablePluggedIn"
    else:
        del event.payload["idToken"]
        assert event.answer is not None
        event.answer.payload = {}


@fault("RC-007", "remote_transaction", also=("RC-005",))
def number_of_nobody(s: Session) -> None:
    event = s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "RemoteStart")
    event.payload["transactionInfo"]["remoteStartId"] += 5000


@fault("RC-008", "transaction", also=("RC-005",))
def waiting_transaction_not_named(s: Session) -> None:
    """The cable is plugged, the driver starts by app, the answer does not say which transaction it takes."""
    events = running(s)
    authorized = s.pick([e for e in events if e.payload["triggerReason"] == "Authorized"])
    s.need(events[0].payload["triggerReason"] == "CablePluggedIn" and authorized is events[1])
    place = events[0].payload["evse"]["id"]
    s.shift(authorized.at - 0.2, 12)
    request = remote_start(s, after(events[0]) + 6, evseId=place)
    s.drop_exchange(*[a for a in s.requests("Authorize") if events[0].at < a.at < authorized.at])
    authorized.payload |= {"triggerReason": "RemoteStart", "idToken": request.payload["idToken"]}
    authorized.payload["transactionInfo"]["remoteStartId"] = request.payload["remoteStartId"]


@fault("RC-009", "transaction", also=("RC-005", "TX2-022"))
def remote_start_where_somebody_charges(s: Session) -> None:
    place, _, at = charging(s)
    remote_start(s, at, evseId=place)


@fault(
    "RC-010",
    "remote_transaction",
    also=("TX2-022", "TX2-029", "RST-003", "TX2-021", "RC-009", "AVL-001", "RC-012", "RST-004", "TX2-024"),
    note="A boot, or the end of the connection, settles it.",
)
def request_stop_without_effect(s: Session) -> None:
    """Accepted, and the transaction has no further event."""
    request = s.one(STOPS[1])
    events = s.requests(
        "TransactionEvent", where=lambda p: p["transactionInfo"]["transactionId"] == request.payload["transactionId"]
    )
    s.drop_exchange(*[event for event in events if event.at > request.at])


@fault("RC-011", "remote_transaction", also=("AUTH-001",))
def asks_about_the_tag_of_a_remote_start(s: Session) -> None:
    """AuthorizeRemoteTxRequests is false."""
    request = s.one(STARTS[0])
    s.insert(
        after(request) + 0.5,
        ">",
        "Authorize",
        {"idTag": request.payload["idTag"]},
        {"idTagInfo": {"status": "Accepted"}},
    )


@fault("RC-012", "transaction")
def unlocked_while_it_charges(s: Session) -> None:
    place, _, at = charging(s)
    where = {"connectorId": place} if s.version == "1.6" else {"evseId": place, "connectorId": 1}
    s.insert(at, "<", "UnlockConnector", where, {"status": "Unlocked"})


@fault("RC-013")
def unlocks_what_is_not_there(s: Session) -> None:
    s.insert(
        s.quiet(),
        "<",
        "UnlockConnector",
        {"connectorId": s.traits["connectors"] + 4},
        {"status": s.chance.choice(("Unlocked", "UnlockFailed"))},
    )


@fault("RC-014", "remote_transaction")
def number_used_again(s: Session) -> None:
    first = s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "RemoteStart")
    used = first.payload["transactionInfo"]["remoteStartId"]
    request = remote_start(s, in_a_pause(s), evseId=1)
    assert request.answer is not None
    request.payload["remoteStartId"] = used
    request.answer.payload["status"] = "Rejected"


@fault("RC-015")
def remote_start_without_connector_refused(s: Session) -> None:
    request = remote_start(s, s.quiet())
    assert request.answer is not None
    request.answer.payload["status"] = "Rejected"


@fault("RC-016", "transaction")
def refuses_to_stop(s: Session) -> None:
    _, name, at = charging(s)
    s.insert(at, "<", STOPS[1], {"transactionId": name}, {"status": "Rejected"})


@fault("AVL-001", "transaction", also=("AVL-002", "AVL-003", "AVL-004"))
def out_of_service_while_it_charges(s: Session) -> None:
    """Accepted at once, where Scheduled would be right."""
    place, _, at = charging(s)
    if s.version == "1.6":
        s.insert(at, "<", "ChangeAvailability", {"connectorId": place, "type": "Inoperative"}, {"status": "Accepted"})
    else:
        s.insert(
            at,
            "<",
            "ChangeAvailability",
            {"evse": {"id": place}, "operationalStatus": "Inoperative"},
            {"status": "Accepted"},
        )


@fault("AVL-002", "availability", also=("AVL-001",))
def still_available(s: Session) -> None:
    """Accepted, and the status never changes."""
    request = s.one(
        "ChangeAvailability", where=lambda p: "Inoperative" in p.values(), answer=lambda p: p["status"] == "Accepted"
    )
    s.drop_exchange(s.following(request, "StatusNotification"))


@fault("AVL-003", "scheduled_availability", also=("AVL-002", "ST16-001"))
def free_instead_of_out_of_service(s: Session) -> None:
    request = s.one("ChangeAvailability", answer=lambda p: p["status"] == "Scheduled")
    name = "status" if s.version == "1.6" else "connectorStatus"
    step = s.following(request, "StatusNotification", where=lambda p: p[name] == "Unavailable")
    step.payload[name] = "Available"


@fault("AVL-004", "reset", "availability", also=("AVL-002",), note="")
def back_in_service_by_a_boot(s: Session) -> None:
    """The CSMS took it out of service; the state should outlast the boot."""
    boot = s.pick(s.requests("BootNotification")[1:])
    before = [moment for moment in s.quiet_moments if moment < boot.at]
    at = s.pick(before[-1:])
    label = s.label_at(at)
    name = "status" if s.version == "1.6" else "connectorStatus"
    status = copy.deepcopy(
        s.requests("StatusNotification", where=lambda p: p[name] == "Available" and p["connectorId"] == 1)[0].payload
    )
    if s.version == "1.6":
        s.insert(at, "<", "ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}, {"status": "Accepted"})
        status["status"] = "Unavailable"
    else:
        place = {"id": status["evseId"], "connectorId": 1}
        s.insert(
            at, "<", "ChangeAvailability", {"evse": place, "operationalStatus": "Inoperative"}, {"status": "Accepted"}
        )
        status["connectorStatus"] = "Unavailable"
    if "timestamp" in status:
        status["timestamp"].at = at + 3
    s.insert(at + 3, ">", "StatusNotification", status, {})
    s.need(label)
    between = [
        x
        for x in s.requests("StatusNotification", "StartTransaction", "TransactionEvent", "ChangeAvailability")
        if at + 8 < x.at < boot.at
    ]
    s.need(not between)


@fault("AVL-006", "transaction", also=("AVL-008",), note="Not told before the EVSE was Available on this connection.")
def two_connectors_taken(s: Session) -> None:
    """One cable, and both connectors of the EVSE say Occupied."""
    event = s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "CablePluggedIn")
    taken = s.pick(
        [
            x
            for x in s.requests("StatusNotification", where=lambda p: p["connectorStatus"] == "Occupied")
            if 0 < event.at - x.at < 5
        ]
    )
    s.insert(after(taken), ">", "StatusNotification", {**copy.deepcopy(taken.payload), "connectorId": 2}, {})


@fault("AVL-007", "transaction", "fault_and_repair", also=("ST16-001", "TX16-021", "ST16-007", "RES-002"))
def begins_out_of_service(s: Session) -> None:
    """The connector says Unavailable, and a transaction begins and goes on there."""
    start = s.one("StartTransaction")
    near = [x for x in s.requests("StatusNotification") if start.at - 20 < x.at < start.at + 900
            and x.payload["connectorId"] == start.payload["connectorId"]]  # fmt: skip
    before = [x for x in near if x.at < start.at]
    s.need(before)
    before[-1].payload["status"] = "Unavailable"
    s.need(before[-1].label == start.label)
    s.shift(after(before[-1]), 20)
    s.drop_exchange(*[x for x in near if x.at > start.at])


@fault("AVL-009", "transaction", also=("AVL-008", "AVL-006"))
def charges_out_of_service(s: Session) -> None:
    events = running(s)
    place = next(e.payload["evse"]["id"] for e in events if "evse" in e.payload)
    near = [
        x
        for x in s.requests("StatusNotification", where=lambda p: p["evseId"] == place)
        if events[0].at - 20 < x.at < events[-1].at
    ]
    begun = [x for x in near if x.at < events[0].at]
    s.need(begun)
    state = s.chance.choice(("Unavailable", "Faulted"))
    for x in near:
        x.payload["connectorStatus"] = state
    s.shift(after(begun[-1]), 20)


@fault("AVL-010")
def status_of_connector_zero(s: Session) -> None:
    status = s.one("StatusNotification")
    again = copy.deepcopy(status.payload)
    s.insert(after(status), ">", "StatusNotification", {**again, "evseId": 0, "connectorId": 0}, {})
