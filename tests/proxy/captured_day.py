"""Run by test_proxy_captured.py in a network namespace of its own: stations through the proxy, tcpdump beside it.

python captured_day.py FOLDER plain|deflate|tls   → FOLDER/run.duckdb, FOLDER/run.pcap, FOLDER/keys.log
python captured_day.py FOLDER pulled              → FOLDER/run.duckdb; the station's cable is pulled while it is online
"""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

from certificates import Certificates
from proxy_process import ProxyProcess
from test_proxy_peers import RealTime, Site, a_day, until_closed
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from samples.stack2x import Csms201
from samples.stack16 import Csms16
from samples.wire import Log, Logged, Tcpdump

STATION = """
import asyncio, sys
from websockets.asyncio.client import connect
async def main():
    station = await connect(sys.argv[1])
    await station.send('[2,"1","Heartbeat",{}]')
    await station.recv()
    print('online', flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def shell(*command: object) -> None:
    subprocess.run([str(each) for each in command], check=True)


async def captured(folder: Path, way: str) -> None:
    log = Log(folder / "log.jsonl", RealTime())  # type: ignore[arg-type]
    site = Site(log)
    compression = "deflate" if way == "deflate" else None
    certificates = Certificates(folder) if way == "tls" else None

    async def accept(socket: ServerConnection) -> None:
        assert socket.request is not None
        identity = socket.request.path.rsplit("/", 1)[-1]
        make = Csms16 if socket.subprotocol == "ocpp1.6" else Csms201
        peer = make(identity, Logged(socket, "csms", identity, log), site)  # type: ignore[arg-type]
        site.peers[identity] = peer
        await until_closed(peer.start())

    async with serve(
        accept, "127.0.0.1", 0, subprotocols=["ocpp1.6", "ocpp2.0.1"], compression=compression, ping_interval=None,
        ssl=certificates.server() if certificates is not None else None,
    ) as server:  # fmt: skip
        port = server.sockets[0].getsockname()[1]
        arguments = ["--upstream", f"{'wss://localhost' if certificates else 'ws://127.0.0.1'}:{port}"]
        if certificates is not None:
            arguments += ["--tls", "--upstream-ca", str(certificates.ca), "--keylog-out", str(folder / "keys.log")]
        with ProxyProcess(folder, *arguments) as proxy:
            tls = ssl.create_default_context(cafile=str(folder / "ocpp-inspect" / "ca.pem")) if certificates else None
            tcpdump = Tcpdump(folder / "run.pcap", "lo", f"tcp port {proxy.port}")
            tcpdump.start()
            for identity, version in (("CP16", "ocpp1.6"), ("CP201", "ocpp2.0.1")):
                url = proxy.url("wss" if certificates else "ws")
                await a_day(url, site, identity=identity, version=version, tls=tls, compression=compression)
            async with connect(
                proxy.url("wss" if certificates else "ws") + "/CP16", subprotocols=["ocpp1.6"], ssl=tls
            ) as bad:  # type: ignore[list-item]
                # What rules object to: an unknown field, no JSON, a transaction before the boot of this connection.
                for text in (
                    '[2,"1","Heartbeat",{"x":1}]',
                    '[2,"2",',
                    '[2,"3","StatusNotification",{"connectorId":-1}]',
                ):
                    await bad.send(text)
                    await asyncio.sleep(0.3)  # for the answer: what overlaps is a matter of milliseconds
            await asyncio.sleep(0.3)
            tcpdump.stop()
            assert await asyncio.to_thread(proxy.stop) == 0, proxy.said


async def pulled(folder: Path) -> None:
    with subprocess.Popen(["unshare", "--net", "sleep", "120"]) as holder:
        time.sleep(0.3)
        shell("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", holder.pid)
        shell("ip", "addr", "add", "10.9.0.1/24", "dev", "here")
        shell("ip", "link", "set", "here", "up")
        there = ["nsenter", "-t", str(holder.pid), "-n", "--"]
        shell(*there, "ip", "addr", "add", "10.9.0.2/24", "dev", "there")
        shell(*there, "ip", "link", "set", "there", "up")
        closed = asyncio.Event()

        async def csms(socket: ServerConnection) -> None:
            await socket.recv()
            await socket.send('[3,"1",{"currentTime":"2026-11-26T13:00:00Z"}]')
            await until_closed(socket.recv())
            closed.set()

        async with serve(csms, "127.0.0.1", 0, ping_interval=None) as server:
            port = server.sockets[0].getsockname()[1]
            arguments = ["--upstream", f"ws://127.0.0.1:{port}", "--dead-after", "3"]
            with ProxyProcess(folder, *arguments, listen="10.9.0.1:0") as proxy:
                url = f"ws://10.9.0.1:{proxy.port}/CP1"
                station = await asyncio.create_subprocess_exec(
                    *there, sys.executable, "-c", STATION, url, stdout=subprocess.PIPE
                )
                assert station.stdout is not None
                assert await station.stdout.readline() == b"online\n"
                shell(*there, "ip", "link", "set", "there", "down")
                began = time.monotonic()
                await asyncio.wait_for(closed.wait(), 20)
                seconds = time.monotonic() - began
                (folder / "seconds.json").write_text(json.dumps(seconds))
                station.kill()
                await station.wait()
                await asyncio.sleep(0.3)
                await asyncio.to_thread(proxy.stop)
        holder.send_signal(signal.SIGKILL)


if __name__ == "__main__":
    shell("ip", "link", "set", "lo", "up")
    if sys.argv[2] == "pulled":
        asyncio.run(pulled(Path(sys.argv[1])))
    else:
        asyncio.run(captured(Path(sys.argv[1]), sys.argv[2]))
