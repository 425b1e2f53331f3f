"""A realistic database for the reports' tests, filled by plain SQL: three stations, faults on purpose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

STORE = Path(__file__).resolve().parents[2] / "ocpp_inspect" / "store"
START_NS = 1_767_254_400_000_000_000  # 2026-01-01T08:00:00Z
SECOND = 10**9


class Site:
    """Writes rows as a capture would produce them; times are seconds after 08:00."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self.database = database
        self.frame = 0
        self.connection = 0
        self.station = ""
        self.version = "1.6"
        self.calls: dict[str, tuple[int, float, str, str]] = {}
        self.findings = 0

    def insert(self, table: str, **row: Any) -> None:
        columns = ", ".join(row)
        values = ", ".join(
            "make_timestamp_ns(?)" if name == "ts" or name.endswith(("_ts", "_at")) else "?" for name in row
        )
        statement = f"INSERT INTO {table} ({columns}) VALUES ({values})"  # noqa: S608 names of ours
        self.database.execute(statement, list(row.values()))

    def at(self, seconds: float) -> int:
        return START_NS + round(seconds * SECOND)

    def next_frame(self) -> int:
        self.frame += 3
        return self.frame

    def connect(self, seconds: float, station: str, version: str, status: int | None = 101, **more: Any) -> None:
        frame = self.next_frame()
        self.connection, self.station, self.version = 10**10 + frame, station, version
        self.client = more.pop("client", "192.168.1.20")
        row = {
            "path": f"/ocpp/{station}",
            "host": "csms.example",
            "offered_subprotocols": [f"ocpp{version}"],
            "subprotocol": f"ocpp{version}" if status == 101 else None,
            "client": self.client,
            "client_port": 49152 + frame,
            "server": "10.0.0.1",
            "server_port": 9000,
        } | more
        self.opened = seconds
        self.handshake = {**row, "upgrade_status": status}
        self.insert(
            "upgrades",
            connection_id=self.connection,
            capture_id=1,
            frame_no=frame,
            station=station,
            ts=self.at(seconds),
            status=status,
            **row,
        )

    def midway(self, seconds: float, station: str, version: str) -> None:
        frame = self.next_frame()
        self.connection, self.station, self.version = 10**10 + frame, station, version
        self.opened = seconds
        self.handshake = {
            "client": "192.168.1.22",
            "client_port": 50001,
            "server": "10.0.0.1",
            "server_port": 9000,
            "joined_midway": True,
        }

    def close(self, seconds: float, kind: str = "fin", by: str = "station", **more: Any) -> None:
        handshake = {
            name: value
            for name, value in self.handshake.items()
            if name not in ("user_agent", "auth_user", "has_password", "body")
        }
        self.insert(
            "connections",
            connection_id=self.connection,
            capture_id=1,
            station=self.station,
            version=self.version,
            opened_at=self.at(self.opened),
            closed_at=self.at(seconds),
            close_kind=kind,
            closed_by=by,
            is_ocpp=True,
            **handshake,
            **more,
        )

    def message(self, seconds: float, raw: str, sender: str, **more: Any) -> int:
        frame = self.next_frame()
        message_id = (10**10 + frame) * 100_000
        self.insert(
            "message_records",
            message_id=message_id,
            connection_id=self.connection,
            capture_id=1,
            station=self.station,
            version=self.version,
            ts=self.at(seconds),
            sender=sender,
            raw=raw,
            size=len(raw),
            frame_no=frame,
            **more,
        )
        return message_id

    def call(self, seconds: float, sender: str, action: str, payload: Any, **more: Any) -> int:
        unique_id = f"{len(self.calls) + 1}"
        kind = more.pop("kind", "CALL")
        raw = json.dumps([6 if kind == "SEND" else 2, unique_id, action, payload], separators=(",", ":"))
        message_id = self.message(seconds, raw, sender, kind=kind, unique_id=unique_id, action=action, **more)
        self.calls[unique_id] = (message_id, seconds, action, sender)
        self.last = unique_id
        return message_id

    def answer(
        self, seconds: float, payload: Any, unique_id: str = "", error: tuple[str, str] | None = None, **more: Any
    ) -> int:
        unique_id = unique_id or self.last
        request_id, asked, action, asker = self.calls[unique_id]
        parts: list[Any] = [4, unique_id, *error, payload] if error else [3, unique_id, payload]
        if error:
            more |= {"error_code": error[0], "error_description": error[1]}
        return self.message(
            seconds,
            json.dumps(parts, separators=(",", ":")),
            "csms" if asker == "station" else "station",
            kind="CALLERROR" if error else "CALLRESULT",
            unique_id=unique_id,
            action=action,
            request_id=request_id,
            latency_ms=(seconds - asked) * 1000,
            **more,
        )

    def control(self, seconds: float, sender: str, kind: str, **more: Any) -> None:
        self.insert(
            "controls",
            connection_id=self.connection,
            capture_id=1,
            frame_no=self.next_frame(),
            station=self.station,
            ts=self.at(seconds),
            sender=sender,
            kind=kind,
            **more,
        )

    def loss(self, seconds: float, sender: str, cause: str, lost_bytes: int, messages: int) -> None:
        self.insert(
            "losses",
            connection_id=self.connection,
            capture_id=1,
            frame_no=self.next_frame(),
            station=self.station,
            ts=self.at(seconds),
            sender=sender,
            cause=cause,
            bytes=lost_bytes,
            messages=messages,
        )

    def anomaly(self, seconds: float, name: str, detail: str, message_id: int | None = None) -> None:
        self.insert(
            "anomalies",
            name=name,
            layer=name.partition(".")[0],
            connection_id=self.connection,
            capture_id=1,
            frame_no=message_id // 100_000 % 10**10 if message_id else self.next_frame(),
            station=self.station,
            ts=self.at(seconds),
            sender="station",
            detail=detail,
            message_id=message_id,
        )

    def finding(
        self,
        seconds: float,
        rule: str,
        severity: str,
        blame: str,
        text: str,
        reference: str,
        message_id: int | None = None,
        verdict: str = "violation",
        frames: tuple[int, ...] = (),
    ) -> None:
        self.findings += 1
        frames = frames or ((message_id or 0) // 100_000 % 10**10,)
        self.insert(
            "findings",
            finding_id=self.findings,
            rule=rule,
            name=rule.lower(),
            axis="conformance",
            severity=severity,
            verdict=verdict,
            blame=blame,
            station=self.station,
            connection_id=self.connection,
            capture_id=1,
            frame_no=frames[0],
            ts=self.at(seconds),
            text=text,
            evidence=list(frames),
            evidence_captures=[1] * len(frames),
            reference=reference,
            message_id=message_id,
        )


def empty(path: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """A database with tables and views but no rows."""
    database = duckdb.connect(path)
    database.execute((STORE / "schema.sql").read_text(encoding="utf-8"))
    database.execute((STORE / "views.sql").read_text(encoding="utf-8"))
    return database


def sample(fill_path: str = ":memory:") -> duckdb.DuckDBPyConnection:
    """A morning at a site: CP-0001 (1.6, faulty), CS-2041 (2.0.1, good), CP-0003 (joined midway, lossy)."""
    database = empty(fill_path)
    site = Site(database)
    site.insert(
        "captures",
        capture_id=1,
        path="site-morning.pcapng",
        format="pcapng",
        link_types=["ETHERNET"],
        first_ts=START_NS,
        last_ts=site.at(1500),
        packets=4_211,
        bytes=1_234_567,
        dropped_packets=0,
        truncated=False,
        comments=[],
        notes=[],
    )
    counted = {
        "websocket": {"websocket": 4, "tls": 2, "http": 1},
        "tcp": {"connections": 7, "retransmissions": 12, "gaps": 1},
    }
    for room, numbers in counted.items():
        for name, number in numbers.items():
            site.insert("counters", capture_id=1, room=room, name=name, number=number)
    site.insert(
        "tls_sessions", connection_id=9, capture_id=1, frame_no=1, ts=START_NS,
        client="192.168.1.30", client_port=50000, server="10.0.0.1", server_port=443,
        outcome="aborted", ended_by="station", alert="unknown_ca",
        alert_meaning="it does not know who issued the certificate", alert_by="station", version="1.2",
        suite="TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", server_name="csms.example", octets_up=700, octets_down=2100,
    )  # fmt: skip
    cp_0001(site)
    cs_2041(site)
    cp_0003(site)
    return database


def cp_0001(site: Site) -> None:
    site.connect(0.0, "CP-0001", "1.6", status=401, auth_user="CP-0001", has_password=True, body="Unauthorized")
    site.close(0.05, by="csms")
    site.connect(
        5.12,
        "CP-0001",
        "1.6",
        auth_user="CP-0001",
        has_password=True,
        extensions="permessage-deflate",
        user_agent="Tungsten/2.1",
    )
    site.call(
        5.24,
        "station",
        "BootNotification",
        {
            "chargePointVendor": "VendorX",
            "chargePointModel": "ModelY 22kW",
            "chargePointSerialNumber": "VX-22-000417",
            "firmwareVersion": "1.2.0",
            "meterType": "MT-3",
        },
    )
    site.answer(5.285, {"status": "Accepted", "currentTime": "2026-01-01T08:00:05Z", "interval": 300})
    for connector in (0, 1, 2):
        site.call(
            5.4 + connector / 10,
            "station",
            "StatusNotification",
            {"connectorId": connector, "errorCode": "NoError", "status": "Available"},
        )
        site.answer(5.43 + connector / 10, {})
    site.call(
        6.2, "csms", "GetConfiguration", {"key": ["HeartbeatInterval", "AuthorizationKey", "MeterValueSampleInterval"]}
    )
    site.answer(
        6.31,
        {
            "configurationKey": [
                {"key": "HeartbeatInterval", "readonly": False, "value": "300"},
                {"key": "AuthorizationKey", "readonly": False, "value": "0011223344556677"},
                {"key": "MeterValueSampleInterval", "readonly": False, "value": "60"},
            ]
        },
    )
    site.call(6.4, "csms", "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"})
    site.answer(6.44, {"status": "RebootRequired"})
    site.control(20.0, "station", "ping")
    site.control(20.003, "csms", "pong")
    site.call(62.0, "station", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"})
    site.answer(62.02, {})
    site.call(64.5, "station", "Authorize", {"idTag": "04A2B3C4D5E680"})
    site.answer(64.62, {"idTagInfo": {"status": "Accepted", "expiryDate": "2027-01-01T00:00:00Z"}})
    early = site.call(
        64.9,
        "station",
        "MeterValues",
        {
            "connectorId": 1,
            "transactionId": 17,
            "meterValue": [{"timestamp": "2026-01-01T08:01:04Z", "sampledValue": [{"value": "12345"}]}],
        },
        schema_valid=True,
        transaction="17",
    )
    site.finding(
        64.9,
        "SEQ-014",
        "error",
        "station",
        "MeterValues for transaction 17 before a StartTransaction "
        "named it: the station uses an id that the CSMS has not given",
        "OCPP 1.6 ed2 §4.7",
        early,
        frames=(58, 61),
    )
    site.answer(64.95, {})
    site.call(
        65.1,
        "station",
        "StartTransaction",
        {"connectorId": 1, "idTag": "04A2B3C4D5E680", "meterStart": 12345, "timestamp": "2026-01-01T08:01:05Z"},
    )
    start = site.last
    site.call(65.14, "station", "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"})
    site.answer(65.6, {"idTagInfo": {"status": "Accepted"}, "transactionId": 17}, start, transaction="17")
    site.answer(65.7, {})
    site.finding(
        65.14,
        "RPC-006",
        "warning",
        "station",
        "a second CALL (StatusNotification) while StartTransaction is unanswered",
        "OCPP-J 1.6 §4.1.1",
        site.calls[site.last][0],
    )
    for minute in (1, 2):
        site.call(
            65 + 60 * minute,
            "station",
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": 17,
                "meterValue": [
                    {
                        "timestamp": f"2026-01-01T08:0{1 + minute}:05Z",
                        "sampledValue": [
                            {"value": str(12345 + 120 * minute), "unit": "Wh", "context": "Sample.Periodic"},
                            {"value": "7200", "measurand": "Power.Active.Import", "unit": "W"},
                            {"value": "10.4", "measurand": "Current.Import", "phase": "L1", "unit": "A"},
                            {"value": "10.5", "measurand": "Current.Import", "phase": "L2", "unit": "A"},
                            {"value": "10.4", "measurand": "Current.Import", "phase": "L3", "unit": "A"},
                        ],
                    }
                ],
            },
            transaction="17",
        )
        site.answer(65.04 + 60 * minute, {})
    site.call(300.0, "csms", "RemoteStopTransaction", {"transactionId": 17}, transaction="17")
    site.answer(300.2, {"status": "Accepted"}, transaction="17")
    site.call(
        303.0,
        "station",
        "StopTransaction",
        {
            "transactionId": 17,
            "meterStop": 12812,
            "reason": "Remote",
            "timestamp": "2026-01-01T08:05:03Z",
            "idTag": "04A2B3C4D5E680",
        },
        transaction="17",
    )
    site.answer(309.4, {"idTagInfo": {"status": "Accepted"}}, transaction="17")
    site.call(310.0, "csms", "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
    site.answer(310.05, {}, error=("NotSupported", "TriggerMessage is not supported"))
    bad = site.message(
        311.0, '[2,"99","StatusNotification",{"connectorId":1,"status":"Finishing"', "station", kind="INVALID"
    )
    site.finding(
        311.0,
        "FRM-003",
        "error",
        "station",
        "the message is no JSON: it ends inside an object at character 69",
        "OCPP-J 1.6 §4.1.2",
        bad,
    )
    site.anomaly(311.0, "ocpp.not_json", "it ends inside an object at character 69", bad)
    lost = site.call(320.0, "station", "Heartbeat", {})
    site.finding(
        350.0, "RPC-005", "warning", "csms", "Heartbeat 33 is unanswered after 30 s", "OCPP-J 1.6 §4.1.1", lost
    )
    site.control(352.0, "csms", "close", code=1011, reason="keepalive timeout")
    site.close(352.01, by="csms", close_code=1011, close_reason="keepalive timeout", messages=34, undecodable=0)


def cs_2041(site: Site) -> None:
    site.connect(2.0, "CS-2041", "2.0.1", client="192.168.1.21", tls=False)
    site.call(
        2.1,
        "station",
        "BootNotification",
        {
            "reason": "PowerUp",
            "chargingStation": {
                "vendorName": "Voltaire",
                "model": "DC-150",
                "serialNumber": "V150-77",
                "firmwareVersion": "4.0.2-rc1",
            },
        },
    )
    site.answer(2.18, {"status": "Accepted", "currentTime": "2026-01-01T08:00:02Z", "interval": 300})
    site.call(
        2.3,
        "csms",
        "SetVariables",
        {
            "setVariableData": [
                {
                    "attributeValue": "300",
                    "component": {"name": "OCPPCommCtrlr"},
                    "variable": {"name": "HeartbeatInterval"},
                },
                {
                    "attributeValue": "hunter2hunter2hunter2",
                    "component": {"name": "SecurityCtrlr"},
                    "variable": {"name": "BasicAuthPassword"},
                },
            ]
        },
    )
    site.answer(
        2.36,
        {
            "setVariableResult": [
                {
                    "attributeStatus": "Accepted",
                    "component": {"name": "OCPPCommCtrlr"},
                    "variable": {"name": "HeartbeatInterval"},
                },
                {
                    "attributeStatus": "Accepted",
                    "component": {"name": "SecurityCtrlr"},
                    "variable": {"name": "BasicAuthPassword"},
                },
            ]
        },
    )
    site.call(
        100.0,
        "csms",
        "RequestStartTransaction",
        {"idToken": {"idToken": "DE-ABC-C12345678-X", "type": "eMAID"}, "remoteStartId": 7, "evseId": 1},
    )
    site.answer(100.1, {"status": "Accepted"})
    for number, (second, event, trigger, state, reading) in enumerate(
        (
            (101.0, "Started", "RemoteStart", "EVConnected", 1000.0),
            (110.0, "Updated", "ChargingStateChanged", "Charging", 1000.5),
            (170.0, "Updated", "MeterValuePeriodic", "Charging", 3400.0),
            (400.0, "Ended", "EVDeparted", None, 12650.0),
        )
    ):
        info = {"transactionId": "5f3e-77aa"} | (
            {"chargingState": state} if state else {"stoppedReason": "EVDisconnected"}
        )
        site.call(
            second,
            "station",
            "TransactionEvent",
            {
                "eventType": event,
                "timestamp": stamped(second),
                "triggerReason": trigger,
                "seqNo": number,
                "transactionInfo": info,
                "evse": {"id": 1, "connectorId": 1},
                "idToken": {"idToken": "DE-ABC-C12345678-X", "type": "eMAID"},
                "meterValue": [
                    {
                        "timestamp": stamped(second),
                        "sampledValue": [
                            {"value": reading},
                            {"value": 41.5 + number, "measurand": "SoC", "unitOfMeasure": {"unit": "Percent"}},
                        ],
                    }
                ],
            },
            transaction="5f3e-77aa",
        )
        site.answer(
            second + 0.09, {"idTokenInfo": {"status": "Accepted"}} if number == 0 else {}, transaction="5f3e-77aa"
        )
    site.close(1500.0, "end", "unknown", messages=14, undecodable=0)


def cp_0003(site: Site) -> None:
    site.midway(30.0, "CP-0003", "1.6")
    beat = site.call(31.0, "station", "Heartbeat", {})
    site.answer(31.05, {"currentTime": "2026-01-01T08:00:31Z"})
    site.loss(90.0, "station", "gap", 1460, 2)
    site.finding(
        90.0,
        "TIM-002",
        "warning",
        "unknown",
        "no Heartbeat for 10 min, but bytes of the station are missing",
        "OCPP 1.6 ed2 §4.6",
        beat,
        "inconclusive",
    )
    site.call(
        640.0,
        "station",
        "StatusNotification",
        {
            "connectorId": 1,
            "errorCode": "GroundFailure",
            "status": "Faulted",
            "info": "RCD tripped",
            "vendorErrorCode": "E-417",
        },
    )
    site.answer(640.03, {})
    site.close(700.0, "rst", "station", messages=4, undecodable=2, lost_bytes=1460)


def stamped(second: float) -> str:
    """08:00 plus so many seconds, as a station writes it."""
    return f"2026-01-01T08:{int(second) // 60:02d}:{int(second) % 60:02d}Z"
