"""Capture files and standard input in, PacketBatch out."""

from __future__ import annotations

from .anomalies import ANOMALIES
from .file import is_capture
from .inputs import expand_inputs
from .links import link_name
from .reader import CaptureReader
from .secrets import secrets_in
from .source import CaptureError

__all__ = ["ANOMALIES", "CaptureError", "CaptureReader", "expand_inputs", "is_capture", "link_name", "secrets_in"]
