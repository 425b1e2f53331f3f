"""The text of a scenario file in, a checked Scenario out. Every fault is told as file:line:column with a hint.

Longer than 300 lines because a key's reading and its complaints belong side by side.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, cast

from ocpp_inspect import catalogue
from ocpp_inspect.engine.condition import Condition, ExpressionError
from ocpp_inspect.engine.expression import closest
from ocpp_inspect.engine.names import MESSAGE_KINDS, Trigger, parse_trigger
from ocpp_inspect.engine.rule import RuleError
from ocpp_inspect.engine.strict import Node, read
from ocpp_inspect.limits import SCENARIO_COPIES, SCENARIO_COUNT, SCENARIO_STEPS
from ocpp_inspect.ocpp import schema
from ocpp_inspect.ocpp.explain import SchemaFault
from ocpp_inspect.proxy.interception import Refusal, Sender
from ocpp_inspect.proxy.scenario.language import (
    NAMES,
    AnswerIt,
    CloseIt,
    CutIt,
    DelayIt,
    DropIt,
    DuplicateIt,
    HoldIt,
    InjectIt,
    Match,
    ModifyIt,
    Order,
    RefuseIt,
    ReorderIt,
    Scenario,
    Step,
    Window,
)
from ocpp_inspect.proxy.scenario.values import PathPattern, Value, literal

_KEYS: Final = ("title", "why", "seed", "steps", "examples")
_STEP_KEYS: Final = (
    "name", "when", "station", "from", "where", "nth", "every", "after", "times", "probability", "during", "per", "do",
)  # fmt: skip
_ORDERS: Final = (
    "drop", "delay", "duplicate", "reorder", "modify", "answer", "inject", "close", "cut", "refuse", "hold",
)  # fmt: skip
_FINAL: Final = (DropIt, AnswerIt, CloseIt, CutIt)
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h)\Z")
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_TRIGGERS: Final = (*MESSAGE_KINDS, "ANY", "Ping", "Pong", "Close", "Control", "Upgrade", "Opened")
_FRAME_KEYS: Final = ("unique_id", "action", "error_code", "error_description")


def load_scenario(path: str | Path) -> Scenario:
    """The scenario of a file. Raises RuleError with the place of its first fault."""
    try:
        text = Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise RuleError(f"cannot be read: {error.strerror}", str(path)) from None
    except UnicodeDecodeError as error:
        raise RuleError(f"not UTF-8 at octet {error.start}", str(path)) from None
    return parse_scenario(text, str(path))


def parse_scenario(text: str, path: str) -> Scenario:
    """One scenario, checked to the last expression. Raises RuleError."""
    root = read(text, path)
    keys = root.mapping(_KEYS, ("title", "steps"))
    nodes = keys["steps"].value
    if not isinstance(nodes, list) or not nodes:
        raise keys["steps"].error("expected a list of steps", "begin each with `- when: …`")
    if len(nodes) > SCENARIO_STEPS:
        raise keys["steps"].error(f"{len(nodes)} steps, at most {SCENARIO_STEPS} are allowed")
    if "why" in keys:
        keys["why"].text()
    examples = keys["examples"].texts() if "examples" in keys else []
    return Scenario(
        keys["title"].text(),
        tuple(_step(node, number) for number, node in enumerate(nodes, 1)),
        _whole(keys["seed"], 0, 2**31) if "seed" in keys else 0,
        path,
        tuple((node.line + (1 if node.style in ("|", ">") else 0), node.text()) for node in examples),
    )


def parse_order(text: str, path: str) -> tuple[Order, ...]:
    """What to do, as the console takes it: the value of `do`. Raises RuleError."""
    return _orders(read(text, path))


def parse_when(word: str) -> tuple[Trigger | Literal["Opened"], ...]:
    """The triggers of one word; a bare action means its CALL and its answers. Empty when it is none."""
    if word in _TRIGGERS or "." in word:
        trigger = _trigger(word)
        return () if trigger is None else (trigger,)
    if not any(word in catalogue.load(version) for version in catalogue.VERSIONS):
        return ()
    found = [parse_trigger(f"{word}.{part}") for part in ("request", "response", "error")]
    return tuple(trigger for trigger in found if trigger is not None)


def _step(node: Node, number: int) -> Step:
    keys = node.mapping(_STEP_KEYS, ("when", "do"))
    match = _match(keys)
    orders = _orders(keys["do"])
    _check_together(keys["do"], match, orders)
    return Step(keys["name"].text() if "name" in keys else f"step {number}", match, orders, node.line)


# --------------------------------------------------------------------------- which messages


def _match(keys: dict[str, Node]) -> Match:
    triggers = tuple(trigger for node in keys["when"].texts() for trigger in _when(node))
    counting = [key for key in ("nth", "every") if key in keys]
    if len(counting) > 1:
        raise keys["every"].error("`nth` and `every` in one step", "one of them: nth: [3, 6] or every: 3")
    return Match(
        triggers,
        keys["station"].text() if "station" in keys else "*",
        cast(Sender, keys["from"].one_of(("station", "csms"))) if "from" in keys else None,
        _condition(keys["where"]) if "where" in keys else None,
        tuple(_whole(node, 1, SCENARIO_COUNT) for node in keys["nth"].texts()) if "nth" in keys else (),
        _whole(keys["every"], 1, SCENARIO_COUNT) if "every" in keys else 1,
        _whole(keys["after"], 0, SCENARIO_COUNT) if "after" in keys else 0,
        _whole(keys["times"], 1, SCENARIO_COUNT) if "times" in keys else 0,
        _fraction(keys["probability"]) if "probability" in keys else 1.0,
        _window(keys["during"]) if "during" in keys else Window(),
        cast(Any, keys["per"].one_of(("connection", "station", "all"))) if "per" in keys else "station",
    )


def _trigger(word: str) -> Trigger | Literal["Opened"] | None:
    if word == "Opened":
        return "Opened"
    trigger = parse_trigger(word)
    return None if trigger is None or trigger.item_class not in ("message", "control", "upgrade") else trigger


def _when(node: Node) -> tuple[Trigger | Literal["Opened"], ...]:
    word = node.text()
    triggers = parse_when(word)
    if not triggers:
        actions = sorted({action for version in catalogue.VERSIONS for action in catalogue.load(version)})
        hint = closest(word, [*_TRIGGERS, *actions]) or (
            "write Action, Action.request, Action.response, Action.error or one of " + ", ".join(_TRIGGERS)
        )
        raise node.error(f"{word!r} is no trigger", hint)
    named = {trigger.action for trigger in triggers if isinstance(trigger, Trigger) and trigger.action}
    for action in named:
        if not any(action in catalogue.load(version) for version in catalogue.VERSIONS):
            actions = sorted({each for version in catalogue.VERSIONS for each in catalogue.load(version)})
            raise node.error(f"no version of OCPP has the action {action!r}", closest(action, actions))
    return triggers


def _condition(node: Node) -> Condition:
    try:
        return Condition(node.text(), NAMES)
    except ExpressionError as error:
        raise node.error(error.message, error.hint, error.offset) from None


def _window(node: Node) -> Window:
    keys = node.mapping(("from", "to", "of"))
    start = _seconds(keys["from"]) if "from" in keys else 0.0
    end = _seconds(keys["to"]) if "to" in keys else float("inf")
    if end <= start:
        raise node.error("`to` is not behind `from`")
    of = keys["of"].one_of(("connection", "scenario")) if "of" in keys else "connection"
    return Window(start, end, cast(Any, of))


# --------------------------------------------------------------------------- what to do


def _orders(node: Node) -> tuple[Order, ...]:
    nodes = node.value if isinstance(node.value, list) else [node]
    orders: list[Order] = []
    for each in nodes:
        if isinstance(each.value, str):
            orders.append(_order(each, each.one_of(_ORDERS), None))
        else:
            for name, value in each.mapping(_ORDERS).items():
                orders.append(_order(value, name, value))
    if not orders:
        raise node.error("nothing is to be done", f"name one of {', '.join(_ORDERS)}")
    return tuple(orders)


def _order(place: Node, name: str, node: Node | None) -> Order:
    if node is None:
        plain: dict[str, Order] = {
            "drop": DropIt(), "duplicate": DuplicateIt(), "reorder": ReorderIt(), "cut": CutIt(), "hold": HoldIt(),
            "close": CloseIt(), "refuse": RefuseIt(Refusal()),
        }  # fmt: skip
        if name not in plain:
            raise place.error(f"{name!r} needs to be told what", f"write {name}: …; see docs/scenarios.md")
        return plain[name]
    if name in ("drop", "cut"):
        raise node.error(f"{name!r} takes nothing", f"write `do: {name}`")
    readers: dict[str, Callable[[Node], Order]] = {
        "delay": _delay, "duplicate": lambda value: DuplicateIt(_whole(value, 2, SCENARIO_COPIES)),
        "reorder": _reorder, "modify": _modify, "answer": _answer, "inject": _inject, "close": _close,
        "refuse": _refuse, "hold": lambda value: HoldIt(_seconds(value)),
    }  # fmt: skip
    return readers[name](node)


def _delay(node: Node) -> DelayIt:
    if not isinstance(node.value, dict):
        return DelayIt(_seconds(node))
    keys = node.mapping(("by", "overtaken"), ("by",))
    overtaken = keys["overtaken"].one_of(("true", "false")) == "true" if "overtaken" in keys else False
    return DelayIt(_seconds(keys["by"]), overtaken)


def _reorder(node: Node) -> ReorderIt:
    if not isinstance(node.value, dict):
        return ReorderIt(_whole(node, 1, SCENARIO_COPIES))
    keys = node.mapping(("behind", "within"))
    return ReorderIt(
        _whole(keys["behind"], 1, SCENARIO_COPIES) if "behind" in keys else 1,
        _seconds(keys["within"]) if "within" in keys else 30.0,
    )


def _modify(node: Node) -> ModifyIt:
    keys = node.mapping(("set", "delete", "payload", "text", *_FRAME_KEYS))
    if not keys:
        raise node.error("nothing is to be modified", "name set, delete, payload or text")
    if "text" in keys and len(keys) > 1:
        raise keys["text"].error("`text` is the whole message: nothing stands beside it")
    if "payload" in keys and ("set" in keys or "delete" in keys):
        raise keys["payload"].error("`payload` replaces all: `set` and `delete` have no place beside it")
    changes = tuple(
        (_path(key), _value(value)) for key, value in (keys["set"].any_mapping().values() if "set" in keys else ())
    )
    return ModifyIt(
        changes,
        tuple(_path(each) for each in keys["delete"].texts()) if "delete" in keys else (),
        _object(keys["payload"]) if "payload" in keys else None,
        {key: _value(keys[key]) for key in _FRAME_KEYS if key in keys},
        _value(keys["text"]) if "text" in keys else None,
    )


def _path(node: Node) -> PathPattern:
    text = node.text()
    try:
        return PathPattern(text)
    except ValueError as error:
        offset = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        raise node.error(f"{text!r} is no path", "write idTagInfo.status, meterValue[0].timestamp or list[*].x",
                         offset) from None  # fmt: skip


def _answer(node: Node) -> AnswerIt:
    keys = node.mapping(("payload", "error", "description", "details"))
    if ("payload" in keys) == ("error" in keys):
        raise node.error("an answer is a payload or an error", "write answer: {payload: {…}} or answer: {error: Code}")
    for extra in ("description", "details"):
        if extra in keys and "error" not in keys:
            raise keys[extra].error(f"{extra!r} belongs to an error")
    return AnswerIt(
        _object(keys["payload"]) if "payload" in keys else None,
        _value(keys["error"]) if "error" in keys else None,
        _value(keys["description"]) if "description" in keys else None,
        _object(keys["details"]) if "details" in keys else None,
    )


def _inject(node: Node) -> InjectIt:
    keys = node.mapping(("to", "call", "payload", "text", "force", "before", "delay"), ("to",))
    if ("call" in keys) == ("text" in keys):
        raise node.error(
            "what is injected is a call or a text", "write inject: {to: station, call: Reset, payload: {…}}"
        )
    if "payload" in keys and "call" not in keys:
        raise keys["payload"].error("`payload` belongs to a call")
    to = cast(Sender, keys["to"].one_of(("station", "csms")))
    forced = keys["force"].one_of(("true", "false")) == "true" if "force" in keys else False
    payload = _object(keys["payload"]) if "payload" in keys else None
    action = keys["call"].text() if "call" in keys else ""
    if action and not forced:
        _check_call(keys["call"], keys.get("payload", keys["call"]), action, to, payload)
    return InjectIt(
        to, action, payload, _value(keys["text"]) if "text" in keys else None, forced,
        keys["before"].one_of(("true", "false")) == "true" if "before" in keys else False,
        _seconds(keys["delay"]) if "delay" in keys else 0.0,
    )  # fmt: skip


def _check_call(node: Node, payload_node: Node, action: str, to: Sender, payload: Value | None) -> None:
    """An injected CALL must exist, come from the right side, and be valid in some version; templates are not known."""
    homes = [version for version in catalogue.VERSIONS if action in catalogue.load(version)]
    if not homes:
        known = sorted({each for version in catalogue.VERSIONS for each in catalogue.load(version)})
        raise node.error(f"no version of OCPP has the action {action!r}",
                         closest(action, known) or "force: true sends it all the same")  # fmt: skip
    wrong = "CSMS" if to == "csms" else "CS"
    if all(catalogue.load(version)[action].initiator == wrong for version in homes):
        sender = "station" if to == "csms" else "CSMS"
        raise node.error(f"{action} is not for the {sender} to send", "force: true sends it all the same")
    if payload is not None and not payload.is_constant:
        return
    value = payload({}) if payload is not None else {}
    first: SchemaFault | None = None
    for version in [home for home in homes if home != "2.0"] or ["2.0.1"]:  # 2.0 has no schemas of its own
        checker = schema.checker(version, action, False)
        if checker is None or checker.is_valid(value):
            return
        first = first or checker.explain(value)[0][0]
    if first is not None:
        raise payload_node.error(f"{first.path}: {first.detail}", "force: true sends it all the same")


def _close(node: Node) -> CloseIt:
    if not isinstance(node.value, dict):
        return CloseIt(_whole(node, 1000, 4999))
    keys = node.mapping(("code", "reason"), ("code",))
    reason = keys["reason"].text() if "reason" in keys else ""
    if len(reason.encode()) > 123:
        raise keys["reason"].error("a close reason has at most 123 octets (RFC 6455 §5.5)")
    return CloseIt(_whole(keys["code"], 1000, 4999), reason)


def _refuse(node: Node) -> RefuseIt:
    if not isinstance(node.value, dict):
        return RefuseIt(Refusal(_whole(node, 300, 599), _reason(_whole(node, 300, 599))))
    keys = node.mapping(("status", "reason", "body", "headers"), ("status",))
    status = _whole(keys["status"], 300, 599)
    headers = []
    for name, (key, value) in (keys["headers"].any_mapping() if "headers" in keys else {}).items():
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise key.error(f"{name!r} is no header name")
        headers.append((name, _one_line(value)))
    return RefuseIt(Refusal(
        status, _one_line(keys["reason"]) if "reason" in keys else _reason(status),
        keys["body"].text() if "body" in keys else "", tuple(headers),
    ))  # fmt: skip


def _reason(status: int) -> str:
    from http import HTTPStatus  # noqa: PLC0415 - only refusals need it

    return HTTPStatus(status).phrase if status in {each.value for each in HTTPStatus} else "Refused"


def _one_line(node: Node) -> str:
    text = node.text()
    if not text.isprintable() or not text.isascii():
        raise node.error("expected one line of ASCII")
    return text


def _check_together(node: Node, match: Match, orders: tuple[Order, ...]) -> None:
    """What makes no sense together is said now, not in the middle of the night."""
    classes = {"opened" if trigger == "Opened" else trigger.item_class for trigger in match.triggers}
    if len(classes) > 1:
        raise node.error(f"one step cannot be about {' and '.join(sorted(classes))}", "write a step for each")
    [of] = classes
    refuses = any(isinstance(order, RefuseIt) for order in orders)
    if (of == "upgrade") is not refuses:
        raise node.error("an Upgrade can be refused, and nothing else can" if refuses else
                         "all that can be done with an Upgrade is `refuse`")  # fmt: skip
    if refuses and len(orders) > 1:
        raise node.error("nothing can be done beside `refuse`")
    if of == "opened" and not all(isinstance(order, InjectIt | CloseIt | CutIt) for order in orders):
        raise node.error("when a connection has opened, only inject, close and cut make sense")
    for order in orders:
        if isinstance(order, AnswerIt) and not all(
            isinstance(trigger, Trigger) and trigger.item_class == "message" and set(trigger.kinds) <= {"CALL", "SEND"}
            for trigger in match.triggers
        ):
            raise node.error("only a CALL can be answered", "write when: Heartbeat.request, or when: CALL")
        if of == "control" and isinstance(order, ModifyIt):
            raise node.error("a ping, pong or close frame cannot be modified")
    if sum(isinstance(order, _FINAL) for order in orders) > 1:
        raise node.error("drop, answer, close and cut each decide alone", "one of them in a step")
    if any(isinstance(order, _FINAL) for order in orders) and any(
        isinstance(order, DuplicateIt | ModifyIt) for order in orders
    ):
        raise node.error("what is not forwarded cannot be modified or duplicated")


# --------------------------------------------------------------------------- values


def _plain(node: Node) -> Any:
    """A node as JSON."""
    if isinstance(node.value, dict):
        return {name: _plain(value) for name, (_, value) in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(each) for each in node.value]
    return literal(node.value, is_plain=node.plain)


def _value(node: Node) -> Value:
    """A value with templates; a fault is told at the text that holds it."""
    if isinstance(node.value, str):
        try:
            return Value(_plain(node), NAMES)
        except ExpressionError as error:
            raise node.error(error.message, error.hint, error.offset) from None
    below = node.value if isinstance(node.value, list) else [value for _, value in node.value.values()]
    for each in below:
        _value(each)
    return Value(_plain(node), NAMES)


def _object(node: Node) -> Value:
    node.any_mapping()
    return _value(node)


def _whole(node: Node, low: int, high: int) -> int:
    text = node.text()
    if not text.isascii() or not text.isdigit() or not low <= int(text[:12]) <= high:
        raise node.error(f"{text!r} is no whole number from {low} to {high}")
    return int(text)


def _fraction(node: Node) -> float:
    text = node.text()
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise node.error(f"{text!r} is no probability", "from 0 to 1, or 0% to 100%")
    return value


def _seconds(node: Node) -> float:
    text = node.text()
    found = _DURATION.match(text)
    if found is None:
        raise node.error(f"{text!r} is no duration", "write 500 ms, 30 s, 5 min or 2 h")
    seconds = float(found[1]) * _UNIT_S[found[2]]
    if seconds > 86400:
        raise node.error(f"{text} is out of range", "at most 24 h")
    return seconds
