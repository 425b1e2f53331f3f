"""The names of what the proxy reports, each with one line that says what it is."""

from __future__ import annotations

from typing import Final

ANOMALIES: Final[dict[str, str]] = {
    # --- what the proxy did by itself
    "proxy.answered": "The proxy itself answered a request, because it had no upstream for it or could not reach it.",
    "proxy.upstream_failed": "The upstream could not be reached, or its certificate was not accepted.",
    "proxy.tls_failed": "The TLS handshake with a station failed; mostly it does not trust the proxy's certificate.",
    "proxy.limit": "A limit of the proxy ended this connection: handshake time, silence, frame size, number.",
    "proxy.not_analysed": "The analysis was behind: these octets were forwarded, but not looked at.",
    "proxy.ended": "The proxy was stopped while this connection was open.",
    "proxy.mirror": "What a mirror, to which the station's messages are copied, said or failed to do.",
    # --- what somebody made it do (the marks of interception)
    "proxy.modified": "A message was replaced on its way; both versions are told.",
    "proxy.dropped": "A message was not forwarded.",
    "proxy.delayed": "A message was forwarded later than it came.",
    "proxy.held": "A message was held until somebody let it go.",
    "proxy.duplicated": "A message was forwarded more than once.",
    "proxy.injected": "A message that neither side sent was put into the connection.",
    "proxy.answer_kept": "The answer to an injected message was kept from the side that had not asked.",
    "proxy.refused": "The proxy refused an upgrade on somebody's order.",
    "proxy.cut": "The proxy cut a connection on somebody's order.",
    "proxy.closed": "The proxy sent a close frame on somebody's order.",
    "proxy.unreadable": "A message could not be read for interception (binary, too long, or its compression history is "
    "not known) and was forwarded as it was.",
}
