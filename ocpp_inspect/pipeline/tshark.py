"""Captures in, Arrow batches out: the other engine. tshark decodes, our ocpp room and rules judge what it says.

For what we do not open ourselves: link types, cipher suites, tunnels. It is slow (some hundred packets a second) and
knows less: no losses, no anomalies below the messages, and only connections whose handshake was captured. A rule that
asks for what it cannot tell stays silent.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

from ocpp_inspect.capture import CaptureError
from ocpp_inspect.limits import NAMED_CONNECTIONS
from ocpp_inspect.model import (
    CaptureInfo,
    ConnectionClosed,
    Side,
    Upgrade,
    WsControl,
    WsItem,
    WsMessage,
    packet_key,
)
from ocpp_inspect.pipeline.options import Options, Outcome, Progress
from ocpp_inspect.pipeline.rules import program_of
from ocpp_inspect.pipeline.stream import StreamChain, filled

_LAYERS: Final = "frame ip ipv6 tcp http websocket data-text-lines"
_CONTROLS: Final = {8: "close", 9: "ping", 10: "pong"}
_BATCH: Final = 500


class _Stream:
    """One TCP stream of one capture."""

    def __init__(self, connection: int, opened_ns: int) -> None:
        self.connection = connection
        self.opened_ns = opened_ns
        self.request: Upgrade | None = None
        self.upgrade: Upgrade | None = None
        self.client = ("", 0)
        self.server = ("", 0)
        self.messages = 0
        self.last = (0, 0, 0)  # ts_ns, packet, position


def check_tshark(paths: Sequence[str]) -> None:
    """Raise CaptureError when tshark is not there, or an input is no file."""
    if shutil.which("tshark") is None:
        raise CaptureError("--engine tshark", "tshark is not installed", "apt install tshark, or leave --engine out")
    for path in paths:
        if not Path(path).is_file():
            raise CaptureError(path, "--engine tshark reads files only", "save it to a file first")


def decode_by_tshark(
    paths: Sequence[str], options: Options, first_capture: int, outcome: Outcome, progress: Progress | None
) -> Iterator[dict[str, Any]]:
    """Decode captures one behind the other; yields table → Arrow record batch. Raises CaptureError."""
    from ocpp_inspect.store.columns import Columns

    chain = StreamChain(program_of(options), validate=options.validate, acceptances=options.acceptances)
    columns, position = Columns(), 0
    for number, path in enumerate(paths):
        info = CaptureInfo(capture=first_capture + number, path=path, format="by tshark")
        reader = _Reader(info, position)
        batch: list[WsItem] = []
        ports = _tls_ports(path, options)
        reader.tls_ports = {int(port) for port, is_tls in ports if is_tls}
        for packet in _packets(path, options, ports):
            batch += reader.items_of(packet)
            if len(batch) >= _BATCH:
                yield from filled(columns, [chain.feed_messages(batch)])
                batch = []
        yield from filled(columns, [chain.feed_messages([*batch, *reader.ends()])])
        position = reader.position
        info.bytes = Path(path).stat().st_size
        outcome.captures.append(info)
        if progress is not None:
            progress(number + 1, len(paths))
    yield from filled(columns, [chain.finish()])
    yield columns.flush()
    outcome.add_counters(chain.counters())


def _command(path: str, options: Options) -> list[str]:
    command = ["tshark", "-n", "-r", path]
    for key_log in options.key_logs:
        command += ["-o", f"tls.keylog_file:{key_log}"]
    for key in options.private_keys:
        command += ["-o", f'uat:rsa_keys:"{key}",""']
    return command


def _environment() -> dict[str, str]:
    """Nobody's preferences and plugins: an installed dissector for OCPP would show the texts in another way."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent"}


def _tls_ports(path: str, options: Options) -> list[tuple[str, bool]]:
    """(port, speaks TLS) of the servers that were asked for TLS or for a WebSocket."""
    command = [*_command(path, options), "-Y", 'tls.handshake.type == 1 || tcp contains "Sec-WebSocket-Key"']
    command += ["-T", "fields", "-e", "tcp.dstport", "-e", "tls.handshake.type"]
    done = subprocess.run(  # noqa: S603 - no shell, our arguments
        command, capture_output=True, text=True, check=False, env=_environment()
    )
    found = (line.partition("\t") for line in sorted(set(done.stdout.splitlines())))
    return [(port, bool(handshake)) for port, _, handshake in found if port.isdigit()]


def _packets(path: str, options: Options, ports: list[tuple[str, bool]]) -> Iterator[ElementTree.Element]:
    """The packets with HTTP or WebSocket in them, as tshark's PDML describes them."""
    command = _command(path, options)
    for port, is_tls in ports:
        command += ["-d", f"tls.port=={port},http"] if is_tls else ["-d", f"tcp.port=={port},http"]
        command += ["-d", f"tcp.port=={port},tls"] if is_tls else []
    command += ["-Y", "http || websocket", "-T", "pdml", "-J", _LAYERS]
    with subprocess.Popen(  # noqa: S603 - no shell, our arguments
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment()
    ) as process:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101 - for the type checker
        try:
            for _, element in ElementTree.iterparse(process.stdout):  # noqa: S314 - tshark's own output
                if element.tag == "packet":
                    yield element
                    element.clear()
        except ElementTree.ParseError:
            process.kill()
        complaint = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise CaptureError(path, f"tshark cannot read it ({complaint.splitlines()[-1] if complaint else 'no reason'})")


class _Reader:
    """PDML packets of one capture in, items of the websocket room out."""

    def __init__(self, info: CaptureInfo, position: int) -> None:
        self._info = info
        self.position = position
        self.tls_ports: set[int] = set()
        self._streams: dict[int, _Stream] = {}

    def items_of(self, packet: ElementTree.Element) -> list[WsItem]:
        """What one packet completes."""
        self.position += 1
        info, frame = self._info, _number(packet, "frame.number")
        seconds, _, fraction = (_field(packet, "frame.time_epoch") or "0").partition(".")
        ts_ns = int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9] or 0)
        info.packets, info.last_ns = max(info.packets, frame), max(info.last_ns, ts_ns)
        info.first_ns = info.first_ns or ts_ns
        at = ts_ns, packet_key(info.capture, frame), self.position
        number = _number(packet, "tcp.stream")
        stream = self._streams.get(number)
        if stream is None:
            stream = self._streams[number] = _Stream(at[1], ts_ns)
            if len(self._streams) > NAMED_CONNECTIONS:
                del self._streams[next(iter(self._streams))]
        stream.last = at
        source = (_field(packet, "ip.src") or _field(packet, "ipv6.src") or "", _number(packet, "tcp.srcport"))
        target = (_field(packet, "ip.dst") or _field(packet, "ipv6.dst") or "", _number(packet, "tcp.dstport"))
        items: list[WsItem] = []
        protocols = [each for each in packet if each.get("name") != "fake-field-wrapper"]
        for protocol, following in pairwise([*protocols, packet]):
            if protocol.get("name") == "http":
                items += self._http(stream, protocol, at, source, target)
            elif protocol.get("name") == "websocket":
                items += self._frame(stream, protocol, following, at, source)
        return items

    def _http(
        self,
        stream: _Stream,
        protocol: ElementTree.Element,
        at: tuple[int, int, int],
        source: tuple[str, int],
        target: tuple[str, int],
    ) -> list[WsItem]:
        uri, status = _field(protocol, "http.request.uri"), _field(protocol, "http.response.code")
        tokens = tuple(
            part.strip() for part in (_field(protocol, "http.sec_websocket_protocol") or "").split(",") if part
        )
        if uri is not None and _field(protocol, "http.sec_websocket_key") is not None:
            stream.client, stream.server = source, target
            host = _field(protocol, "http.host") or ""
            stream.request = Upgrade(
                stream.connection, *at, 0, uri, host, tokens, client=source[0], client_port=source[1],
                server=target[0], server_port=target[1], user_agent=_field(protocol, "http.user_agent") or "",
                tls=target[1] in self.tls_ports,
            )  # fmt: skip
            credentials = _field(protocol, "http.authbasic")
            if credentials is not None:
                user, colon, password = credentials.partition(":")
                stream.request.user, stream.request.has_password = user, bool(colon)
                stream.request.password_length = len(password.encode())
        elif status is not None and status.isdigit() and stream.request is not None:
            upgrade, stream.request = stream.request, None
            upgrade.status, upgrade.response_ns, upgrade.response_packet = int(status), at[0], at[1]
            upgrade.position = at[2]
            upgrade.subprotocol = tokens[0] if tokens else None
            stream.upgrade = upgrade
            return [upgrade]
        return []

    @staticmethod
    def _frame(
        stream: _Stream,
        protocol: ElementTree.Element,
        following: ElementTree.Element,
        at: tuple[int, int, int],
        source: tuple[str, int],
    ) -> list[WsItem]:
        side: Side = "station" if source == stream.client else "csms"
        kind: Any = _CONTROLS.get(_number(protocol, "websocket.opcode"))
        if kind is not None:
            code = _number(protocol, "websocket.payload.close.status_code")
            return [WsControl(stream.connection, side, *at, kind, code if code > 0 else None)]
        if following.get("name") != "data-text-lines":
            return []
        text = bytes.fromhex("".join(line.get("value") or "" for line in following))
        stream.messages += 1
        return [WsMessage(stream.connection, side, at[0], *at, 1, text, 1, False, at[1])]

    def ends(self) -> list[WsItem]:
        """The connections, as far as they are known."""
        found: list[WsItem] = []
        for stream in self._streams.values():
            if stream.upgrade is not None:
                self.position += 1
                ts_ns, packet, _ = stream.last
                found.append(
                    ConnectionClosed(
                        stream.connection, ts_ns, packet, self.position, stream.opened_ns, *stream.client,
                        *stream.server, False, "end", "unknown", None, "", 0, stream.upgrade, stream.messages,
                        tls=stream.upgrade.tls,
                    )
                )  # fmt: skip
        return found


def _field(element: ElementTree.Element, name: str) -> str | None:
    found = element.find(f".//field[@name='{name}']")
    return None if found is None else found.get("show")


def _number(element: ElementTree.Element, name: str) -> int:
    value = _field(element, name) or ""
    return int(value) if value.isdigit() else -1
