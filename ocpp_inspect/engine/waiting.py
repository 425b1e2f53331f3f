"""The judge of an expectation in; the lines that open it and those that settle it, out.

They do what `Judge.open`, `settle` and `unlink` do, in place for the usual case, because every message of a station
opens or settles some. Three kinds differ in what is kept of an open expectation:
- one that renews (silence of a station): one Wait for ever, used again;
- a light one (a CALL and its answer): the item that opened it, until something else than its answer asks;
- any other: a Wait, chained with those of its key.
"""

from __future__ import annotations

from typing import Final

from ocpp_inspect.engine.state import FRESH_WAITS
from ocpp_inspect.engine.verdict import Judge
from ocpp_inspect.limits import RULE_WAITS

SOUND: Final = "not (st.blind or st.torn or st.config_uncertain)"
"""What several rules that wait ask: whether nothing is missing that could make it uncertain."""


def open_lines(judge: Judge, limit: str, sound: str) -> list[str]:
    """Lines that open it for `m` and `key`; `limit` is the source of nanoseconds, 0: do not wait. `sound` is SOUND."""
    sound += f" and st.open_waits < {RULE_WAITS}"
    if not judge.is_constant:
        sound += " and limit"
    lines = [f"limit = {limit}", "until = m.ts_ns + limit"]
    otherwise = f"else: _judge{judge.index}.open(m, st, key, limit)"
    if judge.renews:  # 0.2 µs instead of 0.5
        return [
            *lines,
            f"w = {judge.waits.first}",
            f"if w is not None and w.item is None and until >= w.deadline_ns and {sound}:",
            "    st.open_waits += 1; w.item = m; w.deadline_ns = until",
            "    if w.uncertain: w.uncertain = False",
            otherwise,
        ]
    lines.append(f"d = S[{judge.verb_slot}]")
    if judge.is_light:
        return [
            *lines,
            f"if {sound} and d is not _EMPTY and key not in d:",
            "    d[key] = m; st.open_waits += 1; st.light += 1",
            "    if until < st.next_ns: st.next_ns = until",
            otherwise,
        ]
    return [
        *lines,
        f"if {sound} and d is not _EMPTY:",
        f"    d[key] = w = _Wait(_judge{judge.index}, key, m, until, d.get(key), False)",
        "    st.open_waits += 1; st.fresh.append(w)",
        "    if until < st.next_ns: st.next_ns = until",
        f"    if len(st.fresh) > {FRESH_WAITS}: _absorb(st)",
        otherwise,
    ]


def answer_lines(judge: Judge, truth: str) -> list[str]:
    """Lines that settle those of `key` for which `truth` holds; empty: all. In it, s is the item that opened one."""
    slot = judge.verb_slot
    if judge.renews:  # 0.1 µs instead of 0.25
        return [
            f"w = {judge.waits.first}",
            "while w is not None:",
            "    s = w.item",
            f"    if s is not None{f' and {truth}' if truth else ''}:",
            "        if st.fresh: _settle(st, w)",
            "        else: w.item = None; st.open_waits -= 1",
            "    w = w.older",
        ]
    if truth:
        heavy = [f"if w is not None and type(w) is not _Wait: _absorb(st); w = S[{slot}][key]"]
        return [
            f"w = S[{slot}].get(key)",
            *(heavy if judge.is_light else []),
            "while w is not None:",
            "    s = w.item",
            f"    if {truth}:",
            "        _unlink(st, w); _settle(st, w)",
            "    w = w.older",
        ]
    if judge.is_light:
        return [
            f"w = S[{slot}].pop(key, None)",
            "if w is not None:",
            "    if type(w) is _Wait:",
            "        while w is not None: _settle(st, w); w = w.older",
            "    else:",
            "        st.open_waits -= 1; st.light -= 1",
            "        if not (st.light or st.fresh): st.next_ns = st.heap[0][0] if st.heap else _NEVER",
        ]
    return [
        f"w = S[{slot}].pop(key, None)",
        "while w is not None:",
        "    _settle(st, w); w = w.older",
    ]
