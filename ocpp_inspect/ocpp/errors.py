"""A CALLERROR or CALLRESULTERROR in; what is wrong with its code and description out (OCPP-J §4.3)."""

from __future__ import annotations

from typing import Final

from ocpp_inspect.model import OcppMessage
from ocpp_inspect.ocpp.frame import DESCRIPTION_CHARACTERS
from ocpp_inspect.ocpp.text import Fault

_SHARED: Final = frozenset(
    {
        "GenericError", "InternalError", "NotImplemented", "NotSupported", "PropertyConstraintViolation",
        "ProtocolError", "SecurityError", "TypeConstraintViolation",
    }
)  # fmt: skip
CODES_1: Final = _SHARED | {"FormationViolation", "OccurenceConstraintViolation"}
"""J16 §4.2.3; both odd spellings are normative (J16E §5.1, §5.2)."""
CODES_2: Final = _SHARED | {
    "FormatViolation", "MessageTypeNotSupported", "OccurrenceConstraintViolation", "RpcFrameworkError",
}  # fmt: skip
"""P4-201 §4.3; P4-21 §4.3."""


def faults(message: OcppMessage) -> list[Fault]:
    """Faults of the error code and description."""
    found: list[Fault] = []
    code = message.error_code or ""
    version = message.version
    allowed = CODES_1 if version == "1.6" else CODES_2 if version else CODES_1 | CODES_2
    if code not in allowed:
        if code in CODES_1 | CODES_2:
            found.append(("ocpp.error_code_other_version", f"the error code {code} does not exist in OCPP {version}"))
        else:
            known = f"OCPP {version}" if version else "any OCPP version"
            found.append(("ocpp.error_code_unknown", f"the error code '{code}' does not exist in {known}"))
    description = message.error_description or ""
    if version not in ("", "1.6") and len(description) > DESCRIPTION_CHARACTERS:
        detail = f"the error description is {len(description)} characters long, at most 255 are allowed"
        found.append(("ocpp.error_description_too_long", detail))
    return found
