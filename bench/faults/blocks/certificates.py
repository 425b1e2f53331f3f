"""Faults of certificates, passwords and security events, as far as messages show them."""

from __future__ import annotations

import copy

from bench.faults.fault import fault
from bench.faults.scenes.beginning import CERTIFICATE, CSR
from bench.faults.session import Payload, Session, Stamp, after


@fault("SEC-009", also="SEC-001")
def password_in_the_clear(s: Session) -> None:
    """The connections have no TLS, and a new password is set over them."""
    for step in s.steps:
        if step.side is None and (step.text or "").startswith("open"):
            step.text = (step.text or "") + " tls=false"
    set_password(s, "0123456789abcdef0123456789abcdef01234567")


def set_password(s: Session, password: str) -> None:
    at = s.quiet()
    if s.version == "1.6":
        s.insert(at, "<", "ChangeConfiguration", {"key": "AuthorizationKey", "value": password}, {"status": "Accepted"})
    else:
        where = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
        s.insert(at, "<", "SetVariables", {"setVariableData": [{"attributeValue": password, **where}]},
                 {"setVariableResult": [{"attributeStatus": "Accepted", **where}]})  # fmt: skip


@fault("SEC-010")
def password_in_plain_letters(s: Session) -> None:
    set_password(s, s.chance.choice(("my-secret-password", "abc", "0123456789abcdef012345")))


@fault("SEC-011")
def tells_its_password(s: Session) -> None:
    at = s.quiet()
    if s.version == "1.6":
        s.insert(at, "<", "GetConfiguration", {"key": ["AuthorizationKey"]}, {"configurationKey": [
            {"key": "AuthorizationKey", "readonly": False, "value": "30313233343536373839414243444546"}]})  # fmt: skip
    else:
        where = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
        s.insert(at, "<", "GetVariables", {"getVariableData": [where]}, {"getVariableResult": [
            {"attributeStatus": "Accepted", "attributeValue": "a-secret-password-1", **where}]})  # fmt: skip


@fault("SEC-012")
def new_profile_old_connection(s: Session) -> None:
    s.insert(
        max(s.quiet_moments),
        "<",
        "ChangeConfiguration",
        {"key": "SecurityProfile", "value": "3"},
        {"status": "Accepted"},
    )


@fault("SEC-013", also=("SEC-012",))
def lower_profile(s: Session) -> None:
    at = max(s.quiet_moments)
    if s.version == "1.6":
        told = {"configurationKey": [{"key": "SecurityProfile", "readonly": False, "value": "2"}]}
        s.insert(at, "<", "GetConfiguration", {"key": ["SecurityProfile"]}, told)
        s.insert(at + 1, "<", "ChangeConfiguration", {"key": "SecurityProfile", "value": "1"}, {"status": "Accepted"})
        return
    where = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "SecurityProfile"}}
    s.insert(at, "<", "GetVariables", {"getVariableData": [where]}, {"getVariableResult": [
        {"attributeStatus": "Accepted", "attributeValue": "2", **where}]})  # fmt: skip
    profile = {"ocppInterface": "Wired0", "ocppTransport": "JSON", "messageTimeout": 30, "ocppVersion": "OCPP20",
               "ocppCsmsUrl": "ws://csms.example/ocpp", "securityProfile": 1}  # fmt: skip
    s.insert(
        at + 1, "<", "SetNetworkProfile", {"configurationSlot": 1, "connectionData": profile}, {"status": "Accepted"}
    )


@fault("SEC-014", "certificate", note="The end of the connection calls it off.")
def certificate_never_delivered(s: Session) -> None:
    s.drop_exchange(s.one("CertificateSigned"))


@fault("SEC-016")
def certificate_refused_and_no_event(s: Session) -> None:
    signed(s, "Rejected")


@fault("SEC-017", "certificate", also=("SEC-014",))
def certificate_of_another_request(s: Session) -> None:
    request = s.one("CertificateSigned")
    if s.chance.random() < 0.5:
        request.payload["requestId"] += 300
    else:
        del request.payload["requestId"]


@fault("SEC-018")
def new_certificate_old_connection(s: Session) -> None:
    where = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "SecurityProfile"}}
    s.insert(max(s.quiet_moments) - 1, "<", "GetVariables", {"getVariableData": [where]}, {"getVariableResult": [
        {"attributeStatus": "Accepted", "attributeValue": "3", **where}]})  # fmt: skip
    signed(s, "Accepted")


def signed(s: Session, answer: str) -> None:
    """A new certificate at the end of the session, behind which nothing else happens."""
    at = max(s.quiet_moments)
    payload: Payload = {"csr": CSR, "certificateType": "ChargingStationCertificate"}
    delivered: Payload = {"certificateChain": CERTIFICATE, "certificateType": "ChargingStationCertificate"}
    if s.version == "2.1":
        payload["requestId"] = delivered["requestId"] = 4711
    s.insert(at, ">", "SignCertificate", payload, {"status": "Accepted"})
    s.insert(at + 1, "<", "CertificateSigned", delivered, {"status": answer})
    s.end_later(1000)


@fault("SEC-019")
def invented_event(s: Session) -> None:
    at = s.quiet()
    s.insert(
        at,
        ">",
        "SecurityEventNotification",
        {"type": s.chance.choice(("DoorOpened", "Startup", "firmwareUpdated")), "timestamp": Stamp(at)},
        {},
    )


@fault("SEC-020")
def start_not_reported(s: Session) -> None:
    events = s.requests("SecurityEventNotification", where=lambda p: p["type"] == "StartupOfTheDevice")
    s.need(len(events) > 1)
    s.drop_exchange(events[-1])
    s.insert(
        max(s.quiet_moments),
        ">",
        "SecurityEventNotification",
        {"type": "SettingSystemTime", "timestamp": Stamp(max(s.quiet_moments))},
        {},
    )


@fault("SEC-021", "log", "diagnostics", "firmware")
def password_in_an_address(s: Session) -> None:
    request = s.one("GetLog", "GetDiagnostics")
    url = "ftp://user:secret@log.example/up"
    if request.action == "GetLog":
        request.payload["log"]["remoteLocation"] = url
    else:
        request.payload["location"] = url


@fault("SEC-022", "log")
def address_with_a_fragment(s: Session) -> None:
    s.one("GetLog").payload["log"]["remoteLocation"] = s.chance.choice(
        ("https://log.example/up#a", "https://log.example/up?to=a/")
    )


@fault("ISO-003", "certificate")
def list_and_not_found(s: Session) -> None:
    request = s.one("GetInstalledCertificateIds")
    assert request.answer is not None
    request.answer.payload["status"] = "NotFound"


@fault("ISO-004", "certificate", note="As long as not all lists were seen, it is inconclusive.")
def deleted_and_still_there(s: Session) -> None:
    request = s.one("GetInstalledCertificateIds")
    assert request.answer is not None
    if s.version == "1.6":
        other = {"certificateType": "ManufacturerRootCertificate"}
        s.insert(after(request), "<", "GetInstalledCertificateIds", other, {"status": "NotFound"})
    else:
        request.payload = {}  # all lists
    found = request.answer.payload
    hashes = (
        found["certificateHashData"][0]
        if s.version == "1.6"
        else found["certificateHashDataChain"][0]["certificateHashData"]
    )
    s.insert(after(request) + 3, "<", "DeleteCertificate", {"certificateHashData": hashes}, {"status": "Accepted"})
    s.insert(
        after(request) + 4, "<", "GetInstalledCertificateIds", copy.deepcopy(request.payload), copy.deepcopy(found)
    )


@fault("ISO-005", "certificate")
def deleted_by_another_hash(s: Session) -> None:
    request = s.one("GetInstalledCertificateIds")
    hashes = {"hashAlgorithm": "SHA512", "issuerNameHash": "ab" * 64, "issuerKeyHash": "cd" * 64, "serialNumber": "1f"}
    s.insert(after(request), "<", "DeleteCertificate", {"certificateHashData": hashes}, {"status": "NotFound"})


@fault("ISO-009", "certificate")
def no_pem(s: Session) -> None:
    request = s.one("SignCertificate", "CertificateSigned", "InstallCertificate")
    name = next(n for n in ("csr", "certificateChain", "certificate") if n in request.payload)
    request.payload[name] = s.chance.choice(("MIIBWjCCAQA=", "-----BEGIN CERTIFICATE-----", "certificate"))
