"""A database and its captures in; a pcapng file with the packets of some connections, findings as comments, out.

A colleague opens exactly the evidence: whole connections (handshake and all, so that every tool can read them), each
frame that proves a finding with the finding as its packet comment (draft-ietf-opsawg-pcapng §4.3, opt_comment).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from ocpp_inspect.capture import CaptureError, CaptureReader
from ocpp_inspect.capture.pcapng_writer import PcapngWriter
from ocpp_inspect.model import Int64, PacketBatch, packet_key
from ocpp_inspect.network import Network
from ocpp_inspect.pipeline.clock import ClockWatch

_MARGIN_NS: Final = 2 * 10**9
"""Packets of a handshake and of an end lie this much around the connection's own times."""

_COMMENT_CHARACTERS: Final = 2_000

_CONNECTIONS: Final = (
    "SELECT client, client_port, server, server_port, epoch_ns(opened_at), epoch_ns(closed_at) FROM connections"
    " WHERE (? IS NULL OR station = ?) AND (? IS NULL OR epoch_ns(closed_at) >= ?)"
    " AND (? IS NULL OR epoch_ns(opened_at) < ?)"
)
# A station over SOAP has one row for all its TCP connections: these are where its messages came.
_OVER_SOAP: Final = (
    "SELECT client, client_port, server, server_port, min(epoch_ns(ts)), max(epoch_ns(ts)) FROM soap_messages"
    " WHERE (? IS NULL OR station = ?) AND (? IS NULL OR epoch_ns(ts) >= ?) AND (? IS NULL OR epoch_ns(ts) < ?)"
    " GROUP BY tcp_connection_id, client, client_port, server, server_port"
)
_HAS_SOAP: Final = "SELECT 1 FROM duckdb_tables() WHERE table_name = 'soap_messages'"
_FINDINGS: Final = (
    "SELECT evidence_captures, evidence, rule, severity, verdict, blame, text, reference FROM findings"
    " WHERE (? IS NULL OR station = ?) ORDER BY finding_id"
)

_Endpoint = tuple[str, int]


class Excerpt:
    """Writes the excerpt; `packets` and `comments` count what was written."""

    def __init__(self, database: Any, station: str | None, since_ns: int | None, until_ns: int | None) -> None:
        self._since_ns, self._until_ns = since_ns, until_ns
        self._captures: list[tuple[int, str]] = database.execute(
            "SELECT capture_id, coalesce(absolute_path, path) FROM captures WHERE format LIKE 'pcap%' ORDER BY 1"
        ).fetchall()
        self._wanted: dict[frozenset[_Endpoint], list[tuple[int, int]]] = {}
        parameters = [station, station, since_ns, since_ns, until_ns, until_ns]
        found = database.execute(_CONNECTIONS, parameters).fetchall()
        if database.execute(_HAS_SOAP).fetchone() is not None:
            found += database.execute(_OVER_SOAP, parameters).fetchall()
        for client, client_port, server, server_port, opened, closed in found:
            ends = frozenset({(client or "", client_port or 0), (server or "", server_port or 0)})
            self._wanted.setdefault(ends, []).append(((opened or 0) - _MARGIN_NS, (closed or 2**62) + _MARGIN_NS))
        self._comments = _comments(database, station)
        self._chosen: Int64 = np.zeros(1024, dtype=np.int64)  # by endpoint pair: 1 + place of its times, 0: not wanted
        self._times: list[list[tuple[int, int]]] = []
        self.packets = 0
        self.comments = 0

    def write(self, stream: IO[bytes]) -> None:
        """Read the captures again and write what belongs to the connections.

        Raises CaptureError when a capture is not where it was.
        """
        if not self._captures:
            raise CaptureError("the database", "holds no packet captures", "an excerpt needs the packets themselves")
        writer = PcapngWriter("ocpp-inspect", {})
        stream.write(writer.section())
        for capture, path in self._captures:
            if not Path(path).is_file():
                raise CaptureError(path, "is not there any more", "put the capture back to where it was analysed")
            network = Network()
            self._chosen[:] = 0
            with CaptureReader([path], first_capture=capture, watch=ClockWatch) as reader:
                for batch in reader:
                    part = self._part(batch, network)
                    self.packets += len(part.packet)
                    keys = set(part.packet.tolist()) & self._comments.keys()
                    self.comments += len(keys)
                    stream.write(writer.packets(part, {key: self._comments[key] for key in keys}))

    def _part(self, batch: PacketBatch, network: Network) -> PacketBatch:
        segments = network.feed(batch)
        for flow in segments.new_flows:
            while flow.pair >= len(self._chosen):
                self._chosen = np.concatenate([self._chosen, np.zeros(len(self._chosen), dtype=np.int64)])
            times = self._wanted.get(frozenset({(flow.a, flow.a_port), (flow.b, flow.b_port)}))
            self._chosen[flow.pair] = 0
            if times is not None:
                self._times.append(times)
                self._chosen[flow.pair] = len(self._times)
        chosen = self._chosen[segments.flow >> 1]
        keep = chosen > 0
        for row in np.flatnonzero(keep).tolist():
            ts_ns = int(segments.ts_ns[row])
            if not any(first <= ts_ns <= last for first, last in self._times[int(chosen[row]) - 1]):
                keep[row] = False
        mask = np.isin(batch.packet, segments.packet[keep])
        if self._since_ns is not None:
            mask &= batch.ts_ns >= self._since_ns
        if self._until_ns is not None:
            mask &= batch.ts_ns < self._until_ns
        return PacketBatch(
            batch.octets,
            *(getattr(batch, name)[mask] for name in (
                "packet", "position", "ts_ns", "offset", "captured", "original", "link", "interface",
            )),
        )  # fmt: skip


def _comments(database: Any, station: str | None) -> Mapping[int, str]:
    """Packet key → what the findings say that it proves."""
    found: dict[int, str] = {}
    for captures, frames, rule, severity, verdict, blame, text, reference in database.execute(
        _FINDINGS, [station, station]
    ).fetchall():
        state = "" if verdict == "violation" else ", inconclusive"
        words = f"{rule} {severity}{state}, {blame}: {text}" + (f" [{reference}]" if reference else "")
        for capture, frame in zip(captures or (), frames or (), strict=False):
            key = packet_key(capture, frame)
            found[key] = f"{found[key]}\n{words}"[:_COMMENT_CHARACTERS] if key in found else words[:_COMMENT_CHARACTERS]
    return found
