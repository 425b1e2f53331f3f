"""What goes wrong around the command: nothing forwarded is lost or altered, the database opens, the error is said."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from proxy_process import ProxyProcess
from relaying import eventually, relaying, tcp_server
from test_proxy_relay import ACCEPTED, UPGRADE
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ocpp_inspect.pipeline.recording import Recording
from ocpp_inspect.proxy.analysis import Analysis
from ocpp_inspect.proxy.frames import encode_frame
from ocpp_inspect.proxy.tap import Missing

BEAT = '[2,"{}","Heartbeat",{{}}]'
NOW = '[3,"{}",{{"currentTime":"2026-11-26T13:00:00Z"}}]'


async def csms(socket: ServerConnection) -> None:
    async for text in socket:
        await socket.send(NOW.format(json.loads(text)[1]))


async def beats(station: ClientConnection, begin: int, end: int) -> list[str]:
    """Heartbeats with their answers; what was sent and received."""
    said = []
    for number in range(begin, end):
        await station.send(BEAT.format(number))
        said += [BEAT.format(number), str(await station.recv())]
    return said


def run(scenario: Callable[[], Any], seconds: float = 60) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(scenario(), seconds)

    asyncio.run(bounded())


def raws(proxy: ProxyProcess) -> list[str]:
    return [row.raw.decode() for row in proxy.messages()]


def analysis_of(proxy: ProxyProcess) -> int:
    (number,) = Path(f"/proc/{proxy.process.pid}/task/{proxy.process.pid}/children").read_text().split()
    return int(number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    async def scenario() -> None:
        async with serve(csms, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with ProxyProcess(tmp_path, "--upstream", f"ws://127.0.0.1:{port}") as proxy:
                async with connect(proxy.url() + "/CP1") as station:
                    said = await beats(station, 0, 50)
                    assert await asyncio.to_thread(proxy.stop, number) == 0
                    with pytest.raises(ConnectionClosed):
                        await station.recv()
            assert raws(proxy) == said
            assert proxy.query("SELECT close_kind, closed_by FROM connections") == [("end", "unknown")]
            assert proxy.query("SELECT name FROM anomalies WHERE name LIKE 'proxy.%'") == [("proxy.ended",)]
            assert "CP1" in proxy.printed

    run(scenario)


def test_an_upstream_killed_in_the_middle_of_a_message(tmp_path: Path) -> None:
    program = (
        "import socket, sys, time\n"
        "s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
        "c, _ = s.accept(); c.recv(65536)\n"
        f"c.sendall({ACCEPTED!r} + b'\\x81\\x7e\\x10\\x00' + b'[2,' * 100); print('sent', flush=True); time.sleep(60)\n"
    )

    async def scenario() -> None:
        upstream = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert upstream.stdout is not None
        port = int(await asyncio.to_thread(upstream.stdout.readline))
        with ProxyProcess(tmp_path, "--upstream", f"ws://127.0.0.1:{port}") as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(UPGRADE)
            await asyncio.to_thread(upstream.stdout.readline)
            await reader.readuntil(b"[2,[2,")
            upstream.kill()
            upstream.wait()
            began = time.monotonic()
            rest = await reader.read()
            assert time.monotonic() - began < 1.5
            assert rest == b"[2," * 98
            writer.close()
            await asyncio.to_thread(proxy.stop)
        upstream.stdout.close()
        assert proxy.code == 0
        assert proxy.query("SELECT closed_by FROM connections") == [("csms",)]
        assert ("ws.cut_frame", "csms") in proxy.query("SELECT name, sender FROM anomalies")

    run(scenario)


def test_forwarding_survives_the_death_of_the_analysis(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serve(csms, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with ProxyProcess(tmp_path, "--upstream", f"ws://127.0.0.1:{port}") as proxy:
                async with connect(proxy.url() + "/CP1") as station:
                    said = await beats(station, 0, 20)
                    await asyncio.sleep(2.5)  # recordings commit every second
                    os.kill(analysis_of(proxy), signal.SIGKILL)
                    await beats(station, 20, 40)
                    await eventually(lambda: any("the analysis has gone" in line for line in proxy.said))
                    async with connect(proxy.url() + "/CP2") as other:
                        await beats(other, 0, 5)
                await asyncio.to_thread(proxy.stop)
            assert proxy.code == 2
            assert raws(proxy) == said
            assert any("forwarded without being analysed" in line for line in proxy.said)

    run(scenario)


def test_the_database_is_whole_when_the_relay_is_killed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serve(csms, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with ProxyProcess(tmp_path, "--upstream", f"ws://127.0.0.1:{port}") as proxy:
                async with connect(proxy.url() + "/CP1") as station:
                    said = await beats(station, 0, 20)
                    analysis = analysis_of(proxy)
                    await asyncio.sleep(0.1)
                    await asyncio.to_thread(proxy.stop, signal.SIGKILL)
                await eventually(lambda: not Path(f"/proc/{analysis}").exists(), 10)
            assert raws(proxy) == said

    run(scenario)


def test_an_analysis_that_is_behind_costs_records_and_no_message(tmp_path: Path) -> None:
    """The queue fills, all is forwarded nevertheless, and what was not looked at is counted exactly."""
    text = b'[2,"%d","DataTransfer",{"vendorId":"V","data":"' + b"x" * 10_000 + b'"}]'
    reads = threading.Event()
    records: list[bytes] = []

    async def scenario() -> None:
        got = 0

        async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal got
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ACCEPTED)
            while octets := await reader.read(1 << 20):
                got += len(octets)

        async with (
            tcp_server(sink) as port,
            relaying(f"ws://127.0.0.1:{port}", queue_bytes=400_000, reads=reads, records=records) as running,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            sent = 0
            for number in range(90):
                frame = encode_frame(1, text % number, is_masked=True)
                writer.write(frame)
                await writer.drain()
                sent += len(frame)
            await eventually(lambda: got == sent, 20)
            assert running.relay.tap.missing_bytes > 100_000
            reads.set()
            await eventually(lambda: not running.relay.tap.is_behind, 20)
            writer.write(encode_frame(1, BEAT.format("after").encode(), is_masked=True))
            await asyncio.sleep(0.2)
            writer.close()
            await eventually(lambda: running.relay.open_sessions == 0)
        assert sum(missing.octets for missing in running.told.of(Missing)) == running.relay.tap.missing_bytes

    run(scenario)
    recording = Recording(tmp_path / "run.duckdb", source="test")
    analysis = Analysis([], recording)
    assert analysis.feed(b"".join(records)) == b""
    assert analysis.is_over
    recording.close(analysis.finish())
    with duckdb.connect(str(recording.database), read_only=True) as database:
        found = [
            name for (name,) in database.execute("SELECT unique_id FROM message_records ORDER BY message_id").fetchall()
        ]
        assert found[-1] == "after"
        assert 30 < len(found) < 91
        assert database.execute("SELECT DISTINCT cause FROM losses").fetchall() == [("limit",)]
        (missed,) = database.execute("SELECT sum(bytes) FROM losses").fetchone() or (0,)
        assert missed == analysis.missing_bytes > 100_000
        assert database.execute("SELECT count(*) FROM anomalies WHERE name = 'proxy.not_analysed'").fetchone() == (1,)


def test_a_full_disk_is_said_and_forwarding_goes_on(tmp_path: Path) -> None:
    """The kernel refuses the database to grow; what was committed before stays readable."""

    async def scenario() -> None:
        async with serve(csms, "127.0.0.1", 0, max_size=None) as server:
            port = server.sockets[0].getsockname()[1]
            with ProxyProcess(tmp_path, "--upstream", f"ws://127.0.0.1:{port}") as proxy:
                async with connect(proxy.url() + "/CP1") as station:
                    said = await beats(station, 0, 20)
                    await asyncio.sleep(2.5)
                    size = sum(each.stat().st_size for each in tmp_path.glob("run.duckdb*"))
                    limits = (size + 4096, size + 4096)
                    resource.prlimit(analysis_of(proxy), resource.RLIMIT_FSIZE, limits)
                    text = '[2,"{}","DataTransfer",{{"vendorId":"V","data":"' + os.urandom(30_000).hex() + '"}}]'
                    for number in range(60):
                        await station.send(text.format(f"big{number}"))
                        await station.recv()
                    await eventually(lambda: any("cannot be written" in line for line in proxy.said), 15)
                    await beats(station, 20, 40)
                await asyncio.to_thread(proxy.stop)
            assert raws(proxy)[: len(said)] == said
            assert proxy.code != 0

    run(scenario)
