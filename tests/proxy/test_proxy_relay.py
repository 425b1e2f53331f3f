"""The relay between real `websockets` peers and raw sockets: transparent, bounded; the end of one side is the end."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from http import HTTPStatus
from typing import Any

import pytest
from relaying import eventually, relaying, run, tcp_server
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from ocpp_inspect.proxy.frames import encode_frame
from ocpp_inspect.proxy.settings import Bounds
from ocpp_inspect.proxy.tap import Closed, Note, Opened

UPGRADE = (
    b"GET /CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


def port_of(server: Any) -> int:
    return int(server.sockets[0].getsockname()[1])


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_messages_pings_and_close_pass_through(compression: str | None) -> None:
    async def scenario() -> None:
        seen: list[ServerConnection] = []

        async def handle(socket: ServerConnection) -> None:
            seen.append(socket)
            await echo(socket)

        async with (
            serve(handle, "127.0.0.1", 0, subprotocols=["ocpp2.0.1", "ocpp1.6"], compression=compression) as server,
            relaying(f"ws://127.0.0.1:{port_of(server)}/ocpp") as running,
        ):
            async with connect(running.url + "/CP%201", subprotocols=["ocpp1.6"], compression=compression) as station:
                for text in ("a", "é" * 70, "x" * 70_000, json.dumps([2, "1", "Heartbeat", {}])):
                    await station.send(text)
                    assert await station.recv() == text
                await station.send(["in ", "three ", "fragments"])
                assert await station.recv() == "in three fragments"
                await station.send(b"\x00\xff")
                assert await station.recv() == b"\x00\xff"
                await (await station.ping(b"are you there"))
                await (await seen[0].ping())
                assert (station.subprotocol, seen[0].subprotocol) == ("ocpp1.6", "ocpp1.6")
                (link,) = running.relay.links()
                assert (link.station, link.path, link.subprotocol) == ("CP 1", "/CP%201", "ocpp1.6")
                await station.close(4001, "enough")
            port = port_of(server)
            assert seen[0].request is not None
            assert seen[0].request.path == "/ocpp/CP%201"
            assert seen[0].request.headers["Host"] == f"127.0.0.1:{port_of(server)}"
            assert ("permessage-deflate" in seen[0].request.headers.get("Sec-WebSocket-Extensions", "")) == bool(
                compression
            )
            await eventually(lambda: running.relay.open_sessions == 0)
            await eventually(lambda: (seen[0].close_code, seen[0].close_reason) == (4001, "enough"))
        (opened,), (closed,) = running.told.of(Opened), running.told.of(Closed)
        assert (opened.server, opened.server_port) == ("127.0.0.1", port)
        assert closed.closed_by == 1  # RFC 6455 §7.1.1: the server closes TCP first
        assert running.lines == []

    run(scenario)


def test_octets_of_both_directions_are_not_changed_and_told_as_they_were() -> None:
    """Odd frames of every kind; what goes in comes out, in any chunking, and the analysis gets the same."""
    frames = (
        encode_frame(1, b"text", is_masked=True)
        + bytes([0x01, 0x80, 1, 2, 3, 4])
        + encode_frame(9, b"ping", is_masked=True)
        + bytes([0x80, 0x82, 1, 2, 3, 4, 0xFF, 0xFE])
        + bytes([0xB3, 0x05])
        + b"wrong"
        + encode_frame(2, bytes(range(256)) * 300, is_masked=True)
        + bytes([0x88, 0x01, 0x03])
    )
    answer = ACCEPTED + encode_frame(1, b"at once", is_masked=False) + bytes([0x81, 0x7E, 0, 1, 0x41])

    async def scenario() -> None:
        got = bytearray()

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            while octets := await reader.read(65_536):
                got.extend(octets)

        async with tcp_server(csms) as port, relaying(f"ws://127.0.0.1:{port}") as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            for octet in UPGRADE:
                writer.write(bytes([octet]))
                await writer.drain()
            assert await reader.readexactly(len(answer)) == answer
            for at in range(2000):
                writer.write(frames[at : at + 1])
                await asyncio.sleep(0)
            writer.write(frames[2000:])
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
            await eventually(lambda: running.relay.open_sessions == 0)
            assert bytes(got) == frames
        assert running.told.said_by(0) == UPGRADE + frames
        assert running.told.said_by(1) == answer
        assert running.told.of(Closed) == [Closed("fin", 0)]

    run(scenario)


@pytest.mark.parametrize("status", [401, 404, 503])
def test_a_refusal_reaches_the_station_as_it_was(status: int) -> None:
    async def scenario() -> None:
        def refuse(socket: ServerConnection, request: Request) -> Response:
            response = socket.respond(HTTPStatus(status), "the reason\n")
            response.headers["X-Why"] = "because"
            return response

        async with (
            serve(echo, "127.0.0.1", 0, process_request=refuse) as server,
            relaying(f"ws://127.0.0.1:{port_of(server)}") as running,
        ):
            direct, through = [], []
            for url, found in ((f"ws://127.0.0.1:{port_of(server)}/CP1", direct), (running.url + "/CP1", through)):
                with pytest.raises(InvalidStatus) as error:
                    await connect(url)
                response = error.value.response
                found += [response.status_code, response.reason_phrase, bytes(response.body or b"")]
                found += [(k, v) for k, v in response.headers.raw_items() if k != "Date"]
            assert through == direct
            assert through[2] == b"the reason\n"

    run(scenario)


def test_a_station_may_ask_again_on_the_connection_on_which_it_was_refused() -> None:
    async def scenario() -> None:
        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Host: 127.0.0.1:" in head
            writer.write(ACCEPTED)
            writer.write(await reader.readexactly(7))
            await reader.read()

        async with tcp_server(csms) as port, relaying(f"ws://127.0.0.1:{port}") as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(UPGRADE)
            assert (await reader.readuntil(b"no\n")).startswith(b"HTTP/1.1 401")
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(encode_frame(1, b"1", is_masked=True))
            assert len(await reader.readexactly(7)) == 7
            assert len(running.relay.links()) == 1
            writer.close()

    run(scenario)


def test_soap_passes_on_a_kept_connection_with_the_host_of_the_upstream() -> None:
    bodies = [b"<soap>1</soap>", b"<soap>22</soap>"]

    async def scenario() -> None:
        hosts: list[bytes] = []

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for body in bodies:
                head = await reader.readuntil(b"\r\n\r\n")
                hosts.append(head.split(b"Host: ")[1].split(b"\r\n")[0])
                assert await reader.readexactly(len(body)) == body
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n")
            await reader.read()

        async with tcp_server(csms) as port, relaying(f"http://127.0.0.1:{port}") as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            for body in bodies:
                writer.write(b"POST /ocpp HTTP/1.1\r\nHost: proxy\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"3\r\nyes\r\n0\r\n\r\n")
            writer.close()
            await eventually(lambda: running.relay.open_sessions == 0)
            assert hosts == [b"127.0.0.1:%d" % port] * 2
        assert bodies[1] in running.told.said_by(0)
        assert b"Host: proxy" in running.told.said_by(0)

    run(scenario)


def test_an_upstream_that_is_not_there_is_told_to_the_station_and_not_blamed_on_the_csms() -> None:
    async def scenario() -> None:
        async with tcp_server(lambda reader, writer: reader.read()) as port:  # type: ignore[arg-type,return-value]
            pass
        async with relaying(f"ws://127.0.0.1:{port}") as running:
            with pytest.raises(InvalidStatus) as error:
                await connect(running.url + "/CP1")
            assert error.value.response.status_code == 502
            assert b"connection refused" in bytes(error.value.response.body or b"")
            await eventually(lambda: running.relay.open_sessions == 0)
        assert running.told.said_by(1) == b""
        assert running.told.names() == ["proxy.upstream_failed", "proxy.answered"]
        assert running.lines == [f"CP1: cannot reach ws://127.0.0.1:{port}: connection refused"]

    run(scenario)


def test_a_station_without_a_route_gets_404() -> None:
    async def scenario() -> None:
        async with relaying("CP1=ws://127.0.0.1:1") as running:
            with pytest.raises(InvalidStatus) as error:
                await connect(running.url + "/CP2")
            assert error.value.response.status_code == 404

    run(scenario)


def test_passwords_are_not_told() -> None:
    async def scenario() -> None:
        async with (
            serve(echo, "127.0.0.1", 0) as server,
            relaying(f"ws://127.0.0.1:{port_of(server)}") as running,
        ):
            secret = base64.b64encode(b"CP1:sixteen-letters1").decode()
            async with connect(
                running.url + "/CP1", additional_headers={"Authorization": f"Basic {secret}"}
            ) as station:
                await station.send("x")
                await station.recv()
        assert b"Authorization: Basic " in running.told.said_by(0)
        assert secret.encode() not in running.told.said_by(0)

    run(scenario)


@pytest.mark.parametrize("side", ["station", "csms"])
@pytest.mark.parametrize("how", ["fin", "reset"])
def test_the_end_of_one_side_is_the_end_of_the_other_within_a_second(side: str, how: str) -> None:
    async def scenario() -> None:
        ends: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        ready = asyncio.Event()

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ACCEPTED)
            ends["csms"] = (reader, writer)
            ready.set()
            await asyncio.sleep(60)

        async with tcp_server(csms) as port, relaying(f"ws://127.0.0.1:{port}") as running:
            reader, writer = ends["station"] = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(UPGRADE)
            await ready.wait()
            await reader.readuntil(b"\r\n\r\n")
            ends[side][1].write(b"\x81\x7e")  # dies in the middle of a frame
            await ends[side][1].drain()
            began = time.monotonic()
            if how == "fin":
                ends[side][1].close()
            else:
                import socket
                import struct

                raw = ends[side][1].get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                ends[side][1].transport.abort()
            other = ends["csms" if side == "station" else "station"][0]
            rest = await other.read()
            assert rest == b"\x81\x7e"
            await eventually(lambda: running.relay.open_sessions == 0)
            assert time.monotonic() - began < 1.5
            ends["station"][1].close()
        (closed,) = running.told.of(Closed)
        assert closed == Closed("fin" if how == "fin" else "rst", 0 if side == "station" else 1)

    run(scenario)


def test_a_slow_reader_slows_the_sender_and_loses_nothing() -> None:
    async def scenario() -> None:
        total = 64 * 1024 * 1024
        sent = 0

        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ACCEPTED)
            block = encode_frame(1, b"z" * 65_000, is_masked=False)
            while sent < total:
                writer.write(block)
                await writer.drain()
                sent += len(block)
            writer.close()

        async with tcp_server(csms) as port, relaying(f"ws://127.0.0.1:{port}") as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=4096)
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.5)
            assert sent < total, "somebody buffers without bound"
            got = 0
            while octets := await reader.read(1 << 20):
                got += len(octets)
            assert got == sent
            writer.close()

    run(scenario, 60)


def test_a_frame_beyond_the_limit_ends_the_connection_and_says_so() -> None:
    async def scenario() -> None:
        async with (
            serve(echo, "127.0.0.1", 0, max_size=None) as server,
            relaying(f"ws://127.0.0.1:{port_of(server)}", bounds=Bounds(frame_bytes=100_000)) as running,
            connect(running.url + "/CP1", max_size=None, compression=None) as station,
        ):
            await station.send("x" * 90_000)
            await station.recv()
            with pytest.raises(ConnectionClosed) as closed:
                await station.send("x" * 200_000)
                await station.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009
        assert "proxy.limit" in running.told.names()
        assert "a frame of 200014 octets" in running.lines[0]

    run(scenario)


def test_a_request_that_never_ends_is_answered_with_408() -> None:
    async def scenario() -> None:
        async with relaying("ws://127.0.0.1:1", bounds=Bounds(handshake_s=0.2)) as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(b"GET /CP1 HTTP/1.1\r\nHost")
            assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
            writer.close()
        assert running.told.said_by(0) == b"GET /CP1 HTTP/1.1\r\nHost"

    run(scenario)


def test_an_upstream_that_never_answers_is_told_with_504() -> None:
    async def scenario() -> None:
        async def csms(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        async with tcp_server(csms) as port, relaying(f"ws://127.0.0.1:{port}", bounds=Bounds(answer_s=0.2)) as running:
            with pytest.raises(InvalidStatus) as error:
                await connect(running.url + "/CP1")
            assert error.value.response.status_code == 504

    run(scenario)


def test_more_connections_than_allowed_are_refused() -> None:
    async def scenario() -> None:
        async with (
            serve(echo, "127.0.0.1", 0) as server,
            relaying(f"ws://127.0.0.1:{port_of(server)}", bounds=Bounds(connections=1)) as running,
        ):
            async with connect(running.url + "/CP1"):
                with pytest.raises(InvalidStatus) as error:
                    await connect(running.url + "/CP2")
                assert error.value.response.status_code == 503
            await eventually(lambda: running.relay.open_sessions == 0)
            async with connect(running.url + "/CP3"):
                pass
        assert "proxy.limit" in running.told.names()

    run(scenario)


def test_garbage_and_tls_on_a_plain_port_are_told() -> None:
    async def scenario() -> None:
        async with relaying("ws://127.0.0.1:1") as running:
            for octets in (b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00" + b"\r\n\r\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
                writer.write(octets)
                await reader.read()
                writer.close()
        details = [note.detail for note in running.told.of(Note)]
        assert details[0].startswith("400 Bad Request")
        assert "speaks TLS" in details[1]

    run(scenario)


def test_stopping_ends_every_connection_and_tells_it() -> None:
    async def scenario() -> None:
        async with serve(echo, "127.0.0.1", 0) as server:
            async with relaying(f"ws://127.0.0.1:{port_of(server)}") as running:
                station = await connect(running.url + "/CP1")
                await station.send("last")
                await station.recv()
            with pytest.raises(ConnectionClosed):
                await station.recv()
        assert running.told.of(Closed) == [Closed("end", None)]
        assert running.told.names() == ["proxy.ended"]

    run(scenario)
