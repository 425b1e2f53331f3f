"""Connections of stations in, the same octets at the CSMS and back out; a copy of them goes to the analysis.

The relay forwards before it looks. Whoever wants to stand between the two (a scenario, a console) implements
`Interceptor`, and gets an `Injector` to act by itself.
"""

from __future__ import annotations

from ocpp_inspect.proxy.anomalies import ANOMALIES
from ocpp_inspect.proxy.interception import (
    Action,
    Close,
    Cut,
    Delay,
    Drop,
    Forward,
    Hold,
    Injector,
    Interceptor,
    Link,
    LinkGoneError,
    Mark,
    Passing,
    Refusal,
    Replace,
    Sender,
    Transparent,
    UpgradeAttempt,
)

__all__ = [
    "ANOMALIES",
    "Action",
    "Close",
    "Cut",
    "Delay",
    "Drop",
    "Forward",
    "Hold",
    "Injector",
    "Interceptor",
    "Link",
    "LinkGoneError",
    "Mark",
    "Passing",
    "Refusal",
    "Replace",
    "Sender",
    "Transparent",
    "UpgradeAttempt",
]
