"""HTTP heads and bodies that a proxy forwards: every octet comes out, only what must change does."""

from __future__ import annotations

import base64

import pytest

from ocpp_inspect.limits import HTTP_HEAD_BYTES
from ocpp_inspect.proxy.http import HeadError, HttpReader, answer, mask_credentials, redirect, without_extensions

REQUEST = (
    b"GET /ocpp/CP%201?x=1 HTTP/1.1\r\nhOsT:  site.local:9000\r\nX-Odd:a\r\nUpgrade: websocket\r\n"
    b"Authorization: Basic " + base64.b64encode(b"CP1:secret-of-16-chr") + b"\r\n\r\n"
)


def pieces(octets: bytes, step: int) -> tuple[list[bytes], int, HttpReader]:
    reader = HttpReader()
    found, heads = [], 0
    for at in range(0, len(octets), step):
        for piece in reader.feed(octets[at : at + step]):
            found.append(piece.octets)
            if piece.head is not None:
                heads += 1
                reader.expect_body(piece.head)
    return found, heads, reader


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_every_octet_comes_out_in_order(step: int) -> None:
    octets = (
        REQUEST
        + b"POST /soap HTTP/1.1\r\nContent-Length: 11\r\n\r\n<Envelope/>"
        + b"POST /soap HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\n12345\r\n0\r\nTrailer: x\r\n\r\n"
        + REQUEST
    )
    found, heads, reader = pieces(octets, step)
    assert b"".join(found) == octets
    assert heads == 4
    assert reader.is_between_messages


def test_only_target_and_host_change() -> None:
    changed = redirect(REQUEST, "/other", "csms.example")
    assert changed == REQUEST.replace(b"/ocpp/CP%201?x=1", b"/other").replace(b"site.local:9000", b"csms.example")
    assert redirect(REQUEST, None, None) == REQUEST


def test_passwords_and_tokens_are_masked_at_equal_length() -> None:
    masked = mask_credentials(REQUEST)
    assert len(masked) == len(REQUEST)
    assert b"secret" not in masked
    assert base64.b64encode(b"CP1:" + b"*" * 16) in masked
    bearer = b"GET / HTTP/1.1\r\nAuthorization: Bearer abc.def\r\n\r\n"
    assert mask_credentials(bearer) == b"GET / HTTP/1.1\r\nAuthorization: Bearer *******\r\n\r\n"
    broken = b"GET / HTTP/1.1\r\nAuthorization: Basic !!!not base64\r\n\r\n"
    assert b"not base64" not in mask_credentials(broken)


def test_extensions_can_be_left_out() -> None:
    request = b"GET / HTTP/1.1\r\nSec-WebSocket-Extensions: permessage-deflate\r\nHost: x\r\n\r\n"
    assert without_extensions(request) == b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_what_is_no_http_or_never_ends_is_an_error() -> None:
    with pytest.raises(HeadError):
        list(HttpReader().feed(b"\x16\x03\x01 hello\r\n\r\n"))
    with pytest.raises(HeadError):
        list(HttpReader().feed(b"GET / HTTP/1.1\r\nX: " + b"a" * HTTP_HEAD_BYTES))


def test_an_answer_of_the_proxy_cannot_be_split_by_its_reason() -> None:
    octets = answer(503, "No\r\nSet-Cookie: x", "body", (("X-A", "b\r\nc"),))
    assert b"\r\nSet-Cookie" not in octets
    assert octets.endswith(b"Content-Length: 4\r\nConnection: close\r\n\r\nbody")
