"""Mutated packets: nothing raises, both lanes and all batches agree; tshark reads the same from generated files."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_building import Seen, both, ethernet, ipv4, ipv6, run, tcp, udp
from test_network_layers import DIRECT

SHAPES = list(DIRECT.values())


def mutate(rng: random.Random, packet: Seen) -> Seen:
    data = bytearray(packet.data)
    for _ in range(rng.randrange(4)):
        data[rng.randrange(min(len(data), 70))] = rng.choice([0, 1, 4, 6, 0x45, 0x60, 0x81, 0xFF, rng.randrange(256)])
    if rng.random() < 0.3:
        del data[rng.randrange(len(data)) :]
    original = max(len(data), len(packet.data)) + rng.choice([0, 0, 0, 1, 1000])
    link = packet.link if rng.random() < 0.9 else rng.choice([0, 1, 9, 51, 101, 113, 276])
    return Seen(bytes(data), original=original, link=link, interface=rng.randrange(2))


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32))
def test_mutations_agree_in_both_lanes(seed: int) -> None:
    rng = random.Random(seed)
    packets = [mutate(rng, rng.choice(SHAPES)) for _ in range(rng.randrange(1, 25))]
    result, slow = run(packets), run(packets, fast=False, batch_packets=rng.randrange(1, 9))
    assert slow == result
    assert run(packets, batch_packets=rng.randrange(1, 9)) == result


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120), st.sampled_from([0, 1, 9, 50, 51, 101, 104, 108, 113, 166, 204, 228, 276]))
def test_random_octets(data: bytes, link: int) -> None:
    both([Seen(data, link=link)])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80), st.sampled_from([4, 41, 47, 137, 51, 17]))
def test_random_octets_inside_ip(data: bytes, protocol: int) -> None:
    body = udp(data, dport=4789) if protocol == 17 else data
    both([ethernet(ipv4(body, protocol=protocol))])


def random_segment(rng: random.Random) -> bytes:
    fields = {
        "sport": rng.randrange(1024, 65536),
        "dport": rng.choice([8180, 9000]),
        "flags": rng.choice([2, 16, 17, 24]),
    }
    numbers = {"seq": rng.randrange(2**32), "ack": rng.randrange(2**32), "window": rng.randrange(65536)}
    options = rng.choice([b"", b"\1\1\1\1", b"\1\1\x08\x0a" + rng.randbytes(8)])
    return tcp(rng.randbytes(rng.randrange(60)), options=options, **fields, **numbers)


def random_packet(rng: random.Random, link: int) -> bytes:
    body = random_segment(rng)
    number = 0x0800
    ip = ipv4(
        body, identification=rng.randrange(1, 65536), ttl=rng.randrange(1, 255), source=f"10.1.{rng.randrange(256)}.5"
    )
    if rng.random() < 0.4:
        number = 0x86DD
        ip = ipv6(body, source=f"2001:db8::{rng.randrange(1, 65536):x}")
        if rng.random() < 0.4:
            ip = ipv6(b"\6\0\5\2\0\0\1\0" + body, following=0)
    heads = {
        1: ethernet(ip, number, tags=rng.choice([(), (0x8100,), (0x88A8, 0x8100)])),
        113: struct.pack(">HHH8sH", 0, 1, 6, bytes(8), number) + ip,
        276: struct.pack(">HHIHBB8s", number, 0, 3, 1, 0, 6, bytes(8)) + ip,
        101: ip,
        228: ip,
        229: ip,
        0: struct.pack("<I", 2 if number == 0x0800 else 30) + ip,
        108: struct.pack(">I", 2 if number == 0x0800 else 30) + ip,
        9: b"\xff\x03\0" + (b"\x21" if number == 0x0800 else b"\x57") + ip,
        50: b"\xff\x03\0" + (b"\x21" if number == 0x0800 else b"\x57") + ip,
        204: b"\0\xff\x03\0" + (b"\x21" if number == 0x0800 else b"\x57") + ip,
        104: b"\x0f\0" + struct.pack(">H", number) + ip,
        51: struct.pack(">BBHH", 0x11, 0, 1, len(ip) + 2) + (b"\0\x21" if number == 0x0800 else b"\0\x57") + ip,
    }
    if (link, number) in {(228, 0x86DD), (229, 0x0800)}:
        return random_packet(rng, link)
    return heads[link]


FIELDS = [
    "frame.number",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.window_size_value",
]


def tshark_rows(path: Path) -> list[tuple[int, ...]]:
    command = ["tshark", "-n", "-r", str(path), "-d", "udp.port==8472,vxlan", "-Y", "tcp", "-T", "fields"]
    command += ["-E", "occurrence=l"]
    for field in [*FIELDS, "tcp.payload"]:
        command += ["-e", field]
    rows = []
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        *numbers, payload = line.split("\t")
        rows.append((*(int(number, 0) for number in numbers), payload))
    return rows


@pytest.mark.tshark
@pytest.mark.parametrize("link", [0, 1, 9, 50, 51, 101, 104, 108, 113, 204, 228, 229, 276])
def test_tshark_reads_the_same_from_every_link_type(tmp_path: Path, link: int) -> None:
    rng = random.Random(link)
    packets = [random_packet(rng, link) for _ in range(60)]
    if link == 1:
        # tshark wants to be told what a pseudowire carries
        known = [name for name in DIRECT if not name.startswith("MPLS with ")]
        packets += [DIRECT[name].data for name in known if DIRECT[name].link == 1]
    content = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, link)
    for index, packet in enumerate(packets):
        content += struct.pack("<IIII", 1_700_000_000 + index, 0, len(packet), len(packet)) + packet
    path = tmp_path / "random.pcap"
    path.write_bytes(content)
    result = run([Seen(packet, link=link) for packet in packets])
    ports = {flow.pair: (flow.a_port, flow.b_port) for flow in result.flows}
    ours = []
    for packet, flow, seq, ack, flags, window, payload, _ in result.rows:
        source, target = ports[flow // 2][:: -1 if flow & 1 else 1]
        ours.append((packet % 10**10, source, target, seq, ack, flags, window, payload.hex()))
    assert ours == tshark_rows(path)
    assert len(ours) == len(packets)
