"""The capture file that the proxy writes: read by us and by tshark, it tells what the proxy's own database tells."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import duckdb
import pytest
from proxy_process import COMMAND, ProxyProcess
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from ocpp_inspect.proxy.packets import Packets

MESSAGES = """
    SELECT message_id % 10**15, connection_id % 10**10, frame_no, station, sender, kind,
           coalesce(raw_bytes, encode(raw)), compressed FROM message_records ORDER BY 1
"""
CONNECTIONS = "SELECT station, client, client_port, close_kind, closed_by, close_code FROM connections ORDER BY 1"


async def csms(socket: ServerConnection) -> None:
    async for text in socket:
        await socket.send(f'[3,"{json.loads(text)[1]}",{{}}]')


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_the_file_tells_the_same_with_the_same_frame_numbers(tmp_path: Path, compression: str | None) -> None:
    file = tmp_path / "run.pcapng"

    async def main() -> None:
        async with serve(csms, "127.0.0.1", 0, compression=compression, subprotocols=["ocpp1.6"]) as server:
            upstream = f"ws://localhost:{server.sockets[0].getsockname()[1]}"
            with ProxyProcess(tmp_path, "--upstream", upstream, "--write", str(file)) as proxy:
                for name in ("CP1", "CP2"):
                    url = f"{proxy.url()}/{name}"
                    async with connect(url, compression=compression, subprotocols=["ocpp1.6"]) as station:
                        for number in range(10):
                            size = 150_000 if number == 5 else 10
                            data = json.dumps([2, f"{number}", "DataTransfer", {"vendorId": "V", "data": "é" * size}])
                            await station.send(data)
                            await station.recv()
                await asyncio.to_thread(proxy.stop)
            assert proxy.code == 0, proxy.said
            assert len(proxy.messages()) == 40

    asyncio.run(asyncio.wait_for(main(), 60))
    offline = tmp_path / "offline.duckdb"
    command = [COMMAND, "analyze", str(file), "--db", str(offline), "--fail-on", "never"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with (
        duckdb.connect(str(tmp_path / "run.duckdb"), read_only=True) as own,
        duckdb.connect(str(offline), read_only=True) as other,
    ):
        for sql in (MESSAGES, CONNECTIONS):
            assert other.execute(sql).fetchall() == own.execute(sql).fetchall()
        anomalies = "SELECT name FROM anomalies WHERE name NOT LIKE 'schema%' AND name NOT LIKE 'ocpp%'"
        assert other.execute(anomalies).fetchall() == []
    shark = ["tshark", "-r", str(file), "-Y", "websocket.opcode == 1 || tcp.analysis.flags || _ws.malformed"]
    options = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    fields = ["-T", "fields", "-e", "websocket.opcode", "-e", "tcp.checksum.status"]
    done = subprocess.run([*shark, *options, *fields], check=True, capture_output=True, text=True, timeout=60)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert sum(line[0].split(",").count("1") for line in lines) == 40
    assert {status for line in lines for status in line[1].split(",")} == {"1"}


def test_every_record_has_the_packets_that_are_counted() -> None:
    from ocpp_inspect.proxy.tap import CLOSED, DATA, MARK, OPENED, frames_of

    packets = Packets(1)
    expected = 0
    for client, server in (("10.0.0.1", "csms.example"), ("fe80::1%eth0", "192.0.2.7"), ("mirror of CP1", "::1")):
        packets.opened(1, 5, client, 1, server, 2)
        packets.data(1, 0, 6, b"x" * 130_001)
        packets.missing(1, 1, 7, 99)
        packets.mark(1, 7)
        packets.closed(1, 8, "rst", 1)
        packets.mark(0, 9)
        packets.data(7, 1, 9, b"unknown")
        expected += frames_of(OPENED, 0) + frames_of(DATA, 130_001) + 2 * frames_of(MARK, 0) + frames_of(CLOSED, 0) + 2
        batch = packets.take()
        assert batch is not None
        assert batch.packet[-1] == 10**10 + expected
        assert len(batch.packet) == len(batch.offset) == len(batch.ts_ns)
    assert packets.take() is None
