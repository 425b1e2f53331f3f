"""Firmware that one Local Controller publishes in; remarks about it out. Rules FW-016 and FW-018 (L03, L04)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ocpp_inspect.engine import Conversation, Remark

FILES: Final = 64  # publications that are remembered per station; beyond it the oldest is forgotten
WITHIN_NS: Final = 600 * 10**9  # for the first status; a convention, since no clause says how soon


@dataclass(slots=True)
class Publication:
    """A file that the CSMS had published: its checksum is its name in UnpublishFirmware (L04, remark)."""

    checksum: str
    item: Any  # the answer that accepted it
    status: str = ""  # the last one that was told; "Unpublished" when it is taken back
    told: bool = False  # its silence was remarked, or can no longer be


class Publications(Conversation):
    """Follows requestId → file; loss, boot and a new connection leave nothing certain."""

    rests_on = frozenset({"PublishFirmwareStatusNotification", "UnpublishFirmware", "BootNotification", "Heartbeat"})
    rests_without = ("files",)  # before something is published there is nothing to compare with

    def __init__(self) -> None:
        self.files: dict[int, Publication] = {}

    def learn(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> None:
        """Take note of accepted publications, of what becomes of them, and of their end."""
        if item.action == "PublishFirmware" and item.kind == "CALLRESULT":
            number, checksum = request.get("requestId"), request.get("checksum")
            if payload.get("status") == "Accepted" and isinstance(number, int) and isinstance(checksum, str):
                self.files.pop(number, None)
                self.files[number] = Publication(checksum.casefold(), item)
                if len(self.files) > FILES:
                    del self.files[next(iter(self.files))]
        elif item.action == "PublishFirmwareStatusNotification" and item.kind == "CALL":
            found = self.named(payload)
            if found is not None and payload.get("status") != "Idle":
                found.status, found.told = str(payload.get("status")), True
        elif item.action == "UnpublishFirmware" and payload.get("status") == "Unpublished":
            for each in self.of(request):
                each.status, each.told = "Unpublished", True
        elif item.action == "BootNotification":
            self.files.clear()

    def named(self, payload: dict[str, Any]) -> Publication | None:
        """The publication whose requestId a status has."""
        number = payload.get("requestId")
        return self.files.get(number) if isinstance(number, int) else None

    def of(self, request: dict[str, Any]) -> list[Publication]:
        """Those of the checksum that UnpublishFirmware has."""
        checksum = request.get("checksum")
        if not isinstance(checksum, str):
            return []
        return [each for each in self.files.values() if each.checksum == checksum.casefold()]

    def forget(self) -> None:
        """What became of them may be among what was lost."""
        self.files.clear()


class Unreported(Publications):
    """FW-016: no status follows, or Published does not say where (L03.FR.01, L03.FR.04)."""

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Where a published file is must be told with the status."""
        if item.action != "PublishFirmwareStatusNotification" or item.kind != "CALL":
            return ()
        if payload.get("status") != "Published" or payload.get("location"):
            return ()
        return (Remark(item, f"Firmware {payload.get('requestId')} is Published, and no location is given"),)

    def due(self, now_ns: int) -> Iterable[Remark]:
        """Tell what was to be told by now."""
        for number, each in self.files.items():
            if not each.told and now_ns >= each.item.ts_ns + WITHIN_NS:
                each.told = True
                text = f"The publication of firmware {number} was accepted, and no status of it comes within 10 minutes"
                yield Remark(each.item, text, ts_ns=each.item.ts_ns + WITHIN_NS)

    def cut_off(self, now_ns: int) -> None:
        """What is not told by now was perhaps not sent."""
        for each in self.files.values():
            each.told = True


class Contradicted(Publications):
    """FW-018: the answer to UnpublishFirmware does not fit what was published (L04.FR.01 to L04.FR.03)."""

    def judge(self, item: Any, payload: dict[str, Any], request: dict[str, Any]) -> Iterable[Remark]:
        """Compare the answer with the last status of the files of that checksum, where all of it is known."""
        if item.action != "UnpublishFirmware" or item.kind != "CALLRESULT":
            return ()
        known = {each.status for each in self.of(request)}
        status = payload.get("status")
        if status == "Unpublished" and known == {"Unpublished"}:
            return (Remark(item, "The firmware is Unpublished, which it was already; NoFirmware is due"),)
        if status == "NoFirmware" and known == {"Published"}:
            return (Remark(item, "NoFirmware is answered, but the file was Published and not taken back since"),)
        return ()
