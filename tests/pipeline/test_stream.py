"""Streams without packets, as a proxy feeds them: the same messages, findings and ticks as with packets."""

from __future__ import annotations

import base64
import hashlib

import numpy as np
import pytest
from websockets.frames import Frame, Opcode

from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.model import (
    Anomaly,
    ConnectionClosed,
    Flow,
    Loss,
    OcppMessage,
    PacketBatch,
    StreamClosed,
    StreamData,
    StreamItem,
    StreamOpened,
    Upgrade,
    packet_key,
)
from ocpp_inspect.pipeline import Options
from ocpp_inspect.pipeline.chain import Chain
from ocpp_inspect.pipeline.rules import built_in_and
from ocpp_inspect.pipeline.stream import Decoded, StreamChain
from ocpp_inspect.resources import data_directory

START_NS = 1_767_225_600 * 10**9
SECOND_NS = 10**9
KEY = base64.b64encode(b"sixteen octets!!").decode()
BOOT = b'[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
ACCEPTED = b'[3,"1",{"status":"Accepted","currentTime":"2026-01-01T00:00:00Z","interval":300}]'
HEARTBEAT = b'[2,"2","Heartbeat",{}]'


class Relay:
    """Writes the items that a relay of one connection would feed."""

    def __init__(self, capture: int = 1) -> None:
        self.capture, self.number, self.now_ns = capture, 0, START_NS
        self.sent = [0, 0]
        self.items: list[StreamItem] = []
        key = self._next()
        self.connection = key
        flow = Flow(0, "192.0.2.10", 40000, "192.0.2.1", 9000)
        self.items.append(StreamOpened(key, flow, self.now_ns, key, self.number, 0, False))

    def _next(self) -> int:
        self.number += 1
        return packet_key(self.capture, self.number)

    def send(self, direction: int, data: bytes) -> None:
        self.items.append(
            StreamData(
                self.connection, 0, direction, self.now_ns, self._next(), self.number, self.sent[direction], data
            )
        )
        self.sent[direction] += len(data)

    def text(self, direction: int, text: bytes) -> None:
        self.send(direction, Frame(Opcode.TEXT, text).serialize(mask=direction == 0))

    def upgrade(self) -> None:
        accept = base64.b64encode(
            hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()  # noqa: S324 RFC 6455 §4.2.2
        ).decode()
        self.send(
            0,
            f"GET /ocpp/CP1 HTTP/1.1\r\nHost: csms\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode(),
        )
        self.send(
            1,
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode(),
        )

    def close(self) -> None:
        self.items.append(StreamClosed(self.connection, 0, self.now_ns, self._next(), self.number, "fin", 0, 0))

    def take(self) -> list[StreamItem]:
        items, self.items = self.items, []
        return items


@pytest.fixture
def chain() -> StreamChain:
    return StreamChain(built_in_and(Options()))


def messages(decoded: Decoded) -> list[tuple[str, str, str, str]]:
    return [(m.station, m.kind, m.side, m.action) for m in decoded.items if type(m) is OcppMessage]


def about_answers(decoded: Decoded) -> list[str]:
    """Verdicts on CALLs without an answer."""
    return [finding.verdict for finding in decoded.findings if finding.rule == "RPC-005"]


def test_streams_become_messages_and_a_connection(chain: StreamChain) -> None:
    relay = Relay(capture=7)
    relay.upgrade()
    relay.text(0, BOOT)
    relay.text(1, ACCEPTED)
    decoded = chain.feed(relay.take())
    assert messages(decoded) == [
        ("CP1", "CALL", "station", "BootNotification"),
        ("CP1", "CALLRESULT", "csms", "BootNotification"),
    ]
    upgrade = next(item for item in decoded.items if type(item) is Upgrade)
    assert (upgrade.client, upgrade.client_port, upgrade.server_port) == ("192.0.2.10", 40000, 9000)
    assert upgrade.packet // 10**10 == 7
    relay.close()
    closed = [item for item in chain.feed(relay.take()).items if type(item) is ConnectionClosed]
    assert [(item.station, item.version, item.closed_by, item.messages) for item in closed] == [
        ("CP1", "1.6", "station", 2)
    ]


def test_any_cut_of_the_streams_gives_the_same(chain: StreamChain) -> None:
    relay = Relay()
    relay.upgrade()
    relay.text(0, BOOT)
    relay.text(1, ACCEPTED)
    whole = chain.feed(relay.take())
    single = StreamChain(built_in_and(Options()))
    relay = Relay()
    relay.upgrade()
    mask = Frame(Opcode.TEXT, BOOT).serialize(mask=True)
    for octet in mask:
        relay.send(0, bytes([octet]))
    for octet in Frame(Opcode.TEXT, ACCEPTED).serialize(mask=False):
        relay.send(1, bytes([octet]))
    found: list[tuple[str, str, str, str]] = []
    for item in relay.take():
        found += messages(single.feed([item]))
    assert found == messages(whole)


def test_the_clock_tells_an_unanswered_call_though_nothing_comes(chain: StreamChain) -> None:
    relay = Relay()
    relay.upgrade()
    relay.text(0, BOOT)
    relay.text(1, ACCEPTED)
    relay.text(0, HEARTBEAT)
    assert not about_answers(chain.feed(relay.take()))
    assert not about_answers(chain.tick(START_NS + 20 * SECOND_NS))
    assert about_answers(chain.tick(START_NS + 200 * SECOND_NS)) == ["violation"]
    assert not about_answers(chain.finish())


def test_a_finish_is_no_tick(chain: StreamChain) -> None:
    relay = Relay()
    relay.upgrade()
    relay.text(0, HEARTBEAT)
    assert not about_answers(chain.feed(relay.take()))
    assert not about_answers(chain.finish())


def packets_of(sample: str) -> PacketBatch:
    """All packets of a sample."""
    with CaptureReader([str(data_directory("rules").parent / "samples" / sample)]) as reader:
        (batch,) = reader
    return batch


def dropping(batch: PacketBatch, name: str = "capture.dropped_packets") -> PacketBatch:
    """The batch, at whose end the capturing machine reports that it dropped packets (or that its clock was set)."""
    last = len(batch.packet) - 1
    told = Anomaly(name, int(batch.ts_ns[last]), int(batch.packet[last]), int(batch.position[last]))
    batch.anomalies.append(told)
    return batch


@pytest.mark.parametrize("drops", ["", "capture.dropped_packets", "capture.clock_set"])
def test_drops_of_the_capturing_machine_taint_what_is_awaited(drops: str) -> None:
    chain = Chain(built_in_and(Options()))
    batch = packets_of("ocpp16-day.pcap")
    # The capture stops behind some CALL: its answer is missing.
    decoded = Chain(built_in_and(Options())).feed(batch)
    call = next(m for m in decoded.items if type(m) is OcppMessage and m.kind == "CALL" and m.action == "Heartbeat")
    cut = int(np.searchsorted(batch.position, call.position, "right"))
    columns = ("packet", "position", "ts_ns", "offset", "captured", "original", "link", "interface")
    head = PacketBatch(batch.octets, *(getattr(batch, name)[:cut] for name in columns))
    decoded = chain.feed(dropping(head, drops) if drops else head)
    assert [(item.connection, item.cause) for item in decoded.items if type(item) is Loss] == [(0, "drops")] * bool(
        drops
    )
    verdicts = {
        finding.verdict
        for finding in chain.tick(int(head.ts_ns[-1]) + 300 * SECOND_NS).findings
        if finding.rule == "RPC-005" and finding.message_id == call.message_id
    }
    assert verdicts == ({"inconclusive"} if drops else {"violation"})


def test_every_worker_judges_drops_and_the_first_alone_tells_them() -> None:
    batch = packets_of("five-stations.pcap")
    told = []
    for index in range(2):
        decoded = Chain(built_in_and(Options()), index=index, count=2).feed(dropping(batch))
        batch.anomalies.clear()
        told.append([item.cause for item in decoded.items if type(item) is Loss])
    assert told == [["drops"], []]
