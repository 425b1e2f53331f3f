"""Arguments in; lists of rules, their files, results of their examples and their pages out."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from ocpp_inspect.engine import Rule

_RULE_PAGE = re.compile(r"[A-Z][A-Z0-9]*-[0-9]+\.md")

_RULE_ID = re.compile(r"[A-Z][A-Z0-9]{0,9}-\d{3}")
_RULE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_TEMPLATE = """\
id: {id}
name: {name}
title: A Heartbeat comes less than a second after the last one   # the fault in one sentence
severity: warning              # error | warning | info
axis: compatibility            # conformance: a document demands it; compatibility: it breaks in the field
blame: station                 # station | csms | network | unknown | sender | receiver
versions: ["1.6", "2.0.1"]     # leave it out for all
reference: our own experience  # document and clause
why: What goes wrong because of it.
benign: When it is harmless.
when: Heartbeat.request        # docs/rule-language.md has all triggers, names and functions
by: [connection]
remember:
  - {{when: Heartbeat.request, set: {{before: ts}}}}
require: ts - before >= 1      # unknown (no Heartbeat before) decides nothing
message: "Heartbeat {{ts - before:.1f}} s after the last one"
examples:
  - |
    0    > [2,"1","Heartbeat",{{}}]
    0.1  < [3,"1",{{"currentTime":"2026-01-01T00:00:00Z"}}]
    0.5  > [2,"2","Heartbeat",{{}}]    # {id}
    0.6  < [3,"2",{{"currentTime":"2026-01-01T00:00:00Z"}}]
  - |
    0    > [2,"1","Heartbeat",{{}}]
    0.1  < [3,"1",{{"currentTime":"2026-01-01T00:00:00Z"}}]
    60   > [2,"2","Heartbeat",{{}}]
    60.1 < [3,"2",{{"currentTime":"2026-01-01T00:01:00Z"}}]
  - |
    0    joined
    0.1  > [2,"1","Heartbeat",{{}}]
    0.2  < [3,"1",{{"currentTime":"2026-01-01T00:00:00Z"}}]
"""

app = typer.Typer(no_args_is_help=True, help="List, show, check and test rules, and write their pages.")

_Directories = Annotated[
    list[Path] | None, typer.Option("--rules", help="A directory of your own rules, beside the built-in (repeatable).")
]


class Format(StrEnum):
    """How a list is written."""

    RICH = "rich"
    JSON = "json"


@app.command("list")
def list_rules(
    rules: _Directories = None,
    select: Annotated[
        list[str] | None, typer.Option("--select", help="Only these: id, name, prefix, block, tag or axis.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Not these.")] = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="How to print it.")] = Format.RICH,  # noqa: A002
) -> None:
    """List the rules.

    [bold]Examples[/bold]

      ocpp-inspect rules list

      ocpp-inspect rules list --select TX16 --select RPC

      ocpp-inspect rules list --rules ./our-rules --format json
    """
    chosen = _load(rules, _split(select), _split(ignore))
    if format is Format.JSON:
        import json

        keys = ("id", "name", "title", "severity", "axis", "blame", "versions", "block", "reference", "tags")
        typer.echo(json.dumps([{key: getattr(rule, key) for key in keys} for rule in chosen], indent=1,
                              ensure_ascii=False))  # fmt: skip
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("rule", "severity", "versions", "block"):
        table.add_column(name, no_wrap=True)
    table.add_column("fault", overflow="fold")
    colours = {"error": "red", "warning": "yellow", "info": "cyan"}
    for rule in chosen:
        table.add_row(
            Text(rule.id, "bold"), Text(rule.severity, colours[rule.severity]),
            Text(" ".join(rule.versions) or "all"), Text(rule.block), Text(rule.title),
        )  # fmt: skip
    console = _console()
    console.print(table)
    console.print(f"{len(chosen)} rules; `ocpp-inspect explain RULE` tells all about one.", style="dim")


@app.command()
def show(
    rule: Annotated[str, typer.Argument(help="Id, name or former name.", metavar="RULE")], rules: _Directories = None
) -> None:
    """Print the file of a rule: a good start for one of your own.

    [bold]Example[/bold]

      ocpp-inspect rules show RPC-005 > our-rules/MY-001.yaml
    """
    found = find_rule(rule, _load(rules))
    if not sys.stdout.isatty():
        sys.stdout.write(found.source)
        return
    from rich.syntax import Syntax

    console = _console()
    console.print(found.path, style="dim")
    console.print(Syntax(found.source, "yaml", background_color="default", word_wrap=True))


@app.command()
def new(
    rule: Annotated[str, typer.Argument(help="The new id, such as ACME-001.", metavar="ID")],
    directory: Annotated[Path, typer.Argument(help="Where its file goes.", metavar="DIR")] = Path(),
    name: Annotated[str, typer.Option("--name", help="The fault in kebab-case.")] = "",
) -> None:
    """Write a template of a rule, with its examples, that `rules test` accepts; change it step by step.

    [bold]Examples[/bold]

      ocpp-inspect rules new ACME-001 our-rules

      ocpp-inspect rules new ACME-002 our-rules --name heartbeat-too-often
    """
    if not _RULE_ID.fullmatch(rule):
        _fail(f"{rule!r} is no rule id: capitals and digits, a dash, three digits, such as ACME-001")
    fault = name or f"{rule.lower()}-says-what-is-wrong"
    if not _RULE_NAME.fullmatch(fault):
        _fail(f"{fault!r} is no rule name: small words joined by dashes, such as heartbeat-too-often")
    taken = [known for known in _load(None) if rule == known.id or fault in (known.name, *known.aliases)]
    if taken:
        _fail(f"{taken[0].id} {taken[0].name} exists already: {taken[0].title}")
    path = directory / f"{rule}-{fault.removeprefix(rule.lower() + '-')}.yaml"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(_TEMPLATE.format(id=rule, name=fault))
    except FileExistsError:
        _fail(f"{path} exists already; take another id or remove it")
    except OSError as error:
        _fail(f"{path}: cannot be written: {error.strerror}")
    typer.echo(path)
    typer.echo(f"next: edit it, then `ocpp-inspect rules test {path}`", err=True)


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Rule files or directories.", metavar="PATH...")],
) -> None:
    """Check rule files without running their examples; says every file's first fault as file:line:column.

    Exit code: 0 all are good, 1 some are not, 2 a path cannot be read.

    [bold]Example[/bold]

      ocpp-inspect rules check our-rules
    """
    from ocpp_inspect.cli.failures import said_clearly
    from ocpp_inspect.engine.load import load_rules, rule_files
    from ocpp_inspect.engine.rule import RuleError

    with said_clearly():
        files = rule_files(paths)
    faults = 0
    for file in files:
        try:
            load_rules([file], every=True)
        except RuleError as error:
            faults += 1
            typer.echo(str(error))
    if not faults:
        with said_clearly():
            load_rules(files, every=True)  # doubled ids show only together
    typer.echo(f"{len(files)} files, {faults} with a fault" if faults else f"{len(files)} files are good", err=True)
    if faults:
        sys.exit(1)


@app.command("test")
def test_rules(
    wanted: Annotated[
        list[str] | None,
        typer.Argument(help="Rule files, directories, ids or prefixes; default: all.", metavar="[PATH|ID]..."),
    ] = None,
    rules: _Directories = None,
) -> None:
    """Run the examples inside the rules, each against all rules: marked lines must fire, all others stay silent.

    Exit code: 0 all hold, 1 some do not, 2 a rule does not load.

    [bold]Examples[/bold]

      ocpp-inspect rules test

      ocpp-inspect rules test RPC-005

      ocpp-inspect rules test our-rules/MY-001.yaml
    """
    from ocpp_inspect.engine import run_examples
    from ocpp_inspect.engine.load import is_meant
    from ocpp_inspect.ocpp import Ocpp

    paths = [Path(word).resolve() for word in wanted or () if Path(word).exists()]
    words = [word for word in wanted or () if not Path(word).exists()]
    built_in = _built_in().resolve()
    foreign = [path for path in paths if not path.is_relative_to(built_in)]
    loaded = _load([*(rules or ()), *foreign])
    chosen = loaded
    if wanted:
        chosen = [
            rule
            for rule in loaded
            if any(is_meant(rule, word) for word in words)
            or any(Path(rule.path).resolve().is_relative_to(path) for path in paths)
        ]
        if not chosen:
            _fail(f"no rule is meant by {', '.join(wanted)}")
    failures = run_examples(loaded, lambda: Ocpp().feed, chosen)
    for failure in failures:
        typer.echo(f"{failure.path}:{failure.line}: {failure.rule}: {failure.text}")
    number = sum(len(rule.examples) for rule in chosen)
    typer.echo(f"{len(chosen)} rules, {number} examples, {len(failures)} failures", err=True)
    if failures:
        sys.exit(1)


@app.command()
def docs(
    directory: Annotated[Path, typer.Argument(help="Where the pages go.", metavar="DIR")],
    rules: _Directories = None,
    check: Annotated[  # noqa: A002, RUF100
        bool, typer.Option("--check", help="Write nothing; exit 1 when a page is stale.")
    ] = False,
) -> None:
    """Write one Markdown page a rule, and an index; pages of rules that are gone are removed.

    [bold]Example[/bold]

      ocpp-inspect rules docs docs/rules
    """
    from ocpp_inspect.engine.page import index, page

    loaded = _load(rules)
    wanted = {"README.md": index(loaded)} | {f"{rule.id}.md": page(rule) for rule in loaded}
    # Only pages of rules are ours to remove, whatever else lies in that folder.
    paths = [path for path in directory.glob("*.md") if path.name in wanted or _RULE_PAGE.fullmatch(path.name)]
    present = {path.name: path.read_text("utf-8") for path in paths}
    stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if check:
        for name in stale:
            typer.echo(f"stale: {directory / name}")
        if stale:
            typer.echo(f"run `ocpp-inspect rules docs {directory}`", err=True)
            sys.exit(1)
        return
    directory.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in wanted:
            (directory / name).write_text(wanted[name], "utf-8")
        else:
            (directory / name).unlink()
    typer.echo(f"{len(wanted)} pages, {len(stale)} changed", err=True)


def find_rule(word: str, rules: list[Rule]) -> Rule:
    """The rule that a person means; exit code 2 with suggestions when there is none."""
    folded = word.strip().lower()
    for rule in rules:
        if folded in (rule.id.lower(), rule.name, *rule.aliases):
            return rule
    from difflib import get_close_matches

    names = {name.lower(): rule for rule in rules for name in (rule.id, rule.name, *rule.aliases)}
    near = {names[name].id: names[name] for name in get_close_matches(folded, names, n=5, cutoff=0.5)}
    near |= {rule.id: rule for rule in rules if folded and folded in f"{rule.id} {rule.name} {rule.title}".lower()}
    hint = "".join(f"\n    {rule.id}  {rule.title}" for rule in list(near.values())[:8])
    return _fail(
        f"there is no rule {word!r}" + (f"; did you mean{hint}" if hint else "; see `ocpp-inspect rules list`")
    )


def _load(directories: list[Path] | None, select: tuple[str, ...] = (), ignore: tuple[str, ...] = ()) -> list[Rule]:
    from ocpp_inspect.cli.failures import said_clearly
    from ocpp_inspect.engine import load_rules
    from ocpp_inspect.pipeline.rules import directories_and

    with said_clearly():
        return load_rules(directories_and(directories), select, ignore, every=True)


def _built_in() -> Path:
    from ocpp_inspect.resources import data_directory

    return data_directory("rules")


def _split(words: list[str] | None) -> tuple[str, ...]:
    return tuple(part for word in words or () for part in word.split(",") if part)


def _console() -> Console:
    from rich.console import Console

    from ocpp_inspect.cli.screen import screen_width

    return Console(highlight=False, markup=False, width=screen_width())


def _fail(text: str) -> NoReturn:
    from ocpp_inspect.cli.failures import fail

    fail(text)
