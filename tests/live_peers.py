"""Real stations and a real CSMS (PyPI ocpp over websockets) that talk to each other; as a program, for a while.

python tests/live_peers.py ADDRESS PORT SECONDS    three stations: one charges, one forgets its manners, one leaves
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import AuthorizationStatus, ChargePointErrorCode, ChargePointStatus, RegistrationStatus

PROTOCOL: Any = "ocpp1.6"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Csms(ChargePoint):
    """Accepts everybody."""

    transaction = 16

    @on("BootNotification")
    def boot(self, **_: Any) -> Any:
        return call_result.BootNotification(current_time=now(), interval=10, status=RegistrationStatus.accepted)

    @on("Heartbeat")
    def heartbeat(self) -> Any:
        return call_result.Heartbeat(current_time=now())

    @on("StatusNotification")
    def status(self, **_: Any) -> Any:
        return call_result.StatusNotification()

    @on("Authorize")
    def authorize(self, **_: Any) -> Any:
        return call_result.Authorize(id_tag_info=IdTagInfo(status=AuthorizationStatus.accepted))

    @on("StartTransaction")
    def start_transaction(self, **_: Any) -> Any:
        Csms.transaction += 1
        accepted = IdTagInfo(status=AuthorizationStatus.accepted)
        return call_result.StartTransaction(transaction_id=Csms.transaction, id_tag_info=accepted)

    @on("MeterValues")
    async def meter_values(self, **_: Any) -> Any:
        return call_result.MeterValues()

    @on("StopTransaction")
    def stop_transaction(self, **_: Any) -> Any:
        return call_result.StopTransaction()


async def serve(socket: Any) -> None:
    """One connection of the CSMS."""
    with contextlib.suppress(websockets.ConnectionClosed):
        await Csms(socket.request.path.rpartition("/")[2], socket).start()


def server(address: str, port: int, **options: Any) -> Any:
    """The CSMS, to be entered with `async with`."""
    return websockets.serve(serve, address, port, subprotocols=[PROTOCOL], **options)


class Station:
    """A connected charge point; `async with` connects it."""

    def __init__(self, name: str, address: str, port: int, *, scheme: str = "ws", **options: Any) -> None:
        self.name = name
        self._url = f"{scheme}://{address}:{port}/ocpp/{name}"
        self._options = options

    async def __aenter__(self) -> Station:
        self.socket = await websockets.connect(self._url, subprotocols=[PROTOCOL], **self._options)
        self.point = ChargePoint(self.name, self.socket)
        self._reading = asyncio.create_task(self.point.start())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()
        with contextlib.suppress(websockets.ConnectionClosed, asyncio.CancelledError):
            await self._reading

    async def boot(self) -> None:
        await self.point.call(
            call.BootNotification(charge_point_vendor="Wallbox & Co", charge_point_model=f"Model {self.name[-1]}")
        )
        await self.status(ChargePointStatus.available)

    async def status(self, status: ChargePointStatus) -> None:
        await self.point.call(
            call.StatusNotification(connector_id=1, error_code=ChargePointErrorCode.no_error, status=status)
        )

    async def heartbeat(self) -> None:
        await self.point.call(call.Heartbeat())

    async def start(self) -> int:
        await self.point.call(call.Authorize(id_tag="04A1B2C3"))
        started = await self.point.call(
            call.StartTransaction(connector_id=1, id_tag="04A1B2C3", meter_start=1000, timestamp=now())
        )
        return int(started.transaction_id)

    async def meter(self, transaction: int, power_w: int, register_wh: int) -> None:
        sampled = [
            {"value": str(power_w), "measurand": "Power.Active.Import", "unit": "W"},
            {"value": str(register_wh), "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        ]
        await self.point.call(
            call.MeterValues(
                connector_id=1,
                transaction_id=transaction,
                meter_value=[{"timestamp": now(), "sampledValue": sampled}],
            )
        )

    async def stop(self, transaction: int, meter_stop: int) -> None:
        await self.point.call(
            call.StopTransaction(transaction_id=transaction, meter_stop=meter_stop, timestamp=now(), reason="Local")
        )

    async def raw(self, text: str) -> None:
        """Text that no library would send."""
        await self.socket.send(text)


async def charging(station: Station) -> None:
    async with station:
        await station.boot()
        transaction = await station.start()
        await station.status(ChargePointStatus.charging)
        for number in range(10_000):
            await asyncio.sleep(2)
            await station.meter(transaction, 7360 - number % 7 * 12, 1000 + number * 4)


async def rude(station: Station) -> None:
    async with station:
        await station.heartbeat()  # before its boot is accepted
        await station.boot()
        while True:
            await asyncio.sleep(1.5)
            await station.raw('[2,"x1","StatusNotification",{"connectorId":"one","status":"Idle"}]')
            await asyncio.sleep(1.5)
            await station.raw("[2,oops]")


async def coming_and_going(station: Station) -> None:
    while True:
        async with station:
            await station.boot()
            for _ in range(3):
                await asyncio.sleep(1.5)
                await station.heartbeat()
        await asyncio.sleep(4)


async def site(address: str, port: int, seconds: float) -> None:
    """Three stations for a while."""
    async with server(address, port):
        people = (charging(Station("CP-1", address, port)), rude(Station("CP-2", address, port)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*people, coming_and_going(Station("CP-3", address, port))), seconds)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(site(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
