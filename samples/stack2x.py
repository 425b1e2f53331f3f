"""A 2.0.1 or 2.1 station and its CSMS on PyPI `ocpp`, and the steps of which their days consist."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

from ocpp import v21, v201
from ocpp.routing import on

from samples.wire import Logged, Site

ACCEPTED = {"status": "Accepted"}


class _Csms:
    """What the CSMS answers in both versions; `results` are the answer classes of its version."""

    site: Site
    results: Any
    calls: Any
    reports: int

    async def ask(self, action: str, **payload: Any) -> Any:
        return await self.call(getattr(self.calls, action)(**payload))  # type: ignore[attr-defined]

    @on("BootNotification")
    def boot(self, **_: Any) -> Any:
        return self.results.BootNotification(
            current_time=self.site.clock.text(), interval=self.site.interval, status="Accepted"
        )

    @on("Heartbeat")
    def heartbeat(self, **_: Any) -> Any:
        return self.results.Heartbeat(current_time=self.site.clock.text())

    @on("StatusNotification")
    def status(self, **_: Any) -> Any:
        return self.results.StatusNotification()

    @on("NotifyReport")
    def report(self, **_: Any) -> Any:
        return self.results.NotifyReport()

    @on("NotifyEvent")
    def event(self, **_: Any) -> Any:
        return self.results.NotifyEvent()

    @on("SecurityEventNotification")
    def security_event(self, **_: Any) -> Any:
        return self.results.SecurityEventNotification()

    @on("Authorize")
    def authorize(self, **_: Any) -> Any:
        return self.results.Authorize(id_token_info=ACCEPTED)

    @on("TransactionEvent")
    def transaction_event(self, id_token: Any = None, **_: Any) -> Any:
        return self.results.TransactionEvent(id_token_info=ACCEPTED if id_token else None)


class Csms201(_Csms, v201.ChargePoint):
    """The CSMS's end of one 2.0.1 connection."""

    results = v201.call_result
    calls = v201.call

    def __init__(self, identity: str, connection: Logged, site: Site) -> None:
        super().__init__(identity, connection)
        self.site = site


class Csms21(_Csms, v21.ChargePoint):
    """The CSMS's end of one 2.1 connection."""

    results = v21.call_result
    calls = v21.call

    def __init__(self, identity: str, connection: Logged, site: Site) -> None:
        super().__init__(identity, connection)
        self.site = site

    @on("OpenPeriodicEventStream")
    def open_stream(self, **_: Any) -> Any:
        return v21.call_result.OpenPeriodicEventStream(status="Accepted")

    @on("ClosePeriodicEventStream")
    def close_stream(self, **_: Any) -> Any:
        return v21.call_result.ClosePeriodicEventStream()


class _Station:
    """Two EVSEs with a connector each."""

    site: Site
    connection: Logged
    id: str
    csms: Any
    results: Any
    calls: Any

    def _prepare(self, connection: Logged, site: Site) -> None:
        self.site = site
        self.connection = connection
        self.meter_wh = 98_700
        self.events = 100

    async def ask(self, action: str, **payload: Any) -> Any:
        return await self.call(getattr(self.calls, action)(**payload))  # type: ignore[attr-defined]

    # what the CSMS may ask

    @on("GetBaseReport")
    def base_report(self, **_: Any) -> Any:
        return self.results.GetBaseReport(status="Accepted")

    @on("GetVariables")
    def get_variables(self, get_variable_data: list[dict[str, Any]]) -> Any:
        answers = [{**item, "attribute_status": "Accepted", "attribute_value": "60"} for item in get_variable_data]
        return self.results.GetVariables(get_variable_result=answers)

    @on("SetVariables")
    def set_variables(self, set_variable_data: list[dict[str, Any]]) -> Any:
        answers = [
            {"component": item["component"], "variable": item["variable"], "attribute_status": "Accepted"}
            for item in set_variable_data
        ]
        return self.results.SetVariables(set_variable_result=answers)

    @on("RequestStartTransaction")
    def request_start(self, **_: Any) -> Any:
        return self.results.RequestStartTransaction(status="Accepted")

    @on("RequestStopTransaction")
    def request_stop(self, **_: Any) -> Any:
        return self.results.RequestStopTransaction(status="Accepted")

    @on("GetTransactionStatus")
    def transaction_status(self, **_: Any) -> Any:
        return self.results.GetTransactionStatus(ongoing_indicator=True, messages_in_queue=False)

    @on("Reset")
    def reset(self, **_: Any) -> Any:
        return self.results.Reset(status="Accepted")

    @on("TriggerMessage")
    def trigger(self, **_: Any) -> Any:
        return self.results.TriggerMessage(status="Accepted")

    # what it does

    async def boot(self, reason: str = "PowerUp") -> None:
        clock = self.site.clock
        await self.ask(
            "BootNotification",
            reason=reason,
            charging_station={
                "model": "EW-22",
                "vendor_name": "Example Works",
                "serial_number": f"SN-{self.id}",
                "firmware_version": "5.0.3",
            },
        )
        await self.ask("SecurityEventNotification", type="StartupOfTheDevice", timestamp=clock.text())
        for evse in (1, 2):
            await self.status(evse, "Available")

    async def status(self, evse: int, status: str) -> None:
        if self.calls is v21.call:  # 2.1 reports availability as an event (G01)
            self.events += 1
            data = {
                "event_id": self.events,
                "timestamp": self.site.clock.text(),
                "trigger": "Delta",
                "actual_value": status,
                "event_notification_type": "HardWiredNotification",
                "component": {"name": "Connector", "evse": {"id": evse, "connector_id": 1}},
                "variable": {"name": "AvailabilityState"},
            }
            await self.ask("NotifyEvent", generated_at=self.site.clock.text(), seq_no=0, event_data=[data])
            return
        await self.ask(
            "StatusNotification",
            timestamp=self.site.clock.text(),
            connector_status=status,
            evse_id=evse,
            connector_id=1,
        )

    async def inventory(self) -> None:
        await self.csms.ask("GetBaseReport", request_id=7, report_base="FullInventory")
        for part in range(3):
            await asyncio.sleep(0.05)
            name, variable, value = (
                ("ChargingStation", "Model", "EW-22"),
                ("EVSE", "AvailabilityState", "Available"),
                ("OCPPCommCtrlr", "HeartbeatInterval", str(self.site.interval)),
            )[part]
            await self.ask(
                "NotifyReport",
                request_id=7,
                generated_at=self.site.clock.text(),
                seq_no=part,
                tbc=part < 2,
                report_data=[
                    {
                        "component": {"name": name, **({"evse": {"id": 1}} if name == "EVSE" else {})},
                        "variable": {"name": variable},
                        "variable_attribute": [{"type": "Actual", "value": value, "mutability": "ReadOnly"}],
                        "variable_characteristics": {"data_type": "string", "supports_monitoring": False},
                    }
                ],
            )

    async def heartbeats(self) -> None:
        while True:
            await self.site.clock.sleep(self.site.interval)
            await self.ask("Heartbeat")

    def energy(self, context: str) -> list[dict[str, Any]]:
        sample = {
            "value": self.meter_wh,
            "context": context,
            "measurand": "Energy.Active.Import.Register",
            "unit_of_measure": {"unit": "Wh"},
        }
        return [{"timestamp": self.site.clock.text(), "sampled_value": [sample]}]

    def event(self, transaction: Transaction, kind: str, trigger: str, state: str, **more: Any) -> dict[str, Any]:
        """The next event of a transaction; the caller may spoil it before it is sent."""
        info: dict[str, Any] = {"transaction_id": transaction.id, "charging_state": state}
        for key in ("stopped_reason", "remote_start_id"):
            if key in more:
                info[key] = more.pop(key)
        event = {
            "event_type": kind,
            "timestamp": self.site.clock.text(),
            "trigger_reason": trigger,
            "seq_no": transaction.sequence,
            "transaction_info": info,
            **more,
        }
        transaction.sequence += 1
        return event

    async def tell(self, transaction: Transaction, kind: str, trigger: str, state: str, **more: Any) -> Any:
        return await self.ask("TransactionEvent", **self.event(transaction, kind, trigger, state, **more))

    async def begin(self, evse: int, tag: str, remote_start_id: int = 0) -> Transaction:
        clock = self.site.clock
        transaction = Transaction()
        token = {"id_token": tag, "type": "ISO14443"}
        place = {"id": evse, "connector_id": 1}
        if remote_start_id:
            token["type"] = "Central"
            await self.csms.ask(
                "RequestStartTransaction", remote_start_id=remote_start_id, id_token=token, evse_id=evse
            )
            await self.tell(
                transaction, "Started", "RemoteStart", "Idle", id_token=token, remote_start_id=remote_start_id,
                evse=place,
            )  # fmt: skip
            await clock.sleep(12)
            await self.status(evse, "Occupied")
            await self.tell(transaction, "Updated", "CablePluggedIn", "EVConnected")
        else:
            await self.status(evse, "Occupied")
            await self.tell(
                transaction, "Started", "CablePluggedIn", "EVConnected", evse=place,
                meter_value=self.energy("Transaction.Begin"),
            )  # fmt: skip
            await clock.sleep(5)
            await self.ask("Authorize", id_token=token)
            await self.tell(transaction, "Updated", "Authorized", "EVConnected", id_token=token)
        await clock.sleep(2)
        await self.tell(transaction, "Updated", "ChargingStateChanged", "Charging")
        return transaction

    async def charge(self, transaction: Transaction, samples: int, every: int) -> None:
        for _ in range(samples):
            await self.site.clock.sleep(every)
            self.meter_wh += 11 * every * 1000 // 3600
            meter_value = self.energy("Sample.Periodic")
            await self.tell(transaction, "Updated", "MeterValuePeriodic", "Charging", meter_value=meter_value)

    async def end(self, evse: int, transaction: Transaction, tag: str, *, remote: bool = False) -> None:
        clock = self.site.clock
        await clock.sleep(10)
        self.meter_wh += 30
        if remote:
            await self.csms.ask("RequestStopTransaction", transaction_id=transaction.id)
            await self.tell(transaction, "Updated", "RemoteStop", "EVConnected")
        else:
            token = {"id_token": tag, "type": "ISO14443"}
            await self.tell(transaction, "Updated", "StopAuthorized", "EVConnected", id_token=token)
        await clock.sleep(20)
        await self.tell(
            transaction, "Ended", "EVCommunicationLost", "Idle", meter_value=self.energy("Transaction.End"),
            stopped_reason="Remote" if remote else "Local",
        )  # fmt: skip
        await self.status(evse, "Available")

    async def session(self, evse: int, tag: str, samples: int, every: int, remote_start_id: int = 0) -> None:
        transaction = await self.begin(evse, tag, remote_start_id)
        await self.charge(transaction, samples, every)
        await self.end(evse, transaction, tag, remote=bool(remote_start_id))


class Transaction:
    """Its id, and the sequence number of its next event."""

    def __init__(self) -> None:
        self.id = str(uuid.uuid4())
        self.sequence = 0


class Station201(_Station, v201.ChargePoint):
    """A 2.0.1 station."""

    results = v201.call_result
    calls = v201.call

    def __init__(self, identity: str, connection: Logged, site: Site) -> None:
        super().__init__(identity, connection)
        self._prepare(connection, site)


class Station21(_Station, v21.ChargePoint):
    """A 2.1 station. SEND and CALLRESULTERROR are unknown to PyPI `ocpp`; they go out as text."""

    results = v21.call_result
    calls = v21.call

    def __init__(self, identity: str, connection: Logged, site: Site) -> None:
        super().__init__(identity, connection)
        self._prepare(connection, site)

    @on("SetVariableMonitoring")
    def set_monitoring(self, set_monitoring_data: list[dict[str, Any]]) -> Any:
        answers = [
            {
                "id": 41 + number,
                "status": "Accepted",
                "type": item["type"],
                "component": item["component"],
                "variable": item["variable"],
                "severity": item["severity"],
            }
            for number, item in enumerate(set_monitoring_data)
        ]
        return v21.call_result.SetVariableMonitoring(set_monitoring_result=answers)

    async def send_stream(self, stream: int, values: list[str], step_seconds: float) -> None:
        data = [{"t": round(step_seconds * number, 1), "v": value} for number, value in enumerate(values)]
        payload = {"id": stream, "pending": 0, "basetime": self.site.clock.text(-step_seconds * len(values))}
        message = [6, str(uuid.uuid4()), "NotifyPeriodicEventStream", {**payload, "data": data}]
        await self.connection.send(json.dumps(message, separators=(",", ":")))
