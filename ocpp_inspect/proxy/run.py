"""Settings in; a proxy that runs until it is stopped, its analysis beside it, and an exit code out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final

from ocpp_inspect.proxy.interception import Interceptor
from ocpp_inspect.proxy.process import AnalysisOptions, AnalysisProcess, start_analysis
from ocpp_inspect.proxy.relay import Relay
from ocpp_inspect.proxy.settings import Address, Settings
from ocpp_inspect.proxy.tap import Said, Tap

_FINISH_S: Final = 30.0
_SILENCE_S: Final = 120.0

Beside = Callable[[Relay, asyncio.Event], Coroutine[Any, Any, None]]
"""Runs in the relay's event loop beside it (a console); setting the event stops the proxy."""


def run_proxy(
    settings: Settings,
    analysis: AnalysisOptions,
    say: Callable[[str], None],
    *,
    interceptor: Interceptor | None = None,
    beside: Beside | None = None,
    started: Callable[[list[Address]], None] | None = None,
) -> int:
    """Run until SIGINT, SIGTERM or `beside` stops it. Raises AnalysisError, ListenError.

    The analysis starts first, before any thread. When it dies, forwarding goes on.
    """
    raise_descriptors()
    if hasattr(signal, "SIGPIPE"):  # a peer, or the analysis, that has gone is an error of one socket, not our end
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    process = start_analysis(analysis)

    async def main() -> None:
        await _serve(settings, process, say, interceptor, beside, started, has_screen=analysis.has_screen)

    try:
        run_loop(main())
    finally:
        code, lines = process.wait(_SILENCE_S)
        for line in lines:
            say(line)
    return code


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run in uvloop's event loop where that is installed."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)


async def _serve(
    settings: Settings,
    process: AnalysisProcess,
    say: Callable[[str], None],
    interceptor: Interceptor | None,
    beside: Beside | None,
    started: Callable[[list[Address]], None] | None,
    *,
    has_screen: bool,
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            loop.add_signal_handler(getattr(signal, name), stopped.set)
    tap = Tap(loop, process.descriptor, say)
    if has_screen:
        say = partial(_say_on_screen, tap, say)
    relay = Relay(settings, tap, say, interceptor, process.capture)

    def tell() -> None:
        for line in process.troubles():
            say(line)
        if process.wants_to_stop:
            stopped.set()
        if process.has_gone:
            loop.remove_reader(process.replies)
            tap.lose("the analysis has gone; forwarding goes on without it")

    try:
        addresses = await relay.start()
    except BaseException:
        await tap.finish(_FINISH_S)
        raise
    loop.add_reader(process.replies, tell)
    if started is not None:
        started(addresses)
    task = loop.create_task(beside(relay, stopped)) if beside is not None else None
    if task is not None:
        task.add_done_callback(partial(_say_failure, say))
    try:
        await stopped.wait()
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await relay.stop()
        loop.remove_reader(process.replies)
        await tap.finish(_FINISH_S)
        if tap.missing_bytes:
            say(f"{tap.missing_bytes:,} octets were forwarded without being analysed".replace(",", " "))


def _say_failure(say: Callable[[str], None], task: asyncio.Task[None]) -> None:
    """A console that fails must not take the stations' connections with it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        say(f"the console failed: {type(error).__name__}: {error}; forwarding goes on without it")


def _say_on_screen(tap: Tap, otherwise: Callable[[str], None], text: str) -> None:
    """A line written into a screen would spoil it: the process that draws it gets the line."""
    if tap.is_alive:
        tap.say(0, Said(text))
    else:
        otherwise(text)


def raise_descriptors() -> None:
    """Each connection takes two descriptors: ask for as many as this user may have."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
