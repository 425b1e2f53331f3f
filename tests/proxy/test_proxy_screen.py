"""What a person sees meanwhile: lines in a pipe, the screen of `live` on a terminal; q ends it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path

from proxy_process import COMMAND, ProxyProcess
from test_proxy_faults import beats, csms
from test_proxy_peers import free_port
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, *command: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        # The keys are read from the controlling terminal.
        self.process = subprocess.Popen(["setsid", "-c", *command], stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        self.seen = ""

    def until(self, text: str, seconds: float = 30) -> None:
        """Read until the text was shown."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen[-3000:]
            self.read()

    def read(self) -> None:
        if select.select([self._master], [], [], 0.1)[0]:
            try:
                octets = os.read(self._master, 65_536)
            except OSError:  # EIO: nobody has the other end any more
                return
            self.seen += _ESCAPES.sub("", octets.decode(errors="replace"))

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait(self) -> int:
        while self.process.poll() is None:
            self.read()
        self.read()
        os.close(self._master)
        return self.process.returncode


def test_lines_in_a_pipe(tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(csms, "127.0.0.1", 0) as server:
            upstream = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            with ProxyProcess(tmp_path, "--upstream", upstream) as proxy:
                async with connect(proxy.url() + "/CP1") as station:
                    await beats(station, 0, 2)
                await asyncio.to_thread(proxy.stop)
        lines = [line for line in proxy.printed.splitlines() if re.match(r"\d\d:\d\d:\d\d\.\d{3} CP1 ", line)]
        assert [line.split()[2] for line in lines if "Heartbeat" in line][:2] == ["──▶", "◀╌╌"]
        assert any("connected to /CP1" in line for line in lines)

    asyncio.run(asyncio.wait_for(main(), 60))


def test_the_screen_shows_stations_and_q_ends_the_proxy(tmp_path: Path) -> None:
    async def main() -> None:
        port = free_port()
        async with serve(csms, "127.0.0.1", 0) as server:
            upstream = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            arguments = ["--listen", str(port), "--upstream", upstream, "--db", str(tmp_path / "run.duckdb")]
            terminal = Terminal(COMMAND, "proxy", *arguments, "--no-console")
            await asyncio.to_thread(terminal.until, "listening on")
            async with connect(f"ws://127.0.0.1:{port}/CP1") as station:
                await beats(station, 0, 2)
                await asyncio.to_thread(terminal.until, "1/1 stations")
                terminal.press("q")
                assert await asyncio.to_thread(terminal.wait) == 0
        assert "1 session" in terminal.seen[terminal.seen.rindex("OCPP connection") :]

    asyncio.run(asyncio.wait_for(main(), 90))
