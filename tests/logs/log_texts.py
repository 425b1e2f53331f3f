"""One short dialogue as programs would log it: written here after the shapes in their public source."""

from __future__ import annotations

import json

DIALOGUE = [
    (1.0, "station", '[2,"b1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'),
    (1.2, "csms", '[3,"b1",{"status":"Accepted","currentTime":"2026-02-01T11:00:01.2Z","interval":300}]'),
    (5.0, "csms", '[2,"c1","ChangeConfiguration",{"key":"MeterValueSampleInterval","value":"10"}]'),
    (5.1, "station", '[3,"c1",{"status":"Accepted"}]'),
    (9.0, "station", '[2,"s1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available",'
                     '"info":"[x] \\"y\\""}]'),
    (9.1, "csms", '[3,"s1",{}]'),
]  # fmt: skip
SENT = [(sender, text) for _, sender, text in DIALOGUE]


def local(seconds: float, form: str) -> str:
    whole, milli = divmod(round(seconds * 1000), 1000)
    return form.format(s=f"{whole:02d}", ms=f"{milli:03d}")


def steve() -> str:
    head = "[INFO ] 2026-02-01 12:00:{s},{ms} de.rwth.idsg.steve.ocpp.ws.WebSocketLogger (qtp-1) - "
    who = "[chargeBoxId=CP1, sessionId=aa-1] "
    words = {"station": "Received: ", "csms": "Sending: "}
    lines = [local(0, head) + who + "Connection is established"]
    lines += [local(at, head) + who + words[sender] + text for at, sender, text in DIALOGUE]
    lines.append(local(50, head) + who + "Connection is closed, status: CloseStatus[code=1006, reason=null]")
    return "\n".join(lines) + "\n"


def evcc() -> str:
    words = {"station": "recv", "csms": "send"}
    lines = [
        "[main  ] INFO 2026/02/01 12:00:00 evcc 0.999",
        "[ocpp  ] DEBUG 2026/02/01 12:00:00 charge point connected: CP1",
    ]
    lines += [
        f"[ocpp  ] TRACE 2026/02/01 12:00:{int(at):02d} {words[sender]} CP1: {text}" for at, sender, text in DIALOGUE
    ]
    return "\n".join(lines) + "\n"


def python(owner: str) -> str:
    words = {owner: "send", "station" if owner == "csms" else "csms": "receive message"}
    return "".join(
        local(at, "2026-02-01 12:00:{s},{ms} INFO:ocpp:") + f"CP1: {words[sender]} {text}\n"
        for at, sender, text in DIALOGUE
    )


def libocpp() -> str:
    arrow = {"station": "ChargePoint>CentralSystem", "csms": "CentralSystem>ChargePoint"}
    parts = ["2026-02-01T11:00:00.000Z: SYS> Session logging started. \n\n\n"]
    parts += [
        local(at, "2026-02-01T11:00:{s}.{ms}Z")
        + f": {arrow[sender]} Some \n{json.dumps(json.loads(text), indent=2)}\n\n"
        for at, sender, text in DIALOGUE
    ]
    return "".join(parts)


def libocpp_html() -> str:
    rows = [
        f'<tr class="{"ChargePoint" if sender == "station" else "CentralSystem"}"> <td>'
        + local(at, "2026-02-01T11:00:{s}.{ms}Z")
        + '</td> <td>x&gt;y</td> <td><b>Some</b></td><td><b></b></td> <td><pre lang="json">'
        + json.dumps(json.loads(text), indent=2).replace("<", "&lt;").replace(">", "&gt;")
        + "</pre></td> </tr>\n"
        for at, sender, text in DIALOGUE
    ]
    return '<html><head><title>EVerest OCPP log session</title></head><body><table class="log">\n' + "".join(rows)


def libocpp_console() -> str:
    name = {"station": "\x1b[1;35mChargePoint: ", "csms": "\x1b[1;36mCentralSystem: "}
    return "".join(
        local(at, "2026-02-01T12:00:{s}.{ms}000 [INFO] ocpp:OCPP :: ") + f"{name[sender]}{text}\x1b[1;0m\n"
        for at, sender, text in DIALOGUE
    )


def trace(*, raw: bool) -> str:
    kinds = {2: "CALL", 3: "CALLRESULT", 4: "CALLERROR"}
    lines = []
    for at, sender, text in DIALOGUE:
        parts = json.loads(text)
        record = {
            "schemaVersion": "1.1", "timestamp": local(at, "2026-02-01T11:00:{s}.{ms}Z"), "ocppVersion": "1.6",
            "transport": "json", "chargePointId": "CP1", "messageType": kinds[parts[0]], "messageId": parts[1],
            "direction": "cp-to-csms" if sender == "station" else "csms-to-cp", "payload": parts[-1],
        }  # fmt: skip
        if parts[0] == 2:
            record["action"] = parts[2]
        if raw:
            record["raw"] = text
        lines.append(json.dumps(record))
    return "\n".join(lines) + "\n"


def structured() -> str:
    return "".join(
        json.dumps(
            {"time": 1769943600 + at, "level": "info", "stationId": "CP1", "msg": text,
             "direction": "incoming" if sender == "station" else "outgoing"}
        ) + "\n"
        for at, sender, text in DIALOGUE
    )  # fmt: skip


def docker() -> str:
    return "".join(json.dumps({"log": line + "\n", "stream": "stdout"}) + "\n" for line in evcc().splitlines())


def anything() -> str:
    words = {"station": "CP -> CSMS", "csms": "CSMS -> CP"}
    return "".join(
        f"{local(at, '01.02.2026 12:00:{s}.{ms}')} | station=CP1 | {words[sender]} | {text} | {len(text)} bytes\n"
        for at, sender, text in DIALOGUE
    )


def without_direction() -> str:
    return "".join(f"{local(at, '12:00:{s}')} {text}\n" for at, _, text in DIALOGUE)
