"""The JSON value of a message in; its kind and parts, and the faults of its form, out (OCPP-J §4).

The room reads well-formed frames itself; this is the full reading, for every frame that is not.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ocpp_inspect import limits
from ocpp_inspect.model import Kind
from ocpp_inspect.ocpp.explain import kind_of, shown
from ocpp_inspect.ocpp.text import Fault

KINDS: Final[dict[int, Kind]] = {2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 5: "CALLRESULTERROR", 6: "SEND"}
LENGTHS: Final = {2: 4, 3: 3, 4: 5, 5: 5, 6: 4}
_FORMS: Final = {
    2: "[2, id, action, payload]",
    3: "[3, id, payload]",
    4: "[4, id, error code, error description, error details]",
    5: "[5, id, error code, error description, error details]",
    6: "[6, id, action, payload]",
}
ID_CHARACTERS: Final = 36
DESCRIPTION_CHARACTERS: Final = 255


class Frame(msgspec.Struct, gc=False):
    """One message taken apart. For kind INVALID, `meant` is the message type that it seems to be (0: none)."""

    kind: Kind = "INVALID"
    unique_id: str = ""
    action: str = ""
    payload: Any = None
    error_code: str | None = None
    error_description: str | None = None
    meant: int = 0
    faults: list[Fault] = msgspec.field(default_factory=list)


def looks_like(value: Any) -> bool:
    """Whether a value has the shape of an OCPP-J message beyond coincidence."""
    if type(value) is not list or not 3 <= len(value) <= 6 or type(value[0]) is not int or type(value[1]) is not str:
        return False
    if value[0] in (2, 6):
        return len(value) >= 4 and type(value[2]) is str and (value[3] is None or type(value[3]) is dict)
    if value[0] == 3:
        return value[2] is None or type(value[2]) is dict
    return value[0] in (4, 5) and len(value) >= 4 and type(value[2]) is str and type(value[3]) is str


def read_frame(value: Any) -> Frame:
    """Take a decoded message apart; whatever it is, this returns."""
    frame = Frame()
    if type(value) is not list:
        frame.faults.append(("ocpp.not_array", f"the message is {_an(value)}, an array was expected"))
        return frame
    number = _message_type(value, frame)
    if number == 0:
        return frame
    frame.meant = number
    usable = _length(value, number, frame) and _identify(value, frame)
    if number in (2, 6):
        usable = usable and _action(value, frame)
    if number in (4, 5):
        usable = usable and _error(value, number, frame)
    elif usable:
        usable = _payload(value[3 if number != 3 else 2], frame)
    if usable:
        frame.kind = KINDS[number]
    return frame


def _an(value: Any) -> str:
    kind = kind_of(value)
    return ("an " if kind[0] in "aeiou" else "a ") + kind if kind != "null" else "null"


def _message_type(value: list[Any], frame: Frame) -> int:
    if not value:
        frame.faults.append(("ocpp.unknown_message_type", "the array is empty"))
        return 0
    first = value[0]
    if type(first) is int and first in KINDS:
        return first
    if type(first) in (str, float):
        number = next((each for each in KINDS if first in (str(each), float(each))), 0)
        if number:
            frame.faults.append(("ocpp.message_type_not_integer", f"the message type is written {shown(first)}"))
            return number
    name = "ocpp.unknown_message_type" if type(first) is int else "ocpp.message_type_not_integer"
    frame.faults.append((name, f"the first element is {shown(first)}, expected 2 to 6"))
    return 0


def _length(value: list[Any], number: int, frame: Frame) -> bool:
    wanted = LENGTHS[number]
    if len(value) == wanted:
        return True
    if number == 2 and len(value) == 5 and type(value[2]) is str and value[2].endswith("-Signed"):
        return True  # the specification shows both shapes of a signed CALL (P4-201 §7.1)
    frame.faults.append(
        ("ocpp.wrong_length", f"a {KINDS[number]} is {_FORMS[number]}, but this array has {len(value)} elements")
    )
    recoverable = len(value) > wanted and type(value[wanted - 1]) is dict
    usable = len(value) >= 3 if number in (4, 5) else recoverable
    if not usable and len(value) >= 2 and type(value[1]) is str:
        frame.unique_id = value[1]
    return usable


def _identify(value: list[Any], frame: Frame) -> bool:
    unique_id = value[1]
    if type(unique_id) is str:
        frame.unique_id = unique_id
        if not unique_id:
            frame.faults.append(("ocpp.id_empty", "the message id is an empty string"))
        elif len(unique_id) > ID_CHARACTERS:
            detail = f"the message id is {len(unique_id)} characters long, at most {ID_CHARACTERS} are allowed"
            frame.faults.append(("ocpp.id_too_long", detail))
        return True
    frame.faults.append(("ocpp.id_not_string", f"the message id is {shown(unique_id)}, which is {_an(unique_id)}"))
    if type(unique_id) is int:  # 12 can only mean "12"
        frame.unique_id = str(unique_id)
        return True
    return False


def _action(value: list[Any], frame: Frame) -> bool:
    action = value[2]
    if type(action) is str:
        frame.action = action[: limits.EXCERPT_CHARACTERS]
        return True
    frame.faults.append(("ocpp.action_not_string", f"the action is {shown(action)}, which is {_an(action)}"))
    return False


def _payload(payload: Any, frame: Frame) -> bool:
    if type(payload) is dict:
        frame.payload = payload
        return True
    if payload is None:
        frame.payload = {}
        frame.faults.append(("ocpp.payload_null", "the payload is null, {} is preferred"))
        return True
    frame.faults.append(("ocpp.payload_not_object", f"the payload is {_an(payload)}, {shown(payload)}"))
    if payload == []:  # what some languages write for an empty object
        frame.payload = {}
        return True
    return False


def _error(value: list[Any], number: int, frame: Frame) -> bool:
    code = value[2]
    if type(code) is not str:
        frame.faults.append(("ocpp.error_code_not_string", f"the error code is {shown(code)}, which is {_an(code)}"))
        return False
    frame.error_code = code[: limits.EXCERPT_CHARACTERS]
    description = value[3] if len(value) > 3 else ""
    if type(description) is str:
        frame.error_description = description
    else:
        detail = f"the error description is {shown(description)}, which is {_an(description)}"
        frame.faults.append(("ocpp.error_description_not_string", detail))
    details = value[4] if len(value) > 4 else {}
    frame.payload = details
    if type(details) is not dict:
        detail = f"the error details of a {KINDS[number]} are {_an(details)}: {shown(details)}"
        frame.faults.append(("ocpp.error_details_not_object", detail))
    return True
