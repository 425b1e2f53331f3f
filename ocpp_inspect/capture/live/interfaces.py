"""Nothing in; the network interfaces of this Linux machine with their addresses and states out."""

from __future__ import annotations

import fcntl
import socket
import struct
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from ocpp_inspect.capture.source import CaptureError

ANY: Final = "any"
HARDWARE_ETHERNET: Final = 1  # <linux/if_arp.h>
HARDWARE_LOOPBACK: Final = 772

_GET_FLAGS: Final = 0x8913  # SIOCGIFFLAGS, <linux/sockios.h>
_GET_HARDWARE: Final = 0x8927  # SIOCGIFHWADDR
_GET_WIRELESS: Final = 0x8B01  # SIOCGIWNAME
_UP: Final = 0x1  # IFF_UP, <net/if.h>
_RUNNING: Final = 0x40  # IFF_RUNNING: it has a carrier
_GET_ADDRESS: Final = 22  # <linux/rtnetlink.h>
_NEW_ADDRESS: Final = 20
_DONE: Final = 3
_ERROR: Final = 2
_DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ADDRESS: Final = 1  # IFA_ADDRESS
_LOCAL: Final = 2  # IFA_LOCAL: the own end of a point-to-point link
_ANSWER_OCTETS: Final = 256 * 1024


@dataclass(slots=True)
class Interface:
    """What a person chooses by."""

    name: str
    is_up: bool = False
    has_carrier: bool = False
    addresses: list[str] = field(default_factory=list)
    note: str = ""


def interfaces() -> list[Interface]:
    """The interfaces of this machine, in the kernel's order, and `any` behind them."""
    addresses = _addresses()
    found = []
    for index, name in socket.if_nameindex():
        flags = flags_of(name)
        note = "loopback" if _asked(name, _GET_HARDWARE) == HARDWARE_LOOPBACK else ""
        if _asked(name, _GET_WIRELESS) is not None:
            note = "wireless: shows only this machine's own traffic"
        found.append(Interface(name, bool(flags & _UP), bool(flags & _RUNNING), addresses.get(index, []), note))
    found.append(Interface(ANY, True, True, [], "all of them at once, not promiscuous"))
    return found


def hardware_type(name: str) -> int:
    """The ARPHRD number. Raises CaptureError, with the names that exist, for an interface that does not."""
    found = _asked(name, _GET_HARDWARE)
    if found is None:
        names = ", ".join(each for _, each in socket.if_nameindex())
        raise CaptureError(name, "no such interface", f"there is {names} and any; live --list says more")
    return found


def is_up(name: str) -> bool:
    """Whether it is switched on."""
    return bool(flags_of(name) & _UP)


def flags_of(name: str) -> int:
    """The IFF_ flags; 0 for an interface that does not exist."""
    return _asked(name, _GET_FLAGS) or 0


def _asked(name: str, question: int) -> int | None:
    """The first 16 bits of the kernel's answer about an interface of our network namespace; None when it has none."""
    octets = name.encode()
    if not 0 < len(octets) < 16:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, question, octets.ljust(40, b"\0"))
        except OSError:
            return None
    (found,) = struct.unpack_from("=H", answer, 16)
    return int(found)


def _addresses() -> dict[int, list[str]]:
    """Interface index → addresses with prefix lengths, as the kernel lists them (rtnetlink, RTM_GETADDR)."""
    found: dict[int, list[str]] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as asking:
        asking.sendto(struct.pack("=IHHIIB3x", 20, _GET_ADDRESS, _DUMP, 1, 0, socket.AF_UNSPEC), (0, 0))
        while True:
            answer = asking.recv(_ANSWER_OCTETS)
            at = 0
            while at + 16 <= len(answer):
                length, kind = struct.unpack_from("=IH", answer, at)
                if kind in (_DONE, _ERROR) or length < 16:
                    return found
                if kind == _NEW_ADDRESS:
                    _note_address(answer[at + 16 : at + length], found)
                at += (length + 3) & ~3


def _note_address(message: bytes, found: dict[int, list[str]]) -> None:
    _family, prefix, _flags, _scope, index = struct.unpack_from("=BBBBI", message)
    own: dict[int, bytes] = {}
    at = 8
    while at + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, at)
        if length < 4:
            break
        own[kind] = message[at + 4 : at + length]
        at += (length + 3) & ~3
    octets = own.get(_LOCAL) or own.get(_ADDRESS)
    if octets:
        found.setdefault(index, []).append(f"{ip_address(octets)}/{prefix}")
