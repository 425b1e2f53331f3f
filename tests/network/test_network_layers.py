"""Every link type, tag, tunnel and IP header; both lanes and every batch size must agree on each."""

from __future__ import annotations

import struct

import pytest
from packet_building import CSMS, CSMS6, MAC, STATION, STATION6, Seen, both, ethernet, ipv4, ipv6, run, tcp, udp

from ocpp_inspect.model import Flow
from ocpp_inspect.network import ANOMALIES

HELLO = tcp(b"hello", seq=7, ack=9, window=512)
V4, V6 = ipv4(HELLO), ipv6(HELLO)
SLL = struct.pack(">HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1\0\0", 0x0800)
SLL6 = SLL[:-2] + b"\x86\xdd"
SLL2 = struct.pack(">HHIHBB8s", 0x0800, 0, 3, 1, 0, 6, b"\2\0\0\0\0\1\0\0")
PPP4, PPP6 = b"\xff\x03\0\x21", b"\xff\x03\0\x57"


def pppoe(body: bytes) -> bytes:
    return struct.pack(">BBHH", 0x11, 0, 1, len(body) + 2) + b"\0\x21" + body


def gre(protocol: int, body: bytes, flags: int = 0, rest: bytes = b"") -> bytes:
    return ipv4(struct.pack(">HH", flags, protocol) + rest + body, protocol=47, source="1.1.1.1", target="2.2.2.2")


INNER = ethernet(V4)
DIRECT = {
    "ethernet": Seen(ethernet(V4)),
    "ethernet with IPv6": Seen(ethernet(V6, 0x86DD)),
    "802.1Q": Seen(ethernet(V4, tags=[0x8100])),
    "QinQ": Seen(ethernet(V4, tags=[0x88A8, 0x8100])),
    "three tags": Seen(ethernet(V6, 0x86DD, tags=[0x88A8, 0x8100, 0x9100])),
    "SLL": Seen(SLL + V4, link=113),
    "SLL with IPv6": Seen(SLL6 + V6, link=113),
    "SLL with a tag": Seen(SLL[:-2] + b"\x81\0\0\5\x08\0" + V4, link=113),
    "SLL2": Seen(SLL2 + V4, link=276),
    "raw": Seen(V4, link=101),
    "raw IPv6": Seen(V6, link=101),
    "raw, DLT of other systems": Seen(V4, link=12),
    "IPV4": Seen(V4, link=228),
    "IPV6": Seen(V6, link=229),
    "null, little": Seen(struct.pack("<I", 2) + V4, link=0),
    "null, big": Seen(struct.pack(">I", 2) + V4, link=0),
    "null IPv6 (BSD)": Seen(struct.pack("<I", 24) + V6, link=0),
    "null IPv6 (macOS)": Seen(struct.pack("<I", 30) + V6, link=0),
    "loop": Seen(struct.pack(">I", 2) + V4, link=108),
    "PPP": Seen(PPP4 + V4, link=9),
    "PPP IPv6": Seen(PPP6 + V6, link=9),
    "PPP, compressed": Seen(b"\x21" + V4, link=9),
    "PPP in HDLC framing": Seen(PPP4 + V4, link=50),
    "PPP with direction": Seen(b"\1" + PPP4 + V4, link=204),
    "PPP of pppd": Seen(b"\1\x03\0\x21" + V4, link=166),
    "Cisco HDLC": Seen(b"\x0f\0\x08\0" + V4, link=104),
    "PPPoE link": Seen(pppoe(V4), link=51),
    "PPPoE": Seen(ethernet(pppoe(V4), 0x8864)),
    "PPPoE behind a tag": Seen(ethernet(pppoe(V4), 0x8864, tags=[0x8100])),
    "SNAP": Seen(MAC + struct.pack(">H", 8 + len(V4)) + b"\xaa\xaa\x03\0\0\0\x08\0" + V4),
    "MPLS": Seen(ethernet(b"\0\1\x00\x40\0\2\x01\x40" + V4, 0x8847)),
    "MPLS with a control word": Seen(ethernet(b"\0\1\x01\x40\0\0\0\0" + INNER, 0x8847)),
    "IP in IP": Seen(ethernet(ipv4(V4, protocol=4, source="1.1.1.1"))),
    "6in4": Seen(ethernet(ipv4(V6, protocol=41, source="1.1.1.1"))),
    "4in6": Seen(ethernet(ipv6(V4, following=4, source="fe80::1"), 0x86DD)),
    "MPLS in IP": Seen(ethernet(ipv4(b"\0\1\x01\x40" + V4, protocol=137))),
    "GRE": Seen(ethernet(gre(0x0800, V4))),
    "GRE with checksum, key, sequence": Seen(ethernet(gre(0x86DD, V6, 0xB000, bytes(12)))),
    "GRE bridged": Seen(ethernet(gre(0x6558, INNER))),
    "ERSPAN I": Seen(ethernet(gre(0x88BE, INNER))),
    "ERSPAN II": Seen(ethernet(gre(0x88BE, INNER, 0x1000, bytes(4) + b"\x10\1\0\0\0\0\0\0"))),
    "ERSPAN III": Seen(ethernet(gre(0x22EB, INNER, 0x1000, bytes(4) + b"\x20\1" + bytes(10)))),
    "ERSPAN III with O": Seen(ethernet(gre(0x22EB, INNER, 0x1000, bytes(4) + b"\x20\1" + bytes(9) + b"\1" + bytes(8)))),
    "VXLAN": Seen(ethernet(ipv4(udp(b"\x08\0\0\0\0\0\5\0" + INNER, dport=4789), protocol=17))),
    "VXLAN over IPv6": Seen(ethernet(ipv6(udp(b"\x08\0\0\0\0\0\5\0" + INNER, dport=4789), following=17), 0x86DD)),
    "VXLAN on the port that Linux had": Seen(
        ethernet(ipv4(udp(b"\x08\0\0\0\0\0\5\0" + INNER, dport=8472), protocol=17))
    ),
    "VXLAN GPE": Seen(ethernet(ipv4(udp(b"\x0c\0\0\3\0\0\5\0" + INNER, dport=4790), protocol=17))),
    "VXLAN GPE with IP": Seen(ethernet(ipv4(udp(b"\x0c\0\0\1\0\0\5\0" + V4, dport=4790), protocol=17))),
    "Geneve with an option": Seen(
        ethernet(ipv4(udp(b"\2\0\x65\x58\0\0\5\0" + bytes(8) + INNER, dport=6081), protocol=17))
    ),
    "GTP": Seen(ethernet(ipv4(udp(b"\x30\xff\0\x2d\0\0\0\1" + V4, dport=2152), protocol=17))),
    "GTP with an extension header": Seen(
        ethernet(ipv4(udp(b"\x34\xff\0\x35\0\0\0\1\0\0\0\x85\1\0\5\0" + V4, dport=2152), protocol=17))
    ),
    "TZSP": Seen(ethernet(ipv4(udp(b"\1\0\0\1\0\x0d\1\5\1" + INNER, dport=37008), protocol=17))),
    "MPLS with Ethernet": Seen(ethernet(b"\0\1\1\x40" + INNER, 0x8847)),
    "IPv4 options": Seen(ethernet(ipv4(HELLO, options=b"\x94\4\0\0\1\1\1\0"))),
    "TCP options": Seen(ethernet(ipv4(tcp(b"hello", seq=7, ack=9, window=512, options=b"\1\1\x08\x0a" + bytes(8))))),
    "hop by hop": Seen(ethernet(ipv6(b"\6\0\5\2\0\0\1\0" + HELLO, following=0), 0x86DD)),
    "routing and destination": Seen(
        ethernet(ipv6(b"\x3c\0\0\0\0\0\0\0" + b"\6\1" + bytes(14) + HELLO, following=43), 0x86DD)
    ),
    "authentication header": Seen(ethernet(ipv6(b"\6\4" + bytes(22) + HELLO, following=51), 0x86DD)),
    "authentication header in IPv4": Seen(ethernet(ipv4(b"\6\4" + bytes(22) + HELLO, protocol=51))),
    "atomic fragment": Seen(ethernet(ipv6(b"\6\0\0\0\0\0\0\1" + HELLO, following=44), 0x86DD)),
}


@pytest.mark.parametrize("name", DIRECT)
def test_opens(name: str) -> None:
    packet = DIRECT[name]
    result = both([packet])
    assert result.rows == [(10**10 + 1, 0, 7, 9, 0x18, 512, b"hello", 0)]
    is_ipv6 = result.flows[0].a == STATION6
    assert result.flows == [Flow(0, *((STATION6, 40000, CSMS6, 80) if is_ipv6 else (STATION, 40000, CSMS, 80)))]
    assert not result.anomalies


def test_all_layers_mixed_in_one_batch() -> None:
    result = both(list(DIRECT.values()))
    assert len(result.rows) == len(DIRECT)
    assert result.payloads == [b"hello"] * len(DIRECT)
    assert result.counters["packets"] == result.counters["tcp"] == len(DIRECT)
    assert len(result.flows) == 2


@pytest.mark.parametrize("name", DIRECT)
def test_cut_at_every_octet(name: str) -> None:
    packet = DIRECT[name]
    full = len(packet.data)
    for cut in range(full):
        packets = [Seen(packet.data[:cut], original=full, link=packet.link)]
        result, slow = run(packets), run(packets, fast=False)
        assert (slow.rows, slow.anomalies, slow.counters) == (result.rows, result.anomalies, result.counters)
        assert len(result.rows) <= 1
        for row in result.rows:
            assert b"hello".startswith(row[6])
            assert len(row[6]) + row[7] == 5
        if not result.rows:
            assert set(result.names) <= {"network.truncated_headers"}


def test_padding_is_no_payload() -> None:
    result = both([ethernet(ipv4(tcp())), ethernet(ipv4(tcp(b"x")))])
    assert result.payloads == [b"", b"x"]


def test_snaplen() -> None:
    frame = ethernet(ipv4(tcp(b"0123456789" * 10)))
    result = both([Seen(frame[:96], original=len(frame))])
    assert [(row[6], row[7]) for row in result.rows] == [((b"0123456789" * 10)[:42], 58)]


def test_segmentation_offload_uses_the_captured_length() -> None:
    frame = ethernet(ipv4(tcp(b"z" * 3000), total=0))
    result = both([frame, Seen(frame[:1000], original=len(frame))])
    assert [(len(row[6]), row[7]) for row in result.rows] == [(3000, 0), (946, 2054)]
    assert not result.anomalies
    assert both([ethernet(ipv6(tcp(b"z" * 300), length=0), 0x86DD)]).payloads == [b"z" * 300]


def test_two_directions_of_two_pairs() -> None:
    there, back = ipv4(tcp(b"a")), ipv4(tcp(b"b", sport=80, dport=40000), source=CSMS, target=STATION)
    other = ipv4(tcp(b"c", sport=80, dport=40001), source=CSMS, target=STATION)
    result = both([ethernet(packet) for packet in (there, back, other, there, back)])
    assert [row[1] for row in result.rows] == [0, 1, 2, 0, 1]
    assert result.flows == [Flow(0, STATION, 40000, CSMS, 80), Flow(1, CSMS, 80, STATION, 40001)]


@pytest.mark.parametrize(
    ("packet", "name"),
    [
        (ethernet(ipv4(HELLO, head=0x35)), "network.bad_ip_header"),
        (ethernet(ipv4(HELLO, head=0x44)), "network.bad_ip_header"),
        (ethernet(ipv6(HELLO, head=0x50), 0x86DD), "network.bad_ip_header"),
        (ethernet(ipv4(HELLO, total=19)), "network.bad_ip_length"),
        (ethernet(ipv4(tcp(b"hello", data_offset=4))), "network.bad_tcp_header"),
        (ethernet(ipv4(tcp(b"hello", data_offset=7))), "network.bad_tcp_header"),
        (ethernet(V4, tags=[0x8100] * 40), "network.too_deep"),
        (Seen(ethernet(V4)[:30], original=60), "network.truncated_headers"),
        (Seen(b"junk" * 20, link=147), "network.unknown_link_type"),
        (ethernet(b"x" * 46, 0x1234), "network.unknown_protocol"),
        (ethernet(ipv4(b"x" * 40, protocol=200)), "network.unknown_protocol"),
    ],
)
def test_what_cannot_be_used_is_named(packet: Seen | bytes, name: str) -> None:
    result = both([packet])
    assert result.names == [name]
    assert not result.rows
    assert name in ANOMALIES


def test_unknown_kinds_are_named_once_and_counted() -> None:
    packets = [Seen(b"junk" * 20, link=147)] * 5 + [Seen(ethernet(b"x" * 60, 0x1234))] * 4
    packets += [Seen(ethernet(ipv4(b"x" * 40, protocol=200)))] * 3
    result = both(packets)
    assert result.names == ["network.unknown_link_type", "network.unknown_protocol", "network.unknown_protocol"]
    assert result.counters == {"packets": 12, "link type 147": 5, "ethertype 0x1234": 4, "IP protocol 200": 3}


def test_everyday_traffic_is_silent() -> None:
    packets = [ethernet(b"\0\1\x08\0\6\4" + bytes(22), 0x0806), ethernet(b"l" * 60, 0x88CC)]
    packets += [ethernet(ipv4(udp(b"d" * 40), protocol=17)), ethernet(ipv4(b"p" * 40, protocol=1))]
    packets += [ethernet(ipv6(b"p" * 40, following=58), 0x86DD), MAC + b"\0\x26\x42\x42\3" + bytes(35)]
    result = both(packets * 2)
    assert not result.anomalies
    assert not result.rows
    assert result.counters == {"packets": 12, "ARP": 2, "LLDP": 2, "udp": 2, "ICMP": 2, "ICMPv6": 2, "802.2 LLC": 2}


@pytest.mark.parametrize("port", [4789, 8472, 4790, 6081, 2152, 37008])
@pytest.mark.parametrize("body", [b"", b"\1", b"d" * 7, b"\x72" * 40, bytes(40), b"\x34\xff" + b"\xee" * 30])
def test_other_datagrams_to_the_port_of_a_tunnel_are_counted(port: int, body: bytes) -> None:
    result = both([ethernet(ipv4(udp(body, dport=port), protocol=17))])
    assert (result.rows, result.anomalies, result.counters) == ([], [], {"packets": 1, "udp": 1})


def test_length_that_lies_still_gives_what_is_there() -> None:
    result = both([ethernet(ipv4(HELLO, total=500))])
    assert result.names == ["network.bad_ip_length"]
    assert result.rows[0][6].startswith(b"hello")
    assert len(result.rows[0][6]) + result.rows[0][7] == 460


def test_anomalies_are_bounded_and_the_rest_is_told() -> None:
    result = both([ethernet(ipv4(HELLO, total=19))] * 7, anomalies=3)
    assert result.names == ["network.bad_ip_length"] * 3 + ["network.suppressed"]
    assert result.anomalies[-1].detail == "4 more of network.bad_ip_length"


def test_flow_table_forgets_the_one_idle_for_longest() -> None:
    def from_port(port: int) -> bytes:
        return ethernet(ipv4(tcp(b"x", sport=port)))

    packets = [from_port(port) for port in (1, 2, 3, 1, 4, 1, 2)]  # 4 pushes out 2, 2 pushes out 3
    result = both(packets, flows=3)
    assert [row[1] // 2 for row in result.rows] == [0, 1, 2, 0, 3, 0, 4]
    assert result.names == ["network.flow_limit"] * 2
    assert [anomaly.packet % 100 for anomaly in result.anomalies] == [5, 7]


def test_ipv6_addresses_are_forgotten_with_their_flows() -> None:
    packets = [ethernet(ipv6(tcp(b"x"), source=f"2001:db8::{i:x}:1"), 0x86DD) for i in range(60)]
    result = run(packets + packets[-1:], flows=2)
    assert [flow.a for flow in result.flows] == [f"2001:db8::{i:x}:1" if i else "2001:db8::1" for i in range(60)]
    assert result.rows[-1][1] == result.rows[-2][1]


def test_every_anomaly_is_produced_by_a_test() -> None:
    from pathlib import Path

    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in ANOMALIES if f'"{name}"' not in tests] == []
