"""Messages that wait for others of their station: when they are taken, and that none is lost or out of order."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.traffic import Options, generate
from ocpp_inspect import limits
from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.model import OcppMessage, WsItem, WsMessage
from ocpp_inspect.pipeline import bursts
from ocpp_inspect.pipeline.bursts import Bursts, in_order
from ocpp_inspect.pipeline.chain import Chain


def said(position: int, octets: int = 10) -> WsItem:
    return WsMessage(1, "station", position, position, position, position, 1, b"x" * octets, 1, False, position)


def test_they_are_due_when_each_station_has_enough() -> None:
    waiting = Bursts()
    waiting.add({"A": [said(n) for n in range(limits.BURST_MESSAGES)], "B": [said(100)]})
    assert not waiting.are_due
    waiting.add({"B": [said(101 + n) for n in range(limits.BURST_MESSAGES - 1)]})
    assert waiting.are_due
    parts = waiting.take()
    assert [[item.position for item in part] for part in parts] == [
        list(range(limits.BURST_MESSAGES)),
        list(range(100, 100 + limits.BURST_MESSAGES)),
    ]
    assert waiting.take() == []


def test_large_messages_and_many_stations_are_due_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Bursts()
    waiting.add({"A": [said(1, limits.BURST_TOTAL_OCTETS)]})
    assert waiting.are_due
    monkeypatch.setattr(bursts, "BURST_TOTAL_MESSAGES", 100)
    waiting = Bursts()
    waiting.add({f"S{n}": [said(n)] for n in range(99)})
    assert not waiting.are_due
    waiting.add({"S0": [said(99)]})
    assert waiting.are_due


def test_items_of_parts_have_one_order() -> None:
    assert [item.position for item in in_order([[said(1), said(4)], [said(2), said(3)]])] == [1, 2, 3, 4]


@pytest.mark.parametrize("way", ["flush", "finish", "whole batch", "tick"])
def test_whatever_comes_next_gives_what_waits(tmp_path: Path, way: str) -> None:
    path = tmp_path / "site.pcap"
    generate(path, Options(messages=1500, stations=120))  # a dozen messages each: they are never due by themselves
    chain, items = Chain([]), []
    with CaptureReader([path], batch_packets=400) as reader:
        batches = list(reader)
    for batch in batches[:-1]:
        items += [item for part in chain.feed_bursts(batch) for item in part.items]
    waited = len(items)
    if way == "tick":
        items += chain.tick(batches[-2].ts_ns[-1]).items
    if way == "whole batch":
        items += chain.feed(batches[-1]).items
    else:
        items += [item for part in chain.feed_bursts(batches[-1]) for item in part.items]
    if way == "flush":
        items += [item for part in chain.flush() for item in part.items]
    items += chain.finish().items
    messages = [item for item in items if type(item) is OcppMessage]
    assert waited < 1500 == len(messages)
    plain = Chain([])
    expected = [item for batch in batches for item in plain.feed(batch).items] + plain.finish().items
    assert sorted(m.raw for m in messages) == sorted(m.raw for m in expected if type(m) is OcppMessage)
    for station in {m.station for m in messages}:
        own = [m.position for m in messages if m.station == station]
        assert own == sorted(own)
