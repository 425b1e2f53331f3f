"""Installed packages in; the rule directories that they bring out.

A package offers rules by an entry point of the group `ocpp_inspect.rules` whose value is a package; its directory is
searched for rule files like any directory given by `--rules`:

    [project.entry-points."ocpp_inspect.rules"]
    acme = "acme_ocpp_rules"

Rules in Python lie beside the YAML file that documents them (docs/rule-language.md).
"""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

RULES_GROUP = "ocpp_inspect.rules"


class PluginError(Exception):
    """An entry point of an installed package cannot be used; the text names it."""


def rule_directories() -> list[Path]:
    """The directories, sorted by the entry points' names. The packages are found, not imported.

    Raises PluginError when an entry point names a package that is not there.
    """
    directories: list[Path] = []
    for entry in sorted(entry_points(group=RULES_GROUP), key=lambda each: each.name):
        try:
            spec = find_spec(entry.value)
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.submodule_search_locations:
            owner = entry.dist.name if entry.dist is not None else "?"
            raise PluginError(f"{owner}: the entry point {entry.name!r} of {RULES_GROUP} is no package: {entry.value}")
        directories += [Path(location) for location in spec.submodule_search_locations]
    return directories
