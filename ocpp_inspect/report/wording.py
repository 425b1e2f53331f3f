"""Events in; their words and colours out: payloads, the ends of connections, losses, labels of findings."""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

from ocpp_inspect.report.clock import span
from ocpp_inspect.report.lines import together
from ocpp_inspect.report.rows import Event
from ocpp_inspect.report.safe import safe

FAINT: Final = "dim"
SEVERITIES: Final = {"error": ("✖", "bold red"), "warning": ("▲", "bold yellow"), "info": ("•", "bold blue")}
_PAYLOAD: Final = {"CALL": 3, "SEND": 3, "CALLRESULT": 2, "CALLERROR": 4, "CALLRESULTERROR": 4}
_CLOSE_CODES: Final = {  # RFC 6455 §7.4.1 and the IANA registry
    1000: "normal",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1005: "no code",
    1006: "abnormal",
    1007: "invalid payload",
    1008: "policy violation",
    1009: "too big",
    1010: "extension missing",
    1011: "internal error",
    1012: "service restart",
    1013: "try again later",
}


def finding_label(severity: str, verdict: str, accepted: str = "") -> tuple[str, str, str]:
    """(sign, style, words) of a finding."""
    sign, style = SEVERITIES.get(severity, ("•", "bold white"))
    severity = safe(severity, 20)
    if accepted:
        return sign, "dim", f"{severity}, accepted"
    if verdict == "inconclusive":
        return "?", "dim", f"{severity}, inconclusive"
    return sign, style, severity


def payload_of(event: Event) -> Any:
    """The decoded payload of a message, None when its text is no JSON or is not at hand."""
    place = _PAYLOAD.get(event.kind)
    if event.raw is None or place is None:
        return None
    try:
        parts = orjson.loads(event.raw)
    except ValueError:
        try:
            parts = json.loads(event.raw)  # NaN and the like, which stations do send
        except (ValueError, RecursionError):
            return None
    return parts[place] if isinstance(parts, list) and len(parts) > place else None


def extra_of(event: Event) -> dict[str, Any]:
    """The fields that only this type of event has."""
    found = orjson.loads(event.extra) if event.extra else {}
    return found if isinstance(found, dict) else {}


def style_of(event: Event, payload: Any) -> str:
    """The colour of a message's text."""
    return style_of_payload(event.kind, event.action, event.schema_valid, payload)


def style_of_payload(kind: str, action: str, schema_valid: bool | None, payload: Any) -> str:
    """The colour of a message's text: refusals stand out, routine recedes."""
    if kind in ("CALLERROR", "CALLRESULTERROR", "INVALID") or schema_valid is False:
        return "red"
    if action == "Heartbeat":
        return FAINT
    if kind == "CALLRESULT" and payload == {}:
        return FAINT
    if kind == "CALLRESULT" and isinstance(payload, dict):
        info = payload.get("idTagInfo") or payload.get("idTokenInfo")
        status = info.get("status") if isinstance(info, dict) else payload.get("status")
        if status == "Accepted":
            return "green"
        return "yellow" if isinstance(status, str) else ""
    return ""


def close_words(extra: dict[str, Any]) -> str:
    """A close frame: its code, what the code means, and the reason given."""
    code = extra.get("code")
    known = _CLOSE_CODES.get(code, "") if isinstance(code, int) else "no code"
    reason = safe(extra.get("reason") or "", 200)
    return " ".join(filter(None, ("close", str(code or ""), known, f"“{reason}”" if reason else "")))


def notice(event: Event, extra: dict[str, Any]) -> tuple[str, str]:
    """(text, style) of the beginning or end of a connection, or of a loss."""
    ends = f"{extra.get('client')}:{extra.get('client_port')} → {extra.get('server')}:{extra.get('server_port')}"
    tls = ", TLS" if extra.get("tls") else ""
    if event.type == "open" and event.kind == "soap":
        where = f"{extra.get('server')}:{extra.get('server_port')}" if extra.get("server_port") else extra.get("server")
        return f"SOAP over HTTP{tls}: {extra.get('client')} and {where}{extra.get('path') or ''}", ""
    if event.type == "open":
        how = "joined midway, its beginning was not captured" if extra.get("joined_midway") else "no upgrade was seen"
        return f"connection {ends}{tls}: {how}", "yellow"
    if event.type == "upgrade":
        return _upgrade(extra, ends + tls)
    if event.type == "loss":
        return _loss(event, extra), "bold yellow"
    if event.type == "tls":
        return _tls(event, extra, ends)
    who = (
        f" by {'the station' if event.sender == 'station' else 'the CSMS'}"
        if event.sender in ("station", "csms")
        else ""
    )
    how = {
        "fin": "closed",
        "rst": "reset",
        "idle": "silent since, taken as over",
        "reuse": "its port was used again",
        "end": "still open when the capture ends",
    }.get(event.kind, "ends")
    if event.kind in ("fin", "rst"):
        how += who
    age = event.ts_ns - (extra.get("opened_ns") or event.ts_ns)
    unknown = f", {extra['undecodable']} undecodable" if extra.get("undecodable") else ""
    style = "bold yellow" if event.kind == "rst" else "blue"
    count = extra.get("messages") or 0
    return f"{how} after {together(span(age))}, {count} message{'' if count == 1 else 's'}{unknown}", style


def _tls(event: Event, extra: dict[str, Any], ends: str) -> tuple[str, str]:
    """A TLS handshake: what was agreed on, or who ended it and why."""
    version, suite = extra.get("version"), extra.get("suite")
    parts = [f"TLS {version} {suite or ''}".rstrip() if version else "TLS", ends]
    parts += [f"for {extra['server_name']}"] if extra.get("server_name") else []
    if event.kind in ("aborted", "unfinished"):
        who = {"station": "by the station", "csms": "by the CSMS"}.get(event.sender, "by somebody")
        reason = (
            ": ".join(str(each) for each in (extra.get("alert"), extra.get("meaning")) if each) or "no reason given"
        )
        return f"handshake ended {who}: {reason} — {', '.join(parts)}", "bold red"
    parts += ["resumed"] if extra.get("resumed") else []
    parts += [str(extra["subject"])] if extra.get("subject") else []
    parts += ["not decrypted"] if not extra.get("is_opened") else []
    return ", ".join(parts), FAINT


def _upgrade(extra: dict[str, Any], ends: str) -> tuple[str, str]:
    status = extra.get("status") or 0
    path = extra.get("path") or ""
    if status != 101:
        offered = ", ".join(str(each) for each in extra.get("offered") or ()) or "no subprotocol"
        body = f" “{str(extra['body']).strip()}”" if extra.get("body") else ""
        answer = f"refused with HTTP {status}{body}" if status else "no answer was seen"
        return f"upgrade to {path} ({offered}) {answer} — {ends}", "bold red"
    parts = [extra.get("subprotocol") or "no subprotocol", ends]
    if extra.get("extensions"):
        parts.append(str(extra["extensions"]).partition(";")[0])
    if extra.get("user") is not None or extra.get("has_password"):
        parts.append(f"Basic auth as {extra.get('user') or 'nobody'}")
    if extra.get("agent"):
        parts.append(str(extra["agent"]))
    return f"connected to {path}: {', '.join(parts)}", "bold blue"


def _loss(event: Event, extra: dict[str, Any]) -> str:
    cause = {
        "gap": "bytes are missing from the capture",
        "snaplen": "packets were cut short (snaplen)",
        "joined_midway": "the capture starts in mid-stream",
        "resync": "the next frame had to be searched",
        "inflate": "a compressed message could not be inflated",
        "oversize": "a message was too large to keep",
        "limit": "a limit was reached",
        "drops": "the capture lost packets",
    }.get(event.kind, event.kind)
    sender = {"station": " from the station", "csms": " from the CSMS"}.get(event.sender, "")
    lost = f"{extra['bytes']:,} bytes".replace(",", " ") if extra.get("bytes") else ""
    count = extra.get("messages") or 0
    messages = f"{count} message{'' if count == 1 else 's'} unknown" if count else ""
    times = f"{extra['times']} times" if extra.get("times") else ""
    detail = ", ".join(filter(None, (times, lost, messages)))
    return f"loss{sender}: {cause}" + (f" ({detail})" if detail else "")
