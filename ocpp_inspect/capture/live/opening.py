"""What a person asked for in, an open `LiveSource` out: by our own ring, else by dumpcap or tcpdump.

The ring is Linux's. dumpcap often may capture where Python may not (its package gives it the right, to the group
wireshark), and tcpdump is what other systems have.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from typing import Final

from ocpp_inspect.capture.live.kernel_filter import compile_filter, filter_of
from ocpp_inspect.capture.live.pipe import PipeSource
from ocpp_inspect.capture.live.source import LiveSource
from ocpp_inspect.capture.source import CaptureError

WAYS: Final = ("ring", "dumpcap", "tcpdump")
_BUFFER_MIB: Final = 64


def open_interfaces(names: Sequence[str], *, ports: Sequence[int] = (), text: str = "", way: str = "") -> LiveSource:
    """Capture on these interfaces; `way` is one of WAYS, "" takes the best that works. Raises CaptureError."""
    wanted = filter_of(ports, text)
    if way == "ring" or (not way and hasattr(socket, "AF_PACKET")):
        try:
            return _by_ring(names, wanted)
        except CaptureError as error:
            if way or not isinstance(error.__cause__, PermissionError) or shutil.which("dumpcap") is None:
                raise
            return _by_dumpcap(names, wanted, error)
    if way == "dumpcap" or (not way and shutil.which("dumpcap")):
        return _by_dumpcap(names, wanted, None)
    return _by_tcpdump(names, wanted)


def best_way() -> str:
    """What `open_interfaces` takes here, in words for `doctor`."""
    if hasattr(socket, "AF_PACKET"):
        return "AF_PACKET ring (TPACKET_V3), the fastest way; dumpcap serves where only it may capture"
    found = next((program for program in ("dumpcap", "tcpdump") if shutil.which(program)), None)
    return f"{found}, by a pipe" if found else "nothing: install dumpcap or tcpdump"


def may_open_ring() -> str:
    """ "" when this process may capture by itself, else why not."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except (OSError, AttributeError) as error:
        return str(error)
    return ""


def _by_ring(names: Sequence[str], wanted: str) -> LiveSource:
    from ocpp_inspect.capture.live.network import NetworkSource  # noqa: PLC0415 - Linux only
    from ocpp_inspect.capture.live.ring import COOKED, ETHERNET, Ring  # noqa: PLC0415

    rings: list[Ring] = []
    programs = {link: compile_filter(wanted, link) for link in ((ETHERNET, COOKED) if wanted else ())}
    try:
        for name in names:
            rings.append(Ring(name, programs=programs))
    except CaptureError:
        for ring in rings:
            ring.close()
        raise
    return NetworkSource(rings)


def _by_dumpcap(names: Sequence[str], wanted: str, refused: CaptureError | None) -> LiveSource:
    dumpcap = shutil.which("dumpcap")
    if dumpcap is None:
        raise CaptureError(",".join(names), "dumpcap is not installed", "install wireshark-common")
    chosen = [part for name in names for part in ("-i", name)]
    source = _started(
        [dumpcap, "-q", "-B", str(_BUFFER_MIB), *chosen, *(("-f", wanted) if wanted else ()), "-w", "-"], names
    )
    if refused is not None:
        source.hint = refused.hint
    return source


def _by_tcpdump(names: Sequence[str], wanted: str) -> LiveSource:
    tcpdump = shutil.which("tcpdump")
    if tcpdump is None:
        raise CaptureError(",".join(names), "nothing here can capture", "install dumpcap or tcpdump")
    if len(names) != 1:
        raise CaptureError(",".join(names), "tcpdump captures on one interface", "name one, or install dumpcap")
    filters = ("--", wanted) if wanted else ()
    buffer = str(_BUFFER_MIB * 1024)
    return _started(
        [tcpdump, "-U", "-n", "-s", "0", "-B", buffer, *_same_user(), "-i", names[0], "-w", "-", *filters], names
    )


def _same_user() -> tuple[str, ...]:
    """tcpdump started by root becomes another user, whom we could not end."""
    return ("-Z", "root") if os.geteuid() == 0 else ()


def _started(command: list[str], names: Sequence[str]) -> PipeSource:
    try:
        program = subprocess.Popen(  # noqa: S603 - no shell; names and filter are arguments of their own
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise CaptureError(command[0], f"cannot be started: {error.strerror}") from error
    assert program.stdout is not None  # noqa: S101 - for the type checker
    return PipeSource(f"/dev/fd/{program.stdout.fileno()}", "live:" + ",".join(names), program)
