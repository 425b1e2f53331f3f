"""Settings of one station in; remarks about accepted ones that read otherwise out. Rules CFG-004 and VAR-006."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark

SETTINGS: Final = 256  # per station; beyond it the oldest is forgotten
FRESH_NS: Final = 3600 * 10**9  # later somebody may have changed it at the station
KEYS: Final = frozenset((
    "allowofflinetxforunknownid", "authorizationcacheenabled", "authorizeremotetxrequests", "blinkrepeat",
    "clockaligneddatainterval", "connectiontimeout", "heartbeatinterval", "lightintensity",
    "localauthorizeoffline", "localpreauthorize", "maxenergyoninvalidid", "metervaluesaligneddata",
    "metervaluessampleddata", "metervaluesampleinterval", "minimumstatusduration", "resetretries",
    "stoptransactiononevsidedisconnect", "stoptransactiononinvalidid", "stoptxnaligneddata",
    "stoptxnsampleddata", "transactionmessageattempts", "transactionmessageretryinterval",
    "unlockconnectoronevsidedisconnect", "websocketpinginterval", "localauthlistenabled",
))  # fmt: skip
"""Keys of OCPP 1.6 §9 that hold a value; a key of a vendor may be a command, or read otherwise than it is written."""


def plain(value: Any) -> str:
    """A value without what makes no difference: case, spaces, order of a list, how a number is written."""
    parts = sorted(part.strip().casefold() for part in str(value).split(","))
    return ",".join(part for part in map(number, parts) if part)


def number(text: str) -> str:
    """60.0 and 060 are 60."""
    try:
        return repr(float(text)) if text.replace(".", "", 1).lstrip("+-").isdigit() else text
    except ValueError:
        return text


def of(holder: Any, name: str) -> list[dict[str, Any]]:
    """The objects of a list of a payload."""
    found = holder.get(name) if isinstance(holder, dict) else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


class ReadBack(Monitor):
    """Compares what was set with what is read within an hour, once for each change."""

    def __init__(self) -> None:
        self.settings: dict[str, tuple[str, int]] = {}  # name → (value as written, time)

    def feed(self, item: Any) -> Iterable[Remark]:
        """Note what was accepted; compare what is read."""
        if item.action == "BootNotification":
            self.settings.clear()
            return ()
        for name, value in self.written(item):
            self.settings.pop(name, None)
            if value is not None:
                self.settings[name] = value, item.ts_ns
                if len(self.settings) > SETTINGS:
                    del self.settings[next(iter(self.settings))]
        return [remark for name, value in self.read(item) if (remark := self.compared(item, name, value))]

    def compared(self, item: Any, name: str, value: str) -> Remark | None:
        """What is wrong with a value that was read, if anything is."""
        told = self.settings.pop(name, None)
        if told is None or item.ts_ns - told[1] > FRESH_NS or plain(told[0]) == plain(value):
            return None
        return Remark(item, f"{name} was set to {told[0]} and accepted; now it reads {value}")

    def written(self, item: Any) -> Iterator[tuple[str, str | None]]:
        """(name, new value, None where it is not known) of an answer to a change."""
        yield from ()

    def read(self, item: Any) -> Iterator[tuple[str, str]]:
        """(name, value) of an answer that tells values."""
        yield from ()

    def forget(self) -> None:
        """Another change may be among what was lost."""
        self.settings.clear()


class Keys(ReadBack):
    """Configuration keys of OCPP 1.6."""

    def written(self, item: Any) -> Iterator[tuple[str, str | None]]:
        """The change of one key."""
        request, payload = item.request, item.payload
        if item.action == "ChangeConfiguration" and isinstance(request, dict) and isinstance(payload, dict):
            key, value = request.get("key"), request.get("value")
            if isinstance(key, str) and isinstance(value, str) and key.casefold() in KEYS:
                yield key.casefold(), value if payload.get("status") == "Accepted" else None

    def read(self, item: Any) -> Iterator[tuple[str, str]]:
        """The keys of an answer to GetConfiguration."""
        if item.action == "GetConfiguration":
            for entry in of(item.payload, "configurationKey"):
                key, value = entry.get("key"), entry.get("value")
                if isinstance(key, str) and isinstance(value, str):
                    yield key.casefold(), value


class Variables(ReadBack):
    """Variables of controllers of OCPP 2.x; others are measured, or commands."""

    def written(self, item: Any) -> Iterator[tuple[str, str | None]]:
        """The results of SetVariables, which come in any order."""
        if item.action != "SetVariables":
            return
        wanted = {self.name(entry): entry.get("attributeValue") for entry in of(item.request, "setVariableData")}
        for result in of(item.payload, "setVariableResult"):
            name = self.name(result)
            if name and isinstance(wanted.get(name), str):
                yield name, wanted[name] if result.get("attributeStatus") == "Accepted" else None

    def read(self, item: Any) -> Iterator[tuple[str, str]]:
        """The results of GetVariables."""
        if item.action == "GetVariables":
            for result in of(item.payload, "getVariableResult"):
                value, name = result.get("attributeValue"), self.name(result)
                if name and isinstance(value, str) and result.get("attributeStatus") == "Accepted":
                    yield name, value

    @staticmethod
    def name(entry: dict[str, Any]) -> str:
        """Component, variable and attribute; empty where it is none to be judged."""
        component, variable = entry.get("component"), entry.get("variable")
        if not isinstance(component, dict) or not isinstance(variable, dict):
            return ""
        owner, name = str(component.get("name")), str(variable.get("name"))
        if not owner.casefold().endswith("ctrlr") or "password" in name.casefold():
            return ""
        places = (component.get("instance"), component.get("evse"), variable.get("instance"))
        kind = entry.get("attributeType", "Actual")
        return f"{owner}.{name}{''.join(f'[{place}]' for place in places if place)}" + (
            "" if kind == "Actual" else f" {kind}"
        )
