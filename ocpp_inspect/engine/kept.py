"""Functions that a run compiled in; the same for the next run with the same rules, out.

Writing and compiling the functions of 490 rules takes a third of a second, in every worker, which is a third of the
time of a small capture. What a run compiled is kept in one file of the user's cache directory, as Python keeps what it
compiled of modules. Its name is a digest of all that the functions depend on: the rules, their Python, this package and
the interpreter. Losing it costs time only, so every fault of the file system is ignored here.
"""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Final

import msgspec

import ocpp_inspect
from ocpp_inspect.engine.cache import cache_directory, write_whole
from ocpp_inspect.engine.rule import Rule

_FUNCTIONS: Final = 20_000
"""Functions kept in one file; versions, kinds of messages and actions give far fewer."""


class Compiled(msgspec.Struct, frozen=True):
    """One function, and what of its program it relies on."""

    code: bytes  # marshalled
    sources: dict[int, str]  # number → source, of what it asks `Shared` for when it runs
    wanted: dict[str, list[str | None]]  # as in Shared.wanted


class KeptCode:
    """Functions by name. A file that somebody else could have written is not read: its code would be run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = False
        self._functions = _read(path)

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> KeptCode:
        """Of these rules, in the user's cache directory."""
        return cls(cache_directory() / f"functions-{_digest(rules)}.msgpack")

    def get(self, name: str) -> tuple[CodeType, Compiled] | None:
        """A function that was compiled before."""
        found = self._functions.get(name)
        if found is None:
            return None
        with suppress(ValueError, EOFError, TypeError):
            code = marshal.loads(found.code)  # noqa: S302 - our own file, as a .pyc is
            if isinstance(code, CodeType):
                return code, found
        return None

    def put(self, name: str, code: CodeType, sources: dict[int, str], wanted: dict[str, list[str | None]]) -> None:
        """Remember a function."""
        if len(self._functions) < _FUNCTIONS:
            self._functions[name] = Compiled(marshal.dumps(code), sources, wanted)
            self._changed = True

    def save(self) -> None:
        """Write the file if something is new; whole or not at all. Another worker may have written it meanwhile."""
        if not self._changed:
            return
        self._changed = False
        write_whole(self._path, msgspec.msgpack.encode(_read(self._path) | self._functions))


def _read(path: Path) -> dict[str, Compiled]:
    with suppress(OSError, msgspec.MsgspecError), path.open("rb") as file:
        if _is_own(os.fstat(file.fileno())):
            return msgspec.msgpack.decode(file.read(), type=dict[str, Compiled])
    return {}


def _is_own(status: os.stat_result) -> bool:
    """Whether nobody but this user can have written the file; root does not run what a user kept."""
    if not hasattr(os, "geteuid"):
        return True  # the directory is the user's own
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _digest(rules: Sequence[Rule]) -> str:
    digest = hashlib.sha256(ocpp_inspect.__version__.encode() + importlib.util.MAGIC_NUMBER)
    package = Path(ocpp_inspect.__file__).parent
    for source in (package / "limits.py", package / "model.py", *sorted(package.glob("engine/*.py"))):
        digest.update(source.read_bytes())
    for rule in rules:
        digest.update(msgspec.msgpack.encode(rule))
    for line in _states({_directory(rule) for rule in rules if rule.python}):
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:24]


def _directory(rule: Rule) -> Path:
    """Where the Python of a rule is: beside the rule, or in an installed module."""
    where = rule.python.partition(":")[0]
    if not where.endswith(".py"):
        with suppress(ImportError, ValueError):  # `load_monitor` says what is wrong with it
            spec = importlib.util.find_spec(where)
            if spec is not None and spec.origin is not None:
                return Path(spec.origin).parent
    return Path(rule.path).parent


def _states(directories: Iterable[Path]) -> Iterable[str]:
    """What tells a rule's Python file, and its neighbours that it may import, from what they were before."""
    for directory in sorted(directories):
        for path in sorted(directory.glob("*.py")):
            state = path.stat()
            yield f"{path}|{state.st_mtime_ns}|{state.st_size}\n"
