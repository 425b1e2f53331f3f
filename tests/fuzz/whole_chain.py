"""A capture file in; what the rooms in a row make of it, checked against all that must hold for any input, out."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from mutants import mutant

from ocpp_inspect import capture, engine, limits, network, ocpp, soap, store, tcp, tls, websocket
from ocpp_inspect.capture import CaptureError, CaptureReader
from ocpp_inspect.engine import load_rules
from ocpp_inspect.engine.plug import load_monitor
from ocpp_inspect.engine.program import Program
from ocpp_inspect.model import (
    FRAMES_PER_CAPTURE,
    MESSAGES_PER_PACKET,
    Anomaly,
    ConnectionClosed,
    Finding,
    Loss,
    OcppItem,
    OcppMessage,
    TlsSession,
    Upgrade,
    WsControl,
)
from ocpp_inspect.network import Network
from ocpp_inspect.pipeline.chain import Chain
from ocpp_inspect.pipeline.clock import ClockWatch
from ocpp_inspect.pipeline.keys import CaptureSecrets
from ocpp_inspect.resources import data_directory
from ocpp_inspect.store.columns import Columns
from ocpp_inspect.tcp import Tcp
from ocpp_inspect.tls import Keys
from ocpp_inspect.websocket import WebSockets

RULES = Program(load_rules([data_directory("rules")], select=(), ignore=()), load_monitor)  # compiled once
SAMPLE_FOLDER = Path(__file__).parents[2] / "samples"
ROUNDS = int(os.environ.get("OCPP_INSPECT_FUZZ_ROUNDS", "1"))
# Every process of a parallel run must name its tests alike: pytest-xdist gives a run a random name that all share.
FRESH_SEED = (
    os.environ.get("OCPP_INSPECT_FUZZ_SEED")
    or os.environ.get("PYTEST_XDIST_TESTRUNUID", "")[:12]
    or secrets.token_hex(6)
)
SEEDS = ("fixed", FRESH_SEED)
HANG_SECONDS = 120
"""Far above the slowest mutant, which takes a second: only a hang gets here."""

CALLS = 60_000
CALLS_PER_OCTET = 30
MEMORY_BYTES = 96 * 1024 * 1024
ITEM_TYPES = (Anomaly, ConnectionClosed, Loss, OcppMessage, TlsSession, Upgrade, WsControl)
KNOWN_ANOMALIES = {
    name
    for room in (capture, network, tcp, tls, websocket, soap, ocpp, engine, store)
    for name in import_module(f"{room.__name__}.anomalies").ANOMALIES
}


class Hang(BaseException):
    """The watchdog barked. No Exception: nothing that handles errors may take it for one."""


@contextmanager
def watched() -> Iterator[None]:
    """Raise Hang inside the block when it does not end."""

    def bark(number: int, frame: FrameType | None) -> None:
        raise Hang(f"still running after {HANG_SECONDS} s")

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(slots=True)
class Result:
    """What came out of the chain."""

    items: list[OcppItem] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    packets: dict[int, int] = field(default_factory=dict)  # by capture
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    unreadable: int = 0  # at most so many blocks of a pcapng have a frame number but could not be read


def sample_keys() -> Keys:
    """What opens the TLS samples, whatever damage does to the block that holds it."""
    keys = Keys()
    for path in sorted(SAMPLE_FOLDER.glob("wss-*.gz")):
        with CaptureReader([path]) as reader:
            for _ in reader:
                pass
            CaptureSecrets(keys).take(reader.captures)
    return keys


def chain_of(*, columns: bool = True, index: int = 0, count: int = 1) -> Chain:
    """The chain of a worker; `columns=False` forces every lane that looks at one item at a time."""
    chain = Chain(RULES, index=index, count=count, keys=sample_keys())
    if not columns:
        chain.network = Network(fast=False)
        chain.tcp = Tcp(per_item=True)
        chain.websockets = WebSockets(uses_columns=False)
    return chain


def run(
    paths: list[Path],
    chain: Chain | None = None,
    *,
    batch_packets: int = limits.BATCH_PACKETS,
    batch_bytes: int = limits.BATCH_OCTETS,
    bursts: bool = False,
) -> Result:
    """Reader → network → tcp → websocket → ocpp → engine → columns; in `bursts` of one station, as workers do it."""
    chain = chain or chain_of()
    result, columns = Result(), Columns()
    with CaptureReader(paths, batch_packets=batch_packets, batch_bytes=batch_bytes, watch=ClockWatch) as reader:
        for batch in reader:
            for decoded in chain.feed_bursts(batch) if bursts else [chain.feed(batch)]:
                columns.add(decoded.items)
                columns.add_findings(decoded.findings)
                result.items += decoded.items
                result.findings += decoded.findings
            if columns.full:
                columns.flush()
        for decoded in [*(chain.flush() if bursts else ()), chain.finish()]:
            columns.add(decoded.items)
            columns.add_findings(decoded.findings)
            result.items += decoded.items
            result.findings += decoded.findings
        columns.flush()
        result.packets = {info.capture: info.packets for info in reader.captures}
    result.counters = chain.counters()
    return result


def run_sharded(paths: list[Path], count: int, **how: Any) -> Result:
    """What `count` workers make of it together, without their processes."""
    result = Result()
    for index in range(count):
        part = run(paths, chain_of(index=index, count=count), **how)
        result.items += part.items
        result.findings += part.findings
        result.packets = part.packets
    return result


# ------------------------------------------------------------------------------------------------------ what must hold


def check(result: Result, octets: int) -> None:
    """Every packet accounted for, every item known, named and placed; their number bounded by the input's size."""
    packets = sum(result.packets.values())
    result.unreadable = octets // 16
    seen = result.counters["network"]
    assert seen.get("packets", 0) == packets
    assert seen.get("tcp", 0) - seen.get("duplicates", 0) == result.counters["tcp"]["segments"]
    names: Counter[tuple[str, int]] = Counter()
    ids: set[int] = set()
    closed: set[int] = set()
    for item in result.items:
        assert type(item) in ITEM_TYPES, item
        check_place(item.packet, result)
        assert 0 <= item.position <= packets, item
        if type(item) is OcppMessage:
            assert item.message_id not in ids, item
            assert item.message_id // MESSAGES_PER_PACKET == item.packet
            ids.add(item.message_id)
        elif type(item) is ConnectionClosed:
            assert item.connection not in closed, item
            closed.add(item.connection)
        elif type(item) is Anomaly:
            assert item.name in KNOWN_ANOMALIES, item
            assert len(item.detail) <= 4000, item
            names[item.name, item.connection] += 1
    for finding in result.findings:
        assert finding.evidence, finding
        for packet in finding.evidence:
            check_place(packet, result)
        assert len(finding.text) <= limits.FINDING_TEXT_CHARACTERS + 100
    # A frame has at least two octets; each message tells at most SCHEMA_FAULTS and a few more facts.
    assert len(result.items) <= 100 + 8 * packets + octets
    assert len(result.findings) <= 100 + 4 * len(result.items)
    counted = result.counters["websocket"].get("messages", 0) + result.counters["soap"].get("messages", 0)
    assert len(ids) <= counted or not counted


def check_place(packet: int, result: Result) -> None:
    number, frame = divmod(packet, FRAMES_PER_CAPTURE)
    assert (packet == 0 and not sum(result.packets.values())) or (
        number in result.packets and 0 <= frame <= result.packets[number] + result.unreadable
    ), (packet, result.packets)


def canonical(item: Any) -> tuple[Any, ...]:
    """Everything of an item but live state and what follows from its raw octets."""
    left_out = ("session", "payload", "request") if type(item) is OcppMessage else ()
    return (
        type(item).__name__,
        *((name, repr(getattr(item, name))) for name in item.__struct_fields__ if name not in left_out),
    )


def assert_equal(one: Result, two: Result, what: str) -> None:
    """The same items and findings, in whatever order lanes and workers give them."""
    for name in ("items", "findings"):
        first, second = (Counter(map(canonical, getattr(each, name))) for each in (one, two))
        if first != second:
            missing, added = list((first - second).elements()), list((second - first).elements())
            differences = "\n".join(
                [f"- {_short(each)}" for each in missing[:4]] + [f"+ {_short(each)}" for each in added[:4]]
            )
            raise AssertionError(f"{what}: {len(missing)} {name} missing, {len(added)} added\n{differences}")


def _short(row: tuple[Any, ...]) -> str:
    return ", ".join(str(part)[:160] for part in row)


# --------------------------------------------------------------------------------------------------- work and memory


class Work:
    """Counts calls of functions inside the block, a measure of work that no machine's speed changes."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Work:
        def count(frame: FrameType, event: str, argument: object) -> None:
            if event in ("call", "c_call"):
                self.calls += 1

        sys.setprofile(count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


def peak_memory(action: Callable[[], object]) -> int:
    """Octets that Python and numpy allocated at most, while `action` ran, above what they had before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        action()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------------------------------------------ many mutants


@dataclass(slots=True)
class Mutant:
    """A damaged capture on the disk, and how to make it again."""

    path: Path
    octets: int
    name: str


def mutants_of(
    sample: Path, seed: str, count: int, folder: Path, *, in_order: bool = False, first: int = 0
) -> Iterator[Mutant]:
    """`count` mutants from number `first` on, each a function of (sample, seed, number, in_order) alone."""
    for number in range(first, first + count):
        chance = Random(f"{seed}/{sample.name}/{number}")
        octets, damages = mutant(sample, chance, number=number, in_order=in_order)
        path = folder / "mutant.pcap"
        path.write_bytes(octets)
        name = f"OCPP_INSPECT_FUZZ_SEED={seed}, {sample.name}, number {number}: {', '.join(damages)}"
        yield Mutant(path, len(octets), name)


def for_each_mutant(
    sample: Path,
    seed: str,
    count: int,
    folder: Path,
    action: Callable[[Mutant], None],
    *,
    in_order: bool = False,
    first: int = 0,
) -> None:
    """Run `action` on mutants under the watchdog; a failure names the mutant and keeps its file."""
    for each in mutants_of(sample, seed, count, folder, in_order=in_order, first=first):
        try:
            with watched():
                action(each)
        except CaptureError:
            continue  # the documented answer to a file that is no capture any more
        except BaseException as error:
            error.add_note(f"{each.name}; kept as {each.path}")
            raise
