"""Messages of one station in, remarks about changes of availability that do not last out. Rules AVL-003 and AVL-004.

A target is (EVSE, connector): (0, 0) the station, (0, connector) in OCPP 1.6, (EVSE, 0) all connectors of an EVSE.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Remark

TARGETS: Final = 128  # per station; beyond it nothing more is remembered
SECOND: Final = 10**9
WITHIN_NS: Final = 60 * SECOND  # the documents give no time; a minute is our convention
OUT: Final = ("Unavailable", "Faulted")


@dataclass(slots=True)
class Order:
    """An order to go out of service that nobody has taken back."""

    scheduled: bool
    booted: bool = False  # the station has booted since
    item: Any = None  # a status that contradicts it
    said: str = ""


def whole(value: Any) -> int:
    """An id, 0 for none."""
    return value if isinstance(value, int) else 0


def covers(outer: tuple[int, int], inner: tuple[int, int]) -> bool:
    """Whether a target lies within another one."""
    return outer in ((0, 0), inner) or (outer[1] == 0 and outer[0] == inner[0])


class Orders(Conversation):
    """Orders in force, and the statuses that contradict them."""

    text = ""
    rests_on = frozenset(("Heartbeat", "StatusNotification", "NotifyEvent", "BootNotification"))
    rests_without = ("orders",)  # without an order nothing contradicts it

    def __init__(self) -> None:
        self.orders: dict[tuple[int, int], Order] = {}

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Orders, boots and statuses."""
        if item.action == "ChangeAvailability" and payload.get("status") in ("Accepted", "Scheduled"):
            evse = request.get("evse") if isinstance(request.get("evse"), dict) else {}
            target = whole(evse.get("id")), whole(evse.get("connectorId", request.get("connectorId")))
            if request.get("operationalStatus", request.get("type")) == "Inoperative":
                if len(self.orders) < TARGETS:
                    self.orders[target] = Order(payload["status"] == "Scheduled")
            else:
                for key in [key for key in self.orders if covers(target, key) or covers(key, target)]:
                    del self.orders[key]
        elif item.action == "BootNotification" and payload.get("status") == "Accepted":
            for order in self.orders.values():
                order.booted, order.item = True, None
        elif item.action == "StatusNotification" and item.kind == "CALL":
            place = whole(payload.get("evseId")), whole(payload.get("connectorId"))
            status = payload.get("connectorStatus", payload.get("status"))
            for target in {place, (place[0], 0), (0, 0)} & self.orders.keys():
                self.status(item, target, place, str(status))
        elif item.action == "NotifyEvent":
            self.orders.clear()  # the station tells its states in another way

    def status(self, item: Any, target: tuple[int, int], place: tuple[int, int], status: str) -> None:
        """A connector within the target of an order reports a status."""
        order = self.orders[target]
        if status in OUT:
            order.item = None
            order.scheduled = False
        elif order.item is None and self.contradicts(order, target, place, status):
            order.item = item
            order.said = f"{'EVSE ' + str(place[0]) + ', ' if place[0] else ''}connector {place[1]} is {status}"

    def contradicts(self, order: Order, target: tuple[int, int], place: tuple[int, int], status: str) -> bool:
        """Whether the rule minds it."""
        raise NotImplementedError

    def due(self, now_ns: int) -> Iterable[Remark]:
        """Statuses that stood for a minute."""
        for key, order in list(self.orders.items()):
            if order.item is not None and now_ns >= order.item.ts_ns + WITHIN_NS:
                del self.orders[key]
                yield Remark(order.item, f"{self.text}: {order.said}", ts_ns=order.item.ts_ns + WITHIN_NS)

    def cut_off(self, now_ns: int) -> None:
        """A status may be waiting in the station."""
        for order in self.orders.values():
            order.item = None

    def forget(self) -> None:
        """The order may have been taken back unseen."""
        self.orders.clear()


class NeverDone(Orders):
    """AVL-003: what was scheduled for the end of the transaction is not done."""

    text = "The change to Inoperative was Scheduled; afterwards"

    def contradicts(self, order: Order, target: tuple[int, int], place: tuple[int, int], status: str) -> bool:
        """A single connector that is free again; of a whole station others may still be busy."""
        return order.scheduled and target == place and place[1] > 0 and status == "Available"


class NotKept(Orders):
    """AVL-004: what was set explicitly is forgotten at a boot."""

    text = "The change to Inoperative was Accepted before the boot; afterwards"

    def contradicts(self, order: Order, target: tuple[int, int], place: tuple[int, int], status: str) -> bool:
        """Any status of service after a boot."""
        return order.booted and not order.scheduled and (place[1] > 0 or target == place)
