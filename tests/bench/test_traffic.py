"""The generator's files decode, with tshark, to exactly the messages that it says it wrote."""

from __future__ import annotations

import io
import json
import subprocess
from collections import defaultdict
from pathlib import Path

import jsonschema
import ocpp
import pytest
from tshark_oracle import websocket_texts

from bench import traffic
from bench.traffic import Options, generate

SMALL = Options(messages=600, stations=4)
VARIANTS = {
    "1.6": SMALL,
    "2.0.1": SMALL._replace(version="2.0.1"),
    "compressed": SMALL._replace(compressed=True, pcapng=True),
    "no-context-takeover": SMALL._replace(compressed=True, context_takeover=False),
    "small-mtu": SMALL._replace(mtu=120, nanoseconds=True),
    "reordered": SMALL._replace(mtu=120, reorder=0.3),
    "duplicated": SMALL._replace(duplicate=0.1, retransmit=0.1),
    "one-address": SMALL._replace(one_address=True, port=9220),
}


def written(path: Path, options: Options) -> dict[str, list[tuple[str, bytes]]]:
    truth = io.StringIO()
    totals = generate(path, options, truth)
    messages: dict[str, list[tuple[str, bytes]]] = defaultdict(list)
    for line in truth.getvalue().splitlines():
        entry = json.loads(line)
        messages[entry["station"]].append((entry["sender"], entry["text"].encode()))
    assert sum(map(len, messages.values())) == totals.messages
    return dict(messages)


@pytest.mark.tshark
@pytest.mark.parametrize("name", VARIANTS)
def test_tshark_decodes_what_was_written(name: str, tmp_path: Path) -> None:
    options = VARIANTS[name]
    path = tmp_path / "site.pcap"
    expected = written(path, options)
    streams: dict[int, list[tuple[str, bytes]]] = defaultdict(list)
    for message in websocket_texts(path, [options.port]):
        sender = "csms" if message.source.endswith(f":{options.port}") else "station"
        streams[message.stream].append((sender, message.text))
    assert sorted(streams.values()) == sorted(expected.values())


@pytest.mark.tshark
def test_all_checksums_are_correct(tmp_path: Path) -> None:
    path = tmp_path / "site.pcap"
    generate(path, SMALL._replace(mtu=200))
    bad = subprocess.run(
        [
            *("tshark", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"),
            *("-Y", "ip.checksum.status != 1 || tcp.checksum.status != 1"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert bad.stdout == ""


@pytest.mark.tshark
def test_loss_leaves_messages_out_and_nothing_else(tmp_path: Path) -> None:
    options = SMALL._replace(loss=0.05)
    path = tmp_path / "site.pcap"
    expected = {text for messages in written(path, options).values() for _, text in messages}
    seen = [message.text for message in websocket_texts(path, [options.port], reorder=False)]
    assert set(seen) < expected
    assert len(seen) > 0.8 * len(expected)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_every_payload_fits_its_schema(version: str, tmp_path: Path) -> None:
    calls: dict[str, str] = {}
    folder = Path(ocpp.__file__).parent / {"1.6": "v16", "2.0.1": "v201"}[version] / "schemas"
    validators: dict[str, jsonschema.protocols.Validator] = {}
    for messages in written(tmp_path / "site.pcap", SMALL._replace(version=version)).values():
        for _, text in messages:
            kind, unique_id, *rest = json.loads(text)
            if kind == 2:
                assert unique_id not in calls, "ids are unique over all stations"
                calls[unique_id] = rest[0]
            suffix = {("1.6", 2): "", ("1.6", 3): "Response", ("2.0.1", 2): "Request", ("2.0.1", 3): "Response"}
            name = calls[unique_id] + suffix[version, kind]
            if name not in validators:
                schema = json.loads((folder / f"{name}.json").read_text(encoding="utf-8-sig"))
                validators[name] = jsonschema.validators.validator_for(schema)(schema)
            validators[name].validate(rest[-1])
    assert len(validators) >= 14


def test_the_file_is_a_function_of_its_options(tmp_path: Path) -> None:
    for name in ("one", "two"):
        generate(tmp_path / name, SMALL)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_packets_advance_in_time_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(tmp_path / "whole", SMALL)
    monkeypatch.setattr(traffic, "WAITING_PACKETS", 50)
    generate(tmp_path / "batches", SMALL)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "batches").read_bytes()


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.pcap"
    assert traffic.main(["--messages", "1000", "--stations", "3", str(path)]) == 0
    assert "1,000 messages" in capsys.readouterr().out
    assert path.stat().st_size > 200_000


def test_minutes_limit_the_time(tmp_path: Path) -> None:
    totals = generate(tmp_path / "site.pcap", Options(stations=3, minutes=30))
    assert 29 < (totals.last_ns - traffic.START_NS) / 60e9 <= 30
