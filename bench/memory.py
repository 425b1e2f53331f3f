"""Two sizes in; the peak memory of `analyze` on a small and on a large capture out (`python -m bench.memory`).

It must be under 500 MB and the same for both: nothing in the pipeline may grow with the length of the capture. The peak
is of the whole process tree, with shared pages counted once (`bench.compare`); mapped pages of the capture file, which
the kernel takes back when it needs them, are in it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench.compare import ours
from bench.traffic import Options, generate


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", type=int, default=300_000, help="messages (default: about 100 MB)")
    parser.add_argument("--large", type=int, default=6_200_000, help="messages (default: about 2 GB)")
    parser.add_argument("--stations", type=int, default=100)
    parser.add_argument("--jobs", type=int)
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    print("| capture MB | messages | seconds | messages/s | peak MB |\n|---:|---:|---:|---:|---:|")
    for messages in (options.small, options.large):
        with tempfile.TemporaryDirectory(prefix="ocpp-bench-") as name:
            path = Path(name) / "site.pcap"
            totals = generate(path, Options(messages, options.stations))
            result = ours(path, Path(name), options.jobs)
            print(
                f"| {totals.file_bytes / 1e6:,.0f} | {result.messages:,} | {result.seconds:.1f} "
                f"| {result.speed:,.0f} | {result.peak_bytes / 1e6:,.0f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
