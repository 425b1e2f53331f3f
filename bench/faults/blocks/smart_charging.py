"""Faults of smart charging: profiles that the documents exclude, answers that contradict them."""

from __future__ import annotations

import copy
from typing import Any

from bench.faults.fault import fault
from bench.faults.scenes.beginning import number
from bench.faults.session import Payload, Session, Stamp, Step, after

SMART = "smart_charging"


def profile_of(request: Step) -> Payload:
    return request.payload.get("csChargingProfiles") or request.payload["chargingProfile"]  # type: ignore[no-any-return]


def schedules(profile: Payload) -> list[Payload]:
    found = profile["chargingSchedule"]
    return found if isinstance(found, list) else [found]


def setting(s: Session, purpose: str = "") -> Step:
    """A SetChargingProfile that was accepted."""
    found = s.requests(
        "SetChargingProfile",
        where=lambda p: not purpose or purpose in str(p),
        answer=lambda p: p["status"] == "Accepted",
    )
    return s.pick(
        [request for request in found if not purpose or profile_of(request)["chargingProfilePurpose"] == purpose]
    )  # type: ignore[no-any-return]


def maximum(s: Session) -> Step:
    return setting(s, "ChargePointMaxProfile" if s.version == "1.6" else "ChargingStationMaxProfile")


def extra(
    s: Session,
    purpose: str = "TxDefaultProfile",
    kind: str = "Absolute",
    answer: str = "Accepted",
    connector: int = 1,
    **more: Any,
) -> Step:
    """One more profile at the end of the session."""
    at = max(s.quiet_moments)
    schedule: Payload = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
        "startSchedule": Stamp(at),
    }
    if s.version != "1.6":
        schedule["id"] = number(s, "request")
    profile: Payload = {"stackLevel": 3, "chargingProfilePurpose": purpose, "chargingProfileKind": kind, **more}
    profile["chargingProfileId" if s.version == "1.6" else "id"] = number(s, "request")
    profile["chargingSchedule"] = schedule if s.version == "1.6" else [schedule]
    payload = (
        {"connectorId": connector, "csChargingProfiles": profile}
        if s.version == "1.6"
        else {"evseId": connector, "chargingProfile": profile}
    )
    return s.insert(at, "<", "SetChargingProfile", payload, {"status": answer})


@fault("SC-001", SMART, also=("SC-037",))
def maximum_of_one_connector(s: Session) -> None:
    request = maximum(s)
    if s.version == "1.6" or s.chance.random() < 0.5:
        request.payload["connectorId" if s.version == "1.6" else "evseId"] = 1
    else:
        profile_of(request)["chargingProfileKind"] = "Relative"
        for schedule in schedules(profile_of(request)):
            schedule.pop("startSchedule", None)


@fault("SC-002", SMART, also=("SC-003", "SC-037"))
def profile_for_no_transaction(s: Session) -> None:
    """A TxProfile where nobody charges any more, and it is accepted."""
    connector, more = 1, {}
    if s.version != "1.6":
        last = s.requests("TransactionEvent", where=lambda p: p["eventType"] == "Ended")[-1]
        name = last.payload["transactionInfo"]["transactionId"]
        first = [
            e
            for e in s.requests("TransactionEvent", where=lambda p: "evse" in p)
            if e.payload["transactionInfo"]["transactionId"] == name
        ]
        connector, more = s.pick(first[:1]).payload["evse"]["id"], {"transactionId": name}
    request = extra(s, "TxProfile", "Relative", connector=connector, **more)
    for schedule in schedules(profile_of(request)):
        schedule.pop("startSchedule")


@fault("SC-003", SMART, also=("SC-037",))
def transaction_not_named(s: Session) -> None:
    profile = profile_of(setting(s, "TxProfile"))
    if s.version == "1.6":
        setting(s, "TxDefaultProfile").payload["csChargingProfiles"]["transactionId"] = profile["transactionId"]
    else:
        del profile["transactionId"]


@fault("SC-004", SMART, also=("SC-037",))
def begins_late(s: Session) -> None:
    schedules(profile_of(setting(s)))[0]["chargingSchedulePeriod"][0]["startPeriod"] = s.chance.choice((1, 60))


@fault("SC-005", SMART, also=("SC-037", "SC-004"))
def periods_out_of_order(s: Session) -> None:
    periods = schedules(profile_of(extra(s)))[0]["chargingSchedulePeriod"]
    periods += [{"startPeriod": 900, "limit": 10.0}, {"startPeriod": s.chance.choice((300, 899)), "limit": 8.0}]


@fault("SC-006", SMART, also=("SC-037", "SC-041"))
def relative_with_a_start(s: Session) -> None:
    """A relative profile has a start, or an absolute one has none."""
    request = extra(s, kind="Relative" if s.version == "1.6" else s.chance.choice(("Absolute", "Relative")))
    if profile_of(request)["chargingProfileKind"] == "Absolute":
        schedules(profile_of(request))[0].pop("startSchedule")


@fault("SC-007", SMART, also=("SC-008",))
def second_of_its_level(s: Session) -> None:
    request = extra(s)
    again = copy.deepcopy(request.payload)
    again["chargingProfile"]["id"] = number(s, "request")
    s.insert(after(request) + 1, "<", "SetChargingProfile", again, {"status": "Accepted"})


@fault("SC-008", SMART, also=("SC-007",))
def default_for_all_and_for_one(s: Session) -> None:
    request = extra(s)
    again = copy.deepcopy(request.payload)
    again["chargingProfile"]["id"] = number(s, "request")
    again["evseId"] = 0
    s.insert(after(request) + 1, "<", "SetChargingProfile", again, {"status": "Accepted"})


@fault("SC-009", SMART, also=("SC-037",))
def limit_of_others(s: Session) -> None:
    extra(s, "ChargingStationExternalConstraints", connector=0)


@fault("SC-012", SMART)
def level_too_high(s: Session) -> None:
    """ChargeProfileMaxStackLevel is 10."""
    s.need(s.version == "1.6")
    profile_of(extra(s))["stackLevel"] = 50


@fault("SC-013", SMART)
def nothing_to_clear(s: Session) -> None:
    request = s.one("ClearChargingProfile", answer=lambda p: p["status"] == "Accepted")
    assert request.answer is not None
    request.answer.payload["status"] = "Unknown"


@fault("SC-014", SMART, note="The end of the connection calls it off.")
def profiles_not_reported(s: Session) -> None:
    request = s.one("GetChargingProfiles")
    s.drop_exchange(s.following(request, "ReportChargingProfiles"))


@fault("SC-015", SMART, "composite_schedule")
def schedule_promised_and_not_given(s: Session) -> None:
    request = s.one("GetCompositeSchedule", answer=lambda p: p["status"] == "Accepted")
    assert request.answer is not None
    request.answer.payload.pop("chargingSchedule" if s.version == "1.6" else "schedule")


@fault("SC-035", SMART, also=("SC-015", "SC-020"))
def composite_above_its_parts(s: Session) -> None:
    """Some minutes later the composite schedule allows 80 A, where the transaction may have 16."""
    own = setting(s, "TxProfile")
    s.need(own.answer is not None)
    certain(s, own)
    request = s.following(own, "GetCompositeSchedule")
    assert request.answer is not None
    later = s.insert(
        own.at + 200, "<", "GetCompositeSchedule", copy.deepcopy(request.payload), copy.deepcopy(request.answer.payload)
    )
    assert later.answer is not None
    told = later.answer.payload.get("chargingSchedule") or later.answer.payload["schedule"]
    told["chargingSchedulePeriod"][0]["limit"] = 80.0
    told["scheduleStart" if s.version != "1.6" else "startSchedule"] = Stamp(own.at + 200)
    if s.version == "1.6":
        del told["startSchedule"]
        later.answer.payload["scheduleStart"] = Stamp(own.at + 200)


def certain(s: Session, own: Step) -> None:
    """No other profile can stand above this one: it has the highest level that the station takes."""
    if s.version != "1.6":
        tell(s, "ProfileStackLevel", "10")
    profile = profile_of(own)
    profile |= {"stackLevel": 10, "chargingProfileKind": "Absolute"}  # when a relative one begins is not certain
    schedules(profile)[0]["startSchedule"] = Stamp(own.at)


@fault("SC-036", SMART, also="SC-012")
def unit_that_it_does_not_take(s: Session) -> None:
    tell(s, "RateUnit", "A")
    request = extra(s)
    schedules(profile_of(request))[0] |= {"chargingRateUnit": "W"}
    schedules(profile_of(request))[0]["chargingSchedulePeriod"][0]["limit"] = 11_000.0


@fault("SC-038", SMART, also=("SC-014",))
def report_of_nobody(s: Session) -> None:
    s.one("ReportChargingProfiles").payload["requestId"] += 5000


@fault("SC-040", SMART)
def nothing_says_which(s: Session) -> None:
    if s.chance.random() < 0.5:
        at = max(s.quiet_moments)
        s.insert(at, "<", "ClearChargingProfile", {}, {"status": "Unknown"})
    else:
        request = s.one("GetChargingProfiles")
        request.payload["chargingProfile"] = {}
        request.payload.pop("evseId", None)


@fault("SC-041", "composite_schedule", SMART)
def two_starts(s: Session) -> None:
    request = s.one("GetCompositeSchedule", answer=lambda p: "chargingSchedule" in p)
    assert request.answer is not None
    request.answer.payload["chargingSchedule"]["startSchedule"] = Stamp(request.at + 100)


@fault("SC-044", SMART, also=("SC-037",))
def recurs_how_often(s: Session) -> None:
    request = extra(s, kind="Recurring")
    s.need(request)


@fault("SC-045", SMART, also=("SC-037",))
def over_before_it_arrives(s: Session) -> None:
    at = max(s.quiet_moments)
    extra(s, validFrom=Stamp(at - 9000), validTo=Stamp(at - 5000))


@fault("SC-046", SMART, also=("SCH-001",))
def negative_level(s: Session) -> None:
    profile_of(extra(s))["stackLevel"] = -1


@fault("SC-049", SMART)
def period_behind_the_end(s: Session) -> None:
    schedule = schedules(profile_of(extra(s)))[0]
    schedule["duration"] = 600
    schedule["chargingSchedulePeriod"].append({"startPeriod": 900, "limit": 8.0})


@fault("SC-022", SMART, versions="2.1", also=("SC-037",))
def dynamic_with_two_periods(s: Session) -> None:
    request = extra(s, kind="Dynamic")
    schedules(profile_of(request))[0]["chargingSchedulePeriod"].append({"startPeriod": 900, "limit": 8.0})


@fault("SC-024", SMART, versions="2.1")
def update_of_what_is_not_dynamic(s: Session) -> None:
    request = extra(s)
    name = profile_of(request)["id"]
    s.insert(
        after(request) + 1,
        "<",
        "UpdateDynamicSchedule",
        {"chargingProfileId": name, "scheduleUpdate": {"limit": 8.0}},
        {"status": "Accepted"},
    )


@fault("SC-025", SMART, versions="2.1", also=("SC-037",))
def priority_with_a_duration(s: Session) -> None:
    schedules(profile_of(extra(s, "PriorityCharging")))[0]["duration"] = 600


@fault("SC-018", SMART)
def external_limit_of_the_operator(s: Session) -> None:
    s.insert(s.quiet(), ">", "NotifyChargingLimit", {"chargingLimit": {"chargingLimitSource": "CSO"}}, {})


@fault("SC-020", SMART, "transaction")
def draws_more_than_allowed(s: Session) -> None:
    """6 A for the transaction, and 22 kW flow."""
    request = setting(s, "TxProfile")
    certain(s, request)
    for period in schedules(profile_of(request))[0]["chargingSchedulePeriod"]:
        period["limit"] = 6.0
    s.need(s.traits["rich"] and s.traits["power"] >= 11_000)
    for step in s.requests("GetCompositeSchedule"):
        assert step.answer is not None
        told = step.answer.payload.get("chargingSchedule") or step.answer.payload["schedule"]
        told["chargingSchedulePeriod"][0]["limit"] = 6.0


@fault("SC-021", SMART)
def watts_called_amperes(s: Session) -> None:
    for period in schedules(profile_of(extra(s)))[0]["chargingSchedulePeriod"]:
        period["limit"] = 11_000.0


@fault("SC-042", SMART, versions="2.1")
def number_of_the_station(s: Session) -> None:
    """The numbers up to 100 are kept for limits of others."""
    tell(s, "MaxExternalConstraintsId", "100")
    profile_of(extra(s))["id"] = s.chance.randint(1, 100)


def tell(s: Session, name: str, value: str) -> None:
    """The CSMS reads a variable of SmartChargingCtrlr, early."""
    where = {"component": {"name": "SmartChargingCtrlr"}, "variable": {"name": name}}
    s.insert(min(s.quiet_moments), "<", "GetVariables", {"getVariableData": [where]}, {"getVariableResult": [
        {"attributeStatus": "Accepted", "attributeValue": value, **where}]})  # fmt: skip
