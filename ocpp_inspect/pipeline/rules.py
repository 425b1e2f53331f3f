"""Options in, compiled rules out: the built-in directory and the user's."""

from __future__ import annotations

from ocpp_inspect.engine import Rule, load_rules
from ocpp_inspect.pipeline.options import Options
from ocpp_inspect.resources import data_directory


def built_in_and(options: Options) -> list[Rule]:
    """The rules of a run. Raises RuleError (with file:line:column) when a user's rule does not load."""
    directories = [data_directory("rules"), *options.rules]
    return load_rules(directories, select=options.select, ignore=options.ignore)
