"""A network of its own for a test: its loopback carries nothing but the test's traffic, and we may capture there.

Root makes it directly; everybody else as root of a user namespace, which needs no rights.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Namespace:
    """Commands run in it."""

    def __init__(self, holder: int) -> None:
        user = [] if os.geteuid() == 0 else ["-U", "--preserve-credentials"]
        self.prefix = ["nsenter", "-t", str(holder), *user, "-n", "--"]

    def run(self, *command: object, check: bool = True, **how: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        how = {"capture_output": True, "text": True, "timeout": 60, **how}
        return subprocess.run([*self.prefix, *map(str, command)], check=check, **how)

    def start(self, *command: object, **how: Any) -> subprocess.Popen[str]:
        """Start a command; the caller ends it."""
        return subprocess.Popen([*self.prefix, *map(str, command)], text=True, **how)


@contextmanager
def namespace() -> Iterator[Namespace]:
    """The network, with its loopback up."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = "ip link set lo up && echo up && exec sleep 600"
    with subprocess.Popen(
        ["unshare", *user, "--net", "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "up\n"
            yield Namespace(holder.pid)
        finally:
            holder.kill()
