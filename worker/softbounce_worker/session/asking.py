"""Asks a host whether it takes a message: MAIL, RCPT, DATA, all at once where it offers PIPELINING (RFC 2920).

DATA is left out where the message goes as a chunk (RFC 3030), which saves its round trip: where commands go one at a
time, CHUNKING is offered, and the message is not so large that a round trip is nothing, and one copy of it more is
much. In a group DATA costs none, and BDAT may stand in no group with RCPT. So the 354 is not given up where it is free:
it is the one reply that proves that all before it were in step.

Who is charged: whatever a host *says* to a command concerns the recipients it was said for, once :mod:`.judged` is sure
that it was said to that command. A connection that ends, or a 421 (RFC 5321 §3.8), concerns those without an outcome so
far; but where it hits a session between two transactions that has worked before, nothing was tried, and the mail goes
by another session, uncharged. So it does where the host did not keep to a group: with a refusal that may be about the
group, with silence or an end in its middle, or with replies that do not fit. It hears one command at a time then.
"""

from __future__ import annotations

from softbounce.classify import may_blame_grouping
from softbounce.reply import Reply
from softbounce.stage import Stage
from softbounce_worker.session.conversation import Conversation
from softbounce_worker.session.judged import Said
from softbounce_worker.session.transaction import Transaction
from softbounce_worker.smtp import Answer, Broken, Command, Event, Lost, Mail, Rcpt
from softbounce_worker.work import Work

__all__ = ["START_CONTENT_354", "Asking"]

LARGEST_CHUNK = 256 * 1024
START_CONTENT_354 = 354
CLOSING_421 = 421
BAD_SEQUENCE_503 = 503
TOO_MANY = frozenset({452, 552})  # RFC 5321 §4.5.3.1.10
TOO_MANY_5_3 = ".5.3"
ABOUT_MAILBOX = ".2."


class Asking:
    """The first part of one transaction.

    :ivar is_chunk_due: all is answered, and what is accepted goes as a chunk: DATA was not said.
    """

    def __init__(self, session: Conversation, transaction: Transaction) -> None:
        self._session = session
        self._transaction = transaction
        self._connection = session.connection
        self._in_group = session.offered.pipelining and session.health.takes_groups(session.host)
        self.is_chunk_due = False
        is_small = len(transaction.content) <= LARGEST_CHUNK
        self._by_chunk = is_small and not self._in_group and session.takes_chunks
        self._closing: Answer | None = None

    async def ask(self) -> Reply | None:
        """Judge whatever ends here; returns DATA's reply, if one came. Without DATA none does."""
        reply = await self._ask()
        self._give_surplus_back()
        return reply

    async def _ask(self) -> Reply | None:
        transaction = self._transaction
        self._connection.send(*(transaction.commands if self._in_group else [transaction.mail]))
        for position, command in enumerate(transaction.commands):
            if position and not self._in_group and not self._say(command):
                return None
            event = await self._connection.event(self._seconds(command))
            if not isinstance(event, Answer) or event.command is not command:
                self._break_off(event, is_untried=not position)
                return None
            if event.reply.code == CLOSING_421:
                self._closing = event
            if self._is_doubtful(command, event.reply):
                self._say_singly(event)
                return None
            if command is transaction.data:
                self._answer_data(event.reply)
                return event.reply
            if command is transaction.mail:
                self._answer_mail(event.reply)
            elif not transaction.sender_is_refused:
                self._answer_rcpt(transaction.works[position - 1], event.reply)
            self._session.has_worked = True
        return None

    def _say(self, command: Command) -> bool:
        """Say a command by itself. False: there is nobody left to ask for, or nobody to ask, or nothing to say."""
        if self._transaction.is_refused(command):
            return False
        if self._closing is not None:  # it hears nothing more, though its end may not have come yet
            self._break_off(self._closing, is_untried=False)
            return False
        if self._by_chunk and command is self._transaction.data:
            self.is_chunk_due = True
            return False
        self._connection.send(command)
        return True

    # -- answers ----------------------------------------------------------------------------------------------------

    def _answer_mail(self, reply: Reply) -> None:
        transaction = self._transaction
        transaction.sender_is_refused = not reply.is_positive
        if reply.code == CLOSING_421 and self._session.has_worked:
            self._session.give_back(transaction.take_waiting())
        elif transaction.sender_is_refused:
            self._session.judge(transaction, transaction.works, reply, Stage.MAIL)

    def _answer_rcpt(self, work: Work, reply: Reply) -> None:
        transaction, session = self._transaction, self._session
        if reply.is_positive:
            if work.goes_alone:  # and was refused in mixed company
                session.health.wants_one_domain(session.host)
            transaction.accepted.append(work)
        elif transaction.accepted and _says_too_many(reply):
            session.most_recipients = min(session.most_recipients, len(transaction.accepted))
            transaction.surplus.append(work)
        elif session.outcomes.asks_for_its_own(session, transaction, work, reply):
            work.goes_alone = True
            transaction.surplus.append(work)
        else:
            session.judge(transaction, [work], reply, Stage.RCPT)

    def _answer_data(self, reply: Reply) -> None:
        if reply.code == START_CONTENT_354:  # nothing but DATA is answered so: all before it was in step
            self._session.settle()
        else:
            self._session.judge(self._transaction, self._transaction.accepted, reply, Stage.DATA)

    # -- a host that does not keep to the order ---------------------------------------------------------------------

    def _is_doubtful(self, command: Command, reply: Reply) -> bool:
        """Whether a refusal may be about how the command was sent, or about the session, and not about what it said.

        A RCPT behind a refused MAIL, and a DATA without recipients, are refused for that.
        """
        transaction, session = self._transaction, self._session
        if session.is_careful or transaction.is_refused(command):
            return False
        if self._in_group:
            return may_blame_grouping(reply)
        return command is transaction.mail and session.begun > 1 and reply.code == BAD_SEQUENCE_503

    def _say_singly(self, event: Answer) -> None:
        """All of this transaction is said again, one command at a time: what it was told so far counts for nothing."""
        transaction, session = self._transaction, self._session
        if self._in_group:
            session.health.disliked_group(session.host)
        else:
            session.health.lost_step(session.host)
        for said in session.judged.take_back(transaction):
            session.tell_again(said)
        session.tell_again(Said(transaction, transaction.take_waiting(), event.reply, event.stage))
        self._connection.abort()  # it may wait for content, or for the rest of the group

    def _break_off(self, event: Event, *, is_untried: bool) -> None:
        """The session ended, or said something out of turn, before all commands were answered."""
        transaction, session = self._transaction, self._session
        self._give_surplus_back()
        if isinstance(event, Broken):
            session.lose_step(event, transaction)
        elif is_untried and session.has_worked:
            session.give_back(transaction.take_waiting())
        elif self._closing is not None:  # it had said why
            session.judge(transaction, transaction.waiting, self._closing.reply, self._closing.stage)
        elif isinstance(event, Answer):
            session.judge(transaction, transaction.waiting, event.reply, event.stage)
        else:
            self._break_group_off(event)
        if not isinstance(event, Answer):
            self._connection.abort()

    def _break_group_off(self, event: Lost) -> None:
        """Without a word: that may be for the group, which is said again singly; or it concerns who waits."""
        transaction, session = self._transaction, self._session
        rest = Said(transaction, transaction.take_waiting(), event.trouble, event.stage)
        if self._in_group and rest.works:
            session.health.disliked_group(session.host)
            session.tell_again(rest)
        else:
            session.conclude(rest)

    def _give_surplus_back(self) -> None:
        transaction = self._transaction
        works, transaction.surplus = transaction.surplus, []
        for work in works:
            transaction.waiting.remove(work)
        self._session.give_back(works)

    def _seconds(self, command: Command) -> float:
        timeouts = self._session.timeouts
        if isinstance(command, Rcpt):
            return timeouts.rcpt
        return timeouts.mail if isinstance(command, Mail) else timeouts.data


def _says_too_many(reply: Reply) -> bool:
    """Whether, behind accepted recipients, this asks for another transaction. A full mailbox is no such thing."""
    enhanced = reply.enhanced or ""
    return enhanced.endswith(TOO_MANY_5_3) or (reply.code in TOO_MANY and ABOUT_MAILBOX not in enhanced)
