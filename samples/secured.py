"""A site in; scenarios over TLS out: with the keys inside of the capture, and without any."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from samples.clean import PYTHON
from samples.context import Context, Expected, Scenario
from samples.stack2x import Csms201, Station201
from samples.stack16 import Csms16, Station16

HOST = "csms.example"
PORT = 443
VALID = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), datetime.datetime(2036, 1, 1, tzinfo=datetime.UTC)


class Authority:
    """A root that lives as long as the recording; its keys are thrown away."""

    def __init__(self, folder: Path, name: str = "Example charging root") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(self._name, self._key, authority=True)
        self.path = folder / f"{name.replace(' ', '-')}.pem"
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, common_name: str) -> Path:
        key = ec.generate_private_key(ec.SECP256R1())
        owner = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example")
        name = x509.Name([owner, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        path = self._folder / f"{common_name}.pem"
        own = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(self._sign(name, key).public_bytes(serialization.Encoding.PEM) + own)
        return path

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *, authority: bool = False) -> x509.Certificate:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(VALID[0])
        builder = builder.not_valid_after(VALID[1])
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        if not authority:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def contexts(
    c: Context, authority: Authority, version: ssl.TLSVersion, *, mutual: bool = False
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(the CSMS's, the station's); the CSMS writes its keys down."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (server, client):
        context.minimum_version = context.maximum_version = version
        context.load_verify_locations(authority.path)
    server.load_cert_chain(authority.issue(HOST))
    server.keylog_filename = str(c.key_log)
    if mutual:
        server.verify_mode = ssl.CERT_REQUIRED
        client.load_cert_chain(authority.issue("EW-2001-SN"))
    return server, client


async def tls12(c: Context) -> None:
    server, client = contexts(c, Authority(c.folder), ssl.TLSVersion.TLSv1_2)
    with c.capture():
        for _ in range(2):
            async with (
                c.site.csms(Csms16, port=PORT, ssl=server),
                c.site.station(
                    Station16, "EW-1001", url=f"wss://192.168.50.1:{PORT}/ocpp", ssl=client, server_hostname=HOST
                ) as s,
            ):
                await s.boot()
                await s.statuses()
                await s.session(1, "04A2B3C4", samples=3, every=300)
                await c.clock.sleep(60)


async def tls13(c: Context) -> None:
    server, client = contexts(c, Authority(c.folder), ssl.TLSVersion.TLSv1_3, mutual=True)
    with c.capture():
        async with (
            c.site.csms(Csms201, port=PORT, subprotocols=("ocpp2.0.1",), compression="deflate", ssl=server),
            c.site.station(
                Station201, "EW-2001", url=f"wss://192.168.50.1:{PORT}/ocpp", subprotocols=("ocpp2.0.1",),
                compression="deflate", ssl=client, server_hostname=HOST,
            ) as s,
        ):  # fmt: skip
            await s.boot()
            await s.inventory()
            await s.session(1, "04A2B3C4D5E680", samples=4, every=300)


def refuse(stranger: ssl.SSLContext) -> None:
    """Connect with a trust that the CSMS's certificate does not meet; unlike asyncio this sends OpenSSL's alert."""
    end = socket.create_connection(("192.168.50.1", PORT), source_address=("192.168.50.11", 0))
    with end, contextlib.suppress(ssl.SSLError):
        stranger.wrap_socket(end, server_hostname=HOST)


async def closed(c: Context) -> None:
    authority = Authority(c.folder)
    server, client = contexts(c, authority, ssl.TLSVersion.TLSv1_2)
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.maximum_version = ssl.TLSVersion.TLSv1_2
    stranger.load_verify_locations(Authority(c.folder, "Root of another operator").path)
    url = f"wss://192.168.50.1:{PORT}/ocpp"
    with c.capture():
        async with c.site.csms(Csms16, port=PORT, ssl=server):
            await asyncio.to_thread(refuse, stranger)
            await asyncio.sleep(0.1)
            async with c.site.station(Station16, "EW-1002", url=url, ssl=client, server_hostname=HOST) as s:
                await s.boot()
                await s.statuses()
                beats = c.clock.spawn(s.heartbeats())
                await c.clock.sleep(3700)
                beats.cancel()


SECURED = [
    Scenario(
        "wss-tls12", "A 1.6 station over TLS 1.2, with the keys inside",
        "Two sessions, the second one resumed by ticket or not as the stacks agree. The key log of the CSMS is a "
        "decryption secrets block of the capture, as `editcap --inject-secrets` puts it there.",
        tls12, PYTHON, ports=(PORT,), suffix=".pcapng.gz", secured="keys",
    ),
    Scenario(
        "wss-tls13-mutual", "A 2.0.1 station over TLS 1.3 with its certificate, compressed, with the keys inside",
        "Security profile 3: both sides show certificates, which TLS 1.3 hides from everybody without keys.",
        tls13, PYTHON, ports=(PORT,), suffix=".pcapng.gz", secured="keys",
    ),
    Scenario(
        "wss-without-keys", "TLS 1.2 without keys: a refused certificate, then an hour of heartbeats",
        "The station first trusts another root and ends the handshake, then the right one. What the connection carries "
        "stays closed; its certificates, its alert and its rhythm do not.",
        closed, PYTHON, [Expected("SEC-034")], ports=(PORT,), complete=False, secured="closed",
    ),
]  # fmt: skip
