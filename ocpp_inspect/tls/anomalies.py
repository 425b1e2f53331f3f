"""The names of what this room reports, each with one line that says what it is."""

from __future__ import annotations

from typing import Final

ANOMALIES: Final[dict[str, str]] = {
    "tls.encrypted": "The connection is encrypted with TLS and no key was given that opens it: its content is unknown.",
    "tls.joined_midway": "A TLS connection whose beginning was not captured: no key can open it.",
    "tls.wrong_keys": "The key given for a TLS connection does not open it.",
    "tls.unsupported": "A TLS connection whose cipher suite this program cannot decrypt; `--engine tshark` may.",
    "tls.incomplete_keys": "The key log lacks a secret of a connection, so that one direction or a part stays closed.",
    "tls.records_lost": "TLS records are missing from the capture; decryption went on behind them.",
    "tls.bad_record": "Octets that should be a TLS record are none; the next record was searched.",
    "tls.bad_mac": "A TLS record does not authenticate: damaged, or an attack. Its content was dropped.",
    "tls.gave_up": "Decryption of a connection was given up, because too many records in a row could not be opened.",
    "tls.bad_handshake": "A handshake message is malformed; what it should have said is unknown.",
    "tls.fatal_alert": "One side ended the TLS connection with an alert that names an error.",
    "tls.answered_in_plain": "A TLS handshake was answered in clear text: the port does not speak TLS.",
    "tls.renegotiated": "The TLS handshake was done again inside the connection.",
    "tls.early_data": "The client sent data before the handshake was complete (0-RTT), which can be replayed.",
    "tls.connection_limit": "Too many TLS connections are open at once; the oldest was given up.",
}
