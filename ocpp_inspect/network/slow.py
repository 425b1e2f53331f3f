"""One packet in, its TCP header out: tunnels, tags, extension headers, fragments, everything that the fast lane leaves.

A packet is opened header by header. Each step is a function that moves `_Packet` on and names the next step, so that
any nesting works; the number of steps is bounded. Long, because it holds every header there is: one short step each.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from ocpp_inspect.limits import TUNNEL_DEPTH
from ocpp_inspect.model import UInt8

from .datagrams import open_datagram
from .flows import Addresses
from .fragments import Fragments
from .names import (
    BRIDGED,
    ERSPAN,
    ERSPAN_III,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    EXTENSION_HEADERS,
    MPLS,
    PPPOE_SESSION,
    RAW_LINKS,
    TUNNEL_PORTS,
    VLAN_TAGS,
)

Report = Callable[[str, str], None]
Seen = Callable[[str, int], None]
_U16: Final = struct.Struct(">H").unpack_from
_IPV4: Final = struct.Struct(">BxHHHBBxxII").unpack_from
_IPV6: Final = struct.Struct(">BxxxHBB16s16s").unpack_from
_TCP: Final = struct.Struct(">HHIIBBH").unpack_from


class Segment(NamedTuple):
    """A TCP header, as one row. `payload_at` points into `extra` when that is there, else into the batch's octets."""

    source: int
    target: int
    seq: int
    ack: int
    flags: int
    window: int
    payload_at: int
    length: int
    missing: int
    identification: int
    hops: int
    header: int
    extra: bytes


@dataclass(slots=True)
class _Packet:
    """A packet that is being opened."""

    octets: memoryview  # of the batch, or of a reassembled packet
    at: int
    end: int  # behind the last octet present
    wire_end: int  # behind the last octet that was on the wire, or that a header promises
    link: int
    ts_ns: int
    report: Report
    extra: bytes = b""
    number: int = 0  # ethertype or protocol that a step hands to the next
    source: int = 0
    target: int = 0
    identification: int = 0
    hops: int = 0
    header: int = 0
    tunnelled: bool = False
    segment: Segment | None = None

    def has(self, size: int) -> bool:
        """Whether so many octets are here; if not, say so."""
        if self.at + size <= self.end:
            return True
        self.report("network.truncated_headers", f"{size} octets of headers expected, {self.end - self.at} are there")
        return False


Step = Callable[[_Packet], "Step | None"]


class SlowLane:
    """Opens packets one by one; keeps the fragments that wait."""

    def __init__(self, addresses: Addresses, fragments: Fragments, seen: Seen, counters: Counter[str]) -> None:
        self._addresses = addresses
        self._fragments = fragments
        self._seen = seen
        self._counters = counters
        self._links: dict[int, Step] = {
            0: self._loopback,
            1: self._ethernet,
            9: self._ppp,
            50: self._ppp_hdlc,
            51: self._pppoe,
            104: self._cisco_hdlc,
            108: self._loopback,
            113: self._cooked,
            166: self._ppp_directed,
            204: self._ppp_directed,
            276: self._cooked,
            **dict.fromkeys(RAW_LINKS, self._raw),
        }
        self._ethertypes: dict[int, Step] = {
            ETHERTYPE_IPV4: self._ipv4,
            ETHERTYPE_IPV6: self._ipv6,
            PPPOE_SESSION: self._pppoe,
            BRIDGED: self._ethernet,
            **dict.fromkeys(VLAN_TAGS, self._vlan),
            **dict.fromkeys(MPLS, self._mpls),
        }
        self._tunnels: dict[int, Step] = {
            4: self._ipv4,
            41: self._ipv6,
            47: self._gre,
            51: self._extensions,  # RFC 4302 §2, in IPv4
            137: self._mpls,
        }

    def read(
        self, octets: UInt8, offset: int, captured: int, original: int, link: int, ts_ns: int, report: Report
    ) -> Segment | None:
        """The TCP segment of one packet, if it holds (or completes) one."""
        packet = _Packet(memoryview(octets.data), offset, offset + captured, offset + original, link, ts_ns, report)
        step: Step | None = self._link
        for _ in range(2 * TUNNEL_DEPTH):
            if step is None:
                return packet.segment
            step = step(packet)
        if step is not None:
            report("network.too_deep", f"more than {2 * TUNNEL_DEPTH} headers inside each other")
        return packet.segment

    # ------------------------------------------------------------------------------------------------ link layer

    def _link(self, packet: _Packet) -> Step | None:
        step = self._links.get(packet.link)
        if step is None:
            self._seen("link type", packet.link)
        return step

    def _cooked(self, packet: _Packet) -> Step | None:
        """Linux cooked capture, version 1 (link 113) and 2 (276)."""
        size, type_at = (16, 14) if packet.link == 113 else (20, 0)
        if not packet.has(size):
            return None
        (packet.number,) = _U16(packet.octets, packet.at + type_at)
        packet.at += size
        return self._ethertype

    def _ethernet(self, packet: _Packet) -> Step | None:
        if not packet.has(14):
            return None
        (packet.number,) = _U16(packet.octets, packet.at + 12)
        packet.at += 14
        return self._ethertype

    def _raw(self, packet: _Packet) -> Step | None:
        if not packet.has(1):
            return None
        version = packet.octets[packet.at] >> 4
        if version == 4:
            return self._ipv4
        if version == 6:
            return self._ipv6
        packet.report("network.bad_ip_header", f"IP version {version}")
        return None

    def _loopback(self, packet: _Packet) -> Step | None:
        """BSD loopback: the address family in the capturing machine's byte order (link 0) or the network's (108)."""
        if not packet.has(4):
            return None
        head = bytes(packet.octets[packet.at : packet.at + 4])
        family = int.from_bytes(head, "big")
        if packet.link == 0 and family > 0xFFFF:
            family = int.from_bytes(head, "little")
        packet.at += 4
        if family == 2:
            return self._ipv4
        if family in (10, 24, 28, 30):
            return self._ipv6
        self._seen("address family", min(family, 0xFFFF))  # bounds the number of kinds that can be named
        return None

    def _ppp_directed(self, packet: _Packet) -> Step | None:
        """A direction before the frame (link 204), or in place of its address (166)."""
        packet.at += 1 if packet.link == 204 else 2
        return self._ppp

    def _ppp_hdlc(self, packet: _Packet) -> Step | None:
        if not packet.has(1):
            return None
        return self._cisco_hdlc if packet.octets[packet.at] in (0x0F, 0x8F) else self._ppp

    def _cisco_hdlc(self, packet: _Packet) -> Step | None:
        if not packet.has(4):
            return None
        (packet.number,) = _U16(packet.octets, packet.at + 2)
        packet.at += 4
        return self._ethertype

    def _ppp(self, packet: _Packet) -> Step | None:
        """RFC 1661 §2, with address and control (RFC 1662 §3.1) or without, protocol field compressed or not."""
        if not packet.has(2):
            return None
        if packet.octets[packet.at] == 0xFF and packet.octets[packet.at + 1] == 0x03:
            packet.at += 2
            if not packet.has(2):
                return None
        number = packet.octets[packet.at]
        packet.at += 1
        if not number & 1:
            number = number << 8 | packet.octets[packet.at]
            packet.at += 1
        if number in (0x21, 0x57):
            return self._ipv4 if number == 0x21 else self._ipv6
        if number == 0x281:
            return self._mpls
        self._seen("ppp", number)
        return None

    def _pppoe(self, packet: _Packet) -> Step | None:
        """RFC 2516 §4: only session packets (code 0) carry PPP."""
        if not packet.has(6):
            return None
        version_type, code = packet.octets[packet.at], packet.octets[packet.at + 1]
        (length,) = _U16(packet.octets, packet.at + 4)
        packet.at += 6
        if version_type != 0x11 or code:
            self._seen("ethertype", 0x8863)
            return None
        packet.end = min(packet.end, packet.at + length)
        packet.wire_end = min(packet.wire_end, packet.at + length)
        return self._ppp

    # ------------------------------------------------------------------------------------- between link and network

    def _ethertype(self, packet: _Packet) -> Step | None:
        step = self._ethertypes.get(packet.number)
        if step is None and packet.number < 0x600:
            return self._llc
        if step is None:
            self._seen("ethertype", packet.number)
        return step

    def _vlan(self, packet: _Packet) -> Step | None:
        if not packet.has(4):
            return None
        (packet.number,) = _U16(packet.octets, packet.at + 2)
        packet.at += 4
        return self._ethertype

    def _llc(self, packet: _Packet) -> Step | None:
        """IEEE 802.2; behind a SNAP header stands an ethertype (RFC 1042)."""
        head = bytes(packet.octets[packet.at : min(packet.at + 8, packet.end)])
        if len(head) == 8 and head[:6] in (b"\xaa\xaa\x03\0\0\0", b"\xaa\xaa\x03\0\0\xf8"):
            (packet.number,) = _U16(head, 6)
            packet.at += 8
            return self._ethertype
        self._counters["802.2 LLC"] += 1
        return None

    def _mpls(self, packet: _Packet) -> Step | None:
        """RFC 3032 §2.1. What follows is not named; a first nibble of 4 or 6 is IP (RFC 4928 §3), 0 a control word."""
        bottom = False
        while not bottom:
            if not packet.has(5):
                return None
            bottom = bool(packet.octets[packet.at + 2] & 1)
            packet.at += 4
        nibble = packet.octets[packet.at] >> 4
        if nibble in (4, 6):
            return self._raw
        # Without a control word the first nibble is that of a MAC address, mostly 0 as well.
        if nibble == 0 and not self._is_ethernet(packet, 12):
            packet.at += 4
        return self._ethernet

    def _is_ethernet(self, packet: _Packet, type_at: int) -> bool:
        """Whether an ethertype that is opened stands there."""
        at = packet.at + type_at
        return at + 2 <= packet.end and _U16(packet.octets, at)[0] in self._ethertypes

    # ------------------------------------------------------------------------------------------------------- network

    def _enter_ip(self, packet: _Packet, size: int, promised: int) -> bool:
        """Bound the packet by what its IP header promises."""
        wire = packet.wire_end - packet.at
        if promised < size:
            packet.report("network.bad_ip_length", f"{promised} octets promised, the header alone has {size}")
            return False
        if promised > wire and not packet.tunnelled:
            packet.report("network.bad_ip_length", f"{promised} octets promised, {wire} were on the wire")
        packet.wire_end = packet.at + promised
        packet.end = min(packet.end, packet.wire_end)
        if not packet.extra:
            packet.header = packet.at
        return True

    def _ipv4(self, packet: _Packet) -> Step | None:
        if not packet.has(20):
            return None
        head, total, identification, fragment, hops, protocol, source, target = _IPV4(packet.octets, packet.at)
        size = (head & 15) * 4
        if head >> 4 != 4 or size < 20:
            packet.report("network.bad_ip_header", f"version {head >> 4}, header of {size} octets")
            return None
        # a total length of 0 is segmentation offload
        if not self._enter_ip(packet, size, total or packet.wire_end - packet.at) or not packet.has(size):
            return None
        packet.source, packet.target, packet.hops = source, target, hops
        packet.identification = identification
        packet.at += size
        packet.number = protocol
        if fragment & 0x3FFF:
            key = (source, target, identification, protocol)
            return self._fragment(packet, key, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000))
        return self._protocol

    def _ipv6(self, packet: _Packet) -> Step | None:
        if not packet.has(40):
            return None
        head, length, protocol, hops, source, target = _IPV6(packet.octets, packet.at)
        if head >> 4 != 6:
            packet.report("network.bad_ip_header", f"version {head >> 4}")
            return None
        # a length of 0 is a jumbogram (RFC 2675 §3) or segmentation offload
        promised = length + 40 if length else packet.wire_end - packet.at
        if not self._enter_ip(packet, 40, promised):
            return None
        packet.source, packet.target = self._addresses.number(source), self._addresses.number(target)
        packet.hops, packet.identification = hops, 0
        packet.at += 40
        packet.number = protocol
        return self._extensions(packet)

    def _extensions(self, packet: _Packet) -> Step | None:
        """RFC 8200 §4; each takes eight octets at least, so the packet bounds the loop."""
        while packet.number in EXTENSION_HEADERS:
            if not packet.has(8):
                return None
            following, length = packet.octets[packet.at], packet.octets[packet.at + 1]
            if packet.number == 44:
                (field,) = _U16(packet.octets, packet.at + 2)
                key = (packet.source, packet.target, bytes(packet.octets[packet.at + 4 : packet.at + 8]), -1)
                packet.at += 8
                packet.number = following
                if field & 0xFFF9:
                    return self._fragment(packet, key, field & 0xFFF8, bool(field & 1))
                continue
            size = (length + 2) * 4 if packet.number == 51 else (length + 1) * 8  # RFC 4302 §2.2 counts in fours
            if not packet.has(size):
                return None
            packet.at += size
            packet.number = following
        return self._protocol

    def _fragment(self, packet: _Packet, key: tuple[object, ...], offset: int, more: bool) -> Step | None:
        self._counters["fragments"] += 1
        data = bytes(packet.octets[packet.at : packet.end])
        whole = self._fragments.add(key, offset, data, packet.wire_end - packet.at, more, packet.ts_ns, packet.report)
        if whole is None:
            return None
        self._counters["reassembled"] += 1
        packet.extra, promised = whole
        packet.octets = memoryview(packet.extra)
        packet.at, packet.end, packet.wire_end = 0, len(packet.extra), promised
        return self._extensions if packet.number in EXTENSION_HEADERS else self._protocol

    # ------------------------------------------------------------------------------------------------ above network

    def _protocol(self, packet: _Packet) -> Step | None:
        number = packet.number
        if number == 6:
            return self._tcp(packet)
        if number == 17:
            return self._udp(packet)
        step = self._tunnels.get(number)
        if step is None:
            self._seen("protocol", number)
        packet.tunnelled = True
        return step

    def _udp(self, packet: _Packet) -> Step | None:
        port = _U16(packet.octets, packet.at + 2)[0] if packet.end - packet.at >= 4 else 0
        tunnel = open_datagram(port, packet.octets, packet.at + 8, packet.end) if port in TUNNEL_PORTS else None
        if tunnel is None:
            self._seen("protocol", 17)
            return None
        self._counters[tunnel.name] += 1
        packet.at, packet.number = tunnel.inner_at, tunnel.ethertype
        packet.tunnelled = True
        return self._ethertype if packet.number else self._raw

    def _gre(self, packet: _Packet) -> Step | None:
        """RFC 2784 §2 with key and sequence number (RFC 2890 §2)."""
        if not packet.has(4):
            return None
        flags, packet.number = _U16(packet.octets, packet.at)[0], _U16(packet.octets, packet.at + 2)[0]
        self._counters["GRE"] += 1
        if flags & 0x4007:  # routing, or version 1 (PPTP)
            self._seen("GRE version or routing", flags & 0x4007)
            return None
        size = 4 + 4 * (flags >> 15) + 4 * (flags >> 13 & 1) + 4 * (flags >> 12 & 1)
        if packet.number == ERSPAN and flags & 0x1000:
            size += 8  # type II; type I has neither sequence number nor header
        if packet.number == ERSPAN_III:
            size += 12
            if packet.has(size):
                size += 8 * (packet.octets[packet.at + size - 1] & 1)  # the O flag: a platform's own header
        if not packet.has(size):
            return None
        packet.at += size
        return self._ethernet if packet.number in (ERSPAN, ERSPAN_III) else self._ethertype

    def _tcp(self, packet: _Packet) -> Step | None:
        if not packet.has(20):
            return None
        source_port, target_port, seq, ack, data_offset, flags, window = _TCP(packet.octets, packet.at)
        size = (data_offset >> 4) * 4
        payload = packet.at + size
        if size < 20 or payload > packet.wire_end:
            found = f"data offset {size} in a segment of {packet.wire_end - packet.at} octets"
            packet.report("network.bad_tcp_header", found)
            return None
        present = max(0, packet.end - payload)
        packet.segment = Segment(
            source=packet.source << 16 | source_port,
            target=packet.target << 16 | target_port,
            seq=seq,
            ack=ack,
            flags=flags,
            window=window,
            payload_at=min(payload, packet.end),
            length=present,
            missing=packet.wire_end - payload - present,
            identification=packet.identification,
            hops=packet.hops,
            header=packet.header,
            extra=packet.extra,
        )
        return None
