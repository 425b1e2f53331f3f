"""OcppMessages of one station in; what is known of that station out: boot, configuration, transactions, connectors.

`learner(action, answer)` gives the function that takes a message's content into a `Session`, if its action has any.
Nothing here judges; payloads may be of any shape, so every value is looked at before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from ocpp_inspect import limits
from ocpp_inspect.model import OcppMessage
from ocpp_inspect.ocpp.aliases import ALIASES

_SECRETS: Final = frozenset({"AuthorizationKey", "BasicAuthPassword"})
_VALUE_CHARACTERS: Final = 2500  # the longest attribute value of 2.x


class Boot(msgspec.Struct):
    """The last BootNotification; `status` is "" while it is unanswered."""

    message_id: int
    ts_ns: int
    connection: int
    vendor: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    reason: str = ""
    status: str = ""
    interval: int | None = None
    answered_ns: int = 0


class Transaction(msgspec.Struct):
    """One transaction. 1.6 knows its id from the answer to StartTransaction on; 2.x from its first event on."""

    id: str
    started_ns: int = 0  # capture time; 0: its start was not seen
    ended_ns: int = 0  # 0: not seen to end
    connector: int | None = None
    evse: int | None = None
    id_tag: str = ""
    meter_start: float | None = None
    meter_stop: float | None = None
    sequence: int | None = None  # the last seqNo (2.x)
    charging_state: str = ""
    reason: str = ""
    status: str = ""  # what the CSMS says about the token


class Session(msgspec.Struct):
    """The live state of one station, across its connections."""

    station: str
    version: str = ""
    boot: Boot | None = None
    boots: int = 0
    config: dict[str, str] = {}
    readonly: dict[str, bool] = {}
    heartbeat_interval: int | None = None  # seconds, as the CSMS last set it
    transactions: dict[str, Transaction] = {}
    connectors: dict[tuple[int, int], tuple[str, int]] = {}  # (EVSE, connector) → (status, ts_ns); 1.6: EVSE 0
    connections: set[int] = set()  # those open now
    joined_midway: bool = False  # what came before the capture is unknown

    @property
    def vendor(self) -> str:
        """As in the last BootNotification, "" when none was seen."""
        return self.boot.vendor if self.boot else ""

    @property
    def model(self) -> str:
        """As in the last BootNotification, "" when none was seen."""
        return self.boot.model if self.boot else ""

    @property
    def boot_status(self) -> str:
        """Accepted, Pending, Rejected; "" when unknown."""
        return self.boot.status if self.boot else ""

    def open_transactions(self) -> list[Transaction]:
        """Those that were seen to start and not seen to end."""
        return [each for each in self.transactions.values() if not each.ended_ns]

    def learn(self, key: str, value: Any, readonly: bool | None = None) -> None:
        """Keep one configuration value; a secret is kept as asterisks."""
        if not isinstance(value, str) or len(key) > limits.STATION_CHARACTERS:
            return
        if key not in self.config and len(self.config) >= limits.CONFIGURATION_KEYS:
            return
        bare = key.rpartition(".")[2]
        self.config[key] = "***" if bare in _SECRETS else value[:_VALUE_CHARACTERS]
        if readonly is not None:
            self.readonly[key] = readonly
        if bare == "HeartbeatInterval" and value.strip().isdecimal() and len(value) < 10:
            self.heartbeat_interval = int(value)

    def transaction(self, name: str) -> Transaction:
        """The transaction of that id, a new one if it is not known."""
        found = self.transactions.get(name)
        if found is None:
            found = self.transactions[name] = Transaction(name)
            if len(self.transactions) > limits.SESSION_TRANSACTIONS:
                ended = (key for key, each in self.transactions.items() if each.ended_ns)
                del self.transactions[next(ended, next(iter(self.transactions)))]
        return found


Learner = Callable[[Session, OcppMessage], None]


def _text(value: Any) -> str:
    return value[: limits.STATION_CHARACTERS] if isinstance(value, str) else ""


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _boot_call(session: Session, message: OcppMessage) -> None:
    payload = message.payload
    station = _dict(payload.get("chargingStation"))
    session.boots += 1
    session.boot = Boot(
        message.message_id,
        message.ts_ns,
        message.connection,
        _text(payload.get("chargePointVendor", station.get("vendorName"))),
        _text(payload.get("chargePointModel", station.get("model"))),
        _text(payload.get("chargePointSerialNumber", station.get("serialNumber"))),
        _text(payload.get("firmwareVersion", station.get("firmwareVersion"))),
        _text(payload.get("reason")),
    )


def _boot_answer(session: Session, message: OcppMessage) -> None:
    boot = session.boot
    if boot is None or boot.message_id != message.request_id:
        boot = session.boot = Boot(message.request_id, message.request_ns, message.connection)
    boot.status = _text(message.payload.get("status"))
    boot.interval = _int(message.payload.get("interval"))
    boot.answered_ns = message.ts_ns
    # Only an accepted boot sets the heartbeat; otherwise the interval is the wait before the next try (1.6 §4.2).
    if boot.status == "Accepted" and boot.interval:
        session.heartbeat_interval = boot.interval


def _get_configuration_answer(session: Session, message: OcppMessage) -> None:
    for entry in _dicts(message.payload.get("configurationKey"))[: limits.CONFIGURATION_KEYS]:
        if key := _text(entry.get("key")):
            readonly = entry.get("readonly")
            session.learn(key, entry.get("value"), readonly if isinstance(readonly, bool) else None)


def _change_configuration_answer(session: Session, message: OcppMessage) -> None:
    # RebootRequired: the value is stored, but holds only after a reboot (1.6 §5.3); it is not learned yet.
    if message.payload.get("status") == "Accepted" and (key := _text(_dict(message.request).get("key"))):
        session.learn(key, _dict(message.request).get("value"))


def _variable(entry: dict[str, Any]) -> str:
    """Component.Variable[Instance] of the station itself; "" for those of an EVSE or an instance of a component."""
    component, variable = _dict(entry.get("component")), _dict(entry.get("variable"))
    name, field = _text(component.get("name")), _text(variable.get("name"))
    if not name or not field or "evse" in component or "instance" in component:
        return ""
    instance = _text(variable.get("instance"))
    return f"{name}.{field}[{instance}]" if instance else f"{name}.{field}"


def _learn_variable(session: Session, entry: dict[str, Any], value: Any, readonly: bool | None = None) -> None:
    if key := _variable(entry):
        session.learn(key, value, readonly)
        if key in ALIASES:
            session.learn(ALIASES[key], value, readonly)


def _is_actual(entry: dict[str, Any]) -> bool:
    return bool(entry.get("attributeType", "Actual") == "Actual")


def _set_variables_answer(session: Session, message: OcppMessage) -> None:
    wanted = {}
    for entry in _dicts(_dict(message.request).get("setVariableData"))[: limits.CONFIGURATION_KEYS]:
        if _is_actual(entry):
            wanted[_variable(entry)] = entry.get("attributeValue")
    for entry in _dicts(message.payload.get("setVariableResult"))[: limits.CONFIGURATION_KEYS]:
        if entry.get("attributeStatus") == "Accepted" and _is_actual(entry):
            _learn_variable(session, entry, wanted.get(_variable(entry)))


def _get_variables_answer(session: Session, message: OcppMessage) -> None:
    for entry in _dicts(message.payload.get("getVariableResult"))[: limits.CONFIGURATION_KEYS]:
        if entry.get("attributeStatus") == "Accepted" and _is_actual(entry):
            _learn_variable(session, entry, entry.get("attributeValue"))


def _notify_report(session: Session, message: OcppMessage) -> None:
    for entry in _dicts(message.payload.get("reportData"))[: limits.CONFIGURATION_KEYS]:
        for attribute in _dicts(entry.get("variableAttribute")):
            if attribute.get("type", "Actual") == "Actual":
                readonly = attribute.get("mutability") == "ReadOnly"
                _learn_variable(session, entry, attribute.get("value"), readonly)


def _start_answer(session: Session, message: OcppMessage) -> None:
    if message.transaction is None:
        return
    request = _dict(message.request)
    found = session.transaction(message.transaction)
    found.started_ns, found.ended_ns = message.request_ns if message.request_id else message.ts_ns, 0
    found.connector = _int(request.get("connectorId"))
    found.id_tag = _text(request.get("idTag"))
    found.meter_start = _number(request.get("meterStart"))
    found.status = _text(_dict(message.payload.get("idTagInfo")).get("status"))


def _stop_call(session: Session, message: OcppMessage) -> None:
    if message.transaction is None:
        return
    found = session.transaction(message.transaction)
    found.ended_ns = message.ts_ns
    found.meter_stop = _number(message.payload.get("meterStop"))
    found.reason = _text(message.payload.get("reason")) or "Local"  # 1.6 §6.49: Local may be omitted


def _transaction_event(session: Session, message: OcppMessage) -> None:
    if message.transaction is None:
        return
    payload, info = message.payload, _dict(message.payload.get("transactionInfo"))
    found = session.transaction(message.transaction)
    found.sequence = _int(payload.get("seqNo"))
    found.charging_state = _text(info.get("chargingState")) or found.charging_state
    evse = _dict(payload.get("evse"))
    if evse:
        found.evse, found.connector = _int(evse.get("id")), _int(evse.get("connectorId"))
    found.id_tag = _text(_dict(payload.get("idToken")).get("idToken")) or found.id_tag
    event = payload.get("eventType")
    if event == "Started":
        found.started_ns = message.ts_ns
    elif event == "Ended":
        found.ended_ns = message.ts_ns
        found.reason = _text(info.get("stoppedReason")) or "Local"


def _transaction_event_answer(session: Session, message: OcppMessage) -> None:
    status = _text(_dict(message.payload.get("idTokenInfo")).get("status"))
    if status and message.transaction is not None:
        session.transaction(message.transaction).status = status


def _status(session: Session, message: OcppMessage) -> None:
    payload = message.payload
    connector = _int(payload.get("connectorId"))
    status = _text(payload.get("status", payload.get("connectorStatus")))
    if connector is None or not status:
        return
    key = (_int(payload.get("evseId")) or 0, connector)
    if key in session.connectors or len(session.connectors) < limits.SESSION_CONNECTORS:
        session.connectors[key] = (status, message.ts_ns)


_CALLS: Final[dict[str, Learner]] = {
    "BootNotification": _boot_call,
    "NotifyReport": _notify_report,
    "StatusNotification": _status,
    "StopTransaction": _stop_call,
    "TransactionEvent": _transaction_event,
}
_ANSWERS: Final[dict[str, Learner]] = {
    "BootNotification": _boot_answer,
    "ChangeConfiguration": _change_configuration_answer,
    "GetConfiguration": _get_configuration_answer,
    "GetVariables": _get_variables_answer,
    "SetVariables": _set_variables_answer,
    "StartTransaction": _start_answer,
    "TransactionEvent": _transaction_event_answer,
}


def learner(action: str, answer: bool) -> Learner | None:
    """The function that takes a CALL of this action (or its CALLRESULT) into a session; None: nothing to learn."""
    return (_ANSWERS if answer else _CALLS).get(action)
