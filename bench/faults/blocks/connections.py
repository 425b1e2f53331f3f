"""Faults of connections: upgrades, closing, pings, TLS handshakes, as the rooms below OCPP report them."""

from __future__ import annotations

from bench.faults.fault import fault
from bench.faults.session import Session, Step, after


def opened(s: Session, last: bool = False) -> Step:
    """The upgrade of the first connection, or of the last."""
    found = [step for step in s.sorted() if step.side is None and (step.text or "").startswith("open")]
    return found[-1 if last else 0]


def words(step: Step, **changes: str) -> None:
    """Change words of an upgrade; an empty value takes the word's content away."""
    kept = [word for word in (step.text or "").split(" ") if word.partition("=")[0] not in changes]
    step.text = " ".join([*kept, *(f"{name}={value}" for name, value in changes.items())])


def before(s: Session, step: Step, text: str) -> Step:
    """A line of the transcript just before everything else."""
    made = Step(step.at - 0.01, step.label, text=text)
    s.steps.append(made)
    return made


def refused(s: Session, number: int, pause: float, status: int = 401) -> None:
    """Upgrades that are refused, before the session begins."""
    first = opened(s)
    for turn in range(number):
        label = "TUVWXYZ"[turn % 7]
        s.steps.append(
            Step(
                first.at - 0.5 - pause * (number - turn),
                label,
                text=f"open as={label} status={status} offered=ocpp{s.version} client=10.0.0.7",
            )
        )
    earliest = min(step.at for step in s.steps)
    s.shift(earliest - 1, max(0.0, 1 - earliest))


@fault("CON-001", also=("CON-004", "CON-020"))
def no_subprotocol_offered(s: Session) -> None:
    words(opened(s), offered="", status="400", subprotocol="")
    first = opened(s)
    s.steps = [step for step in s.steps if step is first]
    s.steps.append(Step(first.at + 5, first.label, text=""))


@fault("CON-002", also=("CON-003",))
def subprotocol_with_a_vendors_name(s: Session) -> None:
    words(opened(s), offered=f"{s.chance.choice(('ocpp16', 'OCPP-1.6', 'ocpp1.6j', 'ocpp2'))},ocpp{s.version}")


@fault("CON-003")
def selects_what_was_not_offered(s: Session) -> None:
    words(opened(s), offered="ocpp1.5" if s.chance.random() < 0.5 else "ocpp2.0", subprotocol=f"ocpp{s.version}")


@fault("CON-004", also=("CON-001", "CON-003"))
def agrees_on_nothing(s: Session) -> None:
    words(opened(s), subprotocol="")


@fault("CON-005", also="SEC-003")
def identity_with_a_colon(s: Session) -> None:
    s.traits["station"] = s.chance.choice(("CP:7", "a" * 49, "CP%207"))
    for step in s.steps:
        if step.side is None and (step.text or "").startswith("open"):
            words(step, user=s.traits["station"])


@fault("CON-006", also=("CON-010", "CON-020"))
def refused_without_reason(s: Session) -> None:
    refused(s, 1, 30, s.chance.choice((500, 302, 418)))


@fault("CON-007")
def another_version_in_the_url(s: Session) -> None:
    other = "ocpp2.0.1" if s.version == "1.6" else "ocpp1.6"
    for step in s.steps:
        if step.side is None and (step.text or "").startswith("open"):
            words(step, path=f"/{other}/{s.traits['station']}")


@fault("CON-008")
def compression_not_taken(s: Session) -> None:
    words(opened(s), offered_extensions="permessage-deflate", extensions="")


@fault("CON-010", also=("CON-009", "CON-020"))
def does_not_back_off(s: Session) -> None:
    """Refused, and back every second."""
    refused(s, 6, s.chance.choice((1.0, 2.0)))


@fault("CON-011", also="RPC-004")
def two_stations_one_identity(s: Session) -> None:
    """A second station with the same identity connects and speaks, while the first goes on."""
    at = max(s.quiet_moments)
    label = s.label_at(at)
    s.steps.append(
        Step(
            at + 1,
            "Z",
            text=f"open as=Z user={s.traits['station']} has_password=true password_length=20 offered=ocpp{s.version} client=10.99.0.9",
        )
    )
    for turn in range(6):
        for name, shift in (("Z", 5.0), (label, 12.0)):
            when = at + shift + 20 * turn
            beat = Step(when, name, ">", "call", "Heartbeat", {}, s.new_id(">"))
            beat.answer = Step(
                when + 0.1,
                name,
                "<",
                "result",
                "Heartbeat",
                {"currentTime": s.stamp(when - s.now)},
                beat.unique_id,
                answers=beat,
            )
            s.steps += (beat, beat.answer)


@fault(
    "CON-012",
    "reconnect",
    also=("RPC-005",),
    note="A ping just before the connection breaks has no time to be answered.",
)
def ping_not_answered(s: Session) -> None:
    at = s.quiet()
    for turn in range(4):
        s.insert_line(at + 0.2 + turn * 0.2, f"ping {turn}", ">")


@fault("CON-013")
def negative_ping_interval(s: Session) -> None:
    at = s.quiet()
    if s.version == "1.6":
        s.insert(
            at, "<", "ChangeConfiguration", {"key": "WebSocketPingInterval", "value": "-1"}, {"status": "Accepted"}
        )
        return
    where = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "WebSocketPingInterval"}}
    s.insert(at, "<", "SetVariables", {"setVariableData": [{"attributeValue": "-5", **where}]},
             {"setVariableResult": [{"attributeStatus": "Accepted", **where}]})  # fmt: skip


@fault("CON-015", also=("CON-022",))
def binary_message(s: Session) -> None:
    request = s.one("Heartbeat", "DataTransfer", "StatusNotification")
    request.text = "binary " + request.wire()


@fault("CON-017")
def frame_breaks_the_rules(s: Session) -> None:
    name = s.chance.choice(("ws.unmasked_client_frame", "ws.reserved_opcode", "ws.reserved_bits"))
    at = s.quiet()
    s.insert_line(at, f"anomaly {name} > made by a fault")


@fault("CON-019")
def closed_when_the_heartbeat_is_due(s: Session) -> None:
    """The CSMS's time-out equals the heartbeat interval: it closes each time just before the next one."""
    begun = opened(s, last=True)
    label = chr(ord(begun.label) + 1)
    at = s.end
    beats = [beat for beat in s.requests("Heartbeat") if beat.label == begun.label]
    s.need(beats)
    end = after(beats[-1])
    s.steps = [step for step in s.steps if step.at <= end]
    at = beats[-1].at
    for turn in range(4):
        close = at + s.interval - 0.2
        s.steps += (
            Step(close, chr(ord(label) + turn - 1), "<", text="close 1000"),
            Step(close + 0.05, chr(ord(label) + turn - 1), text=f"close as={chr(ord(label) + turn - 1)} by=csms kind=fin"),
            Step(close + 5, chr(ord(label) + turn), text=f"open as={chr(ord(label) + turn)} offered=ocpp{s.version}"),
        )  # fmt: skip
        at = close + 6
        beat = Step(at, chr(ord(label) + turn), ">", "call", "Heartbeat", {}, s.new_id(">"))
        beat.answer = Step(
            at + 0.1,
            beat.label,
            "<",
            "result",
            "Heartbeat",
            {"currentTime": s.stamp(at - s.now)},
            beat.unique_id,
            answers=beat,
        )
        s.steps += (beat, beat.answer)


@fault("CON-020", also=("CON-010", "HB-001", "BOOT-009"))
def connects_again_and_again(s: Session) -> None:
    """Each connection ends a second after it was opened."""
    first = opened(s)
    for turn in range(14):
        at = first.at - 100 + 6 * turn
        s.steps.append(
            Step(
                at,
                "Z",
                text=f"open as=Z offered=ocpp{s.version} user={s.traits['station']} has_password=true password_length=20",
            )
        )
        s.steps.append(Step(at + 1, "Z", text="close as=Z by=csms kind=rst"))
    s.shift(-1000, 110.0)


@fault("CON-022", also=("CON-020",))
def closed_because_of_a_message(s: Session) -> None:
    close = [step for step in s.steps if step.side is not None and (step.text or "").startswith("close ")]
    label = s.pick(close).label
    code = s.chance.choice((1002, 1003, 1007, 1009))
    for step in close:
        if step.label == label:
            step.text = f"close {code}"


@fault("CON-023")
def double_slash(s: Session) -> None:
    for step in s.steps:
        if step.side is None and (step.text or "").startswith("open"):
            words(step, path=f"/ocpp//{s.traits['station']}")


@fault("RPC-017", "reset")
def speaks_after_its_close(s: Session) -> None:
    close = s.pick([step for step in s.steps if step.text and step.side == ">" and step.text.startswith("close")])
    s.insert_line(close.at + 0.05, "anomaly ws.data_after_close > a text of 40 octets")


def everywhere(s: Session, **changes: str) -> None:
    for step in s.steps:
        if step.side is None and (step.text or "").startswith("open"):
            words(step, **changes)


@fault("SEC-001")
def password_without_tls(s: Session) -> None:
    everywhere(s, tls="false")


@fault("SEC-002")
def nothing_at_all(s: Session) -> None:
    everywhere(s, tls="false", user="", has_password="false", password_length="0")  # noqa: S106 - words of a line


@fault("SEC-003", also=())
def user_of_another_station(s: Session) -> None:
    everywhere(s, user=s.chance.choice(("admin", "CP9999", s.traits["station"].lower())))


@fault("SEC-004")
def password_of_odd_length(s: Session) -> None:
    everywhere(s, password_length=str(s.chance.choice((3, 8, 15)) if s.version != "1.6" else s.chance.choice((3, 8))))


def handshake(s: Session, text: str, failed: bool = False) -> None:
    """What a TLS handshake before the upgrade showed."""
    first = opened(s)
    before(s, first, f"tls {text}" + (" outcome=aborted" if failed else ""))


@fault("SEC-005")
def old_tls(s: Session) -> None:
    handshake(s, f"version={s.chance.choice(('1.0', '1.1'))}")


@fault("SEC-006")
def weak_suite(s: Session) -> None:
    handshake(
        s,
        f"suite_is_weak=true suite={s.chance.choice(('TLS_RSA_WITH_RC4_128_SHA', 'TLS_RSA_WITH_3DES_EDE_CBC_SHA', 'TLS_RSA_WITH_NULL_SHA'))}",
    )


@fault("SEC-007")
def no_client_certificate(s: Session) -> None:
    handshake(s, "client_certificate_asked=true client_certificates=none")


@fault("SEC-030", also=("SEC-031",))
def certificate_ran_out(s: Session) -> None:
    handshake(
        s, "names=csms.example server_name=csms.example not_before=2024-01-01T00:00:00Z not_after=2026-02-01T00:00:00Z"
    )


@fault("SEC-031")
def certificate_runs_out(s: Session) -> None:
    handshake(
        s,
        f"names=csms.example server_name=csms.example not_before=2025-01-01T00:00:00Z not_after=2026-03-{s.chance.randint(4, 14):02}T00:00:00Z",
    )


@fault("SEC-033")
def certificate_of_another_host(s: Session) -> None:
    handshake(
        s,
        "name_matches=false subject=CN=other.example names=other.example server_name=csms.example not_before=2025-01-01T00:00:00Z not_after=2027-01-01T00:00:00Z",
    )


@fault("SEC-034")
def handshake_fails(s: Session) -> None:
    handshake(
        s,
        s.chance.choice(("alert=42 alert_by=station", "alert=48 alert_by=station", "alert=40 alert_by=csms")),
        failed=True,
    )


@fault("SEC-035")
def no_suite_of_the_profile(s: Session) -> None:
    handshake(
        s, "offered_suites=TLS_RSA_WITH_AES_128_CBC_SHA,TLS_RSA_WITH_AES_256_CBC_SHA suite=TLS_RSA_WITH_AES_128_CBC_SHA"
    )


@fault("SEC-036")
def password_in_the_path(s: Session) -> None:
    everywhere(s, path=f"/ocpp/{s.traits['station']}?password=secret")
