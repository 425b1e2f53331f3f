"""The PROXY protocol's headers: each form of its document, whole, cut anywhere, with a tail; and broken ones."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from ocpp_inspect.forwarded import Headers, begins_with_header, read_headers

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def binary(command: int, family: int, addresses: bytes, fields: bytes = b"") -> bytes:
    length = len(addresses) + len(fields)
    return SIGNATURE + bytes([0x20 | command, family]) + length.to_bytes(2, "big") + addresses + fields


def pair(source: str, target: str) -> bytes:
    return ip_address(source).packed + ip_address(target).packed + b"\xdc\x04\x01\xbb"


FOUR = pair("192.0.2.7", "198.51.100.1")
SIX = pair("2001:db8::7", "2001:db8::1")
TLS_FIELD = b"\x20\x00\x0f\x01\x00\x00\x00\x00\x21\x00\x07TLSv1.3"
WHOLE = [
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n", "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 2001:DB8::1 56324 443\r\n", "2001:db8::7"),
    (b"PROXY UNKNOWN\r\n", "unknown"),
    (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "unknown"),
    (binary(1, 0x11, FOUR), "192.0.2.7"),
    (binary(1, 0x21, SIX), "2001:db8::7"),
    (binary(1, 0x21, SIX, TLS_FIELD), "2001:db8::7"),
    (binary(1, 0x31, b"/run/a.sock".ljust(108, b"\0") * 2), "unknown"),
    (binary(1, 0x00, b""), "unknown"),
    (binary(0, 0x00, b""), "unknown"),
    (binary(0, 0x11, FOUR), "unknown"),  # §2.2: what a LOCAL header says of addresses is ignored
    (binary(1, 0x11, b"", b"\x04\x00\x01x"), "unknown"),  # shorter than its addresses
]


@pytest.mark.parametrize(("header", "source"), WHOLE)
def test_a_header_is_read_whole_cut_and_with_a_tail(header: bytes, source: str) -> None:
    assert read_headers(header) == Headers(len(header), source)
    assert read_headers(header + b"GET /ocpp/CP1 HTTP/1.1\r\n") == Headers(len(header), source)
    for length in range(len(header)):
        assert begins_with_header(header[:length]) == (length >= 6)
        assert read_headers(header[:length]) == (None if length >= 6 else Headers(0, ""))


def test_of_nested_balancers_the_innermost_header_names_the_client() -> None:
    outer, inner = binary(1, 0x11, pair("10.0.0.1", "10.0.0.2")), b"PROXY TCP4 192.0.2.7 10.0.0.1 1 443\r\n"
    assert read_headers(outer + inner + b"\x16\x03\x01") == Headers(len(outer + inner), "192.0.2.7")
    assert read_headers(outer + inner[:9]) is None
    assert read_headers(inner * 9) == Headers(4 * len(inner), "192.0.2.7")  # bounded


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"P",
        b"PUT /ocpp HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
        b"PROXYTCP4 192.0.2.7 192.0.2.8 1 2\r\n",
        b"PROXY UDP4 192.0.2.7 192.0.2.8 1 2\r\n",
        b"PROXY TCP4 192.0.2.777 192.0.2.8 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 192.0.2.8 1\r\n",
        b"PROXY TCP4 \xff 192.0.2.8 1 2\r\n",
        b"PROXY " + b"x" * 200,
        SIGNATURE + b"\x31\x11\x00\x0c" + FOUR,  # another version
        SIGNATURE + b"\x22\x11\x00\x0c" + FOUR,  # another command
        SIGNATURE + b"\x21\x41\x00\x0c" + FOUR,  # another family
        SIGNATURE + b"\x21\x13\x00\x0c" + FOUR,  # another transport
        b"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_header_stays(octets: bytes) -> None:
    assert read_headers(octets) == Headers(0, "")
