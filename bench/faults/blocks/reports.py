"""Faults of monitoring, display messages, customer information, streams, tariffs, batteries, DER controls."""

from __future__ import annotations

import copy

from bench.faults.fault import fault
from bench.faults.session import Session, Stamp, Step, after


def result_of(request: Step, name: str) -> list[dict[str, object]]:
    assert request.answer is not None
    return request.answer.payload[name]  # type: ignore[no-any-return]


# ---------------------------------------------------------------------------------------------- monitoring


@fault("MON-001", "monitoring", also=("MON-004",))
def monitor_without_result(s: Session) -> None:
    request = s.one("SetVariableMonitoring")
    if s.chance.random() < 0.5:
        del result_of(request, "setMonitoringResult")[0]["id"]
    else:
        data = request.payload["setMonitoringData"]
        data.append({**copy.deepcopy(data[0]), "type": "LowerThreshold"})


@fault("MON-002", "monitoring")
def cleared_without_result(s: Session) -> None:
    request = s.one("ClearVariableMonitoring")
    request.payload["id"].append(99_999)


@fault("MON-003", "monitoring", note="The end of the connection calls it off.")
def monitoring_report_stops(s: Session) -> None:
    report = s.one("NotifyMonitoringReport")
    if s.chance.random() < 0.5:
        s.drop_exchange(report)
    else:
        report.payload["tbc"] = True


@fault("MON-004", "monitoring", note="After a boot numbers may be given again.")
def event_of_a_cleared_monitor(s: Session) -> None:
    cleared, event = s.one("ClearVariableMonitoring"), s.one("NotifyEvent")
    again = copy.deepcopy(event.payload)
    at = after(cleared) + 75
    again["generatedAt"] = Stamp(at)
    again["eventData"][0] |= {
        "eventId": 99_000,
        "timestamp": Stamp(at),
        "variableMonitoringId": cleared.payload["id"][0],
    }
    s.insert(at, ">", "NotifyEvent", again, {})


@fault("MON-005", "monitoring", also=("MON-003",))
def event_does_not_begin_with_zero(s: Session) -> None:
    """A counter that is never set back: the next events have the numbers 1 and 2."""
    event = s.one("NotifyEvent")
    for turn in (1, 2):
        at = after(event)
        again = copy.deepcopy(event.payload)
        again |= {"seqNo": turn, "generatedAt": Stamp(at)}
        again["eventData"][0] |= {"eventId": 99_000 + turn, "timestamp": Stamp(at)}
        event = s.insert(at, ">", "NotifyEvent", again, {})


@fault("MON-006", "monitoring")
def trigger_of_another_type(s: Session) -> None:
    """A threshold alerts; it is no delta and no period."""
    s.one("NotifyEvent").payload["eventData"][0]["trigger"] = s.chance.choice(("Delta", "Periodic"))


@fault("MON-007", "monitoring")
def back_to_normal_from_nothing(s: Session) -> None:
    s.one("NotifyEvent").payload["eventData"][0]["cleared"] = True


@fault("MON-008", "monitoring")
def less_severe_than_wanted(s: Session) -> None:
    """Level 2, and an event of severity 5."""
    s.one("SetMonitoringLevel").payload["severity"] = 2


# ---------------------------------------------------------------------------------------------- display, customer


@fault("DSP-001", "display", note="The end of the connection calls it off.")
def messages_not_sent(s: Session) -> None:
    s.drop_exchange(s.one("NotifyDisplayMessages"))


@fault("DSP-002", "display")
def cleared_and_unknown(s: Session) -> None:
    request = s.one("ClearDisplayMessage")
    assert request.answer is not None
    request.answer.payload["status"] = "Unknown"


@fault("DSP-005", "display")
def ends_before_it_begins(s: Session) -> None:
    request = s.one("SetDisplayMessage")
    request.payload["message"] |= {"startDateTime": Stamp(request.at + 7200), "endDateTime": Stamp(request.at + 3600)}


@fault("DSP-006", "display", note="The end of the connection calls it off.")
def list_goes_on_for_ever(s: Session) -> None:
    s.one("NotifyDisplayMessages").payload["tbc"] = True


@fault("CUST-001", "customer_information", also=("CUST-004",))
def which_customer(s: Session) -> None:
    request = s.one("CustomerInformation")
    if s.chance.random() < 0.5:
        del request.payload["idToken"]
    else:
        request.payload["customerIdentifier"] = "Customer 7"


@fault("CUST-002", "customer_information", note="The end of the connection calls it off.")
def nothing_about_the_customer(s: Session) -> None:
    request = s.one("CustomerInformation")
    s.drop_exchange(
        *s.requests("NotifyCustomerInformation", where=lambda p: p["requestId"] == request.payload["requestId"])
    )


@fault("CUST-003", "customer_information")
def asks_for_nothing(s: Session) -> None:
    request = s.one("CustomerInformation")
    request.payload |= {"report": False, "clear": False}
    s.drop_exchange(
        *s.requests("NotifyCustomerInformation", where=lambda p: p["requestId"] == request.payload["requestId"])
    )


@fault("CUST-004", "customer_information", also=("CUST-001",))
def unknown_customer_accepted(s: Session) -> None:
    request = s.one("CustomerInformation")
    request.payload["customerIdentifier"] = "Customer 7"


@fault("CUST-005", "customer_information", note="The end of the connection calls it off.")
def last_part_missing(s: Session) -> None:
    s.drop_exchange(s.one("NotifyCustomerInformation", where=lambda p: not p["tbc"]))


@fault("CUST-006", "customer_information")
def parts_begin_with_one(s: Session) -> None:
    for part in s.requests("NotifyCustomerInformation"):
        part.payload["seqNo"] += 1
    s.need(s.requests("NotifyCustomerInformation"))


# ---------------------------------------------------------------------------------------------- 2.1: streams


def sent(s: Session) -> list[Step]:
    found = [step for step in s.sorted() if step.kind == "send"]
    s.need(found)
    return found


@fault("PES-001", "stream", also=("PES-006",))
def stream_though_refused(s: Session) -> None:
    request = s.one("OpenPeriodicEventStream")
    assert request.answer is not None
    request.answer.payload["status"] = "Rejected"


@fault("PES-004", "stream")
def more_values_than_agreed(s: Session) -> None:
    values = s.pick(sent(s)).payload["data"]
    values += [{"t": 6 + n, "v": "232"} for n in range(5)]


@fault("PES-005", "stream")
def first_value_not_at_the_base(s: Session) -> None:
    s.pick(sent(s)).payload["data"][0]["t"] = s.chance.choice((1, 3, -2))


@fault("PES-006", "stream", also=("PES-001", "PES-003"))
def stream_after_its_end(s: Session) -> None:
    last = sent(s)[-1]
    close = s.one("ClosePeriodicEventStream", where=lambda p: p["id"] == last.payload["id"])
    at = after(close) + 8
    s.shift(at, 2.0)
    payload = copy.deepcopy(last.payload)
    payload["basetime"] = Stamp(at)
    s.steps.append(Step(at, close.label, ">", "send", last.action, payload, s.new_id(">")))


@fault("PES-009", "stream")
def open_stream_not_listed(s: Session) -> None:
    request = s.one("GetPeriodicEventStream")
    assert request.answer is not None
    request.answer.payload = {}


@fault("PES-010", "monitoring", versions="2.1", also=("PES-002",))
def stream_without_interval(s: Session) -> None:
    s.one("SetVariableMonitoring").payload["setMonitoringData"][0]["periodicEventStream"] = {}


# ---------------------------------------------------------------------------------------------- 2.1: DER, tariffs, batteries


@fault("DER-001", "der_control", also=("DER-002", "DER-007"))
def field_of_another_type(s: Session) -> None:
    request = s.one("SetDERControl")
    request.payload["controlType"] = s.chance.choice(("FixedVar", "Gradients", "FreqDroop"))


@fault("DER-002", "der_control", also=("DER-004", "DER-009", "DER-007"))
def default_with_a_time(s: Session) -> None:
    s.one("SetDERControl").payload["isDefault"] = True


@fault("DER-003", "der_control", note="The end of the connection calls it off.")
def controls_not_reported(s: Session) -> None:
    s.drop_exchange(s.one("ReportDERControl"))


@fault("DER-004", "der_control", also="DER-009")
def begin_not_told(s: Session) -> None:
    """It should have begun; the control stays for its ten minutes."""
    s.drop_exchange(s.one("NotifyDERStartStop", where=lambda p: p["started"]))
    stop = s.one("NotifyDERStartStop")
    clear = s.one("ClearDERControl")
    s.drop_exchange(stop, clear)


@fault("DER-005", "der_control")
def alarm_of_another_type_ends(s: Session) -> None:
    at = s.quiet()
    for turn, (kind, ended) in enumerate((("VoltWatt", False), ("FreqWatt", True))):
        payload = {
            "controlType": kind,
            "gridEventFault": "OverFrequency",
            "alarmEnded": ended,
            "timestamp": Stamp(at + 5 * turn),
        }
        s.insert(at + 5 * turn, ">", "NotifyDERAlarm", payload, {})


@fault("DER-006", "der_control")
def control_not_found(s: Session) -> None:
    """A default control is taken, and not found."""
    at = max(s.quiet_moments)
    power = {"priority": 1, "displacement": 0.9, "excitation": True}
    s.insert(at, "<", "SetDERControl", {"isDefault": True, "controlId": "d1", "controlType": "FixedPFInject", "fixedPFInject": power},
             {"status": "Accepted"})  # fmt: skip
    s.insert(at + 5, "<", "GetDERControl", {"requestId": 4711, "controlId": "d1"}, {"status": "NotFound"})


@fault("DER-008", "der_control", note="The end of the connection calls it off.")
def report_goes_on_for_ever(s: Session) -> None:
    s.one("ReportDERControl").payload["tbc"] = True


@fault("COST-003", "tariff")
def tariff_taken_twice(s: Session) -> None:
    request = s.one("SetDefaultTariff")
    s.insert(after(request), "<", "SetDefaultTariff", copy.deepcopy(request.payload), {"status": "Accepted"})


@fault("COST-007", "tariff")
def tariff_that_is_not_there(s: Session) -> None:
    request = s.one("GetTariffs")
    assert request.answer is not None
    request.answer.payload = {"status": "NoTariff"}


@fault("BSW-001", "battery_swap", also=("BSW-002", "BSW-005"))
def battery_under_another_number(s: Session) -> None:
    s.one("BatterySwap", where=lambda p: p["eventType"] == "BatteryOut").payload["requestId"] += 700


@fault("BSW-002", "battery_swap", also=("BSW-001", "BSW-005"))
def swap_under_another_number(s: Session) -> None:
    for swap in s.requests("BatterySwap"):
        swap.payload["requestId"] += 700
    s.need(s.requests("BatterySwap"))


@fault("BSW-003", "battery_swap", note="The end of the connection calls it off.")
def slot_not_told(s: Session) -> None:
    """No status of the slot, neither of the battery that comes nor of the one that goes."""
    swaps = s.requests("BatterySwap")
    s.need(swaps)
    until = swaps[-1].at + 70
    s.need(not [x for x in s.requests("TransactionEvent", "NotifyEvent") if swaps[0].at - 5 < x.at < until])
    s.drop_exchange(*[x for x in s.requests("StatusNotification") if swaps[0].at - 15 < x.at < until])


@fault("BSW-005", "battery_swap", note="The end of the connection calls it off.")
def no_battery_goes_out(s: Session) -> None:
    s.drop_exchange(s.one("BatterySwap", where=lambda p: p["eventType"] == "BatteryOut"))
    s.end_later(5000)


@fault("SETL-004", "vat_number")
def which_evse(s: Session) -> None:
    request = s.one("VatNumberValidation")
    assert request.answer is not None
    del request.answer.payload["evseId"]


@fault("SETL-002", "data_transfer", versions="2.1", also=("SETL-006", "SETL-007"))
def receipt_of_a_failure(s: Session) -> None:
    at = s.quiet()
    s.insert(at, ">", "NotifySettlement", {"pspRef": "P1", "status": "Failed", "settlementAmount": 5.0, "settlementTime": Stamp(at),
             "receiptId": "R1", "receiptUrl": "https://pay.example/r1"}, {})  # fmt: skip


@fault("COST-001", "transaction")
def cost_of_what_is_over(s: Session) -> None:
    ended = s.one("TransactionEvent", where=lambda p: p["eventType"] == "Ended" and not p.get("offline"))
    s.insert(
        after(ended) + 90,
        "<",
        "CostUpdated",
        {"totalCost": 3.5, "transactionId": ended.payload["transactionInfo"]["transactionId"]},
        {},
    )


@fault("COST-002", "transaction")
def no_final_cost(s: Session) -> None:
    event = s.one(
        "TransactionEvent", where=lambda p: p["triggerReason"] == "MeterValuePeriodic" and not p.get("offline")
    )
    s.insert(
        after(event),
        "<",
        "CostUpdated",
        {"totalCost": 1.5, "transactionId": event.payload["transactionInfo"]["transactionId"]},
        {},
    )
