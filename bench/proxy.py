"""Nothing in; what a proxy adds to a round trip, ours and mitmproxy's, in one run, out (`python -m bench.proxy`).

Ours runs with recording, validation and all rules. The contenders take turns, so that a busy machine is busy for all.
mitmproxy is installed into a virtual environment of its own, `.venv-mitmproxy`, unless `--without-mitmproxy`.
With `--idle N` also: N connections with a heartbeat each now and then, what they cost and whether all are answered.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[1]
MITMPROXY = ROOT / ".venv-mitmproxy"
BUSY_CONNECTIONS = 50


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def process(command: list[str], port: int, quiet: bool = True) -> Iterator[subprocess.Popen[str]]:
    """A server that is ready when it accepts connections."""
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL if quiet else subprocess.PIPE, text=True)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            time.sleep(0.1)
        else:
            raise SystemExit(f"did not start: {' '.join(command)}")
        yield running
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
        running.wait(120)


def round_trips(*arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.round_trips", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def mitmdump() -> Path:
    """The program, installed when it is not there."""
    found = MITMPROXY / "bin" / "mitmdump"
    if not found.exists():
        print("installing mitmproxy into .venv-mitmproxy …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(MITMPROXY)], check=True)
        subprocess.run([str(MITMPROXY / "bin" / "pip"), "install", "--quiet", "mitmproxy"], check=True)
    return found


def ours(port: int, upstream: int, database: Path) -> list[str]:
    command = [sys.executable, "-c", "from ocpp_inspect.cli.main import main; main()", "proxy", "--quiet"]
    return [*command, "--listen", str(port), "--upstream", f"ws://127.0.0.1:{upstream}", "--db", str(database)]


def compare(options: argparse.Namespace, folder: Path) -> None:
    upstream, own, theirs = free_port(), free_port(), free_port()
    database = folder / "busy.duckdb"
    contenders = {"direct": upstream, "ocpp-inspect proxy": own}
    with contextlib.ExitStack() as stack:
        stack.enter_context(process([sys.executable, "-m", "bench.round_trips", "serve", str(upstream)], upstream))
        stack.enter_context(process(ours(own, upstream, database), own))
        if not options.without_mitmproxy:
            program = [str(mitmdump()), "-q", "--mode", f"reverse:http://127.0.0.1:{upstream}", "-p", str(theirs)]
            stack.enter_context(process(program, theirs))
            contenders["mitmproxy"] = theirs
        found: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for _ in range(options.rounds):
            for connections in (1, BUSY_CONNECTIONS):
                for name, port in contenders.items():
                    told = round_trips("ask", str(port), str(connections), str(options.seconds))
                    found.setdefault((name, connections), []).append(told[-1])

    def median(name: str, connections: int, figure: str) -> float:
        return statistics.median(each[figure] for each in found[name, connections])

    print(f"{'':20} {'1 connection':>24} {'added':>9} {f'{BUSY_CONNECTIONS} connections':>28}")
    print(f"{'':20} {'p50':>12} {'p99':>11} {'p50':>9} {'round trips/s':>14} {'p50':>13}")
    for name in contenders:
        p50, p99 = median(name, 1, "p50_us"), median(name, 1, "p99_us")
        added = p50 - median("direct", 1, "p50_us")
        busy, busy_p50 = median(name, BUSY_CONNECTIONS, "per_second"), median(name, BUSY_CONNECTIONS, "p50_us")
        print(f"{name:20} {p50:>9.0f} µs {p99:>8.0f} µs {added:>6.0f} µs {busy:>14,.0f} {busy_p50 / 1000:>10.2f} ms")
    asked = sum(
        each["trips"] for each in found["ocpp-inspect proxy", 1] + found["ocpp-inspect proxy", BUSY_CONNECTIONS]
    )
    with duckdb.connect(str(database), read_only=True) as connection:
        (stored,) = connection.execute("SELECT count(*) FROM message_records").fetchone() or (0,)
        (missed,) = connection.execute("SELECT coalesce(sum(bytes), 0) FROM losses").fetchone() or (0,)
    print(f"recorded and judged: {stored:,} messages ({asked:,} round trips measured); {missed:,} octets not analysed")
    if "mitmproxy" in contenders:
        ours_added = median("ocpp-inspect proxy", 1, "p50_us") - median("direct", 1, "p50_us")
        their_added = median("mitmproxy", 1, "p50_us") - median("direct", 1, "p50_us")
        ratio = median("ocpp-inspect proxy", BUSY_CONNECTIONS, "per_second") / median(
            "mitmproxy", BUSY_CONNECTIONS, "per_second"
        )
        print(f"added latency {ours_added / their_added:.2f} of mitmproxy's, round trips/s {ratio:.1f} times as many")


def resident(number: int) -> int:
    """Memory of a process that nobody else has, in octets."""
    for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0


def children(number: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{number}/task/{number}/children").read_text().split()]


def hold(options: argparse.Namespace, folder: Path) -> None:
    """Many idle connections."""
    upstream, own = free_port(), free_port()
    count = options.idle
    with (
        process([sys.executable, "-m", "bench.round_trips", "serve", str(upstream)], upstream),
        process(ours(own, upstream, folder / "idle.duckdb"), own) as proxy,
    ):
        analysis = children(proxy.pid)[0]
        before, before_analysis = resident(proxy.pid), resident(analysis)
        asking = subprocess.Popen(
            [sys.executable, "-m", "bench.round_trips", "idle", *map(str, (own, count, options.hold, options.every))],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert asking.stdout is not None
        opened = json.loads(asking.stdout.readline())["open"]
        after, after_analysis = resident(proxy.pid), resident(analysis)
        told = json.loads(asking.stdout.readline())
        asking.wait(60)
    print(
        f"{opened:,} connections held for {options.hold:g} s: {told['sent']:,} heartbeats sent, "
        f"{told['trips']:,} answered (p50 {told['p50_us'] / 1000:.2f} ms), {told['lost']} connections lost\n"
        f"memory a connection: relay {(after - before) / max(opened, 1) / 1024:.1f} kB, "
        f"analysis {(after_analysis - before_analysis) / max(opened, 1) / 1024:.1f} kB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="of one measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-mitmproxy", action="store_true")
    parser.add_argument("--idle", type=int, default=0, metavar="N", help="hold so many connections too, e.g. 5000")
    parser.add_argument("--hold", type=float, default=30, help="seconds to hold them")
    parser.add_argument("--every", type=float, default=30, help="seconds between the heartbeats of a station")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(options, Path(folder))
        if options.idle:
            hold(options, Path(folder))


if __name__ == "__main__":
    main()
