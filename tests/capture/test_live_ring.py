"""The kernel's ring: drops are counted and told, VLAN tags come back, filters are compiled alike by both ways."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from net_namespace import Namespace, namespace

from ocpp_inspect.capture import CaptureError
from ocpp_inspect.capture.live import kernel_filter
from ocpp_inspect.capture.live.interfaces import interfaces
from ocpp_inspect.capture.live.kernel_filter import compile_filter, filter_of
from ocpp_inspect.capture.live.ring import COOKED, ETHERNET, _cook, _put_tags_back


@pytest.fixture(scope="module")
def net() -> Iterator[Namespace]:
    with namespace() as found:
        yield found


def run(net: Namespace, script: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(net.run(sys.executable, "-c", script).stdout)
    return found


DROPS = """
import json, socket, time
from ocpp_inspect.capture.live.network import NetworkSource
from ocpp_inspect.capture.live.ring import Ring
source = NetworkSource([Ring("lo", ring_octets=1024 * 1024)])
source.begin(1)
sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range(4000):
    sending.sendto(number.to_bytes(4, "big") + bytes(1000), ("127.0.0.1", 9))
anomalies, packets = [], 0
deadline = time.monotonic() + 3
while time.monotonic() < deadline and not anomalies:
    for batch in source.poll(0.1):
        packets += len(batch.packet)
        anomalies += [(a.name, a.detail, a.packet % 10**10) for a in batch.anomalies]
source.stop()
while not source.has_ended:
    for batch in source.poll(0.1):
        packets += len(batch.packet)
print(json.dumps({"packets": packets, "dropped": source.info.dropped_packets, "anomalies": anomalies,
                  "totals": source.dropped}))
"""


def test_drops_are_counted_exactly_and_told(net: Namespace) -> None:
    found = run(net, DROPS)
    packets, dropped = found["packets"], found["dropped"]
    assert isinstance(packets, int) and isinstance(dropped, int)
    assert dropped > 0
    # Loopback answers each datagram with an ICMP error.
    assert 4000 < packets + dropped <= 8000
    assert isinstance(found["anomalies"], list)
    ((name, detail, frame),) = found["anomalies"]
    assert name == "capture.dropped_packets" and f"lo: {dropped}" in detail and 0 < frame <= packets
    assert found["totals"] == {str(1 << 32): dropped}


CLOCK = """
import json, time as real
from types import SimpleNamespace
from ocpp_inspect.capture.live import network
from ocpp_inspect.capture.live.ring import Ring
ahead = 0
network.time = SimpleNamespace(
    time_ns=lambda: real.time_ns() + ahead, monotonic_ns=real.monotonic_ns, monotonic=real.monotonic, sleep=real.sleep
)
source = network.NetworkSource([Ring("lo", ring_octets=1024 * 1024)])
source.begin(1)
found = []
for ahead in (0, 10**6, 3600 * 10**9, 3600 * 10**9, 0, 0):
    found.append([[a.name for batch in source.poll(0.01) for a in batch.anomalies], source.take_news(),
                  abs(source.now_ns() - real.time_ns() - ahead) < 10**9])
source.close()
print(json.dumps({"found": found}))
"""


def test_a_clock_that_is_set_is_told(net: Namespace) -> None:
    runs: list[object] = [[], [], True]
    forth: list[object] = [["capture.clock_set"], ["the clock of this machine was set by +3600.0 s"], True]
    back: list[object] = [["capture.clock_set"], ["the clock of this machine was set by -3600.0 s"], True]
    assert run(net, CLOCK)["found"] == [runs, runs, forth, runs, back, runs]


FILTERED = """
import json, socket, time
from ocpp_inspect.capture.live import open_interfaces
source = open_interfaces([NAMES], ports=[9000], text="not port 9")
source.begin(1)
listening = [socket.create_server(("127.0.0.1", port)) for port in (9000, 9001)]
talking = [socket.create_connection(server.getsockname()) for server in listening]
for each in talking: each.sendall(b"hello")
source.stop()
ports = set()
while not source.has_ended:
    for batch in source.poll(0.1):
        for at, size in zip(batch.offset.tolist(), batch.captured.tolist()):
            tcp = bytes(batch.octets[at + HEADER : at + size])
            ports |= {int.from_bytes(tcp[20:22], "big"), int.from_bytes(tcp[22:24], "big")}
print(json.dumps({"ports": sorted(ports & {9000, 9001}), "any": bool(ports)}))
"""


@pytest.mark.parametrize(("name", "header"), [("lo", 14), ("any", 20)])
def test_the_kernel_filters(net: Namespace, name: str, header: int) -> None:
    script = FILTERED.replace("NAMES", repr(name)).replace("HEADER", str(header))
    assert run(net, script) == {"ports": [9000], "any": True}


def test_interfaces_are_listed_with_their_addresses(net: Namespace) -> None:
    script = (
        "import json; from ocpp_inspect.capture.live.interfaces import interfaces\n"
        "print(json.dumps({each.name: [each.is_up, each.addresses, each.note] for each in interfaces()}))"
    )
    found = run(net, script)
    assert found["lo"] == [True, ["127.0.0.1/8", "::1/128"], "loopback"]
    assert "any" in found


def test_an_interface_that_is_not_there_is_said(net: Namespace) -> None:
    script = (
        "import json; from ocpp_inspect.capture import CaptureError; from ocpp_inspect.capture.live import *\n"
        "try: open_interfaces(['eth99'])\n"
        "except CaptureError as error: print(json.dumps({'said': str(error)}))"
    )
    said = str(run(net, script)["said"])
    assert said.startswith("eth99: no such interface (there is lo")


def test_the_machine_has_interfaces() -> None:
    assert {"lo", "any"} <= {each.name for each in interfaces()}


# --------------------------------------------------------------------------- filters


@pytest.mark.parametrize("text", ["tcp port 9000", filter_of([80, 443], ""), filter_of([9000], "host 192.0.2.1")])
@pytest.mark.parametrize("link", [ETHERNET, 12])
def test_libpcap_and_tcpdump_compile_alike(text: str, link: int) -> None:
    text = kernel_filter._without_vlan(text) if link == 12 else text
    by_libpcap = kernel_filter._by_libpcap(text, link)
    assert by_libpcap is not None and len(by_libpcap) > 3
    assert kernel_filter._by_tcpdump(text, link) == by_libpcap


def test_no_filter_is_no_program() -> None:
    assert compile_filter("", ETHERNET) == [] == compile_filter("  ", COOKED)


def test_a_wrong_filter_is_said() -> None:
    with pytest.raises(CaptureError, match=r"filter 'tcp prt 9000'.*is not understood.*man pcap-filter"):
        compile_filter("tcp prt 9000", ETHERNET)


# --------------------------------------------------------------------------- headers


def test_a_tag_goes_back_to_its_place() -> None:
    frame = bytes(range(12)) + b"\x08\x00" + b"payload"
    view = np.frombuffer(bytearray(bytes(4) + frame), np.uint8)
    words = np.zeros((1, 10), np.int64)
    words[0, 5], words[0, 8] = 0x10 | 0x40, 0x2005
    words[0, 9] = 0x8100 if sys.byteorder == "little" else 0x8100 << 16
    _put_tags_back(view, np.array([4]), words, np.array([0]))
    assert view.tobytes() == bytes(range(12)) + b"\x81\x00\x20\x05\x08\x00payload"


def test_a_cooked_header_says_what_the_kernel_said() -> None:
    address = (
        struct.pack("=H", 17) + b"\x08\x00" + struct.pack("=iH", 3, 1) + b"\x04\x06" + b"\xaa\xbb\xcc\xdd\xee\xff\0\0"
    )
    view = np.frombuffer(bytearray(bytes(20) + b"ip"), np.uint8)
    _cook(view, np.array([20]), np.frombuffer(address, np.uint8).reshape(1, 20))
    assert view.tobytes().hex(" ") == "08 00 00 00 00 00 00 03 00 01 04 06 aa bb cc dd ee ff 00 00 69 70"
