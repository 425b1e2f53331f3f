"""Nothing in; microseconds a message of the ocpp room out. Run by hand: python tests/ocpp/ocpp_measure.py [messages].

The mix is what a busy site sends: MeterValues, Heartbeat and StatusNotification of 1.6, TransactionEvent of 2.0.1,
each with its answer.
"""

from __future__ import annotations

import gc
import sys
import time

import orjson

from ocpp_inspect.model import Upgrade, WsItem, WsMessage
from ocpp_inspect.ocpp import Ocpp

METER = {
    "connectorId": 1,
    "transactionId": 1234,
    "meterValue": [
        {
            "timestamp": "2026-01-01T10:00:00Z",
            "sampledValue": [{"value": "12345", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}],
        }
    ],
}
STATUS = {
    "connectorId": 1,
    "errorCode": "NoError",
    "status": "Charging",
    "timestamp": "2026-01-01T10:00:00Z",
    "info": "cable locked, contactor closed",
    "vendorId": "com.example",
}
EVENT = {
    "eventType": "Updated",
    "timestamp": "2026-01-01T10:00:00.000Z",
    "triggerReason": "MeterValuePeriodic",
    "seqNo": 4,
    "transactionInfo": {"transactionId": "0f5c-11", "chargingState": "Charging"},
    "meterValue": [{"timestamp": "2026-01-01T10:00:00Z", "sampledValue": [{"value": 12345.6}]}],
}
CLOCK = {"currentTime": "2026-01-01T10:00:00Z"}


def traffic(count: int) -> list[WsItem]:
    items: list[WsItem] = [
        Upgrade(1, 0, 1, 1, 101, "/ocpp/CP1", subprotocol="ocpp1.6"),
        Upgrade(2, 0, 2, 2, 101, "/ocpp/CP2", subprotocol="ocpp2.0.1"),
    ]
    exchanges = (
        (1, "MeterValues", METER, {}),
        (1, "Heartbeat", {}, CLOCK),
        (1, "StatusNotification", STATUS, {}),
        (2, "TransactionEvent", EVENT, {}),
    )
    packet = 10
    while len(items) < count:
        for connection, action, request, answer in exchanges:
            unique_id = f"19223201-{packet}"
            for side, frame in (("station", [2, unique_id, action, request]), ("csms", [3, unique_id, answer])):
                packet += 1
                now = packet * 10_000_000
                raw = orjson.dumps(frame)
                items.append(WsMessage(connection, side, now, now, packet, packet, 1, raw, 1, False, packet))
    return items


def main() -> None:
    items = traffic(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
    size = sum(len(item.payload) for item in items if isinstance(item, WsMessage)) / len(items)
    calls = [item for item in items if isinstance(item, Upgrade) or item.payload.startswith(b"[2")]
    for name, chosen in (("mix", items), ("CALLs", calls)):
        best = 1e9
        for validate in (True, True, True):
            room = Ocpp(validate=validate)
            gc.collect()
            gc.disable()
            start = time.perf_counter()
            for at in range(0, len(chosen), 1000):
                room.feed(chosen[at : at + 1000])
            best = min(best, time.perf_counter() - start)
            gc.enable()
        print(f"{name}: {best / len(chosen) * 1e6:.2f} µs a message, {size:.0f} octets on average")  # noqa: T201


if __name__ == "__main__":
    main()
