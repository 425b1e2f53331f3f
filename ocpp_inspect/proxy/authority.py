"""A directory of the user in; a certificate authority of their own, and certificates for server names, out.

The authority is made on first use and stays on this machine: its key (mode 0600) signs for any name, so a station that
trusts it trusts whoever holds that file. Certificates are made with an RSA and an ECDSA key each, because the ciphers
that OCPP asks for (security whitepaper for 1.6, OCPP 2.0.1 part 2 A00) need one or the other.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import tempfile
from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CERTIFICATE_FILE: Final = "ca.pem"
_KEY_FILE: Final = "ca-key.pem"
_RSA_BITS: Final = 2048
_AUTHORITY_RSA_BITS: Final = 3072
_AUTHORITY_DAYS: Final = 3650
_LEAF_DAYS: Final = 365
_SKEW: Final = datetime.timedelta(days=2)  # clocks of stations are wrong
_NAME_CHARACTERS: Final = 64  # X.520: ub-common-name

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class AuthorityError(Exception):
    """The authority's files cannot be read or written; the text tells what to do."""


def default_directory() -> Path:
    """`$XDG_CONFIG_HOME/ocpp-inspect`, or `~/.config/ocpp-inspect`."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "ocpp-inspect"


class Authority:
    """Signs certificates. Raises AuthorityError when its directory cannot be used."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.is_new = False
        try:
            if not (directory / _KEY_FILE).exists():
                self._make()
                self.is_new = True
            self._certificate = x509.load_pem_x509_certificate(self.path.read_bytes())
            key = serialization.load_pem_private_key((directory / _KEY_FILE).read_bytes(), None)
        except (OSError, ValueError) as error:
            raise AuthorityError(
                f"{directory}: its certificate authority cannot be used ({error}); remove {_CERTIFICATE_FILE} and "
                f"{_KEY_FILE} there to have a new one made, which the stations have to trust anew"
            ) from error
        if not isinstance(key, rsa.RSAPrivateKey):
            raise AuthorityError(f"{directory / _KEY_FILE}: not an RSA key of this program")
        self._key = key
        self._leaf_keys: tuple[Key, ...] = (
            rsa.generate_private_key(public_exponent=65_537, key_size=_RSA_BITS),
            ec.generate_private_key(ec.SECP256R1()),
        )

    @property
    def path(self) -> Path:
        """The certificate to install in the stations, in PEM."""
        return self.directory / _CERTIFICATE_FILE

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as browsers and stations show it."""
        return self._certificate.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def expires(self) -> datetime.datetime:
        """When the certificate ends."""
        return self._certificate.not_valid_after_utc

    def chains(self, names: tuple[str, ...]) -> list[bytes]:
        """For each kind of key, the key and the chain for these server names or addresses, in PEM."""
        authority = self._certificate.public_bytes(serialization.Encoding.PEM)
        return [_pem(key) + self._sign(key, names) + authority for key in self._leaf_keys]

    def _sign(self, key: Key, names: tuple[str, ...]) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_NAME_CHARACTERS])]))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(max(now - _SKEW, self._certificate.not_valid_before_utc))
            .not_valid_after(min(now + datetime.timedelta(days=_LEAF_DAYS), self.expires))
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_usage(is_authority=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _make(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65_537, key_size=_AUTHORITY_RSA_BITS)
        now = datetime.datetime.now(datetime.UTC)
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ocpp-inspect proxy, for debugging only"),
                x509.NameAttribute(
                    NameOID.COMMON_NAME, f"ocpp-inspect CA {x509.random_serial_number() & 0xFFFFFF:06x}"
                ),
            ]
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + datetime.timedelta(days=_AUTHORITY_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(is_authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write_new(self.path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        _write_new(self.directory / _KEY_FILE, _pem(key), 0o600)


def _write_new(path: Path, octets: bytes, mode: int) -> None:
    """Write a file that never exists half, and is never readable by more than `mode` says."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
    Path(name).chmod(mode)
    Path(name).replace(path)


def _pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_encipherment=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
