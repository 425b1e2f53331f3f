"""Nothing in; a small public key infrastructure of a test, in files, out."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


class Certificates:
    """A CA that is not the proxy's, a server called localhost and a client."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of a test")])
        root = self._sign(self._name, self._authority.public_key(), x509.BasicConstraints(ca=True, path_length=None))
        self.ca = folder / "test-ca.pem"
        self.ca.write_bytes(root)
        self.server_pem = self._pair("server", ExtendedKeyUsageOID.SERVER_AUTH)
        self.client = self._pair("client", ExtendedKeyUsageOID.CLIENT_AUTH)
        self.client_key = self.client.with_suffix(".key")

    def server(self, *, demands_client: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_pem, self.server_pem.with_suffix(".key"))
        if demands_client:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def load_client(self, context: ssl.SSLContext) -> None:
        context.load_cert_chain(self.client, self.client_key)

    def _pair(self, name: str, usage: x509.ObjectIdentifier) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        path = self._folder / f"{name}.pem"
        path.write_bytes(self._sign(subject, key.public_key(), names, x509.ExtendedKeyUsage([usage])))
        path.with_suffix(".key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return path

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._authority, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM)
