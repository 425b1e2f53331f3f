"""Faults of transactions in OCPP 2.0.1 and 2.1: events that are missing, doubled, contradictory, at the wrong place."""

from __future__ import annotations

import copy

from bench.faults.fault import fault
from bench.faults.session import ENERGY, Payload, Session, Stamp, Step, after

EVENT = "TransactionEvent"


def name_of(event: Step) -> str:
    return str(event.payload["transactionInfo"]["transactionId"])


def transactions(s: Session) -> dict[str, list[Step]]:
    """Events by transaction, in their order."""
    found: dict[str, list[Step]] = {}
    for event in s.requests(EVENT):
        found.setdefault(name_of(event), []).append(event)
    return found


def one_transaction(s: Session, online: bool = True) -> list[Step]:
    """Events of one that was told whole on one connection."""
    return list(s.pick([
        events for events in transactions(s).values()
        if not online or (len({event.label for event in events}) == 1 and not any(e.payload.get("offline") for e in events))
    ]))  # fmt: skip


def kind(events: list[Step], event_type: str) -> Step:
    return next(event for event in events if event.payload["eventType"] == event_type)


def triggered(s: Session, *reasons: str) -> Step:
    return s.one(EVENT, where=lambda p: p["triggerReason"] in reasons and not p.get("offline"))


def again(event: Step, at: float, **changes: object) -> Payload:
    """The event once more, at a later time."""
    payload: Payload = copy.deepcopy(event.payload)
    payload["timestamp"] = Stamp(at)
    payload.update(changes)
    return payload


def registers(event: Step) -> list[Payload]:
    return [
        sample
        for value in event.payload.get("meterValue", [])
        for sample in value["sampledValue"]
        if sample["measurand"] == ENERGY
    ]


@fault("TX2-001", "transaction", also=("TX2-004", "TX2-013"))
def begins_with_updated(s: Session) -> None:
    """The first event calls itself Updated."""
    kind(one_transaction(s), "Started").payload["eventType"] = "Updated"


@fault(
    "TX2-001",
    "transaction",
    note="A beginning that was never sent may lie before the capture: it is not told.",
    also=("TX2-004", "TX2-006", "TX2-013", "RC-005", "RC-006", "RES-006", "RES-010"),
)
def started_never_sent(s: Session) -> None:
    s.drop_exchange(kind(one_transaction(s), "Started"))


@fault("TX2-002", "transaction", also=("TX2-003", "TX2-005"))
def ended_twice(s: Session) -> None:
    ended = kind(one_transaction(s), "Ended")
    s.insert(after(ended) + 5, ">", EVENT, again(ended, after(ended) + 5, seqNo=ended.payload["seqNo"] + 1), {})


@fault("TX2-002", "transaction", also=("TX2-005", "TX2-004", "TX2-006"))
def started_twice(s: Session) -> None:
    events = one_transaction(s)
    events[1].payload["eventType"] = "Started"


@fault("TX2-003", "transaction", also=("TX2-004", "TX2-002"))
def goes_on_after_its_end(s: Session) -> None:
    """A last meter value that the firmware forgot."""
    events = one_transaction(s)
    ended = kind(events, "Ended")
    at = after(ended) + 5
    payload = again(
        events[-2], at, eventType="Updated", triggerReason="MeterValuePeriodic", seqNo=ended.payload["seqNo"] + 1
    )
    payload.pop("meterValue", None)
    payload.pop("idToken", None)
    s.insert(at, ">", EVENT, payload, {})


@fault("TX2-004", "transaction", also=("TX2-021",))
def event_never_sent(s: Session) -> None:
    """One in the middle; the numbers show it."""
    events = one_transaction(s)
    s.drop_exchange(s.pick([e for e in events[3:-1] if e.payload["triggerReason"] == "MeterValuePeriodic"]))


@fault("TX2-005", "transaction", also=("TX2-004",))
def number_used_twice(s: Session) -> None:
    events = one_transaction(s)
    at = s.chance.randrange(2, len(events) - 1)
    for event in events[at:]:
        event.payload["seqNo"] -= 1


@fault("TX2-006", "transaction")
def counts_from_one(s: Session) -> None:
    for event in one_transaction(s):
        event.payload["seqNo"] += 1


@fault("TX2-007", "transaction", "deauthorized", also=("TX2-002", "TX2-003", "TX2-005", "TX2-004", "TX2-019"))
def name_used_again(s: Session) -> None:
    """A station whose transaction ids are a counter that starts anew."""
    found = list(transactions(s).values())
    s.need(len(found) > 1)
    for event in found[1]:
        event.payload["transactionInfo"]["transactionId"] = name_of(found[0][0])
    new, old = name_of(found[0][0]), found[1]
    s.need(old)
    for request in s.requests("RequestStopTransaction", "SetChargingProfile", "CostUpdated"):
        s.need("transactionId" not in request.payload or request.payload["transactionId"] == new)


@fault("TX2-008", "transaction")
def changed_to_what(s: Session) -> None:
    del triggered(s, "ChargingStateChanged").payload["transactionInfo"]["chargingState"]


@fault("TX2-010", "transaction", also=("AVL-008", "TX2-013"))
def plugged_in_and_idle(s: Session) -> None:
    """Trigger and state contradict each other."""
    event = triggered(s, "CablePluggedIn", "EVCommunicationLost")
    event.payload["transactionInfo"]["chargingState"] = (
        "Idle" if event.payload["triggerReason"] == "CablePluggedIn" else "Charging"
    )


@fault("TX2-011", "transaction", also=("AUTH-007",))
def authorized_by_whom(s: Session) -> None:
    event = triggered(s, "Authorized")
    del event.payload["idToken"]
    assert event.answer is not None
    event.answer.payload = {}


@fault("TX2-012", "transaction", also=("AUTH-007",))
def token_with_every_event(s: Session) -> None:
    events = one_transaction(s)
    token = next(event.payload["idToken"] for event in events if "idToken" in event.payload)
    for event in events[1:]:
        if event.payload["triggerReason"] in ("MeterValuePeriodic", "ChargingStateChanged"):
            event.payload["idToken"] = token
            assert event.answer is not None
            event.answer.payload = {"idTokenInfo": {"status": "Accepted"}}


@fault("TX2-013", "transaction", also=("AVL-008",))
def where_is_the_car(s: Session) -> None:
    for event in one_transaction(s):
        event.payload.pop("evse", None)


@fault("TX2-014", "offline_transaction", also=("TX2-004",))
def offline_not_said(s: Session) -> None:
    events = s.requests(EVENT, where=lambda p: p.get("offline"))
    s.need(events)
    for event in events:
        del event.payload["offline"]


@fault("TX2-015", "transaction")
def offline_said_wrongly(s: Session) -> None:
    event = s.one(EVENT, where=lambda p: not p.get("offline") and p["eventType"] == "Updated")
    event.payload["offline"] = True


@fault("TX2-016", "reset_in_transaction", "remote_transaction", also=("RST-008", "TX2-017"))
def no_reason(s: Session) -> None:
    """A reset or the CSMS ended it, and the reason is left out."""
    ended = s.one(EVENT, where=lambda p: p["eventType"] == "Ended" and not p.get("offline"))
    ended.payload["triggerReason"] = s.chance.choice(
        ("ResetCommand", "RemoteStop", "EnergyLimitReached", "AbnormalCondition")
    )
    ended.payload["transactionInfo"].pop("stoppedReason", None)


@fault("TX2-017", "transaction", note="Not told if the CSMS gave such a command in the hour before the transaction.")
def wrong_reason(s: Session) -> None:
    """The driver stopped it with a card, and the station says that the CSMS did."""
    ended = kind(one_transaction(s), "Ended")
    s.need(ended.payload["triggerReason"] == "EVCommunicationLost")
    s.need(ended.payload["transactionInfo"]["stoppedReason"] == "Local")
    ended.payload["transactionInfo"]["stoppedReason"] = s.chance.choice(("Remote", "ImmediateReset"))


@fault("TX2-018", "transaction")
def values_not_marked(s: Session) -> None:
    """The context of the first or the last value is that of any sample."""
    events = one_transaction(s)
    event = kind(events, s.chance.choice(("Started", "Ended")))
    s.need(registers(event))
    for sample in registers(event):
        sample["context"] = "Sample.Periodic"


@fault("TX2-019", "transaction", also=("DQ-014",))
def register_jumps_back(s: Session) -> None:
    events = [e for e in one_transaction(s) if registers(e)]
    s.need(len(events) > 4)
    for sample in registers(events[s.chance.randrange(2, len(events) - 1)]):
        sample["value"] -= 900 if sample["unitOfMeasure"]["unit"] == "Wh" else 0.9


@fault("TX2-020", "transaction", also=("TX2-019", "DQ-008"))
def values_of_another_time(s: Session) -> None:
    """A periodic event that carries the value of some intervals before."""
    events = [e for e in one_transaction(s) if e.payload["triggerReason"] == "MeterValuePeriodic"]
    s.need(len(events) > 3)
    event = events[-1]
    old = copy.deepcopy(events[0].payload["meterValue"][0])
    event.payload["meterValue"].insert(0, old)


@fault("TX2-021", "transaction", also=("TX2-004",), note="Not told while variables are being set.")
def values_stop_coming(s: Session) -> None:
    events = one_transaction(s)
    periodic = [e for e in events if e.payload["triggerReason"] == "MeterValuePeriodic"]
    s.need(len(periodic) >= 6)
    gone = periodic[2:]
    s.drop_exchange(*gone)
    left = [e for e in events if all(e is not g for g in gone)]
    for number, event in enumerate(left):
        event.payload["seqNo"] = number


@fault("TX2-022", "transaction", "deauthorized", "remote_transaction", also=("TX2-029", "RC-009", "RC-010", "TX2-021", "RC-012",
       "AVL-001", "RST-003", "RES-002", "AVL-003", "AUTH-008", "TX2-017", "RST-004"), note="After a boot RST-003 or TX2-029 says it.")  # fmt: skip
def ended_never_sent(s: Session) -> None:
    """The next one begins at the same EVSE."""
    first = one_transaction(s)
    place = next(event.payload["evse"]["id"] for event in first if "evse" in event.payload)
    s.following(kind(first, "Ended"), EVENT, where=lambda p: p.get("evse", {}).get("id") == place)
    s.drop_exchange(*[event for event in first if event.payload["triggerReason"] in ("StopAuthorized", "RemoteStop")])
    s.drop_exchange(kind(first, "Ended"))


@fault(
    "TX2-024",
    "remote_transaction",
    also=("TX2-022", "RC-009", "TX2-029", "RST-003", "AVL-001", "RC-012", "RC-010", "RES-002", "RST-004"),
)
def gave_up_in_silence(s: Session) -> None:
    """A remote start, nobody plugs in, and the station does not end the transaction."""
    started = s.one(EVENT, where=lambda p: p["triggerReason"] == "RemoteStart")
    name = name_of(started)
    rest = [e for e in s.requests(EVENT) if name_of(e) == name and e is not started]
    s.drop_exchange(*rest)
    stop = s.requests("RequestStopTransaction", where=lambda p: p["transactionId"] == name)
    s.drop_exchange(*stop)
    begin, end = started.at, rest[-1].at + 3
    s.drop_exchange(*[x for x in s.requests("StatusNotification") if begin < x.at < end])


@fault("TX2-025", "remote_transaction")
def token_at_a_remote_stop(s: Session) -> None:
    """The CSMS stopped it, the Ended event carries a token nonetheless."""
    event = triggered(s, "RemoteStop")
    ended = next(e for e in s.requests(EVENT) if name_of(e) == name_of(event) and e.payload["eventType"] == "Ended")
    started = next(e for e in s.requests(EVENT) if name_of(e) == name_of(event) and e.payload["eventType"] == "Started")
    ended.payload["triggerReason"] = "RemoteStop"
    ended.payload["idToken"] = started.payload["idToken"]
    assert ended.answer is not None
    ended.answer.payload = {"idTokenInfo": {"status": "Accepted"}}


@fault(
    "TX2-026", "transaction", note="A transaction that is said to be over may be over, its end still unsent: not told."
)
def status_contradicts(s: Session) -> None:
    """It runs, and GetTransactionStatus says that it does not; or the reverse."""
    events = one_transaction(s)
    if s.chance.random() < 0.5:
        at = s.pick(events[3:-2]).at + 10
        s.insert(
            at,
            "<",
            "GetTransactionStatus",
            {"transactionId": name_of(events[0])},
            {"ongoingIndicator": False, "messagesInQueue": False},
        )
    else:
        at = after(events[-1]) + 20
        s.insert(
            at,
            "<",
            "GetTransactionStatus",
            {"transactionId": name_of(events[0])},
            {"ongoingIndicator": True, "messagesInQueue": False},
        )


@fault("TX2-027", "transaction")
def priority_out_of_range(s: Session) -> None:
    event = s.one(EVENT)
    assert event.answer is not None
    event.answer.payload["chargingPriority"] = s.chance.choice((10, -10, 100))


@fault("TX2-029", "transaction", "reset_in_transaction", also=("TX2-022", "TX2-021", "RST-003", "BOOT-014", "HB-001", "RPC-002", "RST-004"), versions="2.1",
       note="Not told when the connection ends within ten minutes of the boot.")  # fmt: skip
def lost_by_a_boot(s: Session) -> None:
    """Power fails, the station boots, and never speaks of the transaction again."""
    events = one_transaction(s)
    cut = s.pick(events[3:-3]).at + 5
    end = after(events[-1]) + 1
    label = s.label_at(cut)
    s.steps = [step for step in s.steps if not cut < step.at < end or step.label != label]
    s.need(not [step for step in s.steps if cut < step.at < end])
    boot = copy.deepcopy(s.requests("BootNotification")[-1])
    s.need(boot.answer is not None and boot.answer.payload["status"] == "Accepted")
    inserted = s.insert(cut + 20, ">", "BootNotification", {**boot.payload, "reason": "PowerUp"}, {})
    assert inserted.answer is not None
    inserted.answer.payload = {"status": "Accepted", "currentTime": Stamp(inserted.answer.at), "interval": s.interval}
    s.insert(
        cut + 23, ">", "SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": Stamp(cut + 23)}, {}
    )
    for evse in range(1, s.traits["connectors"] + 1):
        s.insert(cut + 24 + 4 * evse, ">", "StatusNotification", {"timestamp": Stamp(cut + 24 + 4 * evse), "connectorStatus": "Available",
                 "evseId": evse, "connectorId": 1}, {})  # fmt: skip


@fault("TX2-030", "transaction")
def limit_set_and_not_which(s: Session) -> None:
    event = triggered(s, "ChargingStateChanged")
    event.payload["triggerReason"] = "LimitSet"


@fault("TX2-031", "transaction", also=("TX2-032",))
def limit_higher_than_allowed(s: Session) -> None:
    """The CSMS allows 5 kWh, the station repeats 50."""
    event = triggered(s, "Authorized")
    assert event.answer is not None
    event.answer.payload["transactionLimit"] = {"maxEnergy": 50_000_000}
    later = s.following(event, EVENT, where=lambda p: p["triggerReason"] == "MeterValuePeriodic")
    s.need(name_of(later) == name_of(event))
    later.payload["triggerReason"] = "LimitSet"
    later.payload["transactionInfo"]["transactionLimit"] = {"maxEnergy": 500_000_000}


@fault(
    "TX2-032",
    "transaction",
    also=("TX2-030",),
    note="Registers in kWh are not compared, and the first minute is allowed.",
)
def charges_past_its_limit(s: Session) -> None:
    """The CSMS allows 1 Wh or 5 s, the station repeats it; the car charges on as long as it likes."""
    events = one_transaction(s)
    event = s.pick([e for e in events if e.payload["triggerReason"] == "Authorized"])
    assert event.answer is not None
    limit = s.chance.choice(({"maxEnergy": 1}, {"maxTime": 5}))
    event.answer.payload["transactionLimit"] = limit
    later = s.pick([e for e in events if e.payload["triggerReason"] == "ChargingStateChanged" and e.at > event.at][:1])
    later.payload["triggerReason"] = "LimitSet"
    later.payload["transactionInfo"]["transactionLimit"] = limit


@fault("AVL-008", "transaction", note="Another status of the EVSE within a minute counts.", also=("AVL-006", "TX2-022"))
def plugged_in_and_still_free(s: Session) -> None:
    events = one_transaction(s)
    s.need(events[-1].at > events[0].at + 90)
    event = s.pick([e for e in events if e.payload["triggerReason"] == "CablePluggedIn"])
    near = s.pick(
        [
            x
            for x in s.requests("StatusNotification", where=lambda p: p["connectorStatus"] == "Occupied")
            if abs(x.at - event.at) < 10
        ]
    )
    s.drop_exchange(near)


@fault("DQ-009", "transaction")
def signed_data_empty(s: Session) -> None:
    whole = {"signedMeterData": "T0NNRnx7fXx7fQ==", "signingMethod": "", "encodingMethod": "OCMF", "publicKey": ""}
    whole[s.chance.choice(("signedMeterData", "encodingMethod"))] = ""
    if s.version == "2.1":
        whole.pop("signingMethod")
        whole.pop("publicKey")
    for event in s.requests(EVENT, where=lambda p: p.get("meterValue")):
        event.payload["meterValue"][0]["sampledValue"][0]["signedMeterValue"] = whole
