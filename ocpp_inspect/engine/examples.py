"""A rule's example transcripts in, what they fail to show out.

A transcript becomes the items that the websocket room would hand on; they go through the true dissector (`dissect`) and
the engine with *all* rules. A line that ends in `# ID` must cause that finding at that moment, every other line none.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from ocpp_inspect.engine.engine import Engine
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.engine.rule import Rule
from ocpp_inspect.model import (
    Anomaly,
    Certificate,
    ConnectionClosed,
    Finding,
    Loss,
    OcppItem,
    TlsSession,
    Upgrade,
    WsControl,
    WsItem,
    WsMessage,
    packet_key,
)

Dissect = Callable[[list[WsItem]], list[OcppItem]]
"""The feed of a fresh `ocpp_inspect.ocpp.Ocpp`; rooms do not import each other, so the caller brings it."""

_BASE: Final = "2026-01-01T00:00:00+00:00"
_MARK: Final = re.compile(
    r"\s+#\s*([A-Z][A-Z0-9]*-\d{3}\??(?:\s*,?\s+[A-Z][A-Z0-9]*-\d{3}\??)*)\s*\Z"  # findings
    r"|\s+#\s[^\]\[{}\"]*\Z"  # a remark
)
_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|h|d)?\Z")
_UNITS: Final = {"ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_ARROW: Final = re.compile(r"([A-Z]?)([<>])\Z")
_HEADERS: Final = ("version", "station", "start", "transport")
_UPGRADE_KEYS: Final = frozenset(Upgrade.__struct_fields__) - {"connection", "ts_ns", "packet", "position"}


class Failure(NamedTuple):
    """An example that does not show what it says."""

    rule: str
    path: str
    line: int
    text: str


class TranscriptError(Exception):
    """A transcript line cannot be read."""


class _Connection:
    """A connection of the transcript."""

    def __init__(self, number: int, station: str, path: str, opened_ns: int, *, midway: bool) -> None:
        self.number = number
        self.station = station
        self.path = path
        self.opened_ns = opened_ns
        self.midway = midway
        self.upgrade: Upgrade | None = None
        self.messages = 0
        self.close: tuple[str, int | None, str] | None = None


def run_examples(
    rules: Sequence[Rule], new_dissector: Callable[[], Dissect], only: Sequence[Rule] | None = None
) -> list[Failure]:
    """Run the examples of `only` (default: all) against all `rules`."""
    failures: list[Failure] = []
    for migrates in (False, True):  # those that tell faults, and those that tell changes: never both in one run
        together = [rule for rule in rules if (rule.axis == "migration") is migrates]
        chosen = together if only is None else [rule for rule in only if (rule.axis == "migration") is migrates]
        program = Program(together, load_monitor)
        for rule in chosen:
            for text, line in zip(rule.examples, rule.example_lines, strict=True):
                failures += run_transcript(text, program, new_dissector(), rule, line)
    return failures


def run_transcript(text: str, program: Program, dissect: Dissect, rule: Rule, first_line: int = 1) -> list[Failure]:
    """Run one transcript."""
    player = _Player(program.over(rule.transports[0]) if rule.transports else program, dissect, rule.versions)
    failures: list[Failure] = []
    for number, raw in enumerate(text.splitlines()):
        try:
            expected, found = player.play(raw)
        except TranscriptError as error:
            return [
                *failures,
                Failure(rule.id, rule.path, first_line + number, f"cannot read {raw.strip()!r}: {error}"),
            ]
        failures += [Failure(rule.id, rule.path, first_line + number, problem) for problem in _compare(expected, found)]
    return failures


def play_transcript(text: str, rules: Sequence[Rule] | Program, dissect: Dissect) -> list[Finding]:
    """Every finding of `rules` about a transcript, those of its end too; what its lines assert is not looked at."""
    player = _Player(rules if isinstance(rules, Program) else Program(rules, load_monitor), dissect, ())
    found = [finding for line in text.splitlines() for finding in player.play(line)[1]]
    return found + player.finish()


def _compare(expected: list[str], found: list[Finding]) -> list[str]:
    problems = []
    rest = list(expected)
    for finding in found:
        word = finding.rule + ("?" if finding.verdict == "inconclusive" else "")
        if word in rest:
            rest.remove(word)
        else:
            problems.append(f"unexpected {word} ({finding.name}): {finding.text}")
    problems += [f"{word} was not found" for word in rest]
    return problems


class _Player:
    """Plays a transcript line by line."""

    def __init__(self, program: Program, dissect: Dissect, versions: tuple[str, ...]) -> None:
        self._engine = Engine(program)
        self._dissect = dissect
        self._version = versions[0] if versions else "1.6"
        self._station = "CP001"
        self._base_ns = int(datetime.fromisoformat(_BASE).timestamp()) * 10**9
        self._now_ns = self._base_ns
        self._position = 0
        self._connections: dict[str, _Connection] = {}
        self._label = "A"
        self._opened = 0

    def play(self, raw: str) -> tuple[list[str], list[Finding]]:
        """One line: (findings that it asserts, findings that it caused)."""
        expected: list[str] = []
        line = raw.strip()
        if not line or line.startswith("#"):
            return [], []
        mark = _MARK.search(line)
        if mark is not None:
            expected = re.findall(r"[A-Z][A-Z0-9]*-\d{3}\??", mark[1] or "")
            line = line[: mark.start()].rstrip()
        first, _, rest = line.partition(" ")
        if first in _HEADERS:
            self._header(first, rest.strip())
            return expected, []
        time = _TIME.match(first)
        if time is None:
            raise TranscriptError("a line begins with its time in seconds")
        now = self._base_ns + round(float(time[1]) * _UNITS[time[2] or "s"])
        if now < self._now_ns:
            raise TranscriptError("time runs backwards")
        self._now_ns = now
        found = self._engine.tick(now) if not rest.strip() else []
        for items in self._items(rest.strip()) if rest.strip() else ():
            found += self._engine.feed(items)
        return expected, found

    def finish(self) -> list[Finding]:
        """The end of the transcript."""
        return self._engine.finish(self._now_ns)

    def _header(self, word: str, value: str) -> None:
        if word == "version":
            self._version = value.strip('"')
        elif word == "transport":
            if value not in ("websocket", "soap"):
                raise TranscriptError(f"{value!r} is no transport; write websocket or soap")
            self._engine = Engine(self._engine.program.over(value))
        elif word == "station":
            self._station = value
        else:
            try:
                self._base_ns = self._now_ns = int(datetime.fromisoformat(value).timestamp() * 1000) * 10**6
            except ValueError as error:
                raise TranscriptError(str(error)) from None

    # ------------------------------------------------------------------------------------------------ lines

    def _items(self, rest: str) -> list[list[OcppItem]]:
        word, _, tail = rest.partition(" ")
        tail = tail.strip()
        arrow = _ARROW.match(word)
        if arrow is not None:
            before = self._connect(arrow[1])
            return [*before, self._dissect([self._sent(arrow[1] or self._label, arrow[2], tail)])]
        if word in ("open", "joined"):
            return self._open(tail, midway=word == "joined")
        if word == "close":
            return [*self._connect(""), self._dissect([self._closed(tail)])]
        if word == "tls":
            return [self._dissect([self._secured(tail)])]
        if word == "loss":
            return [*self._connect(""), self._dissect([self._loss(tail)])]
        if word == "anomaly":
            name, _, detail = tail.partition(" ")
            sender = {"<": "csms", ">": "station"}.get(detail[:1], "unknown")
            packet, position = self._next()
            before = self._connect("")
            anomaly = Anomaly(name, self._now_ns, packet, position, self._connections[self._label].number,
                              sender, detail.lstrip("<> "))  # type: ignore[arg-type]  # fmt: skip
            return [*before, self._dissect([anomaly])]
        raise TranscriptError(f"{word!r} is none of >, <, open, joined, close, loss, anomaly, tls")

    def _next(self) -> tuple[int, int]:
        self._position += 1
        return packet_key(1, self._position), self._position

    def _connect(self, label: str) -> list[list[OcppItem]]:
        """A transcript without `open` begins in the middle of a connection whose version is known."""
        label = label or self._label
        if label in self._connections:
            return []
        if label != self._label or self._opened:
            raise TranscriptError(f"connection {label} is not open")
        connection, upgrade = self._upgrade(label, {})
        connection.midway = True
        self._dissect([upgrade])  # tells the dissector station and version; the rules have not seen it
        self._engine.hear(connection.station, connection.number)
        return []

    def _upgrade(self, label: str, words: dict[str, str]) -> tuple[_Connection, Upgrade]:
        packet, position = self._next()
        station = words.pop("station", self._station)
        self._opened += 1
        subprotocol = f"ocpp{self._version}"
        fields: dict[str, Any] = {
            "status": 101, "path": f"/ocpp/{station}", "host": "csms.example", "offered": (subprotocol,),
            "subprotocol": subprotocol, "client": f"10.0.0.{self._opened}", "client_port": 50000 + self._opened,
            "server": "10.0.1.1", "server_port": 443, "tls": True, "response_ns": self._now_ns,
            "response_packet": packet,
        }  # fmt: skip
        for name, value in words.items():
            if name not in _UPGRADE_KEYS:
                raise TranscriptError(f"an upgrade has no {name!r}")
            fields[name] = _field(name, value)
        if fields["status"] != 101 and "subprotocol" not in words:
            fields["subprotocol"] = None
        connection = _Connection(packet, station, fields["path"], self._now_ns, midway=False)
        connection.upgrade = Upgrade(packet, self._now_ns, packet, position, **fields)
        self._connections[label] = connection
        self._label = label
        return connection, connection.upgrade

    def _open(self, tail: str, *, midway: bool) -> list[list[OcppItem]]:
        words = _words(tail)
        label = words.pop("as", "A")
        connection, upgrade = self._upgrade(label, words)
        if not midway:
            return [self._dissect([upgrade])]
        connection.midway = True
        self._dissect([upgrade])
        packet, position = self._next()
        return [self._dissect([Loss(connection.number, "unknown", self._now_ns, packet, position, "joined_midway")])]

    def _sent(self, label: str, arrow: str, text: str) -> WsItem:
        connection = self._connections.get(label)
        if connection is None:
            raise TranscriptError(f"connection {label} is not open")
        self._label = label
        side: Any = "station" if arrow == ">" else "csms"
        packet, position = self._next()
        word, _, tail = text.partition(" ")
        if word in ("ping", "pong"):
            return WsControl(connection.number, side, self._now_ns, packet, position, word, payload=tail.encode())  # type: ignore[arg-type]
        if word == "close":
            code, _, reason = tail.partition(" ")
            number = int(code) if code.isdigit() else None
            connection.close = (side, number, reason)
            return WsControl(connection.number, side, self._now_ns, packet, position, "close", number, reason)
        connection.messages += 1
        opcode, payload = (2, text[7:].encode()) if word == "binary" else (1, text.encode())
        return WsMessage(
            connection.number, side, self._now_ns, self._now_ns, packet, position, opcode, payload, 1, False, packet
        )

    def _closed(self, tail: str) -> WsItem:
        words = _words(tail)
        label = words.pop("as", self._label)
        connection = self._connections.pop(label, None)
        if connection is None:
            raise TranscriptError(f"connection {label} is not open")
        if unknown := set(words) - {"by", "kind"}:
            raise TranscriptError(f"close has no {min(unknown)!r}")
        by, code, reason = connection.close or ("unknown", None, "")
        packet, position = self._next()
        upgrade = connection.upgrade
        assert upgrade is not None  # noqa: S101 - every connection here has one
        kind: Any = words.get("kind", "fin")
        side: Any = words.get("by", by)
        return ConnectionClosed(
            connection.number, self._now_ns, packet, position, connection.opened_ns, upgrade.client,
            upgrade.client_port, upgrade.server, upgrade.server_port, connection.midway, kind, side, code, reason, 0,
            None if connection.midway else upgrade, connection.messages,
        )  # fmt: skip

    def _secured(self, tail: str) -> WsItem:
        """A TLS handshake that completed, unless the words say otherwise; `names=` is its certificate's."""
        words = _words(tail)
        packet, position = self._next()
        fields: dict[str, Any] = {
            "client": "10.0.0.1", "server": "10.0.1.1", "server_port": 443, "outcome": "completed", "version": "1.2",
            "suite": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "hello_seen": True, "station": self._station,
            "offered_suites": ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",), "offered_versions": ("1.2",),
        }  # fmt: skip
        certificate: dict[str, Any] = {}
        for name, value in words.items():
            if name in ("not_before", "not_after"):
                certificate[f"{name}_ns"] = int(datetime.fromisoformat(value).timestamp()) * 10**9
            elif name in Certificate.__struct_fields__:
                certificate[name] = tuple(value.split(",")) if name == "names" else value
            elif name not in TlsSession.__struct_fields__:
                raise TranscriptError(f"a TLS handshake has no {name!r}")
            else:
                fields[name] = _tls_field(name, value)
        if certificate:
            half_a_year_ns = 182 * 86400 * 10**9
            valid = {"not_before_ns": self._now_ns - half_a_year_ns, "not_after_ns": self._now_ns + half_a_year_ns}
            fields |= {"certificates": (Certificate(**valid | certificate),), "chain_seen": True}
        return TlsSession(packet, self._now_ns, packet, position, "handshake", **fields)

    def _loss(self, tail: str) -> WsItem:
        arrow, _, rest = tail.partition(" ")
        side: Any = {">": "station", "<": "csms", "": "unknown"}.get(arrow)
        if side is None:
            raise TranscriptError("write `loss`, `loss >` or `loss <`, then key=value")
        words = _words(rest)
        packet, position = self._next()
        cause: Any = words.get("cause", "gap")
        return Loss(self._connections[self._label].number, side, self._now_ns, packet, position, cause,
                    int(words.get("bytes", "0")))  # fmt: skip


def _words(text: str) -> dict[str, str]:
    """key=value words; values may be quoted."""
    try:
        parts = [part.partition("=") for part in shlex.split(text)]
    except ValueError as error:
        raise TranscriptError(str(error)) from None
    if any(not equals for _, equals, _ in parts):
        raise TranscriptError("write key=value")
    return {name: value for name, _, value in parts}


def _tls_field(name: str, value: str) -> Any:
    if name.startswith("offered_"):
        return tuple(part for part in value.split(",") if part)
    if name == "client_certificates":
        return () if value == "none" else (Certificate(subject=value),)
    return value == "true" if value in ("true", "false") else value


def _field(name: str, value: str) -> Any:
    if name == "offered":
        return tuple(token for token in value.split(",") if token)
    if name in ("subprotocol", "user"):
        return value or None
    if name in ("has_password", "tls", "request_complete", "answer_complete"):
        return value == "true"
    return int(value) if value.isdigit() and name not in ("path", "body", "user_agent") else value
