"""Message ids: one a message, whatever packet its octets are named by."""

from __future__ import annotations

from ocpp_inspect.model import MESSAGES_PER_PACKET, OcppMessage, WsMessage, packet_key
from ocpp_inspect.ocpp import Ocpp


def ids(*frames: int) -> list[int]:
    """(frame, ordinal) of each message, as message_id behind the first capture's key."""
    room = Ocpp()
    found: list[int] = []
    for position, frame in enumerate(frames):
        raw = f'[2,"{position}","Heartbeat",{{}}]'.encode()
        message = WsMessage(1, "station", 1, 1, packet_key(1, frame), position, 1, raw, 1, False, packet_key(1, frame))
        found += [item.message_id for item in room.feed([message]) if type(item) is OcppMessage]
    return [number - packet_key(1, 0) * MESSAGES_PER_PACKET for number in found]


def test_messages_of_one_packet_are_counted() -> None:
    assert ids(7, 7, 8) == [700_000, 700_001, 800_000]


def test_a_packet_that_comes_again_behind_later_ones_gives_new_ids() -> None:
    """Octets behind a hole are handed on when it is given up, and name the packet that brought them."""
    assert ids(7, 9, 7, 7, 9, 8) == [700_000, 900_000, 750_000, 750_001, 900_001, 850_000]


def test_what_is_remembered_of_such_packets_is_bounded() -> None:
    numbers = ids(9_999, *range(1, 3_000))
    assert len(numbers) == len(set(numbers)) == 3_000
