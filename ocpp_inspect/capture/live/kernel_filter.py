"""A filter in tcpdump's language (or ports) in, a program for the kernel's packet filter out.

libpcap compiles it, through scapy; without scapy or libpcap `tcpdump -ddd` does. Packets that the kernel refuses cost
us nothing, so on a busy link a filter is what keeps drops away.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from ocpp_inspect.capture.live.ring import COOKED, Instruction
from ocpp_inspect.capture.source import CaptureError

_RAW_DLT: Final = 12
_RETURN: Final = 6  # BPF_RET | BPF_K
_WHOLE: Final = 262_144  # octets: the snap length of tcpdump
_MAXIMUM: Final = 4096  # BPF_MAXINSNS
_TCPDUMP_SECONDS: Final = 10


def filter_of(ports: Sequence[int], text: str) -> str:
    """The filter that lets these TCP ports through, tagged and untagged, and of that only what `text` lets through."""
    if not ports:
        return text
    either = " or ".join(f"tcp port {port}" for port in ports)
    # Behind `vlan` all offsets of libpcap's program move: the tagged case comes last. Later fragments have no ports.
    fragments = "ip[6:2] & 0x1fff != 0"
    wanted = f"({either} or ({fragments})) or (vlan and ({either}))"
    return f"({text}) and ({wanted})" if text else wanted


def compile_filter(text: str, link: int) -> list[Instruction]:
    """The program for packets of this link type. Raises CaptureError when it is wrong, or nothing here compiles it."""
    if not text.strip():
        return []
    # A cooked socket shows the kernel's filter no link layer: its packets begin with the IP header.
    link = _RAW_DLT if link == COOKED else link
    if link == _RAW_DLT:
        text = _without_vlan(text)
    program = _by_libpcap(text, link)
    if program is None:
        program = _by_tcpdump(text, link)
    if program is None:
        raise CaptureError(text, "nothing here can compile a filter", "install libpcap (with scapy) or tcpdump")
    if not 0 < len(program) <= _MAXIMUM:
        raise CaptureError(text, f"this filter has {len(program)} instructions, the kernel takes {_MAXIMUM}")
    return program


def _without_vlan(text: str) -> str:
    return text.replace(" or (vlan and ", " or (")


def _by_libpcap(text: str, link: int) -> list[Instruction] | None:
    """None when scapy or libpcap is not here."""
    try:
        from scapy.arch.common import compile_filter as compiled  # noqa: PLC0415 - slow to import, rarely needed
        from scapy.error import Scapy_Exception  # noqa: PLC0415
    except (ImportError, OSError):
        return None
    try:
        program = compiled(text, linktype=link)
    except Scapy_Exception as error:
        if "libpcap is not available" in str(error):
            return None
        return _by_tcpdump(text, link) or _refuse(text, "")  # tcpdump says what is wrong, scapy does not
    except OSError:
        return None
    found = [program.bf_insns[number] for number in range(program.bf_len)]
    # scapy's operands are signed, and its "take the packet" means at most 65,535 octets of it.
    return [(i.code, i.jt, i.jf, _WHOLE if i.code == _RETURN and i.k else i.k & 0xFFFFFFFF) for i in found]


def _by_tcpdump(text: str, link: int) -> list[Instruction] | None:
    """None when tcpdump is not here."""
    tcpdump = shutil.which("tcpdump")
    if tcpdump is None:
        return None
    name = {_RAW_DLT: "RAW", 1: "EN10MB"}[link]
    done = subprocess.run(  # noqa: S603 - no shell, and the filter is one argument behind --
        [tcpdump, "-y", name, "-ddd", "--", text],
        capture_output=True, text=True, timeout=_TCPDUMP_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        _refuse(text, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "")
    rows = [tuple(map(int, re.findall(r"\d+", line))) for line in done.stdout.splitlines()[1:]]
    return [(row[0], row[1], row[2], row[3]) for row in rows if len(row) == 4]


def _refuse(text: str, why: str) -> list[Instruction]:
    raise CaptureError(f"filter {text!r}", f"is not understood: {why or 'syntax error'}", "man pcap-filter")
