"""Messages about certificates in a station in, remarks on what contradicts them out. Rules ISO-004, -005, -010 to -012.

Certificates are known by their hash data (issuer's name and key, serial number). Of a PEM text in InstallCertificate
the issuer's name and the serial number can be computed, its issuer's key only if it signed itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ocpp_inspect.engine import Conversation, Remark
from ocpp_inspect.model import Verdict

from .reading import certificates

CERTIFICATES: Final = 128  # kept a station, in each table
CSMS_ROOTS: Final = frozenset(("CSMSRootCertificate", "CentralSystemRootCertificate"))
ROOTS: Final = {
    "1.6": frozenset(("CentralSystemRootCertificate", "ManufacturerRootCertificate")),
    "2.0.1": frozenset(
        ("V2GRootCertificate", "MORootCertificate", "CSMSRootCertificate", "ManufacturerRootCertificate")
    ),
}
ROOTS["2.1"] = ROOTS["2.0.1"] | {"OEMRootCertificate"}
LISTED: Final = {
    version: roots if version == "1.6" else roots | {"V2GCertificateChain"} for version, roots in ROOTS.items()
}  # what GetInstalledCertificateIds can ask for
HASHES: Final = {"SHA256": hashlib.sha256, "SHA384": hashlib.sha384, "SHA512": hashlib.sha512}


class Entry(NamedTuple):
    """The hash data of a certificate, comparable."""

    algorithm: str
    name: str
    key: str
    serial: str


def entry_of(data: Any) -> Entry | None:
    """CertificateHashDataType without differences of spelling; None when it is none."""
    if not isinstance(data, dict):
        return None
    words = [data.get(part) for part in ("hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber")]
    if not all(isinstance(word, str) for word in words):
        return None
    algorithm, name, key, serial = words
    return Entry(algorithm, name.lower(), key.lower(), serial.lower().replace(":", "").lstrip("0"))


def objects(holder: Any, name: str) -> Iterator[dict[str, Any]]:
    """The objects of a list of a payload, the first of them."""
    found = holder.get(name) if isinstance(holder, dict) else None
    for each in found[:CERTIFICATES] if isinstance(found, list) else ():
        if isinstance(each, dict):
            yield each


def listed(payload: dict[str, Any], request: dict[str, Any]) -> Iterator[tuple[str, Entry, bool]]:
    """(type, hash data, whether it is a child) of every certificate in an answer to GetInstalledCertificateIds."""
    asked = request.get("certificateType")
    for data in objects(payload, "certificateHashData"):  # 1.6
        entry = entry_of(data)
        if entry is not None and isinstance(asked, str):
            yield asked, entry, False
    for chain in objects(payload, "certificateHashDataChain"):  # 2.x
        entry, kind = entry_of(chain.get("certificateHashData")), chain.get("certificateType")
        if entry is None or not isinstance(kind, str):
            continue
        yield kind, entry, False
        for child in objects(chain, "childCertificateHashData"):
            below = entry_of(child)
            if below is not None:
                yield kind, below, True


def asked_types(request: dict[str, Any]) -> frozenset[str] | None:
    """The types that GetInstalledCertificateIds asks for; None: all."""
    asked = request.get("certificateType")
    if isinstance(asked, str):
        return frozenset((asked,))
    return frozenset(kind for kind in asked if isinstance(kind, str)) if isinstance(asked, list) and asked else None


class Installed(NamedTuple):
    """A certificate that InstallCertificate brought."""

    kind: str
    serial: int
    issuer: bytes  # DER
    is_self_signed: bool
    ts_ns: int

    def is_among(self, entries: Iterable[Entry]) -> bool:
        """Whether one of the entries may be this certificate: stations write serial numbers in several ways."""
        spellings = (format(self.serial, "x"), str(self.serial))
        return any(each.serial in spellings or each.name == self.name_hash(each.algorithm) for each in entries)

    def name_hash(self, algorithm: str) -> str:
        """The issuerNameHash that a station would report."""
        return HASHES.get(algorithm, hashlib.sha256)(self.issuer).hexdigest()


def installed(request: dict[str, Any], ts_ns: int) -> Installed | None:
    """What an accepted InstallCertificate brought; None when its PEM text cannot be read."""
    kind, read = request.get("certificateType"), certificates(request.get("certificate"))
    if not isinstance(kind, str) or not read:
        return None
    return Installed(kind, read[0].serial, read[0].issuer, read[0].is_self_signed, ts_ns)


class StillListed(Conversation):
    """ISO-004: a certificate that was deleted is in the list."""

    def __init__(self) -> None:
        self.asked: set[str] = set()  # types that were listed
        self.types: dict[Entry, set[str]] = {}  # as the last list had them
        self.deleted: dict[Entry, tuple[int, Verdict]] = {}  # hash data → when it was deleted, how certain that is all

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Only a list that was asked for after the deletion."""
        if item.action != "GetInstalledCertificateIds":
            return
        for kind, entry, _ in listed(payload, request):
            deleted_ns, verdict = self.deleted.get(entry, (item.ts_ns, "violation"))
            if entry in self.deleted and deleted_ns <= item.ts_ns - item.latency_ns:
                del self.deleted[entry]
                yield Remark(item, f"The {kind} with serial number {entry.serial} was deleted and is listed", verdict)

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """A certificate that serves two purposes may have been deleted for one of them: not remembered."""
        if item.action == "GetInstalledCertificateIds":
            known = LISTED.get(item.version, frozenset())
            self.asked |= known & (asked_types(request) or known)
            for kind, entry, _ in listed(payload, request):
                if entry in self.types or len(self.types) < CERTIFICATES:
                    self.types.setdefault(entry, set()).add(kind)
        elif item.action == "DeleteCertificate" and payload.get("status") == "Accepted":
            entry = entry_of(request.get("certificateHashData"))
            purposes = self.types.pop(entry, ()) if entry is not None else ()
            if entry is not None and len(purposes) < 2 and len(self.deleted) < CERTIFICATES:
                certain = len(purposes) == 1 and self.asked >= LISTED.get(item.version, frozenset(("",)))
                self.deleted[entry] = item.ts_ns, "violation" if certain else "inconclusive"
        elif item.action == "BootNotification" or payload.get("status") == "Accepted":  # a certificate came
            self.forget()

    def forget(self) -> None:
        """It may have been installed again."""
        self.asked.clear()
        self.types.clear()
        self.deleted.clear()


class OtherAlgorithm(Conversation):
    """ISO-005: a certificate is to be deleted by another hash than the station told."""

    def __init__(self) -> None:
        self.known: dict[Entry, None] = {}

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """The serial number alone says little: only an algorithm that the station never used counts."""
        entry = entry_of(payload.get("certificateHashData")) if item.action == "DeleteCertificate" else None
        if entry is None or any(each.algorithm == entry.algorithm for each in self.known):
            return
        for each in self.known:
            if each.serial == entry.serial:
                text = f"Certificate {entry.serial} is named by {entry.algorithm}; the station reports {each.algorithm}"
                yield Remark(item, text)
                return

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Keep what the station reports."""
        if item.action == "GetInstalledCertificateIds":
            for _, entry, _ in listed(payload, request):
                self.known.pop(entry, None)
                self.known[entry] = None
            while len(self.known) > CERTIFICATES:
                del self.known[next(iter(self.known))]

    def forget(self) -> None:
        """What was lost may have named another algorithm."""
        self.known.clear()


class NotListed(Conversation):
    """ISO-010: a certificate that was installed is missing in the list."""

    def __init__(self) -> None:
        self.installed: list[Installed] = []

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Only types that were asked for, and only what was installed before the question."""
        if item.action != "GetInstalledCertificateIds" or item.kind != "CALLRESULT":
            return
        asked, asked_ns = asked_types(request), item.ts_ns - item.latency_ns
        found = [(kind, entry) for kind, entry, _ in listed(payload, request)]
        for each in list(self.installed):
            if (asked is None or each.kind in asked) and each.ts_ns <= asked_ns:
                self.installed.remove(each)
                if not each.is_among(entry for kind, entry in found if kind == each.kind):
                    yield Remark(item, f"The {each.kind} with serial number {each.serial:x} was installed, not listed")

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """A new root of the CSMS may replace the one before (M05.FR.10)."""
        if item.action == "InstallCertificate" and payload.get("status") == "Accepted":
            brought = installed(request, item.ts_ns)
            if brought is None:
                return
            if brought.kind in CSMS_ROOTS:
                self.installed = [each for each in self.installed if each.kind != brought.kind]
            self.installed = [*self.installed[-CERTIFICATES + 1 :], brought]
        elif item.action == "BootNotification" or (
            item.action == "DeleteCertificate" and payload.get("status") == "Accepted"
        ):
            self.forget()

    def cut_off(self, now_ns: int) -> None:
        """A root of the CSMS that did not work may be given up for the one before (M05.FR.14)."""
        self.installed = [each for each in self.installed if each.kind not in CSMS_ROOTS]

    def forget(self) -> None:
        """It may have been deleted."""
        self.installed.clear()


@dataclass(slots=True)
class Store:
    """The root certificates in a station, as far as it listed them."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)  # type → certificates; a type not listed is missing

    def read(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Take an answer to GetInstalledCertificateIds into the picture."""
        asked = asked_types(request)
        for kind in ROOTS.get(item.version, frozenset()):
            if asked is None or kind in asked:
                self.entries[kind] = []
        for kind, entry, is_child in listed(payload, request):
            if kind in self.entries and not is_child:
                self.entries[kind].append(entry)


class Overfilled(Conversation):
    """ISO-011: one more root certificate is accepted by a full store."""

    def __init__(self) -> None:
        self.store = Store()
        self.limit: int | None = None

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """A root of the CSMS may replace one, and so does a certificate that is there already."""
        if item.action != "InstallCertificate" or payload.get("status") != "Accepted":
            return
        kinds, brought = ROOTS.get(item.version, frozenset()), installed(request, item.ts_ns)
        if (
            self.limit is None
            or brought is None
            or brought.kind in CSMS_ROOTS
            or not kinds <= self.store.entries.keys()
        ):
            return
        there = [entry for kind in kinds for entry in self.store.entries[kind]]
        if len(there) >= self.limit and not brought.is_among(there):
            text = f"A {brought.kind} is accepted; {len(there)} certificates are installed, {self.limit} is the limit"
            yield Remark(item, text)

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """The limit is a key of 1.6, and a characteristic of the variable CertificateEntries of 2.x."""
        if item.action == "GetInstalledCertificateIds":
            self.store.read(item, payload, request)
        elif item.action == "GetConfiguration":
            for key in objects(payload, "configurationKey"):
                if key.get("key") == "CertificateStoreMaxLength":
                    self.learn_limit(key.get("value"))
        elif item.action == "NotifyReport":
            for data in objects(payload, "reportData"):
                variable, limits = data.get("variable"), data.get("variableCharacteristics")
                if (
                    isinstance(variable, dict)
                    and isinstance(limits, dict)
                    and variable.get("name") == "CertificateEntries"
                ):
                    self.learn_limit(limits.get("maxLimit"))
        elif item.action == "BootNotification" or payload.get("status") == "Accepted":  # installed or deleted
            self.store.entries.clear()

    def learn_limit(self, value: Any) -> None:
        """A number, or the text of one."""
        text = str(value).partition(".")[0]
        self.limit = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None

    def forget(self) -> None:
        """More may be installed, or less."""
        self.store.entries.clear()


class UnrelatedRoot(Conversation):
    """ISO-012: a root certificate of the CSMS is replaced by one that only itself has signed."""

    def __init__(self) -> None:
        self.store = Store()

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """One that signed itself was not signed by another, unless both have one name and key."""
        if item.action != "InstallCertificate" or payload.get("status") != "Accepted":
            return
        brought = installed(request, item.ts_ns)
        if brought is None or brought.kind not in CSMS_ROOTS or not brought.is_self_signed:
            return
        there = self.store.entries.get(brought.kind)
        if there and not brought.is_among(there):
            text = f"The {brought.kind} with serial number {brought.serial:x} is accepted"
            yield Remark(item, f"{text}; it signed itself, and none of the roots before it did")

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Keep the list; after a change it is not known any more."""
        if item.action == "GetInstalledCertificateIds":
            self.store.read(item, payload, request)
        elif item.action == "BootNotification" or payload.get("status") == "Accepted":
            self.store.entries.clear()

    def forget(self) -> None:
        """The root may have been replaced."""
        self.store.entries.clear()
