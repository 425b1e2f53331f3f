"""The shapes of log lines that programs write: which, and what their parts mean.

A shape is a pattern that matches the text in front of the message, with the groups `time`, `station`, `session` and
`direction` as far as there are any. `senders` says who sent a message with this direction: "station", "csms", or
"received" / "sent" where it depends on whose log it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

Sender: TypeAlias = Literal["station", "csms", "received", "sent", "unknown"]
_GROUPS: Final = frozenset({"time", "station", "session", "direction", "message"})
_IDENTITY: Final = r"(?P<station>[^\s,\]:|]+)"

RECEIVED: Final = re.compile(
    r"\b(?:recv|recvd|receiv\w*|incoming|inbound|in|rx|from|got)\b|<-|<<|←|(?<=\s)<(?=\s|\[)", re.IGNORECASE
)
SENT: Final = re.compile(
    r"\b(?:send|sent|sending|outgoing|outbound|out|tx|to|reply\w*|respond\w*)\b|->|>>|→|(?<=\s)>(?=\s|\[)",
    re.IGNORECASE,
)
STATION_TO_CSMS: Final = re.compile(
    r"\b(?:cp|cs|charge\s?point|charging\s?station|charger|station|evse)\s*(?:->|-to-|>|→|to)\s*"
    r"(?:csms|central\s?system|backend|server|cms)\b",
    re.IGNORECASE,
)
CSMS_TO_STATION: Final = re.compile(
    r"\b(?:csms|central\s?system|backend|server|cms)\s*(?:->|-to-|>|→|to)\s*"
    r"(?:cp|cs|charge\s?point|charging\s?station|charger|station|evse)\b",
    re.IGNORECASE,
)
NAMED: Final = re.compile(
    r"\b(?:charge_?(?:box|point)_?(?:id|identity)|charging_?station(?:_?id)?|station_?(?:id|name)?|identity|identifier|"
    r"cp_?id|cp|client)\b\"?\s*[=: ]\s*\"?(?P<station>[\w.:*/-]*[\w*])",
    re.IGNORECASE,
)
"""What a line says about its station when nobody knows whose format it is."""


class LogFormatError(Exception):
    """A `--log-format` cannot be used; the text says why."""


class LogFormat(msgspec.Struct, frozen=True):
    """One shape of lines."""

    name: str
    pattern: re.Pattern[str]
    senders: Mapping[str, Sender] = {}
    opened: re.Pattern[str] | None = None
    closed: re.Pattern[str] | None = None
    follows: bool = False  # the message begins on the next line
    entities: bool = False  # < and > in the message are written as HTML entities

    def sender(self, direction: str | None) -> Sender:
        """Who sent a message with this direction."""
        if not direction:
            return "unknown"
        known = self.senders.get(direction.strip().lower())
        return known if known is not None else sender_by_words(f" {direction} ")


def sender_by_words(text: str) -> Sender:
    """Who sent a message, by the words in front of it; the nearest one counts."""
    if STATION_TO_CSMS.search(text):
        return "station"
    if CSMS_TO_STATION.search(text):
        return "csms"
    last = {name: max((m.start() for m in form.finditer(text)), default=-1) for name, form in _WORDS.items()}
    if last["received"] == last["sent"]:
        return "unknown"
    return "received" if last["received"] > last["sent"] else "sent"


_WORDS: Final[Mapping[Sender, re.Pattern[str]]] = {"received": RECEIVED, "sent": SENT}

KNOWN: Final = (
    LogFormat(
        "SteVe",
        re.compile(
            r"\[chargeBoxId=(?P<station>[^\],]*), sessionId=(?P<session>[^\]]*)\] "
            r"(?P<direction>Received|Sending|Sent)(?: message)?: "
        ),
        {"received": "station", "sending": "csms", "sent": "csms"},
        re.compile(
            r"\[chargeBoxId=(?P<station>[^\],]*), sessionId=(?P<session>[^\]]*)\] (?:New c|C)onnection is established"
        ),
        re.compile(
            r"\[chargeBoxId=(?P<station>[^\],]*), sessionId=(?P<session>[^\]]*)\] Connection (?:is |was )?closed"
            r"(?:.*?code=(?P<code>\d+))?(?:.*?reason=(?P<reason>[^\]]*))?"
        ),
    ),
    LogFormat(
        "evcc",
        re.compile(rf"\[ocpp\s*\] TRACE (?P<time>\S+ \S+) (?P<direction>recv|send|sent) {_IDENTITY}: "),
        {"recv": "station", "send": "csms", "sent": "csms"},
        re.compile(rf"\[ocpp\s*\] \w+ (?P<time>\S+ \S+) charge point connected: {_IDENTITY}"),
        re.compile(rf"\[ocpp\s*\] \w+ (?P<time>\S+ \S+) charge point disconnected: {_IDENTITY}"),
    ),
    LogFormat(
        "Python ocpp",  # and what is built on it, such as Home Assistant's integration
        re.compile(rf"(?:^|[\s:|]){_IDENTITY}: (?P<direction>receive message|send) (?=\[)"),
        {"receive message": "received", "send": "sent"},
    ),
    LogFormat(
        "libocpp file",
        re.compile(r"^(?P<time>\S+): (?P<direction>ChargePoint>CentralSystem|CentralSystem>ChargePoint) .*$"),
        {"chargepoint>centralsystem": "station", "centralsystem>chargepoint": "csms"},
        follows=True,
    ),
    LogFormat(
        "libocpp HTML",
        re.compile(
            r"<tr class=\"(?P<direction>ChargePoint|CentralSystem)\">\s*<td>(?P<time>[^<]*)</td>.*?<pre lang=\"json\">"
        ),
        {"chargepoint": "station", "centralsystem": "csms"},
        entities=True,
    ),
    LogFormat(
        "libocpp console",
        re.compile(r"(?:^|\s)(?P<direction>ChargePoint|CentralSystem): (?=\[)"),
        {"chargepoint": "station", "centralsystem": "csms"},
    ),
)

ANY: Final = LogFormat("lines with OCPP-J", re.compile(r"(?P<direction>)"))
"""Any line that holds an OCPP-J array; its time, direction and station are found by their looks."""


def format_names() -> tuple[str, ...]:
    """The formats that are recognised."""
    return tuple(each.name for each in KNOWN)


def own_format(text: str) -> LogFormat:
    """A user's `--log-format`: a regular expression with named groups. Raises LogFormatError."""
    try:
        pattern = re.compile(text)
    except re.error as error:
        where = f" at character {error.pos}" if error.pos is not None else ""
        raise LogFormatError(f"not a regular expression: {error.msg}{where}") from None
    unknown = set(pattern.groupindex) - _GROUPS
    if unknown:
        raise LogFormatError(f"unknown group {sorted(unknown)[0]!r}; known are {', '.join(sorted(_GROUPS))}")
    if "message" not in pattern.groupindex:
        raise LogFormatError("the group (?P<message>…) is missing: the OCPP-J array")
    return LogFormat("--log-format", pattern)
