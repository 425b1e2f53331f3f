"""Lines of a person in, orders to the meddler and lines to read out.

`commands` reads a line, `session` does what it says, `socket` serves sessions on a Unix socket, `terminal` is the
person's end: prompt, completion, editor.
"""

from __future__ import annotations

__all__: list[str] = []  # the person's end must not load what stands behind the prompt
