"""TLS over a connection, without any I/O: octets of either side in, octets for the other side out (RFC 8446, RFC 5246).

It stands between the socket and the SMTP engine, so nothing that was read is lost, whichever event loop reads: streams'
``start_tls`` loses what is buffered. A handshake is bounded in octets here, and in time by who drives it. What a
handshake means, and whether mail may go in clear without one, is said in :mod:`.calling`.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from functools import partial

from softbounce.envelope import Tls
from softbounce_worker.posture import Posture

__all__ = ["TlsChannel", "TlsContexts", "make_context"]

MOST_WITHOUT_TEXT = 256 * 1024
"""Octets that may come without any of the text that they protect: a long chain of certificates has a tenth of that."""
READ_OCTETS = 16 * 1024  # what a record has at most
MOST_CONTEXTS = 64
CONTEXT_KEPT = 3600.0
"""Seconds: the system's authorities change."""
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
LEGACY_SERVER_CONNECT = 0x4  # SSL_OP_LEGACY_SERVER_CONNECT; ssl has the name from Python 3.12 on
# Without kDHE: a host chooses the group, and thousands of bits would keep the loop from all others.
STRONG = "DEFAULT:!kDHE:!aNULL:!eNULL:@SECLEVEL=2"
ANY = "DEFAULT:!kDHE:!eNULL:@SECLEVEL=0"
"""Where the alternative is clear text, short keys and SHA-1 are better (RFC 7435 §1.2)."""


def make_context(posture: Posture, *, plainly: bool = False) -> ssl.SSLContext:
    """What TLS is begun with. Reading the system's authorities takes a while: not for the loop's thread.

    :param plainly: by nothing newer than TLS 1.2, unless more is asked for: some hosts break at what they do not know.
    :raises ssl.SSLError, OSError: the authorities cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = VERSIONS[posture.minimum_version]
    if plainly:
        context.maximum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(ANY if posture.may_be_clear else STRONG)
    if posture.verifies:
        context.hostname_checks_common_name = False  # RFC 9525 §2
        context.load_default_certs()
        if posture.roots:
            context.load_verify_locations(cadata=posture.roots)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if posture.may_be_clear:
        context.options |= LEGACY_SERVER_CONNECT
    return context


class TlsContexts:
    """A context for each posture and way, made once, beside the loop."""

    def __init__(self) -> None:
        self._made: dict[tuple[Posture, bool], tuple[asyncio.Future[ssl.SSLContext], float]] = {}

    async def of(self, posture: Posture, *, plainly: bool = False) -> ssl.SSLContext:
        """The one for a posture.

        :raises ssl.SSLError, OSError: the authorities cannot be read.
        """
        loop = asyncio.get_running_loop()
        key = posture, plainly
        future, until = self._made.get(key, (None, 0.0))
        if future is None or until <= loop.time():
            self._made.pop(key, None)
            if len(self._made) >= MOST_CONTEXTS:
                del self._made[next(iter(self._made))]
            future = loop.run_in_executor(None, partial(make_context, posture, plainly=plainly))
            self._made[key] = future, loop.time() + CONTEXT_KEPT
        try:
            return await asyncio.shield(future)
        except (ssl.SSLError, OSError):
            self._made.pop(key, None)
            raise


class TlsChannel:
    """One connection's TLS, from the first octet of the handshake on.

    :ivar is_on: the handshake is done.
    :ivar is_over: the host said that nothing more comes.
    :ivar failure: what went wrong, in words that are safe to print; nothing goes through any more.
    :ivar is_distrusted: that was its certificate.
    :param host: its name, which its certificate has to be valid for where it is checked.
    :param session: one from before, to be resumed; of the same context.
    :param names_host: the host is told by which name it is called (RFC 6066 §3), as it has to be where that is checked.
    :raises ValueError: TLS can say no such name.
    """

    __slots__ = (
        "_host",
        "_incoming",
        "_object",
        "_outgoing",
        "_verifies",
        "_without_text",
        "failure",
        "is_distrusted",
        "is_on",
        "is_over",
    )

    def __init__(
        self, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None = None, *, names_host: bool = True
    ) -> None:
        self.is_on = False
        self.is_over = False
        self.failure = ""
        self.is_distrusted = False
        self._host = host
        self._verifies = context.verify_mode is ssl.CERT_REQUIRED
        self._without_text = 0
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = host if names_host or context.check_hostname else None
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name, session=session)

    @property
    def seen(self) -> Tls:
        """What was agreed on."""
        cipher = self._object.cipher()
        return Tls(
            version=self._object.version(),
            cipher=cipher[0] if cipher else None,
            verified=self._host if self._verifies else None,
        )

    @property
    def session(self) -> ssl.SSLSession | None:
        """What a later connection may resume; TLS 1.3 has it some time after the handshake (RFC 8446 §4.6.1)."""
        return self._object.session

    def receive(self, octets: bytes) -> bytes:
        """Take in what the host sent, also nothing; the text that it protects. What is to be sent now, see above."""
        self._without_text += len(octets)
        if self._without_text > MOST_WITHOUT_TEXT:
            self.failure = f"more than {MOST_WITHOUT_TEXT // 1024} KiB came without a word in them"
        if self.failure or self.is_over:
            return b""
        self._incoming.write(octets)
        texts: list[bytes] = []
        try:
            if not self.is_on:
                self._object.do_handshake()
                self.is_on = True
            while text := self._object.read(READ_OCTETS):
                texts.append(text)
                if not (self._incoming.pending or self._object.pending()):
                    break  # to ask for more would be an error, each time
            else:
                self.is_over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.failure = _words(error)
            self.is_distrusted = isinstance(error, ssl.SSLCertVerificationError)
        if texts:
            self._without_text = 0
        return b"".join(texts)

    def protect(self, octets: bytes) -> None:
        """Protect text for the host: :meth:`take` has it then."""
        rest = memoryview(octets)
        try:
            while rest and not self.failure:
                rest = rest[self._object.write(rest) :]
        except ssl.SSLError as error:
            self.failure = _words(error)

    def take(self) -> bytes:
        """What is to be sent to the host now, in order."""
        return self._outgoing.read()

    def close(self) -> None:
        """Say that nothing more comes (RFC 8446 §6.1)."""
        with suppress(ssl.SSLError):
            self._object.unwrap()


def _words(error: ssl.SSLError) -> str:
    """What OpenSSL says: constants of its own and our host's name, nothing of the remote's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
    return (error.reason or str(error)).replace("_", " ").lower()
