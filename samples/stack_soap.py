"""A 1.6 SOAP station and its CSMS: zeep as the client of both, a small HTTP server with lxml behind it.

Both are blocking, as the stacks of the field are; scenarios run their calls in threads.
"""

from __future__ import annotations

import gzip
import io
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
from lxml import etree
from requests.adapters import HTTPAdapter
from zeep import Client, Plugin, Settings
from zeep.exceptions import Fault
from zeep.transports import Transport

from ocpp_inspect.ocpp.schema import load
from samples.soap_wsdl import Service, namespace, operations, wsdl

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
Note = Callable[[str, str], None]
"""Called with ("sent" or "received", XML)."""


class RefusalError(Exception):
    """What a handler raises to answer with a SOAP fault."""

    def __init__(self, code: str, subcode: str, reason: str) -> None:
        self.code, self.subcode, self.reason = code, subcode, reason
        super().__init__(reason)


class _From(Plugin):
    """Says where the sender listens, which zeep leaves out."""

    def __init__(self, address: str) -> None:
        self._address = address

    def egress(self, envelope: Any, http_headers: Any, operation: Any, binding_options: Any) -> Any:
        header = envelope.find(f"{{{ENVELOPE}}}Header")
        sender = etree.SubElement(header, f"{{{ADDRESSING}}}From")
        etree.SubElement(sender, f"{{{ADDRESSING}}}Address").text = self._address
        reply = etree.SubElement(header, f"{{{ADDRESSING}}}ReplyTo")
        etree.SubElement(reply, f"{{{ADDRESSING}}}Address").text = f"{ADDRESSING}/anonymous"
        return envelope, http_headers


class _Logged(Transport):
    """Notes every text as it goes over the wire."""

    def __init__(self, note: Note, session: requests.Session) -> None:
        self._note = note
        super().__init__(session=session, timeout=10, operation_timeout=10)

    def post(self, address: str, message: Any, headers: Any) -> Any:
        self._note("sent", message.decode())
        response = super().post(address, message, headers)
        self._note("received", response.content.decode())
        return response


class _Bound(HTTPAdapter):
    """Connects from one address of the machine; over TLS to a server of the name `host`."""

    def __init__(self, address: str, tls: ssl.SSLContext | None, host: str) -> None:
        self._more: dict[str, Any] = {"source_address": (address, 0)}
        if tls is not None:
            self._more |= {"ssl_context": tls, "server_hostname": host, "assert_hostname": host}
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
        return super().init_poolmanager(*args, **kwargs, **self._more)


class Caller:
    """The client of a service: `call("Heartbeat")` gives the answer as a dict, or raises zeep's Fault.

    `keeps=False` makes a TCP connection for every request.
    """

    def __init__(
        self, service: Service, url: str, identity: str, *, source: str, listens: str, note: Note, keeps: bool = True,
        tls: ssl.SSLContext | None = None, host: str = "",
    ) -> None:  # fmt: skip
        session = requests.Session()
        session.mount("https://" if tls else "http://", _Bound(source, tls, host))
        if not keeps:
            session.headers["Connection"] = "close"
        self._url = url
        self._client = Client(
            io.BytesIO(wsdl(service, url).encode()),  # type: ignore[arg-type]
            transport=_Logged(note, session),
            settings=Settings(strict=False),
            plugins=[_From(listens)],  # zeep adds Action, MessageID and To by itself
        )
        self._service: Any = self._client.create_service(f"{{{namespace(service)}}}{_binding(service)}", url)
        self._header = etree.Element(f"{{{namespace(service)}}}chargeBoxIdentity")
        self._header.text = identity
        self._header.set(f"{{{ENVELOPE}}}mustUnderstand", "true")

    def call(self, action: str, **fields: Any) -> Any:
        return self._service[action](**fields, _soapheaders=[self._header])

    def post(self, xml: str, **headers: str) -> bytes:
        """Send any text; gives the text of the answer."""
        kind = {"Content-Type": "application/soap+xml; charset=utf-8"}
        response = self._client.transport.post(self._url, xml.encode(), kind | headers)
        return bytes(response.content)

    def close(self) -> None:
        self._client.transport.session.close()


def _binding(service: Service) -> str:
    return {"Cs": "CentralSystemServiceSoap", "Cp": "ChargePointServiceSoap"}[service]


Handler = Callable[[str, str, dict[str, Any]], dict[str, Any]]
"""(identity, action, payload) → the payload of the answer; raises RefusalError."""


class Listener:
    """The HTTP server of a CSMS ("Cs") or a station ("Cp")."""

    def __init__(
        self, service: Service, address: tuple[str, int], handler: Handler, note: Note, *, zips: bool = False,
        chunks: bool = False, tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        owner = self
        self.service = service
        self._handler = handler
        self._note = note
        self._number = 0

        class _Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            server_version, sys_version = "sample", "1"
            wbufsize = -1  # an answer is one segment

            def do_POST(self) -> None:
                body = owner.read(self)
                status, answer = owner.answer(body)
                self.send_response(status)
                kind = "text/plain" if status == 400 else "application/soap+xml; charset=utf-8"
                self.send_header("Content-Type", kind)
                if self.close_connection:
                    self.send_header("Connection", "close")
                if zips:
                    answer = gzip.compress(answer, mtime=0)
                    self.send_header("Content-Encoding", "gzip")
                if chunks:
                    self.send_header("Transfer-Encoding", "chunked")
                    middle = len(answer) // 2
                    parts = (answer[:middle], answer[middle:], b"")
                    answer = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
                else:
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(address, _Requests)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @staticmethod
    def read(request: BaseHTTPRequestHandler) -> bytes:
        if request.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(request.rfile.readline().split(b";")[0], 16):
                body += request.rfile.read(size)
                request.rfile.readline()
            request.rfile.readline()
        else:
            body = request.rfile.read(int(request.headers.get("Content-Length", "0")))
        return gzip.decompress(body) if request.headers.get("Content-Encoding") == "gzip" else body

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """(HTTP status, the answer) to a request."""
        self._note("received", body.decode())
        status, answer = self.respond(body)
        self._note("sent", answer.decode())
        return status, answer

    def respond(self, body: bytes) -> tuple[int, bytes]:
        """What `answer` answers."""
        try:
            envelope = etree.fromstring(body)
        except etree.XMLSyntaxError as error:
            return 400, f"no XML: {error}\n".encode()
        header, content = envelope.find(f"{{{ENVELOPE}}}Header"), envelope.find(f"{{{ENVELOPE}}}Body")
        request = content[0]
        name = etree.QName(request).localname.removesuffix("Request")
        action = name[0].upper() + name[1:]
        asked = "" if header is None else header.findtext(f"{{{ADDRESSING}}}MessageID") or ""
        identity = "" if header is None else header.findtext("{*}chargeBoxIdentity") or ""
        self._number += 1
        try:
            if action not in operations(self.service):
                raise RefusalError("Receiver", "NotSupported", f"{action} is not supported")
            payload = self._handler(identity, action, to_dict(request))
            status, parts = 200, [to_element(payload, f"{name}Response", self.service, load("1.6", action, True) or {})]
        except RefusalError as refusal:
            status, parts = 500, [_fault(refusal, self.service)]
        message_id = f"urn:uuid:00000000-0000-4000-8000-{self._number:012d}"
        return status, _envelope(f"/{action}Response", asked, message_id, parts)


def to_dict(element: Any) -> dict[str, Any]:
    """An element's children: text, a dict, or a list where a name comes again."""
    found: dict[str, Any] = {}
    for child in element:
        name = etree.QName(child).localname
        value = to_dict(child) if len(child) else child.text or ""
        if name in found:
            found[name] = [*(found[name] if isinstance(found[name], list) else [found[name]]), value]
        else:
            found[name] = value
    return found


def to_element(payload: dict[str, Any], name: str, service: Service, shape: dict[str, Any]) -> Any:
    """A payload as an element, its fields in the order of the schema."""
    space = namespace(service)
    element = etree.Element(f"{{{space}}}{name}", nsmap={"ocpp": space})
    properties = shape.get("properties", {})
    for field in sorted(payload, key=lambda field: [*properties, field].index(field)):
        inner = properties.get(field, {})
        for value in payload[field] if isinstance(payload[field], list) else [payload[field]]:
            if isinstance(value, dict):
                element.append(to_element(value, field, service, inner.get("items", inner)))
            else:
                child = etree.SubElement(element, f"{{{space}}}{field}")
                child.text = str(value).lower() if isinstance(value, bool) else str(value)
    return element


def _envelope(action: str, relates_to: str, message_id: str, parts: list[Any]) -> bytes:
    root = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap={"soap": ENVELOPE, "wsa": ADDRESSING})
    header = etree.SubElement(root, f"{{{ENVELOPE}}}Header")
    for name, text in (("Action", action), ("MessageID", message_id), ("RelatesTo", relates_to)):
        if text:
            etree.SubElement(header, f"{{{ADDRESSING}}}{name}").text = text
    body = etree.SubElement(root, f"{{{ENVELOPE}}}Body")
    body.extend(parts)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _fault(refusal: RefusalError, service: Service) -> Any:
    fault = etree.Element(f"{{{ENVELOPE}}}Fault", nsmap={"ocpp": namespace(service)})
    code = etree.SubElement(fault, f"{{{ENVELOPE}}}Code")
    etree.SubElement(code, f"{{{ENVELOPE}}}Value").text = f"soap:{refusal.code}"
    if refusal.subcode:
        subcode = etree.SubElement(code, f"{{{ENVELOPE}}}Subcode")
        etree.SubElement(subcode, f"{{{ENVELOPE}}}Value").text = f"ocpp:{refusal.subcode}"
    reason = etree.SubElement(fault, f"{{{ENVELOPE}}}Reason")
    text = etree.SubElement(reason, f"{{{ENVELOPE}}}Text")
    text.set("{http://www.w3.org/XML/1998/namespace}lang", "en")
    text.text = refusal.reason
    return fault


__all__ = ["Caller", "Fault", "Listener", "RefusalError"]
