"""The text of one rule file in, a checked Rule out: every key, trigger, name and expression.

Longer than 300 lines because a key's reading and its complaints belong side by side.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

from ocpp_inspect.engine.expression import Expression, ExpressionError, closest
from ocpp_inspect.engine.names import NAMES, TRIGGER_WORDS, VERSIONS, ItemClass, parse_trigger
from ocpp_inspect.engine.rule import Blamed, Count, Expect, Remember, Rule, Within
from ocpp_inspect.engine.strict import Node, read
from ocpp_inspect.limits import RULE_COUNT, RULE_WITHIN_NS
from ocpp_inspect.model import Severity

_KEYS: Final = (
    "id", "name", "title", "aliases", "severity", "axis", "blame", "versions", "transports", "block", "tags",
    "reference", "why", "benign", "follows", "when", "where", "by", "remember", "require", "expect", "count", "python",
    "message", "examples",
)  # fmt: skip
_REQUIRED: Final = ("id", "name", "title", "severity", "reference", "when", "message", "examples")
_SEVERITIES: Final = ("error", "warning", "info")
_AXES: Final = ("conformance", "compatibility", "migration")
_BLAMED: Final = ("station", "csms", "network", "unknown", "sender", "receiver")
_ID: Final = re.compile(r"[A-Z][A-Z0-9]{0,9}-\d{3}\Z")
_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+\Z")
_REGISTER: Final = re.compile(r"[a-z][a-z0-9_]*\Z")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)\Z")
_UNIT_NS: Final = {"ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{([^{}]*?)(?::\.\df)?\}")


def parse_rule(text: str, path: str) -> Rule:
    """One rule file, checked to the last expression."""
    node = read(text, path)
    return _Reader(node, text, path).rule()


class _Reader:
    """Reads one rule."""

    def __init__(self, node: Node, text: str, path: str) -> None:
        self._text = text
        self._path = path
        self._root = node
        self._keys = node.mapping(_KEYS, _REQUIRED)
        self._registers: tuple[str, ...] = ()

    def rule(self) -> Rule:
        keys = self._keys
        identifier = self._fit("id", _ID, "an id such as RPC-005")
        name = self._fit("name", _NAME, "a kebab-case name that states the fault, such as call-without-response")
        self._registers = self._register_names()
        when = self._when(keys["when"])
        verbs = [verb for verb in ("require", "expect", "count", "python") if verb in keys]
        if len(verbs) > 1:
            raise keys[verbs[1]].error(f"{verbs[0]!r} and {verbs[1]!r} in one rule", "one rule, one verb: split it")
        where = self._expression("where", when)
        by = self._by(keys, when)
        remember = tuple(self._remember(entry, by) for entry in self._entries("remember"))
        expect = self._expect(keys["expect"], when, by) if "expect" in keys else None
        count = self._count(keys["count"]) if "count" in keys else None
        severity, severities = self._severity(keys["severity"])
        examples = self._examples(keys["examples"], identifier)
        return Rule(
            id=identifier,
            name=name,
            title=keys["title"].text(),
            severity=severity,
            severities=severities,
            reference=keys["reference"].text(),
            when=when,
            message=self._message(keys["message"], when),
            axis=cast(Any, keys["axis"].one_of(_AXES)) if "axis" in keys else "conformance",
            blame=cast(Blamed, keys["blame"].one_of(_BLAMED)) if "blame" in keys else "unknown",
            versions=self._versions(),
            transports=self._transports(),
            block=keys["block"].text() if "block" in keys else "",
            why=keys["why"].text() if "why" in keys else "",
            benign=keys["benign"].text() if "benign" in keys else "",
            aliases=self._words("aliases"),
            follows=self._follows(),
            tags=self._words("tags"),
            where=where,
            by=by,
            remember=remember,
            require=self._expression("require", when),
            expect=expect,
            count=count,
            python=keys["python"].text() if "python" in keys else "",
            examples=tuple(node.text() for node in examples),
            example_lines=tuple(node.line + (1 if node.style in ("|", ">") else 0) for node in examples),
            path=self._path,
            line=self._root.line,
            source=self._text,
        )

    # ------------------------------------------------------------------------------------------------ small keys

    def _fit(self, key: str, pattern: re.Pattern[str], wanted: str) -> str:
        node = self._keys[key]
        text = node.text()
        if not pattern.match(text):
            raise node.error(f"{text!r} is not {wanted}")
        return text

    def _words(self, key: str) -> tuple[str, ...]:
        return tuple(node.text() for node in self._keys[key].texts()) if key in self._keys else ()

    def _follows(self) -> tuple[str, ...]:
        nodes = self._keys["follows"].texts() if "follows" in self._keys else []
        for node in nodes:
            if not _ID.match(node.text()):
                raise node.error(f"{node.text()!r} is no rule's id", "such as CON-001")
        return tuple(node.text() for node in nodes)

    def _severity(self, node: Node) -> tuple[Severity, dict[str, Severity]]:
        if isinstance(node.value, str):
            return cast(Severity, node.one_of(_SEVERITIES)), {}
        entries = node.mapping(("default", *VERSIONS), ("default",))
        read = {name: cast(Severity, entry.one_of(_SEVERITIES)) for name, entry in entries.items()}
        return read.pop("default"), read

    def _versions(self) -> tuple[str, ...]:
        if "versions" not in self._keys:
            return ()
        found = []
        for node in self._keys["versions"].texts():
            if node.plain:
                raise node.error(f"the version {node.value} is not quoted", f'write "{node.value}"')
            found.append(node.one_of(VERSIONS))
        return tuple(found)

    def _transports(self) -> tuple[str, ...]:
        if "transports" not in self._keys:
            return ()
        return tuple(node.one_of(("websocket", "soap")) for node in self._keys["transports"].texts())

    def _examples(self, node: Node, identifier: str) -> list[Node]:
        examples = node.texts()
        if not any(identifier in example.text() for example in examples):
            raise node.error(f"no example shows {identifier}", f"end a line of one with `# {identifier}`")
        return examples

    def _entries(self, key: str) -> list[Node]:
        node = self._keys.get(key)
        if node is None:
            return []
        return node.value if isinstance(node.value, list) else [node]

    # ------------------------------------------------------------------------------------------------ triggers, verbs

    def _when(self, node: Node) -> tuple[str, ...]:
        found = []
        for entry in node.texts():
            text = entry.text()
            if parse_trigger(text) is None:
                hint = closest(text, TRIGGER_WORDS) or (
                    "write Action.request, Action.response, Action.error, Anomaly:name or one of "
                    + ", ".join(TRIGGER_WORDS)
                )
                raise entry.error(f"{text!r} is no trigger", hint)
            found.append(text)
        return tuple(dict.fromkeys(found))

    def _register_names(self) -> tuple[str, ...]:
        names: list[str] = []
        taken = {name for table in NAMES.values() for name in table} | {"start", "within", "max"}
        for entry in self._entries("remember"):
            sets = entry.mapping(("when", "where", "by", "set"), ("when", "set"))["set"]
            for name, (key, _) in sets.any_mapping().items():
                if not _REGISTER.match(name):
                    raise key.error(f"{name!r} is no name for a register", "lower case, digits and _")
                if name in taken:
                    raise key.error(f"the register {name!r} would hide a name of the language", f"call it last_{name}")
                names.append(name)
        return tuple(dict.fromkeys(names))

    def _by(self, keys: dict[str, Node], when: tuple[str, ...]) -> tuple[str, ...]:
        if "by" not in keys:
            return ()
        nodes = keys["by"].texts()
        for node in nodes:
            self._check(node, when, registers=False)
        return tuple(node.text() for node in nodes)

    def _remember(self, node: Node, by: tuple[str, ...]) -> Remember:
        keys = node.mapping(("when", "where", "by", "set"), ("when", "set"))
        when = self._when(keys["when"])
        own = self._by(keys, when)
        self._same_length(keys.get("by"), own, by)
        if not own:
            self._check_key(node, by, when)
        sets = {}
        for name, (_, value) in keys["set"].any_mapping().items():
            self._check(value, when)
            sets[name] = value.text()
        return Remember(when, self._expression_of(keys.get("where"), when), own, sets)

    def _expect(self, node: Node, opened: tuple[str, ...], by: tuple[str, ...]) -> Expect:
        keys = node.mapping(("when", "where", "by", "within", "until", "survives"), ("when", "within"))
        when = self._when(keys["when"])
        own = self._by(keys, when)
        self._same_length(keys.get("by"), own, by)
        if not own:
            self._check_key(node, by, when)
        until: tuple[str, ...] = ()
        until_where = ""
        if "until" in keys:
            what = keys["until"]
            if isinstance(what.value, dict):
                parts = what.mapping(("when", "where"), ("when",))
                until = self._when(parts["when"])
                until_where = self._expression_of(parts.get("where"), until, opened)
            else:
                until = self._when(what)
            self._check_key(what, own or by, until)
        survives: tuple[str, ...] = ()
        if "survives" in keys:
            survives = tuple(entry.one_of(("connection", "reboot")) for entry in keys["survives"].texts())
        return Expect(
            when=when,
            where=self._expression_of(keys.get("where"), when, opened),
            by=own,
            within=self._within(keys["within"], opened),
            until=until,
            until_where=until_where,
            survives=survives,
        )

    def _within(self, node: Node, opened: tuple[str, ...]) -> Within:
        if isinstance(node.value, dict):
            keys = node.mapping(("config", "unit", "default", "factor", "plus"), ("config", "default"))
            unit = keys["unit"].one_of(tuple(_UNIT_NS)) if "unit" in keys else "s"
            factor = _number(keys["factor"]) if "factor" in keys else 1.0
            config, default = keys["config"].text(), keys["default"]
            return Within(
                text=f"{config} (default {default.text()})",
                config=config,
                unit_ns=_UNIT_NS[unit],
                default_ns=_duration(default),
                factor=factor,
                plus_ns=_duration(keys["plus"]) if "plus" in keys else 0,
            )
        text = node.text()
        if _DURATION.match(text):
            return Within(text, constant_ns=_duration(node))
        if re.match(r"[\d.]+\s*\w*\Z", text):
            raise node.error(f"{text!r} is no duration", "write 500 ms, 30 s, 5 min, 2 h or 1 d, or an expression")
        self._check(node, opened)
        return Within(text, expression=text)

    def _count(self, node: Node) -> Count:
        keys = node.mapping(("max", "within"), ("max", "within"))
        limit = keys["max"]
        text = limit.text()
        if not text.isascii() or not text.isdigit() or not 0 <= int(text[:9]) <= RULE_COUNT:
            raise limit.error(f"{text!r} is no number from 0 to {RULE_COUNT}")
        return Count(int(text), _duration(keys["within"]), keys["within"].text())

    def _message(self, node: Node, when: tuple[str, ...]) -> str:
        text = node.text()
        for found in _PLACEHOLDER.finditer(text):
            if found[1] is not None:
                self._check_text(node, found[1], when, found.start(1), extra=("within", "max"))
        rest = _PLACEHOLDER.sub("", text)
        if "{" in rest or "}" in rest:
            raise node.error("a brace in the message has no partner", "write {{ or }} for a brace itself")
        return text

    # ------------------------------------------------------------------------------------------------ expressions

    def _expression(self, key: str, when: tuple[str, ...]) -> str:
        return self._expression_of(self._keys.get(key), when)

    def _expression_of(self, node: Node | None, when: tuple[str, ...], start: tuple[str, ...] = ()) -> str:
        if node is None:
            return ""
        self._check(node, when, start)
        return node.text()

    def _check(self, node: Node, when: tuple[str, ...], start: tuple[str, ...] = (), *, registers: bool = True) -> None:
        self._check_text(node, node.text(), when, 0, start, registers=registers)

    def _check_text(
        self, node: Node, text: str, when: tuple[str, ...], shift: int, start: tuple[str, ...] = (),
        extra: tuple[str, ...] = (), *, registers: bool = True,
    ) -> None:  # fmt: skip
        """Admit an expression: its syntax, and that its names exist for these triggers."""
        try:
            expression = Expression(text)
            known = _known(when) | set(extra)
            if registers:
                known |= set(self._registers)
            for name, offset in expression.names.items():
                if name not in known:
                    raise ExpressionError(_unknown(name, when), offset, closest(name, known))
            opened = _known(start)
            if expression.start_names and len({_class(text) for text in start}) > 1:
                raise ExpressionError("`start` needs triggers of one kind in `when`", 0)
            for name, offset in expression.start_names.items():
                if name not in opened:
                    problem = "`start` exists in expect.where and until.where only" if not start else (
                        f"the opening item has no {name!r}")  # fmt: skip
                    raise ExpressionError(problem, offset, closest(name, opened))
        except ExpressionError as error:
            raise node.error(error.message, error.hint, error.offset + shift) from None

    def _check_key(self, node: Node, by: tuple[str, ...], when: tuple[str, ...]) -> None:
        """A key that another role inherits must be computable from its triggers."""
        for part in by:
            for name in Expression(part).names:
                if name not in _known(when):
                    raise node.error(f"the rule's `by` uses {name!r}, which {' and '.join(when)} lacks",
                                     "give this part a `by` of its own")  # fmt: skip

    @staticmethod
    def _same_length(node: Node | None, own: tuple[str, ...], by: tuple[str, ...]) -> None:
        if node is not None and _width(own) != _width(by):
            raise node.error(
                f"this `by` has {_width(own)} parts besides the station, the rule's has {_width(by)}",
                "keys are compared part by part",
            )


def _width(by: tuple[str, ...]) -> int:
    return len([part for part in by if part != "station"])


def _class(trigger: str) -> ItemClass:
    parsed = parse_trigger(trigger)
    assert parsed is not None  # noqa: S101 - admitted by _when
    return parsed.item_class


def _known(when: tuple[str, ...]) -> set[str]:
    return {name for trigger in when for name in NAMES[_class(trigger)]}


def _unknown(name: str, when: tuple[str, ...]) -> str:
    homes = [item_class for item_class, names in NAMES.items() if name in names]
    if homes:
        return f"{', '.join(when)} has no {name!r} (it belongs to: {', '.join(homes)})"
    return f"unknown name {name!r}"


def _duration(node: Node) -> int:
    text = node.text()
    found = _DURATION.match(text)
    if found is None:
        raise node.error(f"{text!r} is no duration", "write 500 ms, 30 s, 5 min, 2 h or 1 d")
    nanoseconds = int(float(found[1]) * _UNIT_NS[found[2]])
    if not 0 < nanoseconds <= RULE_WITHIN_NS:
        raise node.error(f"{text} is out of range", "more than nothing, at most 30 d")
    return nanoseconds


def _number(node: Node) -> float:
    try:
        value = float(node.text())
    except ValueError:
        raise node.error(f"{node.value!r} is no number") from None
    if not 0 < value <= 100:
        raise node.error(f"{node.value!r} is out of range", "a factor from above 0 to 100")
    return value
