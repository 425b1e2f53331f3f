"""Records a capture file as if it came live; as a program: again and again, until it is stopped."""

from __future__ import annotations

import resource
import signal
import sys
import time
from pathlib import Path

from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.model import OcppMessage
from ocpp_inspect.pipeline import Options
from ocpp_inspect.pipeline.chain import Chain
from ocpp_inspect.pipeline.recording import Recording
from ocpp_inspect.pipeline.rules import built_in_and
from ocpp_inspect.pipeline.stream import Decoded

SECOND_NS = 10**9


def feed(
    recording: Recording, chain: Chain, capture: Path, *, packets_at_once: int = 4096, pause_s: float = 0.0
) -> None:
    """All of a capture; every batch takes a second by the recording's clock."""
    with CaptureReader([str(capture)], first_capture=recording.info.capture, batch_packets=packets_at_once) as reader:
        for number, batch in enumerate(reader):
            recording.add(chain.feed(batch))
            recording.tick(time.monotonic_ns() if pause_s else number * SECOND_NS)
            time.sleep(pause_s)
        recording.info.packets += reader.captures[0].packets


def finish(recording: Recording, chain: Chain) -> None:
    recording.add(chain.finish())
    recording.close(chain.counters())


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _run(database: Path, capture: Path, fills_up: bool) -> None:
    is_stopped = False
    counted = 0

    def stop(*_: object) -> None:
        nonlocal is_stopped
        is_stopped = True

    def count(decoded: Decoded) -> None:
        nonlocal counted
        counted += sum(type(item) is OcppMessage for item in decoded.items)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    recording = Recording(database, source="live:test")
    recording.subscribe(count)
    rules = built_in_and(Options())
    chain = Chain(rules)
    for round_number in range(6 if fills_up else 10_000):
        if is_stopped:
            break
        if fills_up and round_number == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        if fills_up and round_number == 5:
            _say(recording.trouble)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        before = counted
        if round_number:
            recording.add(chain.finish())
            chain = Chain(rules)
        feed(recording, chain, capture, packets_at_once=50, pause_s=0.0 if fills_up else 0.02)
        if not fills_up:
            _say(before)
    finish(recording, chain)
    _say(counted)


if __name__ == "__main__":
    _run(Path(sys.argv[1]), Path(sys.argv[2]), "full" in sys.argv)
