"""Sessions in which something is wrong on purpose, each with the findings that must be made."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from samples.clean import PYTHON
from samples.context import Context, Expected, Scenario
from samples.stack2x import Csms21, Csms201, Station21, Station201
from samples.stack16 import Csms16, Station16
from samples.wire import Logged, basic_auth


def dump(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False)


class Deaf16(Station16):
    """Answers everything but UnlockConnector."""

    async def route_message(self, raw_msg: Any) -> None:
        if "UnlockConnector" not in raw_msg:
            await super().route_message(raw_msg)


async def sequence16(c: Context) -> None:
    with c.capture():
        async with c.site.csms(Csms16), c.site.station(Deaf16, "EW-1601") as s:
            c.site.interval = 20
            s.csms.boot_status = "Pending"
            await s.boot()
            early = await s.ask(  # BOOT-002, and the CSMS serves it: BOOT-006
                "StartTransaction", connector_id=2, id_tag="0EA51E57", meter_start=100, timestamp=c.clock.text()
            )
            await c.clock.sleep(21)
            c.site.interval = 300
            s.csms.boot_status = "Accepted"
            await s.boot()
            await s.statuses()
            await s.ask(
                "StopTransaction", transaction_id=early.transaction_id, meter_stop=100, timestamp=c.clock.text(),
                reason="Other",
            )  # fmt: skip
            await s.ask(  # TX16-003
                "StopTransaction", transaction_id=999999, meter_stop=500, timestamp=c.clock.text(), reason="Local"
            )
            transaction = await s.begin(1, "04A2B3C4")
            await s.charge(1, transaction, 3, 60)
            s.meter_wh -= 400  # TX16-007
            await s.sample(1, transaction)
            await c.clock.sleep(60)
            await s.ask(  # TX16-006
                "StopTransaction", transaction_id=transaction, meter_stop=100_000, timestamp=c.clock.text(),
                reason="Local",
            )  # fmt: skip
            await s.status(1, "Finishing")
            await c.clock.sleep(30)
            await s.status(1, "Available")
            await c.clock.sleep(10)
            unanswered = [2, str(uuid.uuid4()), "UnlockConnector", {"connectorId": 2}]
            await s.csms._connection.send(dump(unanswered))  # RPC-005
            await c.clock.sleep(120)
            await s.ask("Heartbeat")
            await s.csms.ask("RemoteStartTransaction", connector_id=2, id_tag="04NEVER0")  # RC-001
            await c.clock.sleep(250)
            await s.ask("Heartbeat")
            await s.ask("StopTransaction", transaction_id=transaction, meter_stop=100_000, timestamp=c.clock.text())
            await c.clock.sleep(2000)  # HB-001
            await s.ask("Heartbeat")
            await s.status(0, "Charging")  # ST16-002


class Careless16(Csms16):
    """Answers some requests with what no schema allows."""

    wrong: dict[str, Any] = {}  # noqa: RUF012

    async def route_message(self, raw_msg: Any) -> None:
        message = json.loads(raw_msg)
        if message[0] == 2 and message[2] in self.wrong:
            await self._connection.send(dump([3, message[1], self.wrong[message[2]]]))
        else:
            await super().route_message(raw_msg)


async def schema16(c: Context) -> None:
    with c.capture():
        async with c.site.csms(Careless16), c.site.station(Station16, "EW-1602") as s:
            await s.boot()
            await s.statuses()

            async def say(action: str, payload: Any) -> None:
                await c.clock.sleep(5)
                await s.connection.send(dump([2, str(uuid.uuid4()), action, payload]))
                await asyncio.sleep(0.03)

            now = c.clock.text
            await say("Authorize", {"idTag": "THIS-ID-TAG-IS-TOO-LONG"})
            await say("StatusNotification", {"connectorId": 1, "errorCode": "noError", "status": "Available"})
            await say(
                "StatusNotification",
                {"connectorId": 1, "errorCode": "OtherError", "status": "Faulted", "color": "red", "timestamp": now()},
            )
            await say("StatusNotification", {"connectorId": 1, "status": "Available"})
            await say(
                "MeterValues",
                {"connectorId": 1, "meterValue": [{"timestamp": now(), "sampledValue": [{"value": 230.5}]}]},
            )
            await say(
                "MeterValues",
                {"connectorId": 1, "meterValue": [{"timestamp": "yesterday", "sampledValue": [{"value": "1"}]}]},
            )
            await say("MeterValues", {"connectorId": 1, "meterValue": []})
            await say("DataTransfer", {"vendorId": 17})
            s.csms.wrong = {"Authorize": {"idTagInfo": {"status": "Fine"}}, "DataTransfer": {}}
            await say("Authorize", {"idTag": "04A2B3C4"})
            await say("DataTransfer", {"vendorId": "com.example", "data": "x"})
            s.csms.wrong = {}
            await c.clock.sleep(5)
            call_id = str(uuid.uuid4())
            await s.csms._connection.send(dump([2, call_id, "ChangeAvailability", {"connectorId": 1}]))
            await asyncio.sleep(0.1)  # PyPI ocpp answers with a CALLERROR
            await say("Heartbeat", {})


async def events201(c: Context) -> None:
    with c.capture():
        async with (
            c.site.csms(Csms201, subprotocols=("ocpp2.0.1",)),
            c.site.station(Station201, "EW-2601", subprotocols=("ocpp2.0.1",)) as s,
        ):
            await s.boot()
            await s.inventory()
            await c.clock.sleep(60)
            one = await s.begin(1, "04A2B3C4D5E680")
            await s.charge(one, 2, 60)
            one.sequence += 1  # TX2-004: an event is missing
            await s.charge(one, 1, 60)
            s.meter_wh -= 500  # TX2-019
            await c.clock.sleep(60)
            meter_value = s.energy("Sample.Periodic")
            await s.tell(one, "Updated", "MeterValuePeriodic", "Charging", meter_value=meter_value)
            two = await s.begin(1, "04A2B3C4D5E681")  # TX2-022: EVSE 1 is busy
            await s.charge(two, 1, 60)
            await s.end(1, one, "04A2B3C4D5E680")
            await s.tell(one, "Updated", "MeterValueClock", "Idle")  # TX2-003
            await s.end(1, two, "04A2B3C4D5E681")
            await s.ask(  # VAR-008
                "NotifyReport", request_id=999, generated_at=c.clock.text(), seq_no=0, tbc=False,
            )  # fmt: skip
            await c.clock.sleep(20)
            now = c.clock.text()
            for payload in (
                {
                    "connectorStatus": "Occupied",
                    "evseId": 2,
                    "connectorId": 1,
                    "timestamp": now,
                    "customData": {"x": 1},
                },
                {"connectorStatus": "Charging", "evseId": 2, "connectorId": 1, "timestamp": now},
                {"connectorStatus": "Available", "evseId": 2, "connectorId": 1, "timestamp": "2026-03-02T06:00:00"},
            ):
                await s.connection.send(dump([2, str(uuid.uuid4()), "StatusNotification", payload]))
                await asyncio.sleep(0.05)
            await c.clock.sleep(200)


class Impostor21(Csms21):
    """Answers a SEND, which nobody may."""

    async def route_message(self, raw_msg: Any) -> None:
        message = json.loads(raw_msg)
        if message[0] == 6:
            await self._connection.send(dump([3, message[1], {}]))
        elif message[0] == 2 and message[2] == "Heartbeat":
            await self._connection.send(dump([3, message[1], {"currentTime": "noon"}]))
        elif message[0] != 5:
            await super().route_message(raw_msg)


async def types21(c: Context) -> None:
    with c.capture():
        async with (
            c.site.csms(Impostor21, subprotocols=("ocpp2.1",)),
            c.site.station(Station21, "EW-2602", subprotocols=("ocpp2.1",)) as s,
        ):
            await s.boot()
            await c.clock.sleep(30)
            await s.send_stream(8, ["16.0", "16.1"], 5.0)  # PES-001 (inconclusive: a boot may keep it), RPC-011
            await asyncio.sleep(0.05)
            await s.connection.send(dump([6, str(uuid.uuid4()), "Heartbeat", {}]))  # FRM-021
            await asyncio.sleep(0.05)
            call_id = str(uuid.uuid4())
            await s.connection.send(dump([2, call_id, "Heartbeat", {}]))  # answered with "noon": SCH-007
            await asyncio.sleep(0.05)
            details = "currentTime is no date-time"
            await s.connection.send(dump([5, call_id, "TypeConstraintViolation", details, {}]))
            await asyncio.sleep(0.05)
            await s.connection.send(dump([5, "never-used", "GenericError", "", {}]))  # RPC-012
            await c.clock.sleep(20)


async def refused(c: Context) -> None:
    c.site.known = {"EW-1701"}

    async def knock(identity: str, password: str) -> None:
        with contextlib.suppress(InvalidStatus):
            async with connect(
                f"ws://192.168.50.1/ocpp/{identity}", subprotocols=["ocpp1.6"], compression=None,  # type: ignore[list-item]
                additional_headers=basic_auth(identity, password), local_addr=("192.168.50.17", 0), proxy=None,
            ):  # fmt: skip
                raise AssertionError("must be refused")

    with c.capture():
        async with c.site.csms(Csms16):
            await knock("EW-1701", "an-old-password1")
            await c.clock.sleep(10)
            await knock("EW-1702", "sixteen-letters1")
            await c.clock.sleep(20)
            await knock("EW-1702", "sixteen-letters1")
            await c.clock.sleep(40)
            async with c.site.station(Station16, "EW-1701", "192.168.50.17") as s:
                await s.boot()
                await s.statuses()
                await c.clock.sleep(20)


async def handshakes(c: Context) -> None:
    c.site.lax = True

    async def visit(
        identity: str, version: str | None, offers: tuple[str, ...], headers: dict[str, str], call: bool
    ) -> None:
        async with connect(
            f"ws://192.168.50.1/ocpp/{identity}", subprotocols=list(offers) or None, compression=None,  # type: ignore[arg-type]
            additional_headers=headers, local_addr=("192.168.50.18", 0), proxy=None, ping_interval=None,
        ) as socket:  # fmt: skip
            logged = Logged(socket, "station", identity, c.log)
            if call and version:
                station = Station16(identity, logged, c.site)
                reader = asyncio.create_task(quietly(station))
                await station.boot()
                await station.statuses()
                reader.cancel()
            await asyncio.sleep(0.1)
        await c.clock.sleep(30)

    with c.capture():
        async with c.site.csms(Csms16):
            await visit("EW-1801", None, (), basic_auth("EW-1801"), False)
            await visit("EW-1802", "ocpp1.6", ("ocpp2.0.1.1", "ocpp1.6"), basic_auth("EW-1802"), True)
            await visit("EW-1803", "ocpp1.6", ("ocpp1.6",), {}, True)
            await visit("EW-1804", "ocpp1.6", ("ocpp1.6",), basic_auth("somebody-else"), True)
            await visit("EW-1805", "ocpp1.6", ("ocpp1.6",), basic_auth("EW-1805", "short"), True)


async def quietly(station: Any) -> None:
    with contextlib.suppress(ConnectionClosed, asyncio.CancelledError):
        await station.start()


FAULTY = [
    Scenario(
        "faulty-sequence-16", "A 1.6 station that starts too early and stops strangely",
        "StartTransaction while the boot is pending, registers that fall, a stop of a transaction that nobody knows, "
        "one that is stopped twice, a CALL that is never answered, an accepted remote start that nothing follows, half "
        "an hour of silence, Charging on connector 0.",
        sequence16, PYTHON,
        [
            Expected("BOOT-002", '"0EA51E57"'),
            Expected("BOOT-006", '"transactionId":', sender="csms"),
            Expected("TX16-003", '"transactionId":999999'),
            Expected("TX16-007", '"MeterValues"', 4),
            Expected("TX16-006", '"meterStop":100000'),
            Expected("TX16-004", '"meterStop":100000', 2),
            Expected("RPC-005", '"UnlockConnector"'),
            Expected("RC-001", '"04NEVER0"'),
            Expected("HB-001", '"meterStop":100000', 2),  # the last word before the silence
            Expected("ST16-002", '"connectorId":0,"errorCode":"NoError","status":"Charging"'),
        ],
    ),
    Scenario(
        "faulty-schema-16", "Payloads that no 1.6 schema allows, on both sides",
        "Too long, misspelled, missing, additional and wrongly typed fields; the CSMS answers some with CALLERROR, "
        "some not, and twice with a wrong payload of its own.",
        schema16, PYTHON,
        [
            Expected("SCH-006", "THIS-ID-TAG-IS-TOO-LONG"),
            Expected("SCH-005", '"noError"'),
            Expected("SCH-003", '"color":"red"'),
            Expected("SCH-001", '{"connectorId":1,"status":"Available"}'),
            Expected("SCH-001", '{"value":230.5}'),
            Expected("SCH-007", '"yesterday"'),
            Expected("SCH-001", '"meterValue":[]'),
            Expected("SCH-001", '"vendorId":17'),
            Expected("SCH-002", '{"status":"Fine"}'),
            Expected("SCH-002", ",{}]", 5, "csms"),
            Expected("SCH-001", '"ChangeAvailability",{"connectorId":1}'),
        ],
    ),
    Scenario(
        "faulty-events-201", "TransactionEvents out of step, and wrong 2.0.1 reports",
        "A missing sequence number, a falling register, two transactions on one EVSE, an event after Ended, a report "
        "that nobody asked for, customData without vendorId, a 1.6 status, a time without zone.",
        events201, PYTHON,
        [
            Expected("TX2-004"),
            Expected("TX2-019", '"MeterValuePeriodic"', 4),
            Expected("TX2-022", '"Started"', 2),
            Expected("TX2-003", '"MeterValueClock"'),
            Expected("VAR-008", '"requestId":999'),
            Expected("SCH-004", '"customData":{"x":1}'),
            Expected("SCH-005", '"connectorStatus":"Charging"'),
            Expected("SCH-007", '"2026-03-02T06:00:00"'),
        ],
    ),
    Scenario(
        "faulty-types-21", "SEND and CALLRESULTERROR used wrongly, and once rightly",
        "Stream data without a stream, an answered SEND, a Heartbeat as SEND; a wrong answer that the station rightly "
        "refuses with CALLRESULTERROR, and a CALLRESULTERROR for an answer that never was.",
        types21, PYTHON,
        [
            Expected("RPC-011"),
            Expected("FRM-021", '"Heartbeat",{}]'),
            Expected("SCH-007", '"noon"'),
            Expected("RPC-012", '"never-used"'),
        ],
    ),
    Scenario(
        "refused-upgrades", "Refused upgrades: 401 and 404, then a good one",
        "A station with an old password, a station that the CSMS does not know (it waits 20 s before it tries again), "
        "then the first one with the right password.",
        refused, PYTHON,
    ),
    Scenario(
        "faulty-handshakes", "Upgrades that offer or prove the wrong things",
        "No subprotocol, an invented subprotocol, no authentication, a foreign user name, a short password. The CSMS "
        "lets everybody in.",
        handshakes, PYTHON,
        [
            Expected("CON-001"),
            Expected("CON-002"),
            Expected("SEC-002"),
            Expected("SEC-003"),
            Expected("SEC-004"),
        ],
    ),
]  # fmt: skip
