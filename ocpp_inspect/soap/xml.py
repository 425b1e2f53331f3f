"""Octets of an XML document in, a bounded tree of elements out; what is refused, and why, for everything else.

No document type is read (SOAP 1.2 part 1 §5 forbids one), so there are no entities to expand and nothing external to
fetch; depth, elements, attributes, tags and names are bounded. What is no UTF-8 is made UTF-8 first, by the few codecs
named here, so that the look at the tags and expat see the same. An element costs about 5 µs.
"""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat

import msgspec

from ocpp_inspect import limits

_UTF_8: Final = re.compile(r"utf-?8|us-ascii|ascii", re.IGNORECASE)
_OTHERS: Final = re.compile(r"utf-?16(?:le|be)?|iso-8859-\d{1,2}|latin-?1|windows-125\d|cp125\d", re.IGNORECASE)
_DECLARED: Final = re.compile(rb"<\?xml[^>]{1,100}?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_LONG: Final = re.compile(rb"<(?![!?])[^<]{%d}" % limits.XML_TAG_BYTES)
_TAG: Final = re.compile(rb"(?:[^\"'>]++|\"[^\"]*+\"|'[^']*+')*+")


class XmlError(Exception):
    """The document is not read: `name` is the anomaly, the text says what and where."""

    def __init__(self, name: str, detail: str) -> None:
        self.name = name
        self.detail = detail
        super().__init__(detail)


class Element(msgspec.Struct):
    """One element; names are without prefix, `attributes` by (namespace, name)."""

    space: str
    name: str
    attributes: dict[tuple[str, str], str]
    children: list[Element] = []
    text: str = ""  # all character data directly inside

    def child(self, name: str) -> Element | None:
        """The first child of that local name, in any case of its letters."""
        wanted = name.lower()
        return next((each for each in self.children if each.name.lower() == wanted), None)


class _Builder:
    """Takes expat's events; raises XmlError where a bound is reached."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > self._most:
            raise XmlError("soap.xml_limit", f"more than {self._most} elements")
        if len(self._open) >= limits.XML_DEPTH:
            raise XmlError("soap.xml_limit", f"elements are nested deeper than {limits.XML_DEPTH}")
        if len(attributes) > limits.XML_ATTRIBUTES:
            raise XmlError("soap.xml_limit", f"an element has more than {limits.XML_ATTRIBUTES} attributes")
        if max(map(len, (name, *attributes))) > limits.XML_NAME_CHARACTERS:
            raise XmlError("soap.xml_limit", f"a name has more than {limits.XML_NAME_CHARACTERS} characters")
        element = Element(*_split(name), {_split(key): value for key, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        elif self.root is None:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def end(self, name: str) -> None:
        del name
        self._open.pop().text = "".join(self._texts.pop())

    def data(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)


def _split(name: str) -> tuple[str, str]:
    space, _, local = name.rpartition(" ")
    return space, local


def _refuse_doctype(name: str, system: str | None, public: str | None, has_subset: int) -> None:
    del system, public, has_subset
    raise XmlError("soap.doctype", f"the document declares a document type '{name[:60]}'")


def _as_utf_8(octets: bytes, charset: str) -> bytes:
    """The document in UTF-8. The Content-Type outranks the declaration, a mark outranks both (RFC 7303 §3)."""
    if octets.startswith(b"\xef\xbb\xbf"):
        return octets
    declared = _DECLARED.match(octets)
    name = charset or (declared[1].decode() if declared is not None else "utf-8")
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        name = "utf-16"
    elif octets.startswith((b"<\0", b"\0<")):
        name = "utf-16-le" if octets[0] else "utf-16-be"
    elif _UTF_8.fullmatch(name):
        return octets
    elif not _OTHERS.fullmatch(name):
        raise XmlError("soap.not_xml", f"its encoding '{name[:40]}' is not read")
    try:
        return octets.decode(name).encode()
    except (ValueError, LookupError) as error:
        raise XmlError("soap.not_xml", f"it is not in its encoding: {str(error)[:100]}") from None


def _check_tags(octets: bytes) -> None:
    at = 0
    while (found := _LONG.search(octets, at)) is not None:
        tag = _TAG.match(octets, found.start())
        if tag is not None and tag.end() - tag.start() > limits.XML_TAG_BYTES:
            raise XmlError("soap.xml_limit", f"a tag has more than {limits.XML_TAG_BYTES} octets")
        at = found.end()


def read_xml(octets: bytes, charset: str = "", most: int = limits.XML_ELEMENTS) -> Element:
    """The root element of a document of at most `most` elements. `charset` is that of the Content-Type.

    Raises XmlError for everything that is not read; whatever the octets are, nothing else is raised.
    """
    octets = _as_utf_8(octets, charset)
    _check_tags(octets)
    builder = _Builder(most)
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        parser.Parse(octets, True)
    except expat.ExpatError as error:
        place = f"line {error.lineno}, column {error.offset + 1}"
        raise XmlError("soap.not_xml", f"{expat.ErrorString(error.code)} at {place}") from None
    if builder.root is None:
        raise XmlError("soap.not_xml", "the document has no element")
    return builder.root
