"""One rule in, its page in Markdown out: what `explain` shows and `docs/rules/` holds."""

from __future__ import annotations

from collections.abc import Sequence

from ocpp_inspect.engine.rule import Rule

_AXIS = {
    "conformance": "a document demands it",
    "compatibility": "no document demands it, but its breach breaks systems in the field",
    "migration": "no fault: what a move to another version changes; only with --as",
}
_BLAME = {
    "station": "the station",
    "csms": "the CSMS",
    "network": "the network between them",
    "unknown": "cannot be told from the traffic",
    "sender": "the side that sent the message",
    "receiver": "the side that received the message",
}


def page(rule: Rule) -> str:
    """The page of a rule."""
    severity = rule.severity + "".join(f"; {level} in {version}" for version, level in rule.severities.items())
    facts = [
        ("name", f"`{rule.name}`" + "".join(f", formerly `{alias}`" for alias in rule.aliases)),
        ("severity", severity),
        ("versions", ", ".join(rule.versions) or "all"),
        *([("transport", ", ".join(rule.transports))] if rule.transports else []),
        ("block", rule.block or "—"),
        ("axis", f"{rule.axis}: {_AXIS[rule.axis]}"),
        ("to blame", _BLAME[rule.blame]),
        ("reference", rule.reference),
    ]
    if rule.follows:
        facts.append(("may follow from", ", ".join(f"[{cause}]({cause}.md)" for cause in rule.follows)))
    parts = [f"# {rule.id}: {rule.title}", "| | |\n|---|---|\n" + "\n".join(f"| {k} | {_cell(v)} |" for k, v in facts)]
    for title, text in (("Why it matters", rule.why), ("When it is harmless", rule.benign)):
        if text:
            parts += [f"## {title}", text.strip()]
    parts += ["## What to tell the other side", _advice(rule)]
    parts += ["## What it looks at", _meaning(rule)]
    parts += ["## Examples", "`>` is from the station, `<` from the CSMS; a line ending in `# ID` causes that finding."]
    parts += [f"```text\n{example.rstrip()}\n```" for example in rule.examples]
    judging = "It judges with `--as 2.0.1`. " if rule.axis == "migration" else ""
    parts.append(f"{judging}Leave it out with `--ignore {rule.id}`.")
    return "\n\n".join(parts) + "\n"


_MAKER = {
    "station": "the maker of the station",
    "csms": "the operator of the CSMS",
    "network": "whoever runs the network between them",
    "unknown": "both sides",
    "sender": "the maker of the side that sent it",
    "receiver": "the maker of the side that received it",
}


def _advice(rule: Rule) -> str:
    """What a field engineer writes into the ticket."""
    if rule.axis == "migration":
        return f"Nothing, as long as it stays with its version. Before it moves: does it do what {rule.reference} asks?"
    demand = "breaks" if rule.axis == "conformance" else "is known to trouble others, see"
    return (
        f"To {_MAKER[rule.blame]}: {rule.title[0].lower() if rule.title[1:2].islower() else rule.title[0]}"
        f"{rule.title[1:].rstrip('.')}. This {demand} {rule.reference}. Send the frames that the finding names: "
        "`ocpp-inspect timeline CAPTURE --problems` shows them with what came before and after."
    )


def index(rules: Sequence[Rule]) -> str:
    """The list of all rules."""
    rows = [
        f"| [{rule.id}]({rule.id}.md) | {rule.severity} | {', '.join(rule.versions) or 'all'} | {rule.block} "
        f"| {_cell(rule.title)} |"
        for rule in rules
    ]
    head = "# Rules\n\nWritten by `ocpp-inspect rules docs` from the rule files; edit those.\n\n"
    return head + "| rule | severity | versions | block | fault |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _meaning(rule: Rule) -> str:
    """The rule's logic in its own words."""
    lines = [f"- on {_or(rule.when)}" + (f", where `{rule.where}`" if rule.where else "")]
    parts = [part for part in rule.by if part != "station"]
    lines.append("- apart for each station" + "".join(f" and `{part}`" for part in parts))
    for remember in rule.remember:
        sets = ", ".join(f"`{name} = {source}`" for name, source in remember.set.items())
        where = f" where `{remember.where}`" if remember.where else ""
        lines.append(f"- remembers on {_or(remember.when)}{where}: {sets}")
    if rule.require:
        lines.append(f"- requires `{rule.require}`")
    if rule.expect is not None:
        expect = rule.expect
        where = f" where `{expect.where}`" if expect.where else ""
        lines.append(f"- expects {_or(expect.when)}{where} within {expect.within.text}")
        if expect.until:
            where = f" where `{expect.until_where}`" if expect.until_where else ""
            lines.append(f"- called off by {_or(expect.until)}{where}")
    if rule.count is not None:
        lines.append(f"- allows at most {rule.count.max} within {rule.count.text}")
    if rule.python:
        lines.append(f"- judged by `{rule.python}`")
    return "\n".join(lines)


def _or(triggers: Sequence[str]) -> str:
    return " or ".join(f"`{trigger}`" for trigger in triggers)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
