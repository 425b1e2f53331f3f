"""The head and the octets of an HTTP body in; its unpacked octets, and why not when it has none, out."""

from __future__ import annotations

import re
import zlib
from typing import Final

from ocpp_inspect import limits
from ocpp_inspect.http import Head

_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9._-]{1,40})', re.IGNORECASE)
_PASSWORD: Final = re.compile(rb"(<(?:[\w.-]+:)?Password\b[^>]*>)[^<]*(?=<)")
_ROOT: Final = re.compile(rb"<\?xml|<(?:[\w.-]{1,60}:)?Envelope\b")
_END_OF_ROOT: Final = re.compile(rb"</(?:[\w.-]{1,60}:)?Envelope\s*>")
_XML_TYPES: Final = ("application/soap+xml", "text/xml", "application/xml", "multipart/related", "")


def content_type(head: Head) -> str:
    """The media type without its parameters, in lower case."""
    return head.headers.get("content-type", "").partition(";")[0].strip().lower()


def may_be_xml(head: Head) -> bool:
    """Whether a body may hold a SOAP envelope, by its Content-Type."""
    return content_type(head) in _XML_TYPES


def charset(head: Head) -> str:
    """The charset parameter of the Content-Type, "" when there is none."""
    found = _CHARSET.search(head.headers.get("content-type", ""))
    return found[1] if found is not None else ""


def unpack(head: Head, octets: bytes) -> tuple[bytes, str, str]:
    """(octets, anomaly, detail) of a whole body: OCPP-S 1.6 §6.1 knows gzip and deflate."""
    methods = [word.lower() for word in head.words("content-encoding") if word.lower() != "identity"]
    if not methods or not octets:
        return octets, "", ""
    if len(methods) > 1 or methods[0] not in ("gzip", "x-gzip", "deflate"):
        return b"", "soap.unknown_encoding", f"the Content-Encoding is '{', '.join(methods)[:80]}'"
    # RFC 9110 §8.4.1.2: deflate is the zlib format, but some send the bare stream.
    is_bare = methods[0] == "deflate" and not (octets[0] & 0x0F == 8 and int.from_bytes(octets[:2], "big") % 31 == 0)
    most = min(limits.SOAP_BODY_BYTES, max(limits.SOAP_UNPACKED_BYTES, limits.INFLATE_RATIO * len(octets)))
    stream = zlib.decompressobj(-zlib.MAX_WBITS if is_bare else zlib.MAX_WBITS | 32)
    try:
        found = stream.decompress(octets, most + 1)
    except zlib.error as error:
        return b"", "soap.inflate_failed", f"{methods[0]}: {error}"
    if len(found) > most:
        return b"", "soap.body_too_long", f"{len(octets)} octets are more than {most} when unpacked"
    if not stream.eof:
        return b"", "soap.inflate_failed", f"{methods[0]}: the compressed data is cut"
    return found, "", ""


def root_part(head: Head, octets: bytes) -> bytes:
    """The envelope in a body of several parts (SOAP with attachments, MTOM); any other body as it is."""
    if content_type(head) != "multipart/related":
        return octets
    start = _ROOT.search(octets)
    end = _END_OF_ROOT.search(octets, start.start()) if start is not None else None
    return octets[start.start() : end.end()] if start is not None and end is not None else octets


def masked(octets: bytes) -> bytes:
    """The body as it may be kept: without the passwords of WS-Security."""
    return _PASSWORD.sub(rb"\1***", octets) if b"Password" in octets else octets
