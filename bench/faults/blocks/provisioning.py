"""Faults of booting and heartbeats."""

from __future__ import annotations

import copy

from bench.faults.fault import fault
from bench.faults.session import Payload, Session, Stamp, Step, after


def first_boot(s: Session) -> Step:
    return s.pick(s.requests("BootNotification", answer=lambda p: p["status"] == "Accepted")[:1])  # type: ignore[no-any-return]


def until_boot(s: Session, status: str, interval: int = 60) -> Step:
    """The first boot is answered with `status`; it is repeated, and accepted, later. The first one."""
    boot = first_boot(s)
    assert boot.answer is not None
    s.need(len(s.requests("BootNotification", where=lambda p: True)) == 1 or s.requests("BootNotification")[0] is boot)
    s.shift(boot.at - 0.001, interval + 2.0)
    answer = {"status": status, "currentTime": Stamp(boot.at - interval - 1.5), "interval": interval}
    early = Step(
        boot.at - interval - 2.0, boot.label, ">", "call", boot.action, copy.deepcopy(boot.payload), s.new_id(">")
    )
    early.answer = Step(early.at + 0.1, boot.label, "<", "result", boot.action, answer, early.unique_id, answers=early)
    s.steps += (early, early.answer)
    return early


def status_of(s: Session, at: float, state: str = "Available") -> Payload:
    if s.version == "1.6":
        return {"connectorId": 1, "errorCode": "NoError", "status": state}
    return {"timestamp": Stamp(at), "connectorStatus": state, "evseId": 1, "connectorId": 1}


@fault("BOOT-001", also=("SEC-020",))
def speaks_before_its_boot(s: Session) -> None:
    at = s.requests("BootNotification")[0].at
    s.shift(at - 0.01, 5.0)
    early = s.insert(at, ">", "StatusNotification", status_of(s, at), {})
    early.at = at + 0.2


@fault("BOOT-002", also=("BOOT-006",))
def speaks_while_pending(s: Session) -> None:
    early = until_boot(s, "Pending")
    s.insert(after(early) + 10, ">", "StatusNotification", status_of(s, after(early) + 10), {})


@fault("BOOT-003", also=("BOOT-006",))
def speaks_though_rejected(s: Session) -> None:
    early = until_boot(s, "Rejected")
    s.insert(after(early) + 10, ">", "StatusNotification", status_of(s, after(early) + 10), {})


@fault("BOOT-004")
def boots_too_soon(s: Session) -> None:
    """Asked to wait five minutes, it tries again after one."""
    early = until_boot(s, "Rejected")
    assert early.answer is not None
    early.answer.payload["interval"] = 300


@fault("BOOT-005")
def never_boots_again(s: Session) -> None:
    """Pending, and the station waits for ever."""
    boot = s.requests("BootNotification")[0]
    assert boot.answer is not None
    s.need(boot.answer.payload["status"] == "Accepted")
    boot.answer.payload |= {"status": s.chance.choice(("Pending", "Rejected")), "interval": 60}
    s.steps = [step for step in s.steps if step.at <= boot.answer.at]
    for turn in range(1, 6):
        s.steps.append(Step(boot.at + 55 * turn, boot.label, ">", text="ping"))
        s.steps.append(Step(boot.at + 55 * turn + 0.1, boot.label, "<", text="pong"))


@fault("BOOT-006", also=("BOOT-002", "BOOT-003"))
def serves_who_is_not_accepted(s: Session) -> None:
    """The CSMS answers an Authorize of a station that it has just rejected."""
    early = until_boot(s, s.chance.choice(("Rejected", "Pending")))
    at = after(early) + 10
    if s.version == "1.6":
        s.insert(at, ">", "Authorize", {"idTag": "AB12"}, {"idTagInfo": {"status": "Accepted"}})
    else:
        s.insert(
            at,
            ">",
            "Authorize",
            {"idToken": {"idToken": "AB12", "type": "ISO14443"}},
            {"idTokenInfo": {"status": "Accepted"}},
        )


@fault("BOOT-007")
def asks_who_is_rejected(s: Session) -> None:
    early = until_boot(s, "Rejected")
    s.insert(after(early) + 10, "<", "ClearCache", {}, {"status": "Accepted"})


@fault("BOOT-008", also=("RC-001", "RC-005"))
def remote_start_while_pending(s: Session) -> None:
    early = until_boot(s, "Pending")
    at = after(early) + 10
    if s.version == "1.6":
        s.insert(at, "<", "RemoteStartTransaction", {"idTag": "AB12", "connectorId": 1}, {"status": "Accepted"})
    else:
        s.insert(at, "<", "RequestStartTransaction", {"idToken": {"idToken": "AB12", "type": "Central"}, "remoteStartId": 5, "evseId": 1},
                 {"status": "Accepted"})  # fmt: skip


@fault(
    "BOOT-009",
    "reset",
    "report",
    also=("AVL-002", "AVL-003", "RES-001", "RES-003", "RES-005", "TRG-001", "TRG-006", "AVL-004", "ST16-001"),
    note="The end of the connection calls it off.",
)
def silent_about_its_connectors(s: Session) -> None:
    """No status for ten minutes, and nobody charges."""
    boot = s.pick(s.requests("BootNotification", answer=lambda p: p["status"] == "Accepted"))
    near = [x for x in s.requests() if boot.at < x.at < boot.at + 610 and x.side == ">"]
    s.need(
        not [x for x in near if x.action in ("TransactionEvent", "StartTransaction", "MeterValues", "BootNotification")]
    )
    s.drop_exchange(*[x for x in near if x.action == "StatusNotification"])


@fault("BOOT-010")
def closes_while_pending(s: Session) -> None:
    early = until_boot(s, "Pending", 120)
    at = after(early) + 10
    s.need([step for step in s.steps if step.at > at])
    s.steps = [step for step in s.steps if step.at < at]
    side, other = s.chance.choice(((">", "<"), ("<", ">")))
    s.steps += (
        Step(at, early.label, side, text="close 1000"), Step(at + 0.1, early.label, other, text="close 1000"),
        Step(at + 0.2, early.label, text=f"close as={early.label} by={'station' if side == '>' else 'csms'}"),
    )  # fmt: skip


@fault("BOOT-011", also=("HB-001", "HB-003"))
def odd_interval(s: Session) -> None:
    boot = first_boot(s)
    assert boot.answer is not None
    boot.answer.payload["interval"] = s.chance.choice((1, -5, 500_000, 3))


@fault("BOOT-012", also=("FW-004", "DQ-001", "DQ-002", "SCH-007"))
def time_of_1970(s: Session) -> None:
    """A CSMS whose clock was never set."""
    boot = first_boot(s)
    assert boot.answer is not None
    boot.answer.payload["currentTime"] = f"1970-01-01T00:0{s.chance.randrange(9)}:11Z"


@fault("BOOT-013", also=("BOOT-009", "SEC-020"), note="After a reconnection the CSMS may ask again.")
def boots_for_no_reason(s: Session) -> None:
    """The CSMS triggers a boot of a station that it has accepted."""
    at = s.quiet()
    s.insert(at, "<", "TriggerMessage", {"requestedMessage": "BootNotification"}, {"status": "Accepted"})
    boot = copy.deepcopy([b for b in s.requests("BootNotification") if b.at < at][-1].payload)
    if s.version != "1.6":
        boot["reason"] = "Triggered"
    s.insert(
        at + 1,
        ">",
        "BootNotification",
        boot,
        {"status": "Accepted", "currentTime": Stamp(at + 1.3), "interval": s.interval},
    )


@fault("BOOT-014", "reset", also=("TX2-017", "RST-008"))
def reason_of_no_request(s: Session) -> None:
    """A boot for RemoteReset that nobody asked for."""
    boot = s.pick(s.requests("BootNotification")[1:])
    s.need(boot.payload["reason"] in ("PowerUp", "RemoteReset"))
    boot.payload["reason"] = s.chance.choice(("RemoteReset", "ScheduledReset"))
    s.drop_exchange(*s.requests("Reset"))
    s.need(not s.requests("UpdateFirmware"))


@fault("BOOT-015", "reconnect", also=())
def nothing_after_a_long_absence(s: Session) -> None:
    """Ten minutes without connection; then only heartbeats."""
    closed = s.pick(
        [x for x in s.steps if x.side is None and (x.text or "").startswith("close ") and "rst" in (x.text or "")]
    )
    opened = s.pick([x for x in s.sorted() if x.at > closed.at and (x.text or "").startswith("open")][:1])
    s.shift(opened.at - 0.001, 700)
    s.need(
        not [
            x
            for x in s.requests("StatusNotification", "BootNotification", "NotifyEvent")
            if opened.at < x.at < opened.at + 65
        ]
    )


@fault("BOOT-016", "network_profile", also=("SEC-018",))
def other_endpoint_without_boot(s: Session) -> None:
    """Connects to another address, and does as if it were the old one."""
    opened = s.pick([x for x in s.sorted() if (x.text or "").startswith("open")][1:])
    s.need(not [x for x in s.requests("BootNotification") if opened.at < x.at < opened.at + 60])
    opened.text = (opened.text or "") + " host=other.example server=10.9.9.9 path=/other/" + s.traits["station"]


@fault("BOOT-018", "transaction", also=("TX16-022", "TX16-002", "TX16-013", "RC-012", "RST-002", "HB-001"))
def forgets_by_a_boot(s: Session) -> None:
    """Power fails while a car charges: the station boots and never tells the end."""
    start = s.one("StartTransaction", answer=lambda p: p.get("transactionId", 0) > 0)
    assert start.answer is not None
    name = start.answer.payload["transactionId"]
    stop = s.following(start, "StopTransaction", where=lambda p: p["transactionId"] == name)
    s.need(start.label == stop.label)
    cut, end, label = start.at + 40, after(stop) + 1, start.label
    s.need(not [x for x in s.steps if cut < x.at < end and x.label != label])
    s.steps = [x for x in s.steps if not cut < x.at < end]
    s.steps = [x for x in s.steps if not (x.kind == "result" and x.answers is not None and cut < x.answers.at < end)]
    boot = copy.deepcopy([b for b in s.requests("BootNotification") if b.at < cut][-1].payload)
    s.insert(
        cut + 10,
        ">",
        "BootNotification",
        boot,
        {"status": "Accepted", "currentTime": Stamp(cut + 10.4), "interval": s.interval},
    )
    s.insert(cut + 14, ">", "StatusNotification", status_of(s, cut + 14), {})
    if s.traits["rich"]:
        s.insert(
            cut + 18, ">", "SecurityEventNotification", {"type": "StartupOfTheDevice", "timestamp": Stamp(cut + 18)}, {}
        )


@fault("HB-001", note="")
def silent_for_long(s: Session) -> None:
    """The station hangs for three of its intervals."""
    at = s.quiet()
    s.label_at(at)
    s.shift(at, 3.2 * s.interval)


@fault("HB-002", also=("HB-001", "HB-003"))
def no_heartbeat_for_a_day(s: Session) -> None:
    """Only pings keep the line alive; no Heartbeat, so the clock is never corrected."""
    end = s.end
    label = s.label_at(end)
    for turn in range(1, 27):
        at = end + 3600 * turn
        side = ">"
        s.steps.append(Step(at, label, side, text="ping"))  # type: ignore[arg-type]
        s.steps.append(Step(at + 0.1, label, "<", text="pong"))
        s.steps.append(Step(at + 1, label, ">", "call", "StatusNotification", status_of(s, at + 1), s.new_id(">")))
        request = s.steps[-1]
        request.answer = Step(
            at + 1.1, label, "<", "result", "StatusNotification", {}, request.unique_id, answers=request
        )
        s.steps.append(request.answer)


@fault("HB-003")
def heartbeats_all_the_time(s: Session) -> None:
    """Every few seconds, whatever the interval."""
    s.need(s.interval >= 120)
    at = s.quiet()
    s.shift(at, 90)
    for turn in range(8):
        beat = s.insert(at + 9 * turn, ">", "Heartbeat", {}, {})
        assert beat.answer is not None
        beat.answer.payload = {"currentTime": Stamp(beat.answer.at)}
