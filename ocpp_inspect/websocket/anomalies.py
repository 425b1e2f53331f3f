"""Nothing in; the stable names of every anomaly of this room and what each one is."""

from __future__ import annotations

from typing import Final

ANOMALIES: Final[dict[str, str]] = {
    # --- the upgrade request
    "http.answered_by_tls": "A request in clear text was answered with a TLS alert: the port speaks TLS only.",
    "http.not_get": "A WebSocket upgrade was requested with another method than GET.",
    "http.old_version": "A WebSocket upgrade was requested with HTTP/1.0, which has no upgrades.",
    "http.missing_host": "The upgrade request has no Host header.",
    "http.missing_upgrade": "The upgrade request does not say `Upgrade: websocket`.",
    "http.missing_connection": "The upgrade request does not say `Connection: Upgrade`.",
    "http.missing_key": "The upgrade request has no Sec-WebSocket-Key.",
    "http.bad_key": "The Sec-WebSocket-Key is not 16 octets in base64.",
    "http.missing_version": "The upgrade request has no Sec-WebSocket-Version.",
    "http.bad_version": "The Sec-WebSocket-Version is not 13.",
    "http.no_subprotocol_offered": "The upgrade request offers no subprotocol, so the OCPP version is not negotiated.",
    "http.bad_header": "A line in the head of an upgrade request or of its answer is not a header.",
    "http.head_too_long": "The head of an HTTP message is longer than the limit; the connection was left alone.",
    "http.data_before_answer": "The client sent WebSocket frames before the answer to its upgrade, or that is missing.",
    # --- the answer
    "http.missing_accept_key": "The 101 answer has no Sec-WebSocket-Accept.",
    "http.wrong_accept_key": "The Sec-WebSocket-Accept of the 101 answer does not fit the key of the request.",
    "http.answer_missing_upgrade": "The 101 answer does not say `Upgrade: websocket`.",
    "http.answer_missing_connection": "The 101 answer does not say `Connection: Upgrade`.",
    "http.subprotocol_not_offered": "The server selected a subprotocol that the client did not offer.",
    "http.no_subprotocol_selected": "The client offered subprotocols and the server selected none.",
    "http.several_subprotocols_selected": "The server selected more than one subprotocol.",
    "http.extension_not_offered": "The server accepted an extension that the client did not offer.",
    "http.bad_extension": "The accepted extensions are malformed, unknown or contradict each other.",
    # --- frames
    "ws.unmasked_client_frame": "The client sent a frame without a mask.",
    "ws.masked_server_frame": "The server sent a masked frame.",
    "ws.reserved_bits": "A frame has reserved bits set that no negotiated extension gives a meaning.",
    "ws.compressed_without_negotiation": "A frame is marked as compressed, but no compression was negotiated.",
    "ws.unknown_opcode": "A frame has an opcode that RFC 6455 does not define; its payload was skipped.",
    "ws.long_length_form": "A payload length is written in a longer form than it needs.",
    "ws.fragmented_control": "A control frame is marked as fragment.",
    "ws.long_control": "A control frame has more than 125 octets of payload.",
    "ws.continuation_without_start": "A continuation frame came although no message had begun; it was skipped.",
    "ws.interrupted_message": "A new message began before the last fragment of the one before; that one was given up.",
    "ws.bad_close_code": "A close frame has a status code that must not be sent.",
    "ws.bad_close_payload": "A close frame has a payload of one octet, too short for a status code.",
    "ws.bad_close_reason": "The reason in a close frame is not valid UTF-8.",
    "ws.invalid_utf8": "A text message is not valid UTF-8.",
    "ws.data_after_close": "A side sent a message after its own close frame.",
    "ws.cut_frame": "The connection was closed in the middle of a frame.",
    "ws.lost_sync": "What should be a frame header is none; the next frame was searched.",
    # --- compression
    "ws.inflate_failed": "A compressed message could not be decoded: wrong data, or history that is missing.",
    "ws.inflate_limit": "A compressed message grows beyond the limit and was not decoded.",
    "ws.inflate_contexts": "Too many compressed connections are open at once; the history of this one was dropped.",
    # --- bounds
    "ws.message_too_long": "A message is longer than the limit; its payload was skipped.",
    "ws.memory_limit": "Messages under reassembly need more memory than the limit; one was skipped.",
    "ws.connection_limit": "Too many connections are open at once; the oldest was given up.",
    "ws.more_anomalies": "A connection has more anomalies of one kind than are reported one by one.",
}
