"""Marks and fixtures of all tests."""

from __future__ import annotations

import os
import shutil

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "tshark: compares with tshark; left out, and said so, where it is not installed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tshark comparisons out on a machine without it, but never in CI."""
    if shutil.which("tshark") is not None or os.environ.get("CI"):
        return
    compared = [item for item in items if item.get_closest_marker("tshark")]
    if compared:
        config.hook.pytest_deselected(items=compared)
        items[:] = [item for item in items if item not in compared]
        config.stash[_LEFT_OUT] = len(compared)


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no terminal: pytest-xdist hands its workers the width of the developer's."""
    monkeypatch.delenv("COLUMNS", raising=False)


_LEFT_OUT = pytest.StashKey[int]()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash.get(_LEFT_OUT, 0)
    if left_out:
        terminalreporter.write_line(f"{left_out} comparisons with tshark were left out: install tshark to run them")
