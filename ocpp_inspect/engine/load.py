"""Directories of rule files in, checked rules out. Every fault is told as file:line:column with a hint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from ocpp_inspect.engine.cache import RuleCache
from ocpp_inspect.engine.expression import closest
from ocpp_inspect.engine.reader import parse_rule
from ocpp_inspect.engine.rule import Rule, RuleError


def load_rules(
    directories: Sequence[str | Path],
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    *,
    cache: RuleCache | None = None,
    every: bool = False,
) -> list[Rule]:
    """The rules of all directories (or single files), sorted by id, less those not selected or ignored.

    `select` and `ignore` take an id, a name, an alias, an id prefix (`TX16`), a block (`E`), a tag, or an axis.
    Rules of the axis `migration`, which tell no faults, judge only when a word in `select` means them, or all are asked
    for by `every`.

    Raises RuleError for a wrong file, a doubled id, or a word in `select`/`ignore` that fits no rule.
    """
    cache = RuleCache() if cache is None else cache
    rules: dict[str, Rule] = {}
    names: dict[str, Rule] = {}
    for path in rule_files(directories):
        try:
            octets = path.read_bytes()
            rule = cache.get(str(path), octets)
            if rule is None:
                rule = parse_rule(octets.decode("utf-8"), str(path))
                cache.put(str(path), octets, rule)
        except OSError as error:
            raise RuleError(f"cannot be read: {error.strerror}", str(path)) from None
        except UnicodeDecodeError as error:
            raise RuleError(f"not UTF-8 at octet {error.start}", str(path)) from None
        if rule.id in rules:
            raise RuleError(f"the id {rule.id} is taken", rule.path, rule.line, hint=f"by {rules[rule.id].path}")
        rules[rule.id] = rule
        for name in (rule.name, *rule.aliases):
            if name in names:
                raise RuleError(f"the name {name} is taken", rule.path, rule.line, hint=f"by {names[name].path}")
            names[name] = rule
    cache.save()
    ordered = [rules[key] for key in sorted(rules)]
    chosen, dropped = tuple(select), tuple(ignore)
    for word in (*chosen, *dropped):
        if not any(is_meant(rule, word) for rule in ordered):
            known = [word for rule in ordered for word in (rule.id, rule.name)]
            raise RuleError(f"no rule is meant by {word!r}", "--select/--ignore", hint=closest(word, known))
    return [
        rule
        for rule in ordered
        if (any(is_meant(rule, word) for word in chosen) if chosen else every or rule.axis != "migration")
        and not any(is_meant(rule, word) for word in dropped)
    ]


def is_meant(rule: Rule, word: str) -> bool:
    """Whether `word` of --select or --ignore means this rule."""
    return (
        word in (rule.id, rule.name, rule.block, rule.axis)
        or word in rule.aliases
        or word in rule.tags
        or rule.id.startswith(word.rstrip("-*") + "-")
    )


def rule_files(directories: Sequence[str | Path]) -> list[Path]:
    """Every rule file in the directories, sorted; a file stands for itself."""
    files: list[Path] = []
    for directory in map(Path, directories):
        if directory.is_dir():
            files += sorted(directory.rglob("*.yaml")) + sorted(directory.rglob("*.yml"))
        elif directory.exists():
            files.append(directory)
        else:
            raise RuleError("there is no such directory", str(directory))
    return list(dict.fromkeys(files))
