"""Drives one session: transaction after transaction over one connection, from MAIL to the answer to the dot.

The order is what makes it safe: MAIL, RCPT, DATA, 354, then the marker in the store, then the dot, then the result in
the journal and the store. :mod:`.asking` has the first part, :mod:`.sending` the second. Nothing leaves behind a dot
before its answer, though RFC 2920 allows it: hosts refuse what stands there, or cut the line.

Here is what lies between transactions: taking work, and when what a host said counts (:mod:`.judged`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from softbounce.reply import Reply, Trouble
from softbounce.stage import Stage

from .asking import START_CONTENT_354, Asking
from .dialling import Dialled, Timeouts, say_goodbye
from .judged import Judged, Verdict, conclude
from .sending import Sending, trouble_of
from .smtp import LONE_DOT, Answer, Broken, Content, Event, Lost, Rset, State
from .transaction import Transaction

if TYPE_CHECKING:
    from .lane import Lane
    from .work import Work

__all__ = ["Session", "Transaction"]

FAREWELLS = frozenset({221, 421})
RECIPIENTS = 100  # of a transaction, RFC 5321 §4.5.3.1.8
RETOLD = 2
"""So often a recipient is named again, uncharged, by another session."""
QUIET = 0.2
"""A host that has answered all is listened to for as long as its answers took, and at least so many seconds."""


class Session:
    """One open session of a lane.

    :ivar most_recipients: how many the host takes in one transaction, as far as it said.
    :ivar most_domains: how many different domains of recipients the host takes in a session, if it said (RFC 9422).
    :ivar by_ehlo: what the host does not offer it does not have.
    :ivar is_through: it takes nothing more.
    :ivar blamed: how often its host blamed itself, with nothing delivered in between.
    :ivar had_since: when it stood (loop time).
    :ivar is_leaving: it ends as soon as it idles, because another lane needs its place.
    :ivar is_careful: the host lost step lately: one transaction, one command at a time, and nobody is told again.
    :ivar has_worked: the host has answered something after EHLO.
    :ivar begun: how many transactions were.
    :ivar carried: how many dots may have left.
    :ivar judged: what the host said that is not proven yet.
    """

    def __init__(self, lane: Lane, dialled: Dialled, timeouts: Timeouts) -> None:
        self.lane = lane
        self.host = dialled.host
        self.address = dialled.address
        self.offered = dialled.offered
        self.memory = dialled.memory
        self.connection = dialled.connection
        self.timeouts = timeouts
        self.most_recipients = min(RECIPIENTS, dialled.offered.limits.rcpt_max or RECIPIENTS)
        self.most_domains = dialled.offered.limits.rcpt_domain_max
        self.by_ehlo = dialled.by_ehlo
        self.had_since = asyncio.get_running_loop().time()
        self.is_leaving = False
        self.is_through = False
        self.blamed = 0
        self.is_careful = self.memory.is_out_of_step(self.host)
        self.has_worked = False
        self.begun = 0
        self.carried = 0
        self.judged = Judged(self)
        self._domains: set[str] = set()
        self._answers_took = 0.0
        self._current: Transaction | None = None

    def wake(self) -> None:
        """There may be work, or it is time to go."""
        self.connection.wake()

    def leave(self) -> None:
        """Say goodbye when there is nothing to do: another lane needs the place."""
        self.is_leaving = True
        self.lane.sessions.works(self)
        self.connection.wake()

    def admits(self, domain: str) -> bool:
        """Whether recipients of this domain may be named in this session; from now on they count."""
        if self.most_domains is None or domain in self._domains:
            return True
        if len(self._domains) >= min(self.most_domains, RECIPIENTS):
            return False
        self._domains.add(domain)
        return True

    def finish(self) -> None:
        """Take nothing more: what waits needs another host, or another session."""
        self.is_through = True
        self.connection.wake()

    def abort(self) -> None:
        """End at once."""
        self.connection.abort()

    async def run(self) -> None:
        """Carry transactions until the lane has none, the host has enough, or the session ends."""
        try:
            while True:
                self._current = None  # its message takes room
                self._current = await self._next()
                if self._current is None:
                    break
                if self._sift(self._current):
                    await self._carry(self._current)
            await self._part()
        except Exception as error:
            try:
                self.judged.settle()
            finally:
                if self._current is not None:
                    self.lane.outcomes.broke_off(self, self._current, error)
            raise
        finally:
            if self._current is not None:
                self.lane.outcomes.not_tried(self._current.waiting)
            self.judged.settle()
            self.connection.abort()

    # -- taking work ------------------------------------------------------------------------------------------------

    async def _next(self) -> Transaction | None:
        """The next transaction; waits for one for as long as a session may be idle."""
        if self.judged.is_full:
            await self._listen()
        if not self._is_usable():
            return None
        current = self.lane.take(self)
        if current is not None or self.lane.is_ending:
            return current
        try:
            return await self._wait_for_work()
        finally:
            self.lane.sessions.works(self)

    async def _wait_for_work(self) -> Transaction | None:
        now = asyncio.get_running_loop().time
        until, quiet = now() + self.timeouts.idle, now() + self._quiet_seconds
        while not self.lane.is_ending:
            if self.judged and now() >= quiet:
                self.judged.settle()  # which may open the lane, and wake this session before it waits
                if self._is_usable() and (current := self.lane.take(self)) is not None:
                    return current
            self.lane.sessions.idles(self)
            if self.is_leaving:
                return None
            left = (min(until, quiet) if self.judged else until) - now()
            if left <= 0:
                return None
            await self.connection.idle(left)
            if not self._is_usable():
                return None
            current = self.lane.take(self)
            if current is not None or self.is_leaving:
                return current
        return None

    def _is_usable(self) -> bool:
        return (
            self._is_at_rest
            and not self.is_through
            and not self.lane.sessions.is_wanted(self)
            and self.carried < self._most_messages
            and not (self.is_careful and self.begun)
        )

    @property
    def _is_at_rest(self) -> bool:
        """Whether all is answered, nothing came unasked, and MAIL may be next."""
        connection = self.connection
        return connection.is_open and not connection.has_event and connection.engine.state is State.READY

    @property
    def _most_messages(self) -> float:
        return min(self.lane.rule.messages_per_connection or float("inf"), self.offered.limits.mail_max or float("inf"))

    def _sift(self, transaction: Transaction) -> bool:
        """Conclude the recipients to whom this cannot be sent here. False: none is left."""
        for work, trouble in transaction.sift(self.offered):
            self.lane.outcomes.cannot_be_sent(self, work, trouble, transaction.started_ms)
        return bool(transaction.works)

    # -- one transaction --------------------------------------------------------------------------------------------

    async def _carry(self, transaction: Transaction) -> None:
        """A transaction, whose time is taken."""
        self.lane.sessions.begins(self)
        await self._transact(transaction)
        self.lane.sessions.came_forward(self)

    async def _transact(self, transaction: Transaction) -> None:
        """From MAIL to the dot's answer."""
        connection = self.connection
        began = asyncio.get_running_loop().time()
        self.begun += 1
        data_reply = await Asking(self, transaction).ask()
        if data_reply is None or data_reply.code != START_CONTENT_354:
            if connection.is_open and connection.engine.state in {State.SENDER, State.RECIPIENTS}:
                await self._reset()
            self._answers_took = asyncio.get_running_loop().time() - began
            if self._is_at_rest:
                self.judged.settle_soft()
        elif not transaction.accepted:  # 354 though all were refused: a lone dot, whose answer means nothing
            connection.send(Content(LONE_DOT))  # RFC 2920 §3.1
            await connection.event(self.timeouts.end_of_data)
        else:
            await Sending(self, transaction).send()

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
                self.judged.settle()
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

    def lose_step(self, event: Event, transaction: Transaction | None = None) -> None:
        """Replies did not fit the commands: all that is not proven was said of nobody."""
        self.memory.lost_step(self.host)
        trouble = trouble_of(event)
        verdicts = self.judged.take_back()
        if transaction is not None:
            verdicts.append(Verdict(transaction, transaction.take_waiting(), trouble, event.stage))
        for verdict in verdicts:
            self.tell_again(Verdict(verdict.transaction, verdict.works, trouble, event.stage))
        self.connection.abort()

    def tell_again(self, verdict: Verdict) -> None:
        """Its recipients go by another session, uncharged: it was said of nobody. Who did so too often, keeps it."""
        again = [work for work in verdict.works if work.retold < RETOLD and not self.is_careful]
        for work in again:
            work.retold += 1
        kept = [work for work in verdict.works if work not in again]
        conclude(self, Verdict(verdict.transaction, kept, verdict.what, verdict.stage))
        self.give_back(again)

    def give_back(self, works: Sequence[Work]) -> None:
        """Nothing that counts was said to the host for these."""
        if works:
            self.lane.outcomes.not_tried(works)

    def judge(self, transaction: Transaction, works: Sequence[Work], what: Reply | Trouble, stage: Stage) -> None:
        """End the attempt for these recipients, once what was said is proven."""
        works = list(works)
        for work in works:
            transaction.waiting.remove(work)
        self.judged.add(Verdict(transaction, works, what, stage))
