"""A subprotocol token, or the messages of a connection without one, in; the OCPP version out."""

from __future__ import annotations

import re
from typing import Any, Final

from ocpp_inspect.ocpp import schema

TOKENS: Final = {"ocpp1.6": "1.6", "ocpp2.0": "2.0", "ocpp2.0.1": "2.0.1", "ocpp2.1": "2.1"}
"""J16 §3.1.2; P4-201 §3.1.2; P4-21 §3.1.2."""

_OLDER: Final = ("ocpp1.2", "ocpp1.5")
_ODD: Final = re.compile(r"ocpp[\s_-]*v?([12])[._]?([0-9])(?:[._]?([0-9]))?(?:[._][0-9]+)*j?", re.IGNORECASE)
_ALL: Final = frozenset(schema.SCHEMA_VERSIONS)


def from_token(token: str) -> tuple[str, str, str]:
    """(version, anomaly name or "", detail) of a negotiated token; the version is "" when the token names none."""
    if token in TOKENS:
        return TOKENS[token], "", ""
    if token.lower().strip() in _OLDER:
        return "", "ocpp.unsupported_version", f"the subprotocol is {token}"
    if len(token) <= 64 and (found := _ODD.fullmatch(token.strip())) is not None:
        numbers = [part for part in found.groups() if part]
        for version in (".".join(numbers), ".".join(numbers[:2])):
            if version in TOKENS.values():
                return version, "ocpp.odd_subprotocol", f"'{token}' is read as OCPP {version}"
    return "", "", ""


class Inference:
    """Narrows the version of a connection down, CALL by CALL: by its actions, then by the schemas.

    An action with a payload that is valid in one version only decides at once. A payload that fits no version decides
    nothing. When 2.0.1 and 2.1 remain, 2.0.1 is taken until a message fits 2.1 only.
    """

    __slots__ = ("candidates", "version")

    def __init__(self) -> None:
        self.candidates = _ALL
        self.version = ""

    def observe(self, action: str, payload: Any) -> str:
        """The version that follows from one more CALL, "" while it is open."""
        known = {version for version in _ALL if action in schema.actions(version)}
        fitting = set()
        for version in known:
            checker = schema.checker(version, action, False)
            if checker is not None and checker.accepts(payload):
                fitting.add(version)
        narrowed = self.candidates & (fitting or known)
        if narrowed:
            self.candidates = frozenset(narrowed)
            if len(narrowed) == 1:
                self.version = next(iter(narrowed))
            elif "1.6" not in narrowed:
                self.version = "2.0.1"
        return self.version

    def settled(self) -> bool:
        """Whether further messages cannot change the version."""
        return len(self.candidates) == 1


def known_in(action: str) -> list[str]:
    """The versions that have an action, oldest first."""
    return [version for version in schema.SCHEMA_VERSIONS if action in schema.actions(version)]
