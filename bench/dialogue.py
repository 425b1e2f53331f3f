"""A station's number in; its endless conforming dialogue with the CSMS out, one exchange after the other.

The dialogues obey the rules that they are meant to be silent under: boot, status, heartbeats at the interval that the
boot answer gave, transactions with rising registers, unique ids. Texts are compact JSON, as most stacks write it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Final, NamedTuple

SECOND_NS: Final = 10**9
HEARTBEAT_NS: Final = 300 * SECOND_NS  # the interval in every BootNotification answer
SAMPLE_NS: Final = 60 * SECOND_NS  # between meter values of a transaction
STATION: Final = 0
CSMS: Final = 1


class Exchange(NamedTuple):
    """A CALL with its answer. `when_ns` is the time of the CALL, `delay_ns` the time until the answer."""

    when_ns: int
    caller: int  # STATION or CSMS
    call: bytes
    answer: bytes
    delay_ns: int


class Clock:
    """Nanoseconds in, RFC 3339 text with milliseconds out; the date is formatted once a day (0.4 µs a call)."""

    def __init__(self) -> None:
        self._day = -1
        self._date = ""

    def text(self, now_ns: int) -> str:
        milliseconds = now_ns // 1_000_000
        day, rest = divmod(milliseconds, 86_400_000)
        if day != self._day:
            self._day = day
            self._date = _date_of_day(day)
        seconds, millisecond = divmod(rest, 1000)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        return f"{self._date}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"


def _date_of_day(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


class Talker:
    """What every dialogue of one station shares: ids, time, register, pseudo-random steps without a global state."""

    def __init__(self, index: int, start_ns: int, next_transaction: Callable[[], int]) -> None:
        self.index = index
        self.now_ns = start_ns
        self.text = Clock().text
        self.next_transaction = next_transaction
        self.register_wh = 1_000_000 + 7919 * index
        self._ids = (f"0c9b{index & 0xFFFF:04x}-1000-4000-8000-0000", f"c5b5{index & 0xFFFF:04x}-2000-4000-9000-0000")
        self._count = 0
        self._noise = (index * 2654435761 + 12345) & 0xFFFFFFFF
        self.heartbeat_due_ns = 0

    def noise(self, below: int) -> int:
        """A number from 0 to below - 1 (linear congruential: the traffic is the same on every machine)."""
        self._noise = (self._noise * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self._noise >> 8) % below

    def exchange(self, caller: int, action: str, request: str, response: str) -> Exchange:
        self._count += 1
        unique_id = f"{self._ids[caller]}{self._count:08x}"
        delay_ns = 8_000_000 + self.noise(30_000_000)
        when_ns = self.now_ns
        self.now_ns = when_ns + delay_ns + 1_000_000
        call = f'[2,"{unique_id}","{action}",{request}]'
        return Exchange(when_ns, caller, call.encode(), f'[3,"{unique_id}",{response}]'.encode(), delay_ns)

    def wait(self, nanoseconds: int) -> None:
        self.now_ns += nanoseconds + self.noise(50_000_000)

    def heartbeat(self) -> Exchange:
        self.heartbeat_due_ns = self.now_ns + HEARTBEAT_NS
        return self.exchange(STATION, "Heartbeat", "{}", f'{{"currentTime":"{self.text(self.now_ns + 9_000_000)}"}}')

    def idle(self) -> Iterator[Exchange]:
        """Some quiet minutes: one heartbeat, sometimes two or three."""
        for _ in range(1 + self.noise(3)):
            self.now_ns = max(self.now_ns + 2 * SECOND_NS, self.heartbeat_due_ns)
            yield self.heartbeat()
        self.wait((5 + self.noise(60)) * SECOND_NS)

    def consume(self) -> int:
        """One sample period at about 11 kW; the power in W."""
        power = 10_400 + self.noise(700)
        self.register_wh += power // 60
        return power

    def boot_answer(self) -> str:
        self.heartbeat_due_ns = self.now_ns + HEARTBEAT_NS
        return f'{{"status":"Accepted","currentTime":"{self.text(self.now_ns + 9_000_000)}","interval":300}}'


def dialogue_16(talker: Talker) -> Iterator[Exchange]:
    """OCPP 1.6: local and remote starts in turn on two connectors."""
    t = talker

    def status(connector: int, state: str) -> Exchange:
        request = (
            f'{{"connectorId":{connector},"errorCode":"NoError","status":"{state}","timestamp":"{t.text(t.now_ns)}"}}'
        )
        return t.exchange(STATION, "StatusNotification", request, "{}")

    yield t.exchange(
        STATION,
        "BootNotification",
        f'{{"chargePointVendor":"Example Works","chargePointModel":"EW-22","chargePointSerialNumber":"EW{t.index:06}",'
        '"firmwareVersion":"4.2.1"}',
        t.boot_answer(),
    )
    for connector in (0, 1, 2):
        t.wait(200_000_000)
        yield status(connector, "Available")
    number = 0
    while True:
        yield from t.idle()
        number += 1
        connector = 1 + number % 2
        tag = f"04A{(t.index * 31 + number) & 0xFFFFF:05X}"
        remote = number % 3 == 0
        yield status(connector, "Preparing")
        t.wait(3 * SECOND_NS)
        if remote:
            request = f'{{"connectorId":{connector},"idTag":"{tag}"}}'
            yield t.exchange(CSMS, "RemoteStartTransaction", request, '{"status":"Accepted"}')
        else:
            yield t.exchange(STATION, "Authorize", f'{{"idTag":"{tag}"}}', '{"idTagInfo":{"status":"Accepted"}}')
        t.wait(500_000_000)
        transaction = t.next_transaction()
        yield t.exchange(
            STATION,
            "StartTransaction",
            f'{{"connectorId":{connector},"idTag":"{tag}","meterStart":{t.register_wh},'
            f'"timestamp":"{t.text(t.now_ns)}"}}',
            f'{{"idTagInfo":{{"status":"Accepted"}},"transactionId":{transaction}}}',
        )
        t.wait(SECOND_NS)
        yield status(connector, "Charging")
        for _ in range(10 + t.noise(30)):
            t.wait(SAMPLE_NS)
            power = t.consume()
            yield t.exchange(
                STATION,
                "MeterValues",
                f'{{"connectorId":{connector},"transactionId":{transaction},"meterValue":[{{"timestamp":"'
                f'{t.text(t.now_ns)}","sampledValue":[{{"value":"{t.register_wh}","context":"Sample.Periodic",'
                '"measurand":"Energy.Active.Import.Register","unit":"Wh"},'
                f'{{"value":"{power}","measurand":"Power.Active.Import","unit":"W"}},'
                f'{{"value":"{power // 690}.{power % 10}","measurand":"Current.Import","phase":"L1","unit":"A"}},'
                f'{{"value":"23{power % 7}","measurand":"Voltage","phase":"L1-N","unit":"V"}}]}}]}}',
                "{}",
            )
            if t.now_ns >= t.heartbeat_due_ns:
                t.wait(SECOND_NS)
                yield t.heartbeat()
        t.wait(20 * SECOND_NS)
        if remote:
            yield t.exchange(
                CSMS, "RemoteStopTransaction", f'{{"transactionId":{transaction}}}', '{"status":"Accepted"}'
            )
            t.wait(500_000_000)
        t.register_wh += 55
        stop = f'{{"transactionId":{transaction},"meterStop":{t.register_wh},"timestamp":"{t.text(t.now_ns)}",' + (
            '"reason":"Remote"}' if remote else f'"idTag":"{tag}","reason":"Local"}}'
        )
        yield t.exchange(STATION, "StopTransaction", stop, '{"idTagInfo":{"status":"Accepted"}}')
        t.wait(300_000_000)
        yield status(connector, "Finishing")
        t.wait(15 * SECOND_NS)
        yield status(connector, "Available")


def dialogue_201(talker: Talker) -> Iterator[Exchange]:
    """OCPP 2.0.1 (and what 2.1 shares with it): inventory report, then transactions of TransactionEvents."""
    t = talker

    def status(evse: int, state: str) -> Exchange:
        request = f'{{"timestamp":"{t.text(t.now_ns)}","connectorStatus":"{state}","evseId":{evse},"connectorId":1}}'
        return t.exchange(STATION, "StatusNotification", request, "{}")

    yield t.exchange(
        STATION,
        "BootNotification",
        '{"reason":"PowerUp","chargingStation":{"model":"EW-22","vendorName":"Example Works",'
        f'"serialNumber":"EW{t.index:06}","firmwareVersion":"4.2.1"}}}}',
        t.boot_answer(),
    )
    t.wait(100_000_000)
    yield t.exchange(
        STATION,
        "SecurityEventNotification",
        f'{{"type":"StartupOfTheDevice","timestamp":"{t.text(t.now_ns)}"}}',
        "{}",
    )
    for evse in (1, 2):
        t.wait(200_000_000)
        yield status(evse, "Available")
    t.wait(SECOND_NS)
    yield t.exchange(CSMS, "GetBaseReport", '{"requestId":1,"reportBase":"FullInventory"}', '{"status":"Accepted"}')
    for part in (0, 1):
        t.wait(300_000_000)
        yield t.exchange(
            STATION,
            "NotifyReport",
            f'{{"requestId":1,"generatedAt":"{t.text(t.now_ns)}","seqNo":{part},"tbc":{("true", "false")[part]},'
            f'"reportData":[{{"component":{{"name":"EVSE","evse":{{"id":{part + 1}}}}},"variable":{{"name":"Power"}},'
            '"variableAttribute":[{"type":"Actual","value":"0","mutability":"ReadOnly"}],'
            '"variableCharacteristics":{"unit":"W","dataType":"decimal","maxLimit":22000,"supportsMonitoring":true}}]}',
            "{}",
        )
    number = 0
    while True:
        yield from t.idle()
        number += 1
        yield from _transaction_201(t, number, status)


def _transaction_201(t: Talker, number: int, status: Callable[[int, str], Exchange]) -> Iterator[Exchange]:
    evse = 1 + number % 2
    transaction = f"7a61{t.index & 0xFFFF:04x}-3000-4000-a000-{t.next_transaction():012x}"
    tag = f"04A{(t.index * 31 + number) & 0xFFFFF:05X}"
    token = f',"idToken":{{"idToken":"{tag}","type":"ISO14443"}}'
    sequence = 0

    def event(kind: str, trigger: str, state: str, more: str, answer: str = "{}", inner: str = "") -> Exchange:
        nonlocal sequence
        request = (
            f'{{"eventType":"{kind}","timestamp":"{t.text(t.now_ns)}","triggerReason":"{trigger}","seqNo":{sequence},'
            f'"transactionInfo":{{"transactionId":"{transaction}","chargingState":"{state}"{inner}}}{more}}}'
        )
        sequence += 1
        return t.exchange(STATION, "TransactionEvent", request, answer)

    def energy(context: str) -> str:
        return (
            f',"meterValue":[{{"timestamp":"{t.text(t.now_ns)}","sampledValue":[{{"value":{t.register_wh},'
            f'"context":"{context}","measurand":"Energy.Active.Import.Register","unitOfMeasure":{{"unit":"Wh"}}}}]}}]'
        )

    accepted = '{"idTokenInfo":{"status":"Accepted"}}'
    yield status(evse, "Occupied")
    t.wait(200_000_000)
    place = f',"evse":{{"id":{evse},"connectorId":1}}'
    yield event("Started", "CablePluggedIn", "EVConnected", place + energy("Transaction.Begin"))
    t.wait(3 * SECOND_NS)
    yield t.exchange(STATION, "Authorize", f'{{"idToken":{{"idToken":"{tag}","type":"ISO14443"}}}}', accepted)
    t.wait(300_000_000)
    yield event("Updated", "Authorized", "EVConnected", token, accepted)
    t.wait(SECOND_NS)
    yield event("Updated", "ChargingStateChanged", "Charging", "")
    for _ in range(10 + t.noise(30)):
        t.wait(SAMPLE_NS)
        t.consume()
        yield event("Updated", "MeterValuePeriodic", "Charging", energy("Sample.Periodic"))
        if t.now_ns >= t.heartbeat_due_ns:
            t.wait(SECOND_NS)
            yield t.heartbeat()
    t.wait(20 * SECOND_NS)
    t.register_wh += 55
    yield event("Updated", "StopAuthorized", "EVConnected", token, accepted)
    t.wait(20 * SECOND_NS)
    yield event("Ended", "EVCommunicationLost", "Idle", energy("Transaction.End"), "{}", ',"stoppedReason":"Local"')
    t.wait(200_000_000)
    yield status(evse, "Available")


DIALOGUES: Final[dict[str, Callable[[Talker], Iterator[Exchange]]]] = {
    "1.6": dialogue_16,
    "2.0.1": dialogue_201,
    "2.1": dialogue_201,
}
