"""Nothing in; the stable names of every anomaly of this room and what each one is."""

from __future__ import annotations

from typing import Final

ANOMALIES: Final[dict[str, str]] = {
    # --- HTTP
    "soap.bad_http": "What should be the head or the chunks of an HTTP message is none; reading goes on at the next.",
    "soap.wrong_content_type": "The Content-Type of a SOAP message is none of SOAP 1.2 (application/soap+xml).",
    "soap.unknown_encoding": "A body is encoded by a method that OCPP-S does not name: only gzip and deflate are.",
    "soap.inflate_failed": "A compressed body could not be unpacked.",
    "soap.body_too_long": "A body is longer than the limit; it was not decoded.",
    "soap.http_error": "A request was answered by an HTTP error status without a SOAP envelope.",
    "soap.empty_answer": "A request was answered without a SOAP envelope, though the HTTP status says success.",
    "soap.unanswered": "The connection ended before the HTTP request on it was answered.",
    "soap.given_up": "The sender of a request ended the connection after waiting long for its answer.",
    "soap.cut_message": "The connection was closed in the middle of a SOAP message.",
    "soap.relayed": "A request was seen again while it was unanswered, on its way to another server; it was left out.",
    "soap.answer_without_request": "An HTTP response belongs to no request of its connection.",
    # --- XML
    "soap.not_xml": "The body is not well-formed XML; the detail says where and why.",
    "soap.doctype": "The body declares a document type, which SOAP forbids; it was not read.",
    "soap.xml_limit": "The body is nested deeper, or has more elements or attributes, than is read.",
    "soap.not_envelope": "The body is XML, but no SOAP envelope.",
    "soap.old_envelope": "The envelope is of SOAP 1.1; OCPP-S uses SOAP 1.2.",
    "soap.unknown_envelope": "The envelope is in a namespace of no SOAP version.",
    "soap.bad_body": "The Body of the envelope does not hold exactly one element.",
    # --- header
    "soap.missing_identity": "A request has no chargeBoxIdentity header, or an empty one.",
    "soap.identity_mismatch": "A request to a station carries another identity than the station there had told.",
    "soap.missing_action": "The WS-Addressing header Action is missing.",
    "soap.wrong_action": "The WS-Addressing header Action does not name the operation in the body.",
    "soap.missing_message_id": "A request has no WS-Addressing header MessageID.",
    "soap.missing_relates_to": "A response has no WS-Addressing header RelatesTo.",
    "soap.wrong_relates_to": "The RelatesTo of a response is not the MessageID of the request that it answers.",
    "soap.relates_to_in_request": "A request has a WS-Addressing header RelatesTo, which belongs into responses.",
    "soap.missing_from": "A request has no WS-Addressing header From with the sender's address.",
    "soap.missing_to": "A request has no WS-Addressing header To.",
    "soap.reply_elsewhere": "A request asks for its answer at another address; OCPP-S answers in the same exchange.",
    "soap.repeated_header": "A WS-Addressing header that may come once comes again; the first one was taken.",
    "soap.draft_addressing": "The headers are of a draft of WS-Addressing instead of 1.0 (2005/08).",
    # --- body
    "soap.unknown_namespace": "The operation is in a namespace of no OCPP version.",
    "soap.wrong_service": "The operation is in the namespace of the other side's service.",
    "soap.unknown_operation": "The element in the body is no operation of its service.",
    "soap.wrong_answer": "The response is that of another operation than the request.",
    "soap.unknown_fault_code": "A fault has a code or subcode that OCPP-S does not list.",
    "soap.mixed_text": "An element that holds elements has text between them.",
    # --- bounds
    "soap.connection_limit": "Too many HTTP connections are open at once; the oldest was given up.",
    "soap.memory_limit": "Bodies under reassembly need more memory than the limit; a connection was given up.",
    "soap.station_limit": "Too many stations: the one that was silent for longest was forgotten.",
    "soap.more_anomalies": "A connection has more anomalies of one kind than are reported one by one.",
}
