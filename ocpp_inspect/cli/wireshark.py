"""Nothing in; the OCPP dissector in Wireshark's plugin folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Bring OCPP into Wireshark and tshark.")

FILE = "ocpp.lua"


@app.command()
def install(
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to; default: the folder that tshark names.", metavar="DIR")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite another ocpp.lua that is there.")] = False,
) -> None:
    """Put the OCPP dissector into Wireshark's folder of personal Lua plugins.

    It needs Wireshark or tshark 4.0 or later and nothing else. Afterwards filters such as ocpp.type == 4 and
    ocpp.response_time > 5 work, answers name their requests, and the Info column says each message in words.

    [bold]Examples[/bold]

      ocpp-inspect wireshark install

      ocpp-inspect wireshark install --folder ~/.local/lib/wireshark/plugins
    """
    from ocpp_inspect.cli.failures import fail

    source = dissector().read_bytes()
    target = (folder or plugin_folder()) / FILE
    try:
        if target.exists() and not force:
            if target.read_bytes() == source:
                typer.echo(f"{target} is already there and up to date", err=True)
                typer.echo(target)
                return
            fail(f"{target} is another file; --force overwrites it")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source)
    except OSError as error:
        fail(f"{target}: cannot be written: {error.strerror}; name a folder of yours with --folder")
    typer.echo(target)
    typer.echo("restart Wireshark, or press Ctrl+Shift+L in it; then try the filter  ocpp", err=True)


@app.command()
def path() -> None:
    """Print where the dissector lies, for tshark's own option.

    [bold]Example[/bold]

      tshark -X lua_script:$(ocpp-inspect wireshark path) -r site.pcap -Y ocpp
    """
    typer.echo(dissector())


def dissector() -> Path:
    """The file that this installation brings."""
    from ocpp_inspect.resources import data_directory

    return data_directory("dissectors") / "wireshark" / FILE


def plugin_folder() -> Path:
    """The folder of personal Lua plugins: what tshark says, else Wireshark's usual place on this system."""
    import os
    import shutil
    import subprocess
    import sys

    program = shutil.which("tshark")
    if program is not None:
        told = subprocess.run([program, "-G", "folders"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
        for line in told.stdout.splitlines():
            name, _, folder = line.partition(":")
            if name == "Personal Lua Plugins" and folder.strip():
                return Path(folder.strip())
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home())) / "Wireshark" / "plugins"
    return Path.home() / ".local" / "lib" / "wireshark" / "plugins"
