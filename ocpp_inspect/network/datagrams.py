"""A UDP datagram to the port of a tunnel in; where the packet inside begins, and what it is, out."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from .names import (
    BRIDGED,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    GENEVE_PORT,
    GTP_PORT,
    OPENED_ETHERTYPES,
    TZSP_PORT,
    VXLAN_GPE_PORT,
    VXLAN_PORTS,
)

_U16: Final = struct.Struct(">H").unpack_from
_LEAST_OCTETS: Final = 8  # of each of these headers, except that TZSP's may be shorter: then nothing is inside
_GPE_KINDS: Final = {1: ETHERTYPE_IPV4, 2: ETHERTYPE_IPV6, 3: BRIDGED}


class Tunnel(NamedTuple):
    """An opened tunnel header. `ethertype` 0: IP, whose version is in its first octet."""

    name: str
    inner_at: int
    ethertype: int


def open_datagram(port: int, octets: memoryview, at: int, end: int) -> Tunnel | None:
    """`at` is the first octet behind the UDP header; None when a tunnel has this port, but not this header."""
    return _OPENERS[port](octets, at, end) if at + _LEAST_OCTETS <= end else None


def _vxlan(octets: memoryview, at: int, _: int) -> Tunnel | None:
    """RFC 7348 §5: the I flag."""
    return Tunnel("VXLAN", at + 8, BRIDGED) if octets[at] & 8 else None


def _vxlan_gpe(octets: memoryview, at: int, _: int) -> Tunnel | None:
    """The generic protocol extension: a P flag, and the kind of what follows in the fourth octet."""
    ethertype = _GPE_KINDS.get(octets[at + 3])
    return Tunnel("VXLAN", at + 8, ethertype) if octets[at] & 12 == 12 and ethertype else None


def _geneve(octets: memoryview, at: int, end: int) -> Tunnel | None:
    """RFC 8926 §3.4: version 0, options counted in fours of octets, an ethertype."""
    (ethertype,) = _U16(octets, at + 2)
    inner_at = at + 8 + (octets[at] & 0x3F) * 4
    is_known = ethertype in OPENED_ETHERTYPES or ethertype in (ETHERTYPE_IPV4, ETHERTYPE_IPV6)
    return Tunnel("Geneve", inner_at, ethertype) if octets[at] < 0x40 and is_known and inner_at <= end else None


def _gtp(octets: memoryview, at: int, end: int) -> Tunnel | None:
    """3GPP TS 29.281 §5.1: version 1, message 255 carries an IP packet behind optional and extension headers."""
    flags = octets[at]
    if flags >> 4 != 3 or octets[at + 1] != 255:
        return None
    inner_at = at + 8
    if flags & 7:
        inner_at += 4
        # Extension headers: length in fours of octets first, the kind of the next one last; 0 ends them.
        while flags & 4 and inner_at < end and octets[inner_at - 1]:
            if not octets[inner_at]:
                return None
            inner_at += octets[inner_at] * 4
    return Tunnel("GTP", inner_at, 0) if inner_at < end else None


def _tzsp(octets: memoryview, at: int, end: int) -> Tunnel | None:
    """TaZmen Sniffer Protocol: version 1, kind (0 and 1 carry packets), encapsulation (1: Ethernet), tagged fields."""
    if octets[at] != 1 or octets[at + 1] > 1 or _U16(octets, at + 2)[0] != 1:
        return None
    at += 4
    while at < end and octets[at] != 1:  # 1 ends the fields, 0 is padding
        at += 1 if octets[at] == 0 else 2 + (octets[at + 1] if at + 1 < end else 0)
    return Tunnel("TZSP", at + 1, BRIDGED) if at < end else None


_OPENERS: Final[dict[int, Callable[[memoryview, int, int], Tunnel | None]]] = {
    **dict.fromkeys(VXLAN_PORTS, _vxlan),
    VXLAN_GPE_PORT: _vxlan_gpe,
    GENEVE_PORT: _geneve,
    GTP_PORT: _gtp,
    TZSP_PORT: _tzsp,
}
