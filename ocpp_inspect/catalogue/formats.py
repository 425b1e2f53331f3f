"""A decoded JSON value in; short text as people write it out: numbers with their unit, durations, shortened tokens.

Nothing here raises, whatever the value is, and no text is longer than a few dozen characters. None means: this value
cannot be said in this format (a list where a count is asked for text); the sentence then treats it as missing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

VALUE_CHARACTERS: Final = 64  # of one value; longer ones are cut, a line is read at a glance
_SHORT_CHARACTERS: Final = 20
_TOKEN_CHARACTERS: Final = 4  # of a token that are shown: enough to tell two apart in a dialogue, not to clone a card
_LISTED: Final = 4
_SAMPLES: Final = 200  # sampled values of one meter reading that are looked at
_MEASURANDS: Final = 4  # of one meter reading that are said
_EXACT: Final = 10**15  # above it a number is shown in powers of ten

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?(.*)", re.DOTALL)


def shown(value: Any) -> str:
    """Any scalar as text; of a structure only its size."""
    if isinstance(value, str):
        return value if len(value) <= VALUE_CHARACTERS else value[: VALUE_CHARACTERS - 1] + "…"
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value) if abs(value) < _EXACT else _huge(value)
    if isinstance(value, dict):
        return f"{{{counted(list(value)[:1000], 'field')}}}"
    if isinstance(value, list):
        return f"[{counted(value, 'item')}]"
    return str(value)[:VALUE_CHARACTERS]


def _huge(value: int) -> str:
    return f"{value:.3g}" if abs(value) < 10**300 else "a number beyond 10^300"


def outline(payload: Any) -> str:
    """What can be said of a payload that no sentence is known for: its first scalar fields."""
    if not isinstance(payload, dict):
        return shown(payload) or "no payload"
    if not payload:
        return "no fields"
    fields = [f"{shown(key)}: {shown(payload[key])}" for key in list(payload)[:_LISTED]]
    return ", ".join(fields) + (f" and {len(payload) - _LISTED} more" if len(payload) > _LISTED else "")


def counted(value: Any, noun: str) -> str | None:
    """ "3 nouns", "1 noun", "no nouns" for a list; None for anything else."""
    if not isinstance(value, list):
        return None
    return f"{len(value) or 'no'} {noun}{'' if len(value) == 1 else 's'}"


def number(value: Any) -> str:
    """A number with spaces between thousands, at most three decimals; text that is a number likewise."""
    exact = _number(value)
    if exact is None:
        return shown(value)
    if abs(exact) >= _EXACT:
        return _huge(exact) if isinstance(exact, int) else f"{exact:.3g}"
    text = f"{exact:,}" if isinstance(exact, int) else f"{exact:,.3f}".rstrip("0").rstrip(".")
    return text.replace(",", " ")


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value
    try:
        found = float(value if not isinstance(value, str) else value[:40])
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def energy(value: Any) -> str:
    """Watt-hours."""
    return number(value) + " Wh"


def power(value: Any) -> str:
    """Watts, in kW from 1000 on."""
    watts = _number(value)
    return number(value) + " W" if watts is None or abs(watts) < 1000 else number(round(watts / 1000, 2)) + " kW"


def duration(value: Any) -> str:
    """Seconds as "45 s", "5 min", "1 h 30 min", "2 d"."""
    seconds = _number(value)
    if seconds is None:
        return shown(value)
    if seconds != int(seconds) or not 0 <= seconds < 10**9:
        return number(value) + " s"
    left, parts = int(seconds), []
    for name, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size} {name}")
            left %= size
    return " ".join(parts) or "0 s"


def time(value: Any) -> str:
    """A date-time without its T, fractions and a zero offset; anything else as it is."""
    match = _TIME.fullmatch(value) if isinstance(value, str) and len(value) <= VALUE_CHARACTERS else None
    return f"{match[1]} {match[2]}{match[4]}" if match else shown(value)


def word(value: Any) -> str:
    """An enumeration's value as words: NotSupported → not supported, EVConnectTimeout → EV connect timeout."""
    if not isinstance(value, str):
        return shown(value)
    words = re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", " ", _CAMEL.sub(" ", shown(value))).split(" ")
    return " ".join(each if len(each) > 1 and each.isupper() else each[:1].lower() + each[1:] for each in words)


def tag(value: Any) -> str:
    """A token, shortened: it identifies a person."""
    text = shown(value)
    return text if len(text) <= _TOKEN_CHARACTERS + 2 else text[:_TOKEN_CHARACTERS] + "…"


def quote(value: Any) -> str:
    """A value that is free text, in quotation marks unless it is a number or one word."""
    text = shown(value)
    return text if not isinstance(value, str) or re.fullmatch(r"[\w.:/+,•-]+", text) else f"“{text}”"


def short(value: Any) -> str:
    """The beginning of a long name or identifier."""
    text = shown(value)
    return text if len(text) <= _SHORT_CHARACTERS else text[: _SHORT_CHARACTERS - 1] + "…"


def identifier(value: Any) -> str:
    """An identifier; of a UUID the first eight digits, which tell it from others."""
    text = shown(value)
    return text[:8] + "…" if _UUID.fullmatch(text) else short(text)


def url(value: Any) -> str:
    """Scheme, host and the end of the path; no credentials, no query."""
    text = value[:2000] if isinstance(value, str) else shown(value)
    try:
        parts = urlsplit(text)
        host, path = parts.netloc.rpartition("@")[2], parts.path
    except ValueError:
        return shown(text.rpartition("@")[2])
    if not host:
        return shown(text)
    name = path.rpartition("/")[2]
    path = path if len(path) <= _SHORT_CHARACTERS else f"/…/{short(name)}" if name else "/…"
    return shown(f"{parts.scheme}://{host}{path}")


def size(value: Any) -> str | None:
    """How much text a field holds."""
    return f"{number(len(value))} characters" if isinstance(value, str) else counted(value, "item")


def listed(value: Any) -> str:
    """The first items of a list of scalars."""
    if not isinstance(value, list):
        return shown(value)
    more = f" and {len(value) - _LISTED} more" if len(value) > _LISTED else ""
    return ", ".join(shown(item) for item in value[:_LISTED]) + more


# --------------------------------------------------------------------------- meter values

_DEFAULT: Final = "Energy.Active.Import.Register"  # OCPP 1.6 §7.42 and 2.0.1 Part 2, SampledValueType: when absent
_ORDER: Final = {
    name: (position, label, unit)
    for position, (name, label, unit) in enumerate(
        (
            (_DEFAULT, "", "Wh"),
            ("Energy.Active.Export.Register", "exported", "Wh"),
            ("Energy.Active.Import.Interval", "in this interval", "Wh"),
            ("Power.Active.Import", "", "W"),
            ("Power.Active.Export", "exported", "W"),
            ("Current.Import", "", "A"),
            ("Current.Offered", "offered", "A"),
            ("Power.Offered", "offered", "W"),
            ("SoC", "", "%"),
            ("Voltage", "", "V"),
            ("Temperature", "", "°C"),
            ("Frequency", "", "Hz"),
        )
    )
}
_UNITS: Final = {"Percent": "%", "Celsius": "°C", "Celcius": "°C", "Fahrenheit": "°F", "K": "K"}


def meter(value: Any) -> str | None:
    """A list of meter values: "12 345 Wh, 7.2 kW, 16/16/15 A" of the last one; None when it holds no sample."""
    if not isinstance(value, list) or not value or not isinstance(value[-1], dict):
        return None
    samples = value[-1].get("sampledValue")
    if not isinstance(samples, list):
        return None
    by_measurand: dict[str, dict[str, str]] = {}
    for sample in samples[:_SAMPLES]:
        if not isinstance(sample, dict) or sample.get("value") is None:
            continue
        name = shown(sample.get("measurand") or _DEFAULT)
        by_measurand.setdefault(name, {})[shown(sample.get("phase"))] = _reading(sample, name)
    if not by_measurand:
        return None
    names = sorted(by_measurand, key=lambda name: _ORDER.get(name, (99, "", ""))[0])
    said = [_measured(name, by_measurand[name]) for name in names[:_MEASURANDS]]
    more = f" and {len(names) - _MEASURANDS} more" if len(names) > _MEASURANDS else ""
    return ", ".join(said) + more + (f" ({len(value)} readings)" if len(value) > 1 else "")


def _reading(sample: dict[Any, Any], name: str) -> str:
    if sample.get("format") == "SignedData" or _number(sample["value"]) is None:
        return "signed data" if sample.get("format") == "SignedData" else shown(sample["value"])
    unit_of_measure = sample.get("unitOfMeasure")
    unit_of_measure = unit_of_measure if isinstance(unit_of_measure, dict) else {}
    unit = shown(sample.get("unit") or unit_of_measure.get("unit") or _ORDER.get(name, (99, "", ""))[2])
    amount: Any = sample["value"]
    multiplier = unit_of_measure.get("multiplier")
    if isinstance(multiplier, int) and not isinstance(multiplier, bool) and 0 < abs(multiplier) <= 12:
        amount = float(_number(amount) or 0) * 10.0**multiplier
    return power(amount) if unit == "W" else f"{number(amount)} {_UNITS.get(unit, unit)}".rstrip()


def _measured(name: str, phases: dict[str, str]) -> str:
    label = _ORDER[name][1] if name in _ORDER else name
    readings = [phases[""]] if "" in phases else list(phases.values())[:3]
    amounts = [reading.rpartition(" ") for reading in readings]
    if len({unit for _, _, unit in amounts}) == 1 and all(amount for amount, _, _ in amounts):
        text = "/".join(amount for amount, _, _ in amounts) + " " + amounts[0][2]
    else:
        text = "/".join(readings)
    if name == "SoC":
        return f"SoC {text}"
    return f"{text} {label}" if name in _ORDER and label else f"{label} {text}" if label else text


FORMATS: Final[Mapping[str, Callable[[Any], str | None]]] = {
    "n": number,
    "Wh": energy,
    "W": power,
    "duration": duration,
    "time": time,
    "word": word,
    "tag": tag,
    "quote": quote,
    "short": short,
    "id": identifier,
    "url": url,
    "size": size,
    "list": listed,
    "meter": meter,
}
