"""Hostile XML is refused, bounded, and never read beyond itself."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from soap_dialog import HEARTBEAT, envelope

from ocpp_inspect import limits
from ocpp_inspect.soap.body import masked
from ocpp_inspect.soap.envelope import read_envelope
from ocpp_inspect.soap.xml import XmlError, read_xml


def refused(document: bytes, charset: str = "") -> str:
    with pytest.raises(XmlError) as caught:
        read_xml(document, charset)
    return caught.value.name


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]><a/>',
        b"<!DOCTYPE a><a/>",
    ],
)
def test_no_document_type_is_read(document: bytes) -> None:
    assert refused(document) == "soap.doctype"


def test_a_bomb_of_entities_costs_nothing() -> None:
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 20}">' for n in range(1, 30))
    bomb = f'<!DOCTYPE a [<!ENTITY e0 "xxxxxxxxxx">{lines}]><a>&e29;</a>'.encode()
    tracemalloc.start()
    assert refused(bomb) == "soap.doctype"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1024 * 1024


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (b"<a>" * (limits.XML_DEPTH + 1), "soap.xml_limit"),
        (b"<a>" * 1_000_000, "soap.xml_limit"),
        (b"<a>" + b"<b/>" * limits.XML_ELEMENTS + b"</a>", "soap.xml_limit"),
        (b"<a " + b" ".join(b"x%d='1'" % n for n in range(limits.XML_ATTRIBUTES + 1)) + b"/>", "soap.xml_limit"),
        (b"<a " + b" " * limits.XML_TAG_BYTES + b"/>", "soap.xml_limit"),
        (b'<a xmlns:x="u">' + b"<b " + b" ".join(b"x:a%d='>'" % n for n in range(9000)) + b"/></a>", "soap.xml_limit"),
        (
            b'<a xmlns:x="urn:'
            + b"x" * 1_000_000
            + b'"><b '
            + b" ".join(b"x:a%d=''" % n for n in range(900))
            + b"/></a>",
            "soap.xml_limit",
        ),
        (b'<a xmlns="urn:' + b"x" * limits.XML_NAME_CHARACTERS + b'"/>', "soap.xml_limit"),
        (b'<a xmlns:x="urn:' + b"x" * limits.XML_NAME_CHARACTERS + b'" x:b=""/>', "soap.xml_limit"),
        (b"", "soap.not_xml"),
        (b"<a>&nbsp;</a>", "soap.not_xml"),
        (b"<a>&b;</a>", "soap.not_xml"),
        (b"<a", "soap.not_xml"),
        (b"<a></b>", "soap.not_xml"),
        (b"<a>\x00</a>", "soap.not_xml"),
        (b"<a>\xff</a>", "soap.not_xml"),
        (b"<x:a/>", "soap.not_xml"),
        (b'<?xml version="1.0" encoding="no-such-thing"?><a/>', "soap.not_xml"),
        (b'<?xml version="1.0" encoding="rot13"?><a/>', "soap.not_xml"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "soap.not_xml"),
        (b'<?xml version="1.0" encoding="punycode"?><a/>', "soap.not_xml"),
        (b"\xff\xfe<\x00a", "soap.not_xml"),
    ],
)
def test_what_is_refused(document: bytes, name: str) -> None:
    assert refused(document) == name


def test_long_text_is_no_long_tag() -> None:
    text = b"=" * (3 * limits.XML_TAG_BYTES)
    assert read_xml(b"<a><!-- " + text + b" --><b c='1'>" + text + b"</b></a>").children[0].text == text.decode()


@pytest.mark.parametrize(
    ("name", "attributes"), [("utf-16", 9000), ("utf-16-le", 9000), ("iso-8859-1", 9000), ("cp037", 9000)]
)
def test_no_encoding_hides_a_long_tag(name: str, attributes: int) -> None:
    """expat writes the namespace of each attribute out: with a long one that is a bomb."""
    tag = "<b " + " ".join(f"x:a{number}='\u3c00'" for number in range(attributes)) + "/>"
    document = f"<?xml version='1.0' encoding='{name}'?><a xmlns:x='urn:{'x' * 5000}'>{tag}</a>"
    tracemalloc.start()
    assert refused(document.encode(name, "replace")) in ("soap.xml_limit", "soap.not_xml")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "utf-8-sig", "cp1252"])
def test_encodings(encoding: str) -> None:
    named = encoding.removesuffix("-sig")
    document = f'<?xml version="1.0" encoding="{named}"?><a>Kühl &amp; fein</a>'.encode(encoding)
    assert read_xml(document).text == "Kühl & fein"
    assert read_xml("<a>ü</a>".encode("iso-8859-1"), "ISO-8859-1").text == "ü"


def test_parts_of_an_element() -> None:
    root = read_xml(b'<a xmlns="urn:x" xmlns:y="urn:y" y:k="1"><!-- no --><b><![CDATA[1<2]]></b>t<?pi?>u<y:B/></a>')
    assert (root.space, root.name, root.attributes, root.text) == ("urn:x", "a", {("urn:y", "k"): "1"}, "tu")
    assert [(each.space, each.name, each.text) for each in root.children] == [("urn:x", "b", "1<2"), ("urn:y", "B", "")]
    assert root.child("B") is root.children[0]
    assert root.child("c") is None


def test_damaged_envelopes_are_told_and_nothing_else() -> None:
    generator = random.Random(11)
    for _ in range(3000):
        document = bytearray(HEARTBEAT)
        for _ in range(generator.randrange(1, 6)):
            at = generator.randrange(len(document))
            match generator.randrange(4):
                case 0:
                    document[at] = generator.randrange(256)
                case 1:
                    del document[at : at + generator.randrange(1, 30)]
                case 2:
                    document[at:at] = generator.choice((b"<", b"&", b"<!DOCTYPE a>", b"]]>", b"<a:To>", b"\xff"))
                case _:
                    document += document[at:]
        found = read_envelope(bytes(document))
        assert all(name.startswith("soap.") and detail for name, detail in found.faults)
        assert len(found.identity) <= 1024


def test_passwords_of_web_service_security_are_not_kept() -> None:
    text = envelope("<o:heartbeatRequest/>").replace(
        b"</s:Header>", b"<w:Security><w:Password Type='x'>secret</w:Password></w:Security></s:Header>"
    )
    assert b"secret" in text
    assert b"secret" not in masked(text)
    assert masked(text) == text.replace(b"secret", b"***")
