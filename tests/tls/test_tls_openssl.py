"""What Python's ssl cannot do, by openssl's own client and server: KeyUpdate, renegotiation, 0-RTT."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from tls_peers import Certificates, captured, free_port
from tshark_oracle import websocket_texts

from ocpp_inspect.pipeline import Options, analyze

UPGRADE = (
    b"GET /ocpp/%s HTTP/1.1\r\nHost: csms.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
Step = tuple[str, bytes]  # who writes ("c" client, "s" server), what; a line "K" or "R" is a command to s_client


def call(number: int) -> Step:
    text = b'[2,"%d","Heartbeat",{}]' % number
    key = b"\x01\x02\x03\x04"
    return "c", bytes((0x81, 0x80 | len(text))) + key + bytes(octet ^ key[i & 3] for i, octet in enumerate(text))


def answer(number: int) -> Step:
    text = b'[3,"%d",{"currentTime":"2026-01-01T00:00:00Z"}]' % number
    return "s", bytes((0x81, len(text))) + text


class Peers:
    """openssl s_server and s_client."""

    def __init__(self, folder: Path, port: int) -> None:
        self.pki = Certificates(folder)
        self.key_log = folder / "keys.log"
        self.capture = folder / "all.pcap"
        self.port = port

    def _await_listener(self) -> None:
        """Until the server listens; a connection to find out would be captured, too."""
        listening = re.compile(rf":{self.port:04X} [0-9A-F]+:0000 0A ")
        for _ in range(200):
            if any(listening.search(Path(f"/proc/net/{table}").read_text()) for table in ("tcp", "tcp6")):
                return
            time.sleep(0.05)
        raise AssertionError("openssl s_server does not listen")

    def _await_packets(self, before: int) -> None:
        """Until what was written is captured, and nothing more comes: then it is a record of its own."""
        size = before
        for _ in range(100):
            time.sleep(0.06)
            now = self.capture.stat().st_size
            if now > before and now == size:
                return
            size = now

    def talk(self, *conversations: tuple[list[str], list[Step]], server: tuple[str, ...] = ()) -> None:
        """One server, and its clients one after the other: (arguments of s_client, steps)."""
        own = self.pki.server_ec
        command = ["openssl", "s_server", "-accept", str(self.port), "-cert", str(own), "-key", str(own), "-quiet"]
        quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        serving = subprocess.Popen([*command, "-keylogfile", str(self.key_log), *server], **quiet)  # type: ignore[call-overload]
        try:
            self._await_listener()
            for arguments, steps in conversations:
                client = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", "csms.example"]
                before = self.capture.stat().st_size
                asking = subprocess.Popen([*client, *arguments], **quiet)  # type: ignore[call-overload]
                self._await_packets(before)
                for who, octets in steps:
                    before = self.capture.stat().st_size
                    pipe = asking.stdin if who == "c" else serving.stdin
                    pipe.write(octets)
                    pipe.flush()
                    self._await_packets(before)
                with contextlib.suppress(BrokenPipeError):
                    asking.stdin.close()
                try:
                    asking.wait(1)
                except subprocess.TimeoutExpired:
                    asking.kill()
                    asking.wait()
        finally:
            with contextlib.suppress(BrokenPipeError):
                serving.stdin.close()
            serving.kill()
            serving.wait()


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    folder = tmp_path_factory.mktemp("openssl")
    made = Peers(folder, free_port())
    dialogue = [call(1), answer(1)]
    with captured(folder / "all.pcap", made.port):
        updates: list[Step] = [("c", UPGRADE % b"UPDATE"), ("s", ANSWER), *dialogue, ("c", b"K\n"), call(2), answer(2)]
        made.talk((["-tls1_3"], [*updates, ("c", b"k\n"), call(3), answer(3)]))
        again: list[Step] = [("c", UPGRADE % b"AGAIN"), ("s", ANSWER), *dialogue, ("c", b"R\n"), call(2), answer(2)]
        made.talk((["-tls1_2", "-legacy_renegotiation"], again), server=("-client_renegotiation",))
        session, early = str(folder / "session.pem"), folder / "early.bin"
        early.write_bytes(UPGRADE % b"EARLY")
        made.talk(
            (["-tls1_3", "-sess_out", session], [("s", b"hello\n"), ("c", b"hello\n")]),
            (["-tls1_3", "-sess_in", session, "-early_data", str(early)], [("s", ANSWER), *dialogue]),
            server=("-early_data",),
        )
    yield made


def test_key_updates_renegotiation_and_early_data(peers: Peers, tmp_path: Path) -> None:
    capture, target = peers.key_log.parent / "all.pcap", tmp_path / "run.duckdb"
    analyze([str(capture)], target, Options(key_logs=(peers.key_log,), jobs=1))
    with duckdb.connect(str(target), read_only=True) as database:
        ours = database.execute("SELECT frame_no, raw FROM messages ORDER BY message_id").fetchall()
        by_station = dict(database.execute("SELECT station, count(*) FROM messages GROUP BY station").fetchall())
        anomalies = {name for (name,) in database.execute("SELECT name FROM anomalies").fetchall()}
        sessions = database.execute("SELECT outcome, resumed, early_data, lost_records FROM tls_sessions").fetchall()
    assert by_station == {"UPDATE": 6, "AGAIN": 4, "EARLY": 2}
    assert anomalies == {"tls.renegotiated", "tls.early_data"}
    assert sessions[-1] == ("completed", True, True, 0)
    theirs = websocket_texts(capture, [peers.port], key_log=peers.key_log)
    assert {(each.frame, each.text.decode()) for each in theirs} <= set(ours)  # tshark 4.0 lacks one connection


def test_what_tshark_reads_of_it_is_what_we_read(peers: Peers) -> None:
    theirs = websocket_texts(peers.key_log.parent / "all.pcap", [peers.port], key_log=peers.key_log)
    assert len(theirs) >= 6
