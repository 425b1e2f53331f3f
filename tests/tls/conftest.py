"""What the TLS tests share: one recording of real peers under every kind of TLS."""

from __future__ import annotations

import asyncio

import pytest
from tls_peers import CASES, Certificates, Recording, captured, free_port, run_case


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Every case once, over the loopback: 31 connections."""
    folder = tmp_path_factory.mktemp("tls")
    made = Recording(folder / "all.pcap", folder / "keys.log", folder / "csms.example.pem", free_port())
    pki = Certificates(folder)

    async def main() -> None:
        for case in CASES:
            await run_case(case, pki, made.port, made.key_log)

    with captured(made.capture, made.port):
        asyncio.run(main())
    return made
