"""Octets of a rule file in, the rule that was read from them before out.

Reading and checking a rule takes 0.6 ms, and there are hundreds. What was read is kept by content in one file of the
user's cache directory. Losing it costs time only, so every fault of the file system is ignored here.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

import ocpp_inspect
from ocpp_inspect.engine.rule import Rule

_FILES: Final = 2000  # rules kept; each a few kilobytes
_VERSIONS: Final = 8  # files kept of one kind


class RuleCache:
    """Rules by content. `path` None: the user's cache directory."""

    def __init__(self, path: Path | None = None, *, enabled: bool = True) -> None:
        self._path = path or _default_path()
        self._enabled = enabled
        self._entries: dict[str, msgspec.Raw] = {}
        self._changed = False
        self._decoder = msgspec.msgpack.Decoder(Rule)
        if enabled:
            with suppress(OSError, msgspec.MsgspecError):
                self._entries = msgspec.msgpack.decode(self._path.read_bytes(), type=dict[str, msgspec.Raw])

    def get(self, path: str, octets: bytes) -> Rule | None:
        """The rule of this content, if it was read before."""
        raw = self._entries.get(_key(path, octets))
        if raw is None:
            return None
        with suppress(msgspec.MsgspecError):
            return self._decoder.decode(raw)
        return None

    def put(self, path: str, octets: bytes, rule: Rule) -> None:
        """Remember what was read."""
        if self._enabled:
            self._entries[_key(path, octets)] = msgspec.Raw(msgspec.msgpack.encode(rule))
            self._changed = True

    def save(self) -> None:
        """Write the file if something is new; whole or not at all."""
        if not self._changed:
            return
        while len(self._entries) > _FILES:
            del self._entries[next(iter(self._entries))]
        write_whole(self._path, msgspec.msgpack.encode(self._entries))
        self._changed = False


def _key(path: str, octets: bytes) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogateescape") + b"\0" + octets).hexdigest()


def cache_directory() -> Path:
    """Where this user's caches are."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ocpp-inspect"


def write_whole(path: Path, octets: bytes) -> None:
    """Put the file there whole, for the user alone, or not at all; of its kind (`KIND-*`) the newest are kept."""
    kind = path.name.partition("-")[0]
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{kind}-")
        with os.fdopen(handle, "wb") as file:
            file.write(octets)
        Path(name).replace(path)
        # Every version of this package, and of the rules, has a file of its own.
        for old in sorted(path.parent.glob(f"{kind}-*"), key=lambda each: each.stat().st_mtime)[:-_VERSIONS]:
            old.unlink(missing_ok=True)


def _default_path() -> Path:
    # The reader's own source is part of the key: a changed language must not find old readings.
    digest = hashlib.sha256(ocpp_inspect.__version__.encode())
    for name in ("reader.py", "strict.py", "rule.py", "names.py", "expression.py", "functions.py"):
        digest.update((Path(__file__).parent / name).read_bytes())
    return cache_directory() / f"rules-{digest.hexdigest()[:16]}.msgpack"
