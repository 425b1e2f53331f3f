"""Scenes of OCPP 2.0.1 and 2.1: provisioning, transactions, control. Each ends with every EVSE Available again.

Long because it is a list: some forty short dialogues that share their first lines, in the order of the blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bench.faults.scenes import v2_more
from bench.faults.scenes.beginning import CERTIFICATE, CSR, connect, consume, disconnect, in_an_hour, number, tag
from bench.faults.session import ENERGY, Payload, Session, Step

ACCEPTED: Final[Payload] = {"status": "Accepted"}
TOKEN_ACCEPTED: Final[Payload] = {"idTokenInfo": {"status": "Accepted"}}


def status(s: Session, evse: int, state: str, wait: float = 0.3) -> Step:
    s.now += wait
    return s.station("StatusNotification", {"timestamp": s.stamp(), "connectorStatus": state, "evseId": evse,
                                            "connectorId": 1}, wait=0)  # fmt: skip


def boot(s: Session, reason: str = "PowerUp", answer: str = "Accepted", interval: int | None = None) -> Step:
    station: Payload = {"model": s.traits["model"], "vendorName": s.traits["vendor"]}
    if s.traits["rich"]:
        station |= {"serialNumber": s.traits["serial"], "firmwareVersion": s.traits["firmware"]}
    interval = s.traits["heartbeat"] if interval is None else interval
    s.now += 0.2
    back: Payload = {"status": answer, "currentTime": s.stamp(0.1), "interval": interval}
    step = s.station("BootNotification", {"reason": reason, "chargingStation": station}, back, wait=0)
    if answer == "Accepted":
        s.expect_heartbeats(interval)
        s.station("SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": s.stamp()})
        for evse in range(1, s.traits["connectors"] + 1):
            status(s, evse, "Available")
    return step


def opening(s: Session) -> None:
    connect(s)
    if s.chance.random() < 0.2:
        boot(s, answer="Pending", interval=60)
        s.now += 61.5
    boot(s)
    variables(s)


def _variable(component: str, variable: str, value: str) -> Payload:
    return {"attributeStatus": "Accepted", "attributeType": "Actual", "attributeValue": value,
            "component": {"name": component}, "variable": {"name": variable}}  # fmt: skip


def variables(s: Session) -> None:
    """The CSMS reads what it wants to know."""
    values = [("OCPPCommCtrlr", "HeartbeatInterval", s.interval), ("OCPPCommCtrlr", "OfflineThreshold", 300),
              ("TxCtrlr", "EVConnectionTimeOut", 120), ("SampledDataCtrlr", "TxUpdatedInterval", s.traits["sample"]),
              ("OCPPCommCtrlr", "MessageAttempts", 3), ("DeviceDataCtrlr", "ItemsPerMessage", 20)]  # fmt: skip
    asked = [{"component": {"name": component}, "variable": {"name": variable}} for component, variable, _ in values]
    found = [_variable(component, variable, str(value)) for component, variable, value in values]
    s.csms("GetVariables", {"getVariableData": asked}, {"getVariableResult": found})


def settings(s: Session) -> None:
    """A variable is set and read again."""
    component, variable, value = s.chance.choice((
        ("TxCtrlr", "EVConnectionTimeOut", "120"), ("AuthCtrlr", "LocalPreAuthorize", "false"),
        ("OCPPCommCtrlr", "ResetRetries", "2"),
    ))  # fmt: skip
    place = {"component": {"name": component}, "variable": {"name": variable}}
    s.csms("SetVariables", {"setVariableData": [{"attributeValue": value, **place}]},
           {"setVariableResult": [{"attributeStatus": "Accepted", **place}]})  # fmt: skip
    s.wait(2)
    s.csms("GetVariables", {"getVariableData": [{"attributeType": "Actual", **place}]},
           {"getVariableResult": [_variable(component, variable, value)]})  # fmt: skip


def report(s: Session) -> None:
    """The inventory, in some parts."""
    request, parts = number(s, "request"), s.chance.randint(2, 4)
    s.csms("GetBaseReport", {"requestId": request, "reportBase": "FullInventory"}, ACCEPTED)
    for part in range(parts):
        s.now += 0.4
        data = [{"component": {"name": "EVSE", "evse": {"id": part + 1}}, "variable": {"name": "Power"},
                 "variableAttribute": [{"type": "Actual", "value": "0", "mutability": "ReadOnly"}],
                 "variableCharacteristics": {"unit": "W", "dataType": "decimal", "maxLimit": 22000,
                                             "supportsMonitoring": True}}]  # fmt: skip
        s.station("NotifyReport", {"requestId": request, "generatedAt": s.stamp(), "seqNo": part,
                  "tbc": part < parts - 1, "reportData": data}, wait=0)  # fmt: skip


class Transaction:
    """The events of one transaction."""

    def __init__(self, s: Session, evse: int, card: str, kind: str = "ISO14443") -> None:
        self.s = s
        self.evse = evse
        self.token: Payload = {"idToken": card, "type": kind}
        self.id = f"{s.chance.getrandbits(32):08x}-7a61-4000-a000-{number(s, 'transaction'):012x}"
        self.sequence = 0

    def event(
        self, kind: str, trigger: str, state: str, info: Payload | None = None, answer: Payload | None = None,
        wait: float = 0.3, **more: Any,
    ) -> Step:  # fmt: skip
        self.s.now += wait
        payload: Payload = {
            "eventType": kind, "timestamp": self.s.stamp(), "triggerReason": trigger, "seqNo": self.sequence,
            "transactionInfo": {"transactionId": self.id, "chargingState": state, **(info or {})},
        }  # fmt: skip
        if self.sequence == 0:
            payload["evse"] = {"id": self.evse, "connectorId": 1}
        for name, value in more.items():
            payload[name] = value
        self.sequence += 1
        return self.s.station("TransactionEvent", payload, answer or {}, wait=0)

    def meter(self, context: str = "Sample.Periodic") -> list[Payload]:
        return [meter(self.s, context)]

    def charge(self, rounds: int = 0) -> None:
        s = self.s
        for _ in range(rounds or s.chance.randrange(4, 9)):
            s.wait(s.traits["sample"] - 2)
            consume(s, s.traits["sample"])
            self.event("Updated", "MeterValuePeriodic", "Charging", meterValue=self.meter_later())
            if s.chance.random() < 0.15:
                s.chance.choice((settings, data_transfer, transaction_status))(s)
        if s.chance.random() < 0.3:
            self.event("Updated", "ChargingStateChanged", "SuspendedEV", wait=3)

    def meter_later(self) -> list[Payload]:
        """The value of the event that comes next."""
        self.s.now += 0.3
        value = self.meter()
        self.s.now -= 0.3
        return value

    def begin(self, authorized: bool = True) -> None:
        """Cable, card, current."""
        s = self.s
        status(s, self.evse, "Occupied")
        self.event("Started", "CablePluggedIn", "EVConnected", meterValue=self.meter_begin())
        s.wait(3)
        if authorized:
            s.station("Authorize", {"idToken": self.token}, TOKEN_ACCEPTED)
        self.event("Updated", "Authorized", "EVConnected", idToken=self.token, answer=TOKEN_ACCEPTED)
        self.event("Updated", "ChargingStateChanged", "Charging", wait=1)

    def meter_begin(self) -> list[Payload]:
        value = self.meter_later()
        value[0]["sampledValue"][0]["context"] = "Transaction.Begin"
        return value

    def meter_end(self) -> list[Payload]:
        value = self.meter_later()
        value[0]["sampledValue"][0]["context"] = "Transaction.End"
        return value

    def finish(self, trigger: str = "EVCommunicationLost", reason: str | None = "Local") -> Step:
        info = {} if reason is None else {"stoppedReason": reason}
        step = self.event("Ended", trigger, "Idle", info, meterValue=self.meter_end())
        status(self.s, self.evse, "Available")
        return step

    def driver_stops(self) -> None:
        """The same card ends it; then the cable is pulled."""
        self.event("Updated", "StopAuthorized", "EVConnected", idToken=self.token, answer=TOKEN_ACCEPTED)
        self.s.wait(12)
        self.finish()


def meter(s: Session, context: str) -> Payload:
    register, unit = s.traits["register"], s.traits["unit"]
    energy: Payload = {"value": register if unit == "Wh" else register / 1000, "context": context, "measurand": ENERGY,
                       "unitOfMeasure": {"unit": unit}}  # fmt: skip
    samples = [energy]
    if s.traits["rich"] and context == "Sample.Periodic":
        watt = s.traits.get("watt", s.traits["power"])
        samples += [{"value": watt, "context": context, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W"}},
                    {"value": round(watt / 690, 1), "context": context, "measurand": "Current.Import", "phase": "L1",
                     "unitOfMeasure": {"unit": "A"}},
                    {"value": s.chance.randrange(20, 90), "context": context, "measurand": "SoC", "location": "EV",
                     "unitOfMeasure": {"unit": "Percent"}}]  # fmt: skip
    return {"timestamp": s.stamp(), "sampledValue": samples}


def evse_of(s: Session) -> int:
    return int(s.chance.randint(1, s.traits["connectors"]))


def transaction(s: Session) -> None:
    t = Transaction(s, evse_of(s), tag(s))
    t.begin()
    t.charge()
    t.driver_stops()


def long_transaction(s: Session) -> None:
    """Half an hour and more, with values all the time."""
    t = Transaction(s, evse_of(s), tag(s))
    t.begin()
    t.charge(2400 // s.traits["sample"])
    t.driver_stops()


def remote_transaction(s: Session) -> None:
    """Started and stopped by the CSMS."""
    t, remote = Transaction(s, evse_of(s), tag(s), "Central"), number(s, "request")
    request: Payload = {"idToken": t.token, "remoteStartId": remote, "evseId": t.evse}
    if s.chance.random() < 0.4:
        request["chargingProfile"] = profile(s, number(s, "request"), "TxProfile", "Relative")
    s.csms("RequestStartTransaction", request, ACCEPTED)
    info = {"remoteStartId": remote}
    t.event("Started", "RemoteStart", "Idle", info, TOKEN_ACCEPTED, idToken=t.token)
    status(s, t.evse, "Occupied", 3)
    t.event("Updated", "CablePluggedIn", "EVConnected", meterValue=t.meter_begin())
    t.event("Updated", "ChargingStateChanged", "Charging", wait=1)
    t.charge()
    s.csms("RequestStopTransaction", {"transactionId": t.id}, ACCEPTED)
    t.event("Updated", "RemoteStop", "EVConnected", {"stoppedReason": "Remote"})
    s.wait(12)
    t.finish("EVDeparted", "Remote")


def deauthorized(s: Session) -> None:
    """The token is refused when the transaction is told; the station ends it."""
    t = Transaction(s, evse_of(s), tag(s))
    status(s, t.evse, "Occupied")
    t.event("Started", "CablePluggedIn", "EVConnected", meterValue=t.meter_begin())
    refused = {"idTokenInfo": {"status": s.chance.choice(("Invalid", "Blocked", "Expired"))}}
    t.event("Updated", "Authorized", "EVConnected", idToken=t.token, answer=refused)
    t.event("Updated", "Deauthorized", "EVConnected")
    s.wait(20)
    t.finish("EVCommunicationLost", "DeAuthorized")


def offline_transaction(s: Session) -> None:
    """The line fails while a car charges; the events of that time come later and say so."""
    t = Transaction(s, evse_of(s), tag(s))
    t.begin()
    t.charge()
    disconnect(s, "unknown", "rst", None)
    begun = len(s.steps)
    for _ in range(2):
        s.now += s.traits["sample"]
        consume(s, s.traits["sample"])
        t.event("Updated", "MeterValuePeriodic", "Charging", meterValue=t.meter_later(), offline=True)
    t.event("Updated", "StopAuthorized", "EVConnected", idToken=t.token, offline=True, answer=TOKEN_ACCEPTED)
    t.event("Ended", "EVCommunicationLost", "Idle", {"stoppedReason": "Local"}, meterValue=t.meter_end(), offline=True,
            wait=10)  # fmt: skip
    kept = s.steps[begun:]
    s.now += 30
    connect(s)
    for step in kept:
        s.now += 0.3
        step.at, step.label = s.now, s.label
    s.heartbeat()
    status(s, t.evse, "Available")


def reservation(s: Session) -> None:
    """Made, and used by its driver, cancelled, or expired."""
    t, reserved = Transaction(s, evse_of(s), tag(s)), number(s, "request")
    end = s.chance.choice(("used", "cancelled", "expired"))
    s.csms("ReserveNow", {"id": reserved, "idToken": t.token, "evseId": t.evse,
           **in_an_hour(s, 0.1 if end == "expired" else 2.0)}, ACCEPTED)  # fmt: skip
    status(s, t.evse, "Reserved")
    s.wait(180)
    if end == "cancelled":
        s.csms("CancelReservation", {"reservationId": reserved}, ACCEPTED)
        status(s, t.evse, "Available")
        return
    if end == "expired":
        s.wait(190)
        s.station("ReservationStatusUpdate", {"reservationId": reserved, "reservationUpdateStatus": "Expired"})
        status(s, t.evse, "Available")
        return
    s.station("Authorize", {"idToken": t.token}, TOKEN_ACCEPTED)
    t.event("Started", "Authorized", "Idle", idToken=t.token, answer=TOKEN_ACCEPTED, reservationId=reserved)
    status(s, t.evse, "Occupied")
    t.event("Updated", "CablePluggedIn", "EVConnected", meterValue=t.meter_begin())
    t.event("Updated", "ChargingStateChanged", "Charging")
    t.charge()
    t.driver_stops()


def availability(s: Session) -> None:
    evse = evse_of(s)
    for kind, state in (("Inoperative", "Unavailable"), ("Operative", "Available")):
        s.csms("ChangeAvailability", {"evse": {"id": evse, "connectorId": 1}, "operationalStatus": kind}, ACCEPTED)
        status(s, evse, state)
        s.wait(80)


def scheduled_availability(s: Session) -> None:
    t = Transaction(s, evse_of(s), tag(s))
    t.begin()
    where = {"evse": {"id": t.evse, "connectorId": 1}}
    s.csms("ChangeAvailability", {**where, "operationalStatus": "Inoperative"}, {"status": "Scheduled"}, wait=4)
    t.charge()
    t.event("Updated", "StopAuthorized", "EVConnected", idToken=t.token, answer=TOKEN_ACCEPTED)
    s.wait(12)
    t.event("Ended", "EVCommunicationLost", "Idle", {"stoppedReason": "Local"}, meterValue=t.meter_end())
    status(s, t.evse, "Unavailable")
    s.wait(90)
    s.csms("ChangeAvailability", {**where, "operationalStatus": "Operative"}, ACCEPTED)
    status(s, t.evse, "Available")


def local_list(s: Session) -> None:
    version = number(s, "list")
    entries = [{"idToken": {"idToken": tag(s), "type": "ISO14443"}, "idTokenInfo": {"status": "Accepted"}}
               for _ in range(s.chance.randint(1, 6))]  # fmt: skip
    s.csms(
        "SendLocalList", {"versionNumber": version, "updateType": "Full", "localAuthorizationList": entries}, ACCEPTED
    )
    s.wait(5)
    version = number(s, "list")
    change = [{"idToken": {"idToken": tag(s), "type": "ISO14443"}, "idTokenInfo": {"status": "Blocked"}},
              {"idToken": entries[0]["idToken"]}]  # fmt: skip
    s.csms("SendLocalList", {"versionNumber": version, "updateType": "Differential", "localAuthorizationList": change},
           ACCEPTED)  # fmt: skip
    s.csms("GetLocalListVersion", {}, {"versionNumber": version})


def data_transfer(s: Session) -> None:
    side = s.chance.choice((s.station, s.csms))
    side("DataTransfer", {"vendorId": "org.example", "messageId": "Info", "data": {"a": 1}}, ACCEPTED)


def transaction_status(s: Session) -> None:
    s.csms("GetTransactionStatus", {}, {"messagesInQueue": False})


def schedule(s: Session, **more: Any) -> Payload:
    return {"id": number(s, "request"), "chargingRateUnit": "A", "chargingSchedulePeriod": [
        {"startPeriod": 0, "limit": 16.0}, {"startPeriod": 600, "limit": 10.0}], **more}  # fmt: skip


def profile(s: Session, identity: int, purpose: str, kind: str, level: int = 1, **more: Any) -> Payload:
    begin = {} if kind == "Relative" else {"startSchedule": s.stamp()}
    return {"id": identity, "stackLevel": level, "chargingProfilePurpose": purpose, "chargingProfileKind": kind,
            "chargingSchedule": [schedule(s, **begin)], **more}  # fmt: skip


def smart_charging(s: Session) -> None:
    maximum, default = number(s, "request"), number(s, "request")
    s.csms("SetChargingProfile", {"evseId": 0, "chargingProfile": profile(
        s, maximum, "ChargingStationMaxProfile", "Absolute", 0)}, ACCEPTED)  # fmt: skip
    t = Transaction(s, evse_of(s), tag(s))
    s.csms("SetChargingProfile", {"evseId": t.evse, "chargingProfile": profile(
        s, default, "TxDefaultProfile", "Absolute", 2)}, ACCEPTED)  # fmt: skip
    s.wait(5)
    t.begin()
    own = profile(s, number(s, "request"), "TxProfile", "Relative", transactionId=t.id)
    s.csms("SetChargingProfile", {"evseId": t.evse, "chargingProfile": own}, ACCEPTED)
    composite = {"evseId": t.evse, "duration": 600, "scheduleStart": s.stamp(), "chargingRateUnit": "A",
                 "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]}  # fmt: skip
    s.csms("GetCompositeSchedule", {"evseId": t.evse, "duration": 600, "chargingRateUnit": "A"},
           {"status": "Accepted", "schedule": composite})  # fmt: skip
    t.charge(900 // s.traits["sample"])
    t.driver_stops()
    request = number(s, "request")
    s.csms("GetChargingProfiles", {"requestId": request, "evseId": t.evse, "chargingProfile": {
        "chargingProfilePurpose": "TxDefaultProfile"}}, ACCEPTED)  # fmt: skip
    s.station("ReportChargingProfiles", {"requestId": request, "chargingLimitSource": "CSO", "evseId": t.evse,
              "chargingProfile": [profile(s, default, "TxDefaultProfile", "Absolute", 2)]})  # fmt: skip
    s.csms("ClearChargingProfile", {"chargingProfileId": default}, ACCEPTED)
    s.csms("ClearChargingProfile", {"chargingProfileCriteria": {"chargingProfilePurpose": "ChargingStationMaxProfile"}},
           ACCEPTED)  # fmt: skip


def log(s: Session) -> None:
    request = number(s, "request")
    s.csms("GetLog", {"logType": s.chance.choice(("DiagnosticsLog", "SecurityLog")), "requestId": request, "log": {
        "remoteLocation": "https://log.example/up"}}, {"status": "Accepted", "filename": "log.gz"})  # fmt: skip
    for state in ("Uploading", "Uploaded"):
        s.wait(6)
        s.station("LogStatusNotification", {"status": state, "requestId": request})


def firmware(s: Session) -> None:
    request = number(s, "request")
    s.csms("UpdateFirmware", {"requestId": request, "firmware": {
        "location": "https://fw.example/6.bin", "retrieveDateTime": s.stamp(), "signingCertificate": CERTIFICATE,
        "signature": "c2lnbmF0dXJl"}}, ACCEPTED)  # fmt: skip
    for state in ("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"):
        s.wait(6)
        s.station("FirmwareStatusNotification", {"status": state, "requestId": request})
    s.traits["firmware"] = f"{s.chance.randrange(10, 20)}.0"
    disconnect(s)
    s.now += 60
    connect(s)
    boot(s, "FirmwareUpdate")
    s.station("FirmwareStatusNotification", {"status": "Installed", "requestId": request})
    s.station("SecurityEventNotification", {"type": "FirmwareUpdated", "timestamp": s.stamp()})


def certificate(s: Session) -> None:
    """A new certificate of the station; it connects anew with it. And a root certificate."""
    s.csms("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}, ACCEPTED)
    request: Payload = {"csr": CSR, "certificateType": "ChargingStationCertificate"}
    signed: Payload = {
        "certificateChain": CERTIFICATE,
        "certificateType": "ChargingStationCertificate",
    }
    if s.version == "2.1":
        request["requestId"] = signed["requestId"] = number(s, "request")
    s.station("SignCertificate", request, ACCEPTED, wait=1)
    s.wait(8)
    s.csms("CertificateSigned", signed, ACCEPTED)
    s.csms("InstallCertificate", {"certificateType": "CSMSRootCertificate", "certificate": CERTIFICATE},
           ACCEPTED)  # fmt: skip
    found = {"certificateType": "CSMSRootCertificate", "certificateHashData": {"hashAlgorithm": "SHA256",
             "issuerNameHash": "ab" * 32, "issuerKeyHash": "cd" * 32, "serialNumber": "1f"}}  # fmt: skip
    s.csms("GetInstalledCertificateIds", {"certificateType": ["CSMSRootCertificate"]},
           {"status": "Accepted", "certificateHashDataChain": [found]})  # fmt: skip
    s.station("SecurityEventNotification", {"type": "ReconfigurationOfSecurityParameters", "timestamp": s.stamp()})
    disconnect(s)
    s.now += 2
    connect(s)
    s.heartbeat()


def triggers(s: Session) -> None:
    evse = evse_of(s)
    s.csms(
        "TriggerMessage", {"requestedMessage": "StatusNotification", "evse": {"id": evse, "connectorId": 1}}, ACCEPTED
    )
    status(s, evse, "Available", 1)
    s.csms("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": evse}}, ACCEPTED)
    s.now += 1
    s.station("MeterValues", {"evseId": evse, "meterValue": [meter(s, "Trigger")]}, wait=0)
    s.csms("TriggerMessage", {"requestedMessage": "LogStatusNotification"}, ACCEPTED)
    s.station("LogStatusNotification", {"status": "Idle"}, wait=1)
    s.csms("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, ACCEPTED)
    s.station("FirmwareStatusNotification", {"status": "Idle"}, wait=1)
    s.csms("TriggerMessage", {"requestedMessage": "Heartbeat"}, ACCEPTED)
    s.now += 1
    s.heartbeat()


def unlock(s: Session) -> None:
    s.csms("UnlockConnector", {"evseId": evse_of(s), "connectorId": 1}, {"status": "Unlocked"})
    s.csms("ClearCache", {}, ACCEPTED)


def reset(s: Session) -> None:
    s.csms("Reset", {"type": s.chance.choice(("Immediate", "OnIdle"))}, ACCEPTED)
    disconnect(s, code=1001)
    s.now += s.chance.choice((20, 70))
    connect(s)
    boot(s, "RemoteReset")


def reset_in_transaction(s: Session) -> None:
    t = Transaction(s, evse_of(s), tag(s))
    t.begin()
    t.charge()
    s.csms("Reset", {"type": "Immediate"}, ACCEPTED)
    t.event("Ended", "ResetCommand", "EVConnected", {"stoppedReason": "ImmediateReset"}, meterValue=t.meter_end())
    disconnect(s, code=1001)
    s.now += 40
    connect(s)
    boot(s, "RemoteReset")


def scheduled_reset(s: Session) -> None:
    """A reset on idle waits for the transaction."""
    t = Transaction(s, evse_of(s), tag(s))
    t.begin()
    s.csms("Reset", {"type": "OnIdle"}, {"status": "Scheduled"}, wait=5)
    t.charge()
    t.driver_stops()
    disconnect(s, code=1001)
    s.now += 40
    connect(s)
    boot(s, "ScheduledReset")


def reconnect(s: Session) -> None:
    for _ in range(2):
        s.line("ping", ">", wait=3)
        s.line("pong", "<", wait=0.1)
    disconnect(s, s.chance.choice(("station", "unknown")), "rst", None)
    s.now += s.chance.choice((15, 90))
    connect(s)
    s.heartbeat()


def network_profile(s: Session) -> None:
    s.csms("SetNetworkProfile", {"configurationSlot": 1, "connectionData": {
        "ocppInterface": "Wired0", "ocppTransport": "JSON", "ocppVersion": "OCPP20", "messageTimeout": 30,
        "ocppCsmsUrl": "wss://csms.example/ocpp", "securityProfile": 2}}, ACCEPTED)  # fmt: skip


SCENES: Final[dict[str, Callable[[Session], None]]] = {
    scene.__name__: scene
    for scene in (
        transaction, long_transaction, remote_transaction, deauthorized, offline_transaction, reservation, availability,
        scheduled_availability, local_list, data_transfer, transaction_status, settings, report, smart_charging, log,
        firmware, certificate, triggers, unlock, reset, reset_in_transaction, scheduled_reset, reconnect, network_profile,
        *v2_more.SCENES,
    )
}  # fmt: skip
SCENES_21: Final[dict[str, Callable[[Session], None]]] = {scene.__name__: scene for scene in v2_more.SCENES_21}
