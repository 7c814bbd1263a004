"""Calls one address of a host: connect, greeting, EHLO, then TLS as far as it is asked for, and EHLO again.

What is asked for is a :class:`Posture`, and what DNS says of the host's certificate where that binds (RFC 7672). Where
mail may go in clear, TLS is taken wherever it is offered, with any certificate (RFC 3207, RFC 7435). A host that
refuses STARTTLS is spoken to in clear; one where TLS breaks is called anew in clear, at once, and that is remembered
for a while. Where more is asked for, nothing of that happens: no session is had here, and the reason says so (L02 to
L05). A 421 is obeyed whatever is asked for.

A handshake that broke is tried once more first, on a new connection, without what it may have broken at: a session from
before, which the host may have forgotten badly; and, where the host proves nothing anyway, its name and what is newer
than TLS 1.2. Nothing is lost by that: who can break a handshake could have answered it just as well. After one that
hangs, which costs enough, the next is a plain one. Where the host's certificate is not trusted there is no other.

A host that greets with 5xx is out for now; one that refuses EHLO for good gets HELO (RFC 5321 §3.2), once; one that
hangs up on EHLO is called again with HELO, unless it has to offer STARTTLS.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from msgspec import structs
from softbounce_config.process_settings import DialSettings

from softbounce.envelope import Tls
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.dane.proof import NotProven, prove
from softbounce_worker.dane.records import NO_DANE, HostDane, Told
from softbounce_worker.posture import Posture
from softbounce_worker.session.connection import Connection, Deadlines
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.tls import TlsChannel, TlsContexts
from softbounce_worker.session.tls_sessions import TlsSessions
from softbounce_worker.smtp import Answer, Ehlo, Event, Helo, Lost, Quit, SmtpState, StartTls
from softbounce_worker.smtp.extensions import NO_EXTENSIONS
from softbounce_worker.tls_results.kinds import TlsFailure, TlsResult

__all__ = ["Calling", "NotHad", "say_goodbye"]

NEVER = 5
CLOSING_421 = 421
OWN_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL})
"""What we have run out of ourselves: files, memory, ports. No host is to blame; what is in use comes back."""
SHORTAGE_PAUSE = 0.1
SILENCE = 3.0
"""Who is given up after so many seconds without an answer about TLS is remembered as one that has none."""
BROKEN = frozenset({TroubleKind.TLS_FAILED, TroubleKind.CONNECTION_LOST})
NOT_OFFERED = "the host does not offer STARTTLS"
UNSPECIFIC = TlsFailure(TlsResult.VALIDATION_FAILURE)
LACKS_FEATURE, CRYPTOGRAPHY = "4.7.4", "4.7.5"  # RFC 3463 §3.8: a security feature is missing; cryptography failed


@dataclass(frozen=True, slots=True, kw_only=True)
class NotHad:
    """No session: what came instead.

    :ivar is_about_tls: the host would take mail that asks for less.
    :ivar is_about_handshake: it came to no end, or a bad one.
    :ivar is_broken: TLS broke, and may not another time.
    :ivar had_session: a TLS session from before was to be resumed.
    :ivar failure: what went wrong with TLS, as it is counted.
    """

    what: Reply | Trouble
    stage: Stage
    is_about_tls: bool = False
    is_about_handshake: bool = False
    is_broken: bool = False
    had_session: bool = False
    failure: TlsFailure | None = None


Dane = Callable[[str], Awaitable[HostDane]]


async def no_dane(_host: str) -> HostDane:
    """Where nobody asks DNS."""
    return NO_DANE


@dataclass(frozen=True, slots=True)
class Handshake:
    """With whom, and how.

    :ivar plainly: with nothing that an old host may break at.
    :ivar told: what its certificate has to be by the word of DNS.
    """

    host: str
    address: str
    context: ssl.SSLContext
    plainly: bool
    told: HostDane


class Calling:
    """Calls addresses.

    :ivar dane: tells what DNS says of a host's certificate.
    :param limits: the name that it gives, the port, and how long each step may take.
    """

    def __init__(self, limits: DialSettings, deadlines: Deadlines, health: HostHealth, dane: Dane = no_dane) -> None:
        self._limits = limits
        self.dane = dane
        self._deadlines = deadlines
        self._health = health
        self._contexts = TlsContexts()
        self._sessions = TlsSessions()

    async def call(self, host: str, address: str, posture: Posture) -> Connection | NotHad:
        """A connection that is past EHLO, and as well protected as is asked for."""
        told = await self.dane(host) if posture.dane else NO_DANE
        if told.told is Told.UNKNOWN:
            return _no_tls(f"DANE: {told.detail}", LACKS_FEATURE, TlsFailure(TlsResult.DNSSEC_INVALID, by_dane=True))
        if told.told is Told.RECORDS:
            return _by_dane(await self._call_by_tls(host, address, posture.beside_dane, told))
        if told.told is Told.UNUSABLE:
            posture = posture.encrypted
        if posture.sts is not None and posture.sts.is_testing:
            return await self._call_testing(host, address, posture)
        if posture.mode == "none" and posture.may_be_clear:
            return await self._call_in_clear(address, posture, posture.why_clear)
        if posture.may_be_clear and (known := self._health.tls_trouble_at(address)):
            return await self._call_in_clear(address, posture, known)
        outcome = await self._call_by_tls(host, address, posture)
        if not (isinstance(outcome, NotHad) and outcome.is_about_tls and posture.may_be_clear):
            return outcome
        why, failure = outcome.what.text, outcome.failure
        outcome = await self._call_in_clear(address, posture, why)
        if isinstance(outcome, Connection):  # it is there, so it was TLS
            self._health.tls_failed(address, why)
            outcome.tls_failure = failure
        return outcome

    async def _call_testing(self, host: str, address: str, posture: Posture) -> Connection | NotHad:
        """As if the domain's policy bound; and where that fails, as if there were none (RFC 8461 §5)."""
        failure = self._health.sts_trouble_at(address)
        if failure is None:
            outcome = await self._call_by_tls(host, address, posture.enforced)
            if isinstance(outcome, Connection) or not outcome.is_about_tls:
                return outcome
            failure = outcome.failure or UNSPECIFIC
            self._health.sts_failed(address, failure)
        outcome = await self.call(host, address, replace(posture, sts=None, dane=False))
        if isinstance(outcome, Connection):
            outcome.tls_failure = failure
        return outcome

    async def _call_in_clear(self, address: str, posture: Posture, why: str) -> Connection | NotHad:
        outcome = await self._greet(address, may_be_helo=True)
        if isinstance(outcome, Connection):
            outcome.tls = Tls(rule=posture.rule, clear=why)
        return outcome

    async def _call_by_tls(
        self, host: str, address: str, posture: Posture, told: HostDane = NO_DANE
    ) -> Connection | NotHad:
        """By TLS; where that breaks, without a session from before, then plainly. What broke first is told."""
        proves = posture.verifies or bool(told.records)
        plainly = not proves and self._health.gets_plain_tls(address)
        outcome = first = await self._call(host, address, posture, told, plainly=plainly)
        if isinstance(outcome, NotHad) and outcome.is_broken and outcome.had_session:  # which is gone by now
            outcome = await self._call(host, address, posture, told, plainly=plainly)
            if isinstance(outcome, Connection):
                self._sessions.distrust((host, address))
        if isinstance(outcome, NotHad) and outcome.is_broken and not (plainly or proves):
            outcome = await self._call(host, address, posture, told, plainly=True)
            if isinstance(outcome, Connection):
                self._health.try_plain_tls(address)
        elif isinstance(outcome, NotHad) and outcome.is_about_handshake and not proves:
            self._health.try_plain_tls(address, is_to_be=not plainly)  # it hung; or plainly is no better
        return outcome if isinstance(outcome, Connection) else first

    async def _call(
        self, host: str, address: str, posture: Posture, told: HostDane, *, plainly: bool
    ) -> Connection | NotHad:
        try:
            context = await self._contexts.of(posture, plainly=plainly)
        except (ssl.SSLError, OSError) as error:
            return _no_tls(f"the authorities cannot be read here: {error}")
        connection = await self._greet(address, may_be_helo=posture.may_be_clear)
        if isinstance(connection, NotHad):
            return connection
        stands = False
        try:
            handshake = Handshake(host, address, context, plainly, told)
            outcome = await self._secure(connection, handshake, posture)
            stands = outcome is None
            if not stands and connection.smtp.state is not SmtpState.HANDSHAKE:
                await say_goodbye(connection, self._limits.timeouts.quit)
        finally:
            if not stands:
                connection.abort()
        if outcome is not None:
            return outcome
        connection.tls = structs.replace(connection.tls, rule=posture.rule)
        return connection

    # -- in clear ---------------------------------------------------------------------------------------------------

    async def _greet(self, address: str, *, may_be_helo: bool) -> Connection | NotHad:
        """A connection that is past EHLO. A host that hangs up on EHLO is asked again, by HELO, where that may do."""
        outcome = await self._greet_by(Ehlo(), address)
        if isinstance(outcome, Connection) or outcome.stage is not Stage.EHLO:
            return outcome
        what = outcome.what
        if not isinstance(what, Trouble) or what.kind is not TroubleKind.CONNECTION_LOST:
            return outcome
        return await self._greet_by(Helo(), address) if may_be_helo else _no_starttls(f"EHLO: {what.text}")

    async def _greet_by(self, first: Ehlo | Helo, address: str) -> Connection | NotHad:
        timeouts = self._limits.timeouts
        connection = await _connect(address, self._limits, self._deadlines)
        if isinstance(connection, Trouble):
            return NotHad(what=connection, stage=Stage.CONNECT)
        stands = False
        try:
            event = await connection.event(timeouts.greeting)
            if _is_positive(event):
                event = await self._say_hello(connection, first)
                stands = _is_positive(event)
            if stands:
                return connection
            if isinstance(event, Answer):
                await say_goodbye(connection, timeouts.quit)
            return _not_had(event)
        finally:
            if not stands:
                connection.abort()

    async def _say_hello(self, connection: Connection, first: Ehlo | Helo) -> Event:
        """EHLO, and HELO where that is refused for good, whatever the code: what hosts say that know no EHLO is theirs.

        A host that hangs up on the second refused the first. What comes behind a good answer, unasked, counts more.
        """
        seconds = self._limits.timeouts.ehlo
        connection.send(first)
        event = refusal = await connection.event(seconds)
        if isinstance(first, Ehlo) and isinstance(refusal, Answer) and refusal.reply.code // 100 == NEVER:
            connection.send(Helo())
            event = await connection.event(seconds)
            event = event if isinstance(event, Answer) else refusal
        return await connection.event(0) if _is_positive(event) and connection.has_event else event

    # -- TLS --------------------------------------------------------------------------------------------------------

    async def _secure(self, connection: Connection, handshake: Handshake, posture: Posture) -> NotHad | None:
        """Have TLS, or do without where that may be. None: the session stands."""
        if not (connection.smtp.extensions or NO_EXTENSIONS).starttls:
            return _do_without(connection, posture, NOT_OFFERED)
        began = asyncio.get_running_loop().time()
        try:
            event = await self._ask(connection)
            if isinstance(event, Answer) and event.reply.code == CLOSING_421:
                return _not_had(event)
            if isinstance(event, Answer) and not event.reply.is_positive:
                return _do_without(connection, posture, f"the host refuses STARTTLS: {_words(event.reply)}")
            if not isinstance(event, Answer):
                return _no_tls(f"STARTTLS: {event.trouble.text}")
            return await self._shake_hands(connection, handshake)
        except asyncio.CancelledError:
            if asyncio.get_running_loop().time() - began >= SILENCE:
                self._health.tls_failed(handshake.address, "STARTTLS: no answer for long")
                self._health.try_plain_tls(handshake.address)
            raise

    async def _ask(self, connection: Connection) -> Event:
        connection.send(StartTls())
        return await connection.event(self._limits.timeouts.starttls)

    async def _shake_hands(self, connection: Connection, handshake: Handshake) -> NotHad | None:
        place, context = (handshake.host, handshake.address), handshake.context
        told = handshake.told
        kept = self._sessions.of(place, context, with_chain=bool(told.records))
        session = kept.session if kept is not None else None
        name = told.names[0] if told.names else handshake.host
        try:
            channel = TlsChannel(context, name, session, names_host=not handshake.plainly)
        except ValueError as error:
            return _no_tls(f"TLS with a host of this name: {error}")
        event = await connection.start_tls(channel, self._limits.timeouts.starttls)
        if event is not None:
            why = f"TLS handshake: {'' if isinstance(event, Answer) else event.trouble.text}"
            no_tls = _no_tls(why, failure=TlsFailure(channel.failure_kind))
            is_broken = _is_broken(event) and not channel.is_distrusted
            return replace(no_tls, is_about_handshake=True, is_broken=is_broken, had_session=session is not None)
        seen = channel.seen
        chain: tuple[bytes, ...] = ()
        if told.records:
            chain = kept.chain if kept is not None and channel.is_resumed else channel.chain
            try:
                seen = structs.replace(seen, verified=handshake.host, by=prove(chain, told))
            except NotProven as error:
                return _no_tls(f"DANE: {error}", failure=TlsFailure(TlsResult.VALIDATION_FAILURE, by_dane=True))
        event = await self._say_hello(connection, Ehlo())
        if _is_positive(event):
            self._sessions.keep(place, context, channel.session, chain)
            connection.tls = seen
            return None
        if not isinstance(event, Answer):
            no_tls = _no_tls(f"EHLO over TLS: {event.trouble.text}")
            had_session = session is not None
            return replace(no_tls, is_broken=had_session and _is_broken(event), had_session=had_session)
        if event.reply.code == CLOSING_421:
            return _not_had(event)
        return _no_tls(f"EHLO over TLS: {_words(event.reply)}")  # in clear it was taken


def _do_without(connection: Connection, posture: Posture, why: str) -> NotHad | None:
    """Go on in clear, where that may be. What a host says in clear, and cannot take back, ends it."""
    if not posture.may_be_clear:
        return _no_starttls(why)
    connection.tls = Tls(clear=why)
    connection.tls_failure = TlsFailure(TlsResult.STARTTLS_NOT_SUPPORTED)
    return None


def _no_starttls(why: str) -> NotHad:
    return _no_tls(why, LACKS_FEATURE, TlsFailure(TlsResult.STARTTLS_NOT_SUPPORTED))


def _no_tls(why: str, enhanced: str = CRYPTOGRAPHY, failure: TlsFailure = UNSPECIFIC) -> NotHad:
    trouble = Trouble(kind=TroubleKind.TLS_FAILED, text=why, enhanced=enhanced)
    return NotHad(what=trouble, stage=Stage.STARTTLS, is_about_tls=True, failure=failure)


def _by_dane(outcome: Connection | NotHad) -> Connection | NotHad:
    """The same, judged by what DNS says of the host."""
    if isinstance(outcome, Connection) or outcome.failure is None:
        return outcome
    return replace(outcome, failure=outcome.failure._replace(by_dane=True))


def _is_broken(event: Event) -> bool:
    """Whether the connection or TLS broke: no silence, and nothing that the host must not say."""
    return isinstance(event, Lost) and event.trouble.kind in BROKEN


def _words(reply: Reply) -> str:
    return " ".join(str(one) for one in (reply.code, reply.enhanced, reply.text) if one)


def _not_had(event: Event) -> NotHad:
    return NotHad(what=event.reply if isinstance(event, Answer) else event.trouble, stage=event.stage)


def _is_positive(event: Event) -> bool:
    return isinstance(event, Answer) and event.reply.is_positive


async def say_goodbye(connection: Connection, seconds: float) -> Event | None:
    """QUIT, where the host can still take it (RFC 5321 §4.1.1.10): what it answers, or has said unasked."""
    smtp = connection.smtp
    try:
        if connection.has_event:
            return await connection.event(0)
        if not connection.is_open or smtp.outstanding or smtp.state is SmtpState.CLOSED:
            return None
        connection.send(Quit())
        return await connection.event(seconds)
    finally:
        connection.close()


async def _connect(address: str, limits: DialSettings, deadlines: Deadlines) -> Connection | Trouble:
    loop = asyncio.get_running_loop()
    seconds = limits.timeouts.connect
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    _, connection = await loop.create_connection(
                        lambda: Connection(limits.hostname, deadlines), address, limits.port
                    )
                except OSError as error:
                    if error.errno not in OWN_SHORTAGES:
                        raise
                    await asyncio.sleep(SHORTAGE_PAUSE)
                else:
                    return connection
    except TimeoutError:
        text = f"no connection to {address} within {seconds:g} s"
        return Trouble(kind=TroubleKind.CONNECT_TIMEOUT, text=text, enhanced="4.4.1")
    except ConnectionRefusedError:
        return Trouble(kind=TroubleKind.CONNECT_REFUSED, text=f"{address} refused the connection", enhanced="4.4.1")
    except OSError as error:
        text = f"no connection to {address}: {error.strerror or error}"
        return Trouble(kind=TroubleKind.CONNECT_FAILED, text=text, enhanced="4.4.1")
