"""How sessions begin, and what both generations of OCPP do in the same way."""

from __future__ import annotations

import random
from typing import Final

from bench.faults.session import Payload, Session

VENDORS = (("Example Works", "EW-22"), ("Alpha", "A1"), ("Nordic Charge", "NC 50 DC"), ("V", "M"))
INTERVALS = (60, 120, 300, 900)
CSR: Final = "-----BEGIN CERTIFICATE REQUEST-----\nMIIBWjCCAQA=\n-----END CERTIFICATE REQUEST-----"
CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----\nMIIBWjCCAQA=\n-----END CERTIFICATE-----"


def begin(version: str, seed: str) -> Session:
    """An empty session whose traits are drawn from the seed."""
    chance = random.Random(seed)
    session = Session(version, chance)
    vendor, model = chance.choice(VENDORS)
    session.traits = {
        "station": f"CP{chance.randrange(1000):03}", "ids": chance.choice(("uuid", "", "m-")),
        "stamps": chance.choice(("ms", "s")), "connectors": chance.choice((1, 2, 2, 4)), "vendor": vendor, "model": model,
        "firmware": f"{chance.randrange(1, 9)}.{chance.randrange(30)}", "serial": f"S{chance.randrange(10**6):06}",
        "sample": chance.choice((30, 60, 60, 120)), "unit": chance.choice(("Wh", "Wh", "kWh")),
        "rich": chance.random() < 0.5, "register": chance.randrange(1_000, 3_000_000), "transaction": chance.randrange(1, 9000),
        "list": chance.randrange(1, 50), "request": chance.randrange(1, 900), "connection": 0,
        "heartbeat": chance.choice(INTERVALS), "power": chance.choice((3_600, 11_000, 22_000)),
    }  # fmt: skip
    return session


def connect(session: Session, **words: str) -> None:
    """A new connection of the station, over TLS and with its password."""
    number = session.traits["connection"]
    session.traits["connection"] = number + 1
    session.label = "ABCDEFGHJKLMNPQRSTUVWXYZ"[number]
    more = f" user={session.traits['station']} has_password=true password_length=20 offered=ocpp{session.version}"
    more += "".join(f" {name}={value}" for name, value in words.items())
    session.line(f"open as={session.label}{more}", wait=1.0)


def disconnect(session: Session, by: str = "station", kind: str = "fin", code: int | None = 1000) -> None:
    """The end of the connection, with the close frames of both sides when there is a code."""
    if code is not None:
        first, second = (">", "<") if by == "station" else ("<", ">")
        session.line(f"close {code}", side=first)  # type: ignore[arg-type]
        session.line(f"close {code}", side=second)  # type: ignore[arg-type]
    session.line(f"close as={session.label} by={by} kind={kind}")


def tag(session: Session) -> str:
    """A card that nobody has used before."""
    return f"{session.chance.getrandbits(56):014X}"


def consume(session: Session, seconds: float) -> float:
    """Charging for a time; the register afterwards, in Wh."""
    power = session.traits["power"] * session.chance.uniform(0.9, 1.0)
    session.traits["register"] += round(power * seconds / 3600)
    session.traits["watt"] = round(power)
    return float(session.traits["register"])


def number(session: Session, name: str) -> int:
    """The next transaction, request or list number."""
    session.traits[name] += 1
    return int(session.traits[name])


def in_an_hour(session: Session, hours: float = 1.0) -> Payload:
    return {"expiryDate" if session.version == "1.6" else "expiryDateTime": session.stamp(3600 * hours)}
