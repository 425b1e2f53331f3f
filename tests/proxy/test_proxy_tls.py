"""TLS on both legs: who is trusted, what is made, and how a refusal is told."""

from __future__ import annotations

import asyncio
import socket
import ssl
import stat
from pathlib import Path

import pytest
from certificates import Certificates
from cryptography import x509
from relaying import eventually, relaying, run
from test_proxy_relay import echo, port_of
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import InvalidStatus

from ocpp_inspect.proxy.authority import Authority, AuthorityError
from ocpp_inspect.proxy.settings import Bounds
from ocpp_inspect.proxy.tls import TlsError, UpstreamTls, given_server, made_server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("config"))


def trusting(path: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(path))


def shake_hands(port: int, context: ssl.SSLContext) -> None:
    """As OpenSSL does it in a station: a failure is told to the other side by an alert."""
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secure,
    ):
        secure.recv(1)


def test_the_authority_is_made_once_and_its_key_is_for_its_owner(tmp_path: Path) -> None:
    first = Authority(tmp_path / "a")
    again = Authority(tmp_path / "a")
    assert (first.is_new, again.is_new) == (True, False)
    assert first.fingerprint == again.fingerprint
    assert stat.S_IMODE((tmp_path / "a" / "ca-key.pem").stat().st_mode) == 0o600
    (tmp_path / "a" / "ca-key.pem").write_text("damaged")
    with pytest.raises(AuthorityError, match=r"remove ca\.pem"):
        Authority(tmp_path / "a")


def test_names_are_served_as_asked_with_rsa_and_ecdsa(authority: Authority) -> None:
    async def scenario() -> None:
        context = made_server(authority, ("127.0.0.1",))
        async with relaying("ws://127.0.0.1:1", is_tls=True, server_tls=context) as running:
            for name, cipher in (
                ("csms.example", "ECDHE-ECDSA-AES128-GCM-SHA256"),
                ("other.example", "ECDHE-RSA-AES128-GCM-SHA256"),
                ("third.example", "AES128-GCM-SHA256"),
                (None, "ECDHE-ECDSA-AES256-GCM-SHA384"),
            ):
                client = trusting(authority.path)
                client.maximum_version = ssl.TLSVersion.TLSv1_2
                client.set_ciphers(cipher)
                client.check_hostname = name is not None
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", running.port, ssl=client, server_hostname=name or ""
                )
                shown = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(True))
                names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
                if name is not None:
                    assert names.get_values_for_type(x509.DNSName) == [name]
                else:
                    assert "127.0.0.1" in map(str, names.get_values_for_type(x509.IPAddress))
                writer.close()
            await eventually(lambda: running.relay.open_sessions == 0)

    run(scenario)


def test_a_station_that_does_not_trust_us_is_told_with_the_remedy(authority: Authority) -> None:
    async def scenario() -> None:
        context = made_server(authority, ("127.0.0.1",))
        async with relaying("ws://127.0.0.1:1", is_tls=True, server_tls=context) as running:
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.to_thread(shake_hands, running.port, ssl.create_default_context())
            await eventually(lambda: bool(running.lines))
            assert "does not trust our certificate" in running.lines[0]
            assert "`ocpp-inspect proxy ca`" in running.lines[0]
            assert running.relay.open_sessions == 0
        assert running.told.names() == ["proxy.tls_failed"]

    run(scenario)


def test_a_station_without_tls_or_without_certificate_is_told(authority: Authority, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)

    async def scenario() -> None:
        context = made_server(authority, ("127.0.0.1",), client_ca=certificates.ca)
        async with relaying("ws://127.0.0.1:1", is_tls=True, server_tls=context) as running:
            _, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(b"GET /CP1 HTTP/1.1\r\n\r\n")
            await eventually(lambda: len(running.lines) == 1)
            writer.close()
            client = trusting(authority.path)
            client.maximum_version = ssl.TLSVersion.TLSv1_2
            with pytest.raises(ssl.SSLError):
                await asyncio.to_thread(shake_hands, running.port, client)
            await eventually(lambda: len(running.lines) == 2)
        assert "does not speak TLS here" in running.lines[0]
        assert "showed no certificate" in running.lines[1]

    run(scenario)


def test_a_handshake_that_is_never_finished_ends(authority: Authority) -> None:
    async def scenario() -> None:
        context = made_server(authority, ("127.0.0.1",))
        bounds = Bounds(handshake_s=0.3)
        async with relaying("ws://127.0.0.1:1", is_tls=True, server_tls=context, bounds=bounds) as running:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(b"\x16\x03\x01\x02\x00")
            assert await reader.read() == b""
            writer.close()
            await eventually(lambda: running.relay.open_sessions == 0)

    run(scenario)


@pytest.mark.parametrize("is_verified", [True, False])
def test_the_upstream_is_verified_unless_told_otherwise(tmp_path: Path, is_verified: bool) -> None:
    certificates = Certificates(tmp_path)

    async def scenario() -> None:
        async with (
            serve(echo, "127.0.0.1", 0, ssl=certificates.server()) as server,
            relaying(
                f"wss://127.0.0.1:{port_of(server)}", upstream_tls=UpstreamTls(is_verified=is_verified)
            ) as running,
        ):
            if not is_verified:
                async with connect(running.url + "/CP1") as station:
                    await station.send("x")
                    assert await station.recv() == "x"
                return
            with pytest.raises(InvalidStatus) as error:
                await connect(running.url + "/CP1")
            assert error.value.response.status_code == 502
            assert "its certificate is not accepted" in running.lines[0]
            assert "--upstream-ca" in running.lines[0]

    run(scenario)


def test_unusable_files_are_named(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    empty = tmp_path / "empty.pem"
    empty.touch()
    with pytest.raises(TlsError, match=r"gone\.pem: no such file"):
        given_server(tmp_path / "gone.pem", None)
    with pytest.raises(TlsError, match=r"empty\.pem"):
        UpstreamTls(ca=empty)
    with pytest.raises(TlsError, match=r"server\.pem: certificate and key cannot be used"):
        given_server(certificates.server_pem, certificates.client_key)
    with pytest.raises(TlsError, match=r"keys\.log: cannot be written"):
        UpstreamTls(keylog=tmp_path / "nowhere" / "keys.log")
    UpstreamTls(keylog=tmp_path / "keys.log")
    assert stat.S_IMODE((tmp_path / "keys.log").stat().st_mode) == 0o600
