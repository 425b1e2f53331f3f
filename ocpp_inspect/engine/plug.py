"""Rule with a `python:` key in, its Monitor class out: `file.py:Class` beside the rule, or `module:Class`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from hashlib import sha256
from pathlib import Path

from ocpp_inspect.engine.monitor import Monitor
from ocpp_inspect.engine.rule import Rule, RuleError


def load_monitor(rule: Rule) -> type[Monitor]:
    """Import the class. A rule directory is code that you trust: this runs it."""
    where, _, name = rule.python.partition(":")
    hint = "write `python: file.py:ClassName`, the file beside the rule"
    try:
        if where.endswith(".py"):
            path = Path(rule.path).parent / where
            place = sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
            spec = importlib.util.spec_from_file_location(f"ocpp_inspect_rule_{path.stem}_{place}", path)
            if spec is None or spec.loader is None:
                raise RuleError(f"{where} cannot be loaded", rule.path, rule.line, hint=hint)
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module  # dataclasses look their module up there
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(where)
        monitor = getattr(module, name, None)
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        raise RuleError(f"python: {where}: {error}", rule.path, rule.line, hint=hint) from None
    if not (isinstance(monitor, type) and issubclass(monitor, Monitor)):
        raise RuleError(f"python: {where} has no class {name!r} that is a Monitor", rule.path, rule.line, hint=hint)
    return monitor
