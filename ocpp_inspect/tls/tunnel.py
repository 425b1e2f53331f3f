"""Octets around an HTTP CONNECT in; how many of them are still HTTP out (RFC 9110 §9.3.6).

A forward proxy carries the station's TLS in the same TCP connection, behind its own answer.
"""

from __future__ import annotations

from typing import Final

from ocpp_inspect.http import BodyEnd, Head, HttpReader

CONNECT: Final = b"CONNECT "


class Tunnel:
    """One CONNECT that waits for its answer; a refused one may be asked again."""

    def __init__(self, client: int, depth: int) -> None:
        self.client = client  # direction of the request
        self.depth = depth  # tunnels around it
        self.is_open = False
        self.is_over = False  # the answers are no HTTP, or incomplete
        self._answers = HttpReader()

    def outside(self, direction: int, data: bytes) -> int:
        """How many of these octets lie before the tunnel's."""
        if self.is_open:
            return 0
        if direction == self.client:
            return len(data)
        answers = self._answers
        answers.feed(data)
        while (item := answers.read()) is not None:
            if isinstance(item, BodyEnd):
                continue
            if not isinstance(item, Head) or not item.status:
                self.is_over = True
                return len(data)
            if 200 <= item.status < 300:
                self.is_open = True
                return len(data) - len(answers.take_rest())
            answers.expect_body(item, may_have_body=item.status >= 200)
        return len(data)
