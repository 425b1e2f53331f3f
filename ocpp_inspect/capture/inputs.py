"""What the user names in, the list of capture files out: directories, globs and standard input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import Final

from .source import STDIN, CaptureError

# In a directory only these are taken; a file named by the user is recognised by its content alone.
_SUFFIX: Final = re.compile(r"\.(pcap|pcapng|cap|dmp|ntar)\d*(\.\d+)?(\.(gz|zst|zstd|xz))?$", re.IGNORECASE)


def expand_inputs(args: Sequence[str]) -> list[str]:
    """The captures that the arguments name, each once, rotated files in the order of their numbers."""
    found: list[str] = []
    for arg in args:
        found += _expand(arg)
    unique: dict[str, str] = {}
    for path in found:
        unique.setdefault(path if path == STDIN else str(Path(path).resolve()), path)
    return list(unique.values())


def _expand(arg: str) -> list[str]:
    if arg == STDIN:
        return [arg]
    path = Path(arg)
    if path.is_dir():
        captures = [str(file) for file in path.rglob("*") if _SUFFIX.search(file.name) and file.is_file()]
        if not captures:
            hint = "captures end in .pcap, .pcapng or .cap (or .gz, .zst, .xz)"
            raise CaptureError(arg, "no captures in this directory", hint)
        return sorted(captures, key=_natural)
    if path.exists() or not has_magic(arg):
        return [arg]  # a missing file is reported when it is opened
    matches = [
        match
        for match in glob(arg, recursive=True)  # noqa: PTH207
        if not Path(match).is_dir()
    ]
    if not matches:
        raise CaptureError(arg, "no file matches this pattern", "quote it if the shell should not expand it")
    return sorted(matches, key=_natural)


def _natural(path: str) -> list[tuple[int, int, str]]:
    """trace2 comes before trace10."""
    parts = re.split(r"(\d+)", path)
    return [(0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts]
