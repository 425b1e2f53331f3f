"""A 1.6 station and its CSMS on PyPI `ocpp`, and the steps of which their days consist."""

from __future__ import annotations

import asyncio
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result

from samples.wire import Logged, Site

ACCEPTED = {"status": "Accepted"}


class Csms16(ChargePoint):
    """The CSMS's end of one connection."""

    transactions = 4710

    def __init__(self, identity: str, connection: Logged, site: Site) -> None:
        super().__init__(identity, connection)
        self.site = site
        self.boot_status = "Accepted"

    async def ask(self, action: str, **payload: Any) -> Any:
        return await self.call(getattr(call, action)(**payload))

    @on("BootNotification")
    def boot(self, **_: Any) -> Any:
        return call_result.BootNotification(
            current_time=self.site.clock.text(), interval=self.site.interval, status=self.boot_status
        )

    @on("Heartbeat")
    def heartbeat(self) -> Any:
        return call_result.Heartbeat(current_time=self.site.clock.text())

    @on("StatusNotification")
    def status(self, **_: Any) -> Any:
        return call_result.StatusNotification()

    @on("Authorize")
    def authorize(self, id_tag: str) -> Any:
        return call_result.Authorize(id_tag_info={"status": "Blocked" if id_tag == "0BAD0BAD" else "Accepted"})

    @on("StartTransaction")
    def start_transaction(self, id_tag: str, **_: Any) -> Any:
        Csms16.transactions += 1
        status = "Blocked" if id_tag == "0BAD0BAD" else "Accepted"
        return call_result.StartTransaction(transaction_id=Csms16.transactions, id_tag_info={"status": status})

    @on("StopTransaction")
    def stop_transaction(self, **_: Any) -> Any:
        return call_result.StopTransaction(id_tag_info=ACCEPTED)

    @on("MeterValues")
    def meter_values(self, **_: Any) -> Any:
        return call_result.MeterValues()

    @on("DataTransfer")
    def data_transfer(self, **_: Any) -> Any:
        return call_result.DataTransfer(status="UnknownVendorId")


class Station16(ChargePoint):
    """A station with two connectors and one meter."""

    csms: Csms16

    def __init__(self, identity: str, connection: Logged, site: Site) -> None:
        super().__init__(identity, connection)
        self.site = site
        self.connection = connection
        self.meter_wh = 120_450
        self.settings = {"HeartbeatInterval": "300", "MeterValueSampleInterval": "60", "NumberOfConnectors": "2"}

    # what the CSMS may ask

    @on("RemoteStartTransaction")
    def remote_start(self, **_: Any) -> Any:
        return call_result.RemoteStartTransaction(status="Accepted")

    @on("RemoteStopTransaction")
    def remote_stop(self, **_: Any) -> Any:
        return call_result.RemoteStopTransaction(status="Accepted")

    @on("TriggerMessage")
    def trigger(self, **_: Any) -> Any:
        return call_result.TriggerMessage(status="Accepted")

    @on("Reset")
    def reset(self, **_: Any) -> Any:
        return call_result.Reset(status="Accepted")

    @on("ChangeConfiguration")
    def change_configuration(self, key: str, value: str) -> Any:
        self.settings[key] = value
        return call_result.ChangeConfiguration(status="Accepted")

    @on("GetConfiguration")
    def get_configuration(self, key: list[str]) -> Any:
        known = [{"key": k, "readonly": k == "NumberOfConnectors", "value": v} for k, v in self.settings.items()]
        return call_result.GetConfiguration(configuration_key=[entry for entry in known if entry["key"] in key])

    @on("UnlockConnector")
    def unlock(self, **_: Any) -> Any:
        return call_result.UnlockConnector(status="Unlocked")

    # what it does

    async def ask(self, action: str, **payload: Any) -> Any:
        return await self.call(getattr(call, action)(**payload))

    async def boot(self) -> Any:
        answer = await self.ask(
            "BootNotification",
            charge_point_vendor="Example Works",
            charge_point_model="EW-22",
            charge_point_serial_number=f"SN-{self.id}",
            firmware_version="4.2.1",
            meter_type="EW-M3",
        )
        await asyncio.sleep(0.05)
        return answer

    async def statuses(self) -> None:
        for connector in (0, 1, 2):
            await self.status(connector, "Available")

    async def status(self, connector: int, status: str, **more: Any) -> None:
        more = {"error_code": "NoError", "timestamp": self.site.clock.text(), **more}
        await self.ask("StatusNotification", connector_id=connector, status=status, **more)

    async def heartbeats(self, ping_every: int = 0) -> None:
        """An actor: a heartbeat every interval, now and then a ping (answered by the CSMS's WebSocket library)."""
        number = 0
        while True:
            await self.site.clock.sleep(self.site.interval)
            await self.ask("Heartbeat")
            number += 1
            if ping_every and number % ping_every == 0:
                await (await self.connection.socket.ping())

    async def begin(self, connector: int, tag: str, *, remote: bool = False) -> int:
        """Cable, authorization, StartTransaction, energy."""
        clock = self.site.clock
        await self.status(connector, "Preparing")
        await clock.sleep(4)
        if remote:
            await self.csms.ask("RemoteStartTransaction", connector_id=connector, id_tag=tag)
        else:
            await self.ask("Authorize", id_tag=tag)
        await clock.sleep(1)
        answer = await self.ask(
            "StartTransaction", connector_id=connector, id_tag=tag, meter_start=self.meter_wh, timestamp=clock.text()
        )
        await self.status(connector, "Charging")
        transaction: int = answer.transaction_id
        return transaction

    async def charge(self, connector: int, transaction: int, samples: int, every: int) -> None:
        for _ in range(samples):
            await self.site.clock.sleep(every)
            self.meter_wh += 11 * every * 1000 // 3600
            await self.sample(connector, transaction)

    async def sample(self, connector: int, transaction: int) -> None:
        power = {"value": "11012", "measurand": "Power.Active.Import", "unit": "W"}
        energy = {
            "value": str(self.meter_wh),
            "context": "Sample.Periodic",
            "measurand": "Energy.Active.Import.Register",
            "unit": "Wh",
        }
        value = {"timestamp": self.site.clock.text(), "sampled_value": [energy, power]}
        await self.ask("MeterValues", connector_id=connector, transaction_id=transaction, meter_value=[value])

    async def end(self, connector: int, transaction: int, tag: str, reason: str = "Local") -> None:
        clock = self.site.clock
        await clock.sleep(10)
        self.meter_wh += 30
        if reason == "Remote":
            await self.csms.ask("RemoteStopTransaction", transaction_id=transaction)
            await asyncio.sleep(0.05)
        more = {"id_tag": tag} if reason == "Local" else {}
        await self.ask(
            "StopTransaction",
            meter_stop=self.meter_wh,
            timestamp=clock.text(),
            transaction_id=transaction,
            reason=reason,
            **more,
        )
        await self.status(connector, "Finishing")
        await clock.sleep(25)
        await self.status(connector, "Available")

    async def session(self, connector: int, tag: str, samples: int, every: int, *, remote: bool = False) -> None:
        transaction = await self.begin(connector, tag, remote=remote)
        await self.charge(connector, transaction, samples, every)
        await self.end(connector, transaction, tag, "Remote" if remote else "Local")
