"""The XML of a request or response in; the parts of its SOAP envelope, and what is wrong with their form, out.

Whether a header has to be there depends on the direction: `faults_of_request` and `faults_of_response` say so.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from ocpp_inspect import catalogue, limits
from ocpp_inspect.model import Side, SoapValue
from ocpp_inspect.soap.xml import Element, XmlError, read_xml

Fault = tuple[str, str]
"""(anomaly, detail)"""

_ENVELOPES: Final = {
    "http://www.w3.org/2003/05/soap-envelope": "1.2",
    "http://schemas.xmlsoap.org/soap/envelope/": "1.1",
}
_ADDRESSING: Final = "http://www.w3.org/2005/08/addressing"
ANONYMOUS: Final = f"{_ADDRESSING}/anonymous"
_SCHEMA_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
# Host, service and date; a slash more or less is tolerated: the table of OCPP-S 1.6 §8 has none behind 2015/10.
_SERVICE: Final = re.compile(r"urn:/*ocpp/(cs|cp)/(\d{4})/(\d{2})/?", re.IGNORECASE)
_VERSIONS: Final = {("2010", "08"): "1.2", ("2012", "06"): "1.5", ("2015", "10"): "1.6"}
_CODES: Final = {
    "Sender": ("SecurityError", "IdentityMismatch", "ProtocolError"),
    "Receiver": ("InternalError", "NotSupported"),
}
"""OCPP-S 1.6 §4, table 1."""
_FAULT_CODES: Final = frozenset({*_CODES, "VersionMismatch", "MustUnderstand", "DataEncodingUnknown"})
"""SOAP 1.2 part 1 §5.4.6."""
_ONCE: Final = frozenset({"Action", "MessageID", "To", "From", "ReplyTo"})
"""WS-Addressing 1.0 core §3.1; RelatesTo may come several times."""
_TEXT_CHARACTERS: Final = 1024  # of a header that are kept


class Envelope(msgspec.Struct):
    """One envelope taken apart. What is absent is ""; what cannot be read is told in `faults`."""

    soap_version: str = ""
    is_ocpp: bool = False
    version: str = ""  # of OCPP, by the namespace
    service: str = ""  # "cs", "cp" or ""
    namespace: str = ""
    operation: str = ""  # "BootNotification"
    is_response: bool = False
    element: str = ""  # the name as it stands in the body
    identity: str = ""
    action: str = ""
    message_id: str = ""
    relates_to: str = ""
    sender: str = ""
    reply_to: str = ""
    to: str = ""
    body: SoapValue = ""
    is_fault: bool = False
    code: str = ""
    subcode: str = ""
    reason: str = ""
    faults: list[Fault] = []

    @property
    def error_code(self) -> str:
        """What the fault is called: its innermost code."""
        return self.subcode or self.code


def read_envelope(octets: bytes, charset: str = "", most: int = limits.XML_ELEMENTS) -> Envelope:
    """Take a document of at most `most` elements apart; whatever it is, this returns."""
    found = Envelope(faults=[])
    try:
        root = read_xml(octets, charset, most)
    except XmlError as error:
        found.faults.append((error.name, error.detail))
        found.is_ocpp = _NAMES_OCPP.search(octets[:4096]) is not None
        return found
    if root.name != "Envelope":
        found.faults.append(("soap.not_envelope", f"the document is a '{root.name[:60]}'"))
        return found
    found.soap_version = _ENVELOPES.get(root.space, "")
    if not found.soap_version:
        found.faults.append(("soap.unknown_envelope", f"the envelope is in the namespace '{root.space[:100]}'"))
    elif found.soap_version == "1.1":
        found.faults.append(("soap.old_envelope", "the envelope is in the namespace of SOAP 1.1"))
    header, body = root.child("Header"), root.child("Body")
    _read_header(header, found)
    _read_body(body, found)
    found.is_ocpp = bool(found.service or found.identity) or "ocpp" in found.namespace.lower()
    return found


_NAMES_OCPP: Final = re.compile(rb"urn:/*ocpp/c[sp]/|chargeboxidentity", re.IGNORECASE)


def _text(element: Element | None) -> str:
    return element.text.strip()[:_TEXT_CHARACTERS] if element is not None else ""


def _read_header(header: Element | None, found: Envelope) -> None:
    drafts = set()
    seen: dict[str, Element] = {}
    for entry in header.children if header is not None else ():
        if entry.name.lower() == "chargeboxidentity":  # OCPP-S 1.6 §3.3: in any case of letters
            found.identity = found.identity or _text(entry)
        elif "addressing" in entry.space:
            if entry.space != _ADDRESSING:
                drafts.add(entry.space)
            if entry.name in seen and entry.name in _ONCE:
                found.faults.append(("soap.repeated_header", f"the header {entry.name} comes again"))
            seen.setdefault(entry.name, entry)
    found.action, found.message_id = _text(seen.get("Action")), _text(seen.get("MessageID"))
    found.relates_to, found.to = _text(seen.get("RelatesTo")), _text(seen.get("To"))
    found.sender, found.reply_to = _address(seen.get("From")), _address(seen.get("ReplyTo"))
    if drafts:
        found.faults.append(("soap.draft_addressing", f"headers are in the namespace '{min(drafts)[:100]}'"))


def _address(reference: Element | None) -> str:
    return _text(reference.child("Address")) if reference is not None else ""


def _read_body(body: Element | None, found: Envelope) -> None:
    if body is None or len(body.children) != 1:
        number = "no Body" if body is None else f"a Body of {len(body.children)} elements"
        found.faults.append(("soap.bad_body", f"the envelope has {number}"))
        if body is None or not body.children:
            return
    element = body.children[0]
    if element.name == "Fault" and element.space == _space_of(found):
        _read_fault(element, found)
        return
    found.element, found.namespace = element.name[:100], element.space[:200]
    service = _SERVICE.fullmatch(element.space)
    if service is not None:
        found.service = service[1].lower()
        found.version = _VERSIONS.get((service[2], service[3]), "")
    for suffix in ("Request", "Response"):
        if element.name.endswith(suffix):
            found.is_response = suffix == "Response"
            name = element.name[: -len(suffix)]
            found.operation = (name[:1].upper() + name[1:])[:60]
            break
    found.body = _value(element, found, keeps_attributes=found.version != "1.6")


def _space_of(found: Envelope) -> str:
    return next((space for space, version in _ENVELOPES.items() if version == found.soap_version), "")


def _value(element: Element, found: Envelope, *, keeps_attributes: bool) -> SoapValue:
    """The content of an element. OCPP 1.5 says unit and measurand in attributes; 1.6 has none."""
    if element.attributes.get((_SCHEMA_INSTANCE, "nil")) in ("true", "1"):
        return None
    own = [(name, text) for (space, name), text in element.attributes.items() if not space] if keeps_attributes else []
    if not element.children and not own:
        return element.text
    parts: list[tuple[str, Any]] = [*own]
    for child in element.children:
        parts.append((child.name, _value(child, found, keeps_attributes=keeps_attributes)))
    text = element.text.strip()
    if text and element.children:
        if not any(name == "soap.mixed_text" for name, _ in found.faults):
            found.faults.append(
                ("soap.mixed_text", f"'{text[:60]}' stands beside the elements in '{element.name[:60]}'")
            )
    elif text:
        parts.append(("value", element.text))
    return parts


def _read_fault(fault: Element, found: Envelope) -> None:
    """SOAP 1.2 part 1 §5.4; of SOAP 1.1 faultcode and faultstring."""
    found.is_fault = found.is_response = True
    code = fault.child("Code")
    value = code.child("Value") if code is not None else fault.child("faultcode")
    subcode = code.child("Subcode") if code is not None else None
    found.code = _local(_text(value))
    while subcode is not None:  # the innermost one says most; the depth of the document is bounded
        found.subcode = _local(_text(subcode.child("Value"))) or found.subcode
        subcode = subcode.child("Subcode")
    reason = fault.child("Reason")
    found.reason = _text(reason.child("Text") if reason is not None else fault.child("faultstring"))
    if found.code and found.code not in _FAULT_CODES and found.soap_version == "1.2":
        found.faults.append(("soap.unknown_fault_code", f"the code '{found.code[:60]}' is none of SOAP 1.2"))
    elif found.subcode and found.subcode not in _CODES.get(found.code, ()):
        detail = f"the subcode '{found.subcode[:60]}' is none that OCPP-S lists for '{found.code[:60]}'"
        found.faults.append(("soap.unknown_fault_code", detail))


def _local(name: str) -> str:
    return name.rpartition(":")[2][:100]


def sender_of(envelope: Envelope) -> Side:
    """Who sends a request: by its operation, which may stand in the wrong namespace, else by its service."""
    info = catalogue.load("1.6").get(envelope.operation)
    if info is not None and info.initiator != "both":
        return "station" if info.initiator == "CS" else "csms"
    return {"cs": "station", "cp": "csms"}.get(envelope.service, "unknown")  # type: ignore[return-value]


def faults_of_request(envelope: Envelope) -> list[Fault]:
    """What is wrong with the headers and the body of a request (OCPP-S 1.6 §3, §8)."""
    found: list[Fault] = []
    if not envelope.identity:
        found.append(("soap.missing_identity", "there is no chargeBoxIdentity"))
    if not envelope.message_id:
        found.append(("soap.missing_message_id", "there is no MessageID"))
    if envelope.relates_to:
        found.append(("soap.relates_to_in_request", f"RelatesTo is '{envelope.relates_to[:80]}'"))
    if not envelope.sender:
        found.append(("soap.missing_from", "there is no From with an address"))
    if not envelope.to:
        found.append(("soap.missing_to", "there is no To"))
    if envelope.reply_to not in ("", ANONYMOUS):
        found.append(("soap.reply_elsewhere", f"ReplyTo is '{envelope.reply_to[:100]}'"))
    return found + _faults_of_operation(envelope, is_response=False)


def faults_of_response(envelope: Envelope) -> list[Fault]:
    """The same of a response; whether it fits its request is not looked at."""
    found: list[Fault] = []
    if not envelope.relates_to:
        found.append(("soap.missing_relates_to", "there is no RelatesTo"))
    return found + ([] if envelope.is_fault else _faults_of_operation(envelope, is_response=True))


def _faults_of_operation(envelope: Envelope, *, is_response: bool) -> list[Fault]:
    found: list[Fault] = []
    if not envelope.element:
        return found
    suffix = "Response" if is_response else "Request"
    info = catalogue.load("1.6").get(envelope.operation)
    right = f"{envelope.operation[:1].lower()}{envelope.operation[1:]}{suffix}"
    if not envelope.version:
        found.append(
            ("soap.unknown_namespace", f"'{envelope.element}' is in the namespace '{envelope.namespace[:100]}'")
        )
    if info is None or info.block == "Security" or envelope.element != right:
        found.append(("soap.unknown_operation", f"'{envelope.element}' is no {suffix.lower()} of OCPP-S"))
    elif envelope.service and info.initiator != "both":
        wanted = "cs" if info.initiator == "CS" else "cp"
        if envelope.service != wanted:
            names = {"cs": "the central system's service", "cp": "the charge point's service"}
            detail = f"{envelope.operation} belongs to {names[wanted]}, it is in '{envelope.namespace[:100]}'"
            found.append(("soap.wrong_service", detail))
    if not envelope.action:
        found.append(("soap.missing_action", "there is no Action"))
    elif envelope.operation:
        wanted_action = f"/{envelope.operation}{'Response' if is_response else ''}"
        if envelope.action != wanted_action:
            detail = f"Action is '{envelope.action[:80]}', '{wanted_action}' was expected"
            found.append(("soap.wrong_action", detail))
    return found
