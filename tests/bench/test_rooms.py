"""The stop-watches take every call and change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import rooms
from bench.traffic import Options, generate


class Room:
    counters = 3

    def feed(self, batch: int) -> int:
        return batch + 1


def test_a_stop_watch_is_the_room_with_a_time() -> None:
    watch = rooms.StopWatch(Room())
    assert watch.feed(1) == 2
    assert watch.counters == 3
    first = watch.seconds
    assert first > 0
    watch.feed(1)
    assert watch.seconds > first


def test_all_messages_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.pcap"
    generate(path, Options(messages=600, stations=3))
    seconds, messages, total = rooms.measure(path)
    assert messages == 600
    assert sum(seconds.values()) == pytest.approx(total)
    assert min(seconds[room] for room in ("capture", "network", "tcp", "websocket", "ocpp", "engine", "writer")) > 0
    assert rooms.main([str(path)]) == 0
    assert "600 messages" in capsys.readouterr().out
