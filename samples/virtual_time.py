"""Actors that sleep in; the same actors without the waiting, and the table that puts the waiting into a capture, out.

Applications and packets run in real time, so latencies, retransmissions and acknowledgements are what the machine did.
Only when every actor sleeps, and the wire has been quiet for a moment, the clock jumps to the earliest awakening. The
applications stamp their messages with this clock, and `shift` moves the packets behind each jump by the same amount.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from bisect import bisect_right
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

QUIET_SECONDS = 0.06  # longer than the 40 ms after which Linux sends a delayed acknowledgement


class VirtualTime:
    """A clock that runs in real time and skips the pauses in which nobody does anything."""

    def __init__(self, begin: str) -> None:
        begin_ns = int(datetime.fromisoformat(begin).timestamp()) * 10**9
        self._real: list[int] = [0]
        self._offset: list[int] = [begin_ns - time.time_ns()]
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._actors = 0
        self._count = 0

    def now_ns(self) -> int:
        return time.time_ns() + self._offset[-1]

    def shift(self, real_ns: int) -> int:
        """The virtual time of a packet that was captured at `real_ns`."""
        return real_ns + self._offset[bisect_right(self._real, real_ns) - 1]

    def text(self, seconds_from_now: float = 0.0) -> str:
        """RFC 3339 with milliseconds and Z."""
        moment = datetime.fromtimestamp((self.now_ns() + int(seconds_from_now * 1e9)) / 1e9, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        entry = (self.now_ns() + int(seconds * 1e9), self._count, future)
        heapq.heappush(self._sleepers, entry)
        try:
            await future
        finally:
            if entry in self._sleepers:
                self._sleepers.remove(entry)
                heapq.heapify(self._sleepers)

    def spawn(self, actor: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start an actor: the clock jumps only while all actors sleep."""
        self._actors += 1
        task = asyncio.create_task(actor)
        task.add_done_callback(self._left)
        return task

    def _left(self, _task: asyncio.Task[None]) -> None:
        self._actors -= 1

    async def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run an actor (and those that it spawns) until it ends."""
        task = self.spawn(main)
        while not task.done():
            await asyncio.sleep(0.004)
            if self._actors and len(self._sleepers) == self._actors:
                await asyncio.sleep(QUIET_SECONDS)
                if len(self._sleepers) == self._actors:
                    self._jump()
        await task

    def _jump(self) -> None:
        wake_ns, _, future = heapq.heappop(self._sleepers)
        ahead_ns = wake_ns - self.now_ns()
        if ahead_ns > 0:
            self._real.append(time.time_ns())
            self._offset.append(self._offset[-1] + ahead_ns)
        if not future.done():
            future.set_result(None)
