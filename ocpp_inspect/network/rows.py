"""The TCP headers of some packets as columns: what both lanes hand to deduplication and to the table of flows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ocpp_inspect.model import Int64, UInt8

UInt64: TypeAlias = npt.NDArray[np.uint64]


@dataclass(slots=True)
class Rows:
    """One row a TCP segment. An endpoint is `address << 16 | port`; IPv6 addresses stand as numbers above 2**32."""

    index: Int64  # of the packet within the batch
    source: UInt64
    target: UInt64
    seq: Int64
    ack: Int64
    flags: Int64
    window: Int64
    offset: Int64  # of the payload
    length: Int64
    missing: Int64
    identification: Int64  # of the IPv4 header; 0 for IPv6
    hops: Int64  # TTL or hop limit
    header: Int64  # offset of the innermost IP header that stands in the packet itself

    def __len__(self) -> int:
        return len(self.index)

    def take(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Rows:
        """Some of the rows."""
        return Rows(*(getattr(self, field.name)[chosen] for field in fields(self)))


def join(parts: list[Rows]) -> Rows:
    """All rows in the order of their packets."""
    if len(parts) == 1:
        return parts[0]
    joined = [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Rows)]
    order = np.argsort(joined[0], kind="stable")
    return Rows(*(column[order] for column in joined))


def gather(octets: UInt8, offsets: Int64, width: int) -> UInt8:
    """Rows of `width` octets from each offset as one contiguous matrix: 0.03 µs a row."""
    if not len(offsets):
        return np.zeros((0, width), np.uint8)
    windows = np.ndarray((len(octets) - width + 1,), f"V{width}", buffer=octets, strides=(1,))
    rows: npt.NDArray[np.void] = windows[offsets]
    return rows.view(np.uint8).reshape(-1, width)
