"""Has TLS on a connection that is past EHLO, as far as it is asked for, and EHLO again (RFC 3207).

What a handshake has to prove is said in :class:`Asked`; what follows from one that failed, in :mod:`.calling`.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from typing import NamedTuple

from msgspec import structs
from softbounce_config.process_settings import Timeouts

from softbounce.envelope import Tls
from softbounce_worker.dane.records import HostDane, NotProven
from softbounce_worker.posture import Posture
from softbounce_worker.session.connection import Connection
from softbounce_worker.session.greeting import Greeting
from softbounce_worker.session.host_health import HostHealth
from softbounce_worker.session.not_had import NotHad, is_broken, is_positive, no_starttls, no_tls, not_had, words_of
from softbounce_worker.session.tls import TlsChannel
from softbounce_worker.session.tls_sessions import TlsSessions
from softbounce_worker.smtp import Answer, Ehlo, Event, StartTls
from softbounce_worker.smtp.extensions import NO_EXTENSIONS
from softbounce_worker.tls_results.kinds import TlsFailure, TlsResult

__all__ = ["Asked", "Securing"]

CLOSING_421 = 421
SILENCE = 3.0
"""Who is given up after so many seconds without an answer about TLS is remembered as one that has none."""
NOT_OFFERED = "the host does not offer STARTTLS"


class Asked(NamedTuple):
    """What TLS has to be at one address of a host.

    :ivar told: what its certificate has to be by the word of DNS.
    :ivar plainly: with nothing that an old host may break at.
    """

    host: str
    address: str
    posture: Posture
    context: ssl.SSLContext
    told: HostDane
    plainly: bool


class Securing:
    """STARTTLS with hosts on one road.

    :param sessions: what may be resumed.
    """

    def __init__(self, greeting: Greeting, health: HostHealth, sessions: TlsSessions, timeouts: Timeouts) -> None:
        self._greeting = greeting
        self._health = health
        self._sessions = sessions
        self._timeouts = timeouts

    async def secure(self, connection: Connection, asked: Asked) -> NotHad | None:
        """Have TLS, or do without where that may be. None: the session stands."""
        if not (connection.smtp.extensions or NO_EXTENSIONS).starttls:
            return _do_without(connection, asked.posture, NOT_OFFERED)
        began = asyncio.get_running_loop().time()
        try:
            event = await self._ask(connection)
            if isinstance(event, Answer) and event.reply.code == CLOSING_421:
                return not_had(event)
            if isinstance(event, Answer) and not event.reply.is_positive:
                return _do_without(connection, asked.posture, f"the host refuses STARTTLS: {words_of(event.reply)}")
            if not isinstance(event, Answer):
                return no_tls(f"STARTTLS: {event.trouble.text}")
            return await self._shake_hands(connection, asked)
        except asyncio.CancelledError:
            if asyncio.get_running_loop().time() - began >= SILENCE:
                self._health.tls_failed(asked.address, "STARTTLS: no answer for long")
                self._health.try_plain_tls(asked.address)
            raise

    async def _ask(self, connection: Connection) -> Event:
        connection.send(StartTls())
        return await connection.event(self._timeouts.starttls)

    async def _shake_hands(self, connection: Connection, asked: Asked) -> NotHad | None:
        place, context = (asked.host, asked.address), asked.context
        kept = self._sessions.of(place, context, with_chain=bool(asked.told.records))
        try:
            session = kept.session if kept is not None else None
            name = asked.told.names[0] if asked.told.names else asked.host
            channel = TlsChannel(context, name, session, names_host=not asked.plainly)
        except ValueError as error:
            return no_tls(f"TLS with a host of this name: {error}")
        event = await connection.start_tls(channel, self._timeouts.starttls)
        if event is not None:
            why = f"TLS handshake: {'' if isinstance(event, Answer) else event.trouble.text}"
            failed = no_tls(why, failure=TlsFailure(channel.failure_kind))
            may_hold = is_broken(event) and not channel.is_distrusted
            return replace(failed, is_about_handshake=True, is_broken=may_hold, had_session=kept is not None)
        seen = channel.seen
        chain: tuple[bytes, ...] = ()
        if asked.told.records:
            from softbounce_worker.dane.proof import prove  # noqa: PLC0415 - cryptography takes 8 MB; few hosts need it

            chain = kept.chain if kept is not None and channel.is_resumed else channel.chain
            try:
                seen = structs.replace(seen, verified=asked.host, by=prove(chain, asked.told))
            except NotProven as error:
                return no_tls(f"DANE: {error}", failure=TlsFailure(TlsResult.VALIDATION_FAILURE, by_dane=True))
        event = await self._greeting.say_hello(connection, Ehlo())
        if is_positive(event):
            self._sessions.keep(place, context, channel.session, chain)
            connection.tls = seen
            return None
        if not isinstance(event, Answer):
            failed = no_tls(f"EHLO over TLS: {event.trouble.text}")
            had_session = kept is not None
            return replace(failed, is_broken=had_session and is_broken(event), had_session=had_session)
        if event.reply.code == CLOSING_421:
            return not_had(event)
        return no_tls(f"EHLO over TLS: {words_of(event.reply)}")  # in clear it was taken


def _do_without(connection: Connection, posture: Posture, why: str) -> NotHad | None:
    """Go on in clear, where that may be. What a host says in clear, and cannot take back, ends it."""
    if not posture.may_be_clear:
        return no_starttls(why)
    connection.tls = Tls(clear=why)
    connection.tls_failure = TlsFailure(TlsResult.STARTTLS_NOT_SUPPORTED)
    return None
