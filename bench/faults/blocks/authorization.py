"""Faults of authorization: refused tokens that charge, tokens of the wrong kind, answers that contradict themselves."""

from __future__ import annotations

import copy

from bench.faults.blocks.remote_control import running
from bench.faults.fault import fault
from bench.faults.scenes.beginning import tag
from bench.faults.session import Session, after

REFUSED = ("Invalid", "Blocked", "Expired")


def token(kind: str, text: str) -> dict[str, object]:
    return {"idToken": text, "type": kind}


@fault("AUTH-001", "transaction", "refused_tag")
def starts_with_a_refused_tag(s: Session) -> None:
    """Authorize says no, and the station starts all the same."""
    request = s.one("Authorize", answer=lambda p: p["idTagInfo"]["status"] == "Accepted")
    start = s.following(request, "StartTransaction", where=lambda p: p["idTag"] == request.payload["idTag"])
    s.need(start.at < request.at + 60)
    assert request.answer is not None
    request.answer.payload["idTagInfo"]["status"] = s.chance.choice(REFUSED)


@fault("AUTH-002", "transaction")
def asks_only_to_stop(s: Session) -> None:
    """The card that started it is shown again; the station asks the CSMS before it stops."""
    stop = s.one("StopTransaction", where=lambda p: "idTag" in p)
    s.insert(stop.at - 0.1, ">", "Authorize", {"idTag": stop.payload["idTag"]}, {"idTagInfo": {"status": "Accepted"}})


@fault("AUTH-003", "transaction", also=("AUTH-001",))
def charges_though_refused(s: Session) -> None:
    """StartTransaction is answered with a refused tag, and energy flows on."""
    start = s.one("StartTransaction", answer=lambda p: p["idTagInfo"]["status"] == "Accepted")
    assert start.answer is not None
    s.need(s.following(start, "StopTransaction").at > start.at + 200)
    start.answer.payload["idTagInfo"]["status"] = s.chance.choice((*REFUSED, "ConcurrentTx"))


@fault("AUTH-004", "remote_transaction")
def asks_about_the_token_of_the_csms(s: Session) -> None:
    event = s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "RemoteStart")
    s.insert(
        event.at - 0.1, ">", "Authorize", {"idToken": event.payload["idToken"]}, {"idTokenInfo": {"status": "Accepted"}}
    )


@fault("AUTH-005", "transaction", also=("AUTH-008", "TX2-017"))
def no_authorization_with_a_text(s: Session) -> None:
    """A button was pressed, and the token has a number; or the CSMS refuses it."""
    event = s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "Authorized")
    name = event.payload["transactionInfo"]["transactionId"]
    s.drop_exchange(*[a for a in s.requests("Authorize") if 0 < event.at - a.at < 20])
    for each in s.requests(
        "TransactionEvent", where=lambda p: p["transactionInfo"]["transactionId"] == name and "idToken" in p
    ):
        each.payload["idToken"] = token("NoAuthorization", "BUTTON1")


@fault("AUTH-006", "transaction")
def second_language_without_first(s: Session) -> None:
    request = s.one("Authorize")
    assert request.answer is not None
    info = request.answer.payload["idTokenInfo"]
    info["language2"] = "de"
    if s.chance.random() < 0.5:
        info["language1"] = "de"


@fault("AUTH-007", "transaction")
def answer_without_judgement(s: Session) -> None:
    event = s.one("TransactionEvent", where=lambda p: "idToken" in p)
    assert event.answer is not None
    event.answer.payload = {}


@fault("AUTH-008", "transaction", also=("TX2-017",))
def charges_on_though_refused(s: Session) -> None:
    events = running(s)
    s.need(events[-1].at > events[0].at + 200)
    where = {"component": {"name": "TxCtrlr"}, "variable": {"name": "MaxEnergyOnInvalidId"}}
    s.insert(min(s.quiet_moments), "<", "GetVariables", {"getVariableData": [where]}, {"getVariableResult": [
        {"attributeStatus": "Accepted", "attributeValue": "0", **where}]})  # fmt: skip
    event = s.pick([e for e in events if e.payload["triggerReason"] == "Authorized"][:1])
    assert event.answer is not None
    event.answer.payload = {"idTokenInfo": {"status": s.chance.choice(REFUSED)}}


@fault("AUTH-009", "transaction")
def group_of_another_type(s: Session) -> None:
    request = s.one("Authorize", "TransactionEvent", answer=lambda p: "idTokenInfo" in p)
    assert request.answer is not None
    request.answer.payload["idTokenInfo"]["groupIdToken"] = token("ISO14443", "GROUP7")


@fault("AUTH-010", "transaction", also=("AUTH-017",))
def certificate_not_judged(s: Session) -> None:
    """A contract certificate is sent, and the answer is silent about it."""
    request = s.one("Authorize")
    request.payload["idToken"] = token("eMAID", "DE8AAA1234567")
    request.payload["certificate"] = "-----BEGIN CERTIFICATE-----\nMIIBWjCCAQA=\n-----END CERTIFICATE-----"
    assert request.answer is not None
    request.answer.payload.pop("certificateStatus", None)


@fault("AUTH-011", "transaction", also=("AUTH-001", "AUTH-008", "AUTH-012"))
def not_here_yet_here(s: Session) -> None:
    """NotAtThisLocation, and a list of EVSEs of this location."""
    request = s.one("Authorize")
    assert request.answer is not None
    request.answer.payload["idTokenInfo"] |= {"status": "NotAtThisLocation", "evseId": [1]}


@fault("AUTH-012", "transaction")
def charges_where_it_may_not(s: Session) -> None:
    """The token may charge at another EVSE only."""
    events = running(s)
    authorized = s.pick([e for e in events if e.payload["triggerReason"] == "Authorized"][:1])
    evse = next(e.payload["evse"]["id"] for e in events if "evse" in e.payload)
    asked = s.pick([a for a in s.requests("Authorize") if 0 < authorized.at - a.at < 20][-1:])
    for step in (asked, authorized):
        assert step.answer is not None
        step.answer.payload["idTokenInfo"]["evseId"] = [evse + 1]


@fault("AUTH-013")
def clears_what_is_off(s: Session) -> None:
    at = s.quiet()
    if s.version == "1.6":
        told = {"unknownKey": ["AuthorizationCacheEnabled"]}
        s.insert(at, "<", "GetConfiguration", {"key": ["AuthorizationCacheEnabled"]}, told)
    else:
        where = {"component": {"name": "AuthCacheCtrlr"}, "variable": {"name": "Enabled"}}
        s.insert(at, "<", "GetVariables", {"getVariableData": [where]}, {"getVariableResult": [
            {"attributeStatus": "Accepted", "attributeValue": "false", **where}]})  # fmt: skip
    s.insert(at + 1, "<", "ClearCache", {}, {"status": "Accepted"})


@fault("AUTH-014", "transaction", also=("AUTH-009",))
def master_pass_starts(s: Session) -> None:
    """A token of the group that may only stop starts a transaction."""
    master = token("Central", "MASTER")
    where = {"component": {"name": "AuthCtrlr"}, "variable": {"name": "MasterPassGroupId"}}
    s.insert(min(s.quiet_moments), "<", "GetVariables", {"getVariableData": [where]}, {"getVariableResult": [
        {"attributeStatus": "Accepted", "attributeValue": "MASTER", **where}]})  # fmt: skip
    events = running(s)
    event = s.pick([e for e in events if e.payload["triggerReason"] == "Authorized"][:1])
    s.need(event.at > min(s.quiet_moments))
    assert event.answer is not None
    event.answer.payload["idTokenInfo"]["groupIdToken"] = master
    for asked in [a for a in s.requests("Authorize") if 0 < event.at - a.at < 20]:
        assert asked.answer is not None
        asked.answer.payload["idTokenInfo"]["groupIdToken"] = copy.deepcopy(master)


@fault("AUTH-015", "transaction", also=("AUTH-001", "AUTH-008"))
def no_credit_to_keep(s: Session) -> None:
    request = s.one("Authorize")
    assert request.answer is not None
    request.answer.payload["idTokenInfo"] |= {"status": "NoCredit", "cacheExpiryDateTime": "2027-01-01T00:00:00Z"}


@fault("AUTH-016", "transaction", also="SETL-001")
def paid_up_to_what(s: Session) -> None:
    """A payment terminal's token, and no limit in the event."""
    event = s.one("TransactionEvent", where=lambda p: p["triggerReason"] == "Authorized")
    name = event.payload["transactionInfo"]["transactionId"]
    s.drop_exchange(*[a for a in s.requests("Authorize") if 0 < event.at - a.at < 20])
    for each in s.requests(
        "TransactionEvent", where=lambda p: p["transactionInfo"]["transactionId"] == name and "idToken" in p
    ):
        each.payload["idToken"] = token("DirectPayment", "PSP-4711")


@fault("AUTH-017", "transaction", also=("AUTH-010",))
def emaid_without_certificate(s: Session) -> None:
    request = s.one("Authorize")
    request.payload["idToken"] = token("eMAID", "DE8AAA" + tag(s)[:7])
    s.need(after(request))
