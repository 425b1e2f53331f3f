"""A network interface in, raw packets out: the Linux kernel's packet ring (AF_PACKET, TPACKET_V3), mapped into memory.

The kernel writes packets into blocks of memory that it shares with us and hands over a block when it is full or 50 ms
old. A block is copied once and read as numpy columns, like a file. bench/live.py compares it with scapy's sockets,
tcpdump and dumpcap; the figures stand in docs/live.md. Layouts: Documentation/networking/packet_mmap.rst of the kernel.
"""

from __future__ import annotations

import mmap
import select
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ocpp_inspect.capture.live.interfaces import ANY, HARDWARE_ETHERNET, HARDWARE_LOOPBACK, hardware_type, is_up
from ocpp_inspect.capture.live.privileges import permission_hint
from ocpp_inspect.capture.run import gather
from ocpp_inspect.capture.source import CaptureError
from ocpp_inspect.limits import LIVE_BLOCK_OCTETS, LIVE_RING_OCTETS
from ocpp_inspect.model import Int64, UInt8

ETHERNET: Final = 1  # LINKTYPE_EN10MB
COOKED: Final = 276  # LINKTYPE_LINUX_SLL2

# <linux/if_packet.h>, <linux/if_ether.h>, <asm-generic/socket.h>
_SOL_PACKET: Final = 263
_ADD_MEMBERSHIP: Final = 1
_RX_RING: Final = 5
_STATISTICS: Final = 6
_VERSION: Final = 10
_RESERVE: Final = 12
_IGNORE_OUTGOING: Final = 23
_TPACKET_V3: Final = 2
_PROMISCUOUS: Final = 1
_ALL_PROTOCOLS: Final = 3
_ATTACH_FILTER: Final = 26
_OUTGOING: Final = 4
_STATUS_USER: Final = 1
_VLAN_VALID: Final = 0x10
_VLAN_TPID_VALID: Final = 0x40
_FRAME_OCTETS: Final = 2048
_RETIRE_MS: Final = 50
_VLAN_OCTETS: Final = 4
_HEADER_OCTETS: Final = 68  # tpacket3_hdr (48) and sockaddr_ll (20)
_SLL2_OCTETS: Final = 20

RETIRE_NS: Final = _RETIRE_MS * 10**6
"""A packet is shown to us at most this much after it came, if we look."""

Instruction = tuple[int, int, int, int]
"""One instruction of classic BPF: code, jump if true, jump if false, operand."""


@dataclass(slots=True)
class Blocks:
    """Packets of one interface in the order in which they came; `offset` points into `octets`."""

    octets: UInt8
    ts_ns: Int64
    offset: Int64
    captured: Int64
    original: Int64


@dataclass(slots=True)
class Counts:
    """What the kernel counted, in all."""

    received: int = 0  # the dropped ones included
    dropped: int = 0


class Ring:
    """One interface (or `any`), promiscuous; `programs` are kernel filters by link type. Raises CaptureError."""

    def __init__(
        self,
        name: str,
        *,
        programs: Mapping[int, Sequence[Instruction]] | None = None,
        promiscuous: bool = True,
        ring_octets: int = LIVE_RING_OCTETS,
    ) -> None:
        self.name = name
        self.counts = Counts()
        self.is_up = True
        hardware = 0 if name == ANY else hardware_type(name)
        self.is_cooked = hardware not in (HARDWARE_ETHERNET, HARDWARE_LOOPBACK)
        self.link = COOKED if self.is_cooked else ETHERNET
        self._promiscuous = promiscuous and name != ANY
        self._loopback = _index_of("lo")
        self._index = 0
        kind = socket.SOCK_DGRAM if self.is_cooked else socket.SOCK_RAW
        try:
            # A socket without a protocol receives nothing before it is bound; for all interfaces there is no binding,
            # and what comes before the ring is there, the kernel throws away when it makes the ring.
            protocol = socket.htons(_ALL_PROTOCOLS) if name == ANY else 0
            self._socket = socket.socket(socket.AF_PACKET, kind, protocol)
        except PermissionError as error:
            raise CaptureError(name, "capturing is not permitted", permission_hint()) from error
        except OSError as error:
            raise CaptureError(name, f"cannot capture: {error.strerror}") from error
        try:
            self._attach((programs or {}).get(self.link, ()))
            self._blocks = self._map(ring_octets)
            if hardware == HARDWARE_LOOPBACK:
                # Every packet crosses a loopback twice; like libpcap we take it as it comes in.
                self._socket.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
            self._bind()
        except OSError as error:
            self._socket.close()
            raise CaptureError(name, f"cannot capture: {(error.strerror or str(error)).lower()}") from error
        self._next = 0
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN | select.POLLERR)

    def fileno(self) -> int:
        """For `select.poll`: readable when a block is ready, in error when the interface went down."""
        return self._socket.fileno()

    def close(self) -> None:
        """Give the interface and the memory back."""
        self._memory.close()
        self._socket.close()

    # ------------------------------------------------------------------------------------------------- reading

    def take(self, maximum_octets: int) -> Blocks | None:
        """The blocks that are ready now, up to about so many octets; None when there is none."""
        taken: list[bytes] = []
        counts: list[tuple[int, int]] = []  # packets, first offset
        total = 0
        while total < maximum_octets:
            at = self._next * LIVE_BLOCK_OCTETS
            status, packets, first, length = struct.unpack_from("=4I", self._memory, at + 8)
            if not status & _STATUS_USER:
                break
            if packets:
                taken.append(self._memory[at : at + length])
                counts.append((packets, first))
                total += length
            struct.pack_into("=I", self._memory, at + 8, 0)  # the block is the kernel's again
            self._next = (self._next + 1) % self._blocks
        if not taken:
            return None
        octets = bytearray().join(taken)
        starts: list[int] = []
        base = 0
        for block, (packets, first) in zip(taken, counts, strict=True):
            at = base + first
            for _ in range(packets):
                starts.append(at)
                (step,) = struct.unpack_from("=I", octets, at)
                at += step
            base += len(block)
        return self._columns(octets, np.array(starts, np.int64))

    def _columns(self, octets: bytearray, starts: Int64) -> Blocks:
        # A packet may be shorter than its header is wide here: the last block ends where its last packet does.
        octets += bytes(_HEADER_OCTETS)
        headers = gather(octets, starts, _HEADER_OCTETS)
        words = headers[:, :40].copy().view("=u4").astype(np.int64)
        near = words[:, 6]  # tp_mac and tp_net, 16 bits each
        mac = near & 0xFFFF if struct.pack("=H", 1) == b"\1\0" else near >> 16
        ts_ns = words[:, 1] * 10**9 + words[:, 2]
        captured, original, status = words[:, 3], words[:, 4], words[:, 5]
        offset = starts + mac
        view = np.frombuffer(octets, np.uint8)
        addresses = headers[:, 48:68]  # sockaddr_ll
        if self.is_cooked:
            _cook(view, offset, addresses)
            offset, captured, original = offset - _SLL2_OCTETS, captured + _SLL2_OCTETS, original + _SLL2_OCTETS
        else:
            tagged = np.flatnonzero(status & _VLAN_VALID)
            if len(tagged):
                _put_tags_back(view, offset, words, tagged)
                captured, original = captured.copy(), original.copy()
                offset[tagged] -= _VLAN_OCTETS
                captured[tagged] += _VLAN_OCTETS
                original[tagged] += _VLAN_OCTETS
        found = Blocks(view, ts_ns, offset, captured, original)
        if self.name == ANY:
            index = addresses[:, 4:8].copy().view("=i4")[:, 0]
            again = (addresses[:, 10] == _OUTGOING) & (index == self._loopback)
            if again.any():
                return Blocks(view, *(column[~again] for column in (ts_ns, offset, captured, original)))
        return found

    # --------------------------------------------------------------------------------------- state and counters

    def count(self) -> Counts:
        """Ask the kernel (its counters begin anew with every question)."""
        packets, drops, _freezes = struct.unpack("=3I", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 12))
        self.counts.received += packets
        self.counts.dropped += drops
        return self.counts

    def look(self) -> bool:
        """Notice when the interface went down, came back, or was made anew; True when that changed."""
        self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # clears ENETDOWN, which else ends every wait
        before = self.is_up
        if self.name == ANY:
            return False
        index = _index_of(self.name)
        if index and index != self._index:
            try:
                self._bind()
            except OSError:  # it vanished again
                index = 0
        self.is_up = bool(index) and is_up(self.name)
        return self.is_up != before

    # ------------------------------------------------------------------------------------------------- opening

    def _attach(self, program: Sequence[Instruction]) -> None:
        if not program:
            return
        code = b"".join(struct.pack("=HBBI", *each) for each in program)
        buffer = (np.frombuffer(code, np.uint8)).copy()  # has an address, and lives until the call is over
        self._socket.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("@HP", len(program), buffer.ctypes.data))

    def _map(self, ring_octets: int) -> int:
        self._socket.setsockopt(_SOL_PACKET, _VERSION, _TPACKET_V3)
        self._socket.setsockopt(_SOL_PACKET, _RESERVE, _VLAN_OCTETS)
        blocks = max(2, ring_octets // LIVE_BLOCK_OCTETS)
        while True:
            frames = LIVE_BLOCK_OCTETS // _FRAME_OCTETS * blocks
            request = struct.pack("=7I", LIVE_BLOCK_OCTETS, blocks, _FRAME_OCTETS, frames, _RETIRE_MS, 0, 0)
            try:
                self._socket.setsockopt(_SOL_PACKET, _RX_RING, request)
                break
            except OSError:
                if blocks <= 2:
                    raise
                blocks //= 2  # a small machine: a smaller ring
        self._memory = mmap.mmap(self._socket.fileno(), blocks * LIVE_BLOCK_OCTETS)
        return blocks

    def _bind(self) -> None:
        if self.name == ANY:
            return
        index = _index_of(self.name)
        self._socket.bind((self.name, _ALL_PROTOCOLS))
        if self._promiscuous:
            membership = struct.pack("=iHH8s", index, _PROMISCUOUS, 0, b"")
            self._socket.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, membership)
        self._index = index


def _index_of(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _cook(view: UInt8, offset: Int64, addresses: UInt8) -> None:
    """Write the header of LINKTYPE_LINUX_SLL2 in front of each packet, from the address that the kernel gave."""
    header = np.zeros((len(offset), _SLL2_OCTETS), np.uint8)
    header[:, 0:2] = addresses[:, 2:4]  # protocol, in network order already
    header[:, 4:8] = addresses[:, 4:8].copy().view("=u4").astype(">u4").view(np.uint8).reshape(-1, 4)
    header[:, 8:10] = addresses[:, 8:10].copy().view("=u2").astype(">u2").view(np.uint8).reshape(-1, 2)
    header[:, 10] = addresses[:, 10]
    header[:, 11] = np.minimum(addresses[:, 11], 8)
    header[:, 12:20] = addresses[:, 12:20]
    view[(offset - _SLL2_OCTETS)[:, None] + np.arange(_SLL2_OCTETS)] = header


def _put_tags_back(view: UInt8, offset: Int64, words: Int64, tagged: Int64) -> None:
    """The kernel takes VLAN tags out of packets (IEEE 802.1Q): put them where they were on the wire."""
    at = offset[tagged]
    both_addresses = np.arange(12)
    view[(at - _VLAN_OCTETS)[:, None] + both_addresses] = view[at[:, None] + both_addresses]
    tag = np.zeros((len(tagged), 2), ">u2")
    identifier = words[tagged, 9]  # tp_vlan_tpid and padding, 16 bits each
    identifier = identifier & 0xFFFF if struct.pack("=H", 1) == b"\1\0" else identifier >> 16
    tag[:, 0] = np.where(words[tagged, 5] & _VLAN_TPID_VALID, identifier, 0x8100)
    tag[:, 1] = words[tagged, 8] & 0xFFFF
    view[(at + 8)[:, None] + np.arange(_VLAN_OCTETS)] = tag.view(np.uint8).reshape(-1, _VLAN_OCTETS)
