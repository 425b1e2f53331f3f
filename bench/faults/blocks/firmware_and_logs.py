"""Faults of firmware updates, logs and DataTransfer."""

from __future__ import annotations

import copy

from bench.faults.fault import fault
from bench.faults.scenes.beginning import CERTIFICATE
from bench.faults.session import Session, Stamp, Step, after

UPDATES = ("UpdateFirmware", "SignedUpdateFirmware")
STATUSES = ("FirmwareStatusNotification", "SignedFirmwareStatusNotification")
SCENES = ("firmware", "signed_firmware")


def statuses(s: Session, update: Step) -> list[Step]:
    """What the station told about an update."""
    found = [x for x in s.requests(*STATUSES) if x.at > update.at and x.payload["status"] != "Idle"]
    later = [x.at for x in s.requests(*UPDATES) if x.at > update.at]
    return [x for x in found if not later or x.at < later[0]]


def status(s: Session, state: str) -> Step:
    return s.one(*STATUSES, where=lambda p: p["status"] == state)


def update_at_the_end(
    s: Session, *states: str, answer: str = "Accepted", pause: float = 20.0
) -> tuple[Step, list[Step]]:
    """A signed update at the end of the session, behind which nothing else happens; what is told about it."""
    at, number = max(s.quiet_moments), 7001
    action, told = ("SignedUpdateFirmware", STATUSES[1]) if s.version == "1.6" else ("UpdateFirmware", STATUSES[0])
    firmware = {
        "location": "https://fw.example/8.bin",
        "retrieveDateTime": Stamp(at),
        "signingCertificate": CERTIFICATE,
        "signature": "c2ln",
    }
    update = s.insert(at, "<", action, {"requestId": number, "firmware": firmware}, {"status": answer})
    steps = []
    for state in states:
        at += pause
        steps.append(s.insert(at, ">", told, {"status": state, "requestId": number}, {}))
    s.end_later(1200)
    return update, steps


@fault("FW-001", *SCENES, also=("FW-007", "FW-005"))
def installs_what_failed(s: Session) -> None:
    """The download or the signature failed, and it is installed all the same."""
    step = s.one(*STATUSES, where=lambda p: p["status"] in ("Downloaded", "SignatureVerified"))
    step.payload["status"] = "DownloadFailed" if step.payload["status"] == "Downloaded" else "InvalidSignature"
    if step.payload["status"] == "InvalidSignature":
        at = after(step)
        s.insert(at, ">", "SecurityEventNotification", {"type": "InvalidFirmwareSignature", "timestamp": Stamp(at)}, {})


@fault("FW-002", also=("FW-010", "FW-005", "FW-006", "FW-007", "FW-003"))
def update_of_nobody(s: Session) -> None:
    """It is over, and begins again by itself."""
    _, told = update_at_the_end(s, "Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed")
    at = after(told[-1])
    event = s.insert(at, ">", "SecurityEventNotification", {"type": "FirmwareUpdated", "timestamp": Stamp(at)}, {})
    s.insert(after(event), ">", told[0].action, dict(told[0].payload), {})


@fault("FW-003")
def not_a_word_about_the_update(s: Session) -> None:
    update_at_the_end(s)


@fault("FW-004", *SCENES, also=("FW-013",))
def downloads_too_early(s: Session) -> None:
    """Tomorrow, said the CSMS."""
    update = s.one(*UPDATES)
    holder, name = (
        (update.payload, "retrieveDate")
        if "retrieveDate" in update.payload
        else (update.payload["firmware"], "retrieveDateTime")
    )
    holder[name] = Stamp(update.at + 86_400)


@fault("FW-005", *SCENES, also=("FW-010",))
def update_that_never_ends(s: Session) -> None:
    """It downloads, and nothing more is heard for days."""
    update = s.one(*UPDATES)
    told = statuses(s, update)
    s.steps = [x for x in s.steps if x.at <= after(told[0])]
    s.end_later(3 * 86_400)


@fault(
    "FW-006",
    also=("FW-002", "FW-003", "FW-005", "FW-007", "FW-010"),
    note="Another number is told only when the update is Installed, and the station was known to have no other.",
)
def status_of_another_update(s: Session) -> None:
    _, told = update_at_the_end(s, "Downloading", "Downloaded", "SignatureVerified", "Installing", pause=80.0)
    if s.chance.random() < 0.5:
        step = s.pick(told)
        del step.payload["requestId"]
        return
    at = after(told[-1]) + 30
    s.insert(at, ">", told[0].action, {"status": "Installed", "requestId": 1}, {})
    for step in told:
        step.payload["requestId"] = 1
    s.insert(at + 5, ">", "SecurityEventNotification", {"type": "FirmwareUpdated", "timestamp": Stamp(at + 5)}, {})


@fault("FW-007", also=("FW-010", "FW-003", "FW-005"))
def statuses_out_of_order(s: Session) -> None:
    """Installing straight behind Downloading, or Downloading again behind Installing."""
    update_at_the_end(
        s, *s.chance.choice((("Downloading", "Installing"), ("Downloading", "Downloaded", "Installing", "Downloading")))
    )


@fault("FW-008")
def bad_signature_and_no_event(s: Session) -> None:
    update_at_the_end(s, "Downloading", "Downloaded", "InvalidSignature")


@fault("FW-009")
def bad_certificate_and_no_event(s: Session) -> None:
    update_at_the_end(s, answer="InvalidCertificate")


@fault("FW-010", "firmware")
def installed_and_no_event(s: Session) -> None:
    events = s.requests("SecurityEventNotification", where=lambda p: p["type"] == "FirmwareUpdated")
    s.need(events)
    s.drop_exchange(*events)


@fault("FW-011", "signed_firmware", also=("FW-012",))
def takes_unsigned_firmware_too(s: Session) -> None:
    s.need(s.traits.get("signed"))
    update = s.one("SignedUpdateFirmware")
    at = max(s.quiet_moments)
    s.need(at > update.at)
    s.insert(at, "<", "UpdateFirmware", {"location": "https://fw.example/9.bin", "retrieveDate": Stamp(at)}, {})
    for turn, state in enumerate(("Downloading", "DownloadFailed")):
        s.insert(at + 4 + 4 * turn, ">", "FirmwareStatusNotification", {"status": state}, {})


@fault("FW-012", also=("FW-002", "FW-003", "FW-006", "FW-005", "FW-007"))
def second_update_at_once(s: Session) -> None:
    """While the first one is being installed, another one is Accepted as if there were none."""
    update, told = update_at_the_end(s, "Downloading", "Downloaded", "SignatureVerified", "Installing")
    payload = copy.deepcopy(update.payload)
    payload["requestId"] += 400
    s.insert(after(told[-1]) + 5, "<", update.action, payload, {"status": "Accepted"})


@fault("FW-013", *SCENES, also="HB-001")
def waits_without_saying_so(s: Session) -> None:
    """The installation is for later, it waits, and does not say InstallScheduled."""
    update = s.one(*UPDATES, where=lambda p: "firmware" in p)
    told = statuses(s, update)
    at = next(x for x in told if x.payload["status"] == "Installing").at
    s.need(len(told) > 3)
    s.shift(at - 0.1, 900.0)
    update.payload["firmware"]["installDateTime"] = Stamp(at + 850)


@fault("FW-014", "firmware")
def nothing_was_updated(s: Session) -> None:
    """Installed, and the same version as before."""
    boots = s.requests("BootNotification")
    s.need(len(boots) > 1 and s.traits["rich"])
    for boot in boots:
        holder = boot.payload if s.version == "1.6" else boot.payload["chargingStation"]
        holder["firmwareVersion"] = "4.2"
    s.need(s.requests(*UPDATES))
    s.need([x for x in s.requests(*STATUSES) if x.payload["status"] == "Installed"])


@fault("FW-015", "firmware")
def half_a_signature(s: Session) -> None:
    del s.one("UpdateFirmware").payload["firmware"][s.chance.choice(("signature", "signingCertificate"))]


@fault("FW-016", "publish_firmware")
def published_and_not_where(s: Session) -> None:
    step = s.one("PublishFirmwareStatusNotification", where=lambda p: p["status"] == "Published")
    step.payload.pop("location")


@fault("FW-018", "publish_firmware")
def unpublished_and_denied(s: Session) -> None:
    request = s.one("UnpublishFirmware")
    assert request.answer is not None
    request.answer.payload["status"] = "NoFirmware"


@fault("FW-019", "signed_firmware", also=("FW-003", "FW-005"))
def signed_update_told_unsigned(s: Session) -> None:
    for x in s.requests("SignedFirmwareStatusNotification"):
        x.action = "FirmwareStatusNotification"
        x.payload.pop("requestId")
        if x.payload["status"] == "SignatureVerified":
            s.drop_exchange(x)
    s.need(s.requests("SignedUpdateFirmware"))


@fault("FW-020", *SCENES, also=("FW-013",))
def installs_too_early(s: Session) -> None:
    update = s.one(*UPDATES, where=lambda p: "firmware" in p)
    update.payload["firmware"]["installDateTime"] = Stamp(update.at + 86_400)


# ---------------------------------------------------------------------------------------------- logs

LOGS = ("DiagnosticsStatusNotification", "LogStatusNotification")


def upload(s: Session) -> tuple[Step, list[Step]]:
    """A request for a log and what was told about it."""
    request = s.one("GetDiagnostics", "GetLog")
    name = LOGS[0] if request.action == "GetDiagnostics" else LOGS[1]
    return request, [
        s.following(request, name, where=lambda p, state=state: p["status"] == state)
        for state in ("Uploading", "Uploaded")
    ]


@fault("LOG-001", "log", "diagnostics", note="The end of the connection calls it off.")
def upload_never_told(s: Session) -> None:
    _, told = upload(s)
    s.drop_exchange(*told)


@fault("LOG-002", "log", "diagnostics")
def begin_never_told(s: Session) -> None:
    _, told = upload(s)
    s.drop_exchange(told[0])


@fault("LOG-003", "diagnostics")
def uploads_what_is_not_there(s: Session) -> None:
    """GetDiagnostics is answered without a file name."""
    request = s.one("GetDiagnostics")
    assert request.answer is not None
    request.answer.payload = {}


@fault("LOG-004", "log", "diagnostics", also=("LOG-006",), note="The end of the connection calls it off.")
def end_never_told(s: Session) -> None:
    _, told = upload(s)
    s.drop_exchange(told[1])
    s.end_later(90_000)


@fault(
    "LOG-005",
    "log",
    also=("LOG-001", "LOG-002", "LOG-004"),
    note="Another number is told only of Uploading, when one upload was asked for.",
)
def status_of_another_log(s: Session) -> None:
    step = s.one("LogStatusNotification", where=lambda p: p["status"] != "Idle")
    if s.chance.random() < 0.5:
        step.payload["requestId"] += 3000
    else:
        del step.payload["requestId"]


@fault("LOG-006", "log", also=("LOG-001", "LOG-005", "LOG-004"))
def second_log_at_once(s: Session) -> None:
    request = s.one("GetLog")
    begun = s.following(request, "LogStatusNotification")
    payload = copy.deepcopy(request.payload)
    payload["requestId"] += 400
    s.insert(after(begun), "<", "GetLog", payload, {"status": "Accepted", "filename": "b.gz"})


@fault("LOG-007", "log")
def file_without_name(s: Session) -> None:
    request = s.one("GetLog")
    assert request.answer is not None
    del request.answer.payload["filename"]


@fault("LOG-008", "log", "diagnostics")
def status_again_and_again(s: Session) -> None:
    _, told = upload(s)
    at = after(told[0])
    added = [s.insert(at, ">", told[0].action, dict(told[0].payload), {}) for _ in range(14)]
    for turn, request in enumerate(added):
        assert request.answer is not None
        request.at, request.answer.at = at + turn, at + turn + 0.3


# ---------------------------------------------------------------------------------------------- DataTransfer


@fault("DT-001", "data_transfer")
def unknown_and_with_data(s: Session) -> None:
    request = s.one("DataTransfer")
    assert request.answer is not None
    request.answer.payload = {"status": "UnknownVendorId", "data": "but here it is"}


@fault("DT-002", "data_transfer")
def vendor_with_a_plain_name(s: Session) -> None:
    s.one("DataTransfer").payload["vendorId"] = s.chance.choice(("Example", "MyVendor", "EVCO"))


@fault("DT-003", "data_transfer")
def message_inside_of_data_transfer(s: Session) -> None:
    request = s.one("DataTransfer")
    request.payload["messageId"] = s.chance.choice(("StatusNotification", "MeterValues", "SetChargingProfile"))


@fault("DT-004", "data_transfer")
def vendor_unknown_as_an_error(s: Session) -> None:
    s.refuse(s.one("DataTransfer"), s.chance.choice(("NotImplemented", "NotSupported")))
