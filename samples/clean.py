"""Conforming sessions of all versions: no rule may find an error or a warning in any of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

from samples.context import Context, Scenario
from samples.stack2x import Csms21, Csms201, Station21, Station201
from samples.stack16 import Csms16, Station16

PYTHON = "PyPI ocpp on websockets, both sides"


async def day16(c: Context) -> None:
    c.site.interval = 900
    with c.capture():
        async with c.site.csms(Csms16), c.site.station(Station16, "EW-1001") as s:
            await s.boot()
            await s.statuses()
            beats = c.clock.spawn(s.heartbeats(ping_every=20))
            await c.clock.sleep(30)
            keys = ["HeartbeatInterval", "MeterValueSampleInterval", "NumberOfConnectors"]
            await s.csms.ask("GetConfiguration", key=keys)
            await s.csms.ask("ChangeConfiguration", key="MeterValueSampleInterval", value="300")
            await s.csms.ask("TriggerMessage", requested_message="StatusNotification", connector_id=1)
            await asyncio.sleep(0.05)
            await s.status(1, "Available")
            await c.clock.sleep(1800)
            await s.session(1, "04A2B3C4", samples=9, every=300)
            await c.clock.sleep(3 * 3600)
            await s.session(2, "04FFE001", samples=12, every=300, remote=True)
            await c.clock.sleep(2 * 3600)
            first = await s.begin(1, "0455AA10")
            await s.charge(1, first, 3, 300)
            await s.end(1, first, "0455AA10")
            await s.csms.ask("UnlockConnector", connector_id=1)
            await c.clock.sleep(4 * 3600)
            await s.session(1, "04A2B3C4", samples=20, every=300)
            await c.clock.sleep(9 * 3600)
            beats.cancel()


async def day201(c: Context) -> None:
    c.site.interval = 1200
    with c.capture():
        async with (
            c.site.csms(Csms201, subprotocols=("ocpp2.0.1", "ocpp1.6")),
            c.site.station(Station201, "EW-2001", subprotocols=("ocpp2.0.1", "ocpp1.6")) as s,
        ):
            await s.boot()
            await s.inventory()
            beats = c.clock.spawn(s.heartbeats())
            await c.clock.sleep(60)
            variable = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedInterval"}}
            await s.csms.ask("GetVariables", get_variable_data=[variable])
            await s.csms.ask("SetVariables", set_variable_data=[{**variable, "attribute_value": "300"}])
            await c.clock.sleep(3600)
            await s.session(1, "04A2B3C4D5E680", samples=8, every=300)
            await c.clock.sleep(3 * 3600)
            await s.session(2, "0f3a51b2-6d43-4f5c-9a52-c63d1c6c0a77", samples=10, every=300, remote_start_id=501)
            await c.clock.sleep(5 * 3600)
            transaction = await s.begin(1, "04FFE001A2B3C4")
            await s.charge(transaction, 6, 300)
            await s.csms.ask("GetTransactionStatus", transaction_id=transaction.id)
            await s.charge(transaction, 6, 300)
            await s.end(1, transaction, "04FFE001A2B3C4")
            await c.clock.sleep(8 * 3600)
            beats.cancel()


async def session21(c: Context) -> None:
    c.site.interval = 300
    with c.capture():
        async with (
            c.site.csms(Csms21, subprotocols=("ocpp2.1",)),
            c.site.station(Station21, "EW-2101", subprotocols=("ocpp2.1", "ocpp2.0.1")) as s,
        ):
            await s.boot()
            await s.inventory()
            beats = c.clock.spawn(s.heartbeats())
            params = {"interval": 30, "values": 5}
            monitor = {
                "value": 6.0,
                "type": "Periodic",
                "severity": 8,
                "component": {"name": "EVSE", "evse": {"id": 1}},
                "variable": {"name": "Current"},
                "periodic_event_stream": params,
            }
            await s.csms.ask("SetVariableMonitoring", set_monitoring_data=[monitor])
            await asyncio.sleep(0.05)
            stream = {"id": 3, "variable_monitoring_id": 41, "params": params}
            await s.ask("OpenPeriodicEventStream", constant_stream_data=stream)

            async def streaming() -> None:
                number = 0
                with contextlib.suppress(asyncio.CancelledError):
                    while True:
                        await c.clock.sleep(30)
                        number += 1
                        await s.send_stream(3, [f"{15 + (number + n) % 3}.{n}" for n in range(5)], 6.0)

            sending = c.clock.spawn(streaming())
            await c.clock.sleep(90)
            await s.session(1, "04A2B3C4D5E680", samples=5, every=60)
            await c.clock.sleep(10)
            sending.cancel()
            await s.ask("ClosePeriodicEventStream", id=3)
            await c.clock.sleep(100)
            beats.cancel()


async def deflate16(c: Context) -> None:
    with c.capture():
        async with (
            c.site.csms(Csms16, compression="deflate"),
            c.site.station(Station16, "EW-1002", compression="deflate") as s,
        ):
            await s.boot()
            await s.statuses()
            beats = c.clock.spawn(s.heartbeats(ping_every=2))
            await s.session(1, "04A2B3C4", samples=20, every=60)
            await s.session(2, "04A2B3C5", samples=8, every=60, remote=True)
            beats.cancel()


async def no_takeover(c: Context) -> None:
    server = ServerPerMessageDeflateFactory(
        server_no_context_takeover=True, client_no_context_takeover=True, server_max_window_bits=10,
        client_max_window_bits=9,
    )  # fmt: skip
    client = ClientPerMessageDeflateFactory(client_max_window_bits=True)

    async def run(identity: str, address: str) -> None:
        async with c.site.station(Station201, identity, address, subprotocols=("ocpp2.0.1",), extensions=[client]) as s:
            await s.boot()
            await s.inventory()
            await s.session(1, "04A2B3C4D5E680", samples=10, every=60)

    with c.capture():
        async with c.site.csms(Csms201, subprotocols=("ocpp2.0.1",), extensions=[server]):
            await run("EW-2002", "192.168.50.12")


async def npm(c: Context) -> None:
    if c.npm is None:
        raise SystemExit("this sample needs --npm FOLDER (npm install ocpp-rpc)")
    script = Path(__file__).with_name("ocpp_rpc.mjs")
    with c.capture():
        node = await asyncio.create_subprocess_exec("node", str(script), str(c.npm), stdout=asyncio.subprocess.PIPE)
        output, _ = await node.communicate()
        assert node.returncode == 0
    for line in output.decode().splitlines():
        entry = json.loads(line)
        c.log.lines.append(json.dumps(entry, ensure_ascii=False) + "\n")


async def several(c: Context) -> None:
    """Three versions and two networks: two stations share one address behind a router."""

    async def old(identity: str, address: str, wait: int) -> None:
        await c.clock.sleep(wait)
        async with c.site.station(Station16, identity, address) as s:
            await s.boot()
            await s.statuses()
            await s.session(1, f"04A2B3{wait:02}", samples=12, every=60, remote=wait > 10)
            await s.session(2, f"04A2B4{wait:02}", samples=4, every=60)

    async def new(make: type[Station201 | Station21], identity: str, address: str, version: str, port: int) -> None:
        url = f"ws://192.168.50.1:{port}/tenants/north%20side/ocpp"
        async with c.site.station(make, identity, address, url, subprotocols=(version,)) as s:
            await s.boot()
            await s.inventory()
            await s.session(1, "04A2B3C4D5E681", samples=10, every=60)
            await s.session(2, "04A2B3C4D5E682", samples=5, every=60)

    with c.capture():
        async with (
            c.site.csms(Csms16),
            c.site.csms(Csms201, port=8080, subprotocols=("ocpp2.0.1",), compression="deflate"),
            c.site.csms(Csms21, port=9000, subprotocols=("ocpp2.1",)),
        ):
            actors = [
                c.clock.spawn(old("EW-1011", "192.168.50.11", 5)),
                c.clock.spawn(old("EW-1012", "172.16.4.20", 12)),
                c.clock.spawn(old("EW-1013", "172.16.4.20", 31)),
                c.clock.spawn(new(Station201, "EW-2011", "192.168.50.14", "ocpp2.0.1", 8080)),
                c.clock.spawn(new(Station21, "EW-2111", "192.168.50.15", "ocpp2.1", 9000)),
            ]
            while not all(actor.done() for actor in actors):
                await c.clock.sleep(30)
            for actor in actors:
                actor.result()


async def ipv6(c: Context) -> None:
    with c.capture():
        async with (
            c.site.csms(Csms201, address="fd50:51::1", subprotocols=("ocpp2.0.1",)),
            c.site.station(
                Station201, "EW-2006", "fd50:51::11", "ws://[fd50:51::1]:80/ocpp", subprotocols=("ocpp2.0.1",)
            ) as s,
        ):
            await s.boot()
            await s.inventory()
            await s.session(1, "04A2B3C4D5E680", samples=10, every=60)


CLEAN = [
    Scenario(
        "ocpp16-day", "A clean day of a 1.6 station",
        "One station with two connectors from six to six: boot, configuration, a trigger, local and remote "
        "transactions, heartbeats every 15 minutes, some pings. Nothing is compressed.",
        day16, PYTHON,
    ),
    Scenario(
        "ocpp201-day", "A clean day of a 2.0.1 station",
        "Boot, inventory report, variables, transactions with local and remote start, a status query in the middle.",
        day201, PYTHON,
    ),
    Scenario(
        "ocpp21-session", "A clean 2.1 session with a periodic event stream",
        "A monitor asks for a stream; the station opens it, sends NotifyPeriodicEventStream (SEND, type 6) every 30 s "
        "during a transaction and closes it. PyPI ocpp does not know SEND; the station writes it itself.",
        session21, PYTHON,
    ),
    Scenario(
        "ocpp16-deflate", "permessage-deflate with context takeover",
        "The defaults of Python's websockets: each message is compressed with the history of all before it.",
        deflate16, PYTHON,
    ),
    Scenario(
        "ocpp201-deflate-no-takeover", "permessage-deflate without context takeover and with small windows",
        "Both sides reset their context with every message; windows of 2^9 and 2^10 octets.",
        no_takeover, PYTHON,
    ),
    Scenario(
        "npm-ocpp-rpc", "1.6 and 2.0.1 on npm ocpp-rpc",
        "The other popular stack: its own framing library (ws), automatic pings from both sides, two versions on one "
        "port that is none of the usual HTTP ports. Recorded in real time with a short interval.",
        npm, "npm ocpp-rpc, both sides", ports=(8180,), nanoseconds=True,
    ),
    Scenario(
        "five-stations", "Five stations of three versions at once",
        "Three 1.6 stations (two of them behind one address), a 2.0.1 station whose CSMS accepts compression that "
        "nobody offers, a 2.1 station; three ports, a path with a prefix and an encoded space.",
        several, PYTHON, ports=(80, 8080, 9000),
    ),
    Scenario("ipv6", "A 2.0.1 session over IPv6", "As short as it is ordinary.", ipv6, PYTHON),
]  # fmt: skip
