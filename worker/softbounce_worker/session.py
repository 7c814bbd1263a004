"""Drives one session: transaction after transaction over one connection, from MAIL to the answer to the dot.

The order is what makes it safe: MAIL, RCPT, DATA, 354, then the marker in the store, then the dot, then the result in
the journal and the store. The next transaction's commands leave together with this one's content where the host offers
PIPELINING (RFC 2920), so a message costs one round trip.

Who is charged: whatever a host *says* to a command concerns the recipients it was said for. A connection that ends, or
a 421 (RFC 5321 §3.8), concerns those without an outcome so far; but where it hits a session between two transactions
that has worked before, nothing was tried, and the mail goes by another session, uncharged.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage

from .connection import Connection
from .opening import Dialled, Timeouts, say_goodbye
from .smtp import LONE_DOT, Answer, Broken, Command, Content, Event, Mail, Rcpt, Rset, State
from .transaction import Transaction

if TYPE_CHECKING:
    from .lane import Lane
    from .work import Work

__all__ = ["Session", "Transaction"]

START_CONTENT_354 = 354
CLOSING_421 = 421
TOO_MANY = frozenset({452, 552})  # RFC 5321 §4.5.3.1.10
TOO_MANY_5_3 = ".5.3"
ABOUT_MAILBOX = ".2."
RECIPIENTS = 100  # of a transaction, RFC 5321 §4.5.3.1.8
LARGE = 32 * 1024
TAIL = 4 * 1024
"""What of a large content waits for the marker."""
SENSIBLE = frozenset({2, 4, 5})


class Session:
    """One open session of a lane.

    :ivar most_recipients: how many the host takes in one transaction, as far as it said.
    :ivar most_domains: how many different domains of recipients the host takes in a session, if it said (RFC 9422).
    :ivar by_ehlo: what the host does not offer it does not have.
    :ivar is_through: it takes nothing more.
    :ivar blamed: how often its host blamed itself, with nothing delivered in between.
    :ivar is_leaving: it ends as soon as it idles, because another lane needs its place.
    """

    def __init__(self, lane: Lane, dialled: Dialled, timeouts: Timeouts) -> None:
        self.lane = lane
        self.host = dialled.host
        self.address = dialled.address
        self.most_recipients = min(RECIPIENTS, dialled.offered.limits.rcpt_max or RECIPIENTS)
        self._dialled = dialled
        self._connection = dialled.connection
        self._offered = dialled.offered
        self.most_domains = dialled.offered.limits.rcpt_domain_max
        self.by_ehlo = dialled.by_ehlo
        self._pipelines = dialled.pipelines
        self._timeouts = timeouts
        self.is_leaving = False
        self.is_through = False
        self.blamed = 0
        self._domains: set[str] = set()
        self._carried = 0
        self._has_worked = False
        self._closing: Answer | None = None
        self._current: Transaction | None = None
        self._following: Transaction | None = None

    def wake(self) -> None:
        """There may be work, or it is time to go."""
        self._connection.wake()

    def leave(self) -> None:
        """Say goodbye when there is nothing to do: another lane needs the place."""
        self.is_leaving = True
        self._connection.wake()

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
        self._connection.wake()

    def abort(self) -> None:
        """End at once."""
        self._connection.abort()

    async def run(self) -> None:
        """Carry transactions until the lane has none, the host has enough, or the session ends."""
        try:
            while True:
                self._current, self._following = self._following, None
                if self._current is None:
                    self._current = await self._next()
                if self._current is None:
                    break
                if self._current.is_sent or self._open(self._current):
                    await self._transact(self._current)
            await say_goodbye(self._connection, self._timeouts.quit)
        except Exception as error:
            for failed in (self._current, self._following):
                if failed is not None:
                    self.lane.outcomes.broke_off(self, failed, error)
            raise
        finally:
            for left in (self._current, self._following):
                if left is not None:
                    self.lane.outcomes.not_tried(left.waiting)
            self._connection.abort()

    # -- taking work ------------------------------------------------------------------------------------------------

    async def _next(self) -> Transaction | None:
        """The next transaction; waits for one for as long as a session may be idle."""
        if not self._is_usable():
            return None
        current = self.lane.take(self)
        if current is not None or self.lane.is_ending:
            return current
        self.lane.sessions.idle.add(self)
        try:
            until = asyncio.get_running_loop().time() + self._timeouts.idle
            while (left := until - asyncio.get_running_loop().time()) > 0 and not self.lane.is_ending:
                await self._connection.idle(left)
                if not self._is_usable():
                    return None
                current = self.lane.take(self)
                if current is not None or self.is_leaving:
                    return current
        finally:
            self.lane.sessions.idle.discard(self)
        return None

    def _is_usable(self) -> bool:
        return (
            self._connection.is_open
            and not self._connection.has_event
            and not self.is_through
            and self._connection.engine.state is State.READY
            and self._carried < self._most_messages
        )

    @property
    def _most_messages(self) -> float:
        return min(
            self.lane.rule.messages_per_connection or float("inf"), self._offered.limits.mail_max or float("inf")
        )

    def _sift(self, transaction: Transaction) -> bool:
        """Conclude the recipients to whom this cannot be sent here. False: none is left."""
        for work, trouble in transaction.sift(self._offered):
            self.lane.outcomes.cannot_be_sent(self, work, trouble, transaction.started_ms)
        return bool(transaction.works)

    # -- one transaction --------------------------------------------------------------------------------------------

    def _open(self, transaction: Transaction) -> bool:
        """Send the commands before the content, all at once where the host offers PIPELINING. False: none is left."""
        if not self._sift(transaction):
            return False
        if self._pipelines:
            self._connection.send(*transaction.commands)
        else:
            self._connection.send(transaction.mail)
        return True

    async def _transact(self, transaction: Transaction) -> None:
        """From MAIL to the dot's answer."""
        data_reply = await self._ask(transaction)
        self._give_surplus_back(transaction)
        connection = self._connection
        if data_reply is None or data_reply.code != START_CONTENT_354:
            if connection.is_open and connection.engine.state in {State.SENDER, State.RECIPIENTS}:
                await self._reset()
        elif not transaction.accepted:  # 354 though all were refused: a lone dot, whose answer means nothing
            connection.send(Content(LONE_DOT))  # RFC 2920 §3.1
            await connection.event(self._timeouts.end_of_data)
        else:
            await self._send_content(transaction)

    async def _ask(self, transaction: Transaction) -> Reply | None:
        """MAIL, RCPT, DATA. Concludes whatever ends here; returns DATA's reply, if one came."""
        for position, command in enumerate(transaction.commands):
            if position and not self._pipelines:
                if transaction.is_refused(command):
                    return None
                self._connection.send(command)
            event = await self._connection.event(self._seconds(command))
            if not isinstance(event, Answer) or event.command is not command:
                self._break_off(transaction, event, is_untried=not position)
                return None
            if event.reply.code == CLOSING_421:
                self._closing = event
            if command is transaction.data:
                if event.reply.code != START_CONTENT_354:
                    self._conclude(transaction, transaction.accepted, event.reply, Stage.DATA)
                return event.reply
            if command is transaction.mail:
                self._answer_mail(transaction, event.reply)
            elif not transaction.sender_is_refused:
                self._answer_rcpt(transaction, transaction.works[position - 1], event.reply)
            self._has_worked = True
        return None

    def _answer_mail(self, transaction: Transaction, reply: Reply) -> None:
        transaction.sender_is_refused = not reply.is_positive
        if reply.code == CLOSING_421 and self._has_worked:
            self._give_back(transaction)
        elif transaction.sender_is_refused:
            self._conclude(transaction, transaction.works, reply, Stage.MAIL)

    def _answer_rcpt(self, transaction: Transaction, work: Work, reply: Reply) -> None:
        if reply.is_positive:
            if work.goes_alone:  # and was refused in mixed company
                self._dialled.memory.wants_one_domain(self.host)
            transaction.accepted.append(work)
        elif transaction.accepted and _says_too_many(reply):
            self.most_recipients = min(self.most_recipients, len(transaction.accepted))
            transaction.surplus.append(work)
        elif self.lane.outcomes.asks_for_its_own(self, transaction, work, reply):
            work.goes_alone = True
            transaction.surplus.append(work)
        else:
            self._conclude(transaction, [work], reply, Stage.RCPT)

    async def _send_content(self, transaction: Transaction) -> None:
        """Send the content: of a large one all but its tail first, then the marker is stored, then the dot may leave.

        So the marker is never older than a moment, and a crash in the middle of a large body is no uncertain one.
        """
        connection = self._connection
        if _has_ended(connection):  # right behind its 354
            self._break_off(transaction, await connection.event(0))
            connection.abort()
            return
        content = connection.engine.send(Content(transaction.accepted[0].parcel.content))
        head = len(content) - TAIL if len(content) > LARGE else 0
        if head:
            await connection.write_large(memoryview(content)[:head], self._timeouts.block)
        if not await self.lane.outcomes.mark(transaction.accepted):
            transaction.waiting = []
            connection.abort()
        elif _has_ended(connection):  # meanwhile: no dot has left
            self._end_before_dot(transaction, await connection.event(0))
            connection.abort()
        else:
            await self._send_dot(transaction, content[head:], is_tail=head > 0)

    def _end_before_dot(self, transaction: Transaction, event: Event) -> None:
        """Something came while the content was on its way. Whatever it says, the host cannot have all of it."""
        if isinstance(event, Answer) and event.reply.is_positive:
            trouble = Trouble(kind=TroubleKind.PROTOCOL_ERROR, text=f"reply {event.reply.code} before the final dot")
            self._conclude(transaction, transaction.waiting, trouble, Stage.END_OF_DATA)
        else:
            self._break_off(transaction, event)

    async def _send_dot(self, transaction: Transaction, content: bytes, *, is_tail: bool) -> None:
        """Send the rest with the dot, with the next transaction's commands behind it, and take the dot's answer."""
        connection = self._connection
        self._carried += 1
        following = self._take_following()
        # From here on the host may take it: should this process end now, the attempt is an uncertain one.
        transaction.waiting = []
        if is_tail:  # alone: while any of it is unsent, the dot is
            await connection.write_large(content, self._timeouts.block)
            connection.write(following)
            dot_is_unsent = connection.has_unsent
        else:
            connection.write(content + following)
            dot_is_unsent = False

        def take_answer(event: Event) -> None:
            if not transaction.is_answered and isinstance(event, Answer) and event.stage is Stage.END_OF_DATA:
                transaction.is_answered = True
                self._finish(transaction, event.reply, uncertain=event.reply.code // 100 not in SENSIBLE)

        event = await connection.event(self._timeouts.end_of_data, take_answer)
        take_answer(event)
        if transaction.is_answered:
            return
        self._note_step(event)
        self._finish(transaction, _trouble_of(event), uncertain=not dot_is_unsent)
        connection.abort()

    def _finish(self, transaction: Transaction, what: Reply | Trouble, *, uncertain: bool) -> None:
        self.lane.outcomes.conclude(
            self, transaction.accepted, what, Stage.END_OF_DATA, transaction.started_ms, uncertain=uncertain
        )

    def _take_following(self) -> bytes:
        """Take the next transaction, when it may share this one's last packet; its commands, as octets."""
        if not self._pipelines or self.is_through or self._carried >= self._most_messages:
            return b""
        following = self.lane.take(self)
        if following is None or not self._sift(following):
            return b""
        following.is_sent = True
        self._following = following
        engine = self._connection.engine
        return b"".join([engine.send(command) for command in following.commands])

    async def _reset(self) -> None:
        """End an abandoned transaction, so that the next MAIL is legal (RFC 5321 §4.1.4)."""
        self._connection.send(Rset())
        event = await self._connection.event(self._timeouts.rset)
        if not isinstance(event, Answer) or not event.reply.is_positive:
            self._connection.abort()

    # -- outcomes ---------------------------------------------------------------------------------------------------

    def _break_off(self, transaction: Transaction, event: Event, *, is_untried: bool = False) -> None:
        """The session ended, or said something out of turn, before all commands were answered."""
        self._give_surplus_back(transaction)
        self._note_step(event)
        if is_untried and self._has_worked:
            self._give_back(transaction)
        elif self._closing is not None:  # it had said why
            self._conclude(transaction, transaction.waiting, self._closing.reply, self._closing.stage)
        elif isinstance(event, Answer):
            self._conclude(transaction, transaction.waiting, event.reply, event.stage)
        else:
            self._conclude(transaction, transaction.waiting, event.trouble, event.stage)
        if not isinstance(event, Answer):
            self._connection.abort()

    def _note_step(self, event: Event) -> None:
        """A host whose replies did not fit grouped commands gets them one at a time from now on."""
        if isinstance(event, Broken) and self._pipelines:
            self._dialled.memory.lost_step(self.host)

    def _conclude(self, transaction: Transaction, works: list[Work], what: Reply | Trouble, stage: Stage) -> None:
        works = list(works)
        for work in works:
            transaction.waiting.remove(work)
        self.lane.outcomes.conclude(self, works, what, stage, transaction.started_ms, uncertain=False)

    def _give_back(self, transaction: Transaction) -> None:
        works, transaction.waiting = transaction.waiting, []
        self.lane.outcomes.not_tried(works)

    def _give_surplus_back(self, transaction: Transaction) -> None:
        works, transaction.surplus = transaction.surplus, []
        if works:
            for work in works:
                transaction.waiting.remove(work)
            self.lane.outcomes.not_tried(works)

    def _seconds(self, command: Command) -> float:
        if isinstance(command, Rcpt):
            return self._timeouts.rcpt
        return self._timeouts.mail if isinstance(command, Mail) else self._timeouts.data


def _has_ended(connection: Connection) -> bool:
    """Whether the connection ended, or something came that nobody asked for."""
    return connection.has_event or not connection.is_open


def _trouble_of(event: Event) -> Trouble:
    if isinstance(event, Answer):  # an answer where none belongs
        return Trouble(kind=TroubleKind.PROTOCOL_ERROR, text=f"unexpected reply {event.reply.code}")
    return event.trouble


def _says_too_many(reply: Reply) -> bool:
    """Whether, behind accepted recipients, this asks for another transaction. A full mailbox is no such thing."""
    enhanced = reply.enhanced or ""
    return enhanced.endswith(TOO_MANY_5_3) or (reply.code in TOO_MANY and ABOUT_MAILBOX not in enhanced)
