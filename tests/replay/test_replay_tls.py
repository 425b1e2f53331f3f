"""Replays over TLS: verified, with a client certificate (security profile 3), recorded, and as CSMS."""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest
from proxy.certificates import Certificates
from replay_peers import Csms16, csms, read, recording_of
from websockets.asyncio.client import connect

REPLAY = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", "replay"]


async def replay(*arguments: str) -> tuple[int | None, str, str]:
    done = await asyncio.create_subprocess_exec(
        *REPLAY, *arguments, "--speed", "max", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(done.communicate(), 60)
    return done.returncode, out.decode(), err.decode()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A recording, as a database."""
    folder = tmp_path_factory.mktemp("recording")
    recording_of(folder, "reordered")
    return str(folder / "reordered.duckdb")


@pytest.fixture
def keys(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def test_a_certificate_is_verified_unless_told_loudly(keys: Certificates, source: str) -> None:
    async def play() -> None:
        async with csms(Csms16, "ocpp1.6", ssl=keys.server()) as (port, _):
            url = f"wss://localhost:{port}"
            code, _, err = await replay(source, "--to", url)
            assert (code, "certificate" in err, "Traceback" in err) == (2, True, False), err
            code, out, err = await replay(source, "--to", url, "--ca", str(keys.ca))
            assert code == 0, out + err
            code, out, err = await replay(source, "--to", url, "--insecure")
            assert (code, "NOT verified" in err) == (0, True), out + err
            code, _, err = await replay(source, "--to", url, "--ca", str(keys.ca) + ".none")
            assert (code, "test-ca.pem.none" in err) == (2, True), err

    asyncio.run(play())


def test_a_client_certificate_also_through_the_recording_relay(keys: Certificates, source: str, tmp_path: Path) -> None:
    database = tmp_path / "again.duckdb"

    async def play() -> None:
        async with csms(Csms16, "ocpp1.6", ssl=keys.server(demands_client=True)) as (port, peers):
            url = f"wss://localhost:{port}/ocpp"
            own = ["--ca", str(keys.ca), "--cert", str(keys.client), "--key", str(keys.client_key)]
            code, out, err = await replay(source, "--to", url, *own)
            assert code == 0, out + err
            code, out, err = await replay(source, "--to", url, *own, "--db", str(database))
            assert code == 0, out + err
            assert len(peers) == 2

    asyncio.run(play())
    [visit] = read(database, None).visits
    assert visit.messages


def test_as_csms_with_a_certificate(keys: Certificates, source: str) -> None:
    async def play() -> None:
        done = await asyncio.create_subprocess_exec(
            *REPLAY, source, "--as-csms", "--listen", "127.0.0.1:0", "--cert", str(keys.server_pem),
            "--key", str(keys.server_pem.with_suffix(".key")), stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert done.stderr is not None
        line = b""
        while b"listening on" not in line:
            line = await asyncio.wait_for(done.stderr.readline(), 60)
        port = int(line.split(b"127.0.0.1:")[1].split()[0])
        context = ssl.create_default_context(cafile=str(keys.ca))
        protocols: Any = ["ocpp1.6"]
        async with connect(f"wss://localhost:{port}/CP1", subprotocols=protocols, ssl=context) as socket:
            await socket.send('[2,"1","Heartbeat",{}]')
            assert '"currentTime"' in str(await socket.recv())
        done.terminate()
        assert await asyncio.wait_for(done.wait(), 60) == 0

    asyncio.run(play())
