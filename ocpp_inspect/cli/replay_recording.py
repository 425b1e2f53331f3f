"""A replay and a database in; the replay played through a relay of ours that records it, and its outcome, out."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from ocpp_inspect.proxy.process import AnalysisError, AnalysisOptions
from ocpp_inspect.proxy.relay import ListenError
from ocpp_inspect.proxy.routes import RouteError, Routes, parse_route
from ocpp_inspect.proxy.run import run_proxy
from ocpp_inspect.proxy.settings import Address, Settings
from ocpp_inspect.replay import Outcome
from ocpp_inspect.replay.dialogue import ReplayError

Start = Callable[[asyncio.Event, int], Coroutine[Any, Any, Outcome]]
"""Begins the replay: the event that stops it, and the port on which the relay listens."""


def recorded(
    start: Start, *, listen: Address, upstream: str, upstream_tls: ssl.SSLContext | None,
    server_tls: ssl.SSLContext | None, database: Path, source: str, say: Callable[[str], None],
) -> Outcome | None:  # fmt: skip
    """Play between a relay's two ends; None when a person stopped it. Raises ReplayError when it cannot begin."""
    found: list[Outcome] = []
    problems: list[ReplayError] = []
    ports: list[int] = []

    async def beside(_relay: Any, stopped: asyncio.Event) -> None:
        try:
            found.append(await start(stopped, ports[0]))
        except ReplayError as error:
            problems.append(error)
        finally:
            stopped.set()

    try:
        settings = Settings(
            (listen,),
            Routes([parse_route(upstream)]),
            server_tls=server_tls,
            upstream_tls=lambda _: upstream_tls or ssl.create_default_context(),
        )
        run_proxy(
            settings, AnalysisOptions(database, source), say, beside=beside,
            started=lambda addresses: ports.append(addresses[0].port),
        )  # fmt: skip
    except (AnalysisError, ListenError, RouteError) as error:
        raise ReplayError(str(error)) from None
    if problems:
        raise problems[0]
    return found[0] if found else None
