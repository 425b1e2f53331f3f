"""PacketBatch in, columns of TCP headers out, no Python object a packet; what is odd is left to the slow lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from ocpp_inspect.model import Int64, PacketBatch, UInt8

from .flows import Addresses
from .names import (
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    OPENED_ETHERTYPES,
    OPENED_PROTOCOLS,
    RAW_LINKS,
    TUNNEL_PORTS,
    VLAN_TAGS,
)
from .rows import Rows, UInt64, gather, join

Seen = Callable[[str, int, int, int], None]  # (what, number, how many, index of the first)
Bool: Final = np.bool_
_VLAN_TAGS: Final = np.array(sorted(VLAN_TAGS), np.int64)
_OPENED_ETHERTYPES: Final = np.array(sorted(OPENED_ETHERTYPES), np.int64)
_OPENED_PROTOCOLS: Final = np.array(sorted(OPENED_PROTOCOLS), np.int64)
_TUNNEL_PORTS: Final = np.array(sorted(TUNNEL_PORTS), np.int64)


@dataclass(slots=True)
class _Lane:
    """One pass over one batch."""

    batch: PacketBatch
    end: Int64  # behind the last octet present
    wire_end: Int64  # where the packet ended on the wire
    addresses: Addresses
    seen: Seen
    slow: list[Int64] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)


def read_fast(batch: PacketBatch, addresses: Addresses, seen: Seen) -> tuple[Rows | None, Int64]:
    """The TCP rows that can be read as columns, and the indices of the packets that need the slow lane.

    `seen` is told what is counted and not opened.
    """
    lane = _Lane(batch, batch.offset + batch.captured, batch.offset + batch.original, addresses, seen)
    for link in np.unique(batch.link).tolist():
        index = np.flatnonzero(batch.link == link)
        _read_link(lane, link, index)
    slow = np.sort(np.concatenate(lane.slow)) if lane.slow else np.zeros(0, np.int64)
    return (join(lane.rows) if lane.rows else None), slow


def _leave(lane: _Lane, index: Int64, odd: npt.NDArray[np.bool_]) -> None:
    if odd.any():
        lane.slow.append(index[odd])


def _read_link(lane: _Lane, link: int, index: Int64) -> None:
    octets = lane.batch.octets
    start = lane.batch.offset[index]
    header_size = {1: 14, 113: 16, 276: 20, 0: 4, 108: 4}.get(link, 0 if link in RAW_LINKS else -1)
    if header_size < 0:
        lane.slow.append(index)
        return
    odd = lane.batch.captured[index] < header_size + 40
    if odd.any():
        _leave(lane, index, odd)
        index, start = index[~odd], start[~odd]
    if not len(index):
        return
    network = start + header_size
    if link in RAW_LINKS:
        version = octets[network] >> 4
        ethertype = np.where(version == 4, ETHERTYPE_IPV4, np.where(version == 6, ETHERTYPE_IPV6, -1))
    elif link in (0, 108):
        family = gather(octets, start, 4)
        number = family.view(">u4")[:, 0].astype(np.int64)
        if link == 0:  # the byte order of the machine that captured: families are small numbers
            number = np.where(number > 0xFFFF, family.view("<u4")[:, 0], number)
        ethertype = np.where(
            number == 2, ETHERTYPE_IPV4, np.where(np.isin(number, (10, 24, 28, 30)), ETHERTYPE_IPV6, -1)
        )
    else:
        type_at = {1: 12, 113: 14, 276: 0}[link]
        ethertype = gather(octets, start + type_at, 2).view(">u2")[:, 0].astype(np.int64)
    _read_ethertype(lane, index, ethertype, network)


def _read_ethertype(lane: _Lane, index: Int64, ethertype: Int64, network: Int64) -> None:
    octets = lane.batch.octets
    if (ethertype == ETHERTYPE_IPV4).all():
        _read_ipv4(lane, index, network)
        return
    for _ in range(2):  # 802.1Q, 802.1ad
        tagged = np.isin(ethertype, _VLAN_TAGS)
        if not tagged.any():
            break
        ethertype, network = ethertype.copy(), network.copy()
        ethertype[tagged] = gather(octets, network[tagged] + 2, 2).view(">u2")[:, 0]
        network[tagged] += 4
    is_ipv4, is_ipv6 = ethertype == ETHERTYPE_IPV4, ethertype == ETHERTYPE_IPV6
    odd = ~(is_ipv4 | is_ipv6)
    counted = odd & (ethertype >= 0x600) & ~np.isin(ethertype, _OPENED_ETHERTYPES)
    _count(lane, "ethertype", index[counted], ethertype[counted])
    short = (is_ipv4 | is_ipv6) & (network + 40 > lane.end[index])
    _leave(lane, index, short | (odd & ~counted))
    is_ipv4, is_ipv6 = is_ipv4 & ~short, is_ipv6 & ~short
    if is_ipv4.any():
        _read_ipv4(lane, index[is_ipv4], network[is_ipv4])
    if is_ipv6.any():
        _read_ipv6(lane, index[is_ipv6], network[is_ipv6])


def _count(lane: _Lane, what: str, index: Int64, numbers: Int64) -> None:
    if len(index):
        for number, first, count in zip(*np.unique(numbers, return_index=True, return_counts=True), strict=True):
            lane.seen(what, int(number), int(count), int(index[first]))


def _read_ipv4(lane: _Lane, index: Int64, network: Int64) -> None:
    header = gather(lane.batch.octets, network, 20)
    words = header.view(">u2")
    size = (header[:, 0] & 15).astype(np.int64) * 4
    total = words[:, 1].astype(np.int64)
    wire = lane.wire_end[index] - network
    # RFC 791 §3.1; a total length of 0 is segmentation offload: the packet was cut into pieces behind the capture
    promised = np.where(total == 0, wire, total)
    odd = (header[:, 0] >> 4 != 4) | (size < 20) | (words[:, 3] & 0x3FFF != 0)
    odd |= (promised < size) | (promised > wire)
    protocol = header[:, 9]
    is_tcp = _sort_out(lane, index, network + size, protocol, odd)
    if not is_tcp.all():
        index, network, header, words = index[is_tcp], network[is_tcp], header[is_tcp], words[is_tcp]
        size, promised = size[is_tcp], promised[is_tcp]
    addresses = header.view(">u4")[:, 3:5].astype(np.uint64)
    identification = words[:, 2].astype(np.int64)
    hops = header[:, 8].astype(np.int64)
    _read_tcp(lane, index, network, size, promised, addresses, identification, hops)


def _read_ipv6(lane: _Lane, index: Int64, network: Int64) -> None:
    header = gather(lane.batch.octets, network, 40)
    length = header.view(">u2")[:, 2].astype(np.int64)
    promised = length + 40
    odd = (header[:, 0] >> 4 != 6) | (length == 0) | (promised > lane.wire_end[index] - network)
    is_tcp = _sort_out(lane, index, network + 40, header[:, 6], odd)
    index, network, header, promised = index[is_tcp], network[is_tcp], header[is_tcp], promised[is_tcp]
    if not len(index):
        return
    halves = header.view(">u8").astype(np.uint64)[:, 1:5].reshape(-1, 2)
    # only those whose TCP header is there: both lanes must number the same addresses
    addresses = lane.addresses.numbers(halves).reshape(-1, 2)
    none = np.zeros(len(index), np.int64)
    _read_tcp(lane, index, network, none + 40, promised, addresses, none, header[:, 7].astype(np.int64))


def _sort_out(
    lane: _Lane, index: Int64, transport: Int64, protocol: UInt8, odd: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Which packets are TCP with a whole header; all others are counted or left to the slow lane."""
    is_tcp = protocol == 6
    short = transport + 20 > lane.end[index]
    good: npt.NDArray[np.bool_] = is_tcp & ~odd & ~short
    if good.all():
        return good
    other = ~is_tcp & ~odd
    odd = odd | (is_tcp & short) | (other & np.isin(protocol, _OPENED_PROTOCOLS))
    is_udp = other & (protocol == 17)
    if is_udp.any():
        lacking = is_udp & (transport + 4 > lane.end[index])
        odd |= lacking
        readable = np.flatnonzero(is_udp & ~lacking)
        target = gather(lane.batch.octets, transport[readable] + 2, 2).view(">u2")[:, 0]
        odd[readable[np.isin(target, _TUNNEL_PORTS)]] = True
    other &= ~odd
    _count(lane, "protocol", index[other], protocol[other].astype(np.int64))
    _leave(lane, index, odd)
    return good


def _read_tcp(
    lane: _Lane,
    index: Int64,
    network: Int64,
    size: Int64,
    promised: Int64,
    addresses: UInt64,
    identification: Int64,
    hops: Int64,
) -> None:
    transport = network + size
    header = gather(lane.batch.octets, transport, 20)
    words, longs = header.view(">u2"), header.view(">u4")
    data_offset = (header[:, 12] >> 4).astype(np.int64) * 4
    payload = transport + data_offset
    end = lane.end[index]
    whole = network + promised
    odd = (data_offset < 20) | (payload > end) | (payload > whole)
    length = np.minimum(end, whole) - payload
    rows = Rows(
        index=index,
        source=(addresses[:, 0] << np.uint64(16)) | words[:, 0],
        target=(addresses[:, 1] << np.uint64(16)) | words[:, 1],
        seq=longs[:, 1].astype(np.int64),
        ack=longs[:, 2].astype(np.int64),
        flags=header[:, 13].astype(np.int64),
        window=words[:, 7].astype(np.int64),
        offset=payload,
        length=length,
        missing=whole - payload - length,
        identification=identification,
        hops=hops,
        header=network,
    )
    if odd.any():
        lane.slow.append(index[odd])
        rows = rows.take(~odd)
    if len(rows):
        lane.rows.append(rows)
