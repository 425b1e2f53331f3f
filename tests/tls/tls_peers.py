"""TLS parameters in; what real peers (`ssl`, `websockets`, PyPI `ocpp`, openssl) say under them, captured, out."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import signal
import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

NO_ENCRYPT_THEN_MAC = 1 << 19
NO_EXTENDED_MASTER_SECRET = 1


@dataclass(frozen=True)
class Case:
    """One way to speak TLS."""

    name: str
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    suite: str = ""  # OpenSSL's name; of TLS 1.3: negotiated by openssl's order
    options: int = 0
    client_certificate: bool = False
    connections: int = 1  # the later ones resume
    compressed: bool = False
    is_rsa: bool = True  # the server's key


_13 = ssl.TLSVersion.TLSv1_3
CASES = [
    Case("gcm-128", suite="ECDHE-RSA-AES128-GCM-SHA256"),
    Case("gcm-256", suite="ECDHE-ECDSA-AES256-GCM-SHA384", is_rsa=False),
    Case("chacha", suite="ECDHE-RSA-CHACHA20-POLY1305"),
    Case("ccm", suite="ECDHE-ECDSA-AES128-CCM", is_rsa=False),
    Case("ccm-8", suite="ECDHE-ECDSA-AES256-CCM8", is_rsa=False),
    Case("cbc-sha", suite="ECDHE-RSA-AES128-SHA"),
    Case("cbc-sha-mac-first", suite="ECDHE-RSA-AES256-SHA", options=NO_ENCRYPT_THEN_MAC),
    Case("cbc-sha256", suite="ECDHE-RSA-AES128-SHA256"),
    Case("cbc-sha384-mac-first", suite="ECDHE-RSA-AES256-SHA384", options=NO_ENCRYPT_THEN_MAC),
    Case("rsa", suite="AES128-GCM-SHA256"),
    Case("rsa-old-master", suite="AES256-SHA256", options=NO_EXTENDED_MASTER_SECRET),
    Case("mutual", suite="ECDHE-RSA-AES128-GCM-SHA256", client_certificate=True),
    Case("ticket", suite="ECDHE-RSA-AES128-GCM-SHA256", connections=2),
    Case("session-id", suite="ECDHE-RSA-AES128-GCM-SHA256", connections=2, options=ssl.OP_NO_TICKET),
    Case("rsa-ticket", suite="AES128-GCM-SHA256", connections=2),
    Case("rsa-session-id", suite="AES128-SHA", connections=2, options=ssl.OP_NO_TICKET),
    Case("deflate", suite="ECDHE-RSA-AES128-GCM-SHA256", compressed=True),
    Case("1.1", ssl.TLSVersion.TLSv1_1),
    Case("1.0", ssl.TLSVersion.TLSv1),
    Case("1.0-mac-first", ssl.TLSVersion.TLSv1, options=NO_ENCRYPT_THEN_MAC),
    Case("1.3", _13),
    Case("1.3-mutual", _13, client_certificate=True),
    Case("1.3-resumed", _13, connections=3),
    Case("1.3-deflate", _13, compressed=True, is_rsa=False),
]


class Recording(NamedTuple):
    """A capture with its keys."""

    capture: Path
    key_log: Path
    server_key: Path
    port: int


@dataclass
class Certificates:
    """Files of a small PKI."""

    folder: Path
    server_rsa: Path = field(init=False)
    server_ec: Path = field(init=False)
    client: Path = field(init=False)
    authority: Path = field(init=False)

    def __post_init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example root")])
        root = self._sign(name, key, name, key, authority=True)
        self.authority = self._write("root.pem", [root], None)
        self.server_rsa = self._issue("csms.example", rsa.generate_private_key(65537, 2048), name, key)
        self.server_ec = self._issue("csms.example", ec.generate_private_key(ec.SECP256R1()), name, key, "-ec")
        self.client = self._issue("CP-CLIENT", ec.generate_private_key(ec.SECP256R1()), name, key)
        self.expired = self._issue("csms.example", ec.generate_private_key(ec.SECP256R1()), name, key, "-old", -10, -2)

    def _issue(
        self,
        common: str,
        key: Any,
        issuer: x509.Name,
        issuer_key: Any,
        suffix: str = "",
        begin: int = -1,
        end: int = 30,
    ) -> Path:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
        return self._write(
            f"{common}{suffix}.pem", [self._sign(name, key, issuer, issuer_key, begin=begin, end=end)], key
        )

    @staticmethod
    def _sign(
        name: x509.Name, key: Any, issuer: x509.Name, issuer_key: Any, *, authority: bool = False, begin: int = -1,
        end: int = 30,
    ) -> x509.Certificate:  # fmt: skip
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now + datetime.timedelta(days=begin))
        builder = builder.not_valid_after(now + datetime.timedelta(days=end))
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        if not authority:
            names = [x509.DNSName("csms.example"), x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(issuer_key, hashes.SHA256())

    def _write(self, file: str, chain: list[x509.Certificate], key: Any) -> Path:
        path = self.folder / file
        pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)
        if key is not None:
            pem += key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        path.write_bytes(pem)
        return path


class Tcpdump:
    """tcpdump on the loopback, limited to one port."""

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        command = ["tcpdump", "-i", "lo", "-n", "-U", "--immediate-mode", "-Z", "root", "-s", "0", "-B", "8192"]
        self._process = subprocess.Popen([*command, "-w", str(path), "tcp", "port", str(port)], stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        while line := self._process.stderr.readline():
            if b"listening on" in line:
                break
        time.sleep(0.1)

    def stop(self) -> None:
        time.sleep(0.2)
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=10)


class Csms(ChargePoint):
    """A CSMS that answers what the station of these tests sends."""

    @on("BootNotification")
    def boot(self, **_: Any) -> call_result.BootNotification:
        return call_result.BootNotification("2026-01-01T00:00:00Z", 300, "Accepted")

    @on("Heartbeat")
    def heartbeat(self) -> call_result.Heartbeat:
        return call_result.Heartbeat("2026-01-01T00:00:00Z")

    @on("DataTransfer")
    def data_transfer(self, **_: Any) -> call_result.DataTransfer:
        return call_result.DataTransfer("Accepted", data="x" * 300)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_context(case: Case, pki: Certificates, key_log: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _shape(context, case)
    context.load_cert_chain(pki.server_rsa if case.is_rsa else pki.server_ec)
    context.keylog_filename = str(key_log)
    if case.client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pki.authority)
    return context


class StationContext(ssl.SSLContext):
    """A client's context that continues its last session."""

    last: ssl.SSLObject | None = None

    def wrap_bio(self, *arguments: Any, **words: Any) -> ssl.SSLObject:
        session = self.last.session if self.last is not None else None
        self.last = super().wrap_bio(*arguments, **words, session=session)
        return self.last


def client_context(case: Case, pki: Certificates) -> StationContext:
    context = StationContext(ssl.PROTOCOL_TLS_CLIENT)
    _shape(context, case)
    context.load_verify_locations(pki.authority)
    if case.client_certificate:
        context.load_cert_chain(pki.client)
    return context


def _shape(context: ssl.SSLContext, case: Case) -> None:
    weak = case.version < ssl.TLSVersion.TLSv1_2
    if case.suite or weak:
        context.set_ciphers((case.suite or "ALL") + ("@SECLEVEL=0" if weak else ""))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are meant
        context.minimum_version = context.maximum_version = case.version
    context.options |= case.options


@contextlib.asynccontextmanager
async def csms(context: ssl.SSLContext, port: int, *, compressed: bool = False) -> AsyncIterator[None]:
    """A CSMS on `websockets` and `ocpp`."""

    async def accept(peer: ServerConnection) -> None:
        assert peer.request is not None
        with contextlib.suppress(ConnectionClosed):
            await Csms(peer.request.path.rsplit("/", 1)[-1], peer).start()

    logging.getLogger("ocpp").setLevel(logging.CRITICAL)
    async with serve(
        accept, "127.0.0.1", port, ssl=context, subprotocols=["ocpp1.6"],  # type: ignore[list-item]
        compression="deflate" if compressed else None, ping_interval=None,
    ):  # fmt: skip
        yield


async def talk(context: ssl.SSLContext, port: int, identity: str, *, compressed: bool = False, beats: int = 3) -> None:
    """A station connects, boots, sends some heartbeats and a long message, and leaves."""
    async with connect(
        f"wss://csms.example:{port}/ocpp/{identity}", host="127.0.0.1", ssl=context,
        subprotocols=["ocpp1.6"], compression="deflate" if compressed else None, ping_interval=None, proxy=None,  # type: ignore[list-item]
    ) as peer:  # fmt: skip
        station = ChargePoint(identity, peer)
        reader = asyncio.create_task(station.start())
        await station.call(call.BootNotification("Model", "Vendor"))
        for _ in range(beats):
            await station.call(call.Heartbeat())
        await station.call(call.DataTransfer("vendor", data="long " * 5_000))
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
            await reader


async def run_case(case: Case, pki: Certificates, port: int, key_log: Path) -> None:
    """All connections of one case, one after the other."""
    server, client = server_context(case, pki, key_log), client_context(case, pki)
    async with csms(server, port, compressed=case.compressed):
        for number in range(case.connections):
            await talk(client, port, f"{case.name}-{number}", compressed=case.compressed)
            assert client.last is not None
            assert client.last.session_reused == (number > 0), case.name


@contextlib.contextmanager
def captured(path: Path, port: int) -> Iterator[None]:
    dump = Tcpdump(path, port)
    try:
        yield
    finally:
        dump.stop()
