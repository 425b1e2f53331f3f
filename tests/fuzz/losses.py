"""Records of a clean capture in; the same as a mirror port, a busy machine or a careless hand gives them out.

Nothing is invented here: packets are missing, twice, late, cut, or begin and end somewhere. The session was clean, so
whatever a rule says about what is left is a fault of the rule, or of the room that hid the loss from it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from capture_records import Record, payload_of, place_of

Flow = tuple[bytes, bytes]
_PAUSE_NS = 100_000_000


def flow_of(record: Record) -> Flow | None:
    """(source, target), each address and port; None of what is no TCP."""
    place = place_of(record.data)
    return (place.source, place.target) if place is not None else None


def drop_some(records: list[Record], chance: Random) -> list[Record]:
    share = chance.choice((0.005, 0.02, 0.1, 0.3))
    return [record for record in records if chance.random() >= share]


def drop_data(records: list[Record], chance: Random) -> list[Record]:
    """Only packets with payload: every acknowledgement stays and tells of what is missing."""
    share = chance.choice((0.02, 0.1, 0.3))
    return [record for record in records if not payload_of(record) or chance.random() >= share]


def drop_empty(records: list[Record], chance: Random) -> list[Record]:
    """Only packets without payload: SYN, FIN, RST and acknowledgements."""
    share = chance.choice((0.1, 0.5, 1.0))
    return [record for record in records if payload_of(record) or chance.random() >= share]


def hole(records: list[Record], chance: Random) -> list[Record]:
    """A moment of all traffic."""
    at = chance.randrange(len(records))
    return records[:at] + records[at + chance.choice((1, 3, 10, 40, 120)) :]


def holes(records: list[Record], chance: Random) -> list[Record]:
    for _ in range(chance.randint(2, 6)):
        if records:
            records = hole(records, chance)
    return records


def long_hole(records: list[Record], chance: Random) -> list[Record]:
    """Hours of a day: a disk that was full, a capture that was stopped."""
    low, high = sorted((chance.random(), chance.random()))
    return records[: int(low * len(records))] + records[int(high * len(records)) :]


def begin_late(records: list[Record], chance: Random) -> list[Record]:
    return records[chance.randrange(len(records)) :]


def end_early(records: list[Record], chance: Random) -> list[Record]:
    return records[: chance.randrange(len(records)) + 1]


def middle_only(records: list[Record], chance: Random) -> list[Record]:
    low, high = sorted(chance.randrange(len(records) + 1) for _ in range(2))
    return records[low : high + 1]


def drop_direction(records: list[Record], chance: Random) -> list[Record]:
    """One direction of everything: a mirror port of RX or TX alone."""
    ports = [(flow[0][-2:], flow[1][-2:]) for record in records if (flow := flow_of(record)) is not None]
    if not ports:
        return records
    servers = {min(pair) for pair in ports}
    keeps_clients = chance.random() < 0.5
    return [r for r in records if (flow := flow_of(r)) is None or (flow[1][-2:] in servers) is keeps_clients]


def drop_direction_for_a_while(records: list[Record], chance: Random) -> list[Record]:
    low, high = sorted(chance.randrange(len(records) + 1) for _ in range(2))
    return records[:low] + drop_direction(records[low:high], chance) + records[high:]


def drop_flow(records: list[Record], chance: Random) -> list[Record]:
    """One direction of one connection."""
    flows = sorted({flow for record in records if (flow := flow_of(record)) is not None})
    if not flows:
        return records
    silent = chance.choice(flows)
    return [record for record in records if flow_of(record) != silent]


def drop_connection(records: list[Record], chance: Random) -> list[Record]:
    flows = sorted({tuple(sorted(flow)) for record in records if (flow := flow_of(record)) is not None})
    if len(flows) < 2:
        return records
    gone = chance.choice(flows)
    return [r for r in records if (flow := flow_of(r)) is None or tuple(sorted(flow)) != gone]


def drop_heads(records: list[Record], chance: Random) -> list[Record]:
    """Handshakes of WebSocket: requests, answers or both."""
    wanted: tuple[bytes, ...] = chance.choice(((b"GET ",), (b"HTTP/1.",), (b"GET ", b"HTTP/1.")))
    share = chance.choice((0.5, 1.0))
    return [r for r in records if not payload_of(r).startswith(wanted) or chance.random() >= share]


def drop_ends(records: list[Record], chance: Random) -> list[Record]:
    """FIN and RST, and at times the close frames before them."""
    closes = chance.random() < 0.5
    kept = []
    for record in records:
        place = place_of(record.data)
        payload = payload_of(record)
        ends = place is not None and record.data[place.tcp + 13] & 5
        if not ends and not (closes and payload[:1] == b"\x88"):
            kept.append(record)
    return kept


def double(records: list[Record], chance: Random) -> list[Record]:
    share, delay = chance.choice((0.05, 0.5, 1.0)), chance.choice((0, 1000, 40_000, 3_000_000))
    out: list[Record] = []
    for record in records:
        out.append(record)
        if chance.random() < share:
            again = record.copy()
            again.ts_ns += delay
            out.append(again)
    return sorted(out, key=lambda record: record.ts_ns) if chance.random() < 0.5 else out


def overtake(records: list[Record], chance: Random) -> list[Record]:
    """Neighbours in another order, with their own times or with the times of their places."""
    reach = chance.choice((2, 4, 8))
    return _reorder(records, sorted(range(len(records)), key=lambda i: i + chance.random() * reach), chance)


def two_queues(records: list[Record], chance: Random) -> list[Record]:
    """Two queues of one card, written in turn: the packets of each direction stay in order."""
    stretch = chance.choice((4, 16, 64))
    order: list[int] = []
    for low in range(0, len(records), stretch):
        part = range(low, min(low + stretch, len(records)))
        first = [i for i in part if (flow := flow_of(records[i])) is not None and flow[0] < flow[1]]
        order += first + [i for i in part if i not in set(first)]
    return [records[i] for i in order]  # each with the time at which it was taken from the wire


def shuffle_windows(records: list[Record], chance: Random) -> list[Record]:
    stretch = chance.choice((3, 10, 50))
    order: list[int] = []
    for low in range(0, len(records), stretch):
        part = list(range(low, min(low + stretch, len(records))))
        chance.shuffle(part)
        order += part
    return _reorder(records, order, chance)


def _reorder(records: list[Record], order: list[int], chance: Random) -> list[Record]:
    """With their own times; or with the times of their places, then nobody overtakes across a pause."""
    if chance.random() < 0.5:
        return [records[i] for i in order]
    moved = [records[i].copy() for i in order]
    for place in range(1, len(moved)):
        at = place
        while at and moved[at - 1].ts_ns - moved[at].ts_ns > _PAUSE_NS:
            moved[at - 1], moved[at] = moved[at], moved[at - 1]
            at -= 1
    for record, ts_ns in zip(moved, sorted(record.ts_ns for record in records), strict=True):
        record.ts_ns = ts_ns
    return moved


def snap(records: list[Record], chance: Random) -> list[Record]:
    length = chance.choice((54, 60, 68, 80, 96, 128, 200, 300, 600))
    cut = [record.copy() for record in records]
    for record in cut:
        del record.data[length:]
    return cut


def snap_some(records: list[Record], chance: Random) -> list[Record]:
    """Two captures with different lengths, merged."""
    low, high = sorted(chance.randrange(len(records) + 1) for _ in range(2))
    return records[:low] + snap(records[low:high], chance) + records[high:]


def coarse_times(records: list[Record], chance: Random) -> list[Record]:
    """A clock that only knows milliseconds, or sixteenths of a second."""
    unit = chance.choice((1_000_000, 10_000_000, 62_500_000))
    coarse = [record.copy() for record in records]
    for record in coarse:
        record.ts_ns -= record.ts_ns % unit
    return coarse


Loss = Callable[[list[Record], Random], list[Record]]
LOSSES: tuple[Loss, ...] = (
    drop_some, drop_data, drop_empty, hole, holes, long_hole, begin_late, end_early, middle_only, drop_direction,
    drop_direction_for_a_while, drop_flow, drop_connection, drop_heads, drop_ends, double, overtake, two_queues,
    shuffle_windows, snap, snap_some, coarse_times,
)  # fmt: skip

REORDERING = frozenset(("overtake", "two_queues", "shuffle_windows"))


def lossy(records: list[Record], chance: Random, number: int) -> tuple[list[Record], list[str]]:
    """(what is left, the losses). `number` makes sure that each loss has its turn; some captures suffer several."""
    wanted = [LOSSES[number % len(LOSSES)], *chance.sample(LOSSES, chance.choice((0, 0, 0, 1, 2)))]
    for loss in wanted:
        if records:
            records = loss(records, chance)
    return records, [loss.__name__ for loss in wanted]
