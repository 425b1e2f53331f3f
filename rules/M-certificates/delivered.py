"""Messages that bring certificates to a station in, remarks about those that it cannot use out. ISO-013 to -016."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Monitor, Remark

from .reading import Certificate, certificates, requested_key

KEYS: Final = 16  # requests of a station that are remembered
DAY_NS: Final = 24 * 3600 * 10**9  # clocks of station, CSMS and capture may differ so much


def brought(item: Any) -> list[Certificate]:
    """What an InstallCertificate or CertificateSigned brings."""
    payload = item.payload if isinstance(item.payload, dict) else {}
    return certificates(payload.get("certificateChain", payload.get("certificate")))


def day(moment_ns: int) -> str:
    """A date in words."""
    return datetime.fromtimestamp(moment_ns / 10**9, UTC).date().isoformat()


class NoAuthority(Monitor):
    """ISO-013: a certificate that can sign no other is installed as a root."""

    def feed(self, item: Any) -> Iterable[Remark]:
        """One that signed itself is a root, whatever else it says of itself."""
        for each in brought(item)[:1]:
            if each.is_authority is False and not each.is_self_signed:
                kind = item.payload.get("certificateType")
                yield Remark(item, f"The {kind} with serial number {each.serial:x} may sign no other certificate (cA)")


class OutOfDate(Monitor):
    """ISO-014: a certificate is brought that has run out, or that a station could use only later."""

    def feed(self, item: Any) -> Iterable[Remark]:
        """Roots may be installed ahead of their time; the station's own certificate has to be valid at once."""
        for each in brought(item)[:1]:
            if each.ends_ns + DAY_NS < item.ts_ns:
                yield Remark(item, f"{item.action} brings a certificate that ended on {day(each.ends_ns)}")
            elif item.action == "CertificateSigned" and each.begins_ns - DAY_NS > item.ts_ns:
                yield Remark(item, f"{item.action} brings a certificate that begins on {day(each.begins_ns)}")


class OtherKey(Conversation):
    """ISO-015: the station refuses a certificate, and it is for another key than the station had asked for."""

    def __init__(self) -> None:
        self.keys: dict[bytes, None] = {}

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """If the key of a later certificate in the chain was asked for, the order is wrong."""
        if item.action != "CertificateSigned" or payload.get("status") != "Rejected" or not self.keys:
            return
        chain = certificates(request.get("certificateChain"))
        if not chain or not all(each.key for each in chain) or chain[0].key in self.keys:
            return
        if any(each.key in self.keys for each in chain):
            yield Remark(item, "The station's certificate was refused: it does not come first in its chain")
        else:
            yield Remark(item, f"Certificate {chain[0].serial:x} was refused: the station asked for another key")

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """The key that a station asks for; an unreadable request may be for any."""
        if item.action == "SignCertificate":
            key = requested_key(payload.get("csr"))
            if not key:
                self.keys.clear()
                return
            self.keys[key] = None
            if len(self.keys) > KEYS:
                del self.keys[next(iter(self.keys))]

    def forget(self) -> None:
        """Another request may be among what was lost."""
        self.keys.clear()


class OutOfOrder(Monitor):
    """ISO-016: the certificates of a chain do not follow one another from the station's own upwards."""

    def feed(self, item: Any) -> Iterable[Remark]:
        """Each is issued by the next one."""
        chain = brought(item)
        for number, (below, above) in enumerate(pairwise(chain), start=1):
            if below.issuer != above.subject:
                text = f"Certificate {number} of {len(chain)} in the chain was not issued by the one that follows"
                yield Remark(item, text)
                return
