"""What is said on a connection before and after all else: greeting, EHLO or HELO, QUIT (RFC 5321 §3.1, §4.1.1).

A host that greets with 5xx is out for now; one that refuses EHLO for good gets HELO (RFC 5321 §3.2), once; one that
hangs up on EHLO is called again with HELO, unless it has to offer STARTTLS.
"""

from __future__ import annotations

import re

from softbounce_config.process_settings import Timeouts

from softbounce.reply import Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.session.connecting import Connecting
from softbounce_worker.session.connection import Connection
from softbounce_worker.session.not_had import NotHad, is_positive, no_starttls, not_had
from softbounce_worker.smtp import Answer, Ehlo, Event, Helo, Quit, SmtpState

__all__ = ["Greeting", "say_goodbye"]

NEVER = 5
READ = 200
EXIM = re.compile(r"\bexim\b", re.IGNORECASE)


class Greeting:
    """Connections past EHLO, on one road.

    :param knows_helo: a host may know nothing but HELO. None does in LMTP, nor where a login is needed.
    """

    def __init__(self, connecting: Connecting, timeouts: Timeouts, *, knows_helo: bool) -> None:
        self._connecting = connecting
        self._timeouts = timeouts
        self._knows_helo = knows_helo

    async def greet(self, address: str, first: Connection | None, *, may_be_helo: bool) -> Connection | NotHad:
        """A connection that is past EHLO. A host that hangs up on EHLO is asked again, by HELO, where that may do."""
        outcome = await self._greet_by(Ehlo(), address, first)
        if isinstance(outcome, Connection) or outcome.stage is not Stage.EHLO:
            return outcome
        what = outcome.what
        if not isinstance(what, Trouble) or what.kind is not TroubleKind.CONNECTION_LOST:
            return outcome
        if not self._knows_helo:
            return outcome
        return await self._greet_by(Helo(), address) if may_be_helo else no_starttls(f"EHLO: {what.text}")

    async def _greet_by(self, word: Ehlo | Helo, address: str, first: Connection | None = None) -> Connection | NotHad:
        timeouts = self._timeouts
        connection = first or await self._connecting.connect(address)
        if isinstance(connection, Trouble):
            return NotHad(what=connection, stage=Stage.CONNECT)
        stands = False
        try:
            event = await connection.event(timeouts.greeting)
            if is_positive(event):
                connection.is_exim = isinstance(event, Answer) and EXIM.search(event.reply.text[:READ]) is not None
                event = await self.say_hello(connection, word)
                stands = is_positive(event)
            if stands:
                return connection
            if isinstance(event, Answer):
                await say_goodbye(connection, timeouts.quit)
            return not_had(event)
        finally:
            if not stands:
                connection.abort()

    async def say_hello(self, connection: Connection, first: Ehlo | Helo) -> Event:
        """EHLO, and HELO where that is refused for good, whatever the code: what hosts say that know no EHLO is theirs.

        A host that hangs up on the second refused the first. What comes behind a good answer, unasked, counts more.
        """
        seconds = self._timeouts.ehlo
        connection.send(first)
        event = refusal = await connection.event(seconds)
        is_refused = isinstance(refusal, Answer) and refusal.reply.code // 100 == NEVER
        if isinstance(first, Ehlo) and is_refused and self._knows_helo:
            connection.send(Helo())
            event = await connection.event(seconds)
            event = event if isinstance(event, Answer) else refusal
        return await connection.event(0) if is_positive(event) and connection.has_event else event


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
