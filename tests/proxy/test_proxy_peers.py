"""Third-party stations and CSMS through the command: what both logged is what the database holds, byte for byte."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from certificates import Certificates
from proxy_process import ProxyProcess
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from samples.stack2x import Csms201, Station201
from samples.stack16 import Csms16, Station16
from samples.wire import Log, Logged

HERE = Path(__file__).parent
Dialogue = dict[tuple[str, str], list[str]]


class RealTime:
    """The clock that the stacks of the samples expect, without their jumps."""

    def text(self, seconds_from_now: float = 0.0) -> str:
        from datetime import UTC, datetime, timedelta

        moment = datetime.now(UTC) + timedelta(seconds=seconds_from_now)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


class Site:
    """What the stacks of the samples know of their surroundings."""

    def __init__(self, log: Log) -> None:
        self.clock = RealTime()
        self.log = log
        self.interval = 300
        self.peers: dict[str, Any] = {}


async def a_day(
    proxy_url: str, site: Site, *, identity: str, version: str, tls: ssl.SSLContext | None, **more: Any
) -> None:
    """One station of a real stack: boots, charges, is asked for things, pings, closes."""
    make = Station16 if version == "ocpp1.6" else Station201
    async with connect(f"{proxy_url}/{identity}", subprotocols=[version], ssl=tls, proxy=None, **more) as socket:
        station: Any = make(identity, Logged(socket, "station", identity, site.log), site)  # type: ignore[arg-type]
        reading = asyncio.create_task(until_closed(station.start()))
        while identity not in site.peers:
            await asyncio.sleep(0.005)
        station.csms = site.peers[identity]
        await station.boot()
        await (await socket.ping())
        await (station.statuses() if version == "ocpp1.6" else station.inventory())
        await station.session(1, "04A2B3C4", 4, 60)
        # A message in fragments, as some stations send their large ones.
        text = '[2,"fragmented","DataTransfer",{"vendorId":"é","data":"' + "x" * 5000 + '"}]'
        site.log.add("station", identity, "", "sent", text)
        await socket.send([text[:1000], text[1000:1001], text[1001:]])
        await asyncio.sleep(0.1)
    await reading


async def until_closed(reader: Any) -> None:
    try:
        await reader
    except ConnectionClosed:
        return


def logged(lines: list[str], did: str) -> Dialogue:
    """(station, sender) → texts, as one end saw them."""
    found: Dialogue = defaultdict(list)
    for line in lines:
        entry = json.loads(line)
        if entry["did"] == did:
            sender = entry["side"] if did == "sent" else {"station": "csms", "csms": "station"}[entry["side"]]
            found[entry.get("station", ""), sender].append(entry["text"])
    return dict(found)


def stored(proxy: ProxyProcess) -> Dialogue:
    found: Dialogue = defaultdict(list)
    for row in proxy.messages():
        found[row.station, row.sender].append(row.raw.decode())
    return dict(found)


WAYS = ["plain", "deflate", "tls", "mutual tls and deflate"]


@pytest.mark.parametrize("way", WAYS)
def test_python_stations_of_two_versions(tmp_path: Path, way: str) -> None:
    log = Log(tmp_path / "log.jsonl", RealTime())  # type: ignore[arg-type]
    site = Site(log)
    compression = "deflate" if "deflate" in way else None
    is_tls = "tls" in way
    certificates = Certificates(tmp_path) if is_tls else None
    server_tls = station_tls = None
    arguments: list[str] = []
    if certificates is not None:
        is_mutual = "mutual" in way
        server_tls = certificates.server(demands_client=is_mutual)
        arguments = ["--tls", "--upstream-ca", str(certificates.ca)]
        if is_mutual:
            arguments += ["--client-cert", str(certificates.client), "--client-key", str(certificates.client_key)]
            arguments += ["--client-ca", str(certificates.ca)]

    async def accept(socket: ServerConnection) -> None:
        assert socket.request is not None
        identity = socket.request.path.rsplit("/", 1)[-1]
        make = Csms16 if socket.subprotocol == "ocpp1.6" else Csms201
        peer = make(identity, Logged(socket, "csms", identity, log), site)  # type: ignore[arg-type]
        site.peers[identity] = peer
        await until_closed(peer.start())

    async def main() -> None:
        nonlocal station_tls
        async with serve(
            accept, "127.0.0.1", 0, subprotocols=["ocpp1.6", "ocpp2.0.1"], compression=compression, ssl=server_tls,
            ping_interval=0.05,
        ) as server:  # fmt: skip
            port = server.sockets[0].getsockname()[1]
            upstream = f"{'wss://localhost' if is_tls else 'ws://127.0.0.1'}:{port}/ocpp"
            with ProxyProcess(tmp_path, "--upstream", upstream, *arguments) as proxy:
                if certificates is not None:
                    station_tls = ssl.create_default_context(cafile=str(tmp_path / "ocpp-inspect" / "ca.pem"))
                    certificates.load_client(station_tls)
                days = [
                    a_day(
                        proxy.url("wss" if is_tls else "ws"), site, identity=identity, version=version,
                        tls=station_tls, compression=compression,
                    )
                    for identity, version in (("CP16", "ocpp1.6"), ("CP201", "ocpp2.0.1"))
                ]  # fmt: skip
                await asyncio.gather(*days)
                await asyncio.to_thread(proxy.stop)
        assert proxy.code == 0, proxy.said
        sent, received = logged(log.lines, "sent"), logged(log.lines, "received")
        assert sent == received
        assert stored(proxy) == sent
        assert {key: len(texts) > 12 for key, texts in sent.items()} == dict.fromkeys(sent, True)
        assert len(sent) == 4
        assert {row.compressed for row in proxy.messages()} == {compression is not None}
        closes = proxy.query("SELECT station, close_kind, close_code, upgrade_status, tls FROM connections ORDER BY 1")
        assert closes == [("CP16", "fin", 1000, 101, is_tls), ("CP201", "fin", 1000, 101, is_tls)]
        pings = proxy.query("SELECT DISTINCT sender, kind FROM controls WHERE kind <> 'close' ORDER BY 1, 2")
        assert pings == [("csms", "ping"), ("csms", "pong"), ("station", "ping"), ("station", "pong")]
        assert proxy.query("SELECT count(*) FROM losses") == [(0,)]

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.fixture(scope="session")
def npm() -> Path:
    """A folder with the packages of npm/package.json; installed once a checkout."""
    folder = Path(__file__).parents[2] / ".venv" / "npm-proxy-peers"
    wanted = (HERE / "npm" / "package.json").read_bytes()
    done = folder / ".done"
    if not done.exists() or done.read_bytes() != wanted:
        shutil.copytree(HERE / "npm", folder, dirs_exist_ok=True)
        subprocess.run(["npm", "install", "--no-fund", "--no-audit", "--silent"], cwd=folder, check=True, timeout=300)
        done.write_bytes(wanted)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("library", ["ocpp-rpc", "ocpp-ws-io"])
@pytest.mark.parametrize("way", ["plain", "deflate"])
def test_node_station_and_csms(tmp_path: Path, npm: Path, library: str, way: str) -> None:
    port = free_port()
    with ProxyProcess(tmp_path, "--upstream", f"ws://127.0.0.1:{port}/ocpp") as proxy:
        node = subprocess.run(
            ["node", str(HERE / "npm" / "peers.mjs"), str(npm), library, str(port), proxy.url(), way],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert node.returncode == 0, node.stderr
    assert proxy.code == 0, proxy.said
    lines = node.stdout.splitlines()
    sent, received = logged(lines, "sent"), logged(lines, "received")
    assert sent == received
    assert len(sent["", "station"]) > 12
    found = stored(proxy)
    assert {("", sender): texts for (_, sender), texts in found.items()} == sent
    assert {station for station, _ in found} == {"NODE 1"}
    assert any(row.compressed for row in proxy.messages()) == (way == "deflate")
    assert proxy.query("SELECT count(*) FROM losses") == [(0,)]
    assert proxy.query("SELECT rule FROM findings WHERE severity = 'error'") == []
