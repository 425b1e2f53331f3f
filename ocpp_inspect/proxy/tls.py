"""Files and flags in; the TLS contexts of both legs out: what stations see of us, and what we ask of the CSMS."""

from __future__ import annotations

import os
import re
import socket
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from ocpp_inspect.limits import PROXY_CERTIFICATES
from ocpp_inspect.proxy.authority import Authority
from ocpp_inspect.proxy.routes import Upstream

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:RSA+AESGCM:!aNULL:!eNULL:!aDSS"
"""Forward secrecy first; RSA key exchange last, which OCPP makes stations offer (part 2, A00)."""
_SERVER_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?\Z")


class TlsError(Exception):
    """A certificate, a key or a CA file cannot be used; the text names it."""


def with_keylog(context: ssl.SSLContext, keylog: Path | None) -> ssl.SSLContext:
    """Let the context write its secrets (NSS key log format) into a file that only its owner can read."""
    if keylog is None:
        return context
    try:
        if not keylog.exists():
            os.close(os.open(keylog, os.O_WRONLY | os.O_CREAT, 0o600))
        context.keylog_filename = str(keylog)
    except OSError as error:
        raise TlsError(f"{keylog}: cannot be written: {error.strerror}") from error
    return context


def given_server(
    certificate: Path, key: Path | None, *, client_ca: Path | None = None, keylog: Path | None = None
) -> ssl.SSLContext:
    """The stations' leg with a certificate of the user's. Raises TlsError."""
    context = _server(client_ca, keylog)
    _load(context, certificate, key)
    return context


def made_server(
    authority: Authority, addresses: tuple[str, ...], *, client_ca: Path | None = None, keylog: Path | None = None
) -> ssl.SSLContext:
    """The stations' leg with a certificate for every name that a station asks for (RFC 6066 §3).

    Stations that name none, because they connect to an address, get one for `addresses` and this machine's names.
    """
    context = _server(client_ca, keylog)
    _load_chains(context, authority, _own_names(addresses))
    known: dict[str, ssl.SSLContext] = {}

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        if name is None:
            return None
        wanted = name.lower()
        if _SERVER_NAME.match(wanted) is None:
            return None
        found = known.get(wanted)
        if found is None:
            if len(known) >= PROXY_CERTIFICATES:
                return None
            found = known[wanted] = _server(client_ca, keylog)
            _load_chains(found, authority, (wanted,))
        connection.context = found
        return None

    context.sni_callback = choose
    return context


class UpstreamTls:
    """The contexts of the CSMS's leg, one an upstream; sessions of different upstreams are never mixed."""

    def __init__(
        self,
        *,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        is_verified: bool = True,
        keylog: Path | None = None,
    ) -> None:
        self._ca = ca
        self._certificate = certificate
        self._key = key
        self._is_verified = is_verified
        self._keylog = keylog
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._make()  # unusable files are said at once

    def __call__(self, upstream: Upstream) -> ssl.SSLContext:
        """The context for an upstream."""
        if upstream.url not in self._contexts:
            self._contexts[upstream.url] = self._make()
        return self._contexts[upstream.url]

    def _make(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=str(self._ca) if self._ca is not None else None)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"{self._ca}: no certificates can be read from it ({error})") from error
        if not self._is_verified:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        with suppress(ssl.SSLError):
            context.set_ciphers(_CIPHERS)
        if self._certificate is not None:
            _load(context, self._certificate, self._key)
        return with_keylog(context, self._keylog)


def _server(client_ca: Path | None, keylog: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    if client_ca is not None:
        try:
            context.load_verify_locations(cafile=str(client_ca))
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"{client_ca}: no certificates can be read from it ({error})") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return with_keylog(context, keylog)


def _load(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    for path in filter(None, (certificate, key)):
        if not path.is_file():
            raise TlsError(f"{path}: no such file")
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise TlsError(f"{certificate}: certificate and key cannot be used ({error}); both must be PEM") from error


def _no_password() -> str:
    raise ValueError("the key is encrypted; decrypt it first: openssl pkey -in KEY -out PLAIN")


def _load_chains(context: ssl.SSLContext, authority: Authority, names: tuple[str, ...]) -> None:
    """The ssl module reads keys from files only: they exist for a moment, for this user alone."""
    with tempfile.TemporaryDirectory(prefix="ocpp-inspect-") as directory:  # mode 0700
        for number, chain in enumerate(authority.chains(names)):
            path = Path(directory) / f"{number}.pem"
            path.write_bytes(chain)
            context.load_cert_chain(path)


def _own_names(addresses: tuple[str, ...]) -> tuple[str, ...]:
    """What a station may call this machine by."""
    names = dict.fromkeys(each for each in addresses if each not in ("", "0.0.0.0", "::"))  # noqa: S104
    host = socket.gethostname()
    for name in (host, "localhost"):
        if _SERVER_NAME.match(name):
            names[name] = None
    for name in ("127.0.0.1", "::1"):
        names[name] = None
    with suppress(OSError):
        for *_, address in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP):
            names[str(address[0]).partition("%")[0]] = None
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # RFC 5737: sends nothing, but tells the address of the default route
        names[probe.getsockname()[0]] = None
    return tuple(names)
