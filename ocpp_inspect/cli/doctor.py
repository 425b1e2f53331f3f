"""Nothing in, a list of what works on this machine out."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer


def doctor() -> None:
    """Check this installation: libraries, rules, catalogue, and the optional programs.

    Exit code 0 when the main job can run, 2 when something it needs is missing.
    """
    import importlib.metadata
    import platform
    import shutil
    from importlib.util import find_spec

    from ocpp_inspect import __version__

    broken = False

    def line(good: bool, text: str, *, needed: bool = True) -> None:
        nonlocal broken
        broken = broken or (needed and not good)
        typer.echo(f"  {'ok  ' if good else ('MISS' if needed else 'none')}  {text}")

    typer.echo(f"ocpp-inspect {__version__} on Python {platform.python_version()}, {platform.platform()}")
    libraries = ("numpy", "pyarrow", "duckdb", "orjson", "msgspec", "jsonschema-rs", "ocpp", "rich", "zstandard")
    for name in (*libraries, "websockets", "cryptography"):
        try:
            line(True, f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            line(False, f"{name} is not installed: reinstall ocpp-inspect")
    broken |= _check_data(line)
    for program, purpose in (
        ("tshark", "cross-checks"),
        ("tcpdump", "recording and --filter"),
        ("dumpcap", "recording"),
    ):
        found = shutil.which(program)
        line(found is not None, f"{program}: {found or f'not found; only needed for {purpose}'}", needed=False)
    _check_live(line)
    has_uvloop = find_spec("uvloop") is not None
    line(has_uvloop, "uvloop: installed" if has_uvloop else "uvloop: not found; the proxy is slower", needed=False)
    if broken:
        sys.exit(2)


def _check_live(line: Callable[..., None]) -> None:
    """How `live` captures here, whether it may, and whether filters can be compiled."""
    from ocpp_inspect.capture import CaptureError
    from ocpp_inspect.capture.live import best_way, may_open_ring, permission_hint

    line(True, f"live capture by {best_way()}")
    why = may_open_ring()
    allowed = f"live capture is not permitted to this user ({why}): {permission_hint()}"
    line(not why, "live capture is permitted to this user" if not why else allowed, needed=False)
    try:
        from ocpp_inspect.capture.live.kernel_filter import compile_filter

        compile_filter("tcp port 9000", 1)
        line(True, "filters for live capture can be compiled")
    except (CaptureError, ImportError) as error:
        line(False, f"filters for live capture: {error}", needed=False)


def _check_data(line: Callable[[bool, str], None]) -> bool:
    """Whether the rules or the catalogue fail to load."""
    from ocpp_inspect import catalogue
    from ocpp_inspect.engine import RuleError
    from ocpp_inspect.pipeline.options import Options
    from ocpp_inspect.pipeline.rules import built_in_and

    try:
        line(True, f"{len(built_in_and(Options()))} rules")
        for version in ("1.6", "2.0", "2.0.1", "2.1"):
            line(True, f"catalogue of OCPP {version}: {len(catalogue.load(version))} messages")
    except (RuleError, FileNotFoundError, ValueError) as error:
        line(False, str(error))
        return True
    return False
