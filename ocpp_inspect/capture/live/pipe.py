"""A growing capture on standard input (or from a program) in, PacketBatch out, without waiting for what is not there.

Reading a pipe blocks, so a thread reads, and at most `_QUEUED` batches wait for us: then the thread waits, and through
the pipe the sender. Time passes here on the sender's clock, and packets come late, by the network or because
the sender's program gathers them (tcpdump without `-U`): the clock that `now_ns` tells stays behind the newest packet
by twice the longest delay seen, and stands still while a part of a record waits for its rest.
"""

from __future__ import annotations

import queue
import re
import subprocess
import threading
import time
from typing import Final

import numpy as np

from ocpp_inspect.capture.reader import CaptureReader
from ocpp_inspect.capture.source import CaptureError
from ocpp_inspect.model import Anomaly, CaptureInfo, PacketBatch, packet_key

_QUEUED: Final = 4
_MARGIN_NS: Final = 10**9
_WAIT_S: Final = 0.2
_LAST_WORDS_S: Final = 1.0
_DROPPED: Final = re.compile(r"(\d+) packets? dropped by kernel")


class PipeSource:
    """Implements `LiveSource` for one stream of pcap or pcapng. `path` "-" is standard input."""

    def __init__(self, path: str = "-", name: str = "live:-", program: subprocess.Popen[bytes] | None = None) -> None:
        self.info = CaptureInfo(0, name, "")
        self.names: dict[int, str] = {}
        self.dropped: dict[int, int] = {}
        self.has_ended = False
        self.has_program = program is not None
        self.hint = ""  # what to do when the program may not capture either
        self._path = path
        self._name = name
        self._program = program
        self._reader: CaptureReader | None = None
        self._queue: queue.Queue[PacketBatch | CaptureError | None] = queue.Queue(_QUEUED)
        self._thread = threading.Thread(target=self._read, name="capture pipe", daemon=True)
        self._is_stopping = False
        self._is_closed = False
        self._stop_at_s = 0.0
        self._clock = SenderClock()

    def begin(self, capture: int) -> None:
        """See `LiveSource`."""
        self.info.capture = capture
        self._thread.start()

    def poll(self, timeout_s: float) -> list[PacketBatch]:
        """See `LiveSource`."""
        batches: list[PacketBatch] = []
        try:
            while True:
                found = self._queue.get(block=not batches, timeout=timeout_s)
                if found is None:
                    self.has_ended = True
                    break
                if isinstance(found, CaptureError):
                    self.has_ended = True
                    raise found
                batches.append(found)
                if len(found.ts_ns):
                    self._clock.heard(int(found.ts_ns.min()), int(found.ts_ns.max()), time.monotonic_ns())
                if len(batches) >= _QUEUED:
                    break
        except queue.Empty:
            if self._is_stopping and not batches and time.monotonic() >= self._stop_at_s:
                self.has_ended = True
        self._note_info()
        return batches

    def now_ns(self) -> int:
        """See `LiveSource`."""
        if self._reader is None or self._reader.holds_part:
            return 0
        return self._clock.now_ns(time.monotonic_ns())

    def take_news(self) -> list[str]:
        """See `LiveSource`."""
        return []

    def stop(self) -> None:
        """See `LiveSource`."""
        if self._program is not None and self._program.poll() is None:
            self._program.terminate()  # it writes what it holds, and ends the pipe
        # After Ctrl-C the sender of a pipe ends too; what it still writes is waited for, but not for long.
        self._stop_at_s = time.monotonic() + _LAST_WORDS_S
        self._is_stopping = True

    def close(self) -> None:
        """See `LiveSource`. The thread may still wait for standard input; it ends with the process."""
        self._is_closed = True
        if self._program is not None:
            self._program.terminate()
            self._program.wait()
            for stream in (self._program.stdout, self._program.stderr):
                if stream is not None:
                    stream.close()

    def _note_info(self) -> None:
        if self._reader is None:
            return
        found = self._reader.captures[0]
        mine = self.info
        mine.format, mine.link_types, mine.truncated = f"{found.format} pipe", found.link_types, found.truncated
        mine.first_ns, mine.last_ns = found.first_ns, found.last_ns
        mine.packets, mine.bytes, mine.dropped_packets = found.packets, found.bytes, found.dropped_packets
        mine.comments, mine.notes, mine.secrets = found.comments, found.notes, found.secrets

    def _read(self) -> None:
        """The thread's work."""
        try:
            self._reader = CaptureReader([self._path], first_capture=self.info.capture)
            for batch in self._reader:
                if not self._put(batch):
                    return
            self._put_drops()
            self._put(None)
        except CaptureError as error:
            reason = f"{error.reason}{self._said()}"
            self._put(CaptureError(self._name, reason, self.hint or error.hint))

    def _put_drops(self) -> None:
        """tcpdump tells only at its end, and only in words, what the kernel dropped."""
        if self._program is None or self._program.stderr is None or self._reader is None:
            return
        match = _DROPPED.search(self._program.stderr.read().decode("utf-8", "replace"))
        found = self._reader.captures[0]
        if match is None or not int(match[1]) or found.dropped_packets:
            return
        found.dropped_packets = int(match[1])
        last = packet_key(self.info.capture, found.packets)
        text = f"{match[1]} packets were lost, says the program that captured"
        anomaly = Anomaly("capture.dropped_packets", found.last_ns, last, max(found.packets - 1, 0), detail=text)
        none = np.zeros(0, np.int64)
        self._put(PacketBatch(np.zeros(0, np.uint8), none, none, none, none, none, none, none, none, [anomaly]))

    def _said(self) -> str:
        """What the program that should have sent packets said instead."""
        if self._program is None or self._program.stderr is None:
            return ""
        text = self._program.stderr.read().decode("utf-8", "replace").strip().splitlines()
        return f" ({text[-1]})" if text else ""

    def _put(self, found: PacketBatch | CaptureError | None) -> bool:
        while not self._is_closed:
            try:
                self._queue.put(found, timeout=_WAIT_S)
            except queue.Full:
                continue
            return True
        return False


class SenderClock:
    """Times of packets and when they came in; the time that has passed for the sender, carefully, out."""

    def __init__(self) -> None:
        self._newest_ns = 0
        self._ahead_ns: int | None = None  # the smallest (our clock - packet's time): the sender's clock against ours
        self._delay_ns = 0

    def heard(self, oldest_ns: int, newest_ns: int, monotonic_ns: int) -> None:
        """Packets of these times came now, together."""
        ahead_ns = monotonic_ns - newest_ns
        if self._ahead_ns is None or ahead_ns < self._ahead_ns:
            # It came quicker than all before it: those were late by the difference.
            self._delay_ns += 0 if self._ahead_ns is None else self._ahead_ns - ahead_ns
            self._ahead_ns = ahead_ns
        self._delay_ns = max(self._delay_ns, monotonic_ns - oldest_ns - self._ahead_ns)
        self._newest_ns = max(self._newest_ns, newest_ns)

    def now_ns(self, monotonic_ns: int) -> int:
        """0 before anything came."""
        if self._ahead_ns is None:
            return 0
        return max(self._newest_ns, monotonic_ns - self._ahead_ns - 2 * self._delay_ns - _MARGIN_NS)
