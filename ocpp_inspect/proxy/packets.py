"""What the relay forwarded in; the packets that a capture of it could have shown out, for Wireshark and for `analyze`.

Made up are headers, sequence numbers and acknowledgments; octets and times are real. The number of packets of each
record is fixed (`tap.frames_of`), so the frame numbers of the database are those of the file. Octets are what the
analysis got: without TLS, and with masked passwords.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import Final, TypeAlias

import numpy as np

from ocpp_inspect.model import PacketBatch, packet_key
from ocpp_inspect.proxy.tap import SEGMENT_BYTES

_RAW: Final = 101  # LINKTYPE_RAW: the packet begins with its IP header
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_WINDOW: Final = 65_535
_NAMED_NETWORK: Final = int(ipaddress.IPv4Address("198.51.100.1"))  # RFC 5737: stands for hosts known by name
_NAMES: Final = 254
_DISCARD: Final = 9

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class _Ends:
    """One connection: addresses, ports and the next sequence number of both directions."""

    __slots__ = ("addresses", "ports", "protocol", "sequence")

    def __init__(self, client: Address, client_port: int, server: Address, server_port: int) -> None:
        if client.version != server.version:
            client, server = _wide(client), _wide(server)
        self.addresses = (client.packed, server.packed)
        self.ports = (client_port, server_port)
        self.sequence = [0, 0]


class Packets:
    """Collects packets; `take` gives them as a batch."""

    def __init__(self, capture: int) -> None:
        self._capture = capture
        self._open: dict[int, _Ends] = {}
        self._named: dict[str, Address] = {}
        self._frames = 0
        self._packets: list[bytes] = []
        self._times: list[int] = []

    def opened(self, connection: int, ts_ns: int, client: str, client_port: int, server: str, server_port: int) -> None:
        """The three packets with which a connection begins (RFC 9293 §3.5)."""
        ends = _Ends(self._address(client), client_port, self._address(server), server_port)
        self._open[connection] = ends
        self._segment(ends, 0, ts_ns, _SYN)
        self._segment(ends, 1, ts_ns, _SYN | _ACK)
        self._segment(ends, 0, ts_ns, _ACK)

    def data(self, connection: int, direction: int, ts_ns: int, octets: bytes) -> None:
        """Octets of one direction."""
        ends = self._open.get(connection)
        for start in range(0, len(octets), SEGMENT_BYTES):
            if ends is None:
                self._nothing(ts_ns)
            else:
                self._segment(ends, direction, ts_ns, _PSH | _ACK, octets[start : start + SEGMENT_BYTES])

    def missing(self, connection: int, direction: int, ts_ns: int, octets: int) -> None:
        """Octets that were not handed over: the next ones come behind a hole."""
        ends = self._open.get(connection)
        if ends is not None:
            ends.sequence[direction] += octets
        self.mark(connection, ts_ns)

    def mark(self, connection: int, ts_ns: int) -> None:
        """A record that is no packet: an acknowledgment that says nothing keeps the numbers in step."""
        ends = self._open.get(connection)
        if ends is None:
            self._nothing(ts_ns)
        else:
            self._segment(ends, 0, ts_ns, _ACK)

    def closed(self, connection: int, ts_ns: int, reason: str, closed_by: int | None) -> None:
        """The two packets with which a connection ends; when the proxy ended it, they say nothing."""
        ends = self._open.pop(connection, None)
        first = closed_by or 0
        if ends is None:
            self._nothing(ts_ns)
            self._nothing(ts_ns)
        elif reason == "fin":
            self._segment(ends, first, ts_ns, _FIN | _ACK)
            self._segment(ends, 1 - first, ts_ns, _FIN | _ACK)
        elif reason == "rst":
            self._segment(ends, 1 - first, ts_ns, _ACK)
            self._segment(ends, first, ts_ns, _RST | _ACK)
        else:
            self._segment(ends, 0, ts_ns, _ACK)
            self._segment(ends, 1, ts_ns, _ACK)

    def take(self) -> PacketBatch | None:
        """What was collected since the last call."""
        count = len(self._packets)
        if not count:
            return None
        sizes = np.array([len(packet) for packet in self._packets], dtype=np.int64)
        first = packet_key(self._capture, self._frames - count + 1)
        numbers = np.arange(first, first + count, dtype=np.int64)
        batch = PacketBatch(
            np.frombuffer(b"".join(self._packets), dtype=np.uint8),
            numbers,
            numbers - first,
            np.array(self._times, dtype=np.int64),
            np.cumsum(sizes) - sizes,
            sizes,
            sizes,
            np.full(count, _RAW, dtype=np.int64),
            np.zeros(count, dtype=np.int64),
        )
        self._packets, self._times = [], []
        return batch

    def _address(self, host: str) -> Address:
        try:
            return ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            pass
        if host not in self._named:
            self._named[host] = ipaddress.IPv4Address(_NAMED_NETWORK + len(self._named) % _NAMES)
        return self._named[host]

    def _segment(self, ends: _Ends, direction: int, ts_ns: int, flags: int, octets: bytes = b"") -> None:
        source, target = ends.addresses[direction], ends.addresses[1 - direction]
        acknowledged = ends.sequence[1 - direction] if flags & _ACK else 0
        header = struct.pack(
            ">HHIIBBHHH", ends.ports[direction], ends.ports[1 - direction], ends.sequence[direction] & 0xFFFFFFFF,
            acknowledged & 0xFFFFFFFF, 5 << 4, flags, _WINDOW, 0, 0,
        )  # fmt: skip
        pseudo = source + target + struct.pack(">IHH", len(header) + len(octets), 0, 6)
        checksum = _checksum(pseudo + header + octets)
        header = header[:16] + struct.pack(">H", checksum) + header[18:]
        ends.sequence[direction] += len(octets) + bool(flags & (_SYN | _FIN))
        self._add(_ip(source, target, 6, header + octets), ts_ns)

    def _nothing(self, ts_ns: int) -> None:
        """A datagram from nowhere to nowhere."""
        nowhere = ipaddress.IPv4Address("192.0.2.1").packed
        self._add(_ip(nowhere, nowhere, 17, struct.pack(">HHHH", _DISCARD, _DISCARD, 8, 0)), ts_ns)

    def _add(self, packet: bytes, ts_ns: int) -> None:
        self._frames += 1
        self._packets.append(packet)
        self._times.append(ts_ns)


def _wide(address: Address) -> ipaddress.IPv6Address:
    if isinstance(address, ipaddress.IPv6Address):
        return address
    return ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed)


def _ip(source: bytes, target: bytes, protocol: int, payload: bytes) -> bytes:
    if len(source) == 16:
        return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + source + target + payload
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + source + target
    return header[:10] + struct.pack(">H", _checksum(header)) + header[12:] + payload


def _checksum(octets: bytes) -> int:
    """RFC 1071, as one division of a long number: the sum of 16-bit words with end-around carry is a remainder."""
    if len(octets) & 1:
        octets += b"\0"
    return 0xFFFF - int.from_bytes(octets, "big") % 0xFFFF
