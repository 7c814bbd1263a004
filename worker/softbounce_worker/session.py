"""Drives one session: transaction after transaction over one connection, from MAIL to the answer to the dot.

A transaction is one message for up to 100 recipients. The order is what makes it safe: MAIL, RCPT, DATA, 354, then the
marker in the store, then the dot, then the result in the journal and the store. The next transaction's commands leave
together with this one's content where the host offers PIPELINING (RFC 2920), so a message costs one round trip.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage

from .errors import LocalProtocolError
from .opening import Dialled, Timeouts, say_goodbye
from .smtp import LONE_DOT, Answer, Command, Content, Data, Event, Extensions, Mail, Rcpt, Rset, State

if TYPE_CHECKING:
    from .lane import Lane
    from .work import Work

__all__ = ["Session", "Transaction"]

TOO_MANY = frozenset({452, 552})
LARGE = 32 * 1024


class Transaction:
    """One message on its way to some recipients.

    :ivar accepted: recipients whose RCPT was accepted.
    :ivar waiting: recipients without an outcome so far whose message cannot have been taken: they may go back untried.
    """

    __slots__ = ("accepted", "commands", "data", "mail", "rcpts", "started_ms", "waiting", "works")

    def __init__(self, works: list[Work], started_ms: int) -> None:
        self.works = works
        self.started_ms = started_ms
        first = works[0]
        self.mail = Mail(
            first.record.envelope.sender,
            size=first.parcel.octets,
            eight_bit=first.parcel.eight_bit,
            smtputf8=first.parcel.smtputf8,
        )
        self.rcpts = [Rcpt(work.record.envelope.recipient) for work in works]
        self.data = Data()
        self.commands: tuple[Command, ...] = (self.mail, *self.rcpts, self.data)
        self.accepted: list[Work] = []
        self.waiting = list(works)


class Session:
    """One open session of a lane."""

    def __init__(self, lane: Lane, dialled: Dialled, timeouts: Timeouts) -> None:
        self.lane = lane
        self.host = dialled.host
        self.address = dialled.address
        self._connection = dialled.connection
        self._timeouts = timeouts
        self._carried = 0
        self._is_spoiled = False

    def wake(self) -> None:
        """There may be work, or it is time to go."""
        self._connection.wake()

    def abort(self) -> None:
        """End at once."""
        self._connection.abort()
        self._connection.wake()

    async def run(self, first: Transaction) -> None:
        """Carry transactions until the lane has none, the host has enough, or the session ends."""
        current: Transaction | None = first
        opened = False
        try:
            while current is not None:
                if not opened and not self._open(current):
                    break
                opened = False
                following = await self._transact(current)
                if following is not None:
                    opened, current = True, following
                else:
                    current = await self._next()
            await say_goodbye(self._connection, self._timeouts.quit)
        finally:
            if current is not None:
                self.lane.not_tried(current.waiting)
            self._connection.close()

    # -- taking work ------------------------------------------------------------------------------------------------

    async def _next(self) -> Transaction | None:
        """The next transaction; waits for one for as long as a session may be idle."""
        if not self._is_usable():
            return None
        current = self.lane.take(self)
        if current is not None or self.lane.is_ending:
            return current
        self.lane.idle.add(self)
        try:
            until = asyncio.get_running_loop().time() + self._timeouts.idle
            while (left := until - asyncio.get_running_loop().time()) > 0 and not self.lane.is_ending:
                await self._connection.idle(left)
                if self._connection.has_event or not self._connection.is_open:
                    return None
                current = self.lane.take(self)
                if current is not None:
                    return current
        finally:
            self.lane.idle.discard(self)
        return None

    def _is_usable(self) -> bool:
        limit = self.lane.rule.messages_per_connection
        return (
            self._connection.is_open
            and not self._is_spoiled
            and not self._connection.has_event
            and self._connection.engine.state is State.READY
            and (not limit or self._carried < limit)
        )

    # -- one transaction --------------------------------------------------------------------------------------------

    def _open(self, transaction: Transaction) -> bool:
        """Send the commands before the content, all at once where the host offers PIPELINING. False: not possible here."""
        extensions = self._connection.engine.extensions
        trouble = _unsendable(transaction, extensions)
        if trouble is not None:
            self._conclude(transaction, transaction.works, trouble, Stage.MAIL)
            return False
        try:
            if extensions is not None and extensions.pipelining:
                self._connection.send(*transaction.commands)
            else:
                self._connection.send(transaction.mail)
        except LocalProtocolError as error:
            trouble = Trouble(kind=TroubleKind.PROTOCOL_ERROR, text=str(error))
            self._conclude(transaction, transaction.works, trouble, Stage.MAIL)
            return False
        return True

    async def _transact(self, transaction: Transaction) -> Transaction | None:
        """From MAIL to the dot's answer. Returns the next transaction when its commands left with the content."""
        data_reply = await self._ask(transaction)
        if data_reply is None or data_reply.code != 354:  # noqa: PLR2004 - RFC 5321 §4.3.2
            if self._connection.is_open and self._connection.engine.state in {State.SENDER, State.RECIPIENTS}:
                await self._reset()
            return None
        works = transaction.accepted
        if not works:  # all were refused, yet 354 came: a lone dot, whose answer means nothing (RFC 2920 §3.1)
            self._connection.send(Content(LONE_DOT))
            await self._connection.event(self._timeouts.end_of_data)
            return None
        if not await self.lane.mark(works):
            self._connection.abort()
            transaction.waiting = []
            return None
        return await self._content(transaction, works)

    async def _ask(self, transaction: Transaction) -> Reply | None:
        """MAIL, RCPT, DATA. Concludes whatever ends here; returns DATA's reply, if one came."""
        extensions = self._connection.engine.extensions
        pipelining = extensions is not None and extensions.pipelining
        mail_refused = False
        for position, command in enumerate(transaction.commands):
            if not pipelining and position:
                if mail_refused or (command is transaction.data and not transaction.accepted):
                    return None
                self._connection.send(command)
            event = await self._connection.event(self._seconds(command))
            if not isinstance(event, Answer) or event.command is not command:
                self._break_off(transaction, event)
                return None
            reply = event.reply
            if command is transaction.data:
                if reply.code != 354 and transaction.accepted:  # noqa: PLR2004
                    self._conclude(transaction, transaction.accepted, reply, Stage.DATA)
                    transaction.accepted = []
                return reply
            if command is transaction.mail:
                if not reply.is_positive:
                    mail_refused = True
                    if reply.code == 421 and self._carried:  # noqa: PLR2004 - the host ended a session that had worked
                        self.lane.not_tried(transaction.waiting)
                        transaction.waiting = []
                    else:
                        self._conclude(transaction, transaction.works, reply, Stage.MAIL)
            elif not mail_refused:
                self._answer_rcpt(transaction, transaction.works[position - 1], reply)
        return None

    def _answer_rcpt(self, transaction: Transaction, work: Work, reply: Reply) -> None:
        if reply.is_positive:
            transaction.accepted.append(work)
        elif reply.code in TOO_MANY and transaction.accepted:  # too many recipients for one transaction, RFC 5321 §4.5.3.1.10
            self.lane.not_tried([work])
            transaction.waiting.remove(work)
        else:
            self._conclude(transaction, [work], reply, Stage.RCPT)

    async def _content(self, transaction: Transaction, works: list[Work]) -> Transaction | None:
        """Send content and dot, with the next transaction's commands behind it, and take the dot's answer."""
        connection = self._connection
        content = connection.engine.send(Content(works[0].parcel.content))
        following = self._following()
        if following is not None:
            try:
                content += b"".join([connection.engine.send(command) for command in following.commands])
            except LocalProtocolError as error:  # an address that the accept should have refused
                trouble = Trouble(kind=TroubleKind.PROTOCOL_ERROR, text=str(error))
                self._conclude(following, following.works, trouble, Stage.MAIL)
                following, self._is_spoiled = None, True
        # From here on the host may take it: should this process end now, the attempt is an uncertain one.
        transaction.waiting = []
        if len(content) > LARGE:
            await connection.send_large(content, self._timeouts.block)
        else:
            connection.write(content)
        self._carried += 1
        event = await connection.event(self._timeouts.end_of_data)
        if isinstance(event, Answer) and event.stage is Stage.END_OF_DATA:
            self.lane.conclude(self, works, event.reply, Stage.END_OF_DATA, transaction.started_ms, uncertain=False)
            if following is not None and not connection.is_open and not connection.has_event:
                self.lane.not_tried(following.waiting)
                return None
            return following
        if following is not None:
            self.lane.not_tried(following.waiting)
        trouble = _trouble_of(event)
        # What is still in our own buffer cannot have reached the host: the dot is its last part.
        left = connection.unsent_octets == 0
        self.lane.conclude(self, works, trouble, Stage.END_OF_DATA, transaction.started_ms, uncertain=left)
        connection.abort()
        return None

    def _following(self) -> Transaction | None:
        """The next transaction, when it may share this one's last packet."""
        extensions = self._connection.engine.extensions
        limit = self.lane.rule.messages_per_connection
        if extensions is None or not extensions.pipelining or (limit and self._carried + 1 >= limit):
            return None
        following = self.lane.take(self)
        if following is None:
            return None
        if _unsendable(following, extensions) is not None:
            self.lane.not_tried(following.works)
            return None
        return following

    async def _reset(self) -> None:
        """End an abandoned transaction, so that the next MAIL is legal (RFC 5321 §4.1.4)."""
        self._connection.send(Rset())
        event = await self._connection.event(self._timeouts.rset)
        if not isinstance(event, Answer) or not event.reply.is_positive:
            self._connection.abort()

    def _break_off(self, transaction: Transaction, event: Event) -> None:
        """The session ended, or said 421 out of the blue, before all commands were answered."""
        waiting = transaction.waiting
        transaction.waiting = []
        if isinstance(event, Answer):
            what: Reply | Trouble = event.reply
        else:
            what = _trouble_of(event)
        stage = event.stage
        if self._carried and stage is Stage.MAIL:  # a session that had worked ended between messages: no attempt
            self.lane.not_tried(waiting)
        else:
            self.lane.conclude(self, waiting, what, stage, transaction.started_ms, uncertain=False)
        if not isinstance(event, Answer):
            self._connection.abort()

    def _conclude(self, transaction: Transaction, works: list[Work], what: Reply | Trouble, stage: Stage) -> None:
        works = list(works)
        for work in works:
            transaction.waiting.remove(work)
        self.lane.conclude(self, works, what, stage, transaction.started_ms, uncertain=False)

    def _seconds(self, command: Command) -> float:
        if isinstance(command, Rcpt):
            return self._timeouts.rcpt
        return self._timeouts.mail if isinstance(command, Mail) else self._timeouts.data


def _trouble_of(event: Event) -> Trouble:
    if isinstance(event, Answer):  # an answer where none belongs
        return Trouble(kind=TroubleKind.PROTOCOL_ERROR, text=f"unexpected reply {event.reply.code}")
    return event.trouble


def _unsendable(transaction: Transaction, offered: Extensions | None) -> Trouble | None:
    """Why a message cannot be sent to this host at all, whatever it would answer."""
    parcel = transaction.works[0].parcel
    if offered is not None and not offered.takes(parcel.octets):
        text = f"the message has {parcel.octets} octets, the host takes {offered.size}"
        return Trouble(kind=TroubleKind.TOO_BIG, text=text, permanent=True, enhanced="5.3.4")
    if parcel.eight_bit and not (offered is not None and offered.eight_bit_mime):
        text = "the message has 8-bit content, and the host does not offer 8BITMIME"
        return Trouble(kind=TroubleKind.NEEDS_8BITMIME, text=text, permanent=True, enhanced="5.6.3")
    if parcel.smtputf8 and not (offered is not None and offered.smtputf8):
        text = "the message needs SMTPUTF8, which the host does not offer"
        return Trouble(kind=TroubleKind.NEEDS_SMTPUTF8, text=text, permanent=True, enhanced="5.6.7")
    return None
