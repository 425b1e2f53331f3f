"""Conforming sessions over bad lines, mirror ports and half captures: still no error and no warning in any of them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from samples.clean import PYTHON
from samples.context import Context, Scenario
from samples.relay import Faults
from samples.stack16 import Csms16, Station16

Run = Callable[[Context], Awaitable[None]]


def over_lan(mtu: int, faults: Faults, interface: str, samples: int) -> Run:
    async def run(c: Context) -> None:
        async with (
            c.lan(mtu, faults, interface) as connect,
            c.site.csms(Csms16),
            c.site.station(Station16, "EW-1003", sock=connect()) as s,
        ):
            await s.boot()
            await s.statuses()
            beats = c.clock.spawn(s.heartbeats())
            await s.session(1, "04A2B3C4", samples=samples, every=60)
            await c.clock.sleep(400)
            await s.session(2, "04A2B3C5", samples=samples // 2, every=60, remote=True)
            beats.cancel()

    return run


def joined_midway(compression: str | None) -> Run:
    async def run(c: Context) -> None:
        with c.capture():
            c.stop_captures()
            async with (
                c.site.csms(Csms16, compression=compression),
                c.site.station(Station16, "EW-1004", compression=compression) as s,
            ):
                await s.boot()
                await s.statuses()
                beats = c.clock.spawn(s.heartbeats())
                transaction = await s.begin(1, "04A2B3C4")
                await s.charge(1, transaction, 3, 60)
                c.raws.clear()
                c.provenance.pop("captured")
                c.start_capture()
                await s.charge(1, transaction, 8, 60)
                await s.end(1, transaction, "04A2B3C4")
                await c.clock.sleep(600)
                await s.session(2, "04A2B3C5", samples=5, every=60)
                beats.cancel()

    return run


async def reconnects(c: Context) -> None:
    with c.capture():
        async with c.site.csms(Csms16):
            async with c.site.station(Station16, "EW-1005") as s:
                await s.boot()
                await s.statuses()
                transaction = await s.begin(1, "04A2B3C4")
                await s.charge(1, transaction, 3, 60)
                meter, csms_socket = s.meter_wh, s.csms._connection.socket
                csms_socket.transport.abort()  # the mobile network forgets the connection
                await asyncio.sleep(0.1)
            await c.clock.sleep(45)
            async with c.site.station(Station16, "EW-1005") as s:  # a reconnect is no reboot: no BootNotification
                s.meter_wh = meter + 100
                await s.charge(1, transaction, 3, 60)
                await s.csms.ask("Reset", type="Soft")
                await asyncio.sleep(0.05)
                await s.ask(
                    "StopTransaction", meter_stop=s.meter_wh, timestamp=c.clock.text(), transaction_id=transaction,
                    reason="SoftReset",
                )  # fmt: skip
                meter = s.meter_wh
            await c.clock.sleep(70)
            async with c.site.station(Station16, "EW-1005") as s:
                s.meter_wh = meter
                await s.boot()
                await s.status(0, "Available")
                await s.status(1, "Finishing")
                await s.status(2, "Available")
                await c.clock.sleep(20)
                await s.status(1, "Available")
                await c.clock.sleep(100)
                await s.session(2, "04A2B3C5", samples=3, every=60)


async def cut_packets(c: Context) -> None:
    with c.capture(snaplen=300):
        async with c.site.csms(Csms16), c.site.station(Station16, "EW-1007") as s:
            await s.boot()
            await s.statuses()
            await s.session(1, "04A2B3C4", samples=6, every=60)


async def other_traffic(c: Context) -> None:
    """A chat that is no OCPP, plain HTTP with a body, datagrams; and between them a station."""

    async def echo(peer: ServerConnection) -> None:
        end = f"{peer.remote_address[0]}:{peer.remote_address[1]}"
        async for text in peer:
            c.log.add("csms", "", end, "received", text, is_ocpp=False)
            c.log.add("csms", "", end, "sent", text, is_ocpp=False)
            await peer.send(text)

    async def chat(subprotocol: Subprotocol | None) -> None:
        offers = [subprotocol] if subprotocol else None
        local = ("192.168.50.19", 0)
        async with connect("ws://192.168.50.1:8080/chat", subprotocols=offers, local_addr=local, proxy=None) as peer:
            end = f"{peer.local_address[0]}:{peer.local_address[1]}"
            for text in ("hello", '{"op":"ping"}', "[1, 2, 3]", '["2","news","of","today"]'):
                c.log.add("station", "", end, "sent", text, is_ocpp=False)
                await peer.send(text)
                c.log.add("station", "", end, "received", await peer.recv(), is_ocpp=False)

    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n[2,"1","Heartbeat",{}]'[:-1])
        writer.close()

    with c.capture(expression="tcp or udp"):
        async with (
            serve(echo, "192.168.50.1", 8080, subprotocols=[Subprotocol("chat")], select_subprotocol=any_of),
            await asyncio.start_server(web, "192.168.50.1", 8088),
            c.site.csms(Csms16),
            c.site.station(Station16, "EW-1008") as s,
        ):
            await chat(Subprotocol("chat"))
            await s.boot()
            await s.statuses()
            with socket.socket(type=socket.SOCK_DGRAM) as datagrams:
                datagrams.sendto(b'[2,"1","Heartbeat",{}]', ("192.168.50.1", 80))
            reader, writer = await asyncio.open_connection("192.168.50.1", 8088)
            writer.write(b"GET /status HTTP/1.1\r\nHost: 192.168.50.1:8088\r\n\r\n")
            await reader.read()
            writer.close()
            await chat(None)
            await s.session(1, "04A2B3C4", samples=4, every=60)


def any_of(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return offered[0] if offered else None


async def two_interfaces(c: Context) -> None:
    """One capture of the loopback and one of all interfaces (Linux cooked): every packet is in the file twice."""
    with c.capture():
        c.start_capture("any", "tcp port 80")
        async with c.site.csms(Csms16), c.site.station(Station16, "EW-1006") as s:
            await s.boot()
            await s.statuses()
            await s.session(1, "04A2B3C4", samples=6, every=60)


NETWORKS = [
    Scenario(
        "reordered", "Segments overtake each other, small MTU",
        "Two network namespaces joined by a relay that holds back one in five segments for 4 ms. MTU 150, so that most "
        "messages take several segments. Captured at the CSMS.",
        over_lan(150, Faults(delay=0.2), "csms0", 16), PYTHON,
    ),
    Scenario(
        "lossy", "A line that loses and doubles segments, small MTU",
        "The relay drops 6 % and doubles 4 % of the segments with data; both TCP stacks recover. Captured at the "
        "station, so retransmissions follow segments that were captured.",
        over_lan(200, Faults(drop=0.06, duplicate=0.04), "station0", 16), PYTHON,
    ),
    Scenario(
        "mirror-duplicates", "A mirror port that shows every third packet twice",
        "Nothing is wrong on the line; the mirror port copies some packets at ingress and at egress.",
        over_lan(1500, Faults(mirror_duplicate=0.33), "mirror0", 10), PYTHON,
    ),
    Scenario(
        "mirror-drops", "A mirror port that loses packets which the peers got",
        "The line is good, the mirror port drops 6 % of the data segments: gaps that no retransmission fills. "
        "What depends on the missing messages must be called inconclusive, never a violation.",
        over_lan(1500, Faults(mirror_drop=0.06), "mirror0", 40), PYTHON, complete=False,
    ),
    Scenario(
        "joined-midway", "The capture starts in the middle of a session",
        "No handshake, no boot, a transaction under way.", joined_midway(None), PYTHON, complete=False,
        note="tshark does not recognise WebSocket without its handshake.",
    ),
    Scenario(
        "joined-midway-deflate", "The capture starts in the middle of a compressed session",
        "As joined-midway, but the history of the compression is lost with the beginning: most messages can be "
        "counted, not read.", joined_midway("deflate"), PYTHON, complete=False,
        note="tshark does not recognise WebSocket without its handshake.",
    ),
    Scenario(
        "reconnects", "A reconnect without a reboot, then a reset",
        "The connection breaks during a transaction (RST), the station comes back without BootNotification and "
        "goes on; then a soft reset ends the transaction, the station reboots and starts the next one.",
        reconnects, PYTHON,
    ),
    Scenario(
        "other-traffic", "WebSockets that are no OCPP, HTTP and UDP around a 1.6 session",
        "Two chats (one with a subprotocol of its own, one without) whose messages look a little like OCPP, a web page "
        "and a datagram with a Heartbeat in it. Only the station's messages are OCPP.",
        other_traffic, PYTHON, ports=(80, 8080),
    ),
    Scenario(
        "snaplen", "tcpdump -s 300: long packets are cut",
        "Whoever started the capture wanted headers only. Meter values are cut, everything shorter is whole.",
        cut_packets, PYTHON, complete=False,
    ),
    Scenario(
        "two-interfaces", "pcapng of two interfaces, nanoseconds, gzip",
        "The same packets seen on lo and on the cooked device any; every packet must count once.",
        two_interfaces, PYTHON, suffix=".pcapng.gz", nanoseconds=True,
        note="tshark decodes each packet as often as it is there.",
    ),
]  # fmt: skip
