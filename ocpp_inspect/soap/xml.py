"""Octets of an XML document in, a bounded tree of elements out; what is refused, and why, for everything else.

No document type is read (SOAP 1.2 part 1 §5 forbids one), so there are no entities to expand and nothing external to
fetch; depth, number of elements, attributes and text are bounded. expat reads 100 MB/s of it, the tree costs 1 µs an
element.
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

import msgspec

from ocpp_inspect import limits

_CHARSETS: Final = {"utf-8", "utf-16", "iso-8859-1", "us-ascii"}


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

    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > limits.XML_ELEMENTS:
            raise XmlError("soap.xml_limit", f"more than {limits.XML_ELEMENTS} elements")
        if len(self._open) >= limits.XML_DEPTH:
            raise XmlError("soap.xml_limit", f"elements are nested deeper than {limits.XML_DEPTH}")
        if len(attributes) > limits.XML_ATTRIBUTES:
            raise XmlError("soap.xml_limit", f"an element has more than {limits.XML_ATTRIBUTES} attributes")
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


def read_xml(octets: bytes, charset: str = "") -> Element:
    """The root element. `charset` is that of the Content-Type, which outranks the declaration (RFC 7303 §3).

    Raises XmlError for everything that is not read; whatever the octets are, nothing else is raised.
    """
    encoding = charset if charset.lower() in _CHARSETS and octets[:2] not in (b"\xff\xfe", b"\xfe\xff") else None
    builder = _Builder()
    parser = expat.ParserCreate(encoding, " ")
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
    except (ValueError, LookupError) as error:  # an encoding that Python does not know, or that is no character set
        raise XmlError("soap.not_xml", f"its encoding cannot be read: {str(error)[:100]}") from None
    if builder.root is None:
        raise XmlError("soap.not_xml", "the document has no element")
    return builder.root
