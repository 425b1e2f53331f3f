"""A text of OCPP-J or an HTTP head in; the same made hostile out."""

from __future__ import annotations

import json
from random import Random
from typing import Any

HOSTILE_WORDS = (
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "[bold red]markup[/bold red]", "[/]", "[link=file:///]x[/link]",
    "\x00", "a\x00b", "\r\n\r\n", "\u202egnp.exe", "\u2028\u2029", "\ud800", "\udfff\ud800", "\ufeff", "\u0301" * 200,
    "A" * 5000, "'; DROP TABLE messages; --", "{{7*7}}", "%s%n%x", "../../../etc/passwd", "\U0001f50c" * 50, "", " ",
    "NaN", "2020-02-30T25:61:61Z", "9999-12-31T23:59:59.999999999+14:00", "0000-00-00T00:00:00Z", "\x7f\x85", "-1",
    "$.a[0]['x']", "\\u001b", "\t|\t", "=cmd|' /C calc'!A0", "\U000e0041\U000e007f",
)  # fmt: skip
HOSTILE_NUMBERS = (
    0, -1, 1.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400, True, False, None,
)  # fmt: skip
HOSTILE_LITERALS = ("1e999", "-1e999", "NaN", "Infinity", "01", "1.", ".5", "1e400000", "0x10", "9" * 5000, "-")
_PLACEHOLDER = "@literal@"


def hostile_json(text: str, chance: Random) -> bytes:
    """The message changed in one to three ways; often no longer JSON, or no longer OCPP-J."""
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):  # an earlier change nested it too deeply
        value = [2, "1", "Heartbeat", {}]
    for _ in range(chance.randint(1, 3)):
        value = _change(value, chance)
    try:
        out = json.dumps(value, ensure_ascii=chance.random() < 0.5, separators=(",", ":"))
    except RecursionError:
        out = text
    if _PLACEHOLDER in out:
        out = out.replace(f'"{_PLACEHOLDER}"', chance.choice(HOSTILE_LITERALS))
    octets = out.encode("utf-8", "surrogatepass")
    return chance.choice(_SPOILERS)(octets, chance) if chance.random() < 0.4 else octets


def _change(value: Any, chance: Random) -> Any:
    kind = chance.randrange(10)
    if kind == 0:
        return _nested(chance.choice((3, 40, 250, 255, 600, 900)), chance)
    if kind == 1 and isinstance(value, list) and value:
        value[chance.randrange(len(value))] = _value(chance)
    elif kind == 2 and isinstance(value, list):
        value.insert(chance.randint(0, len(value)), _value(chance))
    elif kind == 3 and isinstance(value, list) and value:
        del value[chance.randrange(len(value))]
    elif kind == 4 and isinstance(value, list) and value:
        value[0] = chance.choice((0, 1, 2, 3, 4, 5, 6, 7, "2", 2.0, True, -2, 10**20))
    elif kind == 5 and isinstance(value, list) and value and isinstance(value[-1], dict):
        for number in range(chance.choice((1, 20, 1000))):
            value[-1][f"{chance.choice(HOSTILE_WORDS)}{number}"] = _value(chance)
    elif kind == 6 and isinstance(value, list) and value:
        value[-1] = {"deep": _nested(chance.choice((10, 240, 500)), chance)}
    else:
        value = _inside(value, chance, 8)
    return value


def _inside(value: Any, chance: Random, depth: int) -> Any:
    """Put something hostile somewhere inside."""
    if depth and isinstance(value, dict) and value:
        key = chance.choice(list(value))
        if chance.random() < 0.15:
            value[chance.choice(HOSTILE_WORDS)] = value.pop(key)
        else:
            value[key] = _inside(value[key], chance, depth - 1)
        return value
    if depth and isinstance(value, list) and value:
        index = chance.randrange(len(value))
        value[index] = _inside(value[index], chance, depth - 1)
        return value
    return _value(chance)


def _value(chance: Random) -> Any:
    kind = chance.randrange(6)
    if kind <= 1:
        return chance.choice(HOSTILE_WORDS)
    if kind == 2:
        return chance.choice(HOSTILE_NUMBERS)
    if kind == 3:
        return _PLACEHOLDER
    if kind == 4:
        return [chance.choice(HOSTILE_NUMBERS)] * chance.choice((0, 1, 300))
    return {chance.choice(HOSTILE_WORDS): chance.choice(HOSTILE_WORDS)}


def _nested(depth: int, chance: Random) -> Any:
    value: Any = chance.choice(HOSTILE_WORDS)
    is_array = chance.random() < 0.5
    for _ in range(depth):
        value = [value] if is_array else {"a": value}
    return value


def _twice(octets: bytes, chance: Random) -> bytes:
    """Repeat a key, many times."""
    at = octets.rfind(b"{")
    key = b'"status":"' + str(chance.random()).encode() + b'",'
    return octets[: at + 1] + key * chance.choice((2, 500)) + octets[at + 1 :] if at >= 0 else octets


def _bad_utf8(octets: bytes, chance: Random) -> bytes:
    at = chance.randint(0, len(octets))
    bad = chance.choice((b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\x80" * 40))
    return octets[:at] + bad + octets[at:]


def _raw_control(octets: bytes, chance: Random) -> bytes:
    at = chance.randint(0, len(octets))
    return octets[:at] + chance.choice((b"\x1b[2J", b"\x00", b"\x07", b"\r\n", b"\xc2\x9b2J", b"\x7f")) + octets[at:]


def _opened(octets: bytes, chance: Random) -> bytes:
    return chance.choice((b"[", b'{"a":', b"[2,")) * chance.choice((10, 300, 20_000)) + octets


def _cut(octets: bytes, chance: Random) -> bytes:
    return octets[: chance.randint(0, len(octets))]


def _framed(octets: bytes, chance: Random) -> bytes:
    return (
        chance.choice((b"\xef\xbb\xbf", b" \n\t", b""))
        + octets
        + chance.choice((b"\x00", b" \n", b"]", b"[2]", octets))
    )


_SPOILERS = (_twice, _bad_utf8, _raw_control, _opened, _cut, _framed)

_PATHS = (
    b"/", b"//", b"", b"*", b"/ocpp/%1b[31mCP", b"/ocpp/%00", b"/ocpp/%ff%fe", b"/ocpp/[bold]CP[/bold]", b"/a/../../CP",
    b"/ocpp/" + b"A" * 9000, b"/ocpp/CP?x=1#y", b"http://csms/ocpp/CP", b"http://[::1/CP", b"/ocpp/\xff\xfe", b"/%",
    b"/%zz", b"/ocpp/CP\x1b]0;x\x07", b"/ocpp/%E2%80%AE", b"/ocpp/CP/", b"/CP%2Fx", b"ws://:0", b"://", b"/" * 5000,
)  # fmt: skip
_LINES = (
    b"Sec-WebSocket-Protocol: ocpp1.6, \x1b[31m, [red]",
    b"Sec-WebSocket-Protocol: " + b"a," * 2000,
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99; client_max_window_bits",
    b"Sec-WebSocket-Extensions: " + b"permessage-deflate," * 300,
    b"Sec-WebSocket-Extensions: ;=;=,;",
    b"Content-Length: -1",
    b"Content-Length: 99999999999999999999999",
    b"Transfer-Encoding: chunked",
    b"Authorization: Basic ////",
    b"Authorization: Basic ",
    b"Authorization: basic \xff",
    b": x",
    b"no colon",
    b" folded",
    b"X\x00Y: \x00",
    b"Host: \x1b[2J",
    b"Upgrade: \xff",
    b"Connection: " + b"upgrade," * 1000,
    b"X-Forwarded-For: [red]\x9b2J",
    b"A: " + b"b" * 70_000,
    b"Server: \xe2\x80\xae[bold]",
    b"User-Agent: " + b"\xc3" * 400,
    b"Sec-WebSocket-Key: ==",
    b"Sec-WebSocket-Accept: \x00",
)


def hostile_head(octets: bytes, chance: Random) -> bytes:
    """An HTTP head (and what follows it) changed in one to three ways."""
    head, separator, rest = octets.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for _ in range(chance.randint(1, 3)):
        kind = chance.randrange(9)
        words = lines[0].split(b" ")
        if kind == 0 and len(words) == 3 and words[2].startswith(b"HTTP"):
            lines[0] = b" ".join((words[0], chance.choice(_PATHS), words[2]))
        elif kind == 1:
            lines.insert(chance.randint(1, len(lines)), chance.choice(_LINES))
        elif kind == 2 and len(lines) > 1:
            del lines[chance.randrange(1, len(lines))]
        elif kind == 3:
            chance.shuffle(words)
            lines[0] = b" ".join(words)
        elif kind == 4 and lines[0].startswith(b"HTTP"):
            code = chance.choice((b"101", b"200", b"100", b"0", b"-1", b"9" * 40, b"x", b"407", b"204", b"304"))
            lines[0] = b"HTTP/1.1 " + code + b" " + chance.choice((b"", b"OK", b"\x1b[31m"))
        elif kind == 5:
            separator = chance.choice((b"\n\n", b"\r\n", b"", b"\r\r", b"\r\n\r\n\r\n\r\n"))
        elif kind == 6:
            lines *= chance.choice((2, 50))
        elif kind == 7:
            lines[0] = chance.choice(
                (b"CONNECT csms:80 HTTP/1.1", b"POST / HTTP/1.1", b"GET", b"PRI * HTTP/2.0", b"\x16\x03\x01")
            )
        else:
            lines = [line.swapcase() if chance.random() < 0.3 else line for line in lines]
    return b"\r\n".join(lines) + separator + rest


_MARKUP: tuple[bytes, ...] = (
    b"<", b"&", b">", b"</", b"]]>", b"<![CDATA[", b"<!--", b"<?x ?>", b"&#0;", b"&#x10ffff;", b"&b;", b"\xff", b"\x00",
    b'<!DOCTYPE a [<!ENTITY b "c">]>', b'<!DOCTYPE a SYSTEM "http://127.0.0.1/">', b"<a>" * 60, b"<x:y/>",
    b"<a " + b" ".join(b"x%d=''" % number for number in range(50)) + b"/>", b' xmlns="urn:x"', b"urn://Ocpp/Cp/2012/06/",
    b"POST / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"ffffffffffffff\r\n",
)  # fmt: skip
_HEADS: tuple[tuple[bytes, bytes], ...] = (
    (b"Content-Length:", b"Content-Length: 99999999999\r\nX:"), (b"Content-Length:", b"Content-Length: -1\r\nX:"),
    (b"Content-Length:", b"Content-Length: 0\r\nX:"), (b"Content-Length:", b"Transfer-Encoding: chunked\r\nX:"),
    (b"Content-Type:", b"Content-Encoding: gzip\r\nContent-Type:"), (b"charset=utf-8", b"charset=utf-16"),
    (b"gzip", b"deflate"), (b"gzip", b"br"), (b"200 OK", b"100 Continue"), (b"200 OK", b"101 Switching Protocols"),
    (b"200 OK", b"204 No Content"), (b"200 OK", b"500 Oops"), (b"POST ", b"CONNECT "), (b"POST ", b"HEAD "),
    (b"Host:", b"Upgrade: websocket\r\nHost:"), (b"Host:", b"Host : \r\n folded\r\nHost:"), (b"Envelope", b"envelope"),
    (b"2003/05/soap-envelope", b"2003/05/soap"), (b"MessageID", b"RelatesTo"), (b"Request>", b"Response>"),
)  # fmt: skip


def hostile_soap(octets: bytes, chance: Random) -> bytes:
    """A segment of an HTTP exchange with something in it that nobody expects."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        if chance.random() < 0.5:
            old, new = chance.choice(_HEADS)
            octets = octets.replace(old, new, chance.choice((1, -1)))
        else:
            at = chance.randrange(len(octets) + 1)
            octets = octets[:at] + chance.choice(_MARKUP) + octets[at + chance.choice((0, 0, 5)) :]
    return octets[:20_000]
