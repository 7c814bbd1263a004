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

A smarthost may have TLS from the first octet on (RFC 8314), and want a login (:mod:`.login`): that is sent in clear to
nobody but this machine itself, unless its road says so. One that is refused is no host's trouble, and asked nowhere
else: the road waits.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from msgspec import structs
from softbounce_config.process_settings import DialSettings, Login, Transcripts

from softbounce.envelope import Tls
from softbounce.reply import Trouble, TroubleKind
from softbounce.road import Road
from softbounce.stage import Stage
from softbounce_worker.dane.records import NO_DANE, HostDane, Told
from softbounce_worker.posture import Posture
from softbounce_worker.session.connecting import Connecting, is_loopback
from softbounce_worker.session.connection import Connection, Deadlines
from softbounce_worker.session.greeting import Greeting, say_goodbye
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.login import LoginRefused, Mechanisms, log_in
from softbounce_worker.session.not_had import (
    LACKS_FEATURE,
    NotHad,
    by_dane,
    is_broken,
    is_positive,
    no_login,
    no_tls,
    not_had,
)
from softbounce_worker.session.securing import Asked, Securing
from softbounce_worker.session.tls import TlsChannel, TlsContexts
from softbounce_worker.session.tls_sessions import TlsSessions
from softbounce_worker.smtp import Answer, Ehlo, SmtpState
from softbounce_worker.tls_results.kinds import TlsFailure, TlsResult

__all__ = ["Calling", "Dane", "Logins", "no_dane"]


class Logins(Protocol):
    """Who knows as whom to log in."""

    def login(self, road: Road) -> Login | None:
        """As whom, on a road; ``None``: nobody does. Reads a file.

        :raises ValueError: the password cannot be had.
        """
        ...


Dane = Callable[[str], Awaitable[HostDane]]


async def no_dane(_host: str) -> HostDane:
    """Where nobody asks DNS."""
    return NO_DANE


class Calling:
    """Calls addresses on one road.

    :ivar dane: tells what DNS says of a host's certificate.
    :param limits: the name that it gives, the port, and how long each step may take.
    """

    def __init__(  # noqa: PLR0913 - what it shares with the other roads
        self,
        limits: DialSettings,
        road: Road,
        deadlines: Deadlines,
        health: HostHealth,
        *,
        contexts: TlsContexts,
        logins: Logins,
        dane: Dane = no_dane,
    ) -> None:
        self._limits = limits
        self._road = road
        self.dane = dane
        self._connecting = Connecting(limits, road, deadlines)
        self._health = health
        self._contexts = contexts
        self._logins = logins
        self._mechanisms = Mechanisms()
        self._sessions = TlsSessions()
        knows_helo = road.protocol == "smtp" and road.user is None
        self._greeting = Greeting(self._connecting, limits.timeouts, knows_helo=knows_helo)
        self._securing = Securing(self._greeting, health, self._sessions, limits.timeouts)

    @property
    def transcripts(self) -> Transcripts:
        """Which attempts keep what was said."""
        return self._limits.transcripts

    @property
    def may_race(self) -> bool:
        """Whether a connection may be had before it is known what is said on it: not where TLS comes first."""
        return not self._road.implicit_tls

    async def connect(self, address: str) -> Connection | Trouble:
        """A connection to there, and nothing said."""
        return await self._connecting.connect(address)

    async def call(
        self, host: str, address: str, posture: Posture, first: Connection | None = None
    ) -> Connection | NotHad:
        """A connection that is past EHLO and login, and as well protected as is asked for.

        :param first: one to there that stands already, for the first try.
        """
        outcome = await self._reach(host, address, posture, first)
        if self._road.user is None or isinstance(outcome, NotHad):
            return outcome
        refusal: NotHad | None = None
        stands = False
        try:
            refusal = await self._log_in(outcome, address)
            stands = refusal is None
            if not stands:
                await say_goodbye(outcome, self._limits.timeouts.quit)
        finally:
            if not stands:
                outcome.abort()
        return outcome if refusal is None else refusal

    async def _reach(self, host: str, address: str, posture: Posture, first: Connection | None) -> Connection | NotHad:
        """The same before any login."""
        if self._road.implicit_tls:
            outcome = await self._call_over_tls(host, address, posture)
            if isinstance(outcome, NotHad) and outcome.is_broken:  # at a session from before, which is gone by now
                outcome = await self._call_over_tls(host, address, posture)
                if isinstance(outcome, Connection):
                    self._sessions.distrust((host, address))
            return outcome
        told = await self.dane(host) if posture.dane else NO_DANE
        if told.told is Told.UNKNOWN:
            return no_tls(f"DANE: {told.detail}", LACKS_FEATURE, TlsFailure(TlsResult.DNSSEC_INVALID, by_dane=True))
        if told.told is Told.RECORDS:
            return by_dane(await self._call_by_tls(host, address, posture.beside_dane, first, told))
        if told.told is Told.UNUSABLE:
            posture = posture.encrypted
        if posture.sts is not None and posture.sts.is_testing:
            return await self._call_testing(host, address, posture, first)
        return await self._call_as_asked(host, address, posture, first)

    async def _call_as_asked(
        self, host: str, address: str, posture: Posture, first: Connection | None
    ) -> Connection | NotHad:
        if posture.mode == "none" and posture.may_be_clear:
            return await self._call_in_clear(address, posture, posture.why_clear, first)
        if posture.may_be_clear and (known := self._health.tls_trouble_at(address)):
            return await self._call_in_clear(address, posture, known, first)
        outcome = await self._call_by_tls(host, address, posture, first)
        if not (isinstance(outcome, NotHad) and outcome.is_about_tls and posture.may_be_clear):
            return outcome
        why, failure = outcome.what.text, outcome.failure
        outcome = await self._call_in_clear(address, posture, why)
        if isinstance(outcome, Connection):  # it is there, so it was TLS
            self._health.tls_failed(address, why)
            outcome.tls_failure = failure
        return outcome

    async def _call_testing(
        self, host: str, address: str, posture: Posture, first: Connection | None
    ) -> Connection | NotHad:
        """As if the domain's policy bound; and where that fails, as if there were none (RFC 8461 §5)."""
        failure = self._health.sts_trouble_at(address)
        if failure is None:
            outcome = await self._call_by_tls(host, address, posture.enforced, first)
            if isinstance(outcome, Connection) or not outcome.is_about_tls:
                return outcome
            failure = outcome.failure or TlsFailure(TlsResult.VALIDATION_FAILURE)
            self._health.sts_failed(address, failure)
            first = None
        outcome = await self._call_as_asked(host, address, structs.replace(posture, sts=None), first)
        if isinstance(outcome, Connection):
            outcome.tls_failure = failure
        return outcome

    async def _call_in_clear(
        self, address: str, posture: Posture, why: str, first: Connection | None = None
    ) -> Connection | NotHad:
        outcome = await self._greeting.greet(address, first, may_be_helo=True)
        if isinstance(outcome, Connection):
            outcome.tls = Tls(rule=posture.rule, clear=why)
        return outcome

    async def _call_by_tls(
        self, host: str, address: str, posture: Posture, first: Connection | None, told: HostDane = NO_DANE
    ) -> Connection | NotHad:
        """By TLS; where that breaks, without a session from before, then plainly. What broke first is told."""
        is_proven = posture.verifies or bool(told.records)
        plainly = not is_proven and self._health.gets_plain_tls(address)
        outcome = before = await self._call(host, address, posture, first, told=told, plainly=plainly)
        if isinstance(outcome, NotHad) and outcome.is_broken and outcome.had_session:  # which is gone by now
            outcome = await self._call(host, address, posture, told=told, plainly=plainly)
            if isinstance(outcome, Connection):
                self._sessions.distrust((host, address))
        if isinstance(outcome, NotHad) and outcome.is_broken and not (plainly or is_proven):
            outcome = await self._call(host, address, posture, told=told, plainly=True)
            if isinstance(outcome, Connection):
                self._health.try_plain_tls(address)
        elif isinstance(outcome, NotHad) and outcome.is_about_handshake and not is_proven:
            self._health.try_plain_tls(address, is_to_be=not plainly)  # it hung; or plainly is no better
        return outcome if isinstance(outcome, Connection) else before

    async def _call(  # noqa: PLR0913 - to whom, and how
        self,
        host: str,
        address: str,
        posture: Posture,
        first: Connection | None = None,
        *,
        told: HostDane,
        plainly: bool,
    ) -> Connection | NotHad:
        try:
            context = await self._contexts.of(posture, plainly=plainly)
        except (ssl.SSLError, OSError) as error:
            return no_tls(f"the authorities cannot be read here: {error}")
        connection = await self._greeting.greet(address, first, may_be_helo=posture.may_be_clear)
        if isinstance(connection, NotHad):
            return connection
        stands = False
        try:
            outcome = await self._securing.secure(connection, Asked(host, address, posture, context, told, plainly))
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

    async def _log_in(self, connection: Connection, address: str) -> NotHad | None:
        """Log in, where the password may be said. None: done."""
        road, tls = self._road, connection.tls
        if tls.version is None and not (is_loopback(address) or road.login_in_clear):
            why = f"no password is sent in clear: {tls.clear}" if tls.clear else "no password is sent in clear"
            return no_login(Trouble(kind=TroubleKind.LOGIN_FAILED, text=why, enhanced=LACKS_FEATURE))
        try:
            login = await asyncio.get_running_loop().run_in_executor(None, self._logins.login, road)
        except ValueError as error:
            return no_login(Trouble(kind=TroubleKind.LOGIN_FAILED, text=str(error), enhanced="4.7.0"))
        if login is None:
            text = f"this process knows no password of {road.user}"
            return no_login(Trouble(kind=TroubleKind.LOGIN_FAILED, text=text, enhanced="4.7.0"))
        try:
            event = await log_in(connection, login, self._limits.timeouts.auth, self._mechanisms)
        except LoginRefused as error:
            return no_login(error.what)
        return None if event is None else not_had(event)

    async def _call_over_tls(self, host: str, address: str, posture: Posture) -> Connection | NotHad:
        """TLS before all else. No less can be had here: what fails is the address's trouble, or the road's."""
        try:
            context = await self._contexts.of(posture)
            kept = self._sessions.of((host, address), context)
            channel = TlsChannel(context, host, kept.session if kept is not None else None)
        except (ssl.SSLError, OSError, ValueError) as error:
            return no_tls(f"TLS cannot be begun here: {error}", is_about_tls=not posture.may_be_clear)
        connection = await self._connecting.connect(address, channel)
        if isinstance(connection, Trouble):
            return NotHad(what=connection, stage=Stage.CONNECT)
        stands = False
        try:
            event = await connection.begin_tls(self._limits.timeouts.starttls)
            if event is not None:
                text = f"TLS handshake: {'' if isinstance(event, Answer) else event.trouble.text}"
                may_hold = kept is not None and is_broken(event) and not channel.is_distrusted
                return replace(no_tls(text, is_about_tls=not posture.may_be_clear), is_broken=may_hold)
            event = await connection.event(self._limits.timeouts.greeting)
            if is_positive(event):
                event = await self._greeting.say_hello(connection, Ehlo())
            stands = is_positive(event)
            if not stands:
                if isinstance(event, Answer):
                    await say_goodbye(connection, self._limits.timeouts.quit)
                return replace(not_had(event), is_broken=kept is not None and is_broken(event))
            self._sessions.keep((host, address), context, channel.session)
            connection.tls = structs.replace(channel.seen, rule=posture.rule)
            return connection
        finally:
            if not stands:
                connection.abort()
