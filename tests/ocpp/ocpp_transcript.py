"""A dialogue as text in; what the ocpp room makes of it out.

One line a message: seconds, direction (`>` from the station, `<` from the CSMS, `?` unknown), the text. A line
`-- lost`, `-- closed`, `-- end`, `-- upgrade PATH TOKEN` is an event of the connection. `connection` and `station`
are set by `== NUMBER`.
"""

from __future__ import annotations

from ocpp_inspect.model import (
    Anomaly,
    ConnectionClosed,
    Loss,
    OcppItem,
    OcppMessage,
    Side,
    Upgrade,
    WsItem,
    WsMessage,
)
from ocpp_inspect.ocpp import Ocpp

SIDES: dict[str, Side] = {">": "station", "<": "csms", "?": "unknown"}


def message(
    packet: int, side: Side, raw: bytes, connection: int = 1, seconds: float = 0.0, opcode: int = 1
) -> WsMessage:
    now = round(seconds * 1e9)
    return WsMessage(connection, side, now, now, packet, packet, opcode, raw, 1, False, packet)


def closed(connection: int, packet: int, kind: str, upgrade: Upgrade | None = None, seconds: float = 0.0) -> WsItem:
    now = round(seconds * 1e9)
    return ConnectionClosed(
        connection, now, packet, packet, 0, "10.0.0.7", 40000 + connection, "10.0.0.1", 80, False, kind,  # type: ignore[arg-type]
        "station", None, "", 0, upgrade,
    )  # fmt: skip


def items(text: str) -> list[WsItem]:
    """The items of a dialogue."""
    found: list[WsItem] = []
    connection = 1
    upgrades: dict[int, Upgrade] = {}
    seconds = 0.0
    for packet, line in enumerate(text.strip().splitlines(), 1):
        words = line.split()
        if not words:
            continue
        now = round(seconds * 1e9)
        if words[0] == "==":
            connection = int(words[1])
        elif words[:2] == ["--", "upgrade"]:
            token = words[3] if len(words) > 3 else None
            upgrade = Upgrade(
                connection, now, packet, packet, 101, words[2], offered=(token,) if token else (), subprotocol=token,
                client="10.0.0.7", client_port=40000 + connection, server="10.0.0.1", server_port=80,
            )  # fmt: skip
            upgrades[connection] = upgrade
            found.append(upgrade)
        elif words[:2] == ["--", "lost"]:
            found.append(Loss(connection, "unknown", now, packet, packet, "gap"))
        elif words[:2] == ["--", "closed"]:
            found.append(closed(connection, packet, "fin", upgrades.get(connection), seconds))
        elif words[:2] == ["--", "end"]:
            found.append(closed(connection, packet, "end", upgrades.get(connection), seconds))
        else:
            seconds = float(words[0])
            raw = line.split(maxsplit=2)[2].encode()
            found.append(message(packet, SIDES[words[1]], raw, connection, seconds))
    return found


def run(text: str, room: Ocpp | None = None) -> list[OcppItem]:
    """What the room makes of a dialogue."""
    return (room or Ocpp()).feed(items(text))


def messages(found: list[OcppItem]) -> list[OcppMessage]:
    return [item for item in found if isinstance(item, OcppMessage)]


def anomalies(found: list[OcppItem]) -> list[Anomaly]:
    return [item for item in found if isinstance(item, Anomaly)]


def names(found: list[OcppItem]) -> list[str]:
    return [item.name for item in anomalies(found)]
