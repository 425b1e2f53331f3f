"""Lines of one generated function in, the same with what several rules ask for computed once out.

`Shared.once` stands a mark into the source of a rule. Only when all rules of a function are written is it known which
marks it has more than once: those become a variable, computed where it is asked for first. A rule that fails there
leaves it to the next one, so rules do not see each other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

from ocpp_inspect.engine.writer import TEMPORARY

_LATE: Final = re.compile(r"if (\w+) is _LATER:")
_ROW: Final = re.compile(r"if (r\d+_\d+_\d*) is None: \1 = S\[")
_MARK: Final = re.compile("\x01(\\d+)\x02")
_ASKED: Final = re.compile(r"_fact\(st, (\d+)\)")
_INDEX: Final = re.compile(r"_wanted\['([^']*)'\]")

NEVER_UNKNOWN: Final = frozenset(
    {"n_station", "n_connection", "n_ts", "n_packet", "n_config", "n_side", "n_kind", "n_call", "n_size"}
)
"""Variables of names that every item which has them knows."""


class Shared:
    """The shared sources of one program."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._sources: dict[int, str] = {}
        self.wanted: dict[str, set[str | None]] = {}
        """Member|key of an index → the values that rules ask for. Grows when more rules are written."""

    def number(self, source: str) -> int:
        """The number of a source, the same in every run: functions that a run compiled name it."""
        number = self._numbers.get(source)
        if number is None:
            number = int.from_bytes(blake2b(source.encode(), digest_size=6).digest())
            if self._sources.setdefault(number, source) != source:
                raise ValueError(f"two shared sources have the number {number}")
            self._numbers[source] = number
        return number

    def source(self, number: int) -> str:
        """What `number` was given for."""
        return self._sources[number]

    def behind(self, lines: Iterable[str]) -> dict[int, str]:
        """The sources that these lines ask for when they run, and what those are made of."""
        found: dict[int, str] = {}
        texts = list(lines)
        while texts:
            text = texts.pop()
            for number in map(int, [*_ASKED.findall(text), *_MARK.findall(text)]):
                if number not in found:
                    found[number] = self._sources[number]
                    texts.append(found[number])
        return found

    def wanted_by(self, lines: Iterable[str]) -> dict[str, list[str | None]]:
        """What the indices of these lines want."""
        names = {name for line in lines for name in _INDEX.findall(line)}
        return {name: sorted(self.wanted[name], key=str) for name in sorted(names)}

    def know(self, sources: Mapping[int, str], wanted: Mapping[str, Iterable[str | None]]) -> None:
        """Take what `behind` and `wanted_by` gave in another run."""
        self._sources.update(sources)
        for name, texts in wanted.items():
            self.wanted.setdefault(name, set()).update(texts)

    def once(self, source: str) -> str:
        """A mark for `source`."""
        return f"\x01{self.number(source)}\x02"

    def expand(self, lines: list[str]) -> list[str]:
        """Replace the marks; begin with the variables that are computed late."""
        count: Counter[int] = Counter()
        texts = lines
        while texts:  # what is shared may have parts that are shared again
            found = [int(mark) for text in texts for mark in _MARK.findall(text)]
            texts = [self._sources[number] for number in dict.fromkeys(found) if number not in count]
            count.update(found)

        def write(found: re.Match[str]) -> str:
            number = int(found[1])
            source = _MARK.sub(write, self._sources[number].replace(TEMPORARY, f"_{number}_"))
            if count[number] == 1:
                return source
            return f"(e{number} if e{number} is not _LATER else (e{number} := {source}))"

        written = [_MARK.sub(write, line) for line in lines]
        late = dict.fromkeys(name for line in written for name in _LATE.findall(line))
        late |= dict.fromkeys(f"e{number}" for number in count if count[number] > 1)
        rows = dict.fromkeys(name for line in written for name in _ROW.findall(line))
        return [*(f"{name} = None" for name in rows), *(f"{name} = _LATER" for name in late), *written]
