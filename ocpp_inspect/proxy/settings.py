"""Nothing in; what a proxy is told: where it listens, where it forwards to, whom it trusts."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field

from ocpp_inspect import limits
from ocpp_inspect.proxy.routes import Routes, Upstream


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int
    is_tls: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.is_tls else 'ws'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one proxy; times in seconds."""

    connections: int = limits.PROXY_CONNECTIONS
    handshake_s: float = limits.PROXY_HANDSHAKE_S
    connect_s: float = limits.PROXY_CONNECT_S
    answer_s: float = limits.PROXY_ANSWER_S
    linger_s: float = limits.PROXY_LINGER_S
    dead_s: int = limits.PROXY_DEAD_S
    drain_s: float = limits.PROXY_DRAIN_S
    idle_s: float = limits.PROXY_IDLE_S
    http_idle_s: float = limits.PROXY_HTTP_IDLE_S
    frame_bytes: int = limits.PROXY_FRAME_BYTES


@dataclass(frozen=True, slots=True)
class Settings:
    """`server_tls` gives the context for a server name (None: the client named none); it may make a certificate."""

    listen: tuple[Address, ...]
    routes: Routes
    mirror: Upstream | None = None
    keeps_host: bool = False
    server_tls: ssl.SSLContext | None = None
    upstream_tls: Callable[[Upstream], ssl.SSLContext] = field(default=lambda _: ssl.create_default_context())
    bounds: Bounds = Bounds()
