"""A process that could open packet sockets in; one that can do nothing but read from them and write its files out.

Opening a packet socket needs the right to see all traffic. What is read from it afterwards is hostile input, so the
right is given up in between. Under sudo we become the user who called it, who then owns the files that we write; as
plain root, or where that user may not write, the owner of the directory. When that is root, we stay root for the sake
of its files, but without any of root's capabilities. Who writes nothing becomes nobody. Nobody is chosen who could not
read this very program (a Python in root's home).
"""

from __future__ import annotations

import ctypes
import os
import pwd
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_VERSION_3: Final = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_BOUNDING_DROP: Final = 24  # PR_CAPBSET_DROP
_NO_NEW_PRIVILEGES: Final = 38  # PR_SET_NO_NEW_PRIVS
_CAPABILITIES: Final = 64
_WRITE_ANYWHERE: Final = 1 << 1  # CAP_DAC_OVERRIDE


def drop_privileges(directories: Sequence[Path], *, keeps_user: bool = False) -> str:
    """Give up what is not needed any more; says what was done, "" when there was nothing to give up.

    `directories` are those that are written to from now on. `keeps_user`: a program of the same user captures for us,
    and has to be ended by us. Raises OSError when the kernel refuses: going on with all rights would be worse.
    """
    if os.geteuid() != 0:
        return "gave up the right to capture" if _clear_capabilities() else ""
    for entry in [] if keeps_user else _candidates(directories):
        if entry.pw_uid == 0:
            break
        if _can_be(entry, directories):
            os.initgroups(entry.pw_name, entry.pw_gid)
            os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
            os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
            return f"opened as root, runs as {entry.pw_name}"
    if all(directory.stat().st_uid == 0 for directory in directories if directory.is_dir()):
        _clear_capabilities()
        return "opened as root, runs as root without capabilities"
    _clear_capabilities(_WRITE_ANYWHERE)
    return "opened as root, runs as root, of whose capabilities only that to write files is left"


def permission_hint() -> str:
    """What makes capturing possible without being root, as a command for this very installation."""
    python = Path(sys.executable).resolve()
    return (
        f"use sudo, or allow it to this Python for good: sudo setcap cap_net_raw,cap_net_admin=eip {python} — "
        "docs/live.md says what that means"
    )


def _candidates(directories: Sequence[Path]) -> list[pwd.struct_passwd]:
    """Who we could become, the best first."""
    caller = os.environ.get("SUDO_UID", "")
    users: list[int | str] = [int(caller)] if caller.isdecimal() and int(caller) else []
    users += [directory.stat().st_uid for directory in directories if directory.is_dir()] or ["nobody"]
    found = []
    for user in users:
        try:
            found.append(pwd.getpwuid(user) if isinstance(user, int) else pwd.getpwnam(user))
        except KeyError:  # a container's user without a name
            continue
    return found


def _can_be(entry: pwd.struct_passwd, directories: Sequence[Path]) -> bool:
    """Whether that user may write there, and read this program, of which parts are loaded later; the kernel knows."""
    libraries = [path for path in sys.path if path and Path(path).exists()]
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        return all(os.access(path, os.R_OK, effective_ids=True) for path in libraries) and all(
            os.access(directory, os.W_OK | os.X_OK, effective_ids=True) for directory in directories
        )
    finally:
        os.seteuid(0)
        os.setegid(0)


def _clear_capabilities(kept: int = 0) -> bool:
    """Empty the sets of this thread (the only one so far) but for `kept`; True when there was something in them."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0))
    sets = ctypes.create_string_buffer(24)
    if libc.capget(header, sets) != 0 or not any(sets.raw[:24]):
        return False
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    for capability in range(_CAPABILITIES):
        libc.prctl(_BOUNDING_DROP, capability, 0, 0, 0)  # fails beyond the last one, and without CAP_SETPCAP
    # Effective, permitted, inheritable; those from 32 on behind them.
    wanted = ctypes.create_string_buffer(struct.pack("=6I", kept, kept, 0, 0, 0, 0), 24)
    if libc.capset(header, wanted) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"cannot give up capabilities: {os.strerror(error)}")
    return True
