"""ocpp-inspect: captures in; OCPP exchanges, findings, a database and a timeline out.

The rooms, in the order in which data flows (each hands on what `model` names):

    capture     bytes with a time           → PacketBatch
    network     link layer, IP, TCP header  → SegmentBatch
    tcp         segments                    → StreamBatch
    tls         TLS records, keys           → StreamBatch, decrypted; TlsSession
    websocket   handshake, frames, deflate  → Upgrade, WsMessage, WsControl, Loss, ConnectionClosed
    soap        HTTP exchanges, envelopes   → SoapMessage, Loss, ConnectionClosed
    ocpp        framing, pairing, schema    → OcppMessage
    engine      rules                       → Finding
    store       DuckDB
    report      timeline, findings, summary, json

    replay      a recording                 → the same dialogue with a living CSMS or charger

`pipeline` is the only module that knows every room; `cli` only parses arguments and sets exit codes.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
