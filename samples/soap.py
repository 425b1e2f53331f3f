"""OCPP 1.6 over SOAP: a clean day with calls in both directions, and a day on which little is right."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from samples.context import Context, Expected, Scenario
from samples.secured import HOST, Authority, contexts
from samples.stack_soap import Caller, Listener, RefusalError
from samples.wire import CSMS_ADDRESS

CSMS_PORT, STATION_PORT = 8080, 9000
PATH = "/services/ocpp/v16"
Tls = tuple[ssl.SSLContext, ssl.SSLContext]
"""(of who listens, of who calls)"""

STACK = "PyPI zeep on requests as the client of both sides, http.server and lxml behind it"


class Site:
    """One station at an address of its own, and the CSMS."""

    def __init__(self, c: Context, identity: str, number: int, tls: Tls | None = None) -> None:
        self.c = c
        self.identity = identity
        self.transactions = 700 + 10 * number
        self.meter_wh = 12_000
        self.refuses: dict[str, RefusalError] = {}
        self.station_address = f"192.168.50.{10 + number}"
        self._lock = threading.Lock()
        scheme = "https" if tls else "http"
        secured: dict[str, Any] = {"tls": tls[1], "host": HOST} if tls else {}
        url = f"{scheme}://{CSMS_ADDRESS}:{CSMS_PORT}{PATH}"
        listens = f"{scheme}://{self.station_address}:{STATION_PORT}/"
        self.up = Caller("Cs", url, identity, source=self.station_address, listens=listens,
                         note=self.note("station"), keeps=False, **secured)  # fmt: skip
        self.down = Caller("Cp", listens, identity, source=CSMS_ADDRESS, listens=url, note=self.note("csms"), **secured)
        self.listener = Listener("Cp", (self.station_address, STATION_PORT), self.station, self.note("station"),
                                 zips=True, chunks=True, tls=tls[0] if tls else None)  # fmt: skip

    def note(self, side: str) -> Callable[[str, str], None]:
        def add(did: str, text: str) -> None:
            with self._lock:
                self.c.log.add(side, self.identity, f"{self.station_address}:0", did, text)

        return add

    # ------------------------------------------------------------------------------------------ what they answer

    def csms(self, identity: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        if action in self.refuses:
            raise self.refuses[action]
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": self.c.clock.text(), "interval": 900}
            case "Heartbeat":
                return {"currentTime": self.c.clock.text()}
            case "Authorize" | "StopTransaction":
                return {"idTagInfo": {"status": "Accepted", "expiryDate": self.c.clock.text(86400)}}
            case "StartTransaction":
                self.transactions += 1
                return {"transactionId": self.transactions, "idTagInfo": {"status": "Accepted"}}
            case "DataTransfer":
                return {"status": "UnknownVendorId"}
            case _:
                return {}

    def station(self, identity: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        if action == "GetConfiguration":
            known = {"HeartbeatInterval": "900", "MeterValueSampleInterval": "300", "NumberOfConnectors": "2"}
            wanted = payload.get("key", list(known))
            wanted = wanted if isinstance(wanted, list) else [wanted]
            return {
                "configurationKey": [
                    {"key": key, "readonly": key == "NumberOfConnectors", "value": known[key]}
                    for key in wanted
                    if key in known
                ],
                "unknownKey": [key for key in wanted if key not in known],
            }
        if action == "GetLocalListVersion":
            return {"listVersion": 0}
        return {"status": "Unlocked" if action == "UnlockConnector" else "Accepted"}

    # ------------------------------------------------------------------------------------------ what they say

    async def say(self, action: str, **fields: Any) -> Any:
        return await asyncio.to_thread(self.up.call, action, **fields)

    async def ask(self, action: str, **fields: Any) -> Any:
        return await asyncio.to_thread(self.down.call, action, **fields)

    async def boot(self) -> None:
        await self.say("BootNotification", chargePointVendor="Example Works", chargePointModel="EW-S2",
                       chargePointSerialNumber=f"S-{self.identity}", firmwareVersion="2.4.1")  # fmt: skip

    async def status(self, connector: int, status: str) -> None:
        await self.say("StatusNotification", connectorId=connector, status=status, errorCode="NoError",
                       timestamp=self.c.clock.text())  # fmt: skip

    async def heartbeats(self) -> None:
        while True:
            await self.c.clock.sleep(900)
            await self.say("Heartbeat")

    async def sample(self, transaction: int, context: str = "Sample.Periodic") -> None:
        value = {"context": context, "measurand": "Energy.Active.Import.Register", "unit": "Wh", "location": "Outlet"}
        await self.say(
            "MeterValues", connectorId=1, transactionId=transaction,
            meterValue=[{"timestamp": self.c.clock.text(), "sampledValue": [{"value": str(self.meter_wh), **value}]}],
        )  # fmt: skip

    async def session(self, tag: str, samples: int, *, remote: bool = False) -> None:
        if remote:
            await self.ask("RemoteStartTransaction", connectorId=1, idTag=tag)
        await self.say("Authorize", idTag=tag)
        await self.status(1, "Preparing")
        await self.c.clock.sleep(8)
        begun = await self.say("StartTransaction", connectorId=1, idTag=tag, meterStart=self.meter_wh,
                               timestamp=self.c.clock.text())  # fmt: skip
        await self.status(1, "Charging")
        for _ in range(samples):
            await self.c.clock.sleep(300)
            self.meter_wh += 900
            await self.sample(begun.transactionId)
        if remote:
            await self.ask("RemoteStopTransaction", transactionId=begun.transactionId)
        await self.say("StopTransaction", transactionId=begun.transactionId, idTag=tag, meterStop=self.meter_wh,
                       timestamp=self.c.clock.text(), reason="Remote" if remote else "Local")  # fmt: skip
        await self.status(1, "Finishing")
        await self.c.clock.sleep(40)
        await self.status(1, "Available")

    def close(self) -> None:
        self.up.close()
        self.down.close()
        self.listener.close()


@asynccontextmanager
async def site(c: Context, identities: list[str], tls: Tls | None = None) -> AsyncIterator[list[Site]]:
    """The CSMS and its stations."""
    sites = [Site(c, identity, number, tls) for number, identity in enumerate(identities, 1)]
    by_name = {each.identity: each for each in sites}

    def answer(identity: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        return by_name.get(identity, sites[0]).csms(identity, action, payload)

    def note(did: str, text: str) -> None:
        named = [each for each in sites if f">{each.identity}<" in text] or sites[:1]
        current = asking.get(threading.get_ident(), named[0]) if did == "sent" else named[0]
        asking[threading.get_ident()] = current
        current.note("csms")(did, text)

    asking: dict[int, Site] = {}
    csms = Listener("Cs", (CSMS_ADDRESS, CSMS_PORT), answer, note, tls=tls[0] if tls else None)
    try:
        yield sites
    finally:
        for each in sites:
            each.close()
        csms.close()


async def day(c: Context) -> None:
    with c.capture():
        async with site(c, ["EW-S1001"]) as (s,):
            await s.boot()
            for connector in (0, 1, 2):
                await s.status(connector, "Available")
            beats = c.clock.spawn(s.heartbeats())
            await c.clock.sleep(30)
            await s.ask("GetConfiguration", key=["HeartbeatInterval", "MeterValueSampleInterval", "Nothing"])
            await s.ask("ChangeConfiguration", key="MeterValueSampleInterval", value="300")
            await s.ask("TriggerMessage", requestedMessage="StatusNotification", connectorId=1)
            await s.status(1, "Available")
            await c.clock.sleep(1800)
            await s.session("04A2B3C4", 6)
            await c.clock.sleep(2 * 3600)
            await s.session("04FFE001", 8, remote=True)
            await s.say("DataTransfer", vendorId="org.example", messageId="Greeting", data="<hello> & goodbye")
            await s.ask("UnlockConnector", connectorId=2)
            await s.ask("GetLocalListVersion")
            await c.clock.sleep(3 * 3600)
            await s.session("04A2B3C4", 4)
            await c.clock.sleep(4 * 3600)
            beats.cancel()


async def secured(c: Context) -> None:
    with c.capture():
        tls = contexts(c, Authority(c.folder), ssl.TLSVersion.TLSv1_3)
        async with site(c, ["EW-S1001", "EW-S1002"], tls) as sites:
            for s in sites:
                await s.boot()
                await s.status(1, "Available")
                await s.session("04A2B3C4", 2, remote=s.identity == "EW-S1002")
                await s.ask("ClearCache")
                await s.say("Heartbeat")


SE, WSA = "http://www.w3.org/2003/05/soap-envelope", "http://www.w3.org/2005/08/addressing"
OLD = "http://schemas.xmlsoap.org/soap/envelope/"


def written(
    body: str, action: str, number: int, *, identity: str = "EW-S1601", sender: bool = True, space: str = "Cs",
    soap: str = SE, message_id: bool = True,
) -> str:  # fmt: skip
    """A request as somebody writes it who has no library."""
    headers = f"<o:chargeBoxIdentity>{identity}</o:chargeBoxIdentity>" if identity else ""
    headers += f"<a:Action>{action}</a:Action>"
    headers += f"<a:MessageID>by-hand-{number}</a:MessageID>" if message_id else ""
    headers += f"<a:From><a:Address>http://192.168.50.11:{STATION_PORT}/</a:Address></a:From>" if sender else ""
    headers += f"<a:To>http://{CSMS_ADDRESS}:{CSMS_PORT}{PATH}</a:To>"
    return (
        f'<s:Envelope xmlns:s="{soap}" xmlns:a="{WSA}" xmlns:o="urn://Ocpp/{space}/2015/10/">'
        f"<s:Header>{headers}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )


def status_of(status: str, time: str) -> str:
    return (
        f"<o:statusNotificationRequest><o:connectorId>1</o:connectorId><o:status>{status}</o:status>"
        f"<o:errorCode>NoError</o:errorCode><o:timestamp>{time}</o:timestamp></o:statusNotificationRequest>"
    )


async def faulty(c: Context) -> None:
    with c.capture():
        async with site(c, ["EW-S1601"]) as (s,):
            await s.boot()
            await s.status(1, "Available")
            post = s.up.post
            beat = "<o:heartbeatRequest/>"
            for text in (
                written(beat, "Heartbeat", 1),  # SOAP-003
                written(beat, "/Heartbeat", 2, identity=""),  # SOAP-002
                written(beat, "/Heartbeat", 3, message_id=False),  # SOAP-004
                written(beat, "/Heartbeat", 4, sender=False),  # SOAP-005
                written(beat, "/Heartbeat", 5, space="Cp"),  # SOAP-007
                written(status_of("Occupied", c.clock.text()), "/StatusNotification", 6),  # SCH-005
                written(status_of("Available", "yesterday"), "/StatusNotification", 7),  # SCH-007
            ):
                await c.clock.sleep(60)
                await asyncio.to_thread(post, text)
            await c.clock.sleep(60)
            await asyncio.to_thread(post, "<s:Envelope>" + beat)  # SOAP-012
            s.refuses["StatusNotification"] = RefusalError("Sender", "NoIdea", "what is this")  # SOAP-008
            time = c.clock.text()
            for number in (9, 10):  # SOAP-009
                await c.clock.sleep(20)
                await asyncio.to_thread(post, written(status_of("Preparing", time), "/StatusNotification", number))
            s.refuses.clear()
            await c.clock.sleep(60)
            begun = await s.say("StartTransaction", connectorId=1, idTag="04A2B3C4", meterStart=5000,
                                timestamp=c.clock.text())  # fmt: skip
            await s.say("StopTransaction", transactionId=begun.transactionId, meterStop=4000,
                        timestamp=c.clock.text(), reason="Local")  # fmt: skip
            await c.clock.sleep(60)


SOAP = [
    Scenario(
        "soap16-day",
        "A clean day of a 1.6 station over SOAP",
        "A station boots, tells its status, is configured and charges three times, once started by the CSMS. Each of "
        "its messages takes a TCP connection of its own; the CSMS calls the station on a connection that it keeps, "
        "and gets answers in gzip and chunks.",
        day,
        STACK,
        ports=(CSMS_PORT, STATION_PORT),
        transport="soap",
    ),
    Scenario(
        "soap16-tls13",
        "Two 1.6 stations over SOAP and TLS 1.3, with the keys inside",
        "Each station boots and charges once, in both directions over TLS. Every message of a station is a TLS session "
        "of its own.",
        secured,
        STACK,
        ports=(CSMS_PORT, STATION_PORT),
        suffix=".pcapng.gz",
        transport="soap",
        secured="keys",
    ),
    Scenario(
        "soap16-faulty",
        "A 1.6 station whose SOAP messages were written by hand",
        "Headers are missing or wrong, a body is no XML, values break the schema, a message is repeated after its "
        "fault, and a meter runs backwards.",
        faulty,
        STACK,
        expected=[
            Expected("SOAP-003", "<a:Action>Heartbeat</a:Action>"),
            Expected("SOAP-002", "by-hand-2<"),
            Expected("SOAP-004", "<a:Action>/Heartbeat</a:Action><a:From>"),
            Expected("SOAP-005", "by-hand-4<"),
            Expected("SOAP-007", "by-hand-5<"),
            Expected("SCH-005", "by-hand-6<"),
            Expected("SCH-007", "by-hand-7<"),
            Expected("SOAP-012", "<s:Envelope><o:heart"),
            Expected("SOAP-008", "NoIdea"),
            Expected("SOAP-009", "NoIdea", 2),
            Expected("TX16-006", ""),
        ],
        ports=(CSMS_PORT, STATION_PORT),
        transport="soap",
    ),
]
