"""`live` on real interfaces with real stations: what it says, keeps and gives up; ended in every way."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from live.conftest import COMMAND, ROOT, Live, rows
from net_namespace import Namespace

from ocpp_inspect.pipeline import Options, analyze

Start = Callable[..., Live]
PEERS = ROOT / "tests" / "live_peers.py"
RULE = """
id: TST-001
name: no-quick-answer
title: A CALL has no answer within a second
severity: warning
blame: receiver
block: rpc
reference: this test
why: It lets a test wait for a second only.
benign: Always.
when: CALL
by: [call]
expect: {when: [CALLRESULT, CALLERROR], within: 1 s}
message: "{action} {unique_id} has no answer within {within}"
examples:
  - |
    0.0   > [2,"7","Heartbeat",{}]
    1.1   # TST-001
"""


def peers(net: Namespace, address: str, port: int, seconds: float) -> subprocess.Popen[str]:
    return net.start(sys.executable, PEERS, address, port, seconds, stdout=subprocess.DEVNULL)


def listening(running: Live) -> None:
    """Wait until it captures: then it has given its rights up."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="ascii")
        if "NoNewPrivs:\t1" in status or f"Uid:\t{os.geteuid()}" not in status:
            break
        time.sleep(0.05)
    time.sleep(0.3)


@pytest.fixture(scope="module")
def recorded(net: Namespace, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Live]:
    """What `live` made of some seconds of three stations; ended by SIGINT."""
    folder = tmp_path_factory.mktemp("recorded")
    running = Live(net, "-i", "lo", "--db", folder / "live.duckdb", "--write", folder / "live.pcapng")
    listening(running)
    with peers(net, "127.0.0.1", 9000, 6) as talking:
        running.until("CP-2")
        talking.wait()
    time.sleep(0.3)
    assert running.end() == 0, running.errors
    assert running.process.stdout is not None and running.process.stderr is not None
    running.process.stdout.close()
    running.process.stderr.close()
    return folder, running


def test_the_written_file_gives_the_same_when_it_is_analysed(recorded: tuple[Path, Live]) -> None:
    folder, _ = recorded
    analyze([str(folder / "live.pcapng")], folder / "file.duckdb", Options(jobs=1))
    for table in ("message_records", "upgrades", "connections", "controls", "losses"):
        query = f"SELECT * FROM {table} ORDER BY ALL"  # noqa: S608
        assert rows(folder / "live.duckdb", query) == rows(folder / "file.duckdb", query), table
    query = "SELECT * EXCLUDE finding_id FROM findings ORDER BY ALL"
    found = rows(folder / "live.duckdb", query)
    assert found == rows(folder / "file.duckdb", query)
    assert {"BOOT-001", "SCH-001", "FRM-001"} <= {row[0] for row in found}
    assert rows(folder / "live.duckdb", "SELECT count(*) > 30 FROM messages") == [(True,)]


def test_nothing_is_dropped_and_the_capture_is_described(recorded: tuple[Path, Live]) -> None:
    folder, _ = recorded
    ((path, form, links, packets, dropped, first, last),) = rows(
        folder / "live.duckdb",
        "SELECT path, format, link_types, packets, dropped_packets, first_ts, last_ts FROM captures",
    )
    assert (path, form, links, dropped) == ("live:lo", "live", ["EN10MB"], 0)
    assert packets > 60 and first < last


def test_lines_tell_messages_findings_and_connections(recorded: tuple[Path, Live]) -> None:
    _, running = recorded
    said = "\n".join(running.lines)
    for text in (
        "CP-1             ──▶ BootNotification  boots: Wallbox & Co Model 1",
        "connected to /ocpp/CP-3: ocpp1.6",
        "✖ BOOT-001 error, station: Heartbeat was sent before",
        "closed by the station after",
    ):
        assert text in said
    assert "╭─ CP-2 OCPP 1.6" in said  # the summary


def test_an_unanswered_call_is_told_when_its_time_is_over(net: Namespace, live: Start, tmp_path: Path) -> None:
    """Nothing comes after the CALL: only the clock can tell."""
    (tmp_path / "TST-001.yaml").write_text(RULE, encoding="utf-8")
    running = live("-i", "lo", "--ports", "9001", "--rules", tmp_path, "--select", "TST-001")
    listening(running)
    script = (
        "import asyncio, sys; sys.path.insert(0, 'tests'); import live_peers as peers, websockets\n"
        "async def silent(socket):\n"
        "    async for _ in socket: pass\n"
        "async def main():\n"
        "    async with websockets.serve(silent, '127.0.0.1', 9001, subprotocols=['ocpp1.6'], ping_interval=None):\n"
        "        async with peers.Station('CP-9', '127.0.0.1', 9001, ping_interval=None) as station:\n"
        '            await station.raw(\'[2,"7","Heartbeat",{}]\')\n'
        "            await asyncio.sleep(30)\n"
        "asyncio.run(main())"
    )
    with net.start(sys.executable, "-c", script, cwd=ROOT, stdout=subprocess.DEVNULL) as talking:
        running.until("──▶ Heartbeat")
        asked = time.monotonic()
        running.until("TST-001 warning, csms: Heartbeat 7 has no answer within 1 s", 20)
        assert time.monotonic() - asked > 0.5
        talking.kill()
    assert running.end(signal.SIGTERM) == 0


def test_rights_are_given_up(net: Namespace, live: Start) -> None:
    running = live("-i", "lo")
    listening(running)
    status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="ascii")
    assert "CapEff:\t0000000000000000" in status and "CapPrm:\t0000000000000000" in status
    assert running.end() == 0


PRIVILEGES = """
import os, sys
from pathlib import Path
from ocpp_inspect.capture.live.privileges import drop_privileges
sys.path[:] = sys.argv[2:]  # what has to be readable
directory = Path(sys.argv[1])
said = drop_privileges([directory])
(directory / "mine").write_text("x")
status = Path("/proc/self/status").read_text()
print(os.getuid(), status.split("CapEff:")[1].split()[0].lstrip("0"), said, sep="|")
"""


@pytest.mark.parametrize(
    ("owner", "caller", "libraries", "user"),
    [
        (65534, "65534", "/", 65534),  # sudo: its caller
        (0, "65534", "/", 0),  # who may not write there
        (65534, "", "/", 65534),  # plain root: the owner of the directory
        (0, "", "/", 0),
        (65534, "65534", "private", 0),  # who may not read this program
    ],
)
def test_who_it_becomes(tmp_path: Path, owner: int, caller: str, libraries: str, user: int) -> None:
    """Only root can become somebody else; whoever else runs the tests stays who it is, and has no rights to give up."""
    is_root = os.geteuid() == 0
    if libraries == "private":
        tmp_path.chmod(0o700)
        libraries = str(tmp_path)
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:  # others have to reach it
        if is_root:
            os.chown(directory, owner, -1)
        done = subprocess.run(
            [sys.executable, "-c", PRIVILEGES, directory, libraries], capture_output=True, text=True, check=False,
            env={**os.environ, "SUDO_UID": caller}, cwd=ROOT,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, capabilities, said = done.stdout.strip().split("|")
    assert int(found) == (user if is_root else os.geteuid())
    assert capabilities == ("2" if is_root and user == 0 != owner else "")  # to write anywhere, nothing else
    assert said.startswith("opened as root, runs as ") == is_root


def test_without_the_right_the_command_that_grants_it_is_said(net: Namespace) -> None:
    """CAP_NET_RAW leaves the bounding set: whoever is started then, root too, may not capture."""
    without = (
        "import ctypes, os, sys; libc = ctypes.CDLL(None); libc.prctl(24, 13, 0, 0, 0); "
        "os.environ['PATH'] = ''; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    done = net.run(sys.executable, "-c", without, *COMMAND[1:], "live", "-i", "lo", check=False)
    assert done.returncode == 2
    assert "lo: capturing is not permitted" in done.stderr
    assert f"sudo setcap cap_net_raw,cap_net_admin=eip {Path(sys.executable).resolve()}" in done.stderr


def test_any_shows_every_message_once(net: Namespace, live: Start, tmp_path: Path) -> None:
    running = live("-i", "any", "--ports", "9002", "--db", tmp_path / "any.duckdb", "--write", tmp_path / "any.pcapng")
    listening(running)
    with peers(net, "127.0.0.1", 9002, 2) as talking:
        talking.wait()
    time.sleep(0.3)
    assert running.end() == 0, running.errors
    query = "SELECT count(*), count(DISTINCT unique_id || kind || station || ts::VARCHAR) FROM messages"
    ((messages, different),) = rows(tmp_path / "any.duckdb", query)
    assert messages == different > 10
    assert rows(tmp_path / "any.duckdb", "SELECT count(*) FROM losses") == [(0,)]
    assert rows(tmp_path / "any.duckdb", "SELECT link_types FROM captures") == [(["LINUX_SLL2"],)]
    analyze([str(tmp_path / "any.pcapng")], tmp_path / "file.duckdb", Options(jobs=1))
    assert rows(tmp_path / "file.duckdb", query) == [(messages, different)]


def test_an_interface_may_go_down_and_come_back(net: Namespace, live: Start, tmp_path: Path) -> None:
    """A cable between two networks; then even another interface of the same name takes its place."""

    def cable() -> None:
        net.run("ip", "link", "add", "cable0", "type", "veth", "peer", "name", "cable1")
        net.run("ip", "addr", "add", "192.0.2.1/24", "dev", "cable0")
        net.run("ip", "link", "set", "cable0", "up")
        net.run("ip", "link", "set", "cable1", "up")

    def ping() -> None:
        script = (
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1); s.bind(('192.0.2.1', 0))\n"
            "s.sendto(b'are you there', ('192.0.2.255', 9))"
        )
        net.run(sys.executable, "-c", script)

    cable()
    running = live("-i", "cable1", "--db", tmp_path / "cable.duckdb", "--filter", "udp port 9")
    listening(running)
    ping()
    net.run("ip", "link", "set", "cable1", "down")
    running.until("cable1 went down")
    net.run("ip", "link", "set", "cable1", "up")
    running.until("cable1 is up again")
    ping()
    net.run("ip", "link", "del", "cable0")
    running.until("cable1 went down")
    cable()
    running.until("cable1 is up again")
    ping()
    time.sleep(0.5)
    assert running.end() == 0, running.errors
    assert rows(tmp_path / "cable.duckdb", "SELECT packets FROM captures") == [(3,)]


def test_two_interfaces_are_one_capture(net: Namespace, live: Start, tmp_path: Path) -> None:
    running = live(
        "-i", "lo", "-i", "any", "--ports", "9003", "--db", tmp_path / "two.duckdb", "--write", tmp_path / "two.pcapng"
    )
    listening(running)
    with peers(net, "127.0.0.1", 9003, 2) as talking:
        talking.wait()
    time.sleep(0.5)
    assert running.end() == 0, running.errors
    ((messages,),) = rows(tmp_path / "two.duckdb", "SELECT count(*) FROM messages")
    assert messages > 10
    assert rows(tmp_path / "two.duckdb", "SELECT path FROM captures") == [("live:lo,any",)]
    analyze([str(tmp_path / "two.pcapng")], tmp_path / "file.duckdb", Options(jobs=1))
    assert rows(tmp_path / "file.duckdb", "SELECT count(*) FROM messages") == [(messages,)]
    assert rows(tmp_path / "file.duckdb", "SELECT link_types FROM captures") == [(["EN10MB", "LINUX_SLL2"],)]


@pytest.mark.parametrize("way", ["dumpcap", "tcpdump"])
def test_the_other_ways_to_capture(net: Namespace, live: Start, tmp_path: Path, way: str) -> None:
    running = live("-i", "lo", "--ports", "9004", "--capture-with", way, "--db", tmp_path / "way.duckdb")
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    while not children.read_text(encoding="ascii"):
        time.sleep(0.05)
    time.sleep(1)
    with peers(net, "127.0.0.1", 9004, 2) as talking:
        running.until("BootNotification  boots: Wallbox & Co Model 3")
        talking.wait()
    assert running.end() == 0, running.errors
    assert rows(tmp_path / "way.duckdb", "SELECT count(*) > 10 FROM messages") == [(True,)]


TLS = """
import asyncio, ssl, subprocess, sys
sys.path.insert(0, "tests")
import live_peers as peers
from websockets.asyncio.client import connect
subject = ["-subj", "/CN=csms", "-addext", "subjectAltName=IP:127.0.0.1"]
subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject,
                "-keyout", sys.argv[1] + ".key", "-out", sys.argv[1] + ".pem"], check=True, capture_output=True)
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(sys.argv[1] + ".pem", sys.argv[1] + ".key")
server.keylog_filename = sys.argv[2]
client = ssl.create_default_context(cafile=sys.argv[1] + ".pem")
async def main():
    async with peers.server("127.0.0.1", 9008, ssl=server):
        async with peers.Station("CP-7", "127.0.0.1", 9008, scheme="wss", ssl=client) as station:
            await station.boot()
            await station.heartbeat()
asyncio.run(main())
"""


def test_tls_is_opened_by_a_key_log_that_grows(net: Namespace, live: Start, tmp_path: Path) -> None:
    """The key log does not exist yet when it begins."""
    keys = tmp_path / "site.keys"
    running = live("-i", "lo", "--ports", "9008", "--keylog", keys, "--db", tmp_path / "tls.duckdb")
    listening(running)
    net.run(sys.executable, "-c", TLS, tmp_path / "csms", keys, cwd=ROOT)
    running.until("CP-7             ──▶ Heartbeat")
    time.sleep(0.3)
    assert running.end() == 0, running.errors
    assert "site.keys: does not exist yet" in running.errors
    found = rows(tmp_path / "tls.duckdb", "SELECT action, count(*) FROM messages GROUP BY ALL ORDER BY ALL")
    assert found == [("BootNotification", 2), ("Heartbeat", 2), ("StatusNotification", 2)]
    assert rows(tmp_path / "tls.duckdb", "SELECT DISTINCT tls, station FROM connections") == [(True, "CP-7")]


def test_the_duration_ends_it(live: Start, tmp_path: Path) -> None:
    running = live("-i", "lo", "--duration", "1s", "--db", tmp_path / "short.duckdb")
    assert running.wait() == 0
    assert rows(tmp_path / "short.duckdb", "SELECT packets FROM captures") == [(0,)]


def test_a_reader_that_goes_away_ends_it_cleanly(net: Namespace, tmp_path: Path) -> None:
    """As in `live … | head -3`."""
    reading, writing = os.pipe()
    process = net.start(
        *COMMAND, "live", "-i", "lo", "--ports", "9005", "--db", tmp_path / "head.duckdb",
        stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    with peers(net, "127.0.0.1", 9005, 20) as talking:
        with os.fdopen(reading) as lines:
            assert any("BootNotification" in line for line in iter(lines.readline, ""))
        assert process.wait(60) == 0
        talking.kill()
    assert rows(tmp_path / "head.duckdb", "SELECT count(*) > 0 FROM messages") == [(True,)]


def test_the_screen_and_its_keys(net: Namespace, tmp_path: Path) -> None:
    """On a terminal (a pseudo one): the screen, a filter, and q, after which the terminal is as before."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    process = net.start(
        "env", "TERM=xterm-256color", "COLUMNS=100", "LINES=30",
        *COMMAND, "live", "-i", "lo", "--ports", "9006", "--db", tmp_path / "screen.duckdb",
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = b""

    def until(text: str, seconds: float = 60) -> None:
        nonlocal shown
        deadline = time.monotonic() + seconds
        while text.encode() not in shown:
            assert time.monotonic() < deadline, f"{text!r} is not in {shown[-3000:].decode()}"
            if select.select([ours], [], [], 0.1)[0]:
                shown += os.read(ours, 65_536)

    until("waiting for the first packet")
    with peers(net, "127.0.0.1", 9006, 12) as talking:
        until("● Accepted")
        os.write(ours, b"/boot\n")
        until("filter “boot”")
        os.write(ours, b" ")
        until("paused")
        os.write(ours, b"q")
        until("\x1b[?1049l")  # the other screen went
        until("database: ")  # behind the summary, on the first screen
        assert process.wait(60) == 0
        talking.kill()
    os.close(ours)
    assert b"\x1b[?1049h" in shown
    assert rows(tmp_path / "screen.duckdb", "SELECT count(*) > 10 FROM messages") == [(True,)]
