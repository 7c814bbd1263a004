"""Sends a message that a host asked for: the content but its end, the marker into the store, the end with the dot.

A message goes as one chunk in place of that where DATA would cost a round trip (:mod:`.asking`); its last octets are
its dot. A host that does not know BDAT after all is told the message again, by DATA, uncharged. Where it hangs up
instead, it may have taken it: that is an attempt without an answer, as ever, and the next is by DATA.

So the marker is never older than a moment, and a crash in the middle of a large body is no uncertain one. The dot is
the last that is written: "it never left" is said only while the end of what was written waits in our own buffer, and
whatever the host says then ends the connection, so that it never will. Otherwise a dot without an answer is uncertain.

LMTP answers the dot once for each recipient, in their order (RFC 2033 §4.2): whoever has no answer when it ends is
uncertain, and nobody else. A host that answers some and then nothing for all the time that an answer may take is one
that answers once for all: from then on it gets one recipient at a time, or each retry would make copies for the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.session.connection import Connection
from softbounce_worker.session.conversation import Conversation, trouble_of
from softbounce_worker.session.transaction import Transaction
from softbounce_worker.smtp import Answer, Broken, Chunk, Content, Event, Lost, unstuff
from softbounce_worker.work import Work

__all__ = ["Sending"]

LARGE = 32 * 1024
TAIL = 4 * 1024
"""What of a large content waits for the marker."""
SENSIBLE = frozenset({2, 4, 5})
REFUSALS = frozenset({4, 5})
SYNTAX_50 = 50
"""The first two digits of what is said to a command that is not known, or out of order (RFC 5321 §4.2.1)."""


class Sending:
    """The second part of one transaction.

    :param by_chunk: the message goes as one; else a 354 asked for it.
    """

    def __init__(self, session: Conversation, transaction: Transaction, *, by_chunk: bool = False) -> None:
        self._by_chunk = by_chunk
        self._session = session
        self._transaction = transaction
        self._connection = session.connection
        self._is_answered = False

    async def send(self) -> None:
        """From the 354, or the last answer to RCPT, to the dot's."""
        connection, transaction = self._connection, self._transaction
        if _has_ended(connection):  # right behind its 354
            await self._end_before_dot()
            return
        content = memoryview(connection.smtp.send(self._message()))
        head = len(content) - TAIL if len(content) > LARGE else 0
        if head:
            await connection.write_large(content[:head], self._session.timeouts.block)
            if _has_ended(connection):
                await self._end_before_dot()
                return
        if not await self._session.outcomes.mark(transaction.accepted):
            transaction.waiting = []
            connection.abort()
        elif _has_ended(connection):  # meanwhile: no dot has left
            await self._end_before_dot()
        else:
            await self._send_dot(content[head:])

    def _message(self) -> Chunk | Content:
        content = self._transaction.content
        return Chunk(unstuff(content)) if self._by_chunk else Content(content)

    async def _end_before_dot(self) -> None:
        """Something came while the content was on its way. Whatever it says, the host cannot have all of it."""
        session, transaction = self._session, self._transaction
        event = await self._connection.event(0)
        self._note_step(event)
        if self._is_unknown(event) or (self._by_chunk and not isinstance(event, Answer)):
            self._say_by_data()
        elif not isinstance(event, Answer):
            session.judge(transaction, transaction.waiting, event.trouble, event.stage)
        elif event.reply.code // 100 in REFUSALS:
            session.judge(transaction, transaction.waiting, event.reply, event.stage)
        else:
            session.judge(transaction, transaction.waiting, _too_early(event.reply), Stage.END_OF_DATA)
        session.settle()
        self._connection.abort()

    async def _send_dot(self, content: memoryview) -> None:
        """Send the rest with the dot, nothing behind it, and take the dot's answer."""
        connection = self._connection
        self._session.carried += 1
        # From here on the host may take it: should this process end now, the attempt is an uncertain one.
        self._transaction.waiting = []
        await connection.write_large(content, self._session.timeouts.block)
        if connection.smtp.is_lmtp:
            await self._take_answers()
            return
        event = await connection.event(self._session.timeouts.end_of_data, self._take_answer)
        self._take_answer(event)
        if self._is_answered:
            return
        self._note_step(event)
        if self._by_chunk:
            if self._is_unknown(event) or connection.has_unsent:
                self._say_by_data()
                return
            self._session.health.refused_chunk(self._session.host)
        self._finish(trouble_of(event), uncertain=not connection.has_unsent)
        connection.abort()

    async def _take_answers(self) -> None:
        """One for each recipient."""
        connection = self._connection
        left = list(self._transaction.accepted)
        taken: list[Event] = []

        def take(event: Event) -> None:
            if event in taken or not isinstance(event, Answer) or event.stage is not Stage.END_OF_DATA:
                return
            taken.append(event)
            reply = event.reply
            if connection.has_unsent and reply.is_positive:
                self._finish(_too_early(reply), uncertain=False, works=[left.pop(0)])
            else:
                self._finish(reply, uncertain=reply.code // 100 not in SENSIBLE, works=[left.pop(0)])

        while left:
            number = len(left)
            event = await connection.event(self._session.timeouts.end_of_data, take)
            take(event)
            taken.clear()
            if len(left) == number:
                self._note_step(event)
                if number < len(self._transaction.accepted) and _is_timeout(event):
                    self._session.health.answers_once(self._session.host)
                self._finish(trouble_of(event), uncertain=not connection.has_unsent, works=left)
                connection.abort()
                return

    def _take_answer(self, event: Event) -> None:
        if self._is_answered or not isinstance(event, Answer) or event.stage is not Stage.END_OF_DATA:
            return
        if self._is_unknown(event):
            return
        self._is_answered = True
        reply = event.reply
        if self._connection.has_unsent and reply.is_positive:
            self._finish(_too_early(reply), uncertain=False)
            return
        surplus = self._connection.surplus
        if surplus is not None and surplus.is_positive and not reply.is_positive:  # refused, and taken too
            text = f"replies {reply.code} and {surplus.code} to the final dot"
            self._finish(Trouble(kind=TroubleKind.PROTOCOL_ERROR, text=text), uncertain=True)
            return
        self._finish(reply, uncertain=reply.code // 100 not in SENSIBLE)

    def _is_unknown(self, event: Event) -> bool:
        """Whether the host says of BDAT that it is no command, or none here: that is nothing about the message."""
        if not self._by_chunk or not isinstance(event, Answer):
            return False
        surplus = self._connection.surplus
        if surplus is not None and surplus.is_positive:
            return False
        return event.reply.code // 10 == SYNTAX_50

    def _say_by_data(self) -> None:
        """None of it counts, and all is said again, uncharged. Not an octet more to a host that may obey a message."""
        session, transaction = self._session, self._transaction
        transaction.waiting = []
        session.health.refused_chunk(session.host)
        session.give_back(transaction.accepted)
        self._connection.abort()

    def _finish(self, what: Reply | Trouble, *, uncertain: bool, works: Sequence[Work] | None = None) -> None:
        """An attempt ended for some, or for all."""
        transaction, session = self._transaction, self._session
        session.outcomes.conclude(
            session,
            transaction.accepted if works is None else works,
            what,
            Stage.END_OF_DATA,
            transaction.started_ms,
            uncertain=uncertain,
        )

    def _note_step(self, event: Event) -> None:
        """A host whose replies did not fit the commands gets them one at a time from now on."""
        if isinstance(event, Broken):
            self._session.health.lost_step(self._session.host)


def _has_ended(connection: Connection) -> bool:
    """Whether the connection ended, or something came that nobody asked for."""
    return connection.has_event or not connection.is_open


def _is_timeout(event: Event) -> bool:
    return isinstance(event, Lost) and event.trouble.kind is TroubleKind.TIMEOUT


def _too_early(reply: Reply) -> Trouble:
    return Trouble(kind=TroubleKind.PROTOCOL_ERROR, text=f"reply {reply.code} before the final dot")
