"""Interfaces (or a pipe) in; a live screen, a database and a capture file out, until it is ended."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocpp_inspect.cli.analyze import key_log_of_environment

if TYPE_CHECKING:
    from ocpp_inspect.capture.live import LiveSource, Rotation


class Way(StrEnum):
    """What `--capture-with` takes."""

    RING = "ring"
    DUMPCAP = "dumpcap"
    TCPDUMP = "tcpdump"


def live(
    interface: Annotated[
        list[str] | None, typer.Option("--interface", "-i", help="Capture here (repeatable); any: everywhere.")
    ] = None,
    read: Annotated[
        str | None, typer.Option("--read", "-r", help="Instead, read a capture as it grows: - or a named pipe.")
    ] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the interfaces with their addresses.")] = False,
    text_filter: Annotated[
        str, typer.Option("--filter", help="Only these packets, in tcpdump's language; the kernel does it.")
    ] = "",
    ports: Annotated[
        str, typer.Option("--ports", help="Only these TCP ports, as 80,443,9000; spares the machine on a busy link.")
    ] = "",
    db: Annotated[Path | None, typer.Option("--db", help="Keep everything in this DuckDB file.")] = None,
    write: Annotated[Path | None, typer.Option("--write", "-w", help="Keep the packets in this pcapng file.")] = None,
    rotate: Annotated[
        str, typer.Option("--rotate", help="Begin a new file at a size or after a time: 100MB, 1h, or both.")
    ] = "",
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="With --rotate: only the newest files stay.")
    ] = None,
    duration: Annotated[str, typer.Option("--duration", help="End by itself: 90s, 10min, 1h.")] = "",
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", help="A directory of your own rules (repeatable).")
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option("--select", help="Only these rules: id, prefix, block or axis.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Not these rules.")] = None,
    keylog: Annotated[
        list[Path] | None,
        typer.Option("--keylog", help="A TLS key log (SSLKEYLOGFILE) that opens wss; it may grow.", metavar="FILE"),
    ] = None,
    tls_key: Annotated[
        list[Path] | None,
        typer.Option("--tls-key", help="An RSA private key in PEM that opens old TLS.", metavar="PEM"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="What is legal but known to break peers weighs one step more.")
    ] = False,
    baseline: Annotated[
        list[Path] | None, typer.Option("--baseline", help="Findings that are known and accepted (repeatable).")
    ] = None,
    quirks: Annotated[
        list[Path] | None, typer.Option("--quirks", help="Known faults of a make of charger (repeatable).")
    ] = None,
    capture_with: Annotated[
        Way | None, typer.Option("--capture-with", help="How to capture; default: the best that works.")
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="Times of this machine's zone instead of UTC.")] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Lines instead of the screen, also on a terminal.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Neither screen nor lines, only the summary.")] = False,
) -> None:
    """Watch the traffic of a site as it happens: stations, dialogue and findings, with rules judging by the clock.

    Needs the right to capture: sudo, or once `setcap` (docs/live.md). It is given up as soon as the interfaces are
    open. A reader may look into the database meanwhile: `timeline site.duckdb --follow`.

    Keys: space pause, / filter, s one station, q quit. Ctrl-C ends cleanly: database and capture file are complete.

    Exit code: 0, or 2 for wrong usage, a missing right or an unreadable input.

    [bold]Examples[/bold]

      ocpp-inspect live --list

      sudo ocpp-inspect live -i eth0 --ports 80,443,9000 --db site.duckdb

      sudo ocpp-inspect live -i any --write site.pcapng --rotate 100MB,1h --keep 48 --db site.duckdb

      ssh pi tcpdump -i eth0 -U -s 0 -w - tcp port 9000 | ocpp-inspect live -r - --db site.duckdb
    """
    from ocpp_inspect.cli.failures import fail, said_clearly

    if show_list:
        _print_interfaces()
        return
    if bool(interface) == bool(read):
        fail("name an interface with -i (live --list shows them), or a pipe with -r -")
    with said_clearly():
        try:
            seconds = _seconds(duration)
            numbers = _ports(ports)
            rotation = _rotation(rotate, keep or 0, write)
        except ValueError as error:
            fail(str(error))
        if read and (numbers or text_filter):
            fail("--ports and --filter are for interfaces; filter where the pipe begins")
        from ocpp_inspect.cli.reporter import acceptances_of
        from ocpp_inspect.cli.running import ending_wanted, say_end, watch
        from ocpp_inspect.pipeline import Options
        from ocpp_inspect.pipeline.keys import GrowingKeyLogs
        from ocpp_inspect.pipeline.rules import built_in_and

        options = Options(
            rules=tuple(rules or ()),
            select=_split(select),
            ignore=_split(ignore),
            strict=strict,
            key_logs=(*(keylog or ()), *key_log_of_environment()),
            private_keys=tuple(tls_key or ()),
        )
        built_in_and(options)  # a rule that does not load is said before anything is opened
        options = replace(options, acceptances=acceptances_of(options, [*(baseline or ()), *(quirks or ())]))
        for path in options.key_logs:
            if not path.exists():
                typer.echo(f"{path}: does not exist yet; it is read as soon as it does", err=True)
        with ending_wanted() as ending:
            key_logs = GrowingKeyLogs(options)
            source = _opened(interface or [], read, numbers, text_filter, capture_with)
            try:
                _give_up_rights(source, db, write)
                from ocpp_inspect.pipeline.live import LiveRun

                name = f"ocpp-inspect {_version()}"
                run = LiveRun(source, options, db, key_logs=key_logs, write=write, rotation=rotation, application=name)
            except BaseException:
                source.close()
                raise
            try:
                is_screen = sys.stdout.isatty() and not (lines or quiet)
                watch(run, ending, seconds, is_screen=is_screen, quiet=quiet, local=local)
                say_end(run, db)
            finally:
                run.recording.dispose()


def _opened(names: list[str], read: str | None, ports: list[int], text_filter: str, way: Way | None) -> LiveSource:
    from ocpp_inspect.capture.live import PipeSource, open_interfaces

    if read is not None:
        if read == "-" and sys.stdin.isatty():
            from ocpp_inspect.cli.failures import fail

            fail("-r - reads a capture from a pipe: ssh pi tcpdump -U -w - | ocpp-inspect live -r -")
        return PipeSource(read, f"live:{read}")
    unique = list(dict.fromkeys(part.strip() for name in names for part in name.split(",") if part.strip()))
    return open_interfaces(unique, ports=ports, text=text_filter, way=way or "")


def _give_up_rights(source: LiveSource, db: Path | None, write: Path | None) -> None:
    from ocpp_inspect.capture.live import drop_privileges

    written = [path.absolute().parent for path in (db, write) if path is not None]
    said = drop_privileges(written, keeps_user=source.has_program)
    if said and sys.stderr.isatty():
        typer.echo(said, err=True)


def _print_interfaces() -> None:
    from ocpp_inspect.capture.live import best_way, interfaces, may_open_ring, permission_hint

    found = interfaces()
    widest = max(len(each.name) for each in found)
    for each in found:
        state = "down" if not each.is_up else "up" if each.has_carrier else "no link"
        said = "  ".join(filter(None, (", ".join(each.addresses), f"({each.note})" if each.note else "")))
        typer.echo(f"{each.name.ljust(widest)}  {state.ljust(7)}  {said}".rstrip())
    why = may_open_ring()
    typer.echo(f"\nby: {best_way()}" if not why else f"\nnot permitted as you are: {permission_hint()}", err=True)


def _ports(text: str) -> list[int]:
    ports = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        if not part.isdecimal() or not 0 < int(part) < 65_536:
            raise ValueError(f"{part!r} is no port; write --ports 80,443,9000")
        ports.append(int(part))
    return ports


def _seconds(text: str) -> float | None:
    from ocpp_inspect.capture.live import parse_rotation

    if not text:
        return None
    try:
        seconds = float(text) if text.replace(".", "", 1).isdecimal() else parse_rotation(text).seconds
    except ValueError:
        seconds = 0
    if not seconds:
        raise ValueError(f"{text!r} is no duration; write 90s, 10min, 1h or 1d")
    return seconds


def _rotation(text: str, keep: int, write: Path | None) -> Rotation | None:
    from ocpp_inspect.capture.live import parse_rotation

    if (text or keep) and write is None:
        raise ValueError("--rotate and --keep are about the capture file; name it with --write")
    if keep and not text:
        raise ValueError("--keep needs --rotate, for example --rotate 100MB")
    return parse_rotation(text, keep) if text else None


def _split(values: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())


def _version() -> str:
    from ocpp_inspect import __version__

    return __version__
