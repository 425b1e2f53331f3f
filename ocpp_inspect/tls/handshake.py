"""Handshake messages of a connection in; what they show as facts, and the keys that they lead to, out.

TLS 1.2 and below change keys with ChangeCipherSpec (RFC 5246 §7.1), TLS 1.3 behind certain messages (RFC 8446 §7.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ocpp_inspect.limits import TLS_HANDSHAKE_OCTETS, TLS_NAMES
from ocpp_inspect.tls import hello as messages
from ocpp_inspect.tls.certificates import gap_in, is_for, modulus_of, read_chain
from ocpp_inspect.tls.half import CHANGE_CIPHER_SPEC, Half
from ocpp_inspect.tls.keys import MASTER, PREMASTER, Keys
from ocpp_inspect.tls.opener import Opener
from ocpp_inspect.tls.schedule import (
    TLS_1_3,
    master_secret,
    next_secret,
    opener_13,
    openers_before_13,
    transcript_hash,
)
from ocpp_inspect.tls.suites import Suite, suite_of

if TYPE_CHECKING:
    from ocpp_inspect.tls.connection import Connection

_VERSIONS: Final = {0x0300: "SSL 3.0", 0x0301: "1.0", 0x0302: "1.1", 0x0303: "1.2", 0x0304: "1.3"}
_NO_SUITE: Final = Suite(-1, "")


def version_name(number: int) -> str:
    """ "1.2" for 0x0303."""
    return _VERSIONS.get(number, f"0x{number:04x}")


class NotYet(Exception):  # noqa: N818 - no error: the record is read again later
    """What is needed to read the record has not come: a hello of the other direction, or a key."""

    def __init__(self, *, for_keys: bool = False) -> None:
        super().__init__()
        self.for_keys = for_keys


class Handshake:
    """The handshake of one connection; a renegotiation goes through it again."""

    def __init__(self, owner: Connection, keys: Keys, client: int | None) -> None:
        self._owner = owner
        self._keys = keys
        self.client = client  # direction of the client
        self.hello: messages.ClientHello | None = None
        self.answer: messages.ServerHello | None = None
        self.suite = _NO_SUITE
        self.version = 0
        self.is_hopeless = False  # nothing is waited for any more
        self._openers: tuple[Opener, Opener] | None = None  # of the client, of the server: below TLS 1.3
        self._is_derived = False
        self._transcript: bytes | None = b""
        self._encrypted_premaster = b""
        self._has_key_exchange = False
        self._has_certificate = False
        self._master = b""
        self._server_der = b""
        self._ticket = b""
        self._lost: set[int] = set()  # directions of which handshake messages are missing

    # ------------------------------------------------------------------ messages

    def read(self, half: Half, direction: int, octets: bytes) -> bytes:
        """Take whole messages; returns the beginning of the next one."""
        at = 0
        while len(octets) - at >= 4:
            length = int.from_bytes(octets[at + 1 : at + 4], "big")
            if length > TLS_HANDSHAKE_OCTETS:
                self._owner.anomaly("tls.bad_handshake", f"a message of {length} octets", once=True)
                return b""
            end = at + 4 + length
            if end > len(octets):
                break
            self._message(half, direction, octets[at], octets[at + 4 : end], octets[at:end])
            at = end
        return octets[at:]

    def _message(  # noqa: PLR0912 - a branch for each message
        self, half: Half, direction: int, kind: int, body: bytes, whole: bytes
    ) -> None:
        if self._transcript is not None and not self._has_key_exchange and kind != 0:  # RFC 7627 §3
            self._transcript += whole
            if len(self._transcript) > TLS_HANDSHAKE_OCTETS or not self._keys.has_private_keys:
                self._transcript = None
        if kind == messages.CLIENT_HELLO:
            self._client_hello(direction, body, whole)
        elif kind == messages.SERVER_HELLO:
            self._server_hello(direction, body)
        elif kind == messages.CERTIFICATE:
            self._certificate(direction, body)
        elif kind == messages.CERTIFICATE_REQUEST:
            self._owner.facts.client_certificate_asked = True
        elif kind == messages.CLIENT_KEY_EXCHANGE:
            self._has_key_exchange = True
            if self.suite.is_rsa:
                self._encrypted_premaster = messages.encrypted_premaster(body, self.version)
        elif kind == messages.NEW_SESSION_TICKET and self.version < TLS_1_3 and self._master:
            self._keys.remember(messages.ticket(body), self._master)
        elif kind == messages.NEW_SESSION_TICKET and self.version < TLS_1_3:
            self._ticket = messages.ticket(body)
        elif kind == messages.FINISHED:
            self._owner.finished(direction)
            if self.version >= TLS_1_3:
                self.climb(half)
        elif kind == messages.END_OF_EARLY_DATA:
            self.climb(half)
        elif kind == messages.KEY_UPDATE and self.version >= TLS_1_3 and half.secret:
            secret = self.after(half.secret)
            half.use(self.opener_of(secret), secret)
            half.has_opened = True
        elif kind == messages.ENCRYPTED_EXTENSIONS and (found := messages.encrypted_extensions(body)) is not None:
            self._owner.facts.protocol = found[0]

    def _client_hello(self, direction: int, body: bytes, whole: bytes) -> None:
        owner, facts = self._owner, self._owner.facts
        found = messages.client_hello(body)
        if found is None:
            owner.anomaly("tls.bad_handshake", "the ClientHello", once=True)
            return
        is_retried = self.answer is not None and self.answer.is_retry
        if self.answer is not None and not is_retried:
            owner.anomaly("tls.renegotiated", "", owner.side(direction), once=True)
            self._begin_again(whole)
        self.client, self.hello = direction, found
        if is_retried:
            self.answer = None
            owner.retry(1 - direction)
            return
        facts.hello_seen = True
        facts.offered_versions = tuple(map(version_name, found.versions[:TLS_NAMES]))
        facts.offered_suites = tuple(suite_of(number).name for number in found.suites)
        facts.server_name, facts.offered_protocols = found.server_name, found.protocols
        facts.early_data |= found.early_data
        if found.early_data:
            owner.anomaly("tls.early_data", "", owner.side(direction), once=True)
        if not self._may_be_opened():
            owner.close_to_us("tls.encrypted", "no key was given for it")
        owner.retry(1 - direction)

    def _may_be_opened(self) -> bool:
        keys, hello = self._keys, self.hello
        if hello is None:
            return False
        if keys.is_growing or keys.has_private_keys:
            return True
        return bool(keys.secrets_of(hello.random))

    def _begin_again(self, whole: bytes) -> None:
        self.answer = None
        self._openers, self._is_derived = None, False
        self._transcript = whole if self._transcript is not None or self._keys.has_private_keys else None
        self._encrypted_premaster, self._has_key_exchange, self._has_certificate = b"", False, False
        self._master, self._ticket = b"", b""

    def _server_hello(self, direction: int, body: bytes) -> None:
        owner, facts = self._owner, self._owner.facts
        found = messages.server_hello(body)
        if found is None:
            owner.anomaly("tls.bad_handshake", "the ServerHello", once=True)
            return
        if self.client is None:
            self.client = 1 - direction
        self.answer, self.version, self.suite = found, found.version, suite_of(found.suite)
        facts.version, facts.suite, facts.suite_is_weak = (
            version_name(found.version),
            self.suite.name,
            self.suite.is_weak,
        )
        facts.compression = found.compression != 0
        facts.protocol = found.protocol or facts.protocol
        if found.version >= TLS_1_3:
            facts.resumed = found.psk
        if not found.is_retry:
            owner.retry(self.client)

    def _certificate(self, direction: int, body: bytes) -> None:
        owner, facts = self._owner, self._owner.facts
        chain = messages.certificates(body, self.version >= TLS_1_3)
        if chain is None:
            owner.anomaly("tls.bad_handshake", "a Certificate", owner.side(direction), once=True)
            return
        if direction == self.client:
            facts.client_certificates = read_chain(chain)
            return
        self._has_certificate = True
        facts.chain_seen = True
        facts.certificates = read_chain(chain)
        facts.chain_gap = gap_in(facts.certificates)
        if facts.certificates:
            facts.name_matches = is_for(facts.certificates[0], facts.server_name)
        self._server_der = chain[0] if chain else b""

    # ------------------------------------------------------------------ keys

    def switches(self, direction: int, kind: int) -> bool:
        """A record shows that this direction is encrypted from here on. True: read it again under the new state.

        Raises NotYet when what decides has not come.
        """
        owner = self._owner
        half = owner.halves[direction]
        if self.hello is None or self.answer is None or self.answer.is_retry:
            return self._switches_unprepared(half, direction, kind)
        if self.version >= TLS_1_3:
            if kind == CHANGE_CIPHER_SPEC:
                return False
            self._prepare_13(half, direction)
            return True
        if kind != CHANGE_CIPHER_SPEC:
            return False  # application data before any key: ignored like an unknown record
        self._derive(direction)
        self._note_resumption(direction)
        is_open = self._openers is not None and owner.is_readable is not False
        half.use(self._openers[direction != self.client] if is_open and self._openers else None)
        if half.opener is None and owner.is_readable:
            owner.anomaly("tls.incomplete_keys", "", owner.side(direction), once=True)
        return False

    def _switches_unprepared(self, half: Half, direction: int, kind: int) -> bool:
        """Encrypted records, and one of the hellos was not read (yet)."""
        owner = self._owner
        if self.hello is not None and self.answer is not None and kind == CHANGE_CIPHER_SPEC:
            return False  # between a HelloRetryRequest and its answer (RFC 8446 §D.4)
        if self.hello is not None and kind == CHANGE_CIPHER_SPEC and self.hello.early_data:
            return False
        if self.hello is not None and direction != self.client and kind == CHANGE_CIPHER_SPEC:
            return False  # in front of the ServerHello: of a HelloRetryRequest
        is_hopeless = self.is_hopeless or owner.is_midway or bool(self._lost) or owner.is_readable is False
        if not is_hopeless and (self.hello is None or direction == self.client):
            raise NotYet
        if self.answer is not None and self.version >= TLS_1_3 and kind == CHANGE_CIPHER_SPEC:
            return False
        if owner.is_readable is None:
            because = "tls.joined_midway" if self.hello is None else "tls.encrypted"
            owner.close_to_us(because, "a hello was not captured")
        half.use(None)
        return kind != CHANGE_CIPHER_SPEC

    def _note_resumption(self, direction: int) -> None:
        """Below TLS 1.3 the server of a resumed session goes from its hello straight to ChangeCipherSpec."""
        facts = self._owner.facts
        if facts.resumed is None and direction != self.client and not self._lost:
            facts.resumed = not self._has_certificate and not self._has_key_exchange

    def prepare(self, direction: int) -> None:
        """Behind a gap: the change of keys itself may have been lost."""
        half = self._owner.halves[direction]
        if self.hello is None or self.answer is None or self.answer.is_retry:
            return
        if self.version >= TLS_1_3:
            self._prepare_13(half, direction)
        elif self._owner.is_readable is not False:
            self._derive(direction)
            if self._openers is not None:
                half.use(self._openers[direction != self.client])

    def _derive(self, direction: int) -> None:
        """The keys of TLS 1.2 and below, once for both directions."""
        hello, answer, owner = self.hello, self.answer, self._owner
        if self._is_derived or hello is None or answer is None:
            return
        if owner.is_readable is False:
            self._is_derived = True
            return
        self._master = self._find_master(hello, answer, direction)
        self._is_derived = True
        if not self._master:
            owner.close_to_us("tls.encrypted", "no key was given for it")
            return
        self._keys.remember(answer.session_id, self._master)
        self._keys.remember(self._ticket, self._master)
        self._openers = openers_before_13(
            self.version, self.suite, self._master, hello.random, answer.random, answer.encrypt_then_mac
        )
        if self._openers is None or answer.compression:
            owner.close_to_us("tls.unsupported", self.suite.name if not answer.compression else "compression")

    def _find_master(self, hello: messages.ClientHello, answer: messages.ServerHello, direction: int) -> bytes:
        """The master secret; empty when it stays unknown. Raises NotYet while it may still come."""
        keys, facts = self._keys, self._owner.facts
        secrets = keys.secrets_of(hello.random)
        if MASTER in secrets:
            facts.opened_by = "key log"
            return secrets[MASTER]
        premaster, by = secrets.get(PREMASTER, b""), "key log"
        if not premaster and self._encrypted_premaster:
            modulus = modulus_of(self._server_der) if self._server_der else 0
            premaster = keys.premaster_of(self._encrypted_premaster, hello.version, modulus) or b""
            by = "private key"
        if premaster:
            facts.opened_by = "key log" if by == "key log" else "private key"
            session_hash = b""
            if answer.extended_master_secret:
                if not self._transcript:
                    return b""
                session_hash = transcript_hash(self.version, self.suite, self._transcript)
            return master_secret(self.version, self.suite, premaster, hello.random, answer.random, session_hash)
        is_resumed = not self._has_certificate and not self._has_key_exchange and direction != self.client
        if is_resumed:
            resumed = keys.resume(hello.session_id) if hello.session_id == answer.session_id else None
            resumed = resumed or keys.resume(hello.ticket)
            if resumed:
                facts.opened_by = "private key"
                return resumed
        elif self.suite.is_rsa and keys.has_private_keys and not self._has_key_exchange and not self.is_hopeless:
            raise NotYet  # the ClientKeyExchange is on its way
        if keys.is_growing and not self.is_hopeless:
            raise NotYet(for_keys=True)
        return b""

    def _prepare_13(self, half: Half, direction: int) -> None:
        """The first encrypted record of a direction in TLS 1.3."""
        hello, owner = self.hello, self._owner
        if hello is None or half.opener is not None or half.is_dark:
            return
        if owner.is_readable is False:
            half.use(None)
            return
        secrets = self._keys.secrets_of(hello.random)
        who = "CLIENT" if direction == self.client else "SERVER"
        wanted = [f"{who}_HANDSHAKE_TRAFFIC_SECRET", f"{who}_TRAFFIC_SECRET_0"]
        if who == "CLIENT" and hello.early_data:
            wanted.insert(0, "CLIENT_EARLY_TRAFFIC_SECRET")
        found = [(label, secrets[label]) for label in wanted if label in secrets]
        if wanted[-1] not in secrets and self._keys.is_growing and not self.is_hopeless:
            raise NotYet(for_keys=True)
        if not found:
            if owner.is_readable:
                owner.anomaly("tls.incomplete_keys", f"{wanted[-1]} is missing", owner.side(direction), once=True)
                half.use(None)
            else:
                owner.close_to_us("tls.encrypted", "no key was given for it")
                half.use(None)
            return
        if half_ends := wanted[-1] not in secrets:
            owner.anomaly("tls.incomplete_keys", f"{wanted[-1]} is missing", owner.side(direction), once=True)
        owner.facts.opened_by = "key log"
        half.rungs.extend(found)
        half.ends_early = half_ends
        half.skips_failures = f"{who}_HANDSHAKE_TRAFFIC_SECRET" not in secrets
        self.climb(half)
        if half.opener is None:
            owner.close_to_us("tls.unsupported", self.suite.name)

    def climb(self, half: Half) -> None:
        """Go on with the next traffic secret."""
        if half.rungs:
            _, secret = half.rungs.popleft()
            half.use(self.opener_of(secret), secret)
        elif half.ends_early:
            half.use(None)

    def opener_of(self, secret: bytes) -> Opener | None:
        """The decryption under a traffic secret."""
        return opener_13(self.suite, secret)

    def after(self, secret: bytes) -> bytes:
        """The secret behind a KeyUpdate."""
        return next_secret(self.suite, secret)

    # ------------------------------------------------------------------ facts

    def lose(self, direction: int) -> None:
        """Handshake messages of this direction are missing."""
        self._lost.add(direction)
        self._transcript = None

    def complete_facts(self) -> None:
        """What only the end of the handshake tells."""
        facts = self._owner.facts
        if facts.client_certificate_asked is None and not self._lost and facts.chain_seen:
            # Below TLS 1.3 the request would have been seen before the client went on.
            server = self._owner.halves[1 - (self.client or 0)]
            if self._has_key_exchange or (self.version >= TLS_1_3 and server.is_finished):
                facts.client_certificate_asked = False
