"""Scenes of OCPP 1.6. Each begins and ends with every connector Available, so that they follow each other in any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bench.faults.scenes.beginning import CERTIFICATE, CSR, connect, consume, disconnect, in_an_hour, number, tag
from bench.faults.session import ENERGY, Payload, Session, Step

ACCEPTED: Final[Payload] = {"status": "Accepted"}
TAG_ACCEPTED: Final[Payload] = {"idTagInfo": {"status": "Accepted"}}


def status(s: Session, connector: int, state: str, wait: float = 0.3, **more: Any) -> Step:
    payload: Payload = {"connectorId": connector, "errorCode": "NoError", "status": state, **more}
    s.now += wait
    if s.traits["rich"]:
        payload["timestamp"] = s.stamp()
    return s.station("StatusNotification", payload, wait=0)


def boot(s: Session, answer: str = "Accepted", interval: int | None = None, statuses: bool = True) -> Step:
    payload: Payload = {"chargePointVendor": s.traits["vendor"], "chargePointModel": s.traits["model"]}
    if s.traits["rich"]:
        payload |= {"firmwareVersion": s.traits["firmware"], "chargePointSerialNumber": s.traits["serial"]}
    s.now += 0.2
    interval = s.traits["heartbeat"] if interval is None else interval
    back: Payload = {"status": answer, "currentTime": s.stamp(0.1), "interval": interval}
    step = s.station("BootNotification", payload, back, wait=0)
    if answer == "Accepted":
        s.expect_heartbeats(interval)
        if statuses:
            for connector in range(s.traits["connectors"] + 1):
                status(s, connector, "Available")
        if s.traits["rich"]:
            s.station("SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": s.stamp(0.2)})
    return step


def opening(s: Session) -> None:
    """The station connects, boots, and the CSMS reads its configuration."""
    connect(s)
    if s.chance.random() < 0.2:
        boot(s, "Pending", 60)
        s.csms("GetConfiguration", {"key": ["NumberOfConnectors"]}, {"configurationKey": [{
            "key": "NumberOfConnectors", "readonly": True, "value": str(s.traits["connectors"])}]})  # fmt: skip
        s.now += 61.5
    boot(s)
    configuration(s)


def configuration(s: Session) -> None:
    """The CSMS reads all keys."""
    values = {
        "HeartbeatInterval": s.interval, "ConnectionTimeOut": 120, "MeterValueSampleInterval": s.traits["sample"],
        "ClockAlignedDataInterval": 0, "NumberOfConnectors": s.traits["connectors"], "AuthorizeRemoteTxRequests": "false",
        "LocalPreAuthorize": "false", "LocalAuthorizeOffline": "true", "ConnectorPhaseRotation": "Unknown",
        "GetConfigurationMaxKeys": 50, "MeterValuesAlignedData": ENERGY, "MeterValuesSampledData": ENERGY,
        "ResetRetries": 1, "StopTransactionOnEVSideDisconnect": "true", "StopTransactionOnInvalidId": "true",
        "StopTxnAlignedData": "", "StopTxnSampledData": "", "TransactionMessageAttempts": 3,
        "TransactionMessageRetryInterval": 60, "UnlockConnectorOnEVSideDisconnect": "true",
        "SupportedFeatureProfiles": "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
        "LocalAuthListEnabled": "true", "LocalAuthListMaxLength": 100, "SendLocalListMaxLength": 20,
        "ReserveConnectorZeroSupported": "false", "ChargeProfileMaxStackLevel": 10,
        "ChargingScheduleAllowedChargingRateUnit": "Current,Power", "ChargingScheduleMaxPeriods": 24,
        "MaxChargingProfilesInstalled": 10, "WebSocketPingInterval": 60, "SecurityProfile": 2,
    }  # fmt: skip
    read_only = ("NumberOfConnectors", "SupportedFeatureProfiles", "GetConfigurationMaxKeys", "LocalAuthListMaxLength",
                 "SendLocalListMaxLength", "ReserveConnectorZeroSupported", "ChargeProfileMaxStackLevel",
                 "ChargingScheduleAllowedChargingRateUnit", "ChargingScheduleMaxPeriods",
                 "MaxChargingProfilesInstalled")  # fmt: skip
    keys = [{"key": key, "readonly": key in read_only, "value": str(value)} for key, value in values.items()]
    s.csms("GetConfiguration", {}, {"configurationKey": keys})


def settings(s: Session) -> None:
    """A key is changed and read again."""
    key, value = s.chance.choice((("ConnectionTimeOut", "120"), ("ResetRetries", "2"), ("LightIntensity", "70")))
    s.csms("ChangeConfiguration", {"key": key, "value": value}, ACCEPTED)
    s.wait(2)
    s.csms("GetConfiguration", {"key": [key, "WhatIsThis"]}, {
        "configurationKey": [{"key": key, "readonly": False, "value": value}], "unknownKey": ["WhatIsThis"]})  # fmt: skip


def meter(s: Session, context: str = "Sample.Periodic") -> Payload:
    """A meter value of now."""
    register, unit = s.traits["register"], s.traits["unit"]
    text = str(register) if unit == "Wh" else f"{register / 1000:.3f}"
    samples: list[Payload] = [{"value": text, "context": context, "measurand": ENERGY, "unit": unit}]
    if s.traits["rich"]:
        watt = s.traits.get("watt", s.traits["power"])
        samples += [{"value": str(watt), "measurand": "Power.Active.Import", "unit": "W"},
                    {"value": f"{watt / 690:.1f}", "measurand": "Current.Import", "phase": "L1", "unit": "A"},
                    {"value": str(s.chance.randrange(226, 236)), "measurand": "Voltage", "phase": "L1-N", "unit": "V"},
                    {"value": str(s.chance.randrange(20, 90)), "measurand": "SoC", "unit": "Percent", "location": "EV"},
                    ]  # fmt: skip
    return {"timestamp": s.stamp(), "sampledValue": samples}


def start(s: Session, connector: int, card: str, **more: Any) -> int:
    s.now += 0.5
    transaction = number(s, "transaction")
    s.station("StartTransaction", {"connectorId": connector, "idTag": card, "meterStart": s.traits["register"],
              "timestamp": s.stamp(), **more}, {"transactionId": transaction, **TAG_ACCEPTED}, wait=0)  # fmt: skip
    return transaction


def charge(s: Session, connector: int, transaction: int, rounds: int = 0) -> None:
    """Some sampling intervals; sometimes the car pauses, sometimes the CSMS asks for something in between."""
    for _ in range(rounds or s.chance.randrange(4, 9)):
        s.wait(s.traits["sample"] - 2)
        s.now += 0.5
        consume(s, s.traits["sample"])
        s.station(
            "MeterValues", {"connectorId": connector, "transactionId": transaction, "meterValue": [meter(s)]}, wait=0
        )
        if s.chance.random() < 0.15:
            s.chance.choice((settings, data_transfer, composite_schedule))(s)
    if s.chance.random() < 0.3:
        status(s, connector, "SuspendedEV", 3)


def stop(s: Session, transaction: int, reason: str, **more: Any) -> Step:
    s.now += 0.5
    payload: Payload = {"transactionId": transaction, "meterStop": s.traits["register"], "timestamp": s.stamp(), **more}
    if reason != "Local" or s.chance.random() < 0.5:
        payload["reason"] = reason
    return s.station("StopTransaction", payload, TAG_ACCEPTED if "idTag" in more else {}, wait=0)


def leave(s: Session, connector: int) -> None:
    status(s, connector, "Finishing")
    s.wait(15)
    status(s, connector, "Available")


def transaction(s: Session) -> None:
    """A driver with a card: in, charging, out."""
    connector, card = s.chance.randint(1, s.traits["connectors"]), tag(s)
    status(s, connector, "Preparing")
    s.wait(3)
    s.station("Authorize", {"idTag": card}, TAG_ACCEPTED)
    running = start(s, connector, card)
    status(s, connector, "Charging")
    charge(s, connector, running)
    if s.chance.random() < 0.4:
        stop(s, running, "EVDisconnected")
    else:
        stop(s, running, "Local", idTag=card)
    leave(s, connector)


def long_transaction(s: Session) -> None:
    """Half an hour and more, with values all the time."""
    connector, card = s.chance.randint(1, s.traits["connectors"]), tag(s)
    status(s, connector, "Preparing")
    s.station("Authorize", {"idTag": card}, TAG_ACCEPTED)
    running = start(s, connector, card)
    status(s, connector, "Charging")
    charge(s, connector, running, 2400 // s.traits["sample"])
    stop(s, running, "Local", idTag=card)
    leave(s, connector)


def remote_transaction(s: Session) -> None:
    """Started and stopped by the CSMS."""
    connector, card = s.chance.randint(1, s.traits["connectors"]), tag(s)
    payload: Payload = {"idTag": card, "connectorId": connector}
    if s.chance.random() < 0.4:
        payload["chargingProfile"] = tx_profile(s, number(s, "request"))
    s.csms("RemoteStartTransaction", payload, ACCEPTED)
    status(s, connector, "Preparing", 4)
    s.wait(3)
    running = start(s, connector, card)
    status(s, connector, "Charging")
    charge(s, connector, running)
    s.csms("RemoteStopTransaction", {"transactionId": running}, ACCEPTED)
    stop(s, running, "Remote")
    leave(s, connector)


def reservation(s: Session) -> None:
    """Made, and used by its driver, cancelled, or expired."""
    connector, card, reserved = s.chance.randint(1, s.traits["connectors"]), tag(s), number(s, "request")
    end = s.chance.choice(("used", "cancelled", "expired"))
    hours = 0.1 if end == "expired" else 2.0
    request = {"connectorId": connector, "idTag": card, "reservationId": reserved, **in_an_hour(s, hours)}
    s.csms("ReserveNow", request, ACCEPTED)
    status(s, connector, "Reserved")
    s.wait(180)
    if end == "cancelled":
        s.csms("CancelReservation", {"reservationId": reserved}, ACCEPTED)
        status(s, connector, "Available")
        return
    if end == "expired":
        s.wait(190)
        status(s, connector, "Available")
        return
    s.station("Authorize", {"idTag": card}, TAG_ACCEPTED)
    status(s, connector, "Preparing")
    running = start(s, connector, card, reservationId=reserved)
    status(s, connector, "Charging")
    charge(s, connector, running)
    stop(s, running, "Local", idTag=card)
    leave(s, connector)


def availability(s: Session) -> None:
    """Out of service, and back."""
    connector = s.chance.randint(1, s.traits["connectors"])
    for kind, state in (("Inoperative", "Unavailable"), ("Operative", "Available")):
        s.csms("ChangeAvailability", {"connectorId": connector, "type": kind}, ACCEPTED)
        status(s, connector, state)
        s.wait(80)


def scheduled_availability(s: Session) -> None:
    """Out of service once the transaction is over, and back."""
    connector, card = s.chance.randint(1, s.traits["connectors"]), tag(s)
    status(s, connector, "Preparing")
    s.station("Authorize", {"idTag": card}, TAG_ACCEPTED)
    running = start(s, connector, card)
    status(s, connector, "Charging")
    s.csms("ChangeAvailability", {"connectorId": connector, "type": "Inoperative"}, {"status": "Scheduled"}, wait=4)
    charge(s, connector, running)
    stop(s, running, "Local", idTag=card)
    status(s, connector, "Unavailable")
    s.wait(90)
    s.csms("ChangeAvailability", {"connectorId": connector, "type": "Operative"}, ACCEPTED)
    status(s, connector, "Available")


def local_list(s: Session) -> None:
    """The list as a whole, a change, and its number."""
    version = number(s, "list")
    entries = [{"idTag": tag(s), "idTagInfo": {"status": "Accepted"}} for _ in range(s.chance.randint(1, 6))]
    s.csms("SendLocalList", {"listVersion": version, "updateType": "Full", "localAuthorizationList": entries}, ACCEPTED)
    s.wait(5)
    version = number(s, "list")
    change = [{"idTag": tag(s), "idTagInfo": {"status": "Blocked"}}, {"idTag": entries[0]["idTag"]}]
    s.csms("SendLocalList", {"listVersion": version, "updateType": "Differential", "localAuthorizationList": change},
           ACCEPTED)  # fmt: skip
    s.csms("GetLocalListVersion", {}, {"listVersion": version})


def data_transfer(s: Session) -> None:
    side = s.chance.choice((s.station, s.csms))
    side("DataTransfer", {"vendorId": "org.example", "messageId": "Info", "data": '{"a":1}'}, ACCEPTED)


def composite_schedule(s: Session) -> None:
    s.csms("GetCompositeSchedule", {"connectorId": 1, "duration": 600}, {
        "status": "Accepted", "connectorId": 1, "scheduleStart": s.stamp(), "chargingSchedule": {
            "duration": 600, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]}},
    )  # fmt: skip


def tx_profile(s: Session, profile: int, **more: Any) -> Payload:
    return {
        "chargingProfileId": profile, "stackLevel": 1, "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative", "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 16.0}, {"startPeriod": 600, "limit": 10.5}]}, **more,
    }  # fmt: skip


def smart_charging(s: Session) -> None:
    """Profiles for the station and for all transactions, one of a transaction; read and cleared."""
    maximum = {
        "chargingProfileId": number(s, "request"), "stackLevel": 0, "chargingProfilePurpose": "ChargePointMaxProfile",
        "chargingProfileKind": "Absolute", "chargingSchedule": {"startSchedule": s.stamp(), "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 32.0}]}}  # fmt: skip
    s.csms("SetChargingProfile", {"connectorId": 0, "csChargingProfiles": maximum}, ACCEPTED)
    profile = number(s, "request")
    default = {
        "chargingProfileId": profile, "stackLevel": 2, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Recurring", "recurrencyKind": "Daily", "chargingSchedule": {"duration": 86400,
        "startSchedule": s.stamp(), "chargingRateUnit": "A", "minChargingRate": 6.0, "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 16.0, "numberPhases": 3}, {"startPeriod": 28800, "limit": 8.0}]}}  # fmt: skip
    connector = s.chance.randint(1, s.traits["connectors"])
    s.csms("SetChargingProfile", {"connectorId": connector, "csChargingProfiles": default}, ACCEPTED)
    s.wait(5)
    card = tag(s)
    status(s, connector, "Preparing")
    s.station("Authorize", {"idTag": card}, TAG_ACCEPTED)
    running = start(s, connector, card)
    status(s, connector, "Charging")
    own = tx_profile(s, number(s, "request"), transactionId=running)
    s.csms("SetChargingProfile", {"connectorId": connector, "csChargingProfiles": own}, ACCEPTED)
    s.csms("GetCompositeSchedule", {"connectorId": connector, "duration": 600, "chargingRateUnit": "A"}, {
        "status": "Accepted", "connectorId": connector, "scheduleStart": s.stamp(), "chargingSchedule": {
            "duration": 600, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}]}},
    )  # fmt: skip
    charge(s, connector, running, 900 // s.traits["sample"])
    stop(s, running, "Local", idTag=card)
    leave(s, connector)
    s.csms("ClearChargingProfile", {"id": profile}, ACCEPTED)
    s.csms("ClearChargingProfile", {"chargingProfilePurpose": "ChargePointMaxProfile"}, ACCEPTED)


def diagnostics(s: Session) -> None:
    s.csms("GetDiagnostics", {"location": "ftp://log.example/up"}, {"fileName": "diag.zip"})
    for state in ("Uploading", "Uploaded"):
        s.wait(6)
        s.station("DiagnosticsStatusNotification", {"status": state})


def log(s: Session) -> None:
    request = number(s, "request")
    s.csms("GetLog", {"logType": "DiagnosticsLog", "requestId": request, "log": {
        "remoteLocation": "https://log.example/up"}}, {"status": "Accepted", "filename": "log.gz"})  # fmt: skip
    for state in ("Uploading", "Uploaded"):
        s.wait(6)
        s.station("LogStatusNotification", {"status": state, "requestId": request})


def firmware(s: Session) -> None:
    """An update with a restart in the middle."""
    if s.traits.setdefault("signed", False):  # a station that takes signed updates takes no others
        signed_firmware(s)
        return
    s.csms("UpdateFirmware", {"location": "https://fw.example/5.0.bin", "retrieveDate": s.stamp()}, {})
    for state in ("Downloading", "Downloaded", "Installing"):
        s.wait(6)
        s.station("FirmwareStatusNotification", {"status": state})
    s.traits["firmware"] = f"{s.chance.randrange(10, 20)}.{s.chance.randrange(100)}"
    disconnect(s)
    s.now += 60
    connect(s)
    boot(s)
    s.station("FirmwareStatusNotification", {"status": "Installed"})


def signed_firmware(s: Session) -> None:
    if not s.traits.setdefault("signed", True):
        firmware(s)
        return
    request = number(s, "request")
    s.csms("SignedUpdateFirmware", {"requestId": request, "firmware": {
        "location": "https://fw.example/6.bin", "retrieveDateTime": s.stamp(), "signingCertificate": CERTIFICATE,
        "signature": "c2lnbmF0dXJl"}}, ACCEPTED)  # fmt: skip
    for state in ("Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"):
        s.wait(6)
        s.station("SignedFirmwareStatusNotification", {"status": state, "requestId": request})
    s.traits["firmware"] = f"{s.chance.randrange(20, 30)}.{s.chance.randrange(9)}"


def certificate(s: Session) -> None:
    """A new certificate of the station; it connects anew with it. And a root certificate."""
    s.csms("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}, ACCEPTED)
    s.station("SignCertificate", {"csr": CSR}, ACCEPTED, wait=1)
    s.wait(8)
    s.csms("CertificateSigned", {"certificateChain": CERTIFICATE}, ACCEPTED)
    s.csms("InstallCertificate", {"certificateType": "CentralSystemRootCertificate",
           "certificate": CERTIFICATE}, ACCEPTED)  # fmt: skip
    s.csms("GetInstalledCertificateIds", {"certificateType": "CentralSystemRootCertificate"}, {
        "status": "Accepted", "certificateHashData": [{"hashAlgorithm": "SHA256", "issuerNameHash": "ab" * 32,
        "issuerKeyHash": "cd" * 32, "serialNumber": "1f"}]})  # fmt: skip
    if s.traits["rich"]:
        s.station("SecurityEventNotification", {"type": "ReconfigurationOfSecurityParameters", "timestamp": s.stamp()})
    disconnect(s)
    s.now += 2
    connect(s)
    s.heartbeat()


def triggers(s: Session) -> None:
    connector = s.chance.randint(1, s.traits["connectors"])
    s.csms("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": connector}, ACCEPTED)
    status(s, connector, "Available", 1)
    s.csms("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": connector}, ACCEPTED)
    s.now += 1
    s.station("MeterValues", {"connectorId": connector, "meterValue": [meter(s, "Trigger")]}, wait=0)
    s.csms("TriggerMessage", {"requestedMessage": "DiagnosticsStatusNotification"}, ACCEPTED)
    s.station("DiagnosticsStatusNotification", {"status": "Idle"}, wait=1)
    s.csms("TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}, ACCEPTED)
    s.station("FirmwareStatusNotification", {"status": "Idle"}, wait=1)
    s.csms("TriggerMessage", {"requestedMessage": "Heartbeat"}, ACCEPTED)
    s.now += 1
    s.heartbeat()


def unlock(s: Session) -> None:
    s.csms("UnlockConnector", {"connectorId": s.chance.randint(1, s.traits["connectors"])}, {"status": "Unlocked"})
    s.csms("ClearCache", {}, ACCEPTED)


def reset(s: Session) -> None:
    """A reset without transaction: the station closes, starts, boots."""
    s.csms("Reset", {"type": s.chance.choice(("Soft", "Hard"))}, ACCEPTED)
    disconnect(s, code=1001)
    s.now += s.chance.choice((20, 70))
    connect(s)
    boot(s)


def reset_in_transaction(s: Session) -> None:
    """A reset ends the transaction first."""
    connector, card = s.chance.randint(1, s.traits["connectors"]), tag(s)
    status(s, connector, "Preparing")
    s.station("Authorize", {"idTag": card}, TAG_ACCEPTED)
    running = start(s, connector, card)
    status(s, connector, "Charging")
    charge(s, connector, running)
    kind = s.chance.choice(("Soft", "Hard"))
    s.csms("Reset", {"type": kind}, ACCEPTED)
    stop(s, running, f"{kind}Reset")
    disconnect(s, code=1001)
    s.now += 40
    connect(s)
    boot(s)


def reconnect(s: Session) -> None:
    """The line fails for a while; pings before and after."""
    for _ in range(2):
        s.line("ping", ">", wait=3)
        s.line("pong", "<", wait=0.1)
    disconnect(s, s.chance.choice(("station", "unknown")), "rst", None)
    s.now += s.chance.choice((15, 90))
    connect(s)
    s.heartbeat()
    status(s, s.chance.randint(1, s.traits["connectors"]), "Available")


def offline_transaction(s: Session) -> None:
    """The line fails while a car charges; what happened meanwhile comes later, in order."""
    connector, card = s.chance.randint(1, s.traits["connectors"]), tag(s)
    status(s, connector, "Preparing")
    s.station("Authorize", {"idTag": card}, TAG_ACCEPTED)
    running = start(s, connector, card)
    status(s, connector, "Charging")
    charge(s, connector, running)
    disconnect(s, "unknown", "rst", None)
    kept: list[Payload] = []
    for _ in range(3):
        s.now += s.traits["sample"]
        consume(s, s.traits["sample"])
        kept.append(meter(s))
    s.now += 20
    stopped, ended = s.stamp(), s.traits["register"]
    s.now += 40
    connect(s)
    for value in kept:
        s.station("MeterValues", {"connectorId": connector, "transactionId": running, "meterValue": [value]})
    s.station("StopTransaction", {"transactionId": running, "meterStop": ended, "timestamp": stopped,
              "reason": "EVDisconnected"}, {})  # fmt: skip
    status(s, connector, "Available")
    s.heartbeat()


def refused_tag(s: Session) -> None:
    """A card that is not known, then one that is."""
    connector = s.chance.randint(1, s.traits["connectors"])
    status(s, connector, "Preparing")
    state = s.chance.choice(("Invalid", "Blocked", "Expired"))
    s.station("Authorize", {"idTag": tag(s)}, {"idTagInfo": {"status": state}})
    s.wait(10)
    card = tag(s)
    s.station("Authorize", {"idTag": card}, {"idTagInfo": {"status": "Accepted", "parentIdTag": "GROUP7"}})
    running = start(s, connector, card)
    status(s, connector, "Charging")
    charge(s, connector, running)
    stop(s, running, "Local", idTag=card)
    leave(s, connector)


def fault_and_repair(s: Session) -> None:
    connector = s.chance.randint(1, s.traits["connectors"])
    status(s, connector, "Faulted", errorCode=s.chance.choice(("GroundFailure", "InternalError", "OverCurrentFailure")))
    s.wait(100)
    status(s, connector, "Available")


SCENES: Final[dict[str, Callable[[Session], None]]] = {
    scene.__name__: scene
    for scene in (
        transaction, long_transaction, remote_transaction, reservation, availability, scheduled_availability, local_list, data_transfer,
        settings, composite_schedule, smart_charging, diagnostics, log, firmware, signed_firmware, certificate, triggers,
        unlock, reset, reset_in_transaction, reconnect, offline_transaction, refused_tag, fault_and_repair,
    )
}  # fmt: skip
