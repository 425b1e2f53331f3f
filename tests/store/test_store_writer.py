"""Writer: all of a run or nothing, and never the same capture twice."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from ocpp_inspect.model import CaptureInfo, Finding, OcppMessage, packet_key
from ocpp_inspect.store import Columns, StoreError, Writer, next_capture_id, pack, unpack


def message(number: int, capture: int = 1, raw: bytes = b'[2,"1","Heartbeat",{}]') -> OcppMessage:
    packet = packet_key(capture, number)
    return OcppMessage(
        message_id=packet * 10**5,
        connection=packet_key(capture, 1),
        station="CP1",
        version="1.6",
        side="station",
        ts_ns=1_700_000_000_000_000_000 + number,
        packet=packet,
        position=number,
        kind="CALL",
        unique_id="1",
        action="Heartbeat",
        payload={},
        raw=raw,
        size=len(raw),
        compressed=False,
    )


def finding(number: int, text: str, capture: int = 1) -> Finding:
    packet = packet_key(capture, number)
    return Finding("R1", "a-name", "error", "violation", "station", "CP1", packet, number, text, (packet,), "§1")


def capture_file(directory: Path, name: str, content: bytes) -> Path:
    path = directory / name
    path.write_bytes(content)
    return path


def run(database: Path, capture: Path, messages: int = 3, replace: bool = False) -> CaptureInfo:
    number = next_capture_id(database)
    info = CaptureInfo(number, str(capture), packets=messages, bytes=len(capture.read_bytes()), first_ns=1, last_ns=9)
    columns = Columns()
    columns.add([message(i + 1, number) for i in range(messages)])
    columns.add_findings([finding(1, capture.name, number)])
    with Writer(database) as writer:
        writer.begin([info], replace=replace)
        writer.write(unpack(pack(columns.flush())))
        writer.commit([info])
    return info


def rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_several_captures_go_into_one_database(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    for number in range(10):
        run(database, capture_file(tmp_path, f"{number}.pcap", b"x" * (number + 1)), messages=number + 1)
    assert rows(database, "SELECT list(capture_id ORDER BY capture_id) FROM captures") == [(list(range(1, 11)),)]
    assert rows(database, "SELECT capture_id, count(*) FROM messages GROUP BY 1 ORDER BY 1") == [
        (number, number) for number in range(1, 11)
    ]
    assert rows(database, "SELECT count(DISTINCT finding_id), max(finding_id) FROM findings") == [(10, 10)]
    assert sorted(path.name for path in tmp_path.glob("*duckdb*")) == ["a.duckdb"]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("second", ["a.pcap", "copy.pcap"])
def test_the_same_capture_is_refused_and_replaced_on_demand(tmp_path: Path, second: str) -> None:
    database = tmp_path / "a.duckdb"
    run(database, capture_file(tmp_path, "a.pcap", b"same"))
    again = capture_file(tmp_path, second, b"same")
    with pytest.raises(StoreError, match=r"already in .* as capture 1.*--replace"):
        run(database, again)
    assert rows(database, "SELECT count(*) FROM messages") == [(3,)]
    run(database, again, messages=5, replace=True)
    assert rows(database, "SELECT capture_id, count(*) FROM messages GROUP BY 1") == [(2, 5)]
    assert rows(database, "SELECT count(*), count(DISTINCT capture_id) FROM findings") == [(1, 1)]
    assert rows(database, "SELECT capture_id FROM captures") == [(2,)]


def test_the_same_packets_under_another_name_are_refused_at_the_end(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"

    def write(number: int, name: str, replace: bool = False) -> None:
        info = CaptureInfo(number, name, packets=5, bytes=500, first_ns=10, last_ns=20)
        with Writer(database) as writer:
            writer.begin([info], replace=replace)
            writer.commit([info])

    write(1, "-")
    with pytest.raises(StoreError, match=r"eth0: already in .* as capture 1 \(as -\)"):
        write(2, "eth0")
    assert rows(database, "SELECT path FROM captures") == [("-",)]
    write(2, "eth0", replace=True)
    assert rows(database, "SELECT capture_id, path FROM captures") == [(2, "eth0")]


def test_one_file_given_twice_is_refused(tmp_path: Path) -> None:
    files = [capture_file(tmp_path, name, b"same") for name in ("a.pcap", "b.pcap")]
    infos = [CaptureInfo(number, str(path)) for number, path in enumerate(files, 1)]
    with Writer(tmp_path / "a.duckdb") as writer, pytest.raises(StoreError, match="given twice"):
        writer.begin(infos)
    assert not (tmp_path / "a.duckdb").exists()


def test_two_runs_at_once_do_not_share_a_capture_number(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    number = next_capture_id(database)
    run(database, capture_file(tmp_path, "a.pcap", b"a"))
    late = CaptureInfo(number, str(capture_file(tmp_path, "b.pcap", b"b")))
    with Writer(database) as writer, pytest.raises(StoreError, match="another run added capture 1"):
        writer.begin([late])


def test_an_empty_run_makes_an_empty_database(tmp_path: Path) -> None:
    with Writer(tmp_path / "a.duckdb") as writer:
        writer.begin([])
        writer.write({})
        writer.commit([])
    assert rows(tmp_path / "a.duckdb", "SELECT count(*) FROM stations") == [(0,)]
    assert next_capture_id(tmp_path / "a.duckdb") == 1


def test_a_temporary_database_can_be_read_until_it_is_closed() -> None:
    writer = Writer(None)
    assert next_capture_id(None) == 1
    writer.begin([CaptureInfo(1, "x")])
    columns = Columns()
    columns.add([message(1)])
    writer.write(columns.flush())
    writer.commit([CaptureInfo(1, "x")])
    assert rows(writer.database, "SELECT count(*) FROM messages") == [(1,)]
    writer.close()
    assert not writer.database.parent.exists()


@pytest.mark.parametrize("existing", [False, True])
def test_an_aborted_run_leaves_what_was_there(tmp_path: Path, existing: bool) -> None:
    database = tmp_path / "a.duckdb"
    if existing:
        run(database, capture_file(tmp_path, "a.pcap", b"a"))
    info = CaptureInfo(2, str(capture_file(tmp_path, "b.pcap", b"b")))
    with Writer(database) as writer:
        writer.begin([info])
        columns = Columns()
        columns.add([message(1, 2)])
        writer.write(columns.flush())
    assert database.exists() == existing
    assert not list(tmp_path.glob(".*"))
    if existing:
        assert rows(database, "SELECT capture_id, count(*) FROM messages GROUP BY 1") == [(1, 3)]


def test_findings_are_numbered_alike_whatever_the_order_of_workers(tmp_path: Path) -> None:
    findings = [finding(number, f"{number}") for number in (5, 1, 4, 2, 3)]
    seen = []
    for name, order in (("a", findings), ("b", findings[::-1])):
        with Writer(tmp_path / f"{name}.duckdb") as writer:
            writer.begin([CaptureInfo(1, name)])
            for one in order:
                columns = Columns()
                columns.add_findings([one])
                writer.write(columns.flush())
            writer.commit([CaptureInfo(1, name)])
        seen.append(rows(writer.database, "SELECT finding_id, text FROM findings ORDER BY finding_id"))
    assert seen[0] == seen[1] == [(number, f"{number}") for number in range(1, 6)]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    stranger = capture_file(tmp_path, "a.pcap", b"\xd4\xc3\xb2\xa1" * 5000)
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE findings (a INT)")
    for path, reason in (
        (tmp_path, "is a directory"),
        (tmp_path / "none" / "a.duckdb", "no such directory"),
        (stranger, "not a DuckDB database"),
        (other, "another version wrote it"),
    ):
        with Writer(path) as writer, pytest.raises(StoreError, match=reason):
            writer.begin([CaptureInfo(1, "x")])
    assert stranger.read_bytes()[:4] == b"\xd4\xc3\xb2\xa1"
    with Writer(tmp_path / "b.duckdb") as writer:
        with pytest.raises(StoreError, match="call begin first"):
            writer.write({})
        with pytest.raises(StoreError, match="full"):
            writer.begin([CaptureInfo(9_001, "x")])


def test_a_database_in_use_is_said_to_be(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    run(database, capture_file(tmp_path, "a.pcap", b"a"))
    holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with Writer(database) as writer, pytest.raises(StoreError, match="in use"):
            writer.begin([CaptureInfo(2, "x")])
        process.communicate()


ENDLESS_RUN = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from test_store_writer import message
from ocpp_inspect.model import CaptureInfo
from ocpp_inspect.store import Columns, Writer
columns = Columns()
columns.add([message(i + 1, 2) for i in range(2000)])
batch = columns.flush()
info = CaptureInfo(2, sys.argv[2])
with Writer(Path(sys.argv[1])) as writer:
    print("begin", flush=True)
    writer.begin([info])
    for _ in range(200):
        writer.write(batch)
    print("commit", flush=True)
    writer.commit([info])
    print("done", flush=True)
"""


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("after", ["begin", "commit"])
@pytest.mark.parametrize("wait_s", [0.0, 0.02, 0.1, 0.3])
def test_a_killed_run_leaves_the_old_content_or_all(tmp_path: Path, existing: bool, after: str, wait_s: float) -> None:
    database = tmp_path / "a.duckdb"
    if existing:
        run(database, capture_file(tmp_path, "a.pcap", b"a"))
    fresh = capture_file(tmp_path, "b.pcap", b"b")
    command = [sys.executable, "-c", ENDLESS_RUN, str(database), str(fresh), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == after:
                break
        time.sleep(wait_s)
        process.kill()
    if not existing and not database.exists():
        run(database, fresh)  # the remains of the killed run are swept away
        assert rows(database, "SELECT count(*) FROM messages") == [(3,)]
        assert not list(tmp_path.glob(".*"))
        return
    found = dict(rows(database, "SELECT capture_id, count(*) FROM messages GROUP BY 1"))
    captures = {number for (number,) in rows(database, "SELECT capture_id FROM captures")}
    old = {1: 3} if existing else {}
    assert found in (old, {**old, 2: 400_000})
    assert captures == set(found)
