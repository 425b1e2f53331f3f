"""Sizes in; wss traffic with its key log, and what ours and tshark need for it, out (`python -m bench.tls`, one run).

The same dialogues as `bench.traffic`, each connection inside of TLS 1.3 or 1.2 with AES-128-GCM. Keys are a function of
the station, and the handshakes carry what decryption needs (hellos, ChangeCipherSpec, Finished), no certificates.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.compare import Result, beginning, run, table
from bench.dialogue import CSMS, STATION
from bench.traffic import ACK, SYN, Connection, Options, generate
from ocpp_inspect.tls.schedule import expand_label, prf
from ocpp_inspect.tls.suites import suite_of

SUITE = {"1.3": 0x1301, "1.2": 0xC02F}
FIELDS = ("frame.number", "frame.time_epoch", "ip.src", "tcp.srcport", "websocket.payload.text")


def _derived(identity: str, what: str) -> bytes:
    return hashlib.sha256(f"{identity} {what}".encode()).digest()


def _record(kind: int, fragment: bytes) -> bytes:
    return bytes((kind, 3, 3)) + len(fragment).to_bytes(2, "big") + fragment


def _message(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + len(body).to_bytes(3, "big") + body


def _extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


class Sealer:
    """Encrypts the records of one direction."""

    def __init__(self, key: bytes, iv: bytes, is_13: bool) -> None:
        self._encrypt = AESGCM(key).encrypt
        self._iv = iv
        self._is_13 = is_13
        self._sequence = 0

    def record(self, kind: int, plain: bytes) -> bytes:
        number = self._sequence.to_bytes(8, "big")
        self._sequence += 1
        if self._is_13:
            header = b"\x17\x03\x03" + (len(plain) + 17).to_bytes(2, "big")
            nonce = bytes(a ^ b for a, b in zip(self._iv, b"\0\0\0\0" + number, strict=True))
            return header + self._encrypt(nonce, plain + bytes((kind,)), header)
        start = number + bytes((kind, 3, 3)) + len(plain).to_bytes(2, "big")
        return _record(kind, number + self._encrypt(self._iv + number, plain, start))


class SecuredConnection(Connection):
    """A connection whose octets go through TLS."""

    version = "1.3"

    def __init__(self, index: int, options: Options, *rest: Any) -> None:
        super().__init__(index, options, *rest)
        self._sealers: list[Sealer] = []

    def _data(self, now_ns: int, side: int, octets: bytes) -> None:
        if not self._sealers:
            self._secure(now_ns - 40_000_000)
        super()._data(now_ns, side, self._sealers[side].record(23, octets))

    def _segment(self, now_ns: int, side: int, octets: bytes, flags: int) -> None:
        if flags & SYN or not self._sealers:
            now_ns -= 50_000_000  # the handshake takes its time before the request
        super()._segment(now_ns, side, octets, flags)

    def _secure(self, now_ns: int) -> None:
        name, is_13 = self.identity, self.version == "1.3"
        client, server = _derived(name, "client random"), _derived(name, "server random")
        suite = SUITE[self.version].to_bytes(2, "big")
        offered = _extension(43, b"\x02\x03\x04") if is_13 else b""
        chosen = _extension(43, b"\x03\x04") if is_13 else b""
        hello = b"\x03\x03" + client + b"\0" + b"\0\x02" + suite + b"\x01\0" + len(offered).to_bytes(2, "big") + offered
        answer = b"\x03\x03" + server + b"\0" + suite + b"\0" + len(chosen).to_bytes(2, "big") + chosen
        finished = _message(20, bytes(32 if is_13 else 12))
        plain = super()._data
        plain(now_ns, STATION, _record(22, _message(1, hello)))
        if is_13:
            flight = _record(22, _message(2, answer)) + _record(20, b"\x01")
            sealers = [self._sealer(f"{who} handshake") for who in ("client", "server")]
            flight += sealers[CSMS].record(22, _message(8, b"\0\0") + finished)
            plain(now_ns + 1_000_000, CSMS, flight)
            plain(now_ns + 2_000_000, STATION, _record(20, b"\x01") + sealers[STATION].record(22, finished))
            self._sealers = [self._sealer(f"{who} traffic") for who in ("client", "server")]
        else:
            master = _derived(name, "master") + _derived(name, "master 2")[:16]
            block = prf(0x0303, suite_of(SUITE["1.2"]), master, b"key expansion", server + client, 40)
            self._sealers = [Sealer(block[:16], block[32:36], False), Sealer(block[16:32], block[36:], False)]
            plain(now_ns + 1_000_000, CSMS, _record(22, _message(2, answer) + _message(14, b"")))
            for side, delay_ns in ((STATION, 2_000_000), (CSMS, 3_000_000)):
                first = _record(22, _message(16, b"\x01\x04")) if side == STATION else b""
                plain(now_ns + delay_ns, side, first + _record(20, b"\x01") + self._sealers[side].record(22, finished))
        super()._segment(now_ns + 4_000_000, STATION, b"", ACK)

    def _sealer(self, what: str) -> Sealer:
        secret = _derived(self.identity, what)
        return Sealer(expand_label("sha256", secret, b"key", 16), expand_label("sha256", secret, b"iv", 12), True)


class SecuredConnection12(SecuredConnection):
    """The same in TLS 1.2."""

    version = "1.2"


def write_key_log(path: Path, stations: int, version: str) -> None:
    """The key log of a generated file."""
    lines = []
    for index in range(1, stations + 1):
        name = f"EW{index:06}"
        random = _derived(name, "client random").hex()
        if version == "1.2":
            lines.append(f"CLIENT_RANDOM {random} {(_derived(name, 'master') + _derived(name, 'master 2')[:16]).hex()}")
            continue
        for label, what in (
            ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "client handshake"),
            ("SERVER_HANDSHAKE_TRAFFIC_SECRET", "server handshake"),
            ("CLIENT_TRAFFIC_SECRET_0", "client traffic"),
            ("SERVER_TRAFFIC_SECRET_0", "server traffic"),
        ):
            lines.append(f"{label} {random} {_derived(name, what).hex()}")
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def generate_secured(path: Path, key_log: Path, options: Options, version: str = "1.3") -> Any:
    """A capture of wss traffic and its key log; returns the totals."""
    made = generate(path, options, make=SecuredConnection if version == "1.3" else SecuredConnection12)
    write_key_log(key_log, options.stations, version)
    return made


def ours(path: Path, key_log: Path, folder: Path, jobs: int | None) -> Result:
    database = folder / "ours.duckdb"
    program = "import sys; from ocpp_inspect.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "analyze", str(path), "--keylog", str(key_log), "--db", str(database)]
    command += ["--replace", "--fail-on", "never", "-q"] + (["--jobs", str(jobs)] if jobs else [])
    measured = run(command)
    import duckdb  # noqa: PLC0415

    with duckdb.connect(str(database), read_only=True) as connection:
        row = connection.execute("select count(*) from messages").fetchone()
    assert row is not None
    return Result("ocpp-inspect analyze --keylog", "decrypt, decode, validate, judge, store", row[0], *measured, False)


DECODE = """
import gc, sys
from pathlib import Path
from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.model import WsMessage
from ocpp_inspect.network import Network
from ocpp_inspect.tcp import Tcp
from ocpp_inspect.tls import Keys, Tls
from ocpp_inspect.websocket import WebSockets

gc.set_threshold(200_000, 50, 100)
keys = Keys()
keys.feed(Path(sys.argv[2]).read_bytes())
network, tcp, tls, websockets, found = Network(), Tcp(), Tls(keys), WebSockets(), 0
with CaptureReader([sys.argv[1]]) as reader:
    for batch in reader:
        items = websockets.feed(tls.feed(tcp.feed(network.feed(batch))))
        found += sum(type(item) is WsMessage for item in items)
print(found)
"""


def our_decoding(path: Path, key_log: Path, folder: Path) -> Result:
    """The same work that tshark does, in one process: everything below OCPP."""
    output = folder / "count.txt"
    measured = run([sys.executable, "-c", DECODE, str(path), str(key_log)], output)
    return Result(
        "ocpp-inspect, its rooms up to messages", "decrypt, decode", int(output.read_text()), *measured, False
    )


def tshark(path: Path, key_log: Path, folder: Path, port: int, *, is_slice: bool) -> Result:
    output = folder / "fields.txt"
    # Without a person's preferences and plugins: an installed dissector for OCPP shows the texts in another way.
    command = [
        "env",
        "HOME=/nonexistent",
        "tshark",
        "-n",
        "-r",
        str(path),
        "-o",
        f"tls.keylog_file:{key_log}",
        "-d",
        f"tcp.port=={port},tls",
    ]
    command += ["-d", f"tls.port=={port},http", "-Y", "websocket", "-T", "fields"]
    measured = run([*command, *(part for field in FIELDS for part in ("-e", field))], output)
    with output.open("rb") as lines:
        messages = sum(line.count(b"[2,") + line.count(b"[3,") for line in lines)
    return Result("tshark -o tls.keylog_file -T fields", "decrypt, decode", messages, *measured, is_slice)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.tls", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--tls", choices=["1.2", "1.3"], default="1.3")
    parser.add_argument("--slice", type=int, default=0, help="packets for tshark; default: the whole file")
    parser.add_argument("--jobs", type=int, help="of ours; default: its own default")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    with tempfile.TemporaryDirectory(prefix="ocpp-bench-") as name:
        folder = Path(name)
        path, key_log = folder / "site.pcap", folder / "site.keys"
        shape = Options(options.messages, options.stations, port=443)
        totals = generate_secured(path, key_log, shape, options.tls)
        print(f"{totals.messages:,} messages in TLS {options.tls}, {totals.file_bytes / 1e6:.0f} MB")
        part = beginning(path, folder / "slice.pcap", options.slice) if options.slice else path
        results = [ours(path, key_log, folder, options.jobs), our_decoding(path, key_log, folder)]
        results.append(tshark(part, key_log, folder, shape.port, is_slice=bool(options.slice)))
        print(table(results))
        whole, decoding, theirs = (each.cpu_seconds / each.messages for each in results)
        print(f"CPU time a message: tshark's is {theirs / decoding:.1f} × our decoding and {theirs / whole:.1f} × all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
