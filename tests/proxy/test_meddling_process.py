"""The command as people run it: a scenario and a console, and what database and timeline tell of it afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from meddling import Logged, Site, until_closed
from proxy_process import COMMAND, ProxyProcess
from relaying import run
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from samples.stack16 import Csms16, Station16

SCENARIO = """
title: Shorter intervals, a lost answer
steps:
  - {name: shorter, when: BootNotification.response, do: {modify: {set: {interval: 7}}}}
  - {name: lost, when: Heartbeat.response, nth: 2, do: drop}
  - {name: refuse CP9, when: Upgrade, station: CP9, do: {refuse: 403}}
"""


@contextlib.asynccontextmanager
async def csms(compression: str | None) -> AsyncIterator[tuple[int, list[Any]]]:
    peers: list[Any] = []

    async def accept(socket: ServerConnection) -> None:
        assert socket.request is not None
        peers.append(Csms16(socket.request.path.rsplit("/", 1)[-1], Logged(socket), Site()))  # type: ignore[arg-type]
        await until_closed(peers[-1])

    async with serve(accept, "127.0.0.1", 0, subprotocols=["ocpp1.6"], compression=compression) as server:  # type: ignore[list-item,arg-type]
        yield server.sockets[0].getsockname()[1], peers


@contextlib.asynccontextmanager
async def station(port: int, compression: str | None = None) -> AsyncIterator[Station16]:
    async with connect(f"ws://127.0.0.1:{port}/CP1", subprotocols=["ocpp1.6"], compression=compression) as socket:  # type: ignore[list-item,arg-type]
        made = Station16("CP1", Logged(socket), Site())  # type: ignore[arg-type]
        made._response_timeout = 0.5
        task = asyncio.create_task(until_closed(made))
        yield made
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_every_touched_message_is_marked_with_both_versions(tmp_path: Path, compression: str | None) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO, "utf-8")
    control = tmp_path / "c.sock"
    proxy: ProxyProcess

    async def play() -> None:
        nonlocal proxy
        async with csms(compression) as (upstream, peers):
            proxy = ProxyProcess(tmp_path, "--upstream", f"ws://127.0.0.1:{upstream}", "--scenario",
                                 str(tmp_path / "s.yaml"), "--control", str(control))  # fmt: skip
            with proxy:
                async with station(proxy.port, compression) as charger:
                    assert (await charger.boot()).interval == 7
                    await charger.ask("Heartbeat")
                    with pytest.raises(asyncio.TimeoutError):
                        await charger.ask("Heartbeat")
                    done = await asyncio.create_subprocess_exec(
                        COMMAND, "console", str(control), "-c", 'CP1 < Reset {"type":"Soft"}',
                        "-c", '@CP1 < Reset {"type":"Soft"}', stdout=asyncio.subprocess.PIPE,
                    )  # fmt: skip
                    out, _ = await done.communicate()
                    assert done.returncode == 1
                    assert b"no command is named 'CP1'" in out
                    await charger.ask("Heartbeat")
                    assert [message[2] for message in charger._connection.received if message[0] == 2] == ["Reset"]
                    assert not [message for message in peers[0]._connection.received if message[0] == 3]
                with pytest.raises(Exception, match="403"):
                    async with connect(f"ws://127.0.0.1:{proxy.port}/CP9", subprotocols=["ocpp1.6"]):  # type: ignore[list-item]
                        pass

    run(play, 120)
    assert proxy.code == 0, proxy.said
    assert not control.exists()
    with duckdb.connect(str(proxy.database), read_only=True) as database:
        marks = database.execute(
            "SELECT a.name, a.detail, m.raw FROM anomalies a LEFT JOIN messages m USING (message_id)"
            " WHERE a.layer = 'proxy' ORDER BY a.ts, a.name"
        ).fetchall()
        blamed = database.execute("SELECT rule, blame FROM findings WHERE verdict = 'violation'").fetchall()
    told = {name: (detail, raw) for name, detail, raw in marks}
    assert {"proxy.modified", "proxy.dropped", "proxy.injected", "proxy.answer_kept", "proxy.refused"} <= set(told)
    detail, raw = told["proxy.modified"]
    assert json.loads(raw)[2]["interval"] == 300, "the database holds what the CSMS sent"
    assert detail == f"why: shorter; came: {raw}; went on: {raw.replace(':300', ':7')}"
    assert all(raw for name, (_, raw) in told.items() if name not in ("proxy.refused",))
    assert not {rule for rule, _ in blamed} & {"RPC-002", "RPC-005", "RC-001"}, "nobody is blamed for what we did"
    shown = subprocess.run(
        [COMMAND, "timeline", str(proxy.database)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    for words in ("✎ changed on its way (shorter): interval 300 → 7", "✎ not forwarded (lost)",
                  "✎ put in by the proxy (console)", "✎ kept by the proxy", "✎ refused by the proxy"):  # fmt: skip
        assert words in shown, shown


class Screen:
    """The proxy on a terminal of its own, read and typed at."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self.process, self.descriptor = self._start(arguments, environment)
        self.text = ""

    @staticmethod
    def _start(arguments: tuple[str, ...], environment: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            env={**os.environ, "TERM": "xterm", **environment},
        )  # fmt: skip
        os.close(theirs)
        return process, ours

    def until(self, words: str, seconds: float = 60) -> str:
        """What appears until these words do, the words included."""
        deadline = time.monotonic() + seconds
        while words not in self.text:
            left = deadline - time.monotonic()
            assert left > 0, f"{words!r} did not appear: {self.text!r}"
            if select.select([self.descriptor], [], [], left)[0]:
                try:
                    self.text += os.read(self.descriptor, 65536).decode("utf-8", "replace")
                except OSError:  # EIO: the other end was closed
                    assert words in self.text, self.text
        seen, _, self.text = self.text.partition(words)
        return seen + words

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def close(self) -> None:
        """Whatever happened, nothing is left running."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(60)
        os.close(self.descriptor)


def test_the_prompt_on_the_terminal(tmp_path: Path) -> None:
    async def play() -> None:
        async with csms(None) as (upstream, _):
            screen = Screen(
                "proxy", "-l", "127.0.0.1:0", "-u", f"ws://127.0.0.1:{upstream}", "--db", str(tmp_path / "d"),
                environment={"XDG_CONFIG_HOME": str(tmp_path), "EDITOR": "sed -i s/:300/:5/"},
            )  # fmt: skip
            try:
                await asyncio.to_thread(screen.until, "listening on ws://127.0.0.1:")
                port = int((await asyncio.to_thread(screen.until, "\n")).split()[0])
                await asyncio.to_thread(screen.until, "ocpp> ")
                screen.type("hold < BootNot\t")
                await asyncio.to_thread(screen.until, "ification")
                screen.type(".response\r")
                await asyncio.to_thread(screen.until, "for the next such message")
                async with station(port) as charger:
                    charger._response_timeout = 15
                    booting = asyncio.create_task(charger.boot())
                    await asyncio.to_thread(screen.until, "held 1: CP1 < BootNotification")
                    screen.type("edit 1\r")
                    await asyncio.to_thread(screen.until, "1 released, edited")
                    assert (await booting).interval == 5
                    screen.type("quit\r")
                    await asyncio.to_thread(screen.until, "the console is left")
                    await charger.ask("Heartbeat")
                screen.process.send_signal(signal.SIGINT)
                await asyncio.to_thread(screen.until, "CP1")
                assert await asyncio.to_thread(screen.process.wait, 60) == 0
            finally:
                screen.close()

    run(play, 120)


def test_a_terminal_that_goes_away_does_not_keep_the_proxy_from_ending(tmp_path: Path) -> None:
    screen = Screen("proxy", "-l", "127.0.0.1:0", "-u", "ws://127.0.0.1:9", "--db", str(tmp_path / "d"), "--quiet",
                    environment={"XDG_CONFIG_HOME": str(tmp_path)})  # fmt: skip
    try:
        screen.until("ocpp> ")
    except BaseException:
        screen.close()
        raise
    os.close(screen.descriptor)
    time.sleep(0.5)
    try:
        assert screen.process.poll() is None, "forwarding goes on"
        screen.process.terminate()
        screen.process.wait(30)
    finally:
        if screen.process.poll() is None:
            os.killpg(screen.process.pid, signal.SIGKILL)
    with duckdb.connect(str(tmp_path / "d"), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM captures").fetchone() == (1,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "none.yaml"], "none.yaml:1:1: cannot be read"),
        (["--scenario", "bad.yaml"], "bad.yaml:3:12: 'Heartbeet' is no trigger"),
        (["--control", "bad.yaml"], "is there already, and is no socket"),
        (["--control", "no/such/c.sock"], "no/such: no such directory"),
    ],
)
def test_what_cannot_begin_is_said(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "bad.yaml").write_text("title: T\nsteps:\n  - {when: Heartbeet, do: drop}\n", "utf-8")
    done = subprocess.run(
        [COMMAND, "proxy", "-u", "ws://127.0.0.1:9", "-l", "127.0.0.1:0", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hold_that_nobody_can_release_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "hold.yaml").write_text("title: T\nsteps:\n  - {name: stop, when: CALL, do: hold}\n", "utf-8")
    with ProxyProcess(tmp_path, "-u", "ws://127.0.0.1:9", "--scenario", str(tmp_path / "hold.yaml")) as proxy:
        assert any("WARNING: stop: what is held" in line for line in proxy.said)
    (tmp_path / "other").mkdir()
    with ProxyProcess(tmp_path / "other", "-u", "ws://127.0.0.1:9", "--scenario", str(tmp_path / "hold.yaml"),
                      "--control", str(tmp_path / "c")) as proxy:  # fmt: skip
        assert not any("WARNING" in line for line in proxy.said)


def test_scenario_check(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(SCENARIO, "utf-8")
    (tmp_path / "bad.yaml").write_text("title: T\nsteps:\n  - {when: Heartbeet, do: drop}\n", "utf-8")
    (tmp_path / "wrong.yaml").write_text(
        'title: T\nsteps:\n  - {when: CALL, do: drop}\nexamples:\n  - |\n    0 > [2,"1","Heartbeat",{}]\n', "utf-8"
    )

    def check(*files: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [COMMAND, "proxy", "scenario", "check", *files],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    assert check("good.yaml") == (0, "", "1 files, 0 examples, 0 faults\n")
    code, out, _ = check("good.yaml", "bad.yaml", "wrong.yaml")
    assert code == 1
    assert "bad.yaml:3:12: 'Heartbeet' is no trigger" in out
    assert "wrong.yaml:6:1: expected nothing, happened drop" in out
    assert check("none.yaml")[0] == 2
