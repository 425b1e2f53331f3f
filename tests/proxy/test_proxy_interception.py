"""Interception between real `websockets` peers: what each side reads is what the actions say, compressed or not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from relaying import Running, eventually, relaying, run
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

from ocpp_inspect.proxy import (
    Action,
    Close,
    Cut,
    Delay,
    Drop,
    Forward,
    Hold,
    Injector,
    Link,
    LinkGoneError,
    Mark,
    Passing,
    Refusal,
    Replace,
    Transparent,
    UpgradeAttempt,
)
from ocpp_inspect.proxy.deflate import Agreement, Inflation
from ocpp_inspect.proxy.frames import MessageReader
from ocpp_inspect.proxy.tap import Marked

WAYS: dict[str, Any] = {
    "plain": None,
    "deflate": {},
    "no takeover": {"server_no_context_takeover": True, "client_no_context_takeover": True},
    "small window": {"server_max_window_bits": 9, "client_max_window_bits": 9},
}


class Scripted(Transparent):
    """Does with each text what a function says; remembers what it saw."""

    def __init__(self, decide: Callable[[Passing], Sequence[Action]], *, wanted: bool = True) -> None:
        self.decide = decide
        self.wanted = wanted
        self.seen: list[tuple[str, str | None]] = []
        self.marks: list[Mark] = []
        self.injector: Injector | None = None
        self.refusal: Refusal | None = None
        self.opened_links: list[Link] = []
        self.closed_links: list[Link] = []

    @property
    def may_want(self) -> bool:
        return True

    def attach(self, injector: Injector) -> None:
        self.injector = injector

    def upgrade(self, attempt: UpgradeAttempt) -> Refusal | None:
        assert "password" not in str(attempt)
        return self.refusal

    def opened(self, link: Link) -> None:
        self.opened_links.append(link)

    def closed(self, link: Link) -> None:
        self.closed_links.append(link)

    def wants(self, link: Link) -> bool:
        return self.wanted

    def message(self, message: Passing) -> Sequence[Action]:
        if message.is_control:
            return [Forward()]
        self.seen.append((message.sender, message.text))
        return self.decide(message)

    def marked(self, mark: Mark) -> None:
        self.marks.append(mark)


class Pair:
    """Both ends of one intercepted connection."""

    def __init__(self) -> None:
        self.at_csms: list[str | bytes] = []
        self.at_station: list[str | bytes] = []
        self.csms: ServerConnection | None = None
        self.station: ClientConnection | None = None


async def with_pair(way: str, interceptor: Transparent, use: Callable[[Pair, Running], Any]) -> Running:
    """Connect a station through a relay, run `use`, close."""
    pair = Pair()
    options = WAYS[way]
    server_side = None if options is None else [ServerPerMessageDeflateFactory(**options)]
    client_side = None
    if options is not None:
        client_side = [ClientPerMessageDeflateFactory(**{"client_max_window_bits": True, **options})]

    async def handle(socket: ServerConnection) -> None:
        pair.csms = socket
        async for message in socket:
            pair.at_csms.append(message)

    async def listen(station: ClientConnection) -> None:
        try:
            async for message in station:
                pair.at_station.append(message)
        except ConnectionClosed:
            return

    async with (
        serve(handle, "127.0.0.1", 0, compression=None, extensions=server_side) as server,
        relaying(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", interceptor) as running,
    ):
        async with connect(running.url + "/CP1", compression=None, extensions=client_side) as station:
            pair.station = station
            await eventually(lambda: pair.csms is not None)
            listening = asyncio.create_task(listen(station))
            await use(pair, running)
        await listening
        await eventually(lambda: running.relay.open_sessions == 0)
    return running


@pytest.mark.parametrize("way", WAYS)
def test_random_actions_give_each_side_exactly_what_they_say(way: str) -> None:
    """Forward, twice, replace, drop, delay, overtaken: in any mix the receiver can read all that comes."""
    chance = random.Random(7)
    expected: dict[str, list[str]] = {"station": [], "csms": []}
    sent: dict[str, list[str]] = {"station": [], "csms": []}

    def decide(message: Passing) -> Sequence[Action]:
        text = message.text
        assert text is not None
        kind = chance.choice(["forward", "forward", "twice", "replace", "drop", "delay", "both"])
        to = expected[message.sender]
        if kind == "drop":
            return [Drop()]
        if kind == "replace":
            to.append(text.upper())
            return [Replace(text.upper())]
        if kind == "both":
            to.extend([text, text.upper()])
            return [Forward(), Replace(text.upper())]
        to.extend([text] * (2 if kind == "twice" else 1))
        if kind == "twice":
            return [Forward(), Forward()]
        return [Delay(0.002)] if kind == "delay" else [Forward()]

    interceptor = Scripted(decide)

    async def use(pair: Pair, running: Running) -> None:
        assert pair.station is not None and pair.csms is not None
        for number in range(150):
            text = f'[2,"{number}","Heartbeat",{{"some":"text that repeats and repeats", "n": {number % 7}}}]'
            size = chance.choice([1, 1, 1, 40])
            sent["station"].append(text * size)
            sent["csms"].append(text[::-1] * size)
            await pair.station.send(sent["station"][-1])
            await pair.csms.send(sent["csms"][-1])
        await eventually(lambda: len(pair.at_csms) == len(expected["station"]) > 60)
        await eventually(lambda: len(pair.at_station) == len(expected["csms"]) > 60)
        assert pair.at_csms == expected["station"]
        assert pair.at_station == expected["csms"]

    async def scenario() -> None:
        running = await with_pair(way, interceptor, use)
        # What the analysis was told is what the sides said, whatever became of it.
        for direction, sender in ((0, "station"), (1, "csms")):
            head, _, frames = running.told.said_by(direction).partition(b"\r\n\r\n")
            assert head
            agreement = Agreement(way == "no takeover", 15)
            inflation, reader = Inflation(agreement), MessageReader()
            told = []
            for raw in reader.feed(frames):
                if raw.opcode < 8 and raw.payload is not None:
                    message = inflation.inflate(raw.payload) if raw.is_compressed else raw.payload
                    assert message is not None
                    told.append(message.decode())
            assert told == sent[sender]

    run(scenario)
    names = {mark.name for mark in interceptor.marks}
    assert names == {"proxy.duplicated", "proxy.modified", "proxy.dropped", "proxy.delayed"}


@pytest.mark.parametrize("way", WAYS)
def test_unchanged_messages_stay_the_octets_that_came(way: str) -> None:
    interceptor = Scripted(lambda _: [Forward()])

    async def use(pair: Pair, running: Running) -> None:
        assert pair.station is not None and pair.csms is not None
        for number in range(20):
            await pair.station.send(f"text {number} " * 20)
            await pair.csms.send(f"text {number} " * 20)
        await eventually(lambda: len(pair.at_csms) == len(pair.at_station) == 20)

    run(lambda: ignoring(with_pair(way, interceptor, use)))
    assert interceptor.marks == []


async def ignoring(what: Any) -> None:
    await what


@pytest.mark.parametrize("way", WAYS)
def test_interception_begins_and_ends_while_the_connection_lives(way: str) -> None:
    interceptor = Scripted(lambda m: [Replace("changed")] if "change" in (m.text or "") else [Forward()], wanted=False)

    async def use(pair: Pair, running: Running) -> None:
        assert pair.station is not None
        for text in ("change me 1", "change me 2"):
            await pair.station.send(text)
        await eventually(lambda: len(pair.at_csms) == 2)
        assert interceptor.seen == []
        interceptor.wanted = True
        running.relay.reconsider()
        await pair.station.send("change me 3")
        await pair.station.send("keep")
        await eventually(lambda: len(pair.at_csms) == 4)
        interceptor.wanted = False
        running.relay.reconsider()
        await pair.station.send("change me 4")
        await pair.station.send("and so on")
        await eventually(lambda: len(pair.at_csms) == 6)
        assert pair.at_csms[:4] == ["change me 1", "change me 2", "changed", "keep"]
        assert pair.at_csms[5] == "and so on"
        if way in ("plain", "no takeover"):  # elsewhere the compression history is followed
            (session,) = running.relay._sessions
            assert all(leg.forward is not None for leg in (session._client, session._upstream) if leg is not None)

    run(lambda: ignoring(with_pair(way, interceptor, use)))
    assert interceptor.seen[:2] == [("station", "change me 3"), ("station", "keep")]


def test_a_held_message_keeps_the_order_and_lets_pings_pass() -> None:
    futures: list[asyncio.Future[Sequence[Action]]] = []

    def decide(message: Passing) -> Sequence[Action]:
        if message.text == "hold":
            futures.append(asyncio.get_running_loop().create_future())
            return [Hold(futures[-1])]
        return [Forward()]

    interceptor = Scripted(decide)

    async def use(pair: Pair, running: Running) -> None:
        assert pair.station is not None
        for text in ("a", "hold", "b", "hold", "c"):
            await pair.station.send(text)
        await (await pair.station.ping())
        assert pair.at_csms == ["a"]
        futures[0].set_result([Replace("edited")])
        await eventually(lambda: pair.at_csms == ["a", "edited", "b"])
        futures[1].cancel()
        await eventually(lambda: pair.at_csms == ["a", "edited", "b", "hold", "c"])
        await pair.station.send("hold")
        await eventually(lambda: len(futures) == 3)

    async def scenario() -> None:
        running = await with_pair("deflate", interceptor, use)
        assert futures[2].cancelled()
        marks = [(mark.name, mark.original, mark.forwarded) for mark in running.told.of(Marked)]
        assert marks == [
            ("proxy.held", "hold", "hold"), ("proxy.modified", "hold", "edited"), ("proxy.held", "hold", "hold"),
            ("proxy.held", "hold", "hold"), ("proxy.dropped", "hold", ""),
        ]  # fmt: skip

    run(scenario)


@pytest.mark.parametrize("way", WAYS)
def test_a_delayed_message_can_be_overtaken(way: str) -> None:
    interceptor = Scripted(lambda m: [Delay(0.1, is_overtaken=True)] if m.text == "late" * 30 else [Forward()])

    async def use(pair: Pair, running: Running) -> None:
        assert pair.station is not None
        for text in ("late" * 30, "late and more " * 20, "last"):
            await pair.station.send(text)
        await eventually(lambda: pair.at_csms == ["late and more " * 20, "last", "late" * 30])

    run(lambda: ignoring(with_pair(way, interceptor, use)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wanted", [True, False])
def test_injected_messages_arrive_between_the_others_and_are_told(way: str, wanted: bool) -> None:
    interceptor = Scripted(lambda _: [Forward()], wanted=wanted)

    async def use(pair: Pair, running: Running) -> None:
        assert pair.station is not None and pair.csms is not None
        (link,) = interceptor.opened_links
        for number in range(5):
            await pair.station.send(f"message {number} " * 9)
            await eventually(lambda: len(pair.at_csms) == 2 * number + 1)  # noqa: B023
            running.relay.inject(link.connection, "csms", f"injected é {number}")
            await eventually(lambda: len(pair.at_csms) == 2 * number + 2)  # noqa: B023
            running.relay.inject(link.connection, "station", f"from the CSMS {number}")
        await eventually(lambda: len(pair.at_station) == 5)
        assert pair.at_csms[1::2] == [f"injected é {number}" for number in range(5)]
        assert pair.at_csms[::2] == [f"message {number} " * 9 for number in range(5)]

    async def scenario() -> None:
        running = await with_pair(way, interceptor, use)
        assert len(running.told.of(Marked)) == 10
        assert "injected é 3".encode() in b"".join(
            raw.payload or b"" for raw in MessageReader().feed(running.told.said_by(0).partition(b"\r\n\r\n")[2])
        )
        with pytest.raises(LinkGoneError):
            running.relay.inject(interceptor.opened_links[0].connection, "csms", "too late")

    run(scenario)


def test_an_injected_message_waits_for_the_end_of_a_frame() -> None:
    interceptor = Scripted(lambda _: [Forward()], wanted=False)

    async def use(pair: Pair, running: Running) -> None:
        assert pair.station is not None
        (link,) = interceptor.opened_links
        await pair.station.send(["first ", "second "])
        await eventually(lambda: len(pair.at_csms) == 1)
        transport = pair.station.transport
        transport.write(b"\x81\x85\x00\x00\x00\x00he")
        await asyncio.sleep(0.05)
        running.relay.inject(link.connection, "csms", "injected")
        await asyncio.sleep(0.05)
        assert len(pair.at_csms) == 1
        transport.write(b"llo\x81\x82\x00\x00\x00\x00ho")
        await eventually(lambda: pair.at_csms[1:] == ["hello", "injected", "ho"])

    run(lambda: ignoring(with_pair("plain", interceptor, use)))


@pytest.mark.parametrize("action", [Close(4000, "by order"), Cut()])
def test_the_connection_can_be_ended(action: Close | Cut) -> None:
    interceptor = Scripted(lambda _: [action])

    async def use(pair: Pair, running: Running) -> None:
        assert pair.station is not None and pair.csms is not None
        await pair.station.send("the end")
        for socket in (pair.station, pair.csms):
            await asyncio.wait_for(socket.wait_closed(), 3)
        if isinstance(action, Close):
            assert (pair.station.close_code, pair.csms.close_code) == (4000, 4000)
        else:
            assert (pair.station.close_code, pair.csms.close_code) == (1006, 1006)

    async def scenario() -> None:
        running = await with_pair("plain", interceptor, use)
        assert ("proxy.closed" if isinstance(action, Close) else "proxy.cut") in running.told.names()

    run(scenario)
    assert interceptor.closed_links == interceptor.opened_links


def test_an_upgrade_can_be_refused() -> None:
    interceptor = Scripted(lambda _: [Forward()])
    interceptor.refusal = Refusal(403, "Forbidden", "go away\n", (("X-A", "1"),), "step 3")

    async def scenario() -> None:
        async with relaying("ws://127.0.0.1:1", interceptor) as running:
            with pytest.raises(InvalidStatus) as error:
                await connect(running.url + "/CP1", additional_headers={"Authorization": "Basic password"})
            assert error.value.response.status_code == 403
            assert error.value.response.headers["X-A"] == "1"
        assert running.told.names() == ["proxy.refused"]

    run(scenario)


def test_a_bug_of_an_interceptor_forwards_the_message(caplog: pytest.LogCaptureFixture) -> None:
    def decide(message: Passing) -> Sequence[Action]:
        raise RuntimeError("a bug")

    interceptor = Scripted(decide)

    async def use(pair: Pair, running: Running) -> None:
        assert pair.station is not None
        await pair.station.send("x")
        await eventually(lambda: pair.at_csms == ["x"])

    run(lambda: ignoring(with_pair("deflate", interceptor, use)))
    assert "the interceptor failed" in caplog.text
