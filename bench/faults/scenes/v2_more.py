"""Further scenes of OCPP 2.0.1 and 2.1: monitoring, display, customer data; of 2.1 streams, DER, tariffs, batteries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bench.faults.scenes.beginning import number, tag
from bench.faults.session import Payload, Session, Step

ACCEPTED: Final[Payload] = {"status": "Accepted"}


def monitoring(s: Session) -> None:
    """A monitor is set, reports, is listed, and cleared."""
    monitor = number(s, "request")
    place = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
    s.csms("SetMonitoringBase", {"monitoringBase": "All"}, ACCEPTED)
    s.csms("SetMonitoringLevel", {"severity": 8}, ACCEPTED)
    s.csms("SetVariableMonitoring", {"setMonitoringData": [
        {"value": 20000, "type": "UpperThreshold", "severity": 5, "transaction": False, **place}]},
        {"setMonitoringResult": [{"id": monitor, "status": "Accepted", "type": "UpperThreshold", "severity": 5, **place}]},
    )  # fmt: skip
    s.wait(80)
    s.now += 0.3
    s.station("NotifyEvent", {"generatedAt": s.stamp(), "seqNo": 0, "tbc": False, "eventData": [{
        "eventId": number(s, "request"), "timestamp": s.stamp(), "trigger": "Alerting", "actualValue": "21000",
        "eventNotificationType": "CustomMonitor", "variableMonitoringId": monitor, "severity": 5, **place}]}, wait=0)  # fmt: skip
    if s.version == "2.0.1":  # severity in an event came with 2.1
        del s.steps[-2].payload["eventData"][0]["severity"]
    request = number(s, "request")
    s.csms("GetMonitoringReport", {"requestId": request, "monitoringCriteria": ["ThresholdMonitoring"]}, ACCEPTED)
    told: Payload = {"id": monitor, "transaction": False, "value": 20000, "type": "UpperThreshold", "severity": 5}
    if s.version == "2.1":
        told["eventNotificationType"] = "CustomMonitor"
    s.now += 0.3
    s.station("NotifyMonitoringReport", {"requestId": request, "seqNo": 0, "generatedAt": s.stamp(), "tbc": False,
              "monitor": [{"variableMonitoring": [told], **place}]}, wait=0)  # fmt: skip
    s.csms(
        "ClearVariableMonitoring", {"id": [monitor]}, {"clearMonitoringResult": [{"id": monitor, "status": "Accepted"}]}
    )


def display(s: Session) -> None:
    message, request = number(s, "request"), number(s, "request")
    shown: Payload = {"id": message, "priority": "NormalCycle", "message": {"format": "UTF8", "content": "Welcome"}}
    s.csms("SetDisplayMessage", {"message": shown}, ACCEPTED)
    s.csms("GetDisplayMessages", {"requestId": request}, ACCEPTED)
    s.station("NotifyDisplayMessages", {"requestId": request, "tbc": False, "messageInfo": [shown]})
    s.csms("ClearDisplayMessage", {"id": message}, ACCEPTED)


def customer_information(s: Session) -> None:
    request = number(s, "request")
    s.csms("CustomerInformation", {"requestId": request, "report": True, "clear": False, "idToken": {
        "idToken": tag(s), "type": "ISO14443"}}, ACCEPTED)  # fmt: skip
    for part in range(2):
        s.now += 0.4
        s.station("NotifyCustomerInformation", {"requestId": request, "seqNo": part, "generatedAt": s.stamp(),
                  "tbc": part == 0, "data": "cached token"}, wait=0)  # fmt: skip


def publish_firmware(s: Session) -> None:
    request = number(s, "request")
    s.csms("PublishFirmware", {"requestId": request, "location": "https://fw.example/7.bin", "checksum": "ab" * 16},
           ACCEPTED)  # fmt: skip
    for state in ("Downloading", "Downloaded", "ChecksumVerified"):
        s.wait(4)
        s.station("PublishFirmwareStatusNotification", {"status": state, "requestId": request})
    s.wait(4)
    s.station("PublishFirmwareStatusNotification", {"status": "Published", "requestId": request,
              "location": ["https://10.0.0.2/7.bin"]})  # fmt: skip
    s.csms("UnpublishFirmware", {"checksum": "ab" * 16}, {"status": "Unpublished"})


def stream(s: Session) -> None:
    """A monitor sends its values as a stream (SEND has no answer)."""
    identity = number(s, "request")
    s.station("OpenPeriodicEventStream", {"constantStreamData": {"id": identity, "variableMonitoringId": identity,
              "params": {"interval": 10, "values": 2}}}, ACCEPTED)  # fmt: skip
    for _ in range(3):
        s.wait(8)
        s.now += 0.4
        values = {
            "id": identity,
            "pending": 0,
            "basetime": s.stamp(),
            "data": [{"t": 0, "v": "230"}, {"t": 5, "v": "231"}],
        }
        s.steps.append(Step(s.now, s.label, ">", "send", "NotifyPeriodicEventStream", values, s.new_id(">")))
    s.csms("GetPeriodicEventStream", {}, {"constantStreamData": [{"id": identity, "variableMonitoringId": identity,
           "params": {"interval": 10, "values": 2}}]})  # fmt: skip
    s.station("ClosePeriodicEventStream", {"id": identity})


def der_control(s: Session) -> None:
    """A control is set, starts, is read, and cleared."""
    control, request = f"der-{number(s, 'request')}", number(s, "request")
    power = {"priority": 1, "displacement": 0.95, "excitation": True, "startTime": s.stamp(30), "duration": 600}
    s.csms("SetDERControl", {"isDefault": False, "controlId": control, "controlType": "FixedPFInject",
           "fixedPFInject": power}, ACCEPTED)  # fmt: skip
    s.wait(30)
    s.now += 0.4
    s.station("NotifyDERStartStop", {"controlId": control, "started": True, "timestamp": s.stamp()}, wait=0)
    s.csms("GetDERControl", {"requestId": request, "controlId": control}, ACCEPTED)
    s.station("ReportDERControl", {"requestId": request, "tbc": False, "fixedPFInject": [
        {"fixedPF": power, "id": control, "isDefault": False, "isSuperseded": False}]})  # fmt: skip
    s.csms("ClearDERControl", {"isDefault": False, "controlId": control}, ACCEPTED)
    s.now += 0.4
    s.station("NotifyDERStartStop", {"controlId": control, "started": False, "timestamp": s.stamp()}, wait=0)


def battery_swap(s: Session) -> None:
    request, token = number(s, "request"), {"idToken": tag(s), "type": "ISO14443"}
    s.csms("RequestBatterySwap", {"idToken": token, "requestId": request}, ACCEPTED)
    for kind, serial, charge in (("BatteryIn", "B1", 12), ("BatteryOut", "B2", 95)):
        s.wait(10)
        s.station("BatterySwap", {"eventType": kind, "idToken": token, "requestId": request, "batteryData": [
            {"evseId": 1, "serialNumber": serial, "soC": charge, "soH": 97}]})  # fmt: skip
        s.now += 0.4
        s.station("StatusNotification", {"timestamp": s.stamp(), "connectorStatus": "Available", "evseId": 1,
                  "connectorId": 1}, wait=0)  # fmt: skip


def tariff(s: Session) -> None:
    identity = f"T{number(s, 'request')}"
    price = {"tariffId": identity, "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.4}]}}
    s.csms("SetDefaultTariff", {"evseId": 0, "tariff": price}, ACCEPTED)
    s.csms("GetTariffs", {"evseId": 0}, {"status": "Accepted", "tariffAssignments": [
        {"tariffId": identity, "tariffKind": "DefaultTariff", "evseIds": list(range(1, s.traits["connectors"] + 1))}]})  # fmt: skip
    s.csms(
        "ClearTariffs",
        {"tariffIds": [identity]},
        {"clearTariffsResult": [{"tariffId": identity, "status": "Accepted"}]},
    )


def vat_number(s: Session) -> None:
    number_ = "NL123456789B01"
    s.station("VatNumberValidation", {"vatNumber": number_, "evseId": 1}, {"vatNumber": number_, "evseId": 1, "status": "Accepted",
              "company": {"name": "X", "address1": "Street 1", "city": "Y", "country": "NL"}})  # fmt: skip


SCENES: Final[tuple[Callable[[Session], None], ...]] = (monitoring, display, customer_information, publish_firmware)
SCENES_21: Final[tuple[Callable[[Session], None], ...]] = (stream, der_control, battery_swap, tariff, vat_number)
