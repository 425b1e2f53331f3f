"""Finds `rules/` and `dissectors/`: inside the installed wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_directory(name: str) -> Path:
    """The directory `name` ("rules", "dissectors").

    Raises FileNotFoundError when the installation is broken.
    """
    for candidate in (_PACKAGE / "data" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"{name}/ is missing from this installation of ocpp-inspect; reinstall it")
