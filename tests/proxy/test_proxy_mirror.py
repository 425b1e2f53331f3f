"""A second CSMS that gets a copy: it hears what the station says, and cannot harm it."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path

import duckdb
import pytest
from relaying import eventually, relaying, run, tcp_server
from test_proxy_relay import echo, port_of
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from ocpp_inspect.pipeline.recording import Recording
from ocpp_inspect.proxy.analysis import Analysis
from ocpp_inspect.proxy.tap import Opened


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_the_mirror_hears_the_station_and_its_answers_go_nowhere(tmp_path: Path, compression: str | None) -> None:
    heard: list[str | bytes] = []
    records: list[bytes] = []
    texts = [f'[2,"{number}","Heartbeat",{{}}]' for number in range(5)]

    async def second(socket: ServerConnection) -> None:
        await (await socket.ping())
        async for text in socket:
            heard.append(text)
            await socket.send('[3,"' + str(len(heard) - 1) + '",{"currentTime":"2026-11-26T13:00:00Z"}]')

    async def scenario() -> None:
        async with (
            serve(echo, "127.0.0.1", 0, compression=compression) as server,
            serve(second, "127.0.0.1", 0) as copy,
            relaying(
                f"ws://127.0.0.1:{port_of(server)}", mirror=f"ws://127.0.0.1:{port_of(copy)}/x", records=records
            ) as running,
        ):
            async with connect(running.url + "/CP1", compression=compression) as station:
                for text in texts:
                    await station.send(text)
                    assert await station.recv() == text
                await eventually(lambda: len(heard) == 5)
            await eventually(lambda: running.relay.open_sessions == 0)
        assert heard == texts
        opened = running.told.of(Opened)
        assert [bool(each.mirror_of) for each in opened] == [False, True]
        assert running.lines == []

    run(scenario)
    with Recording(tmp_path / "run.duckdb", source="test") as recording:
        analysis = Analysis([], recording)
        analysis.feed(b"".join(records))
        recording.close(analysis.finish())
    with duckdb.connect(str(tmp_path / "run.duckdb"), read_only=True) as database:
        counts = dict(database.execute("SELECT station, count(*) FROM message_records GROUP BY 1").fetchall())
    (name,) = set(counts) - {"CP1"}
    assert name.startswith("CP1@127.0.0.1:")
    assert counts == {"CP1": 10, name: 10}


@pytest.mark.parametrize("how", ["refuses", "is not there", "dies", "does not read"])
def test_a_mirror_that_fails_harms_nobody(how: str) -> None:
    async def scenario() -> None:
        def refuse(socket: ServerConnection, request: Request) -> Response:
            return socket.respond(HTTPStatus.FORBIDDEN, "no")

        async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            if how == "dies":
                return
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(60)

        async with (
            serve(echo, "127.0.0.1", 0, max_size=None) as server,
            serve(echo, "127.0.0.1", 0, process_request=refuse) as refusing,
            tcp_server(deaf) as silent,
        ):
            ports = {"refuses": port_of(refusing), "is not there": 1, "dies": silent, "does not read": silent}
            async with (
                relaying(f"ws://127.0.0.1:{port_of(server)}", mirror=f"ws://127.0.0.1:{ports[how]}") as running,
                connect(running.url + "/CP1", compression=None, max_size=None) as station,
            ):
                text = "x" * (900_000 if how == "does not read" else 10)
                for _ in range(30 if how == "does not read" else 3):
                    await station.send(text)
                    assert await station.recv() == text
                await eventually(lambda: bool(running.lines))
                assert "the station goes on" in running.lines[0]
        assert running.told.names().count("proxy.mirror") == 1

    run(scenario)
