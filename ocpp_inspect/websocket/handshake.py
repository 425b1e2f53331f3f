"""HTTP heads of an upgrade in; its facts, its faults and the compression agreed on out (RFC 6455 §4, RFC 7692 §7.1)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Final, NamedTuple

from ocpp_inspect.http import Head
from ocpp_inspect.model import Flow, Upgrade

Faults = list[tuple[str, str]]

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)(.*)", re.DOTALL)
_FORWARDED: Final = re.compile(r'(?:^|[;,])[ \t]*for=(?:"([^"\\]*)"|([^\s;,"]+))', re.IGNORECASE)
_WINDOW_BITS: Final = re.compile(r"(?:8|9|1[0-5])$")


class Request(NamedTuple):
    """A request that waits for its answer, and where it was seen."""

    head: Head
    ts_ns: int
    packet: int

    @property
    def is_upgrade(self) -> bool:
        """Whether it tries to become a WebSocket."""
        return self.head.is_upgrade

    @property
    def may_be_upgrade(self) -> bool:
        """Whether it tries to become a WebSocket, or may do so in the part that was not captured."""
        return self.head.is_upgrade or (self.head.is_partial and self.head.method == "GET")

    @property
    def holds_stream(self) -> bool:
        """Whether the answer decides what the following octets of the client are."""
        return self.may_be_upgrade or self.head.method == "CONNECT"


class Deflate(NamedTuple):
    """permessage-deflate as agreed on."""

    client_no_takeover: bool
    server_no_takeover: bool


def accept_key(key: str) -> str:
    """RFC 6455 §4.2.2: the answer to a Sec-WebSocket-Key."""
    digest = hashlib.sha1(key.encode("latin-1") + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def _decode_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.encode("latin-1"), validate=True)
    except (binascii.Error, ValueError):
        return None


def check_request(head: Head) -> Faults:
    """What is wrong with an upgrade request (RFC 6455 §4.1)."""
    faults: Faults = [("http.bad_header", repr(line[:80])) for line in head.bad_lines[:5]]
    headers = head.headers
    if head.method != "GET":
        faults.append(("http.not_get", head.method))
    if head.minor < 1:
        faults.append(("http.old_version", "HTTP/1.0"))
    if "host" not in headers:
        faults.append(("http.missing_host", ""))
    if not head.has_token("upgrade", "websocket"):
        faults.append(("http.missing_upgrade", headers.get("upgrade", "")))
    if not head.has_token("connection", "upgrade"):
        faults.append(("http.missing_connection", headers.get("connection", "")))
    key = headers.get("sec-websocket-key")
    if key is None:
        faults.append(("http.missing_key", ""))
    elif len(_decode_base64(key) or b"") != 16:
        faults.append(("http.bad_key", repr(key[:80])))
    version = headers.get("sec-websocket-version")
    if version is None:
        faults.append(("http.missing_version", ""))
    elif version != "13":
        faults.append(("http.bad_version", version[:80]))
    if not head.words("sec-websocket-protocol"):
        faults.append(("http.no_subprotocol_offered", ""))
    return faults


def check_answer(request: Head | None, answer: Head) -> Faults:
    """What is wrong with a 101 answer (RFC 6455 §4.2.2). What depends on an unseen request is not judged."""
    faults: Faults = [("http.bad_header", repr(line[:80])) for line in answer.bad_lines[:5]]
    headers = answer.headers
    if not answer.has_token("upgrade", "websocket"):
        faults.append(("http.answer_missing_upgrade", headers.get("upgrade", "")))
    if not answer.has_token("connection", "upgrade"):
        faults.append(("http.answer_missing_connection", headers.get("connection", "")))
    accept = headers.get("sec-websocket-accept")
    if accept is None:
        faults.append(("http.missing_accept_key", ""))
    elif request is not None and "sec-websocket-key" in request.headers:
        expected = accept_key(request.headers["sec-websocket-key"])
        if accept != expected:
            faults.append(("http.wrong_accept_key", f"{accept[:80]!r} instead of {expected!r}"))
    selected = answer.words("sec-websocket-protocol")
    if len(selected) > 1:
        faults.append(("http.several_subprotocols_selected", ", ".join(selected)[:200]))
    if request is not None:
        offered = request.words("sec-websocket-protocol")
        faults += [
            ("http.subprotocol_not_offered", f"{name[:80]}; offered: {', '.join(offered)[:200] or 'none'}")
            for name in selected[:4]
            if name not in offered
        ]
        if offered and not selected:
            faults.append(("http.no_subprotocol_selected", f"offered: {', '.join(offered)[:200]}"))
    return faults


def _parse_extensions(text: str) -> list[tuple[str, dict[str, str | None], bool]]:
    """(name, parameters, has a repeated parameter) of each extension of a header."""
    extensions = []
    for part in text.split(",")[:32]:
        name, *rest = (piece.strip() for piece in part.split(";"))
        if not name:
            continue
        parameters: dict[str, str | None] = {}
        is_repeated = False
        for piece in rest[:16]:
            key, equals, value = piece.partition("=")
            key = key.strip().lower()
            is_repeated |= key in parameters
            parameters[key] = value.strip().strip('"') if equals else None
        extensions.append((name.lower(), parameters, is_repeated))
    return extensions


def negotiate(request: Head | None, answer: Head) -> tuple[Deflate | None, Faults]:
    """The compression that a 101 answer agrees on, and what is wrong with it (RFC 7692 §7.1)."""
    faults: Faults = []
    deflate: Deflate | None = None
    offered = None
    if request is not None:
        offered = {
            name: parameters
            for name, parameters, _ in _parse_extensions(request.headers.get("sec-websocket-extensions", ""))
        }
    for name, parameters, is_repeated in _parse_extensions(answer.headers.get("sec-websocket-extensions", "")):
        if offered is not None and name not in offered:
            faults.append(("http.extension_not_offered", name[:80]))
        if name != "permessage-deflate":
            faults.append(("http.bad_extension", f"unknown: {name[:80]}"))
            continue
        if deflate is not None or is_repeated:
            faults.append(("http.bad_extension", "permessage-deflate or one of its parameters is given twice"))
        for key, value in parameters.items():
            if key in ("client_no_context_takeover", "server_no_context_takeover"):
                is_valid = value is None
            elif key in ("client_max_window_bits", "server_max_window_bits"):
                is_valid = value is not None and _WINDOW_BITS.match(value) is not None
            else:
                is_valid = False
            if not is_valid:
                faults.append(("http.bad_extension", f"permessage-deflate parameter {key[:40]}={value or ''!s:.40}"))
        if (
            "client_max_window_bits" in parameters
            and offered is not None
            and name in offered
            and _never_offers_client_bits(request)
        ):
            faults.append(("http.bad_extension", "client_max_window_bits was not offered"))
        deflate = Deflate("client_no_context_takeover" in parameters, "server_no_context_takeover" in parameters)
    return deflate, faults


def _never_offers_client_bits(request: Head | None) -> bool:
    """RFC 7692 §7.1.2.2: the server may limit the client's window only when the client said it can."""
    offers = _parse_extensions(request.headers.get("sec-websocket-extensions", "")) if request is not None else []
    return not any(
        "client_max_window_bits" in parameters for name, parameters, _ in offers if name == "permessage-deflate"
    )


def split_target(target: str) -> tuple[str, str]:
    """(path as on the wire, authority) of a request target; a forward proxy gets absolute ones (RFC 9112 §3.2.2)."""
    absolute = _ABSOLUTE.match(target)
    if absolute is None:
        return target, ""
    return absolute[2] or "/", absolute[1].rpartition("@")[2]


def basic_auth(head: Head) -> tuple[str | None, bool, int]:
    """(user, has a password, length of the password) of Basic authentication; the password itself is dropped here."""
    scheme, _, credentials = head.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None, False, 0
    octets = _decode_base64(credentials.strip())
    if octets is None:
        return None, False, 0
    user, colon, password = octets.partition(b":")
    try:
        name = user.decode()
    except UnicodeDecodeError:
        name = user.decode("latin-1")
    return name, bool(colon), len(password)


def _forwarded(head: Head) -> str:
    """For whom, hop by hop, as the Forwarded header tells (RFC 7239 §5.2); "" when it tells nothing."""
    return ", ".join(found[1] or found[2] for found in _FORWARDED.finditer(head.headers.get("forwarded", "")))


def describe_upgrade(
    connection: int, request: Request | None, answer: Head | None, flow: Flow | None, client: int
) -> Upgrade:
    """The Upgrade record of a request and its answer, either of which may be unseen."""
    upgrade = Upgrade(connection=connection, ts_ns=0, packet=0, position=0, status=0)
    upgrade.request_complete = request is not None and not request.head.is_partial
    upgrade.answer_complete = answer is not None and not answer.is_partial
    if flow is not None:
        upgrade.client, upgrade.client_port, upgrade.server, upgrade.server_port = endpoints(flow, client)
    if request is not None:
        head = request.head
        upgrade.ts_ns, upgrade.packet = request.ts_ns, request.packet
        upgrade.path, authority = split_target(head.target)
        upgrade.host = head.headers.get("host", authority)
        upgrade.offered = head.words("sec-websocket-protocol")
        upgrade.offered_extensions = head.headers.get("sec-websocket-extensions", "")
        upgrade.user, upgrade.has_password, upgrade.password_length = basic_auth(head)
        upgrade.forwarded_for = head.headers.get("x-forwarded-for", "") or _forwarded(head)
        upgrade.user_agent = head.headers.get("user-agent", "")
        key = head.headers.get("sec-websocket-key", "")
        upgrade.key = key if len(_decode_base64(key) or b"") == 16 else ""
    if answer is not None:
        upgrade.status = answer.status
        selected = answer.words("sec-websocket-protocol")
        upgrade.subprotocol = selected[0] if selected else None
        upgrade.extensions = answer.headers.get("sec-websocket-extensions", "")
        upgrade.server_agent = answer.headers.get("server", "")
    return upgrade


def endpoints(flow: Flow, client: int) -> tuple[str, int, str, int]:
    """(client, its port, server, its port) when direction `client` is the client's."""
    if client == 1:
        return flow.b, flow.b_port, flow.a, flow.a_port
    return flow.a, flow.a_port, flow.b, flow.b_port
