"""What tshark decodes in every sample is what the applications say that they sent; and we decode what tshark does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache

import pytest
from recorded_samples import OVER_SOAP, SAMPLES, WEBSOCKETS, Dialogue, Sample, is_part_of
from tshark_oracle import Decoded, http_bodies, websocket_texts

pytestmark = pytest.mark.tshark
UNREADABLE = {"joined-midway", "joined-midway-deflate", "wss-without-keys"}
"""tshark follows no WebSocket whose handshake it did not see, and nobody decrypts without keys."""


@cache
def seen_by_tshark(name: str) -> list[Decoded]:
    sample = SAMPLES[name]
    return websocket_texts(sample.capture, sample.about["ports"], reorder=sample.complete, is_tls=sample.is_tls)


def dialogue_of(sample: Sample, messages: Iterable[Decoded]) -> Dialogue:
    messages = list(messages)
    stations = {message.stream: message.source for message in messages if not message.source.endswith(sample.servers)}
    found: Dialogue = defaultdict(list)
    for message in messages:
        sender = "csms" if message.source.endswith(sample.servers) else "station"
        found[stations[message.stream], sender].append(message.text.decode())
    return dict(found)


@pytest.mark.parametrize("name", [name for name in WEBSOCKETS if SAMPLES[name].complete])
def test_tshark_agrees_with_the_applications(name: str) -> None:
    sample = SAMPLES[name]
    assert dialogue_of(sample, seen_by_tshark(name)) == sample.said("sent", other=True)


@pytest.mark.parametrize("name", [name for name in WEBSOCKETS if not SAMPLES[name].complete])
def test_tshark_sees_a_part_of_an_incomplete_capture(name: str) -> None:
    sample = SAMPLES[name]
    seen, sent = dialogue_of(sample, seen_by_tshark(name)), sample.said("sent")
    assert bool(seen) == (name not in UNREADABLE)
    for key, texts in seen.items():
        assert is_part_of(texts, sent[key])
    assert sum(map(len, seen.values())) < sum(map(len, sent.values()))


@pytest.mark.parametrize("name", OVER_SOAP)
def test_tshark_agrees_with_the_applications_over_soap(name: str) -> None:
    sample = SAMPLES[name]
    seen = [each.text.decode() for each in http_bodies(sample.capture, sample.about["ports"], is_tls=sample.is_tls)]
    assert seen == [entry["text"] for entry in sample.log if entry["did"] == "sent"]
