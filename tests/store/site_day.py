"""A small site as OcppItems. Pairing is done here by hand, so that the store is tested alone."""

from __future__ import annotations

import json
from typing import Any

from ocpp_inspect.model import (
    Anomaly,
    CaptureInfo,
    ConnectionClosed,
    Finding,
    Loss,
    OcppItem,
    OcppMessage,
    Side,
    Upgrade,
    WsControl,
    packet_key,
)

START_NS = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z


class Site:
    """Collects the items of one capture."""

    def __init__(self, capture: int = 1) -> None:
        self.capture = capture
        self.items: list[OcppItem] = []
        self.findings: list[Finding] = []
        self.frame = 0
        self._calls: dict[tuple[str, str], OcppMessage] = {}

    def say(self, seconds: float, station: str, side: Side, text: str, version: str = "1.6") -> OcppMessage:
        """One message as on the wire."""
        self.frame += 1
        packet = packet_key(self.capture, self.frame)
        frame: list[Any] = json.loads(text)
        kind = {2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 5: "CALLRESULTERROR", 6: "SEND"}[frame[0]]
        asked = self._calls.get((station, frame[1])) if frame[0] in (3, 4) else None
        message = OcppMessage(
            message_id=packet * 10**5,
            connection=packet_key(self.capture, 1 if station == "CP1" else 2),
            station=station,
            version=version,
            side=side,
            ts_ns=START_NS + int(seconds * 1e9),
            packet=packet,
            position=self.frame,
            kind=kind,  # type: ignore[arg-type]
            unique_id=frame[1],
            action=frame[2] if frame[0] in (2, 6) else asked.action if asked else "",
            payload=frame[-1],
            raw=text.encode(),
            size=len(text.encode()),
            compressed=False,
            error_code=frame[2] if frame[0] == 4 else None,
            error_description=frame[3] if frame[0] == 4 else None,
            schema_valid=True,
        )
        if asked:
            message.request_id, message.request_ns = asked.message_id, asked.ts_ns
            message.latency_ns = message.ts_ns - asked.ts_ns
        elif frame[0] == 2:
            self._calls[station, frame[1]] = message
        self.items.append(message)
        return message

    def exchange(
        self, seconds: float, station: str, action: str, request: Any, response: Any, version: str = "1.6",
        side: Side = "station", after: float = 0.05,
    ) -> OcppMessage:  # fmt: skip
        """A CALL and its CALLRESULT."""
        unique_id = f"{self.frame}"
        call = self.say(seconds, station, side, json.dumps([2, unique_id, action, request]), version)
        other: Side = "csms" if side == "station" else "station"
        self.say(seconds + after, station, other, json.dumps([3, unique_id, response]), version)
        return call

    def close(self, seconds: float, station: str, version: str) -> None:
        """The connection's record, with a ping, a loss, an anomaly and a finding."""
        connection = packet_key(self.capture, 1 if station == "CP1" else 2)
        ts, packet = START_NS + int(seconds * 1e9), packet_key(self.capture, self.frame + 1)
        upgrade = Upgrade(
            connection, START_NS, connection, 1, 101, f"/ocpp/{station}", "csms.example", ("ocpp1.6", "ocpp2.0.1"),
            f"ocpp{version}", "permessage-deflate; client_max_window_bits", "permessage-deflate", "user", True, 16,
            "10.0.0.7", 40000, "10.0.0.1", 9000, "192.0.2.1", "agent/1", "server/2", START_NS + 1, connection + 1,
            "", False, station,
        )  # fmt: skip
        place = {"connection": connection, "ts_ns": ts, "packet": packet, "position": self.frame + 1}
        self.items += [
            upgrade,
            WsControl(side="station", kind="ping", payload=b"\x00\xff", station=station, **place),
            WsControl(side="csms", kind="close", code=1001, reason="going away", station=station, **place),
            Loss(side="csms", cause="gap", bytes=100, messages=1, station=station, **place),
            Anomaly("ws.unmasked_client_frame", ts, packet, 9, connection, "station", "a detail", station, 7, "$.a"),
            ConnectionClosed(
                connection, ts, packet, 9, START_NS, "10.0.0.7", 40000, "10.0.0.1", 9000, False, "fin", "csms", 1001,
                "going away", 100, upgrade, 12, 1, False, station, version,
            ),
        ]  # fmt: skip
        self.findings.append(
            Finding(
                "RPC-001", "call-without-response", "error", "violation", "csms", station, connection, ts, "no answer",
                (packet, packet_key(self.capture + 1, 3)), "OCPP-J 1.6 §4.1.1", 7, "conformance", 9,
            )
        )  # fmt: skip

    def info(self, path: str) -> CaptureInfo:
        """The capture's record."""
        return CaptureInfo(
            self.capture, path, "pcapng+gzip", ["ETHERNET"], START_NS, START_NS + 10**9, self.frame,
            5000 + self.capture, 3, True, ["a comment"], ["cut at 77"],
        )  # fmt: skip


def moment(seconds: int, zone: str = "Z") -> str:
    """A time of that day as a station writes it."""
    return f"2026-01-01T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{zone}"


def day(capture: int = 1) -> Site:
    """A station of each generation: boot, status, a whole transaction, an open one, one that began before."""
    site = Site(capture)
    boot = {
        "chargePointVendor": "Acme",
        "chargePointModel": "One",
        "firmwareVersion": "1.2",
        "chargeBoxSerialNumber": "S",
    }
    site.exchange(0, "CP1", "BootNotification", boot, {"status": "Accepted", "currentTime": moment(0), "interval": 60})
    for second, status in ((1, "Available"), (9, "Charging"), (60, "Charging")):
        status_report = {"connectorId": 1, "status": status, "errorCode": "NoError", "timestamp": moment(second)}
        site.exchange(second, "CP1", "StatusNotification", status_report, {})
    old = {"transactionId": 3, "meterStop": 900, "timestamp": moment(4), "reason": "Local"}
    site.exchange(5, "CP1", "StopTransaction", old, {})
    start = {"connectorId": 1, "idTag": "04A2", "meterStart": 1000, "timestamp": moment(3610, "+01:00")}
    site.say(10, "CP1", "station", json.dumps([2, "lost", "StartTransaction", start]))  # sent again below
    site.exchange(11, "CP1", "StartTransaction", start, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
    values = [
        {"value": "1.5", "unit": "kWh"},
        {"value": "3.6", "unit": "kW", "measurand": "Power.Active.Import", "phase": "L1"},
        {"value": "77", "unit": "Fahrenheit", "measurand": "Temperature"},
    ]
    meter = {"connectorId": 1, "transactionId": 7, "meterValue": [{"timestamp": moment(20), "sampledValue": values}]}
    site.exchange(20, "CP1", "MeterValues", meter, {}, after=0.2)
    stop = {
        "transactionId": 7, "meterStop": 2500, "timestamp": moment(30), "reason": "EVDisconnected", "idTag": "04A2",
        "transactionData": [{"timestamp": moment(29), "sampledValue": [{"value": "2500"}]}],
    }  # fmt: skip
    site.exchange(31, "CP1", "StopTransaction", stop, {})
    again = {"connectorId": 2, "idTag": "04A3", "meterStart": 0, "timestamp": moment(40)}
    site.exchange(40, "CP1", "StartTransaction", again, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
    meter = {
        "connectorId": 2,
        "transactionId": 7,
        "meterValue": [{"timestamp": moment(50), "sampledValue": [{"value": "42"}]}],
    }
    site.exchange(50, "CP1", "MeterValues", meter, {})
    site.exchange(55, "CP1", "Reset", {"type": "Soft"}, {"status": "Accepted"}, side="csms")
    site.say(56, "CP1", "csms", '[2,"x","UnlockConnector",{"connectorId":1}]')
    site.say(57, "CP1", "station", '[4,"x","InternalError","no motor",{"a":1.50}]')
    site.close(70, "CP1", "1.6")

    def event(second: int, kind: str, wh: float, **more: Any) -> None:
        sample = {"value": wh / 1000, "unitOfMeasure": {"unit": "kWh"}, "context": f"Transaction.{kind}"}
        body = {
            "eventType": kind, "timestamp": moment(second), "triggerReason": "Authorized", "seqNo": second,
            "transactionInfo": {"transactionId": "uuid-1", **more.pop("info", {})},
            "meterValue": [{"timestamp": moment(second), "sampledValue": [sample]}], **more,
        }  # fmt: skip
        answer = {"idTokenInfo": {"status": "Accepted"}} if "idToken" in body else {}
        site.exchange(second, "CP2", "TransactionEvent", body, answer, "2.0.1")

    boot2 = {"reason": "PowerUp", "chargingStation": {"vendorName": "Bolt", "model": "Two", "serialNumber": "9"}}
    site.exchange(0, "CP2", "BootNotification", boot2, {"status": "Accepted"}, "2.0.1")
    available = {"timestamp": moment(1), "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
    site.exchange(1, "CP2", "StatusNotification", available, {}, "2.0.1")
    component = {"name": "Connector", "evse": {"id": 1, "connectorId": 1}}
    change = {
        "timestamp": moment(2), "component": component, "variable": {"name": "AvailabilityState"},
        "actualValue": "Occupied",
    }  # fmt: skip
    site.exchange(2, "CP2", "NotifyEvent", {"seqNo": 0, "eventData": [change]}, {}, "2.0.1")
    event(3, "Started", 100, evse={"id": 1, "connectorId": 1}, idToken={"idToken": "AB", "type": "ISO14443"})
    event(33, "Updated", 600)
    event(63, "Ended", 1100, info={"stoppedReason": "EVDisconnected"})
    scaled = {"value": 12, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W", "multiplier": 3}}
    site.exchange(
        64,
        "CP2",
        "MeterValues",
        {"evseId": 2, "meterValue": [{"timestamp": moment(64), "sampledValue": [scaled]}]},
        {},
        "2.0.1",
    )
    site.close(70, "CP2", "2.0.1")
    return site
