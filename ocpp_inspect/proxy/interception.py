"""A complete WebSocket message of either side in, what to do with it out: the contract of everything that manipulates.

While `Interceptor.wants(link)` is False, octets are forwarded before anything looks at them. While it is True, the
relay puts whole messages together and asks `message()` about each; what is answered with `Forward()` still goes on as
the very octets that came, as long as the compression of that direction allows it: once a compressed message was dropped
or replaced, the receiver's compression history differs from the sender's, and later messages are compressed anew.

All methods run in the relay's event loop: they must not block, and may create tasks and futures in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Sender: TypeAlias = Literal["station", "csms"]


@dataclass(frozen=True, slots=True)
class Link:
    """One connection through the proxy: a station's socket and the socket to its CSMS.

    `connection` is the number that the database knows it by. `path` is the station's request target as it came;
    `client` is the station's "address:port"; `upstream` the URL that the proxy connected to.
    """

    connection: int
    station: str
    path: str
    subprotocol: str | None
    client: str
    upstream: str


@dataclass(frozen=True, slots=True)
class UpgradeAttempt:
    """A station asks for an upgrade. Header names are in lower case; credentials are masked."""

    connection: int
    station: str
    path: str
    client: str
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The answer to an upgrade that must not succeed: it goes to the station, the upstream is not asked."""

    status: int = 503
    reason: str = "Service Unavailable"
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    note: str = ""  # why, for the mark


@dataclass(frozen=True, slots=True)
class Passing:
    """One complete message on its way, or one control frame.

    `text` is None when it cannot be read as text: binary, no UTF-8, or compressed with a history that is not known.
    `payload` is unmasked and inflated (None when that failed). `octets` are the frames as they came.
    Opcodes (RFC 6455 §5.2): 1 text, 2 binary, 8 close, 9 ping, 10 pong. Times are ns since the epoch.
    """

    link: Link
    sender: Sender
    ts_ns: int
    opcode: int
    text: str | None
    payload: bytes | None
    octets: bytes
    frames: int
    compressed: bool

    @property
    def is_control(self) -> bool:
        """Whether it is a ping, a pong or a close frame."""
        return self.opcode >= 8


# --------------------------------------------------------------------------- what an interceptor answers
#
# A sequence of actions, done in order; the empty sequence does the same as [Drop()]. `note` says why, for a person (the
# step of a scenario, "held at the console"); it becomes part of the mark. Examples:
#     [Forward()]                                 unchanged
#     [Forward(), Forward()]                      duplicated
#     [Replace('[3,"7",{}]')]                     modified
#     [Delay(2.5)]                                2.5 s later, the following messages behind it
#     [Delay(2.5, is_overtaken=True)]             2.5 s later, the following ones do not wait (reordered)
#     [Hold(future)]                              until the future's result, which is again a sequence of actions
#     [Drop()] after injector.inject(…)           answered in the other side's place


@dataclass(frozen=True, slots=True)
class Forward:
    """The message as it came. No mark, unless it is forwarded twice."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Replace:
    """Another text in its place: framed, masked with a fresh key (RFC 6455 §5.3) and compressed where need be."""

    text: str
    note: str = ""
    mark: str = "proxy.modified"


@dataclass(frozen=True, slots=True)
class Drop:
    """The message is not forwarded. `mark` "proxy.answer_kept" for the answer to a message that was injected."""

    note: str = ""
    mark: str = "proxy.dropped"


@dataclass(frozen=True, slots=True)
class Delay:
    """The message later. Following data messages of its sender wait behind it, unless `is_overtaken`."""

    seconds: float
    is_overtaken: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """The message waits for the future's result: what to do with it then (`Hold` and `Delay` again are allowed).

    Following data messages of its sender wait behind it, unless `is_overtaken`; pings and pongs pass, or one side would
    take the other for dead. A cancelled future forwards the message. When the connection ends first, the future is
    cancelled and the message is marked as dropped.
    """

    release: asyncio.Future[Sequence[Action]]
    is_overtaken: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Close:
    """Both sides get a close frame (RFC 6455 §5.5.1), then the connections end; the message itself is dropped."""

    code: int = 1000
    reason: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """Both sockets are reset without a close frame; the message itself is dropped."""

    note: str = ""


Action: TypeAlias = Forward | Replace | Drop | Delay | Hold | Close | Cut


@dataclass(frozen=True, slots=True)
class Mark:
    """What was done to a message: becomes an Anomaly of the message's connection, beside the message.

    `name` is one of `ANOMALIES`; `original` is the text as it came ("" for an injected one), `forwarded` as it
    went on ("" for a dropped one). `sender` is the side from which it came, or seemed to come.
    """

    name: str
    connection: int
    station: str
    sender: Sender
    ts_ns: int
    original: str = ""
    forwarded: str = ""
    note: str = ""


class LinkGoneError(LookupError):
    """The connection has ended, or never was."""


class Injector(Protocol):
    """What the relay can be asked to do, from within its event loop; handed to `Interceptor.attach`."""

    def links(self) -> Sequence[Link]:
        """The WebSocket connections that are open now."""
        ...

    def inject(
        self, connection: int, toward: Sender, text: str, *, note: str = "", mark: str = "proxy.injected"
    ) -> None:
        """Send a text message to one side, between the messages that pass.

        It is told to the analysis as sent by the other side. Its answer comes to `message()` like every message: the
        interceptor must want the link until then, and drop the answer. Raises LinkGoneError.
        """
        ...

    def close(self, connection: int, code: int, reason: str = "", *, note: str = "") -> None:
        """Send both sides a close frame and end the connection. Raises LinkGoneError."""
        ...

    def cut(self, connection: int, *, note: str = "") -> None:
        """Reset both sockets. Raises LinkGoneError."""
        ...

    def reconsider(self) -> None:
        """Ask `wants` again for every link; a change takes effect at the next boundary between messages."""
        ...


class Interceptor(Protocol):
    """Stands between the stations and their CSMS."""

    @property
    def may_want(self) -> bool:
        """Whether `wants` may ever be True: the relay then keeps the compression history of every connection."""
        ...

    def attach(self, injector: Injector) -> None:
        """Called once, when the relay has started."""
        ...

    def upgrade(self, attempt: UpgradeAttempt) -> Refusal | None:
        """A station asks for an upgrade; None lets it pass."""
        ...

    def opened(self, link: Link) -> None:
        """An upgrade succeeded."""
        ...

    def wants(self, link: Link) -> bool:
        """Whether messages of this link must be shown before they are forwarded. Asked at `opened` and `reconsider`."""
        ...

    def message(self, message: Passing) -> Sequence[Action]:
        """A message of a wanted link came: what to do with it. An exception in here forwards the message."""
        ...

    def marked(self, mark: Mark) -> None:
        """Something was done to a message (for a screen; the database learns it by itself)."""
        ...

    def closed(self, link: Link) -> None:
        """The connection ended."""
        ...


class Transparent:
    """The interceptor of a proxy that only watches. Base class for those who want only some of the calls."""

    @property
    def may_want(self) -> bool:
        """Never."""
        return False

    def attach(self, injector: Injector) -> None:
        """Nothing to do."""

    def upgrade(self, attempt: UpgradeAttempt) -> Refusal | None:
        """Every upgrade passes."""
        return None

    def opened(self, link: Link) -> None:
        """Nothing to do."""

    def wants(self, link: Link) -> bool:
        """No link."""
        return False

    def message(self, message: Passing) -> Sequence[Action]:
        """As it came."""
        return (Forward(),)

    def marked(self, mark: Mark) -> None:
        """Nothing to do."""

    def closed(self, link: Link) -> None:
        """Nothing to do."""
