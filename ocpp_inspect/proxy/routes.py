"""A station and its request path in, the upstream (and its mirror) out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import urlsplit

_PORTS: Final = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_CONTROL_OR_SPACE: Final = re.compile(r"[\x00-\x20\x7f]")


class RouteError(ValueError):
    """An URL or a pattern of a person is wrong; the text says how to write it."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where connections go to. `path` is put in front of the station's path, unless that begins with it already."""

    url: str
    host: str
    port: int
    is_tls: bool
    path: str  # "" or "/…" without a slash at its end

    @property
    def authority(self) -> str:
        """What the Host header says (RFC 9110 §7.2): without a port that the scheme implies."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"

    def target(self, target: str) -> str:
        """The request target that the upstream gets for the station's one."""
        if not self.path or not target.startswith("/"):
            return target
        if target == self.path or target.startswith((self.path + "/", self.path + "?")):
            return target
        return self.path + target


def parse_upstream(url: str) -> Upstream:
    """An Upstream of `ws://`, `wss://`, `http://` or `https://`. Raises RouteError."""
    example = "write it like wss://csms.example/ocpp"
    if _CONTROL_OR_SPACE.search(url):
        raise RouteError(f"{url!r}: an URL has no spaces; {example}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise RouteError(f"{url!r}: {error}; {example}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise RouteError(f"{url!r}: not the URL of a CSMS; {example}")
    if parts.username is not None or parts.query or parts.fragment:
        raise RouteError(f"{url!r}: credentials and queries come from the station, not from here; {example}")
    is_tls = parts.scheme in ("wss", "https")
    return Upstream(url, parts.hostname, port or _PORTS[parts.scheme], is_tls, parts.path.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Route:
    """Stations whose identity fits `pattern` (with * and ?), or paths below it when it begins with a slash."""

    pattern: str  # "" fits every station
    upstream: Upstream

    def fits(self, station: str, target: str) -> bool:
        """Whether a station with this request target takes the route."""
        if not self.pattern:
            return True
        if not self.pattern.startswith("/"):
            return fnmatchcase(station, self.pattern)
        path = target.partition("?")[0]
        if "*" in self.pattern or "?" in self.pattern:
            return fnmatchcase(path, self.pattern)
        return path == self.pattern or path.startswith(self.pattern.rstrip("/") + "/")


def parse_route(text: str) -> Route:
    """`PATTERN=URL`, or an URL alone for all other stations. Raises RouteError."""
    pattern, equals, url = text.partition("=")
    if not equals or "://" in pattern:
        return Route("", parse_upstream(text))
    if not pattern:
        raise RouteError(f"{text!r}: no pattern before the =; write it like 'CP1*=wss://csms.example/ocpp'")
    return Route(pattern, parse_upstream(url))


class Routes:
    """The routes of a proxy, asked in the order given; those without a pattern last."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = sorted(routes, key=lambda route: not route.pattern)
        if len([route for route in routes if not route.pattern]) > 1:
            raise RouteError("several upstreams without a pattern; only one can take all other stations")

    def find(self, station: str, target: str) -> Upstream | None:
        """The upstream of a station, None when no route fits."""
        for route in self.routes:
            if route.fits(station, target):
                return route.upstream
        return None
