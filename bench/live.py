"""How much `live` takes: every message of a loaded loopback in the database, or the drops that it tells itself.

python -m bench.live                              20,000 messages/s for a minute, as in docs/live.md
python -m bench.live --rate 40000 --way dumpcap
python -m bench.live sources                      the ways to capture alone: processor time and drops of each
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

PORT = 9777
_SOURCE = """
import signal, sys, time
from ocpp_inspect.capture.live import open_interfaces
source = open_interfaces(["lo"], ports=[int(sys.argv[1])], way=sys.argv[2])
source.begin(1)
ended = []
signal.signal(signal.SIGINT, lambda *_: ended.append(1))
print("ready", flush=True)
while not ended:
    source.poll(0.1)
source.stop()
while not source.has_ended:
    source.poll(0.1)
source.close()
print(source.info.packets, source.info.dropped_packets)
"""
_SCAPY = """
import signal, socket, struct, sys
from scapy.config import conf
from scapy.layers.all import *
listening = conf.L2listen(iface="lo", filter=f"tcp port {sys.argv[1]}")
ended, packets = [], 0
signal.signal(signal.SIGINT, lambda *_: ended.append(1))
print("ready", flush=True)
while not ended:
    try:
        listening.ins.settimeout(0.1)
        packets += listening.recv_raw()[1] is not None
    except (TimeoutError, OSError):
        pass
_, drops = struct.unpack("=2I", listening.ins.getsockopt(263, 6, 8))
print(packets, drops)
"""


def load(options: argparse.Namespace) -> dict[str, float]:
    """Run the generator; what it sent."""
    command = [sys.executable, "-m", "bench.live_load", str(PORT), "--rate", str(options.rate)]
    command += ["--seconds", str(options.seconds), "--stations", str(options.stations)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def processor_seconds(before: resource.struct_rusage, after: resource.struct_rusage) -> float:
    """Of children that ended in between."""
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def captured(program: str, way: str, options: argparse.Namespace) -> tuple[dict[str, float], float, int, int]:
    """What was sent, processor seconds of the capture alone, packets, drops."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(PORT), way], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1.5)
    own = cpu_of(process.pid)
    sent = load(options)
    time.sleep(0.5)
    used = cpu_of(process.pid) - own
    process.send_signal(signal.SIGINT)
    packets, drops = process.stdout.read().split()
    process.wait()
    return sent, used, int(packets), int(drops)


def cpu_of(root: int) -> float:
    """Processor seconds of a process and its children."""
    total = 0
    for pid in (root, *map(int, Path(f"/proc/{root}/task/{root}/children").read_text(encoding="ascii").split())):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def sources(options: argparse.Namespace) -> int:
    """Compare the ways to capture."""
    print(f"{options.rate} messages/s for {options.seconds:.0f} s on loopback; capture only")
    print(f"{'way':10} {'packets':>10} {'dropped':>8} {'processor s':>12} {'µs a packet':>12}")
    for way, program in (("ring", _SOURCE), ("tcpdump", _SOURCE), ("dumpcap", _SOURCE), ("scapy", _SCAPY)):
        _, used, packets, drops = captured(program, way, options)
        print(f"{way:10} {packets:10} {drops:8} {used:12.2f} {used / max(packets, 1) * 1e6:12.2f}")
    return 0


def whole(options: argparse.Namespace) -> int:
    """`live` with database, capture file and rules."""
    with tempfile.TemporaryDirectory(prefix="bench-live-") as folder:
        database, packets = Path(folder) / "live.duckdb", Path(folder) / "live.pcapng"
        command = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", "live", "-i", "lo"]
        command += ["--ports", str(PORT), "--db", str(database), "--capture-with", options.way]
        command += ["--write", str(packets)] if not options.no_file else []
        command += ["--quiet"] if not options.lines else []
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        time.sleep(5)
        before = cpu_of(process.pid)
        sent = load(options)
        used = cpu_of(process.pid) - before
        peak = int(Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").split("VmHWM:")[1].split()[0])
        process.send_signal(signal.SIGINT)
        ended = time.monotonic()
        process.wait()
        with duckdb.connect(str(database), read_only=True) as opened:
            stored = opened.execute("SELECT count(*) FROM messages").fetchone() or (0,)
            capture = opened.execute("SELECT packets, dropped_packets, bytes FROM captures").fetchone() or (0, 0, 0)
            losses = opened.execute("SELECT count(*) FROM losses").fetchone() or (0,)
            findings = opened.execute("SELECT count(*) FROM findings").fetchone() or (0,)
        print(
            f"sent {sent['messages']:.0f} messages in {sent['seconds']} s, {sent['messages'] / sent['seconds']:.0f}/s, "
            f"{sent['octets'] / sent['messages']:.0f} octets each, {sent['stations']:.0f} stations\n"
            f"in the database {stored[0]}, missing {sent['messages'] - stored[0]:.0f}; packets {capture[0]}, "
            f"dropped {capture[1]}, losses {losses[0]}, findings {findings[0]}\n"
            f"processor {used:.1f} s = {used / sent['seconds'] * 100:.0f} % of a core, "
            f"{used / sent['messages'] * 1e6:.1f} µs a message; peak memory {peak // 1024} MiB; "
            f"ended {time.monotonic() - ended:.1f} s after Ctrl-C\n"
            f"database {database.stat().st_size / 1e6:.1f} MB"
            + (f", capture file {packets.stat().st_size / 1e6:.1f} MB" if not options.no_file else "")
        )
        return 0 if stored[0] == sent["messages"] or capture[1] else 1


def main(arguments: list[str] | None = None) -> int:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["whole", "sources"], default="whole")
    parser.add_argument("--rate", type=int, default=20_000, help="messages a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--stations", type=int, default=50)
    parser.add_argument("--way", choices=["ring", "dumpcap", "tcpdump"], default="ring")
    parser.add_argument("--no-file", action="store_true", help="without a capture file")
    parser.add_argument("--lines", action="store_true", help="with lines, as into a pipe")
    options = parser.parse_args(arguments)
    return sources(options) if options.what == "sources" else whole(options)


if __name__ == "__main__":
    sys.exit(main())
