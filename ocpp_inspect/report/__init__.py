"""A read-only DuckDB connection and options in; Rich renderables, text lines or JSON out.

    timeline   the dialogue, message by message, with findings beside the line that caused them
    summary    what `analyze` says at its end: stations, transactions, findings by rule, what was not decodable
    findings   one line a finding
    machine    the same facts as JSON or JSON lines (docs/json.md)
    safe       the only door from captured text to a terminal

Nothing here writes, and nothing reads anything but the database (store/schema.sql).
"""

from __future__ import annotations
