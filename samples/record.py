"""Names of samples in; their captures, logs and descriptions, recorded again from real sockets, out.

Needs Linux, root, tcpdump, tshark (to find the frame numbers of expected findings), `unshare`, /dev/net/tun, and for
the npm sample node and a folder in which `npm install ocpp-rpc` was run:

    python -m samples.record [--npm FOLDER] [NAME ...]

Every sample is recorded in a network namespace of its own, so nothing else on the machine can get into it. Pauses are
lengthened (`samples.virtual_time`) except in the npm sample.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from samples.clean import CLEAN
from samples.context import Context, Scenario
from samples.faulty import FAULTY
from samples.faulty_frames import FRAMES
from samples.files import write_pcap, write_pcapng
from samples.networks import NETWORKS
from samples.secured import SECURED
from samples.soap import SOAP
from samples.virtual_time import VirtualTime
from samples.wire import Log, Site

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from tshark_oracle import Decoded, http_bodies, websocket_texts

FOLDER = Path(__file__).parent
SCENARIOS = {scenario.name: scenario for scenario in [*CLEAN, *NETWORKS, *FAULTY, *FRAMES, *SECURED, *SOAP]}
BEGIN = "2026-03-02T06:00:00+00:00"
KINDS = {2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 5: "CALLRESULTERROR", 6: "SEND"}


def record(scenario: Scenario, npm: Path | None) -> None:
    """Record one sample; we are already in a network namespace of its own."""
    logging.getLogger("ocpp").setLevel(logging.CRITICAL)
    clock = VirtualTime(BEGIN)
    log = Log(FOLDER / f"{scenario.name}.jsonl", clock)
    target = FOLDER / f"{scenario.name}{scenario.suffix}"
    with tempfile.TemporaryDirectory() as folder:
        context = Context(Path(folder), npm, Site(clock, log))

        async def main() -> None:
            await scenario.run(context)

        asyncio.run(clock.run(main()))
        shift = (lambda time_ns: time_ns) if npm_only(scenario) else clock.shift
        if scenario.suffix == ".pcap":
            (raw,) = context.raws.values()
            write_pcap(raw, target, shift, nanoseconds=scenario.nanoseconds)
        else:
            secrets = context.key_log.read_bytes() if scenario.secured == "keys" else b""
            comment = f"ocpp-inspect sample {scenario.name}: {scenario.title}"
            write_pcapng(context.raws, target, shift, comment, secrets)
    log.write()
    describe(scenario, context, target)


def npm_only(scenario: Scenario) -> bool:
    return "npm" in scenario.stack


def describe(scenario: Scenario, context: Context, capture: Path) -> None:
    is_tls = bool(scenario.secured)
    if scenario.transport == "soap":
        decoded = http_bodies(capture, scenario.ports, is_tls=is_tls)
    else:
        decoded = websocket_texts(capture, scenario.ports, reorder=scenario.complete, is_tls=is_tls)
    entries = [json.loads(line) for line in context.log.lines]
    entries = [entry for entry in entries if "other" not in entry]
    sent = [entry for entry in entries if entry["did"] == "sent"]
    about: dict[str, Any] = {
        "name": scenario.name,
        "title": scenario.title,
        "story": scenario.story,
        "file": capture.name,
        "ports": list(scenario.ports),
        "stations": sorted({entry["station"] for entry in entries}),
        "connections": len({entry["connection"] for entry in entries}),
        "sent": dict(sorted(Counter(map(kind_of, sent)).items())),  # by the applications, captured or not
        "complete": scenario.complete,
        "expected": [resolve(expected, scenario, decoded) for expected in scenario.expected],
        "provenance": {
            "stack": scenario.stack,
            "versions": versions(context.npm if npm_only(scenario) else None, is_soap=scenario.transport == "soap"),
            **context.provenance,
            "times": "as they were" if npm_only(scenario) else "pauses lengthened, everything else as it was",
            "again": f"python -m samples.record {'--npm FOLDER ' if npm_only(scenario) else ''}{scenario.name}",
        },
    }
    if scenario.transport != "websocket":
        about["transport"] = scenario.transport
    if scenario.secured:
        about["secured"] = scenario.secured
    if scenario.note:
        about["note"] = scenario.note
    with (FOLDER / f"{scenario.name}.yaml").open("w", encoding="utf-8") as file:
        yaml.safe_dump(about, file, sort_keys=False, allow_unicode=True, width=110)


def kind_of(entry: dict[str, Any]) -> str:
    if entry.get("text", "").startswith("<"):
        return kind_of_xml(entry["text"])
    try:
        return KINDS.get(json.loads(entry["text"])[0], "INVALID")
    except (KeyError, ValueError, TypeError):
        return "INVALID"


def kind_of_xml(text: str) -> str:
    if "Fault>" in text:
        return "CALLERROR"
    return "CALL" if "Request" in text else "CALLRESULT" if "Response" in text else "INVALID"


def resolve(expected: Any, scenario: Scenario, decoded: list[Decoded]) -> dict[str, Any]:
    """The finding with the frame number of the message that proves it."""
    found: dict[str, Any] = {"rule": expected.rule}
    if expected.where:
        servers = tuple(f":{port}" for port in scenario.ports)
        hits = [
            message.frame
            for message in decoded
            if expected.where.encode() in message.text
            and expected.sender in ("", "csms" if message.source.endswith(servers) else "station")
        ]
        found["frame"] = hits[expected.occurrence - 1]
    return found


def versions(npm: Path | None, *, is_soap: bool = False) -> dict[str, str]:
    found = {"tcpdump": first_line("tcpdump", "--version"), "kernel": platform.release().split("-")[0]}
    if npm is None:
        return {
            "python": platform.python_version(),
            **{name: version(name) for name in (("zeep", "lxml", "requests") if is_soap else ("ocpp", "websockets"))},
            **found,
        }
    modules = {
        name: json.loads((npm / "node_modules" / name / "package.json").read_text()) for name in ("ocpp-rpc", "ws")
    }
    return {
        "node": first_line("node", "--version"),
        **{name: about["version"] for name, about in modules.items()},
        **found,
    }


def first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).splitlines()[0].removeprefix("tcpdump version ")


def write_index(target: Path) -> None:
    """README.md: one line a sample, from the descriptions."""
    lines = [
        "# Samples",
        "",
        "Captures of real OCPP stacks, recorded over real sockets with tcpdump. Each has a description (`NAME.yaml`:",
        "story, provenance, expected findings) and the log of the applications themselves (`NAME.jsonl`: every text",
        "that a side sent or received). This page is generated by `python -m samples.record --index`.",
        "",
        "| sample | what happens | stations | messages sent | findings |",
        "|---|---|---|---|---|",
    ]
    for name in SCENARIOS:
        path = FOLDER / f"{name}.yaml"
        if not path.exists():
            continue
        about = yaml.safe_load(path.read_text(encoding="utf-8"))
        rules = ", ".join(dict.fromkeys(expected["rule"] for expected in about["expected"])) or "none"
        lines.append(
            f"| [`{about['file']}`]({about['file']}) | {about['title']} | {len(about['stations'])} "
            f"| {sum(about['sent'].values())} | {rules} |"
        )
    lines += [
        "",
        "Findings are those that must be made; a session without any must stay free of errors and warnings.",
        "",
        "Pauses between messages were lengthened while recording, so that a day fits into a minute: the applications",
        "stamp their messages with a clock that jumps over pauses, and the packets behind each jump are moved by the",
        "same amount. Latencies, retransmissions and acknowledgements are real. To record them again:",
        "",
        "```",
        *(line.strip() for line in (__doc__ or "").splitlines() if line.startswith("    python")),
        "```",
        "",
        "(root, Linux, tcpdump, tshark; for the npm sample also node and `npm install ocpp-rpc` in FOLDER).",
    ]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m samples.record")
    parser.add_argument("names", nargs="*", help="default: all")
    parser.add_argument("--npm", type=Path, help="folder with node_modules/ocpp-rpc")
    parser.add_argument("--index", action="store_true", help="write README.md only")
    parser.add_argument("--into", type=Path, default=FOLDER / "README.md", help="where the index goes")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.names) - set(SCENARIOS):
        parser.error(f"no such sample: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    if options.inside:
        record(SCENARIOS[options.names[0]], options.npm)
        return 0
    for name in [] if options.index else options.names or SCENARIOS:
        if npm_only(SCENARIOS[name]) and options.npm is None:
            print(f"{name}: left as it is, it needs --npm FOLDER")
            continue
        print(f"{name} …", flush=True)
        command = ["unshare", "-n", sys.executable, "-m", "samples.record", "--inside", name]
        subprocess.run(command + (["--npm", str(options.npm)] if options.npm else []), check=True)
    write_index(options.into)
    return 0


if __name__ == "__main__":
    sys.exit(main())
