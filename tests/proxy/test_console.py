"""The console on its Unix socket, at a proxy between real stacks: as a person, as a pipe, and as a command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from meddling import WAYS, Scene, scene, script
from relaying import eventually, run

from ocpp_inspect.proxy.console.commands import CommandError, complete, parse
from ocpp_inspect.proxy.console.socket import ControlError, ControlSocket
from ocpp_inspect.proxy.console.terminal import Terminal

PROGRAM = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", "console"]


@contextlib.asynccontextmanager
async def control(s: Scene, path: Path) -> AsyncIterator[Path]:
    listening = ControlSocket(path, s.meddler)
    await listening.start()
    try:
        yield path
    finally:
        await listening.stop()


async def console(path: Path, *lines: str, editor: str = "") -> tuple[int, str]:
    """(1 when a line could not be done, what was printed): the person's end, in a thread."""
    printed: list[str] = []

    def play() -> int:
        terminal = Terminal(path, printed.append)
        done = [terminal.execute(line) for line in lines]
        terminal.close()
        return 0 if all(done) else 1

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("EDITOR", editor)
        environment.delenv("VISUAL", raising=False)
        return await asyncio.to_thread(play), "".join(printed)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_calls_either_way_are_checked_sent_and_their_answers_kept(way: Any, tmp_path: Path) -> None:
    async def play() -> None:
        async with scene("", way) as s, control(s, tmp_path / "c.sock") as path, s.station() as station:
            await station.boot()
            code, out = await console(
                path, '< TriggerMessage {"requestedMessage":"Heartbeat"}', '> Authorize {"idTag":"A"}', "stations",
            )  # fmt: skip
            assert code == 0, out
            assert "1 connected" in out
            await eventually(lambda: not s.meddler._injected)
            await station.ask("Heartbeat")
            heard = s.csms[0]._connection.received
            assert [message[2] for message in heard] == ["BootNotification", "Authorize", "Heartbeat"]
            assert [message[2] for message in station._connection.received if message[0] == 2] == ["TriggerMessage"]
            assert len([message for message in station._connection.received if message[0] == 3]) == 2
            code, out = await console(path, '< TriggerMessage {"requestedMessage":"Heartbeet"}')
            assert code == 1
            assert "$.requestedMessage" in out
            code, out = await console(path, "> Reset {}", "< Heartbeat {}", "< NoSuchAction {}", "> Heartbeat {")
            assert code == 1
            assert "not for the station to send" in out
            assert "not for the CSMS to send" in out
            assert "has no action NoSuchAction" in out
            assert "not JSON" in out
            code, out = await console(path, '<! TriggerMessage {"requestedMessage":"Heartbeet"}')
            assert code == 0
            await eventually(
                lambda: station._connection.received[-1][2:] == ["TriggerMessage", {"requestedMessage": "Heartbeet"}]
            )
            await eventually(lambda: not s.meddler._injected)
        assert len(s.marks("injected")) == 3
        assert len(s.marks("answer_kept")) == 3

    run(play)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_hold_edit_release(way: Any, tmp_path: Path) -> None:
    editor = script(tmp_path / "editor", 'sed -i s/:300/:42/ "$1"\n')

    async def play() -> None:
        async with scene("", way) as s, control(s, tmp_path / "c.sock") as path, s.station() as station:
            assert (await console(path, "hold < BootNotification.response", "pending"))[0] == 0
            booting = asyncio.create_task(station.boot())
            await eventually(lambda: len(s.meddler.held()) == 1)
            code, out = await console(path, "list", "show 1", "edit 1", "list", editor=editor)
            assert code == 0, out
            assert "CP1 < BootNotification" in out
            assert '"interval":300' in out
            assert "1 released, edited" in out
            assert (await booting).interval == 42
            assert (await station.boot()).interval == 300, "only the next one"
            await console(path, "hold > Heartbeat.request")
            asking = asyncio.create_task(station.ask("Heartbeat"))
            await eventually(lambda: len(s.meddler.held()) == 1)
            code, out = await console(path, "edit 2", "release 7", "release 2", editor="false")
            assert (code, "still held, unchanged" in out, "no held message has the number 7" in out) == (1, True, True)
            await asking
        [edited] = s.marks("modified")
        assert edited.original.replace(":300", ":42") == edited.forwarded
        assert len(s.marks("held")) == 2

    run(play)


def test_drop_delay_and_next_take_one_message_each(tmp_path: Path) -> None:
    async def play() -> None:
        async with scene() as s, control(s, tmp_path / "c.sock") as path, s.station() as station:
            await station.boot()
            lines = ["drop > Heartbeat.request", "next < Heartbeat.response {modify: {set: {currentTime: now}}}"]
            assert (await console(path, *lines, "pending"))[1].count("console: ") == 2
            station._response_timeout = 0.2
            with pytest.raises(asyncio.TimeoutError):
                await station.ask("Heartbeat")
            assert (await station.ask("Heartbeat")).current_time == "now"
            assert (await station.ask("Heartbeat")).current_time != "now"
            await console(path, "hold > ANY", "forget")
            await station.ask("Heartbeat")

    run(play)


def test_stations_are_named_cut_and_closed(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            scene() as s, control(s, tmp_path / "c.sock") as path, s.station("CP1") as one, s.station("CP2") as two
        ):  # fmt: skip
            code, out = await console(path, '< Reset {"type":"Soft"}')
            assert (code, "which station?" in out) == (1, True)
            code, out = await console(path, '@CP2 < Reset {"type":"Soft"}', "use CP1", '< Reset {"type":"Hard"}', "use")
            assert code == 0, out
            await eventually(lambda: len(one._connection.received) == len(two._connection.received) == 1)
            assert one._connection.received[0][3] == {"type": "Hard"}
            assert two._connection.received[0][3] == {"type": "Soft"}
            code, out = await console(path, "cut CP1", "close CP2 1001 maintenance", "cut CP9")
            assert (code, "no connected station is named 'CP9'" in out) == (1, True)
            sockets = [one._connection.socket, two._connection.socket]
            await eventually(lambda: all(each.close_code is not None for each in sockets))
            assert [each.close_code for each in sockets] == [1006, 1001]

    run(play)


def test_scenarios_are_changed_while_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "title: All beats fail\nsteps:\n  - {when: Heartbeat.request, do: {answer: {error: InternalError}}}\n", "utf-8"
    )

    async def play() -> None:
        async with scene() as s, control(s, tmp_path / "c.sock") as path, s.station() as station:
            assert (await station.ask("Heartbeat")) is not None
            with contextlib.chdir(tmp_path):  # named from the console's folder, not from the proxy's
                code, out = await console(path, "scenario", "scenario load s.yaml", "scenario")
            assert code == 0
            assert "All beats fail: 1 steps" in out
            assert await station.ask("Heartbeat") is None
            assert (await console(path, "scenario off"))[0] == 0
            assert (await station.ask("Heartbeat")) is not None
            file.write_text("title: T\nsteps:\n  - {when: Heartbeet, do: drop}\n", "utf-8")
            code, out = await console(path, f"scenario load {file}")
            assert code == 1
            assert f"{file}:3:12" in out
            assert "did you mean" in out

    run(play)


def test_the_command_of_one_line(tmp_path: Path) -> None:
    async def play() -> None:
        async with scene() as s, control(s, tmp_path / "c.sock") as path:
            done = await asyncio.create_subprocess_exec(
                *PROGRAM, str(path), "-c", "help", "-c", "list", stdout=asyncio.subprocess.PIPE
            )
            out, _ = await done.communicate()
            assert done.returncode == 0
            assert b"release N|all" in out
            assert b"0 held" in out
            done = await asyncio.create_subprocess_exec(
                *PROGRAM, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            out, _ = await done.communicate(b"stations\nnonsense\nlist\n")
            assert done.returncode == 1
            assert out.index(b"0 connected") < out.index(b"no command is named") < out.index(b"0 held")
        done = await asyncio.create_subprocess_exec(*PROGRAM, str(path), "-c", "list", stderr=asyncio.subprocess.PIPE)
        _, err = await done.communicate()
        assert (done.returncode, b"--control" in err) == (2, True)

    run(play)


def test_the_socket_is_ours_alone_and_replaces_only_a_dead_one(tmp_path: Path) -> None:
    async def play() -> None:
        async with scene() as s:
            path = tmp_path / "c.sock"
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(path))
            async with control(s, path):
                assert path.stat().st_mode & 0o777 == 0o600
                with pytest.raises(ControlError, match="another proxy"):
                    await ControlSocket(path, s.meddler).start()
            assert not path.exists()
            path.write_text("precious", "utf-8")
            with pytest.raises(ControlError, match="no socket"):
                await ControlSocket(path, s.meddler).start()
            assert path.read_text("utf-8") == "precious"
            with pytest.raises(ControlError, match="no such directory"):
                await ControlSocket(tmp_path / "no" / "c.sock", s.meddler).start()

    run(play)


def test_nonsense_on_the_socket_ends_that_console_only(tmp_path: Path) -> None:
    async def play() -> None:
        async with scene() as s, control(s, tmp_path / "c.sock") as path:
            for octets in (b"nonsense\n", b"[]\n", b'{"line": 5}\n', b"{}\n", b"\xff\n", b'{"line":"edit 1"}'):
                reader, writer = await asyncio.open_unix_connection(str(path))
                assert b"done" in await reader.readline()
                writer.write(octets)
                writer.write_eof()
                while await reader.readline():
                    pass
                writer.close()
            assert (await console(path, "stations"))[0] == 0

    run(play)


def test_what_is_captured_cannot_move_the_cursor(tmp_path: Path) -> None:
    async def play() -> None:
        steps = "  - {when: ANY, from: station, do: hold}"
        async with scene(steps) as s, control(s, tmp_path / "c.sock") as path, s.station() as station:
            await station._connection.socket.send('[2,"1","\x1b[2JHeartbeat",{}]')
            await eventually(lambda: len(s.meddler.held()) == 1)
            _, out = await console(path, "list", "show 1")
        assert "Heartbeat" in out
        assert "\x1b" not in out

    run(play)


def test_credentials_are_covered_everywhere_but_in_the_editor(tmp_path: Path) -> None:
    editor = script(tmp_path / "editor", f'cp "$1" {tmp_path}/seen\n')
    key = "0123456789abcdef"

    async def play() -> None:
        steps = "  - {when: ChangeConfiguration.request, do: [hold, {modify: {set: {key: AuthorizationKey}}}]}"
        async with scene(steps) as s, control(s, tmp_path / "c.sock") as path, s.station() as station:
            asking = asyncio.create_task(s.csms[0].ask("ChangeConfiguration", key="AuthorizationKey", value=key))
            await eventually(lambda: len(s.meddler.held()) == 1)
            _, out = await console(path, "list", "show 1", "edit 1", editor=editor)
            await asking
            assert "•••" in out
            assert key not in out
            assert key in (tmp_path / "seen").read_text("utf-8")
            _, out = await console(path, f'< ChangeConfiguration {{"key":"AuthorizationKey","value":"{key}"}}')
            assert key not in out
            assert station.settings["AuthorizationKey"] == key

    run(play)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("drip > CALL", "did you mean 'drop'"),
        ("> 5", "write > Heartbeat"),
        ("> Heartbeat [", "write > Heartbeat"),
        ("drop", "write which message"),
        ("drop > Heartbeet", "did you mean 'Heartbeat'"),
        ("drop > CALL now", "stands behind"),
        ("delay > CALL", "how long"),
        ("next > CALL", "write what to do"),
        ("next > CALL {modify: {}}", "nothing is to be modified"),
        ("next > CALL dorp", "did you mean 'drop'"),
        ("release x", "number"),
        ("edit all", "number"),
        ("close CP1 99", "1000 to 4999"),
        ("cut A B", "one station"),
        ("scenario lode x", "scenario load FILE"),
        ("watch", "watch on"),
    ],
)
def test_wrong_lines_are_answered_with_what_to_write(line: str, words: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(line)
    assert words in str(caught.value)


def test_lines() -> None:
    assert parse("").name == parse("# note").name == "nothing"
    call = parse('@CP1 <! Reset {"type":"Soft"}')
    assert (call.station, call.to, call.action, call.payload, call.is_forced) == (
        "CP1",
        "station",
        "Reset",
        {"type": "Soft"},
        True,
    )
    assert parse("! > Heartbeat").is_forced
    assert parse("> Heartbeat {} !").is_forced
    assert not parse("> Heartbeat {}").is_forced
    step = parse("delay 1.5 s @CP* < Heartbeat").step
    assert step is not None
    assert (step.match.station, step.match.sender, len(step.match.triggers)) == ("CP*", "csms", 3)
    assert parse("drop 3").number == 3
    assert parse("release all").number == 0


def test_completion() -> None:
    assert complete("rel") == ["release"]
    assert complete("> Hear") == ["Heartbeat"]
    assert complete("< TriggerM") == ["TriggerMessage"]
    assert "Heartbeat.response" in complete("drop < Heartbeat.")
    assert complete("cut C", ("CP1", "X")) == ["CP1"]
    assert complete("@C", ("CP1", "X")) == ["@CP1"]
    assert complete("release ", held=(1, 12)) == ["1", "12", "all"]
    assert complete("scenario ") == ["load", "off"]
    assert json.dumps(complete("")) == json.dumps(sorted(complete("")))
    assert orjson.dumps(complete("zz")) == b"[]"
