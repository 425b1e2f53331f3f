"""One WebSocket and a side to play on it: CALLs out and their answers judged, CALLs in and their answers sent.

What playing the station and playing the CSMS have in common.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from ocpp_inspect.limits import REPLAY_NOTES
from ocpp_inspect.ocpp.frame import Frame, read_frame
from ocpp_inspect.ocpp.text import excerpt, read
from ocpp_inspect.replay.answers import Answers
from ocpp_inspect.replay.compare import Comparison
from ocpp_inspect.replay.outcome import Judged, Note, Outcome
from ocpp_inspect.replay.recording import Recording, Said, Speaker
from ocpp_inspect.replay.renewal import Renewal, Timing, new_id

if TYPE_CHECKING:
    from websockets.asyncio.connection import Connection

Tell = Callable[[Judged | Note], None]


class ReplayError(Exception):
    """The replay cannot begin; the text tells a person what to do."""


@dataclass(slots=True)
class Settings:
    """How to play. `speed` 0: as fast as the other side answers."""

    speed: float = 1.0
    timeout_s: float = 30.0
    ignored: tuple[str, ...] = ()


class Stage:
    """What lasts for the whole replay: the script, the clock, what was learned, what was found."""

    def __init__(self, recording: Recording, role: Speaker, target: str, settings: Settings, tell: Tell) -> None:
        self.recording = recording
        self.role: Speaker = role
        self.settings = settings
        self.outcome = Outcome(recording.station, target)
        self.comparison = Comparison(settings.ignored)
        self.answers = Answers(recording, role)
        self._tell = tell
        self._notes = 0
        self.booted = asyncio.Event()  # the other side's BootNotification was answered
        self.begin()

    def begin(self) -> None:
        """Now is the moment at which the recording began."""
        self.start_ns = time.time_ns()
        self.timing = Timing(self.recording.first_ns, self.recording.last_ns, self.start_ns, self.settings.speed)
        self.renewal = Renewal(self.role, self.timing.date)

    def offset_s(self) -> float:
        """Seconds since the start."""
        return (time.time_ns() - self.start_ns) / 1e9

    def add(self, entry: Judged | Note) -> None:
        """Keep and tell one entry; beyond a bound notes are only counted."""
        if isinstance(entry, Note) and not entry.is_difference:
            self._notes += 1
            if self._notes > REPLAY_NOTES:
                return
        self.outcome.entries.append(entry)
        self._tell(entry)

    def note(self, text: str, *, is_difference: bool = False) -> None:
        """Keep and tell what happened besides answers."""
        self.add(Note(self.offset_s(), text, is_difference))

    async def until(self, ts_ns: int) -> None:
        """Sleep until what was recorded at `ts_ns` is due."""
        while (left := self.timing.moment(ts_ns) - time.time_ns()) > 0:
            await asyncio.sleep(min(left / 1e9, 60.0))

    async def play(self, playing: Coroutine[Any, Any, None], stop: asyncio.Event | None) -> Outcome:
        """Play until it is over, or until `stop` is set, and tell what the outcome is."""
        task = asyncio.create_task(playing)
        stopping = asyncio.create_task((stop or asyncio.Event()).wait())
        try:
            await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
            else:
                self.note("stopped before the recording was over")
                self.outcome.is_complete = False
        finally:
            for each in (task, stopping):
                each.cancel()
            await asyncio.gather(task, stopping, return_exceptions=True)
        return self.finish()

    def finish(self) -> Outcome:
        """Tell what the other side did not say again, and end."""
        counts: dict[str, int] = {}
        for exchange in self.answers.unused():
            counts[exchange.call.action] = counts.get(exchange.call.action, 0) + 1
        other = "CSMS" if self.role == "station" else "station"
        for action, number in counts.items():
            self.note(f"recorded, but not sent by the {other} this time: {number} × {action}")
        if self._notes > REPLAY_NOTES:
            self.note(f"{self._notes - REPLAY_NOTES} notes more were left out")
        return self.outcome


@dataclass(slots=True)
class _Open:
    """A CALL of ours that waits for its answer."""

    said: Said
    recorded: Said | None
    sent_ns: int
    offset_s: float
    answered: asyncio.Future[None]


class Dialogue:
    """Our side of one connection."""

    def __init__(self, stage: Stage, socket: Connection, version: str, *, is_lossy: bool) -> None:
        self._stage = stage
        self._socket = socket
        self._version = version
        self._is_lossy = is_lossy
        self._open: dict[str, _Open] = {}
        self._reader = asyncio.create_task(self._read())

    @property
    def is_over(self) -> bool:
        """Whether the other side ended the connection."""
        return self._reader.done()

    async def send(self, said: Said, recorded: Said | None, wait_for: list[Said]) -> bool:
        """Send a recorded message of ours as soon as the answers that had come before it are there.

        False when the connection is over.
        """
        for earlier in wait_for:
            await self._answered(earlier)
        unique_id = new_id()
        text = self._stage.renewal.text(said, unique_id)
        if said.kind == "CALL":
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._open[unique_id] = _Open(said, recorded, time.time_ns(), self._stage.offset_s(), future)
        if await self._transmit(text):
            if said.kind != "CALL":
                what = (
                    f"{said.action} (SEND)" if said.kind == "SEND" else "a message that is no OCPP, as it was recorded"
                )
                self._stage.note(f"sent {what}")
            return True
        self._open.pop(unique_id, None)
        return False

    async def ping(self, payload: bytes) -> None:
        """Send a recorded ping."""
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - imported only by those who replay

        try:
            await self._socket.ping(payload or None)
        except ConnectionClosed:
            return
        except RuntimeError:  # a ping with the same octets has no pong yet
            self._stage.note("a ping was not repeated: the one with the same content has no pong yet")

    async def settle(self) -> None:
        """Wait for the answers that are missing; what does not come is judged as unanswered."""
        for waiting in list(self._open.values()):
            await self._answered(waiting.said)

    async def close(self, code: int, reason: str) -> None:
        """End the connection from our side."""
        await self._socket.close(code, reason)
        await asyncio.gather(self._reader, return_exceptions=True)
        self._give_up("the connection ended")

    async def wait_over(self, seconds: float) -> None:
        """Wait until the other side ends the connection, at most so long."""
        await asyncio.wait([self._reader], timeout=max(seconds, 0))

    def result(self) -> None:
        """Raise what the reader raised: a bug of ours."""
        if self._reader.done() and not self._reader.cancelled() and (error := self._reader.exception()) is not None:
            raise error

    async def _transmit(self, text: str | bytes) -> bool:
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - see above

        try:
            await self._socket.send(text, text=True)
        except ConnectionClosed:
            return False
        return True

    async def _answered(self, said: Said) -> None:
        """Wait for the answer to a CALL of ours; after the limit it is judged and waited for no more."""
        for unique_id, waiting in list(self._open.items()):
            if waiting.said is not said:
                continue
            left = self._stage.settings.timeout_s - (time.time_ns() - waiting.sent_ns) / 1e9
            await asyncio.wait([waiting.answered, self._reader], timeout=max(left, 0),
                               return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
            if self._open.pop(unique_id, None) is not None:
                why = "the connection ended" if self.is_over else f"nothing within {self._stage.settings.timeout_s:g} s"
                self._unanswered(waiting, why)

    def _unanswered(self, waiting: _Open, why: str) -> None:
        if waiting.recorded is None:
            verdict, text = ("unknown", why) if self._is_lossy else ("equal", "unanswered, as it was recorded")
        else:
            verdict, text = "missing", why
        self._judge(waiting, verdict, text)

    def _give_up(self, why: str) -> None:
        for unique_id in list(self._open):
            self._unanswered(self._open.pop(unique_id), why)

    def _judge(self, waiting: _Open, verdict: Any, text: str = "", **more: Any) -> None:
        self._stage.add(Judged(waiting.offset_s, self._stage.role, waiting.said.action, verdict, text, **more))

    async def _read(self) -> None:
        """Take what the other side says until it ends the connection."""
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415 - see above

        try:
            while True:
                octets = await self._socket.recv(decode=False)
                frame = read_frame(read(octets)[0])
                if frame.kind == "CALL":
                    await self._answer(frame)
                elif frame.kind in ("CALLRESULT", "CALLERROR"):
                    self._take(frame)
                elif frame.kind == "INVALID":
                    text = excerpt(octets[:400].decode("utf-8", "replace"))
                    self._stage.note(f"not an OCPP message came: {text}", is_difference=True)
        except ConnectionClosed:
            return

    async def _answer(self, call: Frame) -> None:
        stage = self._stage
        answer = stage.answers.to(self._version, call.action, call.payload, time.time_ns())
        text: str | bytes
        if answer.exchange is not None:
            stage.renewal.learn(answer.exchange.call.payload, call.payload)
            text = stage.renewal.text(answer.exchange.answer, call.unique_id)
        elif answer.payload is not None:
            text = orjson.dumps([3, call.unique_id, answer.payload]).decode()
        else:
            text = orjson.dumps([4, call.unique_id, answer.error_code, "", {}]).decode()
        await self._transmit(text)
        if answer.exchange is not None:  # the ids that it gives are those of now
            given = answer.exchange.answer.payload
            stage.renewal.learn(given, read_frame(read(text if isinstance(text, bytes) else text.encode())[0]).payload)
        if call.action == "BootNotification":
            stage.booted.set()
        stage.note(f"{'<' if stage.role == 'station' else '>'} {call.action}: answered, {answer.why}")

    def _take(self, frame: Frame) -> None:
        """Judge an answer to a CALL of ours."""
        waiting = self._open.pop(frame.unique_id, None)
        if waiting is None:
            self._stage.note(f"an answer to no CALL of ours came: {frame.unique_id}", is_difference=True)
            return
        now_ns = time.time_ns()
        said, recorded = waiting.said, waiting.recorded
        latency: dict[str, Any] = {"latency_s": (now_ns - waiting.sent_ns) / 1e9}
        if recorded is None:
            verdict = "unknown" if self._is_lossy else "unexpected"
            self._judge(waiting, verdict, _told(frame), **latency)
        else:
            latency["recorded_latency_s"] = (recorded.ts_ns - said.ts_ns) / 1e9
            if recorded.kind == "CALLRESULT" and frame.kind == "CALLRESULT":
                self._stage.renewal.learn(recorded.payload, frame.payload)
                found = self._stage.comparison.differences(
                    said.version, said.action, True, recorded.payload, frame.payload
                )
                self._judge(waiting, "different" if found else "equal", differences=tuple(found), **latency)
            elif recorded.kind == frame.kind and recorded.error_code == frame.error_code:
                self._judge(waiting, "equal", **latency)
            else:
                then = recorded.error_code or "a CALLRESULT"
                self._judge(waiting, "different", f"recorded {then}, now {_told(frame)}", **latency)
        if not waiting.answered.done():
            waiting.answered.set_result(None)


def _told(frame: Frame) -> str:
    if frame.kind == "CALLERROR":
        return f"{frame.error_code}" + (f" ({excerpt(frame.error_description)})" if frame.error_description else "")
    return "a CALLRESULT"
