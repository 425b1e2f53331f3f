"""PEM text of a message in, certificates and keys out, as far as they can be read. No captured text makes it raise."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

if TYPE_CHECKING:  # 60 ms of every start, and few captures hold certificates
    from cryptography import x509

CHAIN: Final = 16  # certificates of one message that are read

T = TypeVar("T")


class Certificate(NamedTuple):
    """What a rule wants to know of a certificate. Names are DER; `key` is empty where its kind is not known."""

    serial: int
    issuer: bytes
    subject: bytes
    key: bytes
    begins_ns: int
    ends_ns: int
    is_authority: bool | None  # None: it does not say, or cannot be read

    @property
    def is_self_signed(self) -> bool:
        """Whether it names itself as its issuer; signatures are not checked."""
        return self.issuer == self.subject


@cache
def unreadable() -> tuple[type[Exception], ...]:
    """What odd certificates raise."""
    from cryptography import x509  # noqa: PLC0415
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    return (
        ValueError,  # no PEM, no DER, text that cannot be encoded, dates that do not exist
        TypeError,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    )


def quietly(read: Callable[[], T]) -> T | None:
    """The result, or None when the text cannot be read. What RFC 5280 only does not like is not our matter."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except unreadable():
        return None


def key_of(holder: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """SubjectPublicKeyInfo as DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    der = quietly(lambda: holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return der or b""


def nanoseconds(moment: datetime) -> int:
    """Since 1970, to the second."""
    return int(moment.timestamp()) * 10**9


def authority(read: x509.Certificate) -> bool | None:
    """The basic constraint cA (RFC 5280 §4.2.1.9)."""
    from cryptography import x509  # noqa: PLC0415

    found = quietly(lambda: [each.value for each in read.extensions if isinstance(each.value, x509.BasicConstraints)])
    if found is None:
        return None
    return found[0].ca if found else (False if read.version is x509.Version.v3 else None)


def certificate(read: x509.Certificate) -> Certificate | None:
    """The parts of a certificate; None when one of them cannot be read."""
    return quietly(
        lambda: Certificate(
            read.serial_number,
            read.issuer.public_bytes(),
            read.subject.public_bytes(),
            key_of(read),
            nanoseconds(read.not_valid_before_utc),
            nanoseconds(read.not_valid_after_utc),
            authority(read),
        )
    )


def certificates(text: Any) -> list[Certificate]:
    """Those of a PEM text in their order; none when one of them cannot be read."""
    if not isinstance(text, str) or text.count("-----BEGIN ") > CHAIN:
        return []
    from cryptography import x509  # noqa: PLC0415

    found = quietly(lambda: [certificate(each) for each in x509.load_pem_x509_certificates(text.encode())]) or []
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else []


def requested_key(text: Any) -> bytes:
    """The key for which a certificate is asked (PKCS #10 in PEM); empty when it cannot be read."""
    if not isinstance(text, str):
        return b""
    from cryptography import x509  # noqa: PLC0415

    return quietly(lambda: key_of(x509.load_pem_x509_csr(text.encode()))) or b""
