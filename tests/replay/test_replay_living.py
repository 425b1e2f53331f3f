"""Recorded samples played against PyPI `ocpp` CSMSs over real sockets, and to a real station."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from replay_peers import SAMPLES, Csms16, Csms21, Csms201, Site, age_s, csms, on, read, recording_of, result16
from websockets.asyncio.client import connect

from ocpp_inspect.replay import Judged, Note, Outcome, Recording
from ocpp_inspect.replay.csms import Listener
from ocpp_inspect.replay.csms import play as play_csms
from ocpp_inspect.replay.dialogue import ReplayError, Settings
from ocpp_inspect.replay.station import Target, play
from samples.stack2x import Station201
from samples.stack16 import Station16

MAX = Settings(speed=0, timeout_s=5)


async def against(
    kind: Any, subprotocol: str, recording: Recording, settings: Settings = MAX, **more: Any
) -> tuple[Outcome, list[Any]]:
    async with csms(kind, subprotocol, **more) as (port, peers):
        target = Target(f"ws://127.0.0.1:{port}", recording.station)
        outcome = await play(recording, target, settings, lambda _: None)
        return outcome, peers


def judged(outcome: Outcome) -> list[Judged]:
    return [entry for entry in outcome.entries if isinstance(entry, Judged)]


def notes(outcome: Outcome) -> str:
    return "\n".join(entry.text for entry in outcome.entries if isinstance(entry, Note))


@pytest.mark.parametrize(
    ("sample", "kind", "subprotocol", "interval", "calls"),
    [
        ("ocpp16-day", Csms16, "ocpp1.6", 900, 164),
        ("ocpp16-deflate", Csms16, "ocpp1.6", 300, 50),
        ("ocpp201-day", Csms201, "ocpp2.0.1", 1200, 118),
        ("ocpp21-session", Csms21, "ocpp2.1", 300, 23),
    ],
)
def test_a_csms_that_answers_as_before_is_equal(
    tmp_path: Path, sample: str, kind: Any, subprotocol: str, interval: int, calls: int
) -> None:
    recording = recording_of(tmp_path, sample)
    outcome, [peer] = asyncio.run(against(kind, subprotocol, recording, interval=interval))
    assert outcome.is_equal, [each for each in outcome.entries if each.is_difference]
    assert len(judged(outcome)) == calls
    heard = [json.loads(text) for text in peer.heard]
    then = [said for said in recording.visits[0].messages if said.sender == "station" and said.kind in ("CALL", "SEND")]
    assert [message[2] for message in heard] == [said.action for said in then], "all of them, in order"
    ids = {message[1] for message in heard}
    assert len(ids) == len(heard)
    assert not ids & {said.unique_id for said in then}
    for message in heard:
        if isinstance(stamp := message[3].get("timestamp"), str):
            assert -0.5 < age_s(stamp) < 2 * 86400
    if sample == "ocpp16-deflate":
        assert "permessage-deflate" in peer.request.headers["Sec-WebSocket-Extensions"]


def test_transaction_ids_are_those_of_the_living_csms(tmp_path: Path) -> None:
    recording = recording_of(tmp_path, "ocpp16-day")
    Csms16.transactions = 99_000
    _, [peer] = asyncio.run(against(Csms16, "ocpp1.6", recording, interval=900))
    used = {
        message[3]["transactionId"]
        for message in map(json.loads, peer.heard)
        if message[2] in ("MeterValues", "StopTransaction")
    }
    assert used == {99_001, 99_002, 99_003, 99_004}


def test_a_station_of_2_names_its_transactions_anew_and_consistently(tmp_path: Path) -> None:
    recording = recording_of(tmp_path, "ocpp201-day")
    _, [peer] = asyncio.run(against(Csms201, "ocpp2.0.1", recording, interval=1200))
    then = [said.payload["transactionInfo"]["transactionId"] for said in recording.visits[0].messages
            if said.action == "TransactionEvent" and said.kind == "CALL"]  # fmt: skip
    now = [message[3]["transactionInfo"]["transactionId"]
           for message in map(json.loads, peer.heard) if message[2] == "TransactionEvent"]  # fmt: skip
    assert len(now) == len(then)
    assert len(dict.fromkeys(zip(then, now, strict=True))) == len(set(then)) == len(set(now))
    assert not set(then) & set(now)


def test_a_csms_that_answers_otherwise_differs_at_that_field(tmp_path: Path) -> None:
    class Strict(Csms16):
        @on("StartTransaction")
        def start_transaction(self, **_: Any) -> Any:
            return result16.StartTransaction(transaction_id=1, id_tag_info={"status": "Blocked"})

    recording = recording_of(tmp_path, "reordered")
    outcome, _ = asyncio.run(against(Strict, "ocpp1.6", recording))
    wrong = [entry for entry in judged(outcome) if entry.verdict == "different"]
    assert wrong
    assert {(entry.action, entry.differences[0].path, entry.differences[0].now) for entry in wrong} == {
        ("StartTransaction", "$.idTagInfo.status", '"Blocked"')
    }
    assert not outcome.is_equal


def test_a_csms_that_does_not_answer_is_missed(tmp_path: Path) -> None:
    class Silent(Csms16):
        async def route_message(self, raw: str) -> None:
            if '"Authorize"' not in raw:
                await super().route_message(raw)

    recording = recording_of(tmp_path, "ocpp16-day")
    outcome, _ = asyncio.run(against(Silent, "ocpp1.6", recording, Settings(0, 0.3), interval=900))
    assert {entry.action for entry in judged(outcome) if entry.verdict == "missing"} == {"Authorize"}


def test_a_csms_that_hangs_up_is_told(tmp_path: Path) -> None:
    class Rude(Csms16):
        async def route_message(self, raw: str) -> None:
            if '"Authorize"' in raw:
                await self._connection.close(1011, "tired")
            await super().route_message(raw)

    outcome, _ = asyncio.run(against(Rude, "ocpp1.6", recording_of(tmp_path, "ocpp16-day"), interval=900))
    assert "messages were not sent" in notes(outcome)
    assert "the CSMS ended the connection (1011)" in notes(outcome)
    assert not outcome.is_equal


def test_calls_of_the_csms_get_the_recorded_answers_or_a_refusal(tmp_path: Path) -> None:
    got: dict[str, Any] = {}

    class Curious(Csms16):
        @on("Heartbeat")
        def heartbeat(self) -> Any:
            if not got:
                got["asked"] = True
                asyncio.get_running_loop().create_task(self.asking())
            return super().heartbeat()

        async def asking(self) -> None:
            got["configuration"] = await self.ask("GetConfiguration", key=["NumberOfConnectors"])
            got["reset"] = await self.ask("Reset", type="Hard")

    outcome, _ = asyncio.run(
        against(Curious, "ocpp1.6", recording_of(tmp_path, "ocpp16-day"), Settings(20_000, 5), interval=900)
    )
    assert outcome.is_equal
    assert {entry["key"] for entry in got["configuration"].configuration_key} >= {"NumberOfConnectors"}
    assert got["reset"].status == "Rejected"
    assert "GetConfiguration: answered, as recorded" in notes(outcome)
    assert "Reset: answered, not recorded" in notes(outcome)


def test_the_rhythm_is_that_of_the_recording(tmp_path: Path) -> None:
    recording = recording_of(tmp_path, "reordered")
    first, last = recording.first_ns, recording.last_ns
    speed = (last - first) / 1e9  # a second
    outcome, _ = asyncio.run(against(Csms16, "ocpp1.6", recording, Settings(speed, 5)))
    calls = [said for said in recording.visits[0].messages if said.sender == "station" and said.kind == "CALL"]
    for said, entry in zip(calls, judged(outcome), strict=True):
        assert entry.action == said.action
        assert -0.005 <= entry.offset_s - (said.ts_ns - first) / 1e9 / speed < 0.3


@pytest.mark.parametrize(("status", "is_equal"), [(404, True), (403, False), (None, False)])
def test_a_refused_upgrade_is_compared_by_its_status(tmp_path: Path, status: int | None, is_equal: bool) -> None:
    recording = recording_of(tmp_path, "refused-upgrades", "EW-1702")
    assert [visit.status for visit in recording.visits] == [404, 404]

    def refuse(socket: Any, _: Any) -> Any:
        return None if status is None else socket.respond(HTTPStatus(status), "no\n")

    outcome, _ = asyncio.run(against(Csms16, "ocpp1.6", recording, process_request=refuse))
    assert outcome.is_equal is is_equal
    assert ("refused with" in notes(outcome)) is (status is not None)


def test_nobody_there_is_said(tmp_path: Path) -> None:
    recording = recording_of(tmp_path, "reordered")

    async def nobody() -> None:
        with pytest.raises(ReplayError, match="cannot be reached"):
            await play(recording, Target("ws://127.0.0.1:9", recording.station), MAX, lambda _: None)

    asyncio.run(nobody())


def test_as_csms_a_real_station_gets_the_recorded_answers_and_calls(tmp_path: Path) -> None:
    recording = recording_of(tmp_path, "ocpp16-day")

    async def play_both() -> tuple[Outcome, list[str], Any]:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        playing = asyncio.create_task(
            play_csms(recording, Listener("127.0.0.1", 0), MAX, lambda _: None, ready=port.set_result)
        )
        heard: list[str] = []
        url = f"ws://127.0.0.1:{await port}/some/where/{recording.station}"
        async with connect(url, subprotocols=["ocpp1.6"], ping_interval=None) as socket:  # type: ignore[list-item]
            station = Station16(recording.station, socket, Site(300))  # type: ignore[arg-type]
            route = station.route_message

            async def listening(text: str) -> None:
                heard.append(text)
                await route(text)

            station.route_message = listening  # type: ignore[method-assign]
            running = asyncio.create_task(station.start())
            await station.boot()
            for _ in range(3):
                started = await station.ask("StartTransaction", connector_id=1, id_tag="04A2B3C4", meter_start=0,
                                            timestamp="2026-01-01T00:00:00Z")  # fmt: skip
            await station.ask("DataTransfer", vendor_id="nobody")
            await asyncio.sleep(0.5)
            running.cancel()
        return await asyncio.wait_for(playing, 10), heard, started

    outcome, heard, started = asyncio.run(play_both())
    assert json.loads(heard[0])[0] == 3, "nothing is asked before the boot is answered"
    asked = [message[2] for message in map(json.loads, heard) if message[0] == 2]
    recorded = [said.action for said in recording.visits[0].messages if said.sender == "csms" and said.kind == "CALL"]
    assert asked == recorded
    booted = next(message for message in map(json.loads, heard) if message[0] == 3)
    assert booted[2]["interval"] == 900
    assert -0.5 < age_s(booted[2]["currentTime"]) < 2 * 86400
    assert started.transaction_id in {
        said.payload["transactionId"] for said in recording.visits[0].messages
        if said.action == "StartTransaction" and said.kind == "CALLRESULT"
    }  # fmt: skip
    verdicts = {entry.action: entry.verdict for entry in judged(outcome)}
    assert verdicts["RemoteStartTransaction"] == verdicts["UnlockConnector"] == "equal"


async def command(*arguments: str) -> tuple[int, str, str]:
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", "replay", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(done.communicate(), 60)
    return done.returncode or 0, out.decode(), err.decode()


def test_the_command_tells_by_its_exit_code(tmp_path: Path) -> None:
    async def both() -> None:
        async with csms(Csms16, "ocpp1.6", 301) as (port, peers):
            recording_of(tmp_path, "reordered")
            common = [str(tmp_path / "reordered.duckdb"), "--to", f"ws://127.0.0.1:{port}/ocpp", "--speed", "max"]
            code, out, err = await command(*common)
            assert (code, err.count("password")) == (1, 2), err
            assert "$.interval  recorded 300, now 301" in out
            assert "not equal to the recording" in out
            code, out, _ = await command(*common, "--ignore", "interval", "--format", "json", "--identity", "A/B")
            assert code == 0, out
            assert json.loads(out)["is_equal"] is True
            assert peers[-1].request.path == "/ocpp/A%2FB"
            secret = tmp_path / "password"
            secret.write_text("sixteen-letters1\n", "utf-8")
            code, _, err = await command(*common, "--ignore", "interval", "--password-file", str(secret))
            assert (code, err) == (0, "")
            assert peers[-1].request.headers["Authorization"].startswith("Basic ")

    asyncio.run(both())


def test_ctrl_c_tells_what_was_found_so_far() -> None:
    async def interrupted(*arguments: str, said: bytes) -> tuple[int | None, str]:
        done = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", "replay", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert done.stdout is not None
        before = b""
        while said not in before:
            before += await asyncio.wait_for(done.stdout.readline(), 60)
        done.send_signal(signal.SIGINT)
        out = await asyncio.wait_for(done.stdout.read(), 60)
        return await done.wait(), (before + out).decode()

    async def both() -> None:
        async with csms(Csms16, "ocpp1.6", 300) as (port, _):
            code, out = await interrupted(
                str(SAMPLES / "reordered.pcap"), "--to", f"ws://127.0.0.1:{port}", said=b"BootNotification"
            )
        assert (code, "stopped before" in out, " equal\n" in out, "Traceback" in out) == (130, True, True, False), out
        code, out = await interrupted(
            str(SAMPLES / "reordered.pcap"), "--as-csms", "--listen", "127.0.0.1:0", said=b"listening on"
        )
        assert (code, "0 CALLs sent again" in out, "Traceback" in out) == (0, True, False), out

    asyncio.run(both())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["reordered.pcap"], "--to"),
        (["reordered.pcap", "--to", "ws://127.0.0.1:9", "--as-csms"], "--to"),
        (["reordered.pcap", "--to", "http://127.0.0.1:9"], "ws://host"),
        (["reordered.pcap", "--to", "ws://127.0.0.1:9"], "cannot be reached"),
        (["reordered.pcap", "--to", "ws://127.0.0.1:9", "--speed", "fast"], "--speed fast"),
        (["reordered.pcap", "--to", "ws://127.0.0.1:9", "--station", "nobody"], "no station is named"),
        (["five-stations.pcap", "--to", "ws://127.0.0.1:9"], "name one with --station"),
        (["reordered.pcap", "--as-csms", "--listen", "9000"], "--listen 9000"),
        (["missing.pcap", "--to", "ws://127.0.0.1:9"], "missing.pcap"),
    ],
)
def test_wrong_usage_is_said_clearly(arguments: list[str], words: str) -> None:
    code, _, err = asyncio.run(command(str(SAMPLES / arguments[0]), *arguments[1:]))
    assert code == 2
    assert words in err
    assert "Traceback" not in err


def test_the_replay_itself_is_recorded(tmp_path: Path) -> None:
    database = tmp_path / "again.duckdb"
    recording = recording_of(tmp_path, "reordered")

    async def as_station() -> None:
        async with csms(Csms16, "ocpp1.6", 300) as (port, peers):
            code, out, err = await command(
                str(tmp_path / "reordered.duckdb"),
                "--to",
                f"ws://127.0.0.1:{port}/ocpp",
                "--speed",
                "max",
                "--db",
                str(database),
            )
            assert (code, "Traceback" in err) == (0, False), (out, err)
            assert "equal to the recording" in out
            assert peers[0].request.path == f"/ocpp/{recording.station}"

    asyncio.run(as_station())
    again = read(database, recording.station)
    wanted = [said.action for said in recording.visits[0].messages if said.sender == "station" and said.kind == "CALL"]
    assert [said.action for said in again.visits[0].messages if said.sender == "station"] == wanted

    async def as_csms() -> None:
        done = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", "replay", str(database),
            "--as-csms", "--listen", "127.0.0.1:0", "--speed", "max", "--db", str(tmp_path / "third.duckdb"),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert done.stderr is not None
        line = b""
        while b"as the CSMS of" not in line:
            line = await asyncio.wait_for(done.stderr.readline(), 60)
        port = int(line.split(b":")[1].split()[0])
        async with connect(f"ws://127.0.0.1:{port}/{recording.station}", subprotocols=["ocpp1.6"]) as socket:  # type: ignore[list-item]
            await socket.send('[2,"1","Heartbeat",{}]')
            assert json.loads(await socket.recv())[:2] == [3, "1"]
        done.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(done.communicate(), 60)
        assert (done.returncode, b"Traceback" in err) == (0, False), (out, err)

    asyncio.run(as_csms())
    [third] = read(tmp_path / "third.duckdb", None).visits
    assert [said.action for said in third.messages] == ["Heartbeat", "Heartbeat"]


def test_as_csms_a_transaction_of_2_is_meant_by_its_living_name(tmp_path: Path) -> None:
    recording = recording_of(tmp_path, "ocpp201-day")
    recorded = {said.action: said.payload["transactionId"] for said in recording.visits[0].messages
                if said.sender == "csms" and said.action in ("RequestStopTransaction", "GetTransactionStatus")
                and said.kind == "CALL"}  # fmt: skip

    async def play_both() -> tuple[list[Any], list[str]]:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        playing = asyncio.create_task(
            play_csms(recording, Listener("127.0.0.1", 0), MAX, lambda _: None, ready=port.set_result)
        )
        asked: list[Any] = []
        names: list[str] = []
        url = f"ws://127.0.0.1:{await port}/{recording.station}"
        async with connect(url, subprotocols=["ocpp2.0.1"], ping_interval=None) as socket:  # type: ignore[list-item]
            station = Station201(recording.station, socket, Site(300))  # type: ignore[arg-type]
            route = station.route_message

            async def listening(text: str) -> None:
                asked.append(json.loads(text))
                await route(text)

            station.route_message = listening  # type: ignore[method-assign]
            running = asyncio.create_task(station.start())
            await station.boot()
            for number in range(3):
                transaction = await station.begin(1, "04A2B3C4D5E680")
                names.append(transaction.id)
                await asyncio.sleep(0.1)
                await station.end(1, transaction, "04A2B3C4D5E680")
                if number < 2:
                    assert not any(message[2] == "GetTransactionStatus" for message in asked if message[0] == 2)
            await asyncio.sleep(0.5)
            running.cancel()
        await asyncio.wait_for(playing, 20)
        return asked, names

    asked, names = asyncio.run(play_both())
    meant = {message[2]: message[3]["transactionId"] for message in asked
             if message[0] == 2 and "transactionId" in message[3]}  # fmt: skip
    assert set(meant) == set(recorded)
    assert set(meant.values()) <= set(names)
    assert meant["GetTransactionStatus"] == names[2], "the third one, as it was recorded"
