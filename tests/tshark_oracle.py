"""A capture file in; the WebSocket text messages that tshark decodes in it out, with their exact octets.

tshark's PDML output carries the octets of every line of a decoded (unmasked, inflated, defragmented) text message in
hexadecimal; no other output format of tshark 4.0 gives them unaltered.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree


class Decoded(NamedTuple):
    """One text message as tshark sees it. `frame` is the packet that completed it."""

    stream: int
    frame: int
    source: str  # "address:port" of its sender
    text: bytes


def websocket_texts(
    path: Path,
    http_ports: Iterable[int] = (),
    *,
    reorder: bool = True,
    key_log: Path | None = None,
    is_tls: bool = False,
) -> list[Decoded]:
    """All text messages in the order of the frames that complete them; in TLS with a key log, or secrets inside.

    `reorder` lets tshark wait for late segments; it then stops at the first segment that the capture lacks, so a
    capture with holes is read without it.
    """
    command = ["tshark", "-n", "-r", str(path), "-Y", "websocket", "-T", "pdml"]
    command += ["-o", f"tcp.reassemble_out_of_order:{str(reorder).upper()}"]
    command += ["-J", "frame ip ipv6 tcp websocket data-text-lines"]
    for port in http_ports:
        command += ["-d", f"tcp.port=={port},{'tls' if is_tls or key_log else 'http'}"]
        command += ["-d", f"tls.port=={port},http"] if is_tls or key_log else []
    command += ["-o", f"tls.keylog_file:{key_log}"] if key_log is not None else []
    found: list[Decoded] = []
    # Nobody's preferences and plugins: an installed dissector for OCPP would show the texts in another way.
    bare = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=bare) as process:
        assert process.stdout is not None
        for _, element in ElementTree.iterparse(process.stdout):  # noqa: S314 - tshark's own output
            if element.tag == "packet":
                found.extend(_texts_of(element))
                element.clear()
    assert process.returncode == 0, f"tshark failed on {path}"
    return found


def http_bodies(path: Path, ports: Iterable[int] = (), *, is_tls: bool = False) -> list[Decoded]:
    """The body of every HTTP message, put together and unpacked, in the order of the frames that complete them."""
    command = ["tshark", "-n", "-r", str(path), "-Y", "http", "-T", "json", "--no-duplicate-keys", "-x"]
    command += ["-o", "tcp.reassemble_out_of_order:TRUE", "-J", "frame ip ipv6 tcp http"]
    for port in ports:
        command += ["-d", f"tcp.port=={port},{'tls' if is_tls else 'http'}"]
        command += ["-d", f"tls.port=={port},http"] if is_tls else []
    bare = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=bare, check=True)
    found = []
    for packet in json.loads(done.stdout):
        layers = packet["_source"]["layers"]
        http, ip = layers["http"], layers.get("ip") or layers["ipv6"]
        for part in http if isinstance(http, list) else [http]:
            octets = part.get("http.file_data_raw")
            if octets is None:
                continue
            source = f"{ip.get('ip.src') or ip['ipv6.src']}:{layers['tcp']['tcp.srcport']}"
            frame = int(layers["frame"]["frame.number"])
            found.append(Decoded(int(layers["tcp"]["tcp.stream"]), frame, source, bytes.fromhex(octets[0])))
    return found


def _texts_of(packet: ElementTree.Element) -> Iterable[Decoded]:
    """The text behind each websocket protocol item; HTTP bodies, which are text lines too, have none before them."""
    protocols = [item for item in packet if item.get("name") != "fake-field-wrapper"]  # notes on reassembly
    for before, item in itertools.pairwise(protocols):
        if before.get("name") == "websocket" and item.get("name") == "data-text-lines":
            text = bytes.fromhex("".join(line.get("value") or "" for line in item))
            yield Decoded(_number(packet, "tcp.stream"), _number(packet, "frame.number"), _source(packet), text)


def _field(packet: ElementTree.Element, name: str) -> str | None:
    found = packet.find(f".//field[@name='{name}']")
    return None if found is None else found.get("show")


def _number(packet: ElementTree.Element, name: str) -> int:
    return int(_field(packet, name) or -1)


def _source(packet: ElementTree.Element) -> str:
    address = _field(packet, "ip.src") or _field(packet, "ipv6.src")
    return f"{address}:{_field(packet, 'tcp.srcport')}"
