"""Certificates in messages: read as they are, and no damage to one raises."""

from __future__ import annotations

import importlib.util
import random
from base64 import b64encode
from datetime import UTC, datetime
from types import ModuleType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ocpp_inspect.resources import data_directory

BEGIN, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)
ROUNDS = 3000


@pytest.fixture(scope="module")
def reading() -> ModuleType:
    path = data_directory("rules") / "M-certificates" / "reading.py"
    spec = importlib.util.spec_from_file_location("certificate_reading", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def key() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def made(key: EllipticCurvePrivateKey, authority: bool | None) -> x509.Certificate:
    builder = x509.CertificateBuilder().issuer_name(name("Root")).subject_name(name("CP1")).serial_number(0xA11)
    builder = builder.public_key(key.public_key()).not_valid_before(BEGIN).not_valid_after(END)
    if authority is not None:
        builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
    return builder.sign(key, SHA256())


def pem(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{b64encode(der).decode()}\n-----END {label}-----\n"


def damaged(der: bytes, rnd: random.Random) -> bytes:
    octets = bytearray(der)
    for _ in range(rnd.randrange(1, 4)):
        at = rnd.randrange(len(octets))
        kind = rnd.randrange(3)
        if kind == 0:
            octets[at] = rnd.randrange(256)
        elif kind == 1:
            del octets[at : at + rnd.randrange(1, 5)]
        else:
            octets[at:at] = rnd.randbytes(2)
    return bytes(octets)


@pytest.mark.parametrize(("authority", "told"), [(True, True), (False, False), (None, False)])
def test_what_a_certificate_says(
    reading: ModuleType, key: EllipticCurvePrivateKey, authority: bool | None, told: bool
) -> None:
    (read,) = reading.certificates(made(key, authority).public_bytes(Encoding.PEM).decode())
    assert (read.serial, read.is_self_signed, read.is_authority) == (0xA11, False, told)
    assert (read.begins_ns, read.ends_ns) == (int(BEGIN.timestamp()) * 10**9, int(END.timestamp()) * 10**9)
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(name("CP1")).sign(key, SHA256()).public_bytes(Encoding.PEM)
    )
    assert reading.requested_key(request.decode()) == read.key


def test_a_chain_is_read_as_a_whole_or_not_at_all(reading: ModuleType, key: EllipticCurvePrivateKey) -> None:
    one = made(key, None).public_bytes(Encoding.PEM).decode()
    assert len(reading.certificates(one * 3)) == 3
    assert reading.certificates(one + one.replace("MII", "MIA", 1)) == []
    assert reading.certificates(one * (reading.CHAIN + 1)) == []


@pytest.mark.parametrize("text", ["", "x", "\ud800", None, 7, pem("CERTIFICATE", b""), "-----BEGIN CERTIFICATE-----\n"])
def test_what_is_no_certificate(reading: ModuleType, text: object) -> None:
    assert (reading.certificates(text), reading.requested_key(text)) == ([], b"")


def test_no_damage_raises(reading: ModuleType, key: EllipticCurvePrivateKey) -> None:
    rnd = random.Random(20260101)
    certificate = made(key, True).public_bytes(Encoding.DER)
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(name("CP1")).sign(key, SHA256()).public_bytes(Encoding.DER)
    )
    readable = 0
    for _ in range(ROUNDS):
        readable += len(reading.certificates(pem("CERTIFICATE", damaged(certificate, rnd))))
        readable += bool(reading.requested_key(pem("CERTIFICATE REQUEST", damaged(request, rnd))))
    assert 0 < readable < 2 * ROUNDS
