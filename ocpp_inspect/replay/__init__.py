"""A recorded station in; the same dialogue with a living CSMS (or charger), and what differed, out.

`recording` reads one station from the database, `renewal` makes ids and times of now, `answers` knows what was
answered, `compare` tells two payloads apart; `station` and `csms` speak over sockets, `outcome` gathers what happened.
"""

from __future__ import annotations

from ocpp_inspect.replay.outcome import Judged, Note, Outcome
from ocpp_inspect.replay.recording import Recording, RecordingError, Visit, read_recording

__all__ = ["Judged", "Note", "Outcome", "Recording", "RecordingError", "Visit", "read_recording"]
