"""OCPP 1.6 messages of one station in, what OCPP 2.0.1 does otherwise out; each thing is told once for a station.

The tables state what the two message catalogues and their JSON Schemas say; tests compare them with the schemas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

from ocpp_inspect.engine import Monitor, Remark

THINGS: Final = 256
"""Different things that one rule tells about one station; vendors have a hundred configuration keys of their own."""

RENAMED: Final[dict[str, str]] = {
    "ChangeConfiguration": "SetVariables: components and their variables, several in one request",
    "DiagnosticsStatusNotification": "LogStatusNotification, with the requestId of GetLog",
    "ExtendedTriggerMessage": "TriggerMessage",
    "GetConfiguration": "GetVariables; for all of them GetBaseReport, answered by NotifyReport in parts",
    "GetDiagnostics": "GetLog of logType DiagnosticsLog, with a requestId",
    "RemoteStartTransaction": "RequestStartTransaction, with a remoteStartId that the TransactionEvent repeats",
    "RemoteStopTransaction": "RequestStopTransaction, with the station's own transaction id",
    "SignedFirmwareStatusNotification": "FirmwareStatusNotification",
    "SignedUpdateFirmware": "UpdateFirmware",
}
"""Action of 1.6 → the message that does its work in 2.0.1. The transaction messages have a rule of their own."""

RESTRUCTURED: Final[dict[str, str]] = {
    "CancelReservation": "its answer may have a statusInfo; otherwise as it is",
    "ChangeAvailability": "type is operationalStatus, connectorId is an evse (none: the whole station)",
    "ClearChargingProfile": "id is chargingProfileId, the other criteria are in chargingProfileCriteria",
    "FirmwareStatusNotification": "repeats the requestId of UpdateFirmware; installing has more steps",
    "GetCompositeSchedule": "connectorId is evseId, the answer holds one schedule with its start",
    "GetLocalListVersion": "listVersion in its answer is versionNumber",
    "ReserveNow": "reservationId is id, expiryDate is expiryDateTime, connectorId is evseId, with a connectorType",
    "SendLocalList": "listVersion is versionNumber, its entries are idToken with idTokenInfo",
    "SetChargingProfile": "csChargingProfiles is chargingProfile, its chargingSchedule a list of up to three with ids",
    "TriggerMessage": "connectorId is an evse",
    "UnlockConnector": "needs evseId and connectorId",
    "UpdateFirmware": "has a requestId, and a firmware with location and retrieveDateTime",
}
"""Action that both have → what is different in its members."""

STATUSES: Final = frozenset(("Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"))
"""Connector states that are one in 2.0.1: Occupied."""

BOOT: Final[dict[str, str]] = {
    "chargeBoxSerialNumber": "has no place in BootNotification; chargingStation.serialNumber is the only one",
    "chargePointModel": "is chargingStation.model (at most 20 characters)",
    "chargePointSerialNumber": "is chargingStation.serialNumber",
    "chargePointVendor": "is chargingStation.vendorName",
    "firmwareVersion": "is chargingStation.firmwareVersion",
    "iccid": "is chargingStation.modem.iccid",
    "imsi": "is chargingStation.modem.imsi",
    "meterSerialNumber": "has no place in BootNotification; the device model may report it",
    "meterType": "has no place in BootNotification; the device model may report it",
}

VARIABLES: Final[dict[str, str]] = {
    "AllowOfflineTxForUnknownId": "AuthCtrlr.OfflineTxForUnknownIdEnabled",
    "AuthorizationCacheEnabled": "AuthCacheCtrlr.Enabled",
    "AuthorizationKey": "SecurityCtrlr.BasicAuthPassword",
    "AuthorizeRemoteTxRequests": "AuthCtrlr.AuthorizeRemoteStart",
    "CertSigningRepeatTimes": "SecurityCtrlr.CertSigningRepeatTimes",
    "CertSigningWaitMinimum": "SecurityCtrlr.CertSigningWaitMinimum",
    "CertificateSignedMaxChainSize": "SecurityCtrlr.MaxCertificateChainSize",
    "CertificateStoreMaxLength": "SecurityCtrlr.CertificateEntries",
    "ChargeProfileMaxStackLevel": "SmartChargingCtrlr.ProfileStackLevel",
    "ChargingScheduleAllowedChargingRateUnit": "SmartChargingCtrlr.RateUnit",
    "ChargingScheduleMaxPeriods": "SmartChargingCtrlr.PeriodsPerSchedule",
    "ClockAlignedDataInterval": "AlignedDataCtrlr.Interval",
    "ConnectionTimeOut": "TxCtrlr.EVConnectionTimeOut",
    "ConnectorSwitch3to1PhaseSupported": "SmartChargingCtrlr.Phases3to1",
    "CpoName": "SecurityCtrlr.OrganizationName",
    "GetConfigurationMaxKeys": "DeviceDataCtrlr.ItemsPerMessage (instance GetVariables)",
    "HeartbeatInterval": "OCPPCommCtrlr.HeartbeatInterval",
    "LocalAuthListEnabled": "LocalAuthListCtrlr.Enabled",
    "LocalAuthListMaxLength": "LocalAuthListCtrlr.Entries",
    "LocalAuthorizeOffline": "AuthCtrlr.LocalAuthorizeOffline",
    "LocalPreAuthorize": "AuthCtrlr.LocalPreAuthorize",
    "MaxChargingProfilesInstalled": "SmartChargingCtrlr.Entries (instance ChargingProfiles)",
    "MaxEnergyOnInvalidId": "TxCtrlr.MaxEnergyOnInvalidId",
    "MeterValueSampleInterval": "SampledDataCtrlr.TxUpdatedInterval",
    "MeterValuesAlignedData": "AlignedDataCtrlr.Measurands",
    "MeterValuesSampledData": "SampledDataCtrlr.TxUpdatedMeasurands",
    "NumberOfConnectors": "the EVSE and Connector components that the station reports",
    "AdditionalRootCertificateCheck": "SecurityCtrlr.AdditionalRootCertificateCheck",
    "ReserveConnectorZeroSupported": "ReservationCtrlr.NonEvseSpecific",
    "ResetRetries": "OCPPCommCtrlr.ResetRetries",
    "SecurityProfile": "SecurityCtrlr.SecurityProfile, set through a network connection profile",
    "SendLocalListMaxLength": "LocalAuthListCtrlr.ItemsPerMessage",
    "StopTransactionOnEVSideDisconnect": "TxCtrlr.StopTxOnEVSideDisconnect",
    "StopTransactionOnInvalidId": "TxCtrlr.StopTxOnInvalidId",
    "StopTxnAlignedData": "AlignedDataCtrlr.TxEndedMeasurands",
    "StopTxnSampledData": "SampledDataCtrlr.TxEndedMeasurands",
    "SupportedFileTransferProtocols": "OCPPCommCtrlr.FileTransferProtocols",
    "TransactionMessageAttempts": "OCPPCommCtrlr.MessageAttempts (instance TransactionEvent)",
    "TransactionMessageRetryInterval": "OCPPCommCtrlr.MessageAttemptInterval (instance TransactionEvent)",
    "UnlockConnectorOnEVSideDisconnect": "OCPPCommCtrlr.UnlockOnEVSideDisconnect",
    "WebSocketPingInterval": "OCPPCommCtrlr.WebSocketPingInterval",
}
"""Configuration key of 1.6 → component and variable of 2.0.1 that does the same."""

DROPPED: Final = frozenset((
    "BlinkRepeat", "ConnectorPhaseRotation", "ConnectorPhaseRotationMaxLength", "LightIntensity",
    "MeterValuesAlignedDataMaxLength", "MeterValuesSampledDataMaxLength", "MinimumStatusDuration",
    "StopTransactionMaxMeterValues", "StopTxnAlignedDataMaxLength", "StopTxnSampledDataMaxLength",
    "SupportedFeatureProfiles", "SupportedFeatureProfilesMaxLength",
))  # fmt: skip
"""Keys of 1.6 for which 2.0.1 has no controller's variable; a generic variable of some component may serve."""

NUMBER: Final = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
PLUG_AND_CHARGE: Final = "org.openchargealliance.iso15118pnc"
GONE_MEASURANDS: Final = frozenset(("Temperature", "RPM"))

Things = Iterable[tuple[str, str]]
"""(what tells it apart, text)"""


class Once(Monitor):
    """Tells each thing once."""

    def __init__(self) -> None:
        self.told: set[str] = set()

    def feed(self, item: Any) -> Iterable[Remark]:
        """What is new in the message."""
        new: dict[str, str] = {}
        for name, text in self.things(item, item.payload if isinstance(item.payload, dict) else {}):
            key = name[:100]
            if key not in self.told and len(self.told) < THINGS:
                self.told.add(key)
                new[key] = text
        return [Remark(item, text) for text in new.values()] if new else ()

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """What the message shows."""
        return ()


class Renamed(Once):
    """MIG-001."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Messages with another name."""
        if item.action in RENAMED:
            yield item.action, f"{item.action} becomes {RENAMED[item.action]}"


class Restructured(Once):
    """MIG-002."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Messages with the same name and other members."""
        if item.action in RESTRUCTURED:
            yield item.action, f"{item.action}: {RESTRUCTURED[item.action]}"


class Transactions(Once):
    """MIG-003."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """The three messages that are one."""
        if item.action == "StartTransaction":
            yield (
                "start",
                (
                    "StartTransaction becomes TransactionEvent (Started): the station makes the transaction id, "
                    "a text, and does not wait for one; TxStartPoint says when"
                ),
            )
        elif item.action == "StopTransaction":
            yield (
                "stop",
                (
                    "StopTransaction becomes TransactionEvent (Ended) with triggerReason and stoppedReason; "
                    "meterStop is a sampled value of context Transaction.End"
                ),
            )
        elif payload.get("transactionId") is not None:
            yield "values", "MeterValues of a transaction become TransactionEvent (Updated), numbered by seqNo"


class Statuses(Once):
    """MIG-004."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """States of a connector that only transactions tell."""
        status = payload.get("status")
        if isinstance(status, str) and status in STATUSES:
            yield status, f"The status {status} becomes Occupied; TransactionEvent tells the rest by its chargingState"


class Errors(Once):
    """MIG-005."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Errors beside a status."""
        code = payload.get("errorCode")
        if isinstance(code, str) and code != "NoError":
            yield (
                code,
                f"The errorCode {code[:50]} has no place beside a status: a NotifyEvent of the component reports it",
            )
        for name in ("vendorErrorCode", "info"):
            if payload.get(name):
                yield name, f"{name} has no place beside a status: techCode and techInfo of a NotifyEvent hold it"


class Connectors(Once):
    """MIG-006."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Connectors that need an EVSE, and the whole station."""
        number = payload.get("connectorId")
        if not isinstance(number, int) or isinstance(number, bool):
            return
        if number == 0 and item.action == "StatusNotification":
            yield (
                "status 0",
                (
                    "The status of the whole station (connector 0) becomes a NotifyEvent of AvailabilityState; "
                    "StatusNotification is about connectors only"
                ),
            )
        elif number == 0:
            yield "0", "Connector 0 becomes the absence of an evse, or evseId 0"
        elif number > 1:
            yield (
                str(number),
                (
                    f"Connector {number} becomes an EVSE and a connector of it; connectors that cannot charge "
                    "at the same time share one EVSE"
                ),
            )


class Keys(Once):
    """What MIG-007 and MIG-008 share."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Each configuration key that was read or written."""
        entries = payload.get("configurationKey")
        names = [entry.get("key") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        if item.action == "ChangeConfiguration":
            names.append(payload.get("key"))
        for name in names:
            if isinstance(name, str):
                yield from self.about(name)

    def about(self, key: str) -> Things:
        """What becomes of a key."""
        return ()


class KeysWithVariable(Keys):
    """MIG-007."""

    def about(self, key: str) -> Things:
        """Keys that have a variable."""
        if key in VARIABLES:
            yield key, f"{key} becomes {VARIABLES[key]}"


class KeysWithoutVariable(Keys):
    """MIG-008."""

    def about(self, key: str) -> Things:
        """Keys that have none."""
        if key in DROPPED:
            yield key, f"{key} has no counterpart among the standard controllers"
        elif key not in VARIABLES:
            yield key, f"{key[:50]} is a key of the vendor's own: it needs a component and a variable, with its type"


class Tokens(Once):
    """MIG-009."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Where an idTag is sent, and groups."""
        if isinstance(payload.get("idTag"), str):
            yield (
                item.action,
                (
                    f"The idTag of {item.action} becomes an idToken with a type (ISO14443, Central, KeyCode …): "
                    "the station has to know how it was presented"
                ),
            )
        info = payload.get("idTagInfo")
        if isinstance(info, dict) and info.get("parentIdTag"):
            yield "parent", "parentIdTag becomes groupIdToken, a token with a type"


class Boot(Once):
    """MIG-010."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Each member that moved."""
        yield "reason", "BootNotification needs a reason (PowerUp, RemoteReset, Watchdog …), which 1.6 does not have"
        for name in BOOT:
            if payload.get(name):
                yield name, f"{name} {BOOT[name]}"


class Resets(Once):
    """MIG-011."""

    kinds: ClassVar[dict[str, str]] = {
        "Hard": "Reset Hard becomes Immediate: it may concern one EVSE, and transactions end with ImmediateReset",
        "Soft": "Reset Soft becomes OnIdle: the station waits for its transactions to end instead of stopping them",
    }

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Each type of reset."""
        kind = payload.get("type")
        if isinstance(kind, str) and kind in self.kinds:
            yield kind, self.kinds[kind]


def samples_of(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every sampled value of a MeterValues or StopTransaction."""
    for name in ("meterValue", "transactionData"):
        meter_values = payload.get(name)
        for meter_value in meter_values if isinstance(meter_values, list) else ():
            samples = meter_value.get("sampledValue") if isinstance(meter_value, dict) else None
            for sample in samples if isinstance(samples, list) else ():
                if isinstance(sample, dict):
                    yield sample


class Samples(Once):
    """MIG-012."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Values and their signatures."""
        for sample in samples_of(payload):
            yield "value", "Sampled values become numbers, and a unit becomes unitOfMeasure with a multiplier"
            if sample.get("format") == "SignedData":
                yield (
                    "signed",
                    ("A signed value becomes signedMeterValue, with method, encoding and key, beside the number"),
                )


class Texts(Once):
    """MIG-013."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """What cannot become a number, and measurands that are gone."""
        for sample in samples_of(payload):
            measurand, value = sample.get("measurand", "Energy.Active.Import.Register"), sample.get("value")
            if isinstance(measurand, str) and measurand in GONE_MEASURANDS:
                yield measurand, f"The measurand {measurand} is gone; a monitored variable of a component may report it"
            elif sample.get("format", "Raw") == "Raw" and isinstance(value, str) and not NUMBER.fullmatch(value):
                yield (
                    f"text {measurand}",
                    f'The value "{value[:40]}" of {str(measurand)[:40]} is no number, as it has to be',
                )


class Reasons(Once):
    """MIG-014."""

    reasons: ClassVar[dict[str, str]] = {
        "HardReset": "the stop reason HardReset becomes ImmediateReset, with triggerReason ResetCommand",
        "SoftReset": "the stop reason SoftReset is gone: a reset OnIdle lets transactions end by themselves",
        "UnlockCommand": "the stop reason UnlockCommand is a triggerReason; its stoppedReason is Remote or Other",
    }

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Reasons that are gone."""
        reason = payload.get("reason")
        if isinstance(reason, str) and reason in self.reasons:
            text = self.reasons[reason]
            yield reason, text[0].upper() + text[1:]


class Answers(Once):
    """MIG-015."""

    statuses: ClassVar[dict[tuple[str, str], str]] = {
        ("UnlockConnector", "NotSupported"): "is gone: UnlockFailed, UnknownConnector or a CALLERROR NotSupported",
        ("SendLocalList", "NotSupported"): "is gone: Failed, or a CALLERROR NotSupported",
        ("ChangeConfiguration", "NotSupported"): "becomes UnknownComponent or UnknownVariable",
        ("DiagnosticsStatusNotification", "UploadFailed"): "becomes UploadFailure, or one of three exact reasons",
        ("TriggerMessage", "DiagnosticsStatusNotification"): "becomes LogStatusNotification",
        ("SetChargingProfile", "NotSupported"): "becomes Rejected, or a CALLERROR NotSupported",
    }

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Values of enumerations that are gone."""
        for name in ("status", "requestedMessage"):
            value = payload.get(name)
            if isinstance(value, str) and (item.action, value) in self.statuses:
                yield f"{item.action} {value}", f"{value} of {item.action} {self.statuses[item.action, value]}"


class Vendors(Once):
    """MIG-016."""

    def things(self, item: Any, payload: dict[str, Any]) -> Things:
        """Each message that a vendor made up."""
        vendor, message = payload.get("vendorId"), payload.get("messageId") or "no messageId"
        if not isinstance(vendor, str) or not isinstance(message, str):
            return
        name = f"DataTransfer of {vendor[:40]} ({message[:40]})"
        if vendor == PLUG_AND_CHARGE:
            yield name, f"{name} becomes the message of that name: ISO 15118 is a part of 2.0.1"
        else:
            yield name, f"{name}: look whether a message, component or event of 2.0.1 says the same"
