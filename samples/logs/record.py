"""Records the logs of this folder: what PyPI `ocpp` writes on both sides, and a flow file and HAR of mitmproxy.

python samples/logs/record.py MITMDUMP     (the program of PyPI `mitmproxy`, in an environment of its own)
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import websockets
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result

HERE = Path(__file__).parent
CSMS, PROXY = 9177, 9178


def now() -> str:
    return datetime.now(UTC).isoformat()


class Central(ChargePoint):
    """A CSMS that accepts everything."""

    @on("BootNotification")
    def on_boot(self, **_: Any) -> Any:
        return call_result.BootNotification(current_time=now(), interval=300, status="Accepted")

    @on("Heartbeat")
    def on_heartbeat(self) -> Any:
        return call_result.Heartbeat(current_time=now())

    @on("StatusNotification")
    def on_status(self, **_: Any) -> Any:
        return call_result.StatusNotification()

    @on("StartTransaction")
    def on_start(self, **_: Any) -> Any:
        return call_result.StartTransaction(transaction_id=7, id_tag_info={"status": "Accepted"})

    @on("StopTransaction")
    def on_stop(self, **_: Any) -> Any:
        return call_result.StopTransaction()


class Station(ChargePoint):
    """A station that starts when it is asked to."""

    @on("RemoteStartTransaction")
    def on_remote_start(self, **_: Any) -> Any:
        return call_result.RemoteStartTransaction(status="Accepted")


def logger(name: str, file: str, form: str) -> logging.Logger:
    handler = logging.FileHandler(HERE / file, "w", encoding="utf-8")
    handler.setFormatter(logging.Formatter(form))
    made = logging.getLogger(name)
    made.setLevel(logging.DEBUG)
    made.addHandler(handler)
    made.propagate = False
    return made


async def session(port: int, central: logging.Logger, station: logging.Logger) -> None:
    async def serve(connection: Any) -> None:
        point = Central(connection.request.path.rpartition("/")[2], connection, logger=central)
        running = asyncio.create_task(point.start())
        await asyncio.sleep(0.3)
        await point.call(call.RemoteStartTransaction(id_tag="04A2B3", connector_id=1))
        await asyncio.wait([running])
        running.exception()

    async with (
        websockets.serve(serve, "127.0.0.1", CSMS, subprotocols=["ocpp1.6"]),
        websockets.connect(f"ws://127.0.0.1:{port}/ocpp/EW-7", subprotocols=["ocpp1.6"]) as connection,
    ):
        point = Station("EW-7", connection, logger=station)
        running = asyncio.create_task(point.start())
        status = {"connector_id": 1, "error_code": "NoError"}
        await point.call(call.BootNotification(charge_point_model="EW-22", charge_point_vendor="Example Works"))
        await point.call(call.StatusNotification(**status, status="Available"))
        await asyncio.sleep(0.6)
        await point.call(call.StatusNotification(**status, status="Preparing"))
        await point.call(call.StartTransaction(connector_id=1, id_tag="04A2B3", meter_start=100, timestamp=now()))
        await point.call(call.StatusNotification(**status, status="Charging"))
        await point.call(call.StopTransaction(transaction_id=7, meter_stop=160, timestamp=now()))
        await point.call(call.StatusNotification(**status, status="Available"))
        await point.call(call.Heartbeat())
        running.cancel()


def main(mitmdump: str) -> None:
    central = logger("central", "python-ocpp-csms.log", "%(asctime)s %(levelname)s:%(name)s:%(message)s")
    station = logger(
        "ocpp", "python-ocpp-station.log", "%(asctime)s.%(msecs)03d %(levelname)s (MainThread) [%(name)s] %(message)s"
    )
    station.handlers[0].formatter.default_msec_format = ""  # type: ignore[union-attr]
    for file in ("mitmproxy.flow", "mitmproxy.har"):
        (HERE / file).unlink(missing_ok=True)
    command = [mitmdump, "-q", "--mode", f"reverse:http://127.0.0.1:{CSMS}", "-p", str(PROXY)]
    command += ["-w", str(HERE / "mitmproxy.flow"), "--set", f"hardump={HERE / 'mitmproxy.har'}"]
    with subprocess.Popen(command) as proxy:
        time.sleep(4)
        asyncio.run(session(PROXY, central, station))
        time.sleep(1)
        proxy.terminate()


if __name__ == "__main__":
    main(sys.argv[1])
