"""Scenarios through the real relay, between real stacks: what each application gets is what the scenario says."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from meddling import WAYS, scene
from relaying import eventually, run
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ocpp_inspect.proxy.tap import Marked, Note
from samples.stack16 import Csms16

ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


def answers(station: Any) -> list[Any]:
    return [message for message in station._connection.received if message[0] == 3]


@ways
def test_the_third_answer_is_dropped_and_later_ones_arrive(way: Any) -> None:
    async def play() -> None:
        async with scene("  - {when: Heartbeat.response, nth: 3, do: drop}", way) as s, s.station() as station:
            await station.boot()
            station._response_timeout = 0.3
            for number in range(1, 6):
                if number == 3:
                    with pytest.raises(asyncio.TimeoutError):
                        await station.ask("Heartbeat")
                else:
                    assert (await station.ask("Heartbeat")).current_time
        [dropped] = s.marks("dropped")
        assert dropped.sender == "csms"
        assert json.loads(dropped.original)[2] == {"currentTime": "2026-01-01T00:00:00.000Z"}
        assert dropped.forwarded == ""
        assert "step 1" in dropped.note

    run(play)


@ways
def test_a_modified_field_arrives_and_both_versions_are_told(way: Any) -> None:
    steps = "  - {name: shorter, when: BootNotification.response, do: {modify: {set: {interval: 7}}}}"

    async def play() -> None:
        async with scene(steps, way) as s, s.station() as station:
            assert (await station.boot()).interval == 7
            for _ in range(5):
                await station.ask("Heartbeat")
        [mark] = s.marks("modified")
        assert mark.original.replace(":300", ":7") == mark.forwarded
        assert mark.note == "shorter"

    run(play)


@ways
def test_a_call_is_answered_in_the_place_of_the_csms(way: Any) -> None:
    steps = "  - {when: Authorize.request, do: {answer: {payload: {idTagInfo: {status: Invalid}}}}}"

    async def play() -> None:
        async with scene(steps, way) as s, s.station() as station:
            await station.boot()
            assert (await station.ask("Authorize", id_tag="A")).id_tag_info == {"status": "Invalid"}
            await station.ask("Heartbeat")
            heard = [message[2] for message in s.csms[0]._connection.received]
            assert heard == ["BootNotification", "Heartbeat"]
        assert len(s.marks("dropped")) == len(s.marks("injected")) == 1

    run(play)


@ways
def test_an_injected_call_is_answered_and_the_answer_is_kept(way: Any) -> None:
    steps = """
  - when: BootNotification.response
    do:
      - inject: {to: station, call: TriggerMessage, payload: {requestedMessage: Heartbeat}}
      - inject: {to: csms, call: Authorize, payload: {idTag: "of the proxy"}, delay: 50 ms}
"""

    async def play() -> None:
        async with scene(steps, way) as s, s.station() as station:
            await station.boot()
            await eventually(lambda: not s.meddler._injected)
            await station.ask("Heartbeat")
            asked = [message for message in station._connection.received if message[0] == 2]
            assert [message[2] for message in asked] == ["TriggerMessage"]
            heard = s.csms[0]._connection.received
            assert [message[2] for message in heard if message[0] == 2] == [
                "BootNotification",
                "Authorize",
                "Heartbeat",
            ]
            assert not [message for message in heard if message[0] == 3], "the CSMS never saw the station's answer"
            assert len(answers(station)) == 2, "the station never saw the CSMS's answer"
            assert len({message[1] for message in heard}) == 3
        kept = {json.loads(mark.original)[1]: mark for mark in s.marks("answer_kept")}
        assert {json.loads(mark.forwarded)[1] for mark in s.marks("injected")} == set(kept)
        assert {mark.sender for mark in kept.values()} == {"station", "csms"}

    run(play)


@ways
def test_duplicates_delays_and_reordering(way: Any) -> None:
    steps = """
  - {when: Heartbeat.request, nth: 1, do: duplicate}
  - {when: Heartbeat.request, nth: 2, do: {delay: 300 ms}}
  - {when: MeterValues.request, nth: 1, do: reorder}
"""

    async def play() -> None:
        async with scene(steps, way) as s, s.station() as station:
            await station.ask("Heartbeat")
            began = time.monotonic()
            await station.ask("Heartbeat")
            assert 0.3 <= time.monotonic() - began < 1
            socket = station._connection.socket
            await socket.send('[2,"m","MeterValues",{"connectorId":1,"meterValue":[]}]')
            await socket.send('[2,"a","Authorize",{"idTag":"A"}]')
            heard = s.csms[0]._connection.received
            await eventually(lambda: len(heard) == 5)
            assert [message[2] for message in heard] == ["Heartbeat"] * 3 + ["Authorize", "MeterValues"]
            assert heard[0] == heard[1]

    run(play)


def test_a_line_is_cut_with_a_reset_or_closed_with_a_code() -> None:
    steps = """
  - {when: Heartbeat.request, station: CP1, do: cut}
  - {when: Heartbeat.request, station: CP2, do: {close: {code: 1011, reason: enough}}}
"""

    async def play() -> None:
        async with scene(steps) as s:
            async with s.station("CP1") as station:
                with pytest.raises((ConnectionClosed, asyncio.TimeoutError)):
                    await station.ask("Heartbeat")
                await eventually(lambda: station._connection.socket.close_code is not None)
                assert station._connection.socket.close_code == 1006
            async with s.station("CP2") as station:
                with pytest.raises((ConnectionClosed, asyncio.TimeoutError)):
                    await station.ask("Heartbeat")
                await eventually(lambda: station._connection.socket.close_code is not None)
                assert station._connection.socket.close_code == 1011
                assert station._connection.socket.close_reason == "enough"
            assert all(peer._connection.received == [] for peer in s.csms)
        assert {note.name for note in s.running.told.of(Note)} >= {"proxy.cut", "proxy.closed"}

    run(play)


def test_upgrades_are_refused_and_the_csms_is_not_asked() -> None:
    steps = '  - {when: Upgrade, times: 2, do: {refuse: {status: 503, headers: {Retry-After: "5"}, body: later}}}'

    async def play() -> None:
        async with scene(steps) as s:
            for _ in range(2):
                with pytest.raises(InvalidStatus) as refused:
                    async with s.station():
                        pass
                response = refused.value.response
                assert (response.status_code, response.headers["Retry-After"], response.body) == (503, "5", b"later")
            assert s.csms == []
            async with s.station() as station:
                await station.boot()
        assert s.running.told.names().count("proxy.refused") == 2

    run(play)


def test_when_a_connection_has_opened() -> None:
    steps = (
        "  - {when: Opened, do: {inject: {to: station, call: GetConfiguration, payload: {key: [HeartbeatInterval]}}}}"
    )

    async def play() -> None:
        async with scene(steps) as s, s.station() as station:
            await eventually(lambda: bool(station._connection.received))
            assert station._connection.received[0][2] == "GetConfiguration"
            await eventually(lambda: not s.meddler._injected)
        assert len(s.marks("answer_kept")) == 1

    run(play)


@ways
def test_stations_that_no_step_is_about_are_left_alone(way: Any) -> None:
    async def play() -> None:
        async with scene("  - {when: ANY, station: CP2, do: drop}", way) as s:
            async with s.station("CP1") as station:
                await station.boot()
                await station.statuses()
            async with s.station("CP2") as station:
                await station._connection.send('[2,"1","Heartbeat",{}]')
                await asyncio.sleep(0.1)
            assert [len(peer._connection.received) for peer in s.csms] == [4, 0]
        assert {mark.name for mark in s.running.told.of(Marked)} == {"proxy.dropped"}

    run(play)


@ways
def test_a_held_message_waits_and_pings_pass(way: Any) -> None:
    async def play() -> None:
        async with scene("  - {when: Heartbeat.request, nth: 1, do: {hold: 400 ms}}", way) as s, s.station() as station:
            began = time.monotonic()
            asking = asyncio.create_task(station.ask("Heartbeat"))
            await asyncio.sleep(0.05)
            await (await station._connection.socket.ping(b"x"))
            assert time.monotonic() - began < 0.35
            await asking
            assert 0.4 <= time.monotonic() - began < 1.5
            assert s.meddler.held() == []
            await station.ask("Heartbeat")
        assert "held 1" in s.said[0]

    run(play)


def test_what_waits_when_the_connection_ends_is_forgotten() -> None:
    steps = """
  - {when: Heartbeat.request, do: hold}
  - {when: Opened, do: {inject: {to: csms, call: Heartbeat, delay: 9 s}}}
"""

    class Silent(Csms16):
        async def route_message(self, raw: str) -> None:
            pass

    async def play() -> None:
        async with scene(steps, csms=Silent) as s:
            async with s.station() as station:
                asking = asyncio.create_task(station.ask("Heartbeat"))
                await eventually(lambda: len(s.meddler.held()) == 1)
                asking.cancel()
            await eventually(lambda: not s.meddler.links())
            await eventually(lambda: not s.meddler.held())
            assert not s.meddler._timers
        assert "held until" in s.marks("dropped")[0].note

    run(play)
