"""The same run through the proxy and through tcpdump: the same messages and findings; and a cable that is pulled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from proxy_process import COMMAND

HERE = Path(__file__).parent


def in_namespace(folder: Path, what: str) -> None:
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--net", "--", sys.executable, str(HERE / "captured_day.py"), str(folder), what]
    paths = [str(path) for path in (HERE, HERE.parent, HERE.parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def query(database: Path, sql: str) -> list[Any]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(sql).fetchall()


MESSAGES = """
    SELECT station, version, sender, kind, unique_id, action, coalesce(raw_bytes, encode(raw)), size, compressed,
           schema_valid, latency_ms >= 0, request_id IS NOT NULL
    FROM message_records ORDER BY station, connection_id, message_id
"""
FINDINGS = "SELECT rule, verdict, severity, blame, station FROM findings ORDER BY ALL"
CONNECTIONS = """
    SELECT station, version, path, offered_subprotocols, subprotocol, extensions, upgrade_status, tls, close_kind,
           closed_by, close_code, close_reason, messages FROM connections ORDER BY connection_id
"""
ANOMALIES = "SELECT name, sender, station FROM anomalies WHERE name NOT LIKE 'tcp.%' ORDER BY ALL"


@pytest.mark.parametrize("way", ["plain", "deflate", "tls"])
def test_a_capture_of_the_same_run_gives_the_same(tmp_path: Path, way: str) -> None:
    in_namespace(tmp_path, way)
    offline = tmp_path / "offline.duckdb"
    keys = ["--keylog", str(tmp_path / "keys.log")] if way == "tls" else []
    command = [COMMAND, "analyze", str(tmp_path / "run.pcap"), "--db", str(offline), "--fail-on", "never", *keys]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    proxied = tmp_path / "run.duckdb"
    messages = query(proxied, MESSAGES)
    assert len(messages) > 70
    assert query(offline, MESSAGES) == messages
    for sql in (FINDINGS, CONNECTIONS, ANOMALIES):
        assert query(offline, sql) == query(proxied, sql)
    assert "SCH-003" in {rule for rule, *_ in query(proxied, FINDINGS)}


def test_a_pulled_cable_ends_the_other_side_and_is_told(tmp_path: Path) -> None:
    in_namespace(tmp_path, "pulled")
    assert 2 < json.loads((tmp_path / "seconds.json").read_text()) < 8
    database = tmp_path / "run.duckdb"
    assert query(database, "SELECT count(*) FROM message_records") == [(2,)]
    assert query(database, "SELECT close_kind, closed_by FROM connections") == [("rst", "station")]
