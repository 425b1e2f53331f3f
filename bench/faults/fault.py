"""A function that breaks one thing of a session, and the rule that should notice it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Final, NamedTuple

from bench.faults.session import Session

Break = Callable[[Session], None]
"""Changes the session in place; raises `NoPlace` when it has nothing to break."""


class Fault(NamedTuple):
    """What `@fault` says about a function."""

    rule: str
    name: str
    apply: Break
    versions: tuple[str, ...]  # empty: those of the rule
    scenes: tuple[str, ...]  # that a session should have
    also: frozenset[str]  # rules that say the same fault, or what certainly follows from it
    note: str  # why some of them are missed


_FAULTS: Final[dict[str, list[Fault]]] = {}


def fault(
    rule: str, *scenes: str, versions: tuple[str, ...] | str = (), also: tuple[str, ...] | str = (), note: str = ""
) -> Callable[[Break], Break]:
    """The function below breaks what `rule` is about; `also` are rules that may say so too."""

    def register(apply: Break) -> Break:
        kept = (versions,) if isinstance(versions, str) else versions
        others = (also,) if isinstance(also, str) else also
        made = Fault(rule, apply.__name__, apply, kept, scenes, frozenset(others), note)
        _FAULTS.setdefault(rule, []).append(made)
        return apply

    return register


def all_faults() -> dict[str, list[Fault]]:
    """The faults of every module in `bench.faults.blocks`, by rule."""
    from bench.faults import blocks  # noqa: PLC0415 - the blocks import this module

    for module in pkgutil.iter_modules(blocks.__path__):
        importlib.import_module(f"{blocks.__name__}.{module.name}")
    return dict(sorted(_FAULTS.items()))
