"""Faults of reservations and local lists."""

from __future__ import annotations

import copy
from typing import Any

from bench.faults.fault import fault
from bench.faults.scenes.beginning import in_an_hour, number, tag
from bench.faults.session import Payload, Session, Stamp, Step, after


def place(s: Session, connector: int) -> Payload:
    return {"connectorId": connector} if s.version == "1.6" else {"evseId": connector}


def reserve(s: Session, at: float, connector: int | None, answer: str = "Accepted", hours: float = 2.0) -> Step:
    """ReserveNow with its answer at a time."""
    s.now = at
    where = {} if connector is None else place(s, connector)
    if s.version == "1.6":
        request: Payload = {
            **(where or {"connectorId": 0}),
            "idTag": tag(s),
            "reservationId": number(s, "request"),
            **in_an_hour(s, hours),
        }
    else:
        request = {
            **where,
            "idToken": {"idToken": tag(s), "type": "ISO14443"},
            "id": number(s, "request"),
            **in_an_hour(s, hours),
        }
    return s.insert(at, "<", "ReserveNow", request, {"status": answer})


def state_of(step: Step) -> str:
    return str(step.payload.get("status", step.payload.get("connectorStatus")))


def number_of(request: Step) -> Any:
    return request.payload.get("reservationId", request.payload.get("id"))


@fault("RES-001", "reservation")
def reserved_and_not_said(s: Session) -> None:
    request = s.one("ReserveNow")
    s.drop_exchange(
        s.pick([x for x in s.requests("StatusNotification") if 0 < x.at - request.at < 5 and state_of(x) == "Reserved"])
    )


@fault("RES-002", "transaction", also=("RES-001", "RES-006", "RES-010", "RES-003"))
def reserves_what_is_taken(s: Session) -> None:
    """Accepted while a car charges there."""
    if s.version == "1.6":
        start = s.one("StartTransaction")
        at, connector = start.at + 40, start.payload["connectorId"]
        s.need(s.following(start, "StopTransaction").at > at + 10)
    else:
        event = s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "CablePluggedIn" and "evse" in p)
        name = event.payload["transactionInfo"]["transactionId"]
        ended = s.following(
            event,
            "TransactionEvent",
            where=lambda p: p["eventType"] == "Ended" and p["transactionInfo"]["transactionId"] == name,
        )
        at, connector = event.at + 40, event.payload["evse"]["id"]
        s.need(ended.at > at + 10)
    reserve(s, at, connector, hours=0.5)


@fault(
    "RES-003",
    "reservation",
    also=("RES-008", "RES-001", "ST16-001", "RES-006", "RES-010", "RES-002"),
    note="Another status of the connector within two minutes settles it.",
)
def expires_in_silence(s: Session) -> None:
    """The time is over, and the station says nothing."""
    name = "ReservationStatusUpdate"
    if s.version == "1.6":
        request = s.one("ReserveNow")
        free = s.following(
            request,
            "StatusNotification",
            where=lambda p: p["status"] == "Available" and p["connectorId"] == request.payload["connectorId"],
        )
        s.need(
            not s.requests("CancelReservation", where=lambda p: p["reservationId"] == request.payload["reservationId"])
        )
        s.need(free.at - request.at > 300)
        s.need(not list(s.requests("StartTransaction", where=lambda p: p.get("reservationId"))))
        s.drop_exchange(free)
    else:
        s.drop_exchange(s.one(name))


@fault("RES-004", "reservation")
def cancels_what_is_gone(s: Session) -> None:
    """A reservation that was cancelled is cancelled again, and Accepted."""
    request = s.one("CancelReservation", answer=lambda p: p["status"] == "Accepted")
    s.insert(after(request) + 10, "<", "CancelReservation", dict(request.payload), {"status": "Accepted"})


@fault("RES-005", "reservation", also=("ST16-001",), note="Another status of the connector within a minute settles it.")
def cancelled_and_still_reserved(s: Session) -> None:
    request = s.one("CancelReservation", answer=lambda p: p["status"] == "Accepted")
    s.drop_exchange(s.following(request, "StatusNotification"))


@fault("RES-006", "reservation", also=("RES-010",))
def charged_by_another(s: Session) -> None:
    """Another card starts where one is reserved."""
    if s.version == "1.6":
        start = s.one("StartTransaction", where=lambda p: "reservationId" in p)
        del start.payload["reservationId"]
        start.payload["idTag"] = tag(s)
        before = [a for a in s.requests("Authorize") if a.at < start.at][-1:]
        s.drop_exchange(*before)
    else:
        start = s.one("TransactionEvent", where=lambda p: "reservationId" in p)
        del start.payload["reservationId"]
        old, new = start.payload["idToken"]["idToken"], tag(s)
        for request in s.requests(
            "Authorize", "TransactionEvent", where=lambda p: p.get("idToken", {}).get("idToken") == old
        ):
            request.payload["idToken"] = {"idToken": new, "type": "ISO14443"}


@fault("RES-007")
def reserves_any_connector(s: Session) -> None:
    """ReserveConnectorZeroSupported is false."""
    at = max(s.quiet_moments)
    if s.version != "1.6":
        where = {"component": {"name": "ReservationCtrlr"}, "variable": {"name": "NonEvseSpecific"}}
        s.insert(min(s.quiet_moments), "<", "GetVariables", {"getVariableData": [where]}, {"getVariableResult": [
            {"attributeStatus": "Accepted", "attributeValue": "false", **where}]})  # fmt: skip
        at = max(s.quiet_moments)
    reserve(s, at, None)


@fault("RES-008", "reservation", also=("RES-001", "RES-005", "RES-003", "AVL-004", "RES-006", "RES-010"))
def gone_with_its_place(s: Session) -> None:
    """A reserved EVSE becomes Faulted, and the station does not say that the reservation is gone."""
    at = max(s.quiet_moments)
    request = reserve(s, at, 1)
    for turn, state in enumerate(("Reserved", s.chance.choice(("Faulted", "Unavailable")))):
        when = after(request) + 4 + 20 * turn
        s.insert(
            when,
            ">",
            "StatusNotification",
            {"timestamp": Stamp(when), "connectorStatus": state, "evseId": 1, "connectorId": 1},
            {},
        )


@fault("RES-009", "reservation")
def end_of_what_never_was(s: Session) -> None:
    s.insert(
        s.quiet(),
        ">",
        "ReservationStatusUpdate",
        {"reservationId": 99_000, "reservationUpdateStatus": s.chance.choice(("Expired", "Removed"))},
        {},
    )


@fault("RES-010", "reservation", also=("RES-003", "RES-006"))
def reservation_not_named(s: Session) -> None:
    """The driver comes, charges, and the reservation is not named."""
    start = s.one("StartTransaction", "TransactionEvent", where=lambda p: "reservationId" in p)
    del start.payload["reservationId"]


@fault("RES-011")
def reserved_for_yesterday(s: Session) -> None:
    at = s.quiet()
    request = reserve(s, at, 1, "Rejected", hours=-1.0)
    s.need(request)


# ---------------------------------------------------------------------------------------------- local lists


def entries(request: Step) -> list[Payload]:
    return request.payload["localAuthorizationList"]  # type: ignore[no-any-return]


def version_name(s: Session) -> str:
    return "listVersion" if s.version == "1.6" else "versionNumber"


@fault("LAL-001", "local_list", also=("LAL-003", "LAL-004"))
def version_with_another_meaning(s: Session) -> None:
    s.one("SendLocalList").payload[version_name(s)] = s.chance.choice((0, -1))


@fault("LAL-002", "local_list")
def same_token_twice(s: Session) -> None:
    found = entries(s.one("SendLocalList"))
    found.append(copy.deepcopy(found[0]))


@fault("LAL-003", "local_list", also=("LAL-004",))
def old_change_taken(s: Session) -> None:
    """A difference that is older than the list, and Accepted."""
    request = s.one("SendLocalList", where=lambda p: p["updateType"] == "Differential")
    request.payload[version_name(s)] -= s.chance.randint(1, 3)


@fault("LAL-004", "local_list")
def another_version_reported(s: Session) -> None:
    request = s.one("GetLocalListVersion")
    assert request.answer is not None
    request.answer.payload[version_name(s)] += s.chance.choice((-1, 5))


@fault("LAL-005", "local_list", also=("LAL-004",), note="The end of the connection calls it off.")
def change_failed_and_nothing_follows(s: Session) -> None:
    request = s.one("SendLocalList", where=lambda p: p["updateType"] == "Differential")
    assert request.answer is not None
    request.answer.payload["status"] = s.chance.choice(("Failed", "VersionMismatch"))
    later = [x for x in s.requests("SendLocalList") if x.at > request.at]
    s.drop_exchange(*later)
    for read in s.requests("GetLocalListVersion"):
        assert read.answer is not None
        read.answer.payload[version_name(s)] = request.payload[version_name(s)] - 1
    s.end_later(4000)


@fault("LAL-006", "local_list")
def more_entries_than_it_takes(s: Session) -> None:
    """SendLocalListMaxLength is 20."""
    request = s.one("SendLocalList", where=lambda p: p["updateType"] == "Full")
    if s.version != "1.6":
        where = {"component": {"name": "LocalAuthListCtrlr"}, "variable": {"name": "ItemsPerMessage"}}
        s.insert(min(s.quiet_moments), "<", "GetVariables", {"getVariableData": [where]}, {"getVariableResult": [
            {"attributeStatus": "Accepted", "attributeValue": "20", **where}]})  # fmt: skip
    found = entries(request)
    for _ in range(25):
        entry = copy.deepcopy(found[0])
        if s.version == "1.6":
            entry["idTag"] = tag(s)
        else:
            entry["idToken"]["idToken"] = tag(s)
        found.append(entry)
