"""Sizes and options in; a pcap or pcapng file of realistic OCPP site traffic out (`python -m bench.traffic`).

Every station has its own TCP connection, WebSocket upgrade (Basic auth) and dialogue (`bench.dialogue`); all are merged
in time order, so thousands of connections interleave as on a real mirror port. The file is a pure function of its
options. Memory is flat: packets are written as soon as no earlier one can come.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import heapq
import itertools
import json
import random
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TextIO

from bench.dialogue import CSMS, DIALOGUES, SECOND_NS, STATION, Exchange, Talker

START_NS: Final = 1_767_600_000 * SECOND_NS  # 2026-01-05T08:00:00Z
CAPTURE_DELAY_NS: Final = 2_000_000  # from the moment an application stamps its message until its packet is captured
ACK_DELAY_NS: Final = 150_000
MASKS: Final = 64  # different masking keys; a pre-computed mask makes masking one big-integer XOR (0.4 µs)
WAITING_PACKETS: Final = 30_000  # packets that are sorted and written together
FIN, SYN, PSH, ACK = 1, 2, 8, 16

Packet = tuple[int, bytes]  # time, captured octets
_first = itemgetter(0)


class Options(NamedTuple):
    """What the file shall look like. The five fractions are of data segments; 0 is an ideal capture."""

    messages: int = 100_000
    stations: int = 100
    minutes: float = 0.0  # 0: as long as the messages need
    version: str = "1.6"
    compressed: bool = False
    context_takeover: bool = True
    mtu: int = 1500
    loss: float = 0.0  # the capture lacks the segment, the peer had it
    retransmit: float = 0.0  # lost behind the capture point and sent again 200 ms later
    duplicate: float = 0.0  # captured twice
    reorder: float = 0.0  # swapped with the next segment of the same message (needs a small mtu)
    one_address: bool = False
    port: int = 80
    pcapng: bool = False
    nanoseconds: bool = False
    seed: int = 1


class Totals(NamedTuple):
    """What was written."""

    messages: int
    text_bytes: int
    packets: int
    file_bytes: int
    last_ns: int


class Connection:
    """One TCP connection with a WebSocket on it: texts in, packets appended to `out`."""

    def __init__(self, index: int, options: Options, chance: random.Random, out: list[Packet]) -> None:
        self.index = index
        self.identity = f"EW{index:06}"
        self._options = options
        self._chance = chance
        self._faulty = bool(options.loss or options.retransmit or options.duplicate or options.reorder)
        self._out = out
        self._room = options.mtu - 52  # IPv4 and TCP headers with the timestamps option
        self._sequence = [chance.getrandbits(32), chance.getrandbits(32)]
        self._ip_id = [chance.getrandbits(16), chance.getrandbits(16)]
        number = 0 if options.one_address else index
        station = bytes((10, 20 + (number >> 16), (number >> 8) & 255, number & 255))
        station_port = 1024 + (index * 7 if not options.one_address else index) % 64_000
        csms = bytes((10, 9, 0, 1))
        self._ports = (station_port, options.port)
        macs = (bytes((2, 0, *station)), bytes((2, 0, *csms)))
        self._ethernet = (macs[1] + macs[0] + b"\x08\x00", macs[0] + macs[1] + b"\x08\x00")
        self._addresses = (station + csms, csms + station)
        addresses = sum(struct.unpack("!4H", station + csms))
        self._ip_sum = 0x4500 + 0x4000 + 0x4006 + addresses
        self._tcp_sum = addresses + 6 + sum(self._ports)
        self._mask = chance.randrange(MASKS)
        self._deflate: list[zlib._Compress | None] = [None, None]
        if options.compressed:
            self._deflate = [zlib.compressobj(6, zlib.DEFLATED, -12, 5) for _ in range(2)]

    def open(self, now_ns: int) -> None:
        """Three-way handshake and the upgrade."""
        for side, flags in ((STATION, SYN), (CSMS, SYN | ACK), (STATION, ACK)):
            self._segment(now_ns, side, b"", flags)
            if flags & SYN:
                self._sequence[side] = (self._sequence[side] + 1) & 0xFFFFFFFF
            now_ns += 300_000
        key = base64.b64encode(hashlib.md5(self.identity.encode(), usedforsecurity=False).digest())
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
        protocol = f"ocpp{self._options.version}"
        user = base64.b64encode(f"{self.identity}:demo-password-{self.index % 100:02}".encode()).decode()
        extension = ""
        if self._options.compressed:
            takeover = ("client_no_context_takeover; server_no_context_takeover; ", "")[self._options.context_takeover]
            extension = (
                f"Sec-WebSocket-Extensions: permessage-deflate; {takeover}"
                "client_max_window_bits=12; server_max_window_bits=12\r\n"
            )
        request = (
            f"GET /ocpp/{self.identity} HTTP/1.1\r\nHost: csms.example:{self._options.port}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key.decode()}\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n{extension}"
            f"Authorization: Basic {user}\r\n\r\n"
        )
        response = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}\r\n"
            f"Sec-WebSocket-Protocol: {protocol}\r\n{extension}\r\n"
        )
        self._data(now_ns, STATION, request.encode())
        self._data(now_ns + 2_000_000, CSMS, response.encode())
        self._segment(now_ns + 2_200_000, STATION, b"", ACK)

    def exchange(self, exchange: Exchange) -> None:
        """CALL, answer (which acknowledges it) and the acknowledgement of the answer."""
        call_ns = exchange.when_ns + CAPTURE_DELAY_NS
        answer_ns = call_ns + exchange.delay_ns
        caller = exchange.caller
        self._text(call_ns, caller, exchange.call)
        self._text(answer_ns, 1 - caller, exchange.answer)
        self._segment(answer_ns + ACK_DELAY_NS, caller, b"", ACK)

    def _text(self, now_ns: int, side: int, text: bytes) -> None:
        """One text frame (RFC 6455 §5.2), masked when the station sends it."""
        first = 0x81
        deflate = self._deflate[side]
        if deflate is not None:
            text = (deflate.compress(text) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]  # RFC 7692 §7.2.1
            first = 0xC1
            if not self._options.context_takeover:
                self._deflate[side] = zlib.compressobj(6, zlib.DEFLATED, -12, 5)
        length = len(text)
        if side == STATION:
            self._mask = (self._mask + 1) % MASKS
            key, mask = _mask_of(self._mask, length)
            masked = (int.from_bytes(text, "big") ^ mask).to_bytes(length, "big")
            if length < 126:
                frame = bytes((first, 0x80 | length)) + key + masked
            else:
                frame = struct.pack("!BBH", first, 0xFE, length) + key + masked
        elif length < 126:
            frame = bytes((first, length)) + text
        else:
            frame = struct.pack("!BBH", first, 126, length) + text
        self._data(now_ns, side, frame)

    def _data(self, now_ns: int, side: int, octets: bytes) -> None:
        """Octets as one or more segments, with the faults that the options ask for."""
        room = self._room
        if len(octets) <= room and not self._faulty:
            self._segment(now_ns, side, octets, PSH | ACK)
            return
        out, options, chance = self._out, self._options, self._chance
        begin = len(out)
        for at in range(0, len(octets), room):
            self._segment(now_ns + at // room * 12_000, side, octets[at : at + room], PSH | ACK)
        packets = out[begin:]
        del out[begin:]
        position = 0
        while position < len(packets) - 1:
            if chance.random() < options.reorder:
                (early, one), (late, two) = packets[position : position + 2]
                packets[position : position + 2] = [(early, two), (late, one)]
                position += 1
            position += 1
        for when_ns, packet in packets:
            roll = chance.random()
            if roll < options.loss and when_ns > START_NS + 60 * SECOND_NS:  # the upgrades are kept
                continue
            out.append((when_ns, packet))
            if roll > 1 - options.duplicate:
                out.append((when_ns + 3_000, packet))
            elif roll > 1 - options.duplicate - options.retransmit:
                out.append((when_ns + 200_000_000, packet))

    def _segment(self, now_ns: int, side: int, octets: bytes, flags: int) -> None:
        """One TCP segment with correct checksums (ones'-complement sums are numbers modulo 65535): 2.5 µs."""
        length = len(octets)
        sequence = self._sequence
        seq = sequence[side]
        ack = sequence[1 - side] if flags & ACK else 0
        sequence[side] = (seq + length) & 0xFFFFFFFF
        self._ip_id[side] = ip_id = (self._ip_id[side] + 1) & 0xFFFF
        total = 52 + length
        stamp = (now_ns // 1_000_000) & 0xFFFFFFFF
        words = 0x8000 | flags  # data offset 8 words: 20 octets of header and 12 of options
        value = int.from_bytes(octets, "big")
        if length & 1:
            value <<= 8
        tcp = self._tcp_sum + 32 + length + seq + ack + words + 501 + 0x0101 + 0x080A + stamp + stamp + value
        self._out.append(
            (
                now_ns,
                self._ethernet[side]
                + _IP_HEAD.pack(0x4500, total, ip_id, 0x4000, 0x4006, 65535 - (self._ip_sum + total + ip_id) % 65535)
                + self._addresses[side]
                + _TCP.pack(
                    self._ports[side], self._ports[1 - side], seq, ack, words, 501, 65535 - tcp % 65535, 0,
                    0x0101080A, stamp, stamp,
                )
                + octets,
            )
        )  # fmt: skip


_IP_HEAD: Final = struct.Struct("!6H")
_TCP: Final = struct.Struct("!HHIIHHHHIII")
_mask_cache: dict[tuple[int, int], tuple[bytes, int]] = {}


def _mask_of(number: int, length: int) -> tuple[bytes, int]:
    """A masking key and the integer that masks `length` octets with it; cached."""
    found = _mask_cache.get((number, length))
    if found is None:
        key = hashlib.md5(number.to_bytes(2, "big"), usedforsecurity=False).digest()[:4]
        found = key, int.from_bytes((key * (length // 4 + 1))[:length], "big")
        if len(_mask_cache) < 100_000:
            _mask_cache[number, length] = found
    return found


class PcapFile:
    """Packets in; classic pcap with microseconds (or nanoseconds), or pcapng with nanoseconds, out."""

    def __init__(self, file: BinaryIO, options: Options) -> None:
        self._file = file
        self._pcapng = options.pcapng
        self._unit_ns = 1 if options.nanoseconds else 1000
        if options.pcapng:
            section = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
            interface = struct.pack("<HHI", 1, 0, 262144) + struct.pack("<HHB3x", 9, 1, 9) + b"\0\0\0\0"
            file.write(_block(0x0A0D0D0A, section) + _block(1, interface))
        else:
            magic = 0xA1B23C4D if options.nanoseconds else 0xA1B2C3D4
            file.write(struct.pack("<IHHiIII", magic, 2, 4, 0, 0, 262144, 1))

    def write(self, packets: list[Packet]) -> None:
        if self._pcapng:
            self._file.write(b"".join(map(_enhanced, packets)))
            return
        unit_ns = self._unit_ns
        parts: list[bytes] = []
        for now_ns, packet in packets:
            seconds, rest = divmod(now_ns, SECOND_NS)
            length = len(packet)
            parts.append(_RECORD.pack(seconds, rest // unit_ns, length, length))
            parts.append(packet)
        self._file.write(b"".join(parts))


_RECORD: Final = struct.Struct("<IIII")


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _enhanced(item: Packet) -> bytes:
    now_ns, packet = item
    length = len(packet)
    body = struct.pack("<IIIII", 0, now_ns >> 32, now_ns & 0xFFFFFFFF, length, length) + packet + bytes(-length % 4)
    return _block(6, body)


def generate(path: Path, options: Options, truth: TextIO | None = None, make: type[Connection] = Connection) -> Totals:
    """Write the capture; `truth` gets one line a message: capture time, station, sender and exact text."""
    chance = random.Random(options.seed)
    out: list[Packet] = []
    counter = itertools.count(1001)
    connections: list[Connection] = []
    dialogues: list[Iterator[Exchange]] = []
    waiting: list[tuple[int, int, Exchange]] = []
    for index in range(1, options.stations + 1):
        start_ns = START_NS + chance.randrange(30 * SECOND_NS)
        connection = make(index, options, chance, out)
        connection.open(start_ns)
        connections.append(connection)
        talker = Talker(index, start_ns + 50_000_000, lambda: next(counter))
        dialogues.append(DIALOGUES[options.version](talker))
        waiting.append((0, index - 1, next(dialogues[-1])))
    waiting = [(exchange.when_ns, index, exchange) for _, index, exchange in waiting]
    heapq.heapify(waiting)
    messages = packets = text_bytes = last_ns = 0
    end_ns = START_NS + int(options.minutes * 60 * SECOND_NS) if options.minutes else 1 << 62
    with path.open("wb", buffering=1 << 20) as file:
        capture = PcapFile(file, options)
        while messages < options.messages or options.minutes:
            when_ns, index, exchange = waiting[0]
            if when_ns > end_ns:
                break
            connections[index].exchange(exchange)
            messages += 2
            text_bytes += len(exchange.call) + len(exchange.answer)
            if truth is not None:
                _log(truth, connections[index].identity, exchange)
            following = next(dialogues[index])
            heapq.heapreplace(waiting, (following.when_ns, index, following))
            if len(out) > WAITING_PACKETS:
                packets += _flush(out, waiting[0][0], capture)
            last_ns = when_ns
        packets += _flush(out, 1 << 62, capture)
    return Totals(messages, text_bytes, packets, path.stat().st_size, last_ns)


def _flush(out: list[Packet], before_ns: int, capture: PcapFile) -> int:
    """Write what is surely earlier than all that will come."""
    out.sort(key=_first)
    low, high = 0, len(out)
    while low < high:
        middle = (low + high) // 2
        if out[middle][0] < before_ns:
            low = middle + 1
        else:
            high = middle
    capture.write(out[:low])
    del out[:low]
    return low


def _log(truth: TextIO, identity: str, exchange: Exchange) -> None:
    senders = ("station", "csms")
    call_ns = exchange.when_ns + CAPTURE_DELAY_NS
    for when_ns, sender, text in (
        (call_ns, senders[exchange.caller], exchange.call),
        (call_ns + exchange.delay_ns, senders[1 - exchange.caller], exchange.answer),
    ):
        truth.write(json.dumps({"ts_ns": when_ns, "station": identity, "sender": sender, "text": text.decode()}) + "\n")


def parse(arguments: list[str]) -> tuple[Path, Path | None, Options]:
    parser = argparse.ArgumentParser(prog="python -m bench.traffic", description=(__doc__ or "").splitlines()[0])
    default = Options()
    parser.add_argument("out", type=Path)
    parser.add_argument("--messages", type=int, default=default.messages)
    parser.add_argument("--stations", type=int, default=default.stations)
    parser.add_argument("--minutes", type=float, default=0.0, help="capture time instead of a number of messages")
    parser.add_argument("--version", choices=sorted(DIALOGUES), default=default.version)
    parser.add_argument("--compressed", action="store_true", help="permessage-deflate with context takeover")
    parser.add_argument("--no-context-takeover", dest="context_takeover", action="store_false")
    parser.add_argument("--mtu", type=int, default=default.mtu, help="68 to 9000 octets")
    parser.add_argument("--loss", type=float, default=0.0, help="fraction of data segments that the capture lacks")
    parser.add_argument("--retransmit", type=float, default=0.0, help="fraction sent again after 200 ms")
    parser.add_argument("--duplicate", type=float, default=0.0, help="fraction captured twice")
    parser.add_argument("--reorder", type=float, default=0.0, help="fraction swapped with the next (small --mtu only)")
    parser.add_argument("--one-address", action="store_true", help="all stations behind one address")
    parser.add_argument("--port", type=int, default=default.port)
    parser.add_argument("--pcapng", action="store_true")
    parser.add_argument("--nanoseconds", action="store_true", help="pcap with nanoseconds")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--truth", type=Path, help="also write every message as one JSON line")
    found = vars(parser.parse_args(arguments))
    if not 68 <= found["mtu"] <= 9000:
        parser.error("--mtu must be from 68 to 9000 octets")
    if found["one_address"] and found["stations"] > 64_000:
        parser.error("one address has room for 64,000 stations")
    path, truth = found.pop("out"), found.pop("truth")
    return path, truth, Options(**found)


def main(arguments: list[str] | None = None) -> int:
    path, truth, options = parse(sys.argv[1:] if arguments is None else arguments)
    begun = time.perf_counter()
    if truth is None:
        totals = generate(path, options)
    else:
        with truth.open("w", encoding="utf-8") as file:
            totals = generate(path, options, file)
    seconds = time.perf_counter() - begun
    print(
        f"{path}: {totals.messages:,} messages of {totals.text_bytes / max(totals.messages, 1):.0f} bytes on average, "
        f"{totals.packets:,} packets, {totals.file_bytes / 1e6:,.1f} MB, {(totals.last_ns - START_NS) / 3.6e12:.1f} h "
        f"of traffic; written in {seconds:.1f} s ({totals.packets / seconds:,.0f} packets/s)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
