"""A database filled with `site.day`."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_day import day

from ocpp_inspect.store import Columns, Writer, pack, unpack


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "day.duckdb"
    site = day()
    columns = Columns()
    columns.add(site.items)
    columns.add_findings(site.findings)
    info = site.info("day.pcapng.gz")
    with Writer(path) as writer:
        writer.begin([info])
        writer.write(unpack(pack(columns.flush())))
        writer.commit([info])
    return path
