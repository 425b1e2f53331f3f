"""A SOAP station through the command: both directions are forwarded, recorded and judged like any capture."""

from __future__ import annotations

import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
from proxy_process import ProxyProcess

from samples.stack_soap import Caller, Listener

TIME = "2026-01-01T00:00:00Z"
ROWS = "SELECT station, sender, kind, action, raw FROM messages ORDER BY message_id"
NOTED: list[tuple[str, str]] = []


def note(did: str, text: str) -> None:
    NOTED.append((did, text))


def csms(identity: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    if action == "BootNotification":
        return {"status": "Accepted", "currentTime": TIME, "interval": 300}
    return {"currentTime": TIME} if action == "Heartbeat" else {}


def station(identity: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"status": "Accepted"}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_both_directions_of_a_station_become_rows(tmp_path: Path) -> None:
    NOTED.clear()
    ports = free_port(), free_port()
    with ExitStack() as stack:
        for service, port, handler in (("Cs", ports[0], csms), ("Cp", ports[1], station)):
            listener = Listener(service, ("127.0.0.1", port), handler, note, zips=True, chunks=True)  # type: ignore[arg-type]
            stack.callback(listener.close)
        upward = stack.enter_context(ProxyProcess(tmp_path, "--upstream", f"ws://127.0.0.1:{ports[0]}"))
        (tmp_path / "down").mkdir()
        downward = stack.enter_context(ProxyProcess(tmp_path / "down", "--upstream", f"ws://127.0.0.1:{ports[1]}"))
        up = Caller("Cs", f"http://127.0.0.1:{upward.port}/ocpp", "CP7", source="127.0.0.1",
                    listens=f"http://127.0.0.1:{downward.port}/", note=note)  # fmt: skip
        down = Caller("Cp", f"http://127.0.0.1:{downward.port}/", "CP7", source="127.0.0.1",
                      listens=f"http://127.0.0.1:{upward.port}/ocpp", note=note, keeps=False)  # fmt: skip
        up.call("BootNotification", chargePointVendor="V", chargePointModel="M")
        up.call("Heartbeat")
        down.call("ClearCache")
        down.call("ClearCache")
        up.post(up_text().replace("/Heartbeat<", "Heartbeat<"))
        up.close()
        down.close()
        for proxy in (upward, downward):
            assert proxy.stop(signal.SIGTERM) in (0, 1), proxy.said
    sent = {text for did, text in NOTED if did == "sent"}
    with duckdb.connect(str(upward.database), read_only=True) as database:
        rows = database.execute(ROWS).fetchall()
        assert [row[:4] for row in rows] == [
            ("CP7", sender, kind, action)
            for action in ("BootNotification", "Heartbeat", "Heartbeat")
            for sender, kind in (("station", "CALL"), ("csms", "CALLRESULT"))
        ]
        assert {row[4] for row in rows} <= sent
        assert database.execute("SELECT rule, station FROM findings").fetchall() == [("SOAP-003", "CP7")]
        assert database.execute("SELECT transport, messages FROM connections").fetchall() == [("soap", 6)]
    with duckdb.connect(str(downward.database), read_only=True) as database:
        rows = database.execute(ROWS).fetchall()
        assert [row[:4] for row in rows] == [
            ("CP7", "csms", "CALL", "ClearCache"),
            ("CP7", "station", "CALLRESULT", "ClearCache"),
        ] * 2
        assert {row[4] for row in rows} <= sent


def up_text() -> str:
    """The Heartbeat as it was sent before."""
    return next(text for did, text in NOTED if did == "sent" and "heartbeatRequest" in text)
