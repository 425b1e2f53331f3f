"""docs/database.md names every table, view, column and type, and its queries run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_store_writer import rows

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "database.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"```sql\n(.*?)```", TEXT, re.DOTALL)


def test_the_page_is_the_schema(database: Path) -> None:
    documented: dict[str, list[tuple[str, str, str]]] = {}
    for section in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]:
        head = re.match(r"(\w+) \((table|view)\)\n\n\S.*\n", section)
        assert head is not None
        columns = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| (.*) \|$", section, re.MULTILINE)
        assert all(meaning.strip() for _, _, meaning in columns)
        documented[head[1]] = [(name, kind, head[2]) for name, kind, _ in columns]
    real: dict[str, list[tuple[str, str, str]]] = {}
    for table, column, kind, is_view in rows(
        database,
        "SELECT c.table_name, c.column_name, c.data_type, v.view_name IS NOT NULL "
        "FROM duckdb_columns() c LEFT JOIN duckdb_views() v ON v.view_name = c.table_name AND NOT v.internal "
        "WHERE NOT c.internal ORDER BY c.table_name, c.column_index",
    ):
        real.setdefault(str(table), []).append((str(column), str(kind), "view" if is_view else "table"))
    assert documented == real


def test_there_are_ten_useful_queries() -> None:
    assert len(QUERIES) >= 10


@pytest.mark.parametrize("sql", QUERIES, ids=range(1, len(QUERIES) + 1))
def test_each_query_has_an_answer(database: Path, sql: str) -> None:
    found = rows(database, sql)
    assert found
    assert any(value is not None for value in found[0])
