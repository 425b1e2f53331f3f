"""The folder `samples/` in; its descriptions and the applications' own logs, ready to compare with, out."""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[1] / "samples"
Dialogue = dict[tuple[str, str], list[str]]
"""(the station's "address:port", sender) → its texts in order."""


class Sample:
    """One recorded sample."""

    def __init__(self, description: Path) -> None:
        self.about: dict[str, Any] = yaml.safe_load(description.read_text(encoding="utf-8"))
        self.name: str = self.about["name"]
        self.capture = FOLDER / self.about["file"]
        self.is_tls = "secured" in self.about
        self.is_soap = self.about.get("transport") == "soap"
        self.complete: bool = self.about["complete"]
        self.servers = tuple(f":{port}" for port in self.about["ports"])

    @cached_property
    def log(self) -> list[dict[str, str]]:
        """Entries with `other` are of WebSockets that are no OCPP."""
        with (FOLDER / f"{self.name}.jsonl").open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    @property
    def binary(self) -> set[str]:
        """The texts that were sent as binary messages."""
        return {bytes.fromhex(entry["hex"]).decode() for entry in self.log if "hex" in entry}

    @property
    def others(self) -> set[str]:
        """The texts of WebSockets that are no OCPP."""
        return {entry["text"] for entry in self.log if "other" in entry}

    def said(self, did: str, *, binary: bool = False, other: bool = False) -> Dialogue:
        """What was sent, or received, as the applications logged it; binary and other messages only when asked for."""
        opposite = {"station": "csms", "csms": "station"}
        found: Dialogue = defaultdict(list)
        for entry in self.log:
            if entry["did"] == did and ("text" in entry or binary) and ("other" not in entry or other):
                sender = entry["side"] if did == "sent" else opposite[entry["side"]]
                text = entry["text"] if "text" in entry else bytes.fromhex(entry["hex"]).decode()
                found[entry["connection"], sender].append(text)
        return dict(found)


SAMPLES = {sample.name: sample for sample in map(Sample, sorted(FOLDER.glob("*.yaml")))}


WEBSOCKETS = [name for name, sample in SAMPLES.items() if not sample.is_soap]
OVER_SOAP = [name for name, sample in SAMPLES.items() if sample.is_soap]


def is_part_of(part: list[str], whole: list[str]) -> bool:
    """Whether `part` can be made from `whole` by leaving texts out."""
    rest = iter(whole)
    return all(text in rest for text in part)
