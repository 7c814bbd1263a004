"""Drives one session: transaction after transaction over one connection, from MAIL to the answer to the dot.

The order is what makes it safe: MAIL, RCPT, DATA, 354, then the marker in the store, then the dot, then the result in
the journal and the store. :mod:`.asking` has the first part, :mod:`.sending` the second. Nothing leaves behind a dot
before its answer, though RFC 2920 allows it: hosts refuse what stands there, or cut the line.

Here is what lies between transactions: taking work, and when what a host said counts (:mod:`.judged`).
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Set as AbstractSet
from typing import Protocol

from softbounce.settings import LaneRule
from softbounce_worker.session.asking import START_CONTENT_354, Asking
from softbounce_worker.session.conversation import Concludes, Conversation
from softbounce_worker.session.dialling import Dialled, Timeouts, say_goodbye
from softbounce_worker.session.sending import Sending
from softbounce_worker.session.transaction import Transaction
from softbounce_worker.smtp import LONE_DOT, Answer, Broken, Content, Lost, Rset, SmtpState

__all__ = ["LaneSide", "Session", "SessionsSide"]

FAREWELLS = frozenset({221, 421})
OPEN = frozenset({SmtpState.SENDER, SmtpState.RECIPIENTS, SmtpState.UNDONE})
"""Where a transaction was begun and left: RSET ends it."""
LONGEST = 300.0
"""Seconds after which a session ends though there is work: only who dials anew sees that a host has moved."""
AT_ONCE_BY_EXIM = 10
"""More messages of a session wait in Exim's queue until its next run, half an hour later as often as not, unless it is
told otherwise (smtp_accept_queue_per_connection)."""
QUIET = 0.2
"""A host that has answered all is listened to for as long as its answers took, and at least so many seconds."""


class SessionsSide(Protocol):
    """Who counts the sessions of a lane, as a session tells it."""

    def idles(self, session: Session) -> None:
        """It waits for work."""

    def works(self, session: Session) -> None:
        """It waits no more."""

    def begins(self, session: Session, domains: AbstractSet[str]) -> None:
        """It begins a transaction for recipients of these domains."""

    def comes_forward(self, session: Session) -> None:
        """It ended one."""

    def is_wanted(self, session: Session) -> bool:
        """Whether others wait for its place."""
        ...


class LaneSide(Protocol):
    """What a session needs of its lane."""

    @property
    @abstractmethod
    def rule(self) -> LaneRule:
        """How hard it may be pushed."""

    @property
    @abstractmethod
    def is_ending(self) -> bool:
        """It takes no more."""

    @property
    @abstractmethod
    def outcomes(self) -> Concludes:
        """Who concludes what came of each envelope."""

    @property
    @abstractmethod
    def sessions(self) -> SessionsSide:
        """Who counts its sessions."""

    def take(self, session: Session) -> Transaction | None:
        """The next transaction for a session; none: there is none for it now."""
        ...


class Session(Conversation):
    """One open session of a lane.

    :ivar is_leaving: it ends as soon as it idles, because another lane needs its place.
    """

    def __init__(self, lane: LaneSide, dialled: Dialled, timeouts: Timeouts) -> None:
        super().__init__(lane.outcomes, dialled, timeouts)
        self.is_leaving = False
        self._lane = lane
        self._sessions = lane.sessions
        self._answers_took = 0.0
        self._current: Transaction | None = None

    @property
    def turn_began(self) -> float:
        """When it stood, and so much later as it has waited for its turn in this process since."""
        return self.had_since + self.connection.queued

    def leave(self) -> None:
        """Say goodbye when there is nothing to do: another lane needs the place."""
        self.is_leaving = True
        self._sessions.works(self)
        self.connection.wake()

    async def run(self) -> None:
        """Carry transactions until the lane has none, the host has enough, or the session ends."""
        try:
            while True:
                self._current = None  # its message takes room
                self._current = await self._next()
                if self._current is None:
                    break
                if not self.offered.eight_bit_mime:
                    await self._current.convert()
                if self._sift(self._current):
                    self._begin(self._current)
                    await self._transact(self._current)
                    self._sessions.comes_forward(self)
            await self._part()
        except Exception as error:
            try:
                self.settle()
            finally:
                if self._current is not None:
                    self.outcomes.broke_off(self, self._current, error)
            raise
        finally:
            if self._current is not None:
                self.outcomes.not_tried(self._current.waiting)
            self.settle()
            self.connection.abort()

    # -- taking work ------------------------------------------------------------------------------------------------

    async def _next(self) -> Transaction | None:
        """The next transaction; waits for one for as long as a session may be idle."""
        if self.judged.is_full:
            await self._listen()
        if not self._is_usable():
            return None
        current = self._lane.take(self)
        if current is not None or self._lane.is_ending:
            return current
        try:
            return await self._wait_for_work()
        finally:
            self._sessions.works(self)

    async def _wait_for_work(self) -> Transaction | None:
        now = asyncio.get_running_loop().time
        until, quiet = now() + self.timeouts.idle, now() + self._quiet_seconds
        while not self._lane.is_ending:
            if self.judged and now() >= quiet:
                self.settle()  # which may open the lane, and wake this session before it waits
                if self._is_usable() and (current := self._lane.take(self)) is not None:
                    return current
            self._sessions.idles(self)
            if self.is_leaving:
                return None
            left = (min(until, quiet) if self.judged else until) - now()
            if left <= 0:
                return None
            await self.connection.idle(left)
            if not self._is_usable():
                return None
            current = self._lane.take(self)
            if current is not None or self.is_leaving:
                return current
        return None

    def _is_usable(self) -> bool:
        return (
            not self.is_through
            and self._is_at_rest
            and not (self.is_careful and self.begun)
            and (not self.carried or self.carried < self._most_messages)
            and asyncio.get_running_loop().time() - self.had_since < LONGEST
            and not self._sessions.is_wanted(self)
        )

    @property
    def _is_at_rest(self) -> bool:
        """Whether all is answered, nothing came unasked, and MAIL may be next."""
        connection = self.connection
        return connection.is_open and not connection.has_event and connection.smtp.state is SmtpState.READY

    @property
    def _most_messages(self) -> float:
        never = float("inf")
        rule = self._lane.rule
        most = min(rule.messages_per_connection or never, self.offered.limits.mail_max or never)
        return min(most, AT_ONCE_BY_EXIM) if self.connection.is_exim and not rule.source else most

    def _sift(self, transaction: Transaction) -> bool:
        """Conclude the recipients to whom this cannot be sent here. False: none is left."""
        for work, trouble in transaction.sift(self.offered):
            work.notes = self.connection.recorder.opening
            self.outcomes.cannot_be_sent(self, work, trouble, transaction.started_ms)
        return bool(transaction.works)

    # -- one transaction --------------------------------------------------------------------------------------------

    def _begin(self, transaction: Transaction) -> None:
        """Its time is taken from now on, and what is said noted."""
        self._sessions.begins(self, {work.domain for work in transaction.works})
        notes = self.connection.recorder.begins()
        for work in transaction.works:
            work.notes = notes
        self.begun += 1

    async def _transact(self, transaction: Transaction) -> None:
        """From MAIL to the dot's answer."""
        connection = self.connection
        began = asyncio.get_running_loop().time()
        asking = Asking(self, transaction)
        data_reply = await asking.ask()
        if data_reply is not None and data_reply.code == START_CONTENT_354:
            if transaction.accepted:
                await Sending(self, transaction).send()
            else:
                await self._send_nothing()
            return
        if asking.is_chunk_due:
            await Sending(self, transaction, by_chunk=True).send()
        if connection.is_open and connection.smtp.state in OPEN:
            await self._reset()
        self._answers_took = asyncio.get_running_loop().time() - began
        if self._is_at_rest:
            for said in self.judged.take_soft():
                self.conclude(said)

    async def _send_nothing(self) -> None:
        """After a 354, with all recipients refused."""
        if self.connection.smtp.is_lmtp:  # nobody would answer to a lone dot
            self.connection.abort()
            return
        self.connection.send(Content(LONE_DOT))  # its answer means nothing (RFC 2920 §3.1)
        await self.connection.event(self.timeouts.end_of_data)

    async def _reset(self) -> None:
        """End an abandoned transaction, so that the next MAIL is legal (RFC 5321 §4.1.4)."""
        self.connection.send(Rset())
        event = await self.connection.event(self.timeouts.rset)
        if isinstance(event, Broken):
            self.lose_step(event)
        elif isinstance(event, Lost):
            self.connection.abort()

    # -- the proof of what was said ---------------------------------------------------------------------------------

    @property
    def _quiet_seconds(self) -> float:
        return min(max(QUIET, self._answers_took), self.timeouts.idle)

    async def _listen(self) -> None:
        """Whether the host has said all that it has to say: then what it said counts."""
        now = asyncio.get_running_loop().time
        until = now() + self._quiet_seconds
        while self.connection.is_open and not self.connection.has_event:
            left = until - now()
            if left <= 0:
                self.settle()
                return
            await self.connection.idle(left)

    async def _part(self) -> None:
        """End the session in good order. Where RSET was refused, the answer to QUIT tells whether all was in step."""
        if self.judged and self._is_at_rest:
            await self._listen()
        event = await say_goodbye(self.connection, self.timeouts.quit)
        is_farewell = isinstance(event, Answer) and event.reply.code in FAREWELLS
        if isinstance(event, Broken) or (self.judged and isinstance(event, Answer) and not is_farewell):
            self.lose_step(event)
