"""A capture in; a table of ours, tshark, pyshark and scapy on that same file out (`python -m bench.compare`, one run).

Every contender is a child process; its wall time, CPU time and the peak memory of its whole process tree are taken. The
slow ones read the beginning of the file only, and their speed is given in messages a second, as that of all others.
Nothing is written outside a temporary folder unless `--write` asks for it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from bench.first_rules import FIRST_RULES
from bench.traffic import Options as Traffic
from bench.traffic import generate

FIELDS = ("frame.number", "frame.time_epoch", "ip.src", "tcp.srcport", "websocket.payload.text")


class Result(NamedTuple):
    """What one contender did."""

    name: str
    does: str
    messages: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int
    is_slice: bool

    @property
    def speed(self) -> float:
        return self.messages / self.seconds


_BETWEEN_LOOKS_S = 0.5


class Tree(threading.Thread):
    """The peak memory of a process and its descendants: proportional set sizes, so shared pages count once.

    A look takes 15 ms of a core and holds up their memory, so that ten a second would slow four processes by a tenth.
    """

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root = root
        self.peak_bytes = 0
        self.done = False

    def run(self) -> None:
        while not self.done:
            self.peak_bytes = max(self.peak_bytes, sum(map(proportional_set, descendants(self._root))))
            time.sleep(_BETWEEN_LOOKS_S)


def descendants(root: int) -> list[int]:
    found, at = [root], 0
    while at < len(found):
        try:
            tasks = list(Path(f"/proc/{found[at]}/task").iterdir())
            for task in tasks:
                found += map(int, (task / "children").read_text().split())
        except OSError:  # it ended in the meantime
            pass
        at += 1
    return found


def proportional_set(process: int) -> int:
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def run(command: list[str], output: Path | None = None, home: Path | None = None) -> tuple[float, float, int]:
    """(wall seconds, CPU seconds, peak bytes) of a command that must succeed.

    With an empty `home` a tool has neither settings nor plugins of the user, which change what tshark does.
    """
    environment = os.environ | ({"HOME": str(home), "XDG_CONFIG_HOME": str(home)} if home else {})
    begun = time.perf_counter()
    with (output or Path(os.devnull)).open("wb") as target, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(command, stdout=target, stderr=complaints, env=environment)
        tree = Tree(process.pid)
        tree.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        tree.done = True
        tree.join()
        complaints.seek(0)
        if process.returncode:
            text = complaints.read().decode()[-2000:]
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}\n{text}")
    return seconds, usage.ru_utime + usage.ru_stime, tree.peak_bytes


# ------------------------------------------------------------------------------------------------- the contenders


def ours(path: Path, folder: Path, jobs: int | None, rules: list[str] | None = None) -> Result:
    database = folder / ("first.duckdb" if rules else "ours.duckdb")
    program = "import sys; from ocpp_inspect.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "analyze", str(path), "--db", str(database), "--fail-on", "never", "-q"]
    if jobs:
        command += ["--jobs", str(jobs)]
    if rules:
        command += ["--select", ",".join(rules)]
    measured = run(command)
    import duckdb  # noqa: PLC0415

    with duckdb.connect(str(database), read_only=True) as connection:
        row = connection.execute("select count(*) from messages").fetchone()
    assert row is not None
    does = f"decode, validate, judge by {f'{len(rules)} rules' if rules else 'all rules'}, write DuckDB"
    return Result("ocpp-inspect analyze" + (f" --jobs {jobs}" if jobs else ""), does, row[0], *measured, False)


def tshark_fields(path: Path, folder: Path, port: int, is_slice: bool = False) -> Result:
    output = folder / "fields.txt"
    command = ["tshark", "-n", "-r", str(path), "-d", f"tcp.port=={port},http", "-Y", "websocket"]
    measured = run([*command, "-T", "fields", *(part for field in FIELDS for part in ("-e", field))], output, folder)
    with output.open("rb") as lines:
        messages = sum(line.count(b"[2,") + line.count(b"[3,") for line in lines)
    return Result("tshark -T fields", "decode", messages, *measured, is_slice)


def tshark_json(path: Path, folder: Path, port: int, messages: int) -> Result:
    command = ["tshark", "-n", "-r", str(path), "-d", f"tcp.port=={port},http", "-Y", "websocket", "-T", "json"]
    measured = run(command, folder / "json.txt", folder)
    return Result("tshark -T json", "decode, print all fields", messages, *measured, True)


PYSHARK = """
import sys, pyshark
capture = pyshark.FileCapture(sys.argv[1], display_filter="websocket", keep_packets=False, use_json=False,
                              decode_as={f"tcp.port=={sys.argv[2]}": "http"})
print(sum(1 for packet in capture if "websocket" in packet))
capture.close()
"""

SCAPY = """
import sys
from scapy.layers.inet import TCP
from scapy.packet import Raw
from scapy.layers.l2 import Ether
from scapy.utils import PcapReader

def texts(data):
    at = 0
    while at + 2 <= len(data):
        first, second = data[at], data[at + 1]
        length, head = second & 127, 2
        if length == 126:
            length, head = int.from_bytes(data[at + 2:at + 4], "big"), 4
        elif length == 127:
            length, head = int.from_bytes(data[at + 2:at + 10], "big"), 10
        if second & 128:
            key = data[at + head:at + head + 4]
            head += 4
            body = data[at + head:at + head + length]
            body = bytes(octet ^ key[i & 3] for i, octet in enumerate(body))
        else:
            body = data[at + head:at + head + length]
        at += head + length
        if first == 0x81:
            yield body

found = 0
for packet in PcapReader(sys.argv[1]):
    if TCP in packet and Raw in packet:
        data = packet[Raw].load
        if data[:1] == b"\\x81":
            found += sum(1 for _ in texts(data))
print(found)
"""


def python_tool(name: str, does: str, program: str, path: Path, folder: Path, port: int) -> Result:
    output = folder / "count.txt"
    measured = run([sys.executable, "-c", program, str(path), str(port)], output, folder)
    return Result(name, does, int(output.read_text().split()[-1]), *measured, True)


# ------------------------------------------------------------------------------------------------- the run


def table(results: list[Result]) -> str:
    first = results[0]
    lines = ["| tool | what it does | messages | seconds | CPU s | messages/s | ours is | peak MB |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|")
    lines += [
        f"| {r.name}{' ¹' if r.is_slice else ''} | {r.does} | {r.messages:,} | {r.seconds:.2f} | {r.cpu_seconds:.2f} "
        f"| {r.speed:,.0f} | {'' if r is first else f'{first.speed / r.speed:,.1f} ×'} | {r.peak_bytes / 1e6:,.0f} |"
        for r in results
    ]
    lines.append("\n¹ on the beginning of the file; speed in messages a second of that part")
    return "\n".join(lines)


def beginning(path: Path, part: Path, packets: int) -> Path:
    """The first packets of a file."""
    command = ["editcap", "-F", "pcap", "-r", str(path), str(part), f"1-{packets}"]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return part


def compare(path: Path, folder: Path, options: argparse.Namespace) -> list[Result]:
    part = beginning(path, folder / "slice.pcap", options.slice)
    longer = beginning(path, folder / "longer.pcap", 10 * options.slice)
    results = [ours(path, folder, options.jobs), ours(path, folder, options.jobs, FIRST_RULES)]
    print("\n".join(table(results).splitlines()[2:4]), file=sys.stderr)
    fields = tshark_fields(path, folder, options.port)
    if fields.messages != results[0].messages:
        print(f"decoded by tshark: {fields.messages:,}, by ours: {results[0].messages:,}", file=sys.stderr)
    results.append(fields)
    in_longer = tshark_fields(longer, folder, options.port).messages
    results.append(tshark_json(longer, folder, options.port, in_longer))
    results.append(python_tool("scapy", "dissect, unmask in Python", SCAPY, part, folder, options.port))
    results.append(python_tool("pyshark", "decode (tshark inside)", PYSHARK, part, folder, options.port))
    return results


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="default: generated 1.6 traffic")
    parser.add_argument("--messages", type=int, default=500_000, help="of the generated file")
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--version", default="1.6")
    parser.add_argument("--port", type=int, default=80, help="the CSMS's port in FILE")
    parser.add_argument(
        "--slice", type=int, default=12_000, help="packets for pyshark and scapy; ten times as many for JSON"
    )
    parser.add_argument("--jobs", type=int, help="of ours; default: its own default")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    with tempfile.TemporaryDirectory(prefix="ocpp-bench-") as name:
        folder = Path(name)
        path = options.file
        if path is None:
            path = folder / "site.pcap"
            totals = generate(path, Traffic(options.messages, options.stations, version=options.version))
            os.sync()  # or the first contender shares its disk with what was just written
            average = totals.text_bytes / totals.messages
            print(f"{totals.messages:,} messages of {average:.0f} bytes on average, {totals.file_bytes / 1e6:.0f} MB")
        text = table(compare(path, folder, options))
    print(text)
    if options.write:
        options.write.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
