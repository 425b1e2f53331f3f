"""The generated wss traffic opens with its key log, in both versions, to all the messages that went in."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.tls import generate_secured
from bench.traffic import Options
from ocpp_inspect.capture import CaptureReader
from ocpp_inspect.model import OcppMessage
from ocpp_inspect.pipeline.chain import Chain
from ocpp_inspect.tls import Keys


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("batch_packets", [50, 100_000])
def test_everything_generated_is_decrypted(version: str, batch_packets: int, tmp_path: Path) -> None:
    path, key_log = tmp_path / "site.pcap", tmp_path / "site.keys"
    totals = generate_secured(path, key_log, Options(400, 5, port=443), version)
    keys = Keys()
    keys.feed(key_log.read_bytes())
    chain, items = Chain([], keys=keys), []
    with CaptureReader([str(path)], batch_packets=batch_packets) as reader:
        for batch in reader:
            items += chain.feed(batch).items
    items += chain.finish().items
    found = [item for item in items if type(item) is OcppMessage]
    assert len(found) == totals.messages
    assert {item.schema_valid for item in found} == {True}
    assert chain.tls.counters["opened"] == 5
