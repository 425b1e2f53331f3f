"""A rule in Python and what is known of a message beforehand in; the lines that show it the message, out.

A station's messages meet dozens of such rules, and to call one costs 0.3 µs before it has done anything. So what it
says of itself (`looks_at`, `rests_on`, `rests_without`) is asked when the function of a kind of message is written: of
a Conversation only those methods are called that look at such a message.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ocpp_inspect.engine.conversation import Conversation, is_looked_at
from ocpp_inspect.engine.forms import Known
from ocpp_inspect.engine.monitor import Monitor

_IS_OBJECT: Final = "(type(m.payload) is dict)"
_REQUEST: Final = "(m.request if type(m.request) is dict else {})"


class Shown:
    """How one rule in Python sees the messages of which something is known beforehand."""

    def __init__(self, monitor: type[Monitor], known: Known) -> None:
        kind, action = known.get("kind"), known.get("action")
        self.rests = monitor.rests("w")
        self.feeds = True  # the whole message by `feed`; else by the methods below
        self.owes = self.judges = self.learns = False
        samples = ""
        if issubclass(monitor, Conversation):
            samples = monitor.spared() if known.only_samples else ""
            if action and monitor.feed is Conversation.feed:
                self.feeds = False
                self.owes = monitor.owes and known.get("side") == "station"
                looks = not known.only_samples or monitor.looks_at_samples
                self.judges = looks and monitor.judges and is_looked_at(monitor.judge, kind, action)
                self.learns = looks and monitor.learns and is_looked_at(monitor.learn, kind, action)
        self.nothing = samples == "always" or not (self.feeds or self.owes or self.judges or self.learns)
        """Whether such a message means nothing to the rule."""
        only_lets_time_pass = self.owes and not (self.judges or self.learns)
        self.can_rest = bool(self.rests) and bool(samples or only_lets_time_pass or action in monitor.rests_on)
        """Whether it means nothing while the rule rests."""

    def lines(self, slot: int, judge: str, monitor: str, once: Callable[[str], str]) -> list[str]:
        """Lines of a function of (m, st); behind `can_rest` R is st.restless."""
        if self.nothing:
            return []
        lines = [] if self.feeds else [f"if not {once(_IS_OBJECT)}: return"]
        if self.can_rest:
            lines += [
                f"if {slot} not in R: return",
                f"w = S[{slot}]",
                "if w.asleep: return",
                f"if {self.rests}:",
                f"    R.discard({slot})",
                "    return",
            ]
        else:
            lines += [
                f"w = S[{slot}]",
                "if w.asleep:",
                f"    if w is _NOT_YET: st.engine.watch(m, st, {judge}, {slot}, {monitor})",
                "    return",
            ]
        lines += [
            "try:",
            *(f"    {line}" for line in self._calls(once)),
            "except Exception as error:",
            f"    st.engine.failed(st, {judge}, {slot}, error, m)",
            "    return",
        ]
        if self.feeds or self.owes or self.judges:
            lines.append(f"if remarks is not _NOTHING: st.engine.tell(m, st, {judge}, {slot}, remarks)")
        if self.rests and not self.can_rest:
            lines.append(f"if not ({self.rests}): st.restless.add({slot})")
        return lines

    def _calls(self, once: Callable[[str], str]) -> list[str]:
        """What `Conversation.feed` does with such a message. A generator runs before anything is learned."""
        if self.feeds:
            return ["remarks = w.feed(m)"]
        lines = []
        item = f"m, m.payload, {once(_REQUEST)}"
        if self.owes:
            awake = "" if self.can_rest or not self.rests else f"_NOTHING if {self.rests} else "
            lines.append(f"remarks = {awake}w.due(m.ts_ns)")
            if self.judges or self.learns:
                lines.append("if remarks is not _NOTHING: remarks = _list(remarks) or _NOTHING")
        if self.judges and self.owes:
            lines += [f"judged = w.judge({item})",
                      "if judged is not _NOTHING: remarks = [*remarks, *judged] or _NOTHING"]  # fmt: skip
        elif self.judges:
            lines.append(f"remarks = w.judge({item})")
            if self.learns:
                lines.append("if remarks is not _NOTHING: remarks = _list(remarks) or _NOTHING")
        if self.learns:
            lines.append(f"w.learn({item})")
        return lines
