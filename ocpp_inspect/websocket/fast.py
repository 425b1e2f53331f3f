"""StreamBatch columns in, for each segment its kind out: one whole text frame, or anything else."""

from __future__ import annotations

import numpy as np

from ocpp_inspect.model import Int64, StreamBatch, UInt8

_TEXT = 0x81
_DEFLATED_TEXT = 0xC1  # FIN, RSV1, text
_MINIMUM_ROWS = 32
_OCTETS_A_ROW = 2_048


def classify(batch: StreamBatch) -> tuple[Int64, Int64]:
    """(kind, payload offset) of each segment. The kinds are those of frames.py: 0 is anything else.

    Only a segment that holds exactly one final text frame in its shortest length form is told; all else goes
    through the reader. About 30 ns a segment.
    """
    octets, offset, length = batch.octets, batch.offset, batch.length
    last = max(len(octets) - 1, 0)
    first = octets[np.minimum(offset, last)].astype(np.int64)
    second = octets[np.minimum(offset + 1, last)].astype(np.int64)
    short = second & 0x7F
    is_masked = second >> 7
    is_long = short == 126
    extended = (octets[np.minimum(offset + 2, last)].astype(np.int64) << 8) | octets[np.minimum(offset + 3, last)]
    payload = np.where(is_long, extended, short)
    header = 2 + 2 * is_long + 4 * is_masked
    is_deflated = first == _DEFLATED_TEXT
    is_single = (
        ((first == _TEXT) | is_deflated)
        & (length >= 2)
        & (short != 127)
        & (~is_long | (extended >= 126))
        & (header + payload == length)
    )
    kind = np.where(is_single, 1 + is_masked + 2 * is_deflated, 0)
    return kind, offset + header


def unmask_all(window: UInt8, start: Int64, end: Int64) -> bytes | None:
    """The window with the payloads [start, end) unmasked in place, each by the four octets before it.

    One XOR for all of them: 0.2 µs a payload of 200 octets, against 0.6 one by one. Octets outside of the payloads come
    out changed. None when the payloads overlap or are too sparse in the window for this to pay.
    """
    if len(start) < _MINIMUM_ROWS or len(window) > _OCTETS_A_ROW * len(start):
        return None
    size = len(window)
    padded = np.zeros((size + 7) // 4 * 4, dtype=np.uint8)
    padded[:size] = window
    words = padded.view(np.uint32)
    first_word, end_word = start // 4, (end + 3) // 4
    if np.any(first_word[1:] < end_word[:-1]):
        return None
    # Octet b of each aligned word is masked by the key's octet (b - start) mod 4 (RFC 6455 §5.3).
    keys = window[(start - 4)[:, None] + ((np.arange(4)[None, :] - start[:, None]) & 3)].view(np.uint32)[:, 0]
    values = np.zeros(2 * len(start) + 1, dtype=np.uint32)
    values[1::2] = keys
    edges = np.empty(2 * len(start) + 2, dtype=np.int64)
    edges[0], edges[1:-1:2], edges[2:-1:2], edges[-1] = 0, first_word, end_word, len(words)
    words ^= np.repeat(values, np.diff(edges))
    return padded.tobytes()
