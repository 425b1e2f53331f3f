"""A 1.6 session written octet by octet on plain sockets, as no library would let us, with faults of framing and RPC."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import struct
from typing import Any

from samples.context import Context, Expected, Scenario
from samples.faulty import dump
from samples.wire import basic_auth


def frame(data: bytes, opcode: int = 1, *, masked: bool, final: bool = True, reserved: int = 0) -> bytes:
    """One WebSocket frame with exactly the header that was asked for."""
    first = (0x80 if final else 0) | reserved << 4 | opcode
    bit = 0x80 if masked else 0
    head = struct.pack("!BB", first, bit | len(data)) if len(data) < 126 else struct.pack(
        "!BBH", first, bit | 126, len(data)
    )  # fmt: skip
    if not masked:
        return head + data
    key = hashlib.md5(data, usedforsecurity=False).digest()[:4]
    return head + key + bytes(octet ^ key[at % 4] for at, octet in enumerate(data))


async def frames16(c: Context) -> None:  # noqa: PLR0915 - a dialogue, line by line
    identity = "EW-1603"
    arrived: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await arrived.put((reader, writer))

    with c.capture():
        server = await asyncio.start_server(accept, "192.168.50.1", 80)
        reader, station = await asyncio.open_connection("192.168.50.1", 80, local_addr=("192.168.50.16", 0))
        csms_reader, csms = await arrived.get()
        host, port = station.get_extra_info("sockname")[:2]
        connection = f"{host}:{port}"
        key = base64.b64encode(b"0123456789abcdef")
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
        station.write(
            f"GET /ocpp/{identity} HTTP/1.1\r\nHost: 192.168.50.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"
            f"Authorization: {basic_auth(identity)['Authorization']}\r\n\r\n".encode()
        )
        await csms_reader.readuntil(b"\r\n\r\n")
        csms.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")

        async def send(side: str, text: str | bytes, data: bytes, pause: float = 2.0) -> None:
            writer, other = (station, csms_reader) if side == "station" else (csms, reader)
            for did, who in (("sent", side), ("received", "csms" if side == "station" else "station")):
                if text:
                    c.log.add(who, identity, connection, did, text)
            writer.write(data)
            await other.readexactly(len(data))
            await c.clock.sleep(pause)

        async def say(text: str, **more: Any) -> None:
            await send("station", text, frame(text.encode(), masked=True, **more))

        async def answer(text: str) -> None:
            await send("csms", text, frame(text.encode(), masked=False))

        boot = {"chargePointVendor": "Example Works", "chargePointModel": "EW-22"}
        await say(dump([2, "1", "BootNotification", boot]))
        await answer(dump([3, "1", {"status": "Accepted", "currentTime": c.clock.text(), "interval": 300}]))
        for number in (0, 1):
            status = {"connectorId": number, "errorCode": "NoError", "status": "Available"}
            await say(dump([2, f"s{number}", "StatusNotification", status]))
            await answer(dump([3, f"s{number}", {}]))
        text = '[2,"10","Heartbeat",{}]'
        await send("station", text, frame(text.encode(), masked=False))  # an unmasked client frame (RFC 6455 §5.1)
        await answer(dump([3, "10", {"currentTime": c.clock.text()}]))
        await say('[2,"11","Heartbeat",{}')  # FRM-001
        await say('{"type":2,"id":"12"}')  # FRM-002
        await say('[7,"13","Heartbeat",{}]')  # FRM-003
        await say('[2,"14","Heartbeat"]')  # FRM-006
        await say('[2,15,"Heartbeat",{}]')  # FRM-011
        await say('[2,"16","Heartbeat",[]]')  # FRM-012
        await say('[2,"17","Hartbeat",{}]')  # FRM-020
        await answer('[4,"17","NotImplemented","Unknown action Hartbeat",{}]')
        await say('[2,"18","Heartbeat",{}]')
        await answer(dump([3, "18", {"currentTime": c.clock.text()}]))
        await answer(dump([3, "18", {"currentTime": c.clock.text()}]))  # RPC-003
        await answer('[3,"19",{}]')  # in the first minute: it may belong to a CALL of the connection before
        again = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
        await say(dump([2, "18", "StatusNotification", again]))  # RPC-001
        await answer('[3,"18",{}]')
        await say('[2,"20","RemoteStopTransaction",{"transactionId":1}]')  # RPC-008
        await answer('[4,"20","NotSupported","",{}]')
        await answer('[2,"c1","ClearCache",{}]')
        await answer('[2,"c2","ClearCache",{}]')  # RPC-004: c1 is not answered yet
        await say('[3,"c1",{"status":"Accepted"},"more"]')  # FRM-007
        await say('[4,"c2","GenericError"]')  # FRM-008
        parts = '[2,"21","Heart', 'beat",{}]'
        data = frame(parts[0].encode(), masked=True, final=False) + frame(b"alive?", 9, masked=True)
        data += frame(parts[1].encode(), 0, masked=True)
        await send("station", "".join(parts), data)  # fragments around a ping: legal
        await send("csms", "", frame(b"alive?", 10, masked=False))
        await answer(dump([3, "21", {"currentTime": c.clock.text()}]))
        binary = b'[2,"22","Heartbeat",{}]'
        await send("station", binary, frame(binary, 2, masked=True))  # CON-015
        await answer(dump([3, "22", {"currentTime": c.clock.text()}]))
        await say('[2,"23","Heartbeat",{}]', reserved=1)  # a reserved bit that nobody negotiated
        await send("csms", "", frame(struct.pack("!H", 1002) + b"protocol error", 8, masked=False))
        await say('[2,"24","Heartbeat",{}]')
        await send("station", "", frame(struct.pack("!H", 1002), 8, masked=True), pause=0)
        for writer in (csms, station):
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        server.close()
        await asyncio.sleep(0.1)


FRAMES = [
    Scenario(
        "faulty-frames-16", "Frames and messages that break the rules of framing and RPC",
        "Written octet by octet on plain sockets, as no library would let us: an unmasked client frame, broken JSON, "
        "wrong arrays, reused and unknown ids, overlapping CALLs, a binary message, a reserved bit, a CALL after "
        "Close. In between, legal fragments around a ping.",
        frames16, "plain asyncio sockets, both sides",
        [
            Expected("FRM-001", '[2,"11"'),
            Expected("FRM-002", '"type":2'),
            Expected("FRM-003", '[7,"13"'),
            Expected("FRM-006", '[2,"14"'),
            Expected("FRM-011", "[2,15,"),
            Expected("FRM-012", '[2,"16"'),
            Expected("FRM-020", '"Hartbeat",{}'),
            Expected("RPC-003", '[3,"18"', 2),
            Expected("RPC-001", '[2,"18","StatusNotification"'),
            Expected("RPC-008", '[2,"20"'),
            Expected("RPC-004", '[2,"c2"'),
            Expected("FRM-007", '[3,"c1"'),
            Expected("FRM-008", '[4,"c2"'),
            Expected("CON-015"),
        ],
        note="tshark shows the binary message as data, not as text.",
    ),
]  # fmt: skip
