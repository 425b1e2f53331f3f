"""Arguments of `proxy` in; a running proxy, a summary on stdout and an exit code out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ocpp_inspect.cli.reporter import FailOn
from ocpp_inspect.cli.scenario import app as scenario_app

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence

    from ocpp_inspect.cli.watching import Lines, Screen
    from ocpp_inspect.pipeline.recording import Recording
    from ocpp_inspect.proxy.console.beside import Beside
    from ocpp_inspect.proxy.interception import Interceptor
    from ocpp_inspect.proxy.process import AnalysisOptions
    from ocpp_inspect.proxy.settings import Address, Settings
    from ocpp_inspect.report.live import Board, Header

app = typer.Typer(
    invoke_without_command=True,
    subcommand_metavar="[ca|scenario]",
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LISTEN = "127.0.0.1:9000"


@app.callback()
def proxy(
    context: typer.Context,
    upstream: Annotated[
        list[str] | None,
        typer.Option(
            "--upstream",
            "-u",
            "--route",
            metavar="[PATTERN=]URL",
            help="Where connections go. PATTERN is a station's identity with * and ?, or a path that begins with /.",
        ),
    ] = None,
    listen: Annotated[
        list[str] | None,
        typer.Option("--listen", "-l", help=f"Address of ours that stations connect to (repeatable); {_LISTEN}."),
    ] = None,
    mirror: Annotated[
        str | None, typer.Option("--mirror", help="Copy what stations send to this second CSMS; it can answer nobody.")
    ] = None,
    db: Annotated[
        Path | None, typer.Option("--db", help="Keep everything in this DuckDB file, readable while the proxy runs.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", "-w", help="Write what passes as packets into this pcapng file, too.")
    ] = None,
    rotate: Annotated[
        str, typer.Option("--rotate", help="Begin a new file at a size or after a time: 100MB, 1h, or both.")
    ] = "",
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="With --rotate: only the newest files stay.")
    ] = None,
    tls: Annotated[
        bool, typer.Option("--tls", help="Stations connect by wss://, with certificates of our own CA (`proxy ca`).")
    ] = False,
    cert: Annotated[Path | None, typer.Option("--cert", help="Certificate chain to show to stations (PEM).")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Its private key.")] = None,
    client_ca: Annotated[
        Path | None, typer.Option("--client-ca", help="Demand of stations a certificate of this CA.")
    ] = None,
    upstream_ca: Annotated[
        Path | None, typer.Option("--upstream-ca", help="CA that signed the upstream's certificate.")
    ] = None,
    client_cert: Annotated[
        Path | None, typer.Option("--client-cert", help="Certificate to show to the upstream (security profile 3).")
    ] = None,
    client_key: Annotated[Path | None, typer.Option("--client-key", help="Its private key.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Do NOT verify the upstream's certificate: for tests only.")
    ] = False,
    keylog_out: Annotated[
        Path | None, typer.Option("--keylog-out", help="Write TLS secrets here, to decrypt a capture made meanwhile.")
    ] = None,
    keep_host: Annotated[
        bool, typer.Option("--keep-host", help="Leave the Host header as the station sends it.")
    ] = False,
    scenario: Annotated[
        Path | None, typer.Option("--scenario", help="Meddle with messages as this file says (docs/scenarios.md).")
    ] = None,
    control: Annotated[
        Path | None, typer.Option("--control", help="A console on this Unix socket, for `ocpp-inspect console`.")
    ] = None,
    console: Annotated[
        bool | None,
        typer.Option("--console/--no-console", help="A prompt on this terminal, the default there; without: a screen."),
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", help="A directory of your own rules (repeatable).")
    ] = None,
    select: Annotated[list[str] | None, typer.Option("--select", help="Only these rules (as of `analyze`).")] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Not these rules.")] = None,
    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="Exit 1 when there is a finding of at least this severity.")
    ] = FailOn.NEVER,
    max_connections: Annotated[
        int, typer.Option("--max-connections", min=1, help="Stations connected at once.")
    ] = 20_000,
    dead_after: Annotated[
        int, typer.Option("--dead-after", min=1, help="Seconds after which a silent peer's socket is taken for dead.")
    ] = 60,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No line a message, only the summary.")] = False,
) -> None:
    """Stand between stations and their CSMS: forward every octet unchanged, record and judge what they say.

    Point the station at this machine instead of its CSMS. Octets are forwarded before they are looked at; when the
    analysis is slow, forwarding goes on and what was not looked at is counted. Ctrl-C ends it with a summary.

    Listens on the loopback unless told otherwise, and forwards only to the upstreams named.

    Exit code: 0 ended by you, 1 findings at or above --fail-on, 2 cannot run.

    [bold]Examples[/bold]

      ocpp-inspect proxy --listen 0.0.0.0:9000 --upstream wss://csms.example/ocpp --db site.duckdb

      ocpp-inspect proxy --tls -l 0.0.0.0:443 -u wss://csms.example --upstream-ca ca.pem --keylog-out keys.log

      ocpp-inspect proxy -u 'CP1*=ws://new.example' -u ws://old.example/ocpp --mirror ws://test.example:9001

      ocpp-inspect proxy -u ws://csms.example/ocpp --scenario lost-answers.yaml --control ocpp.sock

      ocpp-inspect proxy ca
    """
    if context.invoked_subcommand is not None:
        return
    from ocpp_inspect.capture.live import parse_rotation
    from ocpp_inspect.cli.failures import fail
    from ocpp_inspect.engine import RuleError
    from ocpp_inspect.pipeline.options import Options
    from ocpp_inspect.proxy.authority import AuthorityError
    from ocpp_inspect.proxy.console.socket import ControlError
    from ocpp_inspect.proxy.process import AnalysisError, AnalysisOptions
    from ocpp_inspect.proxy.relay import ListenError
    from ocpp_inspect.proxy.routes import RouteError, Routes, parse_route, parse_upstream
    from ocpp_inspect.proxy.run import run_proxy
    from ocpp_inspect.proxy.settings import Bounds, Settings
    from ocpp_inspect.proxy.tls import TlsError, UpstreamTls

    if not upstream:
        fail("name the CSMS: --upstream wss://csms.example/ocpp (see `ocpp-inspect proxy --help`)")
    try:
        addresses = [parse_address(each, is_tls=tls or cert is not None) for each in listen or [_LISTEN]]
        settings = Settings(
            tuple(addresses),
            Routes([parse_route(each) for each in upstream]),
            parse_upstream(mirror) if mirror else None,
            keeps_host=keep_host,
            server_tls=_server_tls(addresses, cert, key, client_ca, keylog_out),
            upstream_tls=UpstreamTls(
                ca=upstream_ca, certificate=client_cert, key=client_key, is_verified=not insecure, keylog=keylog_out
            ),
            bounds=Bounds(connections=max_connections, dead_s=dead_after),
        )
        prompts = _is_terminal() if console is None else console
        is_screen = sys.stdout.isatty() and not prompts and not quiet
        meddler, beside = _meddling(scenario, control, prompts=prompts)
        analysis = AnalysisOptions(
            db,
            f"proxy {', '.join(str(each) for each in addresses)}",
            Options(rules=tuple(rules or ()), select=_split(select), ignore=_split(ignore)),
            write=write,
            rotation=parse_rotation(rotate, keep or 0) if rotate else None,
            remembers=meddler is not None,
            show=None if quiet else partial(watch, is_screen=is_screen),
            has_screen=is_screen,
            conclude=partial(conclude, fail_on=fail_on),
        )
        if insecure:
            say("WARNING: --insecure: the upstream's certificate is not verified, anybody may be at its place")
        code = run_proxy(
            settings, analysis, say, interceptor=meddler, beside=beside, started=partial(announce, settings, analysis)
        )
    except (RouteError, TlsError, AuthorityError, AnalysisError, ListenError, ControlError, RuleError,
            ValueError) as error:  # fmt: skip
        fail(str(error))
    sys.exit(code)


@app.command()
def ca() -> None:
    """Show the certificate authority that signs what `proxy --tls` shows to stations, and how to install it.

    It is made on first use. Its key never leaves this machine; whoever has it can imitate any server to the stations
    that trust it, so install it in stations under test only, and remove it afterwards.
    """
    from ocpp_inspect.cli.failures import fail
    from ocpp_inspect.proxy.authority import Authority, AuthorityError, default_directory

    try:
        authority = Authority(default_directory())
    except AuthorityError as error:
        fail(str(error))
    typer.echo(f"""certificate  {authority.path}
SHA-256      {authority.fingerprint}
valid until  {authority.expires:%Y-%m-%d}

Install it in the station as the root certificate of its CSMS:
  OCPP 2.0.1   InstallCertificate with certificateType CSMSRootCertificate
  OCPP 1.6     InstallCertificate with certificateType CentralSystemRootCertificate (security extension)
  otherwise    the station's web page or service tool: "CA certificate", "root certificate", "trusted CA"
  a simulator  NODE_EXTRA_CA_CERTS={authority.path} for Node.js, SSL_CERT_FILE={authority.path} for Python

Then: ocpp-inspect proxy --tls --listen 0.0.0.0:443 --upstream wss://csms.example
Remove it from the station when you are done.""")


app.add_typer(scenario_app, name="scenario")


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _meddling(
    scenario: Path | None, control: Path | None, *, prompts: bool
) -> tuple[Interceptor | None, Beside | None]:
    """Who stands between the messages, and its consoles; nobody when none was asked for."""
    if scenario is None and control is None and not prompts:
        return None, None
    from ocpp_inspect.proxy.console.beside import consoles
    from ocpp_inspect.proxy.console.socket import ControlSocket
    from ocpp_inspect.proxy.meddler import Meddler
    from ocpp_inspect.proxy.scenario import load_scenario
    from ocpp_inspect.proxy.scenario.language import holds_for_ever

    loaded = load_scenario(scenario) if scenario is not None else None
    meddler = Meddler(loaded, say, has_console=control is not None or prompts)
    sockets = [ControlSocket(control, meddler)] if control is not None else []
    for socket in sockets:
        socket.claim()
    if loaded is not None:
        endless = [step.name for step in loaded.steps if holds_for_ever(step)] if not (control or prompts) else []
        if endless:
            say(f"WARNING: {', '.join(endless)}: what is held waits for a console, and there is none (--control)")
        say(f"scenario {loaded.title}: {len(loaded.steps)} steps; what they touch is marked in the recording")
    if control is not None:
        say(f"console: ocpp-inspect console {control}")
    return meddler, consoles(meddler, sockets, say, prompts=prompts) if sockets or prompts else None


def say(text: str) -> None:
    """A line for the person, on stderr."""
    from ocpp_inspect.report.safe import safe

    typer.echo(safe(text, 2_000), err=True)


def parse_address(text: str, *, is_tls: bool) -> Address:
    """HOST:PORT, [V6]:PORT, a port alone, or ws:// and wss:// in front. Raises ValueError."""
    from urllib.parse import urlsplit

    from ocpp_inspect.proxy.settings import Address

    example = f"{text!r}: no address to listen on; write it like 0.0.0.0:9000 or [::1]:9000"
    if text.isdigit():
        text = f"127.0.0.1:{text}"
    scheme, mark, rest = text.partition("://")
    try:
        parts = urlsplit(f"//{rest if mark else text}")
        port = parts.port
    except ValueError as error:
        raise ValueError(example) from error
    if port is None or not parts.hostname or parts.path or (mark and scheme not in ("ws", "wss")):
        raise ValueError(example)
    return Address(parts.hostname, port, is_tls or (scheme == "wss" and bool(mark)))


def announce(settings: Settings, analysis: AnalysisOptions, addresses: list[Address]) -> None:
    """Say what runs, and warn loudly of what others can reach."""
    from ocpp_inspect.proxy.relay import is_public

    for address in addresses:
        say(f"listening on {address}")
    for route in settings.routes.routes:
        say(f"  {route.pattern or 'every station'} → {route.upstream.url}")
    if settings.mirror is not None:
        say(f"  copied to {settings.mirror.url}")
    for address in addresses:
        if is_public(address.host):
            say(
                f"WARNING: {address} can be reached from other machines: whoever reaches it is forwarded to the "
                f"upstream under this machine's address"
            )
    if analysis.database is not None:
        say(f"recording into {analysis.database}")
    say("Ctrl-C ends it")


class _Watcher:
    """A board fed by the recording, on a screen or as lines."""

    def __init__(self, recording: Recording, board: Board, header: Header, output: Screen | Lines) -> None:
        self._recording = recording
        self._board = board
        self._header = header
        self._output = output
        recording.subscribe(lambda decoded: output.tell(board.show(decoded.items, decoded.findings)))

    @property
    def wants_to_quit(self) -> bool:
        """Whether q was pressed, or nobody reads the lines any more."""
        return self._output.wants_to_quit

    def say(self, text: str, now_ns: int) -> None:
        """A line of the relay, between the others."""
        self._output.tell([self._board.note(text, now_ns)])

    def turn(self, now_ns: int) -> None:
        """Some time has passed."""
        info, header = self._recording.info, self._header
        header.packets, header.octets = info.packets, info.bytes
        header.troubles = [self._recording.trouble] if self._recording.trouble else []
        self._output.turn(now_ns)


@contextmanager
def watch(recording: Recording, *, is_screen: bool) -> Iterator[_Watcher]:
    """A line a message, as it happens; or the screen of `live`."""
    import time

    from ocpp_inspect.cli.watching import shown
    from ocpp_inspect.report.live import Board, Header

    database = "" if recording.is_scratch else f"database {recording.database.name}"
    header = Header(source=recording.info.path, started_ns=time.time_ns(), database=database)
    board = Board()
    with shown(board, header, is_screen=is_screen) as output:
        yield _Watcher(recording, board, header, output)


def conclude(database: Path, fail_on: FailOn) -> int:
    """The summary at the end; returns the exit code."""
    from ocpp_inspect.cli.formats import Format
    from ocpp_inspect.cli.reporter import Reporter
    from ocpp_inspect.pipeline.options import Options

    return Reporter(Options(), Format.RICH, None, fail_on, None).tell(database)


def _server_tls(
    addresses: Sequence[Address], cert: Path | None, key: Path | None, client_ca: Path | None, keylog: Path | None
) -> ssl.SSLContext | None:
    from ocpp_inspect.proxy.authority import Authority, default_directory
    from ocpp_inspect.proxy.tls import given_server, made_server

    if not any(address.is_tls for address in addresses):
        return None
    if cert is not None:
        return given_server(cert, key, client_ca=client_ca, keylog=keylog)
    authority = Authority(default_directory())
    if authority.is_new:
        say(f"made a certificate authority: {authority.path} (`ocpp-inspect proxy ca` tells how to install it)")
    return made_server(authority, tuple(address.host for address in addresses), client_ca=client_ca, keylog=keylog)


def _split(values: list[str] | None) -> tuple[str, ...]:
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())
