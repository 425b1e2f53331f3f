"""Arguments of `replay` in; what the living side said differently on stdout and an exit code out."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable, Coroutine

    from ocpp_inspect.replay import Judged, Note, Outcome, Recording

_FROM_ENVIRONMENT = "OCPP_INSPECT_PASSWORD"


class Format(StrEnum):
    """What `--format` takes."""

    RICH = "rich"
    JSON = "json"


def replay(
    source: Annotated[list[Path], typer.Argument(help="A database, or captures.", metavar="DB|CAPTURE...")],
    station: Annotated[
        str | None, typer.Option("--station", "-s", help="Which station to play; needed when there are several.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="The CSMS: ws://host:port takes the recorded path; with a path, the identity is added."
        ),
    ] = None,
    as_csms: Annotated[bool, typer.Option("--as-csms", help="Play the CSMS to a charger instead.")] = False,
    listen: Annotated[
        str, typer.Option("--listen", help="With --as-csms: address and port.", metavar="HOST:PORT")
    ] = "127.0.0.1:9000",
    speed: Annotated[str, typer.Option("--speed", help="10: ten times as fast; max: as fast as it is answered.")] = "1",
    identity: Annotated[
        str | None, typer.Option("--identity", help="Connect under another identity than the recorded one.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Basic auth user; default: the recorded one.")] = None,
    password_file: Annotated[
        Path | None,
        typer.Option("--password-file", help=f"File with the password; else the variable {_FROM_ENVIRONMENT}."),
    ] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificates to trust, for wss.")] = None,
    cert: Annotated[
        Path | None, typer.Option("--cert", help="Own certificate (PEM): the client's, or with --as-csms the server's.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Its private key, unless --cert holds it.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Do not verify the certificate of the CSMS.")] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for an answer.")] = 30.0,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", help="A field not to compare: interval, idTagInfo.parentIdTag, Authorize:list[].x."),
    ] = None,
    db: Annotated[
        Path | None, typer.Option("--db", help="Record the replay itself into this DuckDB file, judged by the rules.")
    ] = None,
    format: Annotated[Format, typer.Option("--format", "-f", help="How to print the result.")] = Format.RICH,  # noqa: A002
) -> None:
    """Play a recorded station against a CSMS, and compare its answers with the recorded ones.

    Message ids are new and date-times are moved to now; transaction ids are those that the CSMS gives this time. CALLs
    of the CSMS get the recorded answers. Answers are compared without times and ids. --as-csms does the reverse.

    Exit code: 0 answered as recorded, 1 not, 2 wrong usage, unreadable input or nobody there, 130 stopped by Ctrl-C.

    [bold]Examples[/bold]

      ocpp-inspect replay site.pcapng --station CP1 --to ws://127.0.0.1:9000

      ocpp-inspect replay site.duckdb --station CP1 --to wss://csms.example/ocpp --speed 20 --ignore interval

      ocpp-inspect replay site.duckdb --station CP1 --as-csms --listen 0.0.0.0:9000
    """
    from ocpp_inspect.cli.failures import fail, said_clearly
    from ocpp_inspect.replay import RecordingError
    from ocpp_inspect.replay.dialogue import ReplayError, Settings

    if as_csms is (to is not None):
        fail("name the CSMS with --to, or play it with --as-csms")
    settings = Settings(_speed(speed), timeout, tuple(ignore or ()))
    try:
        import websockets  # noqa: F401
    except ImportError:
        fail("replay needs the package websockets: pip install websockets")
    with said_clearly(), ExitStack() as stack:
        try:
            recording = _recording(source, station, stack)
            teller = _Teller(format)
            if as_csms:
                outcome = _as_csms(recording, listen, cert, key, settings, teller, db)
            else:
                password = _password(password_file)
                tls = _client_tls(to or "", ca, cert, key, insecure)
                outcome = _as_station(recording, to or "", identity, user, password, tls, settings, teller, db)
        except (RecordingError, ReplayError) as error:
            fail(str(error))
    teller.finish(outcome)
    if not outcome.is_complete and not as_csms:
        sys.exit(130)
    sys.exit(0 if outcome.is_equal else 1)


def _speed(text: str) -> float:
    """0 stands for `max`."""
    from ocpp_inspect.cli.failures import fail

    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.001 <= speed <= 100_000:
        fail(f"--speed {text}: a number from 0.001 to 100000, or max")
    return speed


def _recording(source: list[Path], station: str | None, stack: ExitStack) -> Recording:
    from ocpp_inspect.cli.failures import fail
    from ocpp_inspect.cli.progress import progress_bar
    from ocpp_inspect.pipeline import temporary_analysis
    from ocpp_inspect.replay import read_recording
    from ocpp_inspect.report.opened import NotADatabaseError, is_database, open_database

    path = source[0]
    if not (len(source) == 1 and is_database(path)):
        with progress_bar() as progress:
            path = stack.enter_context(temporary_analysis([str(each) for each in source], progress=progress))
    try:
        database = open_database(path)
    except NotADatabaseError as error:
        fail(str(error))
    try:
        return read_recording(database, station)
    finally:
        database.close()


def _as_station(
    recording: Recording, url: str, identity: str | None, user: str | None, password: str | None,
    tls: ssl.SSLContext | None, settings: Any, teller: _Teller, db: Path | None,
) -> Outcome:  # fmt: skip
    from ocpp_inspect.replay.station import Target, play

    target = Target(url, identity or recording.station, user, password, tls)
    first = recording.visits[0]
    if first.has_password and password is None:
        typer.echo(
            f"ocpp-inspect: the station had a password, which is never kept: give it with --password-file"
            f" or {_FROM_ENVIRONMENT}; connecting without", err=True,
        )  # fmt: skip
    if db is None:
        return _run(lambda stop: play(recording, target, settings, teller, stop=stop))
    from urllib.parse import urlsplit

    from ocpp_inspect.cli.replay_recording import recorded
    from ocpp_inspect.proxy.settings import Address

    parts = urlsplit(url)

    async def start(stop: asyncio.Event, port: int) -> Outcome:
        target.url, target.tls = f"ws://127.0.0.1:{port}{parts.path}", None
        return await play(recording, target, settings, teller, stop=stop)

    outcome = recorded(
        start, listen=Address("127.0.0.1", 0), upstream=f"{parts.scheme}://{parts.netloc}", upstream_tls=tls,
        server_tls=None, database=db, source=f"replay of {recording.station} to {url}", say=_say,
    )  # fmt: skip
    return outcome or teller.stopped(recording.station, url)


def _say(text: str) -> None:
    """A line of the relay, on stderr."""
    from ocpp_inspect.report.safe import safe

    typer.echo(safe(text, 2000), err=True)


def _run(start: Callable[[asyncio.Event], Coroutine[Any, Any, Outcome]]) -> Outcome:
    """Play in an event loop of its own; Ctrl-C and SIGTERM stop it, and what was found is told."""
    import asyncio
    import signal

    async def main() -> Outcome:
        stop = asyncio.Event()
        if hasattr(signal, "SIGPIPE"):  # a peer that has gone is an error of its connection, not our end
            signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await start(stop)

    return asyncio.run(main())


def _as_csms(
    recording: Recording, listen: str, cert: Path | None, key: Path | None, settings: Any, teller: _Teller,
    db: Path | None,
) -> Outcome:  # fmt: skip
    from ocpp_inspect.cli.failures import fail
    from ocpp_inspect.replay.csms import Listener, play

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        fail(f"--listen {listen}: write an address and a port, such as 127.0.0.1:9000")
    host = host.strip("[]")
    listener = Listener(host, int(port), _server_tls(cert, key))

    def ready(port: int) -> None:
        typer.echo(
            f"listening on {host}:{port} as the CSMS of {teller.shown(recording.station)}; Ctrl-C ends", err=True
        )

    if db is None:
        return _run(lambda stop: play(recording, listener, settings, teller, ready=ready, stop=stop))
    import socket

    from ocpp_inspect.cli.replay_recording import recorded
    from ocpp_inspect.proxy.settings import Address

    behind = socket.create_server(("127.0.0.1", 0))  # where the CSMS listens; chargers come to the relay before it

    async def start(stop: asyncio.Event, port: int) -> Outcome:
        inner = Listener("127.0.0.1", 0, socket=behind)
        return await play(recording, inner, settings, teller, ready=lambda _: ready(port), stop=stop)

    outcome = recorded(
        start, listen=Address(host, int(port), listener.tls is not None),
        upstream=f"ws://127.0.0.1:{behind.getsockname()[1]}", upstream_tls=None, server_tls=listener.tls,
        database=db, source=f"replay of the CSMS of {recording.station}", say=_say,
    )  # fmt: skip
    return outcome or teller.stopped(recording.station, listen)


def _password(path: Path | None) -> str | None:
    from ocpp_inspect.cli.failures import fail

    if path is None:
        return os.environ.get(_FROM_ENVIRONMENT)
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path}: {getattr(error, 'strerror', None) or error}")


def _client_tls(
    url: str, ca: Path | None, cert: Path | None, key: Path | None, insecure: bool
) -> ssl.SSLContext | None:
    import ssl
    from urllib.parse import urlsplit

    from ocpp_inspect.cli.failures import fail

    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        fail(f"--to {url}: write ws://host:port or wss://host")
    if parts.scheme == "ws":
        return None
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
        if cert is not None:
            context.load_cert_chain(cert, key)
    except OSError as error:
        fail(f"{ca or cert}: {error.strerror or error}")
    if insecure:
        typer.echo("ocpp-inspect: --insecure: the certificate of the CSMS is NOT verified", err=True)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _server_tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    import ssl

    from ocpp_inspect.cli.failures import fail

    if cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        fail(f"{cert}: {error.strerror or error}")
    return context


class _Teller:
    """Prints entries as they come; JSON waits for the end."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._is_unread = False
        self._entries: list[Judged | Note] = []

    def __call__(self, entry: Judged | Note) -> None:
        self._entries.append(entry)
        if self._form is Format.RICH and not self._is_unread:
            from ocpp_inspect.cli.screen import print_lines
            from ocpp_inspect.replay.outcome import lines_of

            try:
                print_lines(lines_of(entry))
                sys.stdout.flush()
            except BrokenPipeError:  # `| head` has seen enough; the other side has not
                self._is_unread = True
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def finish(self, outcome: Outcome) -> None:
        """The summary, or the document."""
        from ocpp_inspect.replay.outcome import document, summary_of

        if self._form is Format.RICH:
            from ocpp_inspect.cli.screen import print_lines

            print_lines(summary_of(outcome))
            return
        import orjson

        sys.stdout.buffer.write(orjson.dumps(document(outcome), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        sys.stdout.flush()

    def stopped(self, station: str, target: str) -> Outcome:
        """What was found until a person stopped it."""
        from ocpp_inspect.replay import Outcome

        return Outcome(station, target, self._entries, is_complete=False)

    @staticmethod
    def shown(text: str) -> str:
        """Captured text for the terminal."""
        from ocpp_inspect.report.safe import safe

        return safe(text)
