"""What a host says: one SMTP conversation without its socket and its clock (RFC 5321).

Takes commands and bodies, gives replies, and writes the ledger. When a reply leaves, how replies are kept in order and
what an end of the connection looks like is the duty of ``softbounce_playground.connection``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from softbounce_playground import command_lines, usual_replies
from softbounce_playground.body import BodyReader
from softbounce_playground.dns_labels import read_name
from softbounce_playground.ledger import Command, Entry, Ledger
from softbounce_playground.point import DROP, HANG, Point
from softbounce_playground.replies_by_address import Visits, asked_by_recipient, asked_by_sender
from softbounce_playground.transaction import Transaction

if TYPE_CHECKING:
    from softbounce_playground.hosts import Host

__all__ = ["Conversation"]

FORGET = b"XFORGET"
"""For tests that share a playground: nobody was greylisted, or cut off, so far."""


class Conversation:
    """One client's conversation with a host.

    Every reply is the text of a reply, :data:`~softbounce_playground.point.DROP` or
    :data:`~softbounce_playground.point.HANG`.

    :ivar verb: of the last command, in capitals; empty before the first.
    :ivar reads_body: what comes next is a body, not a command.
    :ivar offers_tls: STARTTLS is offered, and was not said yet.
    """

    __slots__ = (
        "_body",
        "_ehlo",
        "_host",
        "_is_refusing",
        "_ledger",
        "_peer",
        "_transaction",
        "_visits",
        "offers_tls",
        "reads_body",
        "verb",
    )

    def __init__(self, host: Host, ledger: Ledger, visits: Visits, peer: str) -> None:
        self._host = host
        self._ledger = ledger
        self._visits = visits
        self._peer = peer
        self._ehlo = ""
        self._is_refusing = False  # after a greeting that was not positive
        self._transaction: Transaction | None = None
        self._body = BodyReader()
        self.verb = b""
        self.reads_body = False
        self.offers_tls = False

    @property
    def delay_seconds(self) -> float:
        """How long the reply that was just given has to wait."""
        delay, transaction = self._host.delay_seconds, self._transaction
        if transaction is None:
            return delay
        delay = max(delay, transaction.delay_seconds)
        return delay if transaction.received is None else max(delay, transaction.dot_delay_seconds)

    def greet(self) -> str:
        """Begin."""
        limit = self._host.behaviour.max_connections
        if limit and len(self._host.sessions) > limit:
            return usual_replies.TOO_MANY_CONNECTIONS_421
        greeting = self._host.replies.get(Point.GREETING) or f"220 {self._host.name} ESMTP softbounce playground"
        self._is_refusing = not greeting.startswith("2")
        return greeting

    def obey(self, line: bytes) -> str:
        """Answer a command line, given without its line end."""
        self.verb = line[:4].upper()
        if self._ledger.transcript is not None:
            self._ledger.transcript.append(Command(self._host.address, self._peer, line))
        match self.verb:
            case b"QUIT":
                self.end()
                return self._host.replies.get(Point.QUIT) or usual_replies.BYE_221
            case _ if self._is_refusing:
                return usual_replies.BAD_SEQUENCE_503
            case b"MAIL":
                return self._mail(line)
            case b"RCPT":
                return self._rcpt(line)
            case b"DATA":
                return self._data()
            case _:
                return self._outside_of_mail(line)

    def _outside_of_mail(self, line: bytes) -> str:
        match self.verb:
            case b"EHLO" | b"HELO":
                return self._hello(line)
            case b"RSET":
                self.end()
                return self._host.replies.get(Point.RSET) or usual_replies.OK_250
            case b"STAR" if self.offers_tls:
                return self._start_tls()
            case b"NOOP":
                return usual_replies.OK_250
            case b"XFOR" if line.upper() == FORGET:
                self._visits.forget()
                return usual_replies.OK_250
            case _:
                self._ledger.violations["command not known"] += 1
                return usual_replies.UNKNOWN_COMMAND_500

    def take_body(self, octets: bytes) -> tuple[str | None, bytes]:
        """Take in what arrived of a body.

        :returns: the reply once there is one, and the octets that are no longer part of the body.
        """
        transaction = self._transaction
        if transaction is None:
            raise AssertionError("a body belongs to a transaction")
        asked = self._host.replies.get(Point.BODY) or transaction.asked_at(Point.BODY, self._visits)
        if asked is not None:
            self._body.feed(octets[: len(octets) // 2])
            return asked, b""
        received, rest = self._body.feed(octets)
        if received is None:
            return None, b""
        self.reads_body = False
        reply = self._host.replies.get(Point.DOT) or transaction.asked_at(Point.DOT, self._visits)
        if reply is None and received.octets > self._host.behaviour.max_message_octets > 0:
            reply = usual_replies.TOO_BIG_552
        if reply is None:
            reply = usual_replies.TAKEN_250 if transaction.recipients else usual_replies.NO_RECIPIENTS_554
        transaction.receive(received, reply)
        return reply, rest

    @property
    def is_answering_dot(self) -> bool:
        """Whether the reply that was just given is the answer to a final dot."""
        return self._transaction is not None and self._transaction.received is not None

    def said(self, reply: str) -> None:
        """Note that a reply has left: a message is taken when its taking was answered."""
        if self._transaction is not None and self._transaction.received is not None:
            self.end(answer=int(reply[:3]))

    def end(self, *, answer: int | None = None) -> None:
        """End the transaction, where there is one, and write down what it came to."""
        transaction = self._transaction
        self._transaction = None
        self.reads_body = False
        if transaction is not None and not transaction.is_logged and (transaction.data_begun or transaction.refused):
            self._log(transaction, answer=answer)

    def _hello(self, line: bytes) -> str:
        self.end()
        name = line[5:].strip().decode("utf-8", "backslashreplace")
        if not name:
            return usual_replies.BAD_SYNTAX_501
        usual = self._host.ehlo_reply_with_tls if self.offers_tls else self._host.ehlo_reply
        usual = usual if self.verb == b"EHLO" else f"250 {self._host.name}"
        asked = self._host.replies.get(Point.EHLO) if self.verb == b"EHLO" else None
        reply = asked or usual
        if reply.startswith("2"):
            self._ehlo = name
        return reply

    def _start_tls(self) -> str:
        """Once it is begun, whatever was said before is forgotten (RFC 3207 §4.2)."""
        reply = self._host.replies.get(Point.STARTTLS) or usual_replies.READY_FOR_TLS_220
        if reply == usual_replies.READY_FOR_TLS_220:
            self.end()
            self._ehlo = ""
            self.offers_tls = False
        return reply

    def _mail(self, line: bytes) -> str:
        if self._transaction is not None or not self._ehlo:
            self._ledger.violations["MAIL within a transaction" if self._ehlo else "MAIL before EHLO"] += 1
            return usual_replies.BAD_SEQUENCE_503
        parsed = command_lines.parse_mail(line)
        if parsed is None:
            self._ledger.violations["MAIL with bad syntax"] += 1
            return usual_replies.BAD_SYNTAX_501
        sender, parameters = parsed
        behaviour = self._host.behaviour
        if parameters and command_lines.unoffered_parameter(parameters, behaviour.extensions):
            self._ledger.violations["MAIL with a parameter that was not offered"] += 1
            return usual_replies.PARAMETER_555
        if parameters and command_lines.announced_octets(parameters) > behaviour.max_message_octets > 0:
            return usual_replies.TOO_BIG_552
        reply = asked_by_sender(sender).reply or self._host.replies.get(Point.MAIL)
        if reply is None:
            reply = usual_replies.TOO_FAST_450 if self._host.is_too_fast() else usual_replies.SENDER_OK_250
        if reply.startswith("2"):
            self._transaction = Transaction(sender=sender)
        return reply

    def _rcpt(self, line: bytes) -> str:
        recipient = command_lines.parse_rcpt(line)
        if recipient is None:
            self._ledger.violations["RCPT with bad syntax"] += 1
            return usual_replies.BAD_SYNTAX_501
        transaction = self._transaction
        if transaction is None or transaction.is_logged:
            return usual_replies.BAD_SEQUENCE_503
        asked = asked_by_recipient(recipient)
        transaction.meet(asked)
        if self._host.is_shared:
            delay = read_name(recipient.rpartition("@")[2].lower()).behaviour.delay
            transaction.delay_seconds = max(transaction.delay_seconds, delay.total_seconds())
        reply = self._host.replies.get(Point.RCPT)
        if reply is None and asked.point is Point.RCPT:
            reply = asked.reply if self._visits.still_applies(asked, transaction.sender, recipient) else None
        if reply is None:
            is_full = len(transaction.recipients) >= self._host.behaviour.max_recipients
            reply = usual_replies.TOO_MANY_RECIPIENTS_452 if is_full else usual_replies.RECIPIENT_OK_250
        if reply.startswith("2"):
            transaction.accept(recipient, asked)
        else:
            transaction.refuse(recipient, reply)
        return reply

    def _data(self) -> str:
        transaction = self._transaction
        if transaction is None or transaction.is_logged:
            return usual_replies.BAD_SEQUENCE_503
        behaviour = self._host.behaviour
        if not transaction.recipients and not behaviour.data_without_recipients:
            self._log(transaction)
            return usual_replies.NO_RECIPIENTS_554
        asked = self._host.replies.get(Point.DATA) or transaction.asked_at(Point.DATA, self._visits)
        reply = asked or usual_replies.GO_AHEAD_354
        if reply.startswith("354"):
            transaction.data_begun = True
            self.reads_body = True
            self._body.begin(behaviour.max_message_octets)
        else:
            self._log(transaction, answer=None if reply in {DROP, HANG} else int(reply[:3]))
        return reply

    def _log(self, transaction: Transaction, *, answer: int | None = None) -> None:
        transaction.is_logged = True
        ledger = self._ledger
        received = transaction.received
        if received is not None and received.sha256 and ledger.bodies is not None:
            ledger.bodies[received.sha256] = received.body
        ledger.add(
            Entry(
                at=ledger.now(),
                host=self._host.name,
                address=self._host.address,
                peer=self._peer,
                ehlo=self._ehlo,
                sender=transaction.sender,
                recipients=tuple(transaction.recipients),
                refused=tuple(transaction.refused),
                message_id=received.message_id if received else "",
                octets=received.octets if received else self._body.octets * transaction.data_begun,
                sha256=received.sha256 if received else "",
                data_begun=transaction.data_begun,
                complete=received is not None,
                kept=transaction.is_kept,
                answer=answer,
                kind=transaction.kind,
                connections=len(self._host.sessions),
            )
        )
