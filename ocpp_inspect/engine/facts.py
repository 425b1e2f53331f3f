"""OcppMessage in, learned configuration of its station out: what time limits and `config` need.

The engine learns for itself, in the order in which rules run: the live session of the ocpp room is already further on
when a batch is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ocpp_inspect.engine.state import StationState
from ocpp_inspect.model import OcppMessage

_KEYS: Final = 2000  # a station of either generation reports a few hundred; a hostile one must not fill memory
_CHARACTERS: Final = 100


def _learn(st: StationState, key: Any, value: Any) -> None:
    if type(key) is str and type(value) is str and len(key) <= _CHARACTERS and len(st.config) < _KEYS:
        st.facts.clear()
        st.config[key] = st.sure[key] = value if len(value) <= 10 * _CHARACTERS else value[: 10 * _CHARACTERS]


def _entries(payload: Any, name: str) -> list[Any]:
    found = payload.get(name) if type(payload) is dict else None
    return found if type(found) is list else []


def _boot(m: OcppMessage, st: StationState) -> None:
    """The interval of an accepted boot is the heartbeat interval (OCPP 1.6 §4.2, OCPP 2.0.1 B01.FR.04)."""
    payload = m.payload
    if type(payload) is dict and payload.get("status") == "Accepted" and type(payload.get("interval")) is int:
        interval = str(payload["interval"])
        _learn(st, "HeartbeatInterval", interval)
        # Some stations obey this one and report another value for the key: rules may want to know both.
        _learn(st, "BootNotification.interval", interval)


def _get_configuration(m: OcppMessage, st: StationState) -> None:
    for entry in _entries(m.payload, "configurationKey"):
        if type(entry) is dict:
            _learn(st, entry.get("key"), entry.get("value"))


def _change_configuration(m: OcppMessage, st: StationState) -> None:
    if type(m.payload) is dict and m.payload.get("status") == "Accepted" and type(m.request) is dict:
        _learn(st, m.request.get("key"), m.request.get("value"))


def _variable(st: StationState, entry: Any, value: Any) -> None:
    """Store a 2.x variable as Component.Variable and, without instance and EVSE, as Variable."""
    component, variable = entry.get("component"), entry.get("variable")
    if type(component) is not dict or type(variable) is not dict:
        return
    owner, name = component.get("name"), variable.get("name")
    if type(owner) is not str or type(name) is not str or component.get("instance") or component.get("evse"):
        return
    if variable.get("instance"):
        return
    _learn(st, f"{owner}.{name}", value)
    _learn(st, name, value)


def _set_variables(m: OcppMessage, st: StationState) -> None:
    wanted = _entries(m.request, "setVariableData")
    for entry, result in zip(wanted, _entries(m.payload, "setVariableResult"), strict=False):
        if (
            type(entry) is dict
            and type(result) is dict
            and result.get("attributeStatus") == "Accepted"
            and entry.get("attributeType", "Actual") == "Actual"
            and (result.get("component"), result.get("variable")) == (entry.get("component"), entry.get("variable"))
        ):
            _variable(st, entry, entry.get("attributeValue"))


def _get_variables(m: OcppMessage, st: StationState) -> None:
    for result in _entries(m.payload, "getVariableResult"):
        if (
            type(result) is dict
            and result.get("attributeStatus") == "Accepted"
            and result.get("attributeType", "Actual") == "Actual"
        ):
            _variable(st, result, result.get("attributeValue"))


def _notify_report(m: OcppMessage, st: StationState) -> None:
    for entry in _entries(m.payload, "reportData"):
        if type(entry) is not dict:
            continue
        for attribute in _entries(entry, "variableAttribute"):
            if type(attribute) is dict and attribute.get("type", "Actual") == "Actual":
                _variable(st, entry, attribute.get("value"))


LEARNERS: Final[dict[tuple[str, str], Callable[[OcppMessage, StationState], None]]] = {
    ("CALLRESULT", "BootNotification"): _boot,
    ("CALLRESULT", "GetConfiguration"): _get_configuration,
    ("CALLRESULT", "ChangeConfiguration"): _change_configuration,
    ("CALLRESULT", "SetVariables"): _set_variables,
    ("CALLRESULT", "GetVariables"): _get_variables,
    ("CALL", "NotifyReport"): _notify_report,
}
