"""A decoded payload and the paths of its secrets in; a copy with the secrets covered out.

A secret is written `path`, `path as url` (only the credentials inside a URL) or `path when other` (only when the text
at `other` names a credential: `AuthorizationKey`, `BasicAuthPassword` …). `*` is each item of a list; a `*` in `other`
is the same item as in `path`. Tokens of drivers are not secrets here; sentences shorten them.
"""

from __future__ import annotations

import re
from typing import Any, Final

COVER: Final = "•••"
_SCANNED: Final = 200  # characters of a name that are searched for a credential's name

_CREDENTIAL = re.compile(
    r"authorization_?key|password|passwd|passphrase|pass_?code|\bpwd|secret|credential|private_?key|api_?key|\bpsk\b|\bpin\b",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?<=://)[^/@]*@")
_PATH = re.compile(r"(?P<path>[\w.*]+)(?: as (?P<url>url)| when (?P<name>[\w.*]+))?")


class Secret:
    """Where a credential stands in a payload."""

    __slots__ = ("in_url", "name", "path")

    def __init__(self, text: str) -> None:
        match = _PATH.fullmatch(text)
        if match is None:
            raise ValueError(f"not the place of a secret: {text!r}")
        self.path = match["path"].split(".")
        self.in_url = match["url"] is not None
        self.name = match["name"].split(".") if match["name"] else None


def masked(payload: Any, secrets: tuple[Secret, ...]) -> Any:
    """The payload, copied where a secret is covered; the given one is never changed."""
    root = payload
    for secret in secrets:
        root = _covered(root, root, secret, 0, [])
    return root


def _covered(root: Any, value: Any, secret: Secret, depth: int, items: list[int]) -> Any:
    if depth == len(secret.path):
        return _cover(root, value, secret, items)
    step = secret.path[depth]
    if step == "*":
        if not isinstance(value, list):
            return value
        copy = [_covered(root, item, secret, depth + 1, [*items, at]) for at, item in enumerate(value)]
        return copy if any(new is not old for new, old in zip(copy, value, strict=True)) else value
    if not isinstance(value, dict) or value.get(step) is None:
        return value
    new = _covered(root, value[step], secret, depth + 1, items)
    return value if new is value[step] else {**value, step: new}


def _cover(root: Any, value: Any, secret: Secret, items: list[int]) -> Any:
    if secret.in_url:
        return _IN_URL.sub(COVER + "@", value) if isinstance(value, str) and "@" in value else value
    if secret.name is not None:
        name, left = root, list(items)
        for step in secret.name:
            if step == "*":
                name = name[left.pop(0)] if left and isinstance(name, list) else None
            else:
                name = name.get(step) if isinstance(name, dict) else None
        if not isinstance(name, str) or not _CREDENTIAL.search(name[:_SCANNED]):
            return value
    return COVER
