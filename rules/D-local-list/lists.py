"""SendLocalList requests in, remarks about tokens that are twice in one list out. Rule LAL-002."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ocpp_inspect.engine import Monitor, Remark


class Duplicates(Monitor):
    """One remark at most a message. A list of the largest message that is read has some ten thousand entries."""

    def feed(self, item: Any) -> Iterable[Remark]:
        """Tell the first token that comes again."""
        entries = item.payload.get("localAuthorizationList") if isinstance(item.payload, dict) else None
        seen = set()
        for entry in entries if isinstance(entries, list) else ():
            if not isinstance(entry, dict):
                continue
            token = entry.get("idTag")
            kind = ""
            if isinstance(entry.get("idToken"), dict):
                token, kind = entry["idToken"].get("idToken"), str(entry["idToken"].get("type"))
            if not isinstance(token, str):
                continue
            # Tokens are compared without case in every version (OCPP 1.6 §7.28, OCPP 2.0.1 Part 2 §2.28).
            if (token.lower(), kind) in seen:
                return (Remark(item, f"The local list has the token {token} twice"),)
            seen.add((token.lower(), kind))
        return ()
