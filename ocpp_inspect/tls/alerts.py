"""The number of a TLS alert in; its name and what it means to a field engineer out (RFC 8446 §6, RFC 5246 §7.2)."""

from __future__ import annotations

from typing import Final

CLOSE_NOTIFY: Final = 0
_HARMLESS: Final = (0, 90, 100)  # close_notify, user_canceled, no_renegotiation

_ALERTS: Final[dict[int, tuple[str, str]]] = {
    0: ("close_notify", "it has nothing more to send"),
    10: ("unexpected_message", "it got a message that does not belong there: often no TLS, or a broken stack"),
    20: ("bad_record_mac", "a record was damaged, or the two sides have different keys"),
    21: ("decryption_failed", "a record was damaged, or the two sides have different keys"),
    22: ("record_overflow", "a record was longer than allowed"),
    30: ("decompression_failure", "compressed data were wrong"),
    40: ("handshake_failure", "no cipher suite, curve or signature suits both, or a client certificate is missing"),
    41: ("no_certificate", "it has no certificate"),
    42: ("bad_certificate", "it cannot use the other side's certificate: damaged, or its signature is wrong"),
    43: ("unsupported_certificate", "it does not know this kind of certificate"),
    44: ("certificate_revoked", "the other side's certificate is revoked"),
    45: ("certificate_expired", "the other side's certificate is out of date, or its own clock is wrong"),
    46: ("certificate_unknown", "it does not accept the other side's certificate, for a reason it does not name"),
    47: ("illegal_parameter", "a field of the handshake has a value that is not allowed"),
    48: ("unknown_ca", "it does not know who issued the other side's certificate: a root or intermediate is missing"),
    49: ("access_denied", "the other side's certificate is valid but not admitted"),
    50: ("decode_error", "a handshake message was malformed"),
    51: ("decrypt_error", "a signature or a Finished did not fit"),
    60: ("export_restriction", "the key is longer than old export rules allow"),
    70: ("protocol_version", "it does not speak any TLS version that the other side offers"),
    71: ("insufficient_security", "the cipher suites offered are too weak for it"),
    80: ("internal_error", "something failed on its side"),
    86: ("inappropriate_fallback", "the client came back with an older version although a newer one works"),
    90: ("user_canceled", "a person or program gave up"),
    100: ("no_renegotiation", "it does not want to do the handshake again"),
    109: ("missing_extension", "a required extension of the handshake is missing"),
    110: ("unsupported_extension", "the other side answered an extension that was not offered"),
    112: ("unrecognized_name", "it does not serve the host name that the client asked for (SNI)"),
    113: ("bad_certificate_status_response", "the OCSP answer was wrong"),
    115: ("unknown_psk_identity", "it does not know the pre-shared key"),
    116: ("certificate_required", "it wants a client certificate (security profile 3), and none was sent"),
    120: ("no_application_protocol", "none of the protocols offered (ALPN) suits it"),
}


def alert_name(number: int) -> str:
    """The name in the RFC."""
    return _ALERTS.get(number, (f"alert {number}", ""))[0]


def alert_meaning(number: int) -> str:
    """What it means, with the alert's sender as "it"."""
    return _ALERTS.get(number, ("", "it gives a reason that no RFC names"))[1]


def is_error(level: int, number: int) -> bool:
    """Whether the alert ends the connection because something is wrong. TLS 1.3 ignores the level (RFC 8446 §6)."""
    return number not in _HARMLESS and not (level == 1 and number == 112)
