"""Octets, gaps and the close of one TLS connection in; plaintext, facts and what is missing of both out.

Longer than most modules: every step of a record's way (framing, opening, searching behind a gap, waiting) changes the
same two directions. What handshake messages say is in `handshake.py`.
"""

from __future__ import annotations

from collections import Counter, deque
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from ocpp_inspect.limits import REPEATED_ANOMALIES, TLS_TRIALS, TLS_WAITING_OCTETS
from ocpp_inspect.model import Anomaly, Flow, Side, StreamClosed, StreamGap, StreamSecured, TlsSession
from ocpp_inspect.tls.alerts import CLOSE_NOTIFY, alert_meaning, alert_name, is_error
from ocpp_inspect.tls.half import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEADER,
    HEADER_OCTETS,
    Half,
    is_header,
    may_be_clear,
)
from ocpp_inspect.tls.handshake import Handshake, NotYet
from ocpp_inspect.tls.keys import Keys
from ocpp_inspect.tls.opener import Opened
from ocpp_inspect.tls.rhythm import Rhythm
from ocpp_inspect.tls.schedule import TLS_1_3
from ocpp_inspect.tls.sink import Sink

_FAILURES: Final = 64  # records in a row that do not open before a direction is given up
_ALERT_13_OCTETS: Final = 19  # an encrypted alert of TLS 1.3: two octets, their type and a tag of 16
_FINISHED_13_OCTETS: Final = 53  # the shortest encrypted Finished: 4 + 32 octets, their type and the tag


class Connection:
    """One TLS connection."""

    def __init__(
        self, sink: Sink, keys: Keys, connection: int, flow: Flow, is_midway: bool, client: int | None
    ) -> None:
        self.sink = sink
        self.connection = connection
        self.flow = flow
        self.is_midway = is_midway
        self.is_over = False
        self.halves = (Half(2 * flow.pair), Half(2 * flow.pair + 1))
        self.is_readable: bool | None = None  # None: not known yet
        self.has_told = False  # the handshake was told
        self.waiting_since_ns: int | None = None  # for keys
        self.packet = connection
        self.ts_ns = 0
        self.position = 0
        self.facts = TlsSession(connection, 0, 0, 0, "handshake")
        self.has_gap = False
        self._keys = keys
        self._rhythm: Rhythm | None = None
        self._told: Counter[str] = Counter()
        self.handshake = Handshake(self, keys, client)

    # ------------------------------------------------------------------ what comes from below

    def data(self, direction: int, ts_ns: int, packet: int, position: int, data: bytes) -> None:
        """New octets of one direction."""
        half = self.halves[direction]
        self.position = max(self.position, position)
        self.ts_ns, self.packet = ts_ns, packet
        if not self.facts.ts_ns:
            self.facts.ts_ns, self.facts.packet, self.facts.named_at = ts_ns, packet, position
        half.octets += len(data)
        if half.stash is not None:
            self._put_aside(half, data)
        else:
            self._read(half, direction, data)

    def gap(self, direction: int, ts_ns: int, packet: int, position: int, length: int) -> None:
        """Octets of one direction are missing."""
        half = self.halves[direction]
        self.position = max(self.position, position)
        self.ts_ns, self.packet = ts_ns, packet
        self.has_gap = True
        if half.stash is not None:
            half.stash.append((ts_ns, packet, position, length))
            return
        self._lose(half, direction, length)

    def close(self, item: StreamClosed) -> None:
        """The connection is over: say what it was."""
        self.position, self.ts_ns, self.packet = max(self.position, item.position), item.ts_ns, item.packet
        for direction, half in enumerate(self.halves):
            if half.stash is not None:
                self.give_up(direction)
        self.is_over = True
        facts = self.facts
        # A message that cannot be read may not have been captured in its order: then nothing is certain.
        is_whole = facts.hello_seen and not (self.has_gap or self.is_midway or self._told["tls.bad_handshake"])
        if facts.outcome == "unknown" and item.reason in ("fin", "rst") and is_whole:
            facts.outcome = "unfinished"
            if item.closed_by is not None:
                facts.ended_by = self.side(item.closed_by)
        if self._rhythm is not None:
            facts.rhythm = self._rhythm.guess()
        if self.is_readable is None:
            self._tell_readable(is_readable=False)
        self.tell_handshake()
        client = self.handshake.client or 0
        up, down = self.halves[client], self.halves[1 - client]
        facts.records_up, facts.records_down, facts.octets_up, facts.octets_down = (
            up.records, down.records, up.octets, down.octets,
        )  # fmt: skip
        facts.last_ns = item.ts_ns
        self._say_facts("closed")

    # ------------------------------------------------------------------ records

    def _read(self, half: Half, direction: int, data: bytes) -> None:
        if half.buffer:
            data = half.buffer + data
            half.buffer = b""
        at = 0
        if half.skip:
            at = min(half.skip, len(data))
            half.skip -= at
            half.note_oddness()
        while True:
            if half.searching:
                found = self._search(half, direction, data, at)
                if found < 0:
                    half.buffer = data[~found:]
                    return
                at = found
                continue
            if len(data) - at < HEADER_OCTETS:
                break
            if not is_header(data, at):
                self._not_a_record(half, direction, data, at)
                continue
            end = at + HEADER_OCTETS + (data[at + 3] << 8 | data[at + 4])
            if end > len(data):
                break
            try:
                self._record(half, direction, data[at : at + HEADER_OCTETS], data[at + HEADER_OCTETS : end])
            except NotYet as reason:
                self._wait(half, data[at:], for_keys=reason.for_keys)
                return
            at = end
        half.buffer = data[at:]

    def _record(self, half: Half, direction: int, header: bytes, fragment: bytes) -> None:
        kind = header[0]
        handshake = self.handshake
        if half.opener is None and not half.is_dark:
            self._clear_record(half, direction, kind, header, fragment)
        elif half.is_dark:
            self._note_record(half, direction, kind, fragment)
        elif kind == CHANGE_CIPHER_SPEC and handshake.version >= TLS_1_3:
            return  # RFC 8446 §D.4: means nothing
        else:
            opened = half.opener.open(half.sequence, header, fragment) if half.opener is not None else None
            if opened is None:
                opened = self._unopened(half, direction, header, fragment)
                if opened is None:
                    return
            else:
                half.sequence += 1
            self._opened(half, direction, opened)

    def _clear_record(self, half: Half, direction: int, kind: int, header: bytes, fragment: bytes) -> None:
        """Before any key is in use."""
        handshake = self.handshake
        is_encrypted = kind in (CHANGE_CIPHER_SPEC, APPLICATION_DATA)
        if not is_encrypted and kind == HANDSHAKE and self.is_midway and not half.handshake:
            is_encrypted = handshake.hello is None and not may_be_clear(fragment)
        if is_encrypted:
            if handshake.switches(direction, kind):  # may raise NotYet
                self._record(half, direction, header, fragment)
                return
            if kind == CHANGE_CIPHER_SPEC:
                return
        half.records += 1
        self.facts.largest_record = max(self.facts.largest_record, len(fragment))
        if half.is_dark:
            self._note_dark(half, direction, kind, fragment)
        elif kind == ALERT and len(fragment) == 2:
            self._alert(direction, fragment[0], fragment[1])
        elif kind == HANDSHAKE:
            self._messages(half, direction, fragment)

    def _note_record(self, half: Half, direction: int, kind: int, fragment: bytes) -> None:
        half.records += 1
        self.facts.largest_record = max(self.facts.largest_record, len(fragment))
        self._note_dark(half, direction, kind, fragment)

    def _note_dark(self, half: Half, direction: int, kind: int, fragment: bytes) -> None:
        """What an encrypted record shows that nothing opens."""
        handshake, facts = self.handshake, self.facts
        if handshake.version >= TLS_1_3:
            is_client = direction == handshake.client
            if kind == APPLICATION_DATA and not half.is_finished and len(fragment) >= _FINISHED_13_OCTETS:
                half.is_finished = not is_client or self.halves[1 - direction].is_finished
                self._conclude()
            elif kind == APPLICATION_DATA and len(fragment) == _ALERT_13_OCTETS and facts.outcome == "unknown":
                facts.alert = facts.alert or "encrypted alert"
                facts.alert_by = self.side(direction)
                facts.alert_packet = self.packet
                if not facts.alert_meaning:
                    facts.alert_meaning = "a record of the size of an alert: its reason is encrypted"
        elif kind == HANDSHAKE and not half.is_finished:
            half.is_finished = True
            self._conclude()
        if kind == APPLICATION_DATA and facts.outcome == "completed" and direction == handshake.client:
            if self._rhythm is None:
                self._rhythm = Rhythm()
            self._rhythm.note(len(fragment), self.ts_ns)

    def _opened(self, half: Half, direction: int, opened: Opened) -> None:
        kind, plain = opened
        half.has_opened = True
        half.failures = 0
        half.records += 1
        self.facts.largest_record = max(self.facts.largest_record, len(plain))
        if kind == APPLICATION_DATA:
            if not half.is_finished and not half.rungs:
                self.finished(direction)  # its Finished is lost, or under a secret that the log lacks
            self._application_data(half, direction, plain)
        elif kind == HANDSHAKE:
            self._messages(half, direction, plain)
        elif kind == ALERT and len(plain) == 2:
            self._alert(direction, plain[0], plain[1])
        elif kind == CHANGE_CIPHER_SPEC:  # a renegotiation
            try:
                self.handshake.switches(direction, kind)
            except NotYet:
                self.handshake.is_hopeless = True  # this record cannot be read a second time
                self.handshake.switches(direction, kind)

    def _application_data(self, half: Half, direction: int, plain: bytes) -> None:
        if self.is_readable is not True:
            self._tell_readable(is_readable=True)
        if not plain:
            return
        row = self.connection, half.flow, self.ts_ns, self.packet, self.position, half.plain_offset, plain
        half.plain_offset += len(plain)
        self.sink.data(row)
        if not self.has_told and direction != self.handshake.client:
            # Behind the server's first octets, which complete the upgrade: so the station has its name by then.
            self.sink.spoken.add(self.connection)
            self.tell_handshake()

    def _messages(self, half: Half, direction: int, octets: bytes) -> None:
        """Handshake messages, which may share records or span them (RFC 8446 §5.1)."""
        half.handshake = self.handshake.read(half, direction, half.handshake + octets)

    def _alert(self, direction: int, level: int, number: int) -> None:
        if number == CLOSE_NOTIFY or not is_error(level, number):
            return
        facts = self.facts
        side = self.side(direction)
        facts.alert, facts.alert_meaning, facts.alert_by = alert_name(number), alert_meaning(number), side
        facts.alert_packet = self.packet
        if facts.outcome == "unknown":
            facts.outcome, facts.ended_by = "aborted", side
        self.anomaly("tls.fatal_alert", f"{facts.alert}: {facts.alert_meaning}", side)
        self.tell_handshake()

    def _conclude(self) -> None:
        """The handshake is complete when both Finished went by."""
        facts = self.facts
        if facts.outcome == "unknown" and self.halves[0].is_finished and self.halves[1].is_finished:
            facts.outcome = "completed"
            if facts.hello_seen:
                facts.handshake_ns = max(0, self.ts_ns - facts.ts_ns)
            if facts.alert == "encrypted alert":
                facts.alert, facts.alert_meaning, facts.alert_by, facts.alert_packet = "", "", "unknown", 0
            if self.is_readable is False:
                self.tell_handshake()

    def finished(self, direction: int) -> None:
        """A Finished was read."""
        self.halves[direction].is_finished = True
        self._conclude()

    # ------------------------------------------------------------------ what cannot be opened

    def _unopened(self, half: Half, direction: int, header: bytes, fragment: bytes) -> Opened | None:
        """A record that does not open with the key and number that are due."""
        if half.opener is None:
            return None
        if half.rungs:
            opened = self._climb(half, 1, header, fragment)
            if opened is not None:
                return opened
        if half.skips_failures:
            return None
        half.trials += 1
        if not half.has_opened and self.is_readable is None and not self.has_gap:
            self.close_to_us("tls.wrong_keys", f"{self.facts.suite}: the first record of the {self.side(direction)}")
            return None
        opened = half.open_from(half.sequence + 1, 8, header, fragment)
        if opened is not None:
            self._report_lost(half, direction)
            return opened
        half.sequence += 1
        half.failures += 1
        half.records += 1
        self.facts.lost_records += 1
        self.anomaly("tls.bad_mac", f"a record of {len(fragment)} octets", self.side(direction), once=True)
        self._tell_gap(half, direction)
        if half.failures > _FAILURES or half.trials > TLS_TRIALS:
            self._give_up(half, direction)
        return None

    def _climb(self, half: Half, window: int, header: bytes, fragment: bytes) -> Opened | None:
        """TLS 1.3: a record under a later secret, because what announces the change was not seen."""
        for skipped in range(len(half.rungs)):
            _, secret = half.rungs[skipped]
            opener = self.handshake.opener_of(secret)
            if opener is None:
                continue
            before = half.opener, half.secret, half.sequence
            half.opener = opener
            opened = half.open_from(0, window, header, fragment)
            if opened is not None:
                half.secret = secret
                for _ in range(skipped + 1):
                    half.rungs.popleft()
                half.skips_failures = False
                return opened
            half.opener, half.secret, half.sequence = before
        return None

    def _lose(self, half: Half, direction: int, length: int) -> None:
        half.lose(length)
        if half.opener is None and not half.is_dark:
            self.handshake.lose(direction)
        self._tell_gap(half, direction)

    def _tell_gap(self, half: Half, direction: int) -> None:
        """Tell the next room that plaintext is missing; how much is not known for sure."""
        if self.is_readable:
            self.sink.say(
                StreamGap(
                    self.connection, self.flow.pair, direction, self.ts_ns, self.packet, self.position,
                    half.plain_offset, 0,
                ),
                self.connection,
            )  # fmt: skip

    def _not_a_record(self, half: Half, direction: int, data: bytes, at: int) -> None:
        side = self.side(direction)
        is_answer = half.records == 0 and direction != self.handshake.client and self.facts.hello_seen
        if is_answer and data[at : at + 5] == b"HTTP/":
            self.anomaly("tls.answered_in_plain", data[at : at + 64].decode("latin-1").splitlines()[0], side)
            self.facts.outcome, self.facts.ended_by = "aborted", side
            self.facts.alert_meaning = "it answered in clear text: the port does not speak TLS"
            self.close_to_us("")
        else:
            self.anomaly("tls.bad_record", f"0x{data[at : at + 5].hex()}", side, once=True)
        self.has_gap = True
        half.lose(0)
        self._tell_gap(half, direction)

    def _search(self, half: Half, direction: int, data: bytes, at: int) -> int:
        """The offset of the next record; the inverse of the offset from which to search again, with more octets."""
        if half.opener is None and not half.is_dark:
            with suppress(NotYet):
                self.handshake.prepare(direction)
        for found in HEADER.finditer(data, at):
            start = found.start()
            if len(data) - start < HEADER_OCTETS:
                return ~start
            if not is_header(data, start):
                continue
            end = start + HEADER_OCTETS + (data[start + 3] << 8 | data[start + 4])
            if half.opener is None:
                if end > len(data) and start > at:
                    continue
                if end <= len(data) - HEADER_OCTETS and not is_header(data, end):
                    continue
                half.searching = False
                half.lost_octets = 0
                half.note_oddness()
                return start
            if end > len(data):
                return ~start
            opened = self._resume(half, data[start : start + HEADER_OCTETS], data[start + HEADER_OCTETS : end])
            if opened is not None:
                half.searching = False
                half.note_oddness()
                self._report_lost(half, direction)
                self._opened(half, direction, opened)
                return end
            if half.trials > TLS_TRIALS:
                self._give_up(half, direction)
                return ~len(data)
        return ~max(at, len(data) - 2)

    def _resume(self, half: Half, header: bytes, fragment: bytes) -> Opened | None:
        """The first record behind a gap: which number does it have, and which key?"""
        window = half.window
        before = half.sequence
        opened = half.open_from(before, window, header, fragment)
        if opened is None and half.rungs:
            opened = self._climb(half, window, header, fragment)
            before = 0
        if opened is None and half.secret and half.has_opened:
            opener, secret = half.opener, half.secret
            following = self.handshake.after(secret)
            half.opener = self.handshake.opener_of(following)
            opened = half.open_from(0, window, header, fragment)
            before = 0
            if opened is None:
                half.opener = opener
            else:
                half.secret = following
        if opened is not None:
            self.facts.lost_records += max(half.sequence - 1 - before, 0)
        return opened

    def _report_lost(self, half: Half, direction: int) -> None:
        octets = f"{half.lost_octets} octets" if half.lost_octets > 0 else "an unknown number of octets"
        half.lost_octets = 0
        first = 0 if self.handshake.version >= TLS_1_3 else 1  # number of the first application data
        if self.is_readable is None and half.sequence - 1 > first and not half.rungs:
            half.owes_gap = True
        detail = f"{octets} are missing; decryption goes on with record {half.sequence - 1}"
        self.anomaly("tls.records_lost", detail, self.side(direction))

    def _give_up(self, half: Half, direction: int) -> None:
        """Nothing of this direction will be read any more."""
        self.anomaly("tls.gave_up", "", self.side(direction), once=True)
        half.use(None)
        half.rungs.clear()
        half.searching = True
        half.note_oddness()

    def close_to_us(self, name: str, detail: str = "") -> None:
        """The connection cannot be read: say so once, and only watch it from here on."""
        if self.is_readable is not None:
            return
        if name:
            self.facts.closed_because = f"{name.partition('.')[2].replace('_', ' ')}{': ' if detail else ''}{detail}"
            self.anomaly(name, detail)
        self._tell_readable(is_readable=False)
        for half in self.halves:
            if half.opener is not None:
                half.use(None)
                half.rungs.clear()

    def _tell_readable(self, *, is_readable: bool) -> None:
        self.is_readable = is_readable
        self.sink.say(
            StreamSecured(self.connection, self.flow.pair, self.ts_ns, self.packet, self.position, is_readable),
            self.connection,
        )
        for direction, half in enumerate(self.halves):
            if half.owes_gap:
                half.owes_gap = False
                self._tell_gap(half, direction)

    # ------------------------------------------------------------------ waiting

    def _wait(self, half: Half, data: bytes, *, for_keys: bool) -> None:
        """Put octets aside until the other direction, or the key log, tells what is needed to read them."""
        half.stash = deque()
        half.note_oddness()
        if for_keys and self.waiting_since_ns is None:
            self.waiting_since_ns = self.ts_ns
        self._put_aside(half, data)

    def _put_aside(self, half: Half, data: bytes) -> None:
        stash = half.stash
        if stash is None:
            return
        stash.append((self.ts_ns, self.packet, self.position, data))
        if sum(len(part) for _, _, _, part in stash if isinstance(part, bytes)) > TLS_WAITING_OCTETS:
            self.give_up(half.flow & 1)

    @property
    def waiting_octets(self) -> int:
        """Octets put aside."""
        return sum(len(part) for half in self.halves for _, _, _, part in half.stash or () if isinstance(part, bytes))

    def give_up(self, direction: int) -> None:
        """What is waited for will not come."""
        self.waiting_since_ns = None
        self.handshake.is_hopeless = True
        self.retry(direction)
        self.retry(1 - direction)

    def retry(self, direction: int) -> None:
        """Read what was put aside, if that can be read now."""
        half = self.halves[direction]
        stash, half.stash = half.stash, None
        if stash is None:
            return
        half.note_oddness()
        here = self.ts_ns, self.packet
        while stash:
            self.ts_ns, self.packet, _, part = stash.popleft()
            if isinstance(part, int):
                self._lose(half, direction, part)
            else:
                self._read(half, direction, part)
            if half.is_waiting:
                half.wait_behind(stash)
                break
        self.ts_ns, self.packet = here

    # ------------------------------------------------------------------ what is said

    def side(self, direction: int) -> Side:
        """Who sends in this direction: the station is the client."""
        client = self.handshake.client
        if client is None:
            return "unknown"
        return "station" if direction == client else "csms"

    def anomaly(self, name: str, detail: str = "", side: Side = "unknown", *, once: bool = False) -> None:
        """A fact for the report; a hostile peer could repeat it in every record, so one name is told a few times."""
        if self._told[name] >= (1 if once else REPEATED_ANOMALIES):
            return
        self._told[name] += 1
        self.sink.say(
            Anomaly(name, self.ts_ns, self.packet, self.position, self.connection, side, detail), self.connection
        )

    def tell_handshake(self) -> None:
        """Hand on what the handshake showed."""
        if self.has_told:
            return
        self.has_told = True
        self.handshake.complete_facts()
        self._say_facts("handshake")

    def _say_facts(self, phase: str) -> None:
        client = self.handshake.client or 0
        flow = self.flow
        a, b = (flow.a, flow.a_port), (flow.b, flow.b_port)
        (client_host, client_port), (server, server_port) = (a, b) if client == 0 else (b, a)
        facts = replace(
            self.facts, phase=phase, position=self.position, client=client_host, client_port=client_port,
            server=server, server_port=server_port,
        )  # fmt: skip
        self.sink.say(facts, self.connection)
