"""The JSON Schemas of OCPP 1.6 in; a WSDL of one of its two SOAP services out.

The official WSDL files may not be changed and are not shipped; what they say follows from the JSON Schemas of the same
messages and from OCPP-S 1.6 §3 and §8: names, order of fields, types, the actions and the header.
"""

from __future__ import annotations

from typing import Any, Literal
from xml.sax.saxutils import quoteattr

from ocpp_inspect import catalogue
from ocpp_inspect.ocpp.schema import load

Service = Literal["Cs", "Cp"]
NAMESPACES = {"1.2": "2010/08", "1.5": "2012/06", "1.6": "2015/10"}
_NAMES = {"Cs": "CentralSystemService", "Cp": "ChargePointService"}
_TYPES = {"integer": "s:int", "number": "s:decimal", "boolean": "s:boolean", "string": "s:string"}


def operations(service: Service) -> list[str]:
    """The actions of a service; DataTransfer is in both."""
    sides = ("both", "CS" if service == "Cs" else "CSMS")
    return [
        name for name, info in catalogue.load("1.6").items() if info.initiator in sides and info.block != "Security"
    ]


def namespace(service: Service, version: str = "1.6") -> str:
    return f"urn://Ocpp/{service}/{NAMESPACES[version]}/"


def wsdl(service: Service, address: str) -> str:
    """A WSDL whose port is at `address`."""
    space = namespace(service)
    names = operations(service)
    elements = "".join(
        _element(f"{_lower(name)}{suffix}", load("1.6", name, suffix == "Response") or {})
        for name in names
        for suffix in ("Request", "Response")
    )
    messages = "".join(
        f'<w:message name="{name}{way}"><w:part name="parameters" element="t:{_lower(name)}{suffix}"/></w:message>'
        for name in names
        for way, suffix in (("Input", "Request"), ("Output", "Response"))
    )
    port_operations = "".join(
        f'<w:operation name="{name}"><w:input message="t:{name}Input" a:Action="/{name}"/>'
        f'<w:output message="t:{name}Output" a:Action="/{name}Response"/></w:operation>'
        for name in names
    )
    header = '<p:header use="literal" message="t:Header" part="ChargeBoxIdentity"/>'
    bindings = "".join(
        f'<w:operation name="{name}"><p:operation soapAction="/{name}" style="document"/>'
        f'<w:input>{header}<p:body use="literal"/></w:input><w:output><p:body use="literal"/></w:output></w:operation>'
        for name in names
    )
    title = _NAMES[service]
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:p="http://schemas.xmlsoap.org/wsdl/soap12/" '
        f'xmlns:s="http://www.w3.org/2001/XMLSchema" xmlns:a="http://www.w3.org/2006/05/addressing/wsdl" '
        f'xmlns:t="{space}" targetNamespace="{space}"><w:types>'
        f'<s:schema targetNamespace="{space}" elementFormDefault="qualified">'
        f'<s:element name="chargeBoxIdentity" type="s:string"/>{elements}</s:schema></w:types>'
        f'<w:message name="Header"><w:part name="ChargeBoxIdentity" element="t:chargeBoxIdentity"/></w:message>'
        f"{messages}"
        f'<w:portType name="{title}">{port_operations}</w:portType>'
        f'<w:binding name="{title}Soap" type="t:{title}">'
        f'<p:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>{bindings}</w:binding>'
        f'<w:service name="{title}"><w:port name="{title}Soap12" binding="t:{title}Soap">'
        f"<p:address location={quoteattr(address)}/></w:port></w:service></w:definitions>"
    )


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _element(name: str, shape: dict[str, Any]) -> str:
    return f'<s:element name="{name}">{_type(shape)}</s:element>'


def _type(shape: dict[str, Any]) -> str:
    """The anonymous type of an object."""
    required = shape.get("required", ())
    fields = "".join(_field(name, field, name in required) for name, field in shape.get("properties", {}).items())
    return f"<s:complexType><s:sequence>{fields}</s:sequence></s:complexType>"


def _field(name: str, shape: dict[str, Any], required: bool) -> str:
    most = "1"
    if shape.get("type") == "array":
        most, required, shape = "unbounded", required and name != "meterValue", shape["items"]
    head = f'<s:element name="{name}" minOccurs="{int(required)}" maxOccurs="{most}"'
    if shape.get("type") == "object":
        return f"{head}>{_type(shape)}</s:element>"
    kind = "s:dateTime" if shape.get("format") == "date-time" else _TYPES[shape.get("type", "string")]
    if "enum" in shape:
        values = "".join(f"<s:enumeration value={quoteattr(value)}/>" for value in shape["enum"])
        kind = f'<s:restriction base="s:string">{values}</s:restriction>'
        return f"{head}><s:simpleType>{kind}</s:simpleType></s:element>"
    return f'{head} type="{kind}"/>'
