"""Faults of transactions in OCPP 1.6: ids, registers, times, reasons, what belongs to which connector."""

from __future__ import annotations

from bench.faults.fault import fault
from bench.faults.scenes.v16 import status
from bench.faults.session import ENERGY, Session, Stamp, Step, after

LEFT_OPEN = ("TX16-002", "TX16-013", "TX16-021", "TX16-022", "BOOT-018", "RST-002", "RC-002", "RC-012", "AVL-001")
"""What is said of a transaction that runs for ever, besides."""


def started(s: Session) -> Step:
    """A StartTransaction that was accepted."""
    return s.one("StartTransaction", answer=lambda p: p.get("transactionId", 0) > 0)


def number_of(start: Step) -> int:
    assert start.answer is not None
    return int(start.answer.payload["transactionId"])


def stop_of(s: Session, start: Step) -> Step:
    return s.following(start, "StopTransaction", where=lambda p: p["transactionId"] == number_of(start))


def values_of(s: Session, start: Step) -> list[Step]:
    return s.requests("MeterValues", where=lambda p: p.get("transactionId") == number_of(start))


def renumber(s: Session, start: Step, number: int) -> None:
    """The CSMS gives another number, and everybody uses it."""
    old = number_of(start)
    for step in s.steps:
        if isinstance(step.payload, dict) and step.payload.get("transactionId") == old:
            step.payload["transactionId"] = number
        profile = step.payload.get("csChargingProfiles", {}) if isinstance(step.payload, dict) else {}
        if profile.get("transactionId") == old:
            profile["transactionId"] = number


@fault("TX16-001", "transaction", "remote_transaction", also=("TX16-003", "TX16-005", "TX16-012"))
def number_not_positive(s: Session) -> None:
    renumber(s, started(s), s.chance.choice((0, -1, -77)))


@fault("TX16-001", "transaction", "remote_transaction", "refused_tag", also=("TX16-004",))
def number_given_again(s: Session) -> None:
    """A CSMS that starts its counter anew."""
    first, second = s.pick(
        [(a, b) for a in s.requests("StartTransaction") for b in s.requests("StartTransaction") if a.at < b.at]
    )
    renumber(s, second, number_of(first))


@fault(
    "TX16-002",
    "transaction",
    "remote_transaction",
    "refused_tag",
    also=LEFT_OPEN,
    note="After a boot BOOT-018 or RST-002 says it.",
)
def stop_forgotten(s: Session) -> None:
    """A stop that the station never sends; the next driver comes."""
    start = started(s)
    s.following(start, "StartTransaction", where=lambda p: p["connectorId"] == start.payload["connectorId"])
    s.drop_exchange(stop_of(s, start))


@fault("TX16-003", "transaction")
def stop_of_unknown_transaction(s: Session) -> None:
    stop_of(s, started(s))
    at = s.quiet()
    s.insert(at, ">", "StopTransaction", {"transactionId": s.chance.randrange(50_000, 60_000), "meterStop": 10,
             "timestamp": Stamp(at)}, {})  # fmt: skip


@fault("TX16-004", "transaction")
def stopped_twice(s: Session) -> None:
    """The firmware sends another stop some seconds later, with a newer register."""
    stop = stop_of(s, started(s))
    again = dict(stop.payload)
    again["meterStop"] += s.chance.randint(1, 50)
    again["timestamp"] = Stamp(stop.at + 10)
    s.insert(stop.at + 10, ">", "StopTransaction", again, {})


@fault("TX16-005", "transaction", also=("TX16-013", "TX16-012"))
def station_forgot_the_number(s: Session) -> None:
    """The station did not read the answer and uses -1."""
    for value in values_of(s, started(s)):
        value.payload["transactionId"] = -1


@fault("TX16-006", "transaction", also=("TX16-007", "TX16-008", "TX16-023"))
def stops_below_its_start(s: Session) -> None:
    """The register of the stop counts from zero again."""
    stop_of(s, started(s)).payload["meterStop"] = s.chance.randrange(0, 900)


@fault("TX16-007", "transaction", also=("TX16-023", "DQ-014"))
def register_jumps_back(s: Session) -> None:
    """In the middle of a transaction the meter loses some of what it counted."""
    values = values_of(s, started(s))
    s.need(len(values) >= 4)
    at = s.chance.randrange(2, len(values))
    for sample in values[at].payload["meterValue"][0]["sampledValue"]:
        if sample["measurand"] == ENERGY:
            loss = 700 if sample["unit"] == "Wh" else 0.7
            sample["value"] = str(round(float(sample["value"]) - loss, 3)) if sample["unit"] == "kWh" else str(
                int(sample["value"]) - int(loss))  # fmt: skip


@fault("TX16-008", "transaction", "remote_transaction", "refused_tag", also=("TX16-023", "TX16-007"))
def register_starts_anew(s: Session) -> None:
    """Between two transactions of a connector its meter was changed or reset."""
    start = s.pick([x for x in s.requests("StartTransaction") if [
        y for y in s.requests("StartTransaction") if y.at < x.at and y.payload["connectorId"] == x.payload["connectorId"]]])  # fmt: skip
    base = start.payload["meterStart"]
    start.payload["meterStart"] = 0
    stop = stop_of(s, start)
    stop.payload["meterStop"] -= base
    for value in values_of(s, start):
        for sample in value.payload["meterValue"][0]["sampledValue"]:
            if sample["measurand"] == ENERGY:
                less = base if sample["unit"] == "Wh" else base / 1000
                left = float(sample["value"]) - less
                sample["value"] = f"{left:.3f}" if sample["unit"] == "kWh" else str(int(left))


@fault("TX16-009", "transaction", also=("TX16-019", "DQ-007", "TX16-012", "TX16-016"))
def stop_older_than_start(s: Session) -> None:
    """The clock of the station was put back while a car charged."""
    start = started(s)
    stop_of(s, start).payload["timestamp"].at = start.payload["timestamp"].at - s.chance.randint(30, 4000)


@fault("TX16-010", "remote_transaction")
def remote_stop_called_local(s: Session) -> None:
    """The CSMS stopped it, and the station names another reason."""
    request = s.one("RemoteStopTransaction")
    stop = s.following(
        request, "StopTransaction", where=lambda p: p["transactionId"] == request.payload["transactionId"]
    )
    stop.payload["reason"] = "Local"


@fault("TX16-010", "transaction", note="Not told if the CSMS gave such a command in the hour before the transaction.")
def local_stop_called_remote(s: Session) -> None:
    stop = s.one("StopTransaction", where=lambda p: p.get("reason", "Local") == "Local")
    stop.payload["reason"] = s.chance.choice(("Remote", "UnlockCommand", "HardReset"))


@fault("TX16-012", "transaction", also=("TX16-013", "TX16-024"))
def values_of_another_connector(s: Session) -> None:
    s.need(s.traits["connectors"] > 1)
    for value in values_of(s, started(s)):
        value.payload["connectorId"] = value.payload["connectorId"] % s.traits["connectors"] + 1


@fault("TX16-012", "transaction")
def values_go_on_after_the_stop(s: Session) -> None:
    start = started(s)
    stop = stop_of(s, start)
    for turn in range(3):
        at = stop.at + 75 + 5 * turn
        value = {"timestamp": Stamp(at), "sampledValue": [{"value": str(stop.payload["meterStop"]), "unit": "Wh",
                 "measurand": ENERGY, "context": "Sample.Periodic"}]}  # fmt: skip
        s.insert(at, ">", "MeterValues", {"connectorId": start.payload["connectorId"], "transactionId": number_of(start),
                 "meterValue": [value]}, {})  # fmt: skip


@fault("TX16-013", "transaction", note="Not told while the configuration is being read or changed.")
def values_stop_coming(s: Session) -> None:
    """After some values no more come, though the car charges on."""
    values = values_of(s, started(s))
    s.need(len(values) >= 6)
    s.drop_exchange(*values[s.chance.randrange(1, 3) :])


@fault("TX16-014", "transaction")
def not_at_the_clock(s: Session) -> None:
    """Clock-aligned values every 5 minutes, that are taken at other times."""
    told = min(s.quiet_moments)
    s.insert(
        told, "<", "ChangeConfiguration", {"key": "ClockAlignedDataInterval", "value": "300"}, {"status": "Accepted"}
    )
    value = s.one("MeterValues", where=lambda p: "transactionId" in p)
    s.need(value.at > told)
    moment = value.payload["meterValue"][0]["timestamp"]
    s.need(20 < moment.at % 300 < 280)
    for sample in value.payload["meterValue"][0]["sampledValue"]:
        sample["context"] = "Sample.Clock"


@fault("TX16-015")
def connector_zero(s: Session) -> None:
    """Whole-station number where a connector has to be named."""
    at = s.quiet()
    if s.chance.random() < 0.5:
        s.insert(at, "<", "RemoteStartTransaction", {"idTag": "AB12", "connectorId": 0}, {"status": "Rejected"})
    else:
        s.insert(at, "<", "UnlockConnector", {"connectorId": 0}, {"status": "NotSupported"})


@fault("TX16-016", "offline_transaction", also=("TX16-012",))
def values_behind_the_stop(s: Session) -> None:
    """The queue is sent in the wrong order: the stop first."""
    start = started(s)
    stop, values = stop_of(s, start), values_of(s, start)
    s.need(len(values) > 2)
    last = values[-1]
    s.need(last.payload["meterValue"][0]["timestamp"].at < stop.payload["timestamp"].at - 6)
    s.need(last.label == stop.label and stop.answer is not None and last.answer is not None)
    assert stop.answer is not None
    assert last.answer is not None
    last.at, stop.at = stop.at, last.at
    last.answer.at, stop.answer.at = last.at + 0.1, stop.at + 0.1


@fault("TX16-017", "transaction")
def values_that_nobody_configured(s: Session) -> None:
    """StopTxnSampledData is empty, and the stop carries values."""
    start = started(s)
    stop = stop_of(s, start)
    stop.payload["transactionData"] = [{"timestamp": Stamp(start.at), "sampledValue": [{"value": str(start.payload["meterStart"]),
                                       "context": "Transaction.Begin", "measurand": ENERGY, "unit": "Wh"}]}]  # fmt: skip


@fault("TX16-019", "transaction", also=("TX16-007", "TX16-017"))
def end_older_than_begin(s: Session) -> None:
    """transactionData in which begin and end have each other's times."""
    start = started(s)
    stop = stop_of(s, start)
    stop.payload["transactionData"] = [
        {"timestamp": Stamp(at), "sampledValue": [{"value": str(register), "context": context, "measurand": ENERGY, "unit": "Wh"}]}
        for at, register, context in (
            (stop.at, start.payload["meterStart"], "Transaction.Begin"), (start.at, stop.payload["meterStop"], "Transaction.End"))
    ]  # fmt: skip


@fault("TX16-020", also=("ST16-001", "TX16-021"))
def connector_that_is_not_there(s: Session) -> None:
    """A station that counts one too many."""
    at = s.quiet()
    s.insert(at, ">", "StatusNotification", {"connectorId": s.traits["connectors"] + s.chance.randint(1, 3),
             "errorCode": "NoError", "status": "Available"}, {})  # fmt: skip


@fault(
    "TX16-021", "transaction", "refused_tag", also=("TX16-003", "AUTH-003", "ST16-007", "RES-006", "RES-010", "RES-003")
)
def start_never_sent(s: Session) -> None:
    """Current flows, and nobody is told of a transaction."""
    start = started(s)
    s.drop_exchange(start, stop_of(s, start), *values_of(s, start))


@fault("TX16-022", "transaction", "refused_tag", also=LEFT_OPEN, note="After a boot BOOT-018 or RST-002 says it.")
def stop_never_sent(s: Session) -> None:
    """The car has gone, the connector is free, the transaction is open for ever."""
    s.drop_exchange(stop_of(s, started(s)))


@fault(
    "TX16-023",
    "transaction",
    also=("TX16-007", "DQ-014", "DQ-007"),
    note="Registers in kWh are rounded; they are not compared.",
)
def sample_above_the_stop(s: Session) -> None:
    """The start and the stop of one meter, the values of another."""
    start = started(s)
    values = values_of(s, start)
    s.need(values)
    for value in values:
        for sample in value.payload["meterValue"][0]["sampledValue"]:
            if sample["measurand"] == ENERGY:
                more = 500_000 if sample["unit"] == "Wh" else 500
                changed = float(sample["value"]) + more
                sample["value"] = f"{changed:.3f}" if sample["unit"] == "kWh" else str(int(changed))


@fault("TX16-024", "triggers", also=("TX16-012",))
def number_zero_instead_of_none(s: Session) -> None:
    """Values outside of a transaction, with the number 0."""
    value = s.one("MeterValues", where=lambda p: "transactionId" not in p)
    value.payload["transactionId"] = 0


@fault("ST16-001", "transaction", also=("TX16-022", "AVL-003", "ST16-008"))
def impossible_order(s: Session) -> None:
    """A connector goes from Preparing to Reserved, or from Finishing back to Charging."""
    step = s.one("StatusNotification", where=lambda p: p["status"] in ("Preparing", "Finishing"))
    state = "Reserved" if step.payload["status"] == "Preparing" else "Charging"
    s.insert(after(step), ">", "StatusNotification", {"connectorId": step.payload["connectorId"], "errorCode": "NoError",
             "status": state}, {})  # fmt: skip


@fault("ST16-002")
def whole_station_charges(s: Session) -> None:
    s.insert(s.quiet(), ">", "StatusNotification", {"connectorId": 0, "errorCode": "NoError", "status": s.chance.choice((
             "Preparing", "Charging", "Finishing", "Reserved", "SuspendedEV"))}, {})  # fmt: skip


@fault("ST16-003")
def faulted_without_error(s: Session) -> None:
    at = s.quiet()
    s.insert(at, ">", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Faulted"}, {})
    s.insert(at + 5, ">", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}, {})


@fault("ST16-004", also="ST16-001")
def communication_error_without_car(s: Session) -> None:
    s.insert(s.quiet(), ">", "StatusNotification", {"connectorId": 1, "errorCode": "EVCommunicationError",
             "status": s.chance.choice(("Available", "Unavailable"))}, {})  # fmt: skip


@fault("ST16-005")
def same_status_again_and_again(s: Session) -> None:
    at = s.quiet()
    for _ in range(12):
        s.insert(at, ">", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}, {})


@fault("ST16-007", also=("HB-001",))
def preparing_for_hours(s: Session) -> None:
    """Somebody plugs in and goes away; the station never gives up."""
    begin = s.end
    s.now = begin
    s.label = s.label_at(begin)
    status(s, 1, "Preparing", 5)
    s.wait(3600)


@fault("ST16-008", note="Shortly after a reservation it may still be that one.")
def reserved_without_reservation(s: Session) -> None:
    at = s.quiet()
    s.insert(at, ">", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Reserved"}, {})
    s.insert(at + 5, ">", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}, {})


@fault("ST16-009", also=("ST16-001", "AVL-002", "ST16-007", "DQ-002"))
def older_status_later(s: Session) -> None:
    """Two statuses of a connector that overtake each other."""
    s.need(s.traits["rich"])
    first = s.one("StatusNotification", where=lambda p: p["connectorId"] > 0)
    second = s.following(first, "StatusNotification", where=lambda p: p["connectorId"] == first.payload["connectorId"])
    s.need(second.label == first.label and second.at > first.at + 5)
    s.need(not [beat for beat in s.requests("Heartbeat") if first.at < beat.at < second.at])
    first.payload, second.payload = second.payload, first.payload


@fault("ST16-010")
def list_conflict_of_a_connector(s: Session) -> None:
    s.insert(
        s.quiet(),
        ">",
        "StatusNotification",
        {"connectorId": 1, "errorCode": "LocalListConflict", "status": "Available"},
        {},
    )


@fault("DQ-007", "transaction", also=("TX16-008", "TX16-023", "DQ-014"))
def too_much_energy(s: Session) -> None:
    """A register in Wh that is written as if it were in kWh, at the stop only."""
    stop_of(s, started(s)).payload["meterStop"] += 5_000_000
