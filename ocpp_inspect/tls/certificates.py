"""The chain of a Certificate message in DER in, Certificate facts out. A certificate that is none gives what is known.

Only what the chain itself shows is said: whether a root is trusted is known to the peers alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from ocpp_inspect.limits import TLS_NAME_CHARACTERS, TLS_NAMES
from ocpp_inspect.model import Certificate

_SECOND_NS: Final = 10**9


def read_chain(chain: Sequence[bytes]) -> tuple[Certificate, ...]:
    """Facts of each certificate, in the order sent."""
    return tuple(map(_read, chain))


def gap_in(chain: Sequence[Certificate]) -> str:
    """The issuer that the next certificate should be and is not (RFC 5246 §7.4.2); "" when all follow each other."""
    for one, following in pairwise(chain):
        if one.is_readable and following.is_readable and one.issuer != following.subject:
            return one.issuer
    return ""


def is_for(certificate: Certificate, server_name: str) -> bool | None:
    """Whether it names this host (RFC 6125 §6.4: one label may be a star); None when that cannot be said."""
    if not server_name or not certificate.is_readable:
        return None
    names = certificate.names or ((certificate.common_name,) if certificate.common_name else ())
    if not names:
        return None
    wanted = server_name.lower().rstrip(".")
    rest = wanted.partition(".")[2]
    for name in names:
        given = name.lower().rstrip(".")
        if given == wanted or (given.startswith("*.") and given[2:] == rest and rest):
            return True
    return False


def modulus_of(der: bytes) -> int:
    """The modulus of an RSA certificate; 0 when it has none."""
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415 - 60 ms, needed for TLS only

    try:
        numbers = getattr(load_der_x509_certificate(der).public_key(), "public_numbers", None)
        return int(getattr(numbers(), "n", 0)) if numbers is not None else 0
    except Exception:  # noqa: BLE001 - hostile DER: the parser names no closed set of errors
        return 0


def _read(der: bytes) -> Certificate:
    from cryptography.x509 import load_der_x509_certificate  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about serial numbers and encodings that are no concern of ours
            certificate = load_der_x509_certificate(der)
            key_kind, key_bits = _key(certificate)
            return Certificate(
                subject=_name(certificate.subject),
                issuer=_name(certificate.issuer),
                common_name=_common_name(certificate.subject),
                not_before_ns=int(certificate.not_valid_before_utc.timestamp()) * _SECOND_NS,
                not_after_ns=_bounded(certificate.not_valid_after_utc.timestamp()),
                key_kind=key_kind,
                key_bits=key_bits,
                names=_alternative_names(certificate),
                is_self_issued=certificate.subject == certificate.issuer,
                signature=_signature(certificate),
            )
    except Exception:  # noqa: BLE001 - hostile DER: the parser names no closed set of errors
        return Certificate(is_readable=False)


def _bounded(seconds: float) -> int:
    """Nanoseconds within 63 bits: "no expiry" is the year 9999 (RFC 5280 §4.1.2.5)."""
    return min(int(seconds), 9_000_000_000) * _SECOND_NS


def _name(name: Any) -> str:
    text: str = name.rfc4514_string()
    return text[:TLS_NAME_CHARACTERS]


def _common_name(name: Any) -> str:
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[-1].value)[:TLS_NAME_CHARACTERS] if found else ""


def _key(certificate: Any) -> tuple[str, int]:
    try:
        key = certificate.public_key()
    except Exception:  # noqa: BLE001 - an algorithm that the library lacks
        return "", 0
    kind = type(key).__name__.strip("_").removesuffix("PublicKey")
    bits = getattr(key, "key_size", 0) or {"Ed25519": 256, "Ed448": 456}.get(kind, 0)
    return {"EllipticCurve": "EC"}.get(kind, kind), int(bits)


def _signature(certificate: Any) -> str:
    try:
        digest = certificate.signature_hash_algorithm
    except Exception:  # noqa: BLE001 - an algorithm that the library lacks
        return ""
    return str(digest.name) if digest is not None else ""


def _alternative_names(certificate: Any) -> tuple[str, ...]:
    from cryptography.x509 import DNSName, IPAddress, SubjectAlternativeName  # noqa: PLC0415

    try:
        names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - absent, or an extension that is malformed
        return ()
    found = [*names.get_values_for_type(DNSName), *map(str, names.get_values_for_type(IPAddress))]
    return tuple(str(name)[:TLS_NAME_CHARACTERS] for name in found[:TLS_NAMES])
