"""A recording and the URL of a CSMS in; the station's part played against it, and what differed, out."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ocpp_inspect.limits import MESSAGE_BYTES
from ocpp_inspect.replay.dialogue import Dialogue, ReplayError, Settings, Stage, Tell
from ocpp_inspect.replay.outcome import Outcome
from ocpp_inspect.replay.recording import Ping, Recording, Said, Visit

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_TOKENS = {"1.6": "ocpp1.6", "2.0": "ocpp2.0", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}


@dataclass(slots=True)
class Target:
    """Where to connect to, and as whom. `url` without a path takes the recorded one."""

    url: str
    station: str
    user: str | None = None  # None: as recorded
    password: str | None = None
    tls: ssl.SSLContext | None = None

    def of(self, visit: Visit) -> str:
        """The URL of one visit: endpoint, slash, percent-encoded identity (OCPP-J 1.6 §3.1.1)."""
        base = self.url.rstrip("/")
        path = urlsplit(base).path
        identity = quote(self.station, safe="")
        if path.rpartition("/")[2] in (identity, self.station) and path:
            return base
        if not path and visit.path:
            stem, _, last = visit.path.partition("?")[0].rstrip("/").rpartition("/")
            return f"{base}{stem}/{identity if last else ''}"
        return f"{base}/{identity}"


async def play(
    recording: Recording, target: Target, settings: Settings, tell: Tell, *, stop: asyncio.Event | None = None
) -> Outcome:
    """Play all visits of the station, in their order and rhythm, unless `stop` is set before.

    Raises ReplayError when the CSMS cannot be reached at the first attempt.
    """
    stage = Stage(recording, "station", target.url, settings, tell)

    async def visits() -> None:
        for number, visit in enumerate(recording.visits):
            await stage.until(visit.opened_ns)
            await _visit(stage, target, visit, is_first=number == 0)

    return await stage.play(visits(), stop)


async def _visit(stage: Stage, target: Target, visit: Visit, *, is_first: bool) -> None:
    from websockets.exceptions import InvalidHandshake, InvalidStatus  # noqa: PLC0415 - only those who replay need it

    url = target.of(visit)
    try:
        socket = await _connect(target, visit, url, stage.settings.timeout_s)
    except InvalidStatus as error:
        status = error.response.status_code
        same = status == visit.status
        stage.note(f"{url}: refused with {status}" + (", as recorded" if same else f", recorded {visit.status or '?'}"),
                   is_difference=not same)  # fmt: skip
        return
    except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
        reason = str(error) or type(error).__name__
        if is_first:
            raise ReplayError(f"{url}: cannot be reached: {reason}") from error
        stage.note(f"{url}: cannot be reached: {reason}", is_difference=True)
        return
    if visit.status not in (0, 101):
        stage.note(f"{url}: accepted, recorded a refusal with {visit.status}", is_difference=True)
    elif socket.subprotocol != visit.subprotocol and not visit.joined_midway:
        stage.note(f"{url}: the CSMS chose {socket.subprotocol or 'no subprotocol'}, "
                   f"recorded {visit.subprotocol or 'none'}", is_difference=True)  # fmt: skip
    else:
        stage.note(f"connected to {url} as {socket.subprotocol or 'no subprotocol'}")
    dialogue = Dialogue(stage, socket, visit.version, is_lossy=visit.is_lossy or visit.joined_midway)
    await _speak(stage, dialogue, visit)
    await _end(stage, dialogue, socket, visit)
    dialogue.result()


async def _connect(target: Target, visit: Visit, url: str, timeout_s: float) -> ClientConnection:
    from websockets.asyncio.client import connect  # noqa: PLC0415 - see above
    from websockets.typing import Subprotocol  # noqa: PLC0415

    offered = visit.offered or ((_TOKENS[visit.version],) if visit.version in _TOKENS else ())
    headers = {}
    user = target.user if target.user is not None else visit.user
    if user is not None and (target.password is not None or not visit.has_password):
        credentials = f"{user}:{target.password or ''}".encode()
        headers["Authorization"] = "Basic " + base64.b64encode(credentials).decode()
    return await connect(
        url, subprotocols=[Subprotocol(token) for token in offered] or None, additional_headers=headers,
        compression="deflate" if visit.is_compressed else None, ssl=target.tls, proxy=None, ping_interval=None,
        open_timeout=timeout_s, close_timeout=5, max_size=MESSAGE_BYTES, user_agent_header="ocpp-inspect replay",
    )  # fmt: skip


async def _speak(stage: Stage, dialogue: Dialogue, visit: Visit) -> None:
    """Say what the station said by itself; its answers are given when the CSMS asks."""
    answers = visit.answers()
    script: list[Said | Ping] = [said for said in visit.messages if said.sender == "station" and _is_ours(said)]
    script = sorted([*script, *visit.pings], key=lambda each: each.ts_ns)
    sent: list[Said] = []
    for number, each in enumerate(script):
        await stage.until(each.ts_ns)
        if dialogue.is_over:
            left = sum(isinstance(said, Said) for said in script[number:])
            if left:
                stage.note(f"the CSMS ended the connection; {left} messages were not sent", is_difference=True)
            return
        if isinstance(each, Ping):
            await dialogue.ping(each.payload)
            continue
        # What it had heard before it said this: a StopTransaction needs the id that the answer to the start gives.
        heard = [said for said in sent
                 if (answer := answers.get(said.message_id)) is not None and answer.ts_ns <= each.ts_ns]  # fmt: skip
        if not stage.settings.speed:
            heard = sent if visit.is_lossy else heard
        if await dialogue.send(each, answers.get(each.message_id), heard):
            sent = [said for said in sent if said not in heard]
            if each.kind == "CALL":
                sent.append(each)


def _is_ours(said: Said) -> bool:
    return said.kind in ("CALL", "SEND", "INVALID")


async def _end(stage: Stage, dialogue: Dialogue, socket: ClientConnection, visit: Visit) -> None:
    await stage.until(visit.closed_ns)
    await dialogue.settle()
    if visit.closed_by == "csms" and visit.close_kind in ("fin", "rst") and not dialogue.is_over:
        await dialogue.wait_over(2.0)
        if not dialogue.is_over:
            stage.note("the CSMS keeps the connection, recorded it ended it here")
    if dialogue.is_over:
        code = socket.close_code
        expected = visit.closed_by == "csms"
        stage.note(f"the CSMS ended the connection ({code if code is not None else 'without a close frame'})",
                   is_difference=not expected and visit.closed_by == "station")  # fmt: skip
    own = visit.closed_by == "station"
    code = visit.close_code if own and visit.close_code is not None and _may_be_sent(visit.close_code) else 1000
    await dialogue.close(code, visit.close_reason if own else "")


def _may_be_sent(code: int) -> bool:
    """Whether a close frame may carry it (RFC 6455 §7.4)."""
    return (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999
