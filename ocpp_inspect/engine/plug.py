"""Rule with a `python:` key in, its Monitor class out: `file.py:Class` beside the rule, or `module:Class`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from ocpp_inspect.engine.monitor import Monitor
from ocpp_inspect.engine.rule import Rule, RuleError


def load_monitor(rule: Rule) -> type[Monitor]:
    """Import the class. A rule directory is code that you trust: this runs it."""
    where, _, name = rule.python.partition(":")
    hint = "write `python: file.py:ClassName`, the file beside the rule"
    try:
        if where.endswith(".py"):
            path = Path(rule.path).parent / where
            module = _module_of(path)
        else:
            module = importlib.import_module(where)
        monitor = getattr(module, name, None)
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        raise RuleError(f"python: {where}: {error}", rule.path, rule.line, hint=hint) from None
    if not (isinstance(monitor, type) and issubclass(monitor, Monitor)):
        raise RuleError(f"python: {where} has no class {name!r} that is a Monitor", rule.path, rule.line, hint=hint)
    return monitor


def _module_of(path: Path) -> ModuleType:
    """The module of a file; several rules share one, and a file that has changed is read again."""
    state = path.stat()
    identity = f"{path.resolve()}|{state.st_mtime_ns}|{state.st_size}"
    place = sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    name = f"ocpp_inspect_rule_{path.stem}_{place}"
    if name in sys.modules:
        return sys.modules[name]
    # A package of its own directory, so that a rule can say `from .neighbour import …`.
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=[str(path.parent)])
    if spec is None or spec.loader is None:
        raise ImportError("cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
