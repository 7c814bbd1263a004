"""One SMTP conversation from the host's side (RFC 5321, with PIPELINING as in RFC 2920).

Commands are worked off strictly in order. A reply that is to come late stops the work until it has been given, so
that what follows it in a pipeline waits as it does at a real host. There is no task and no timer a command: a plain
transaction costs a few lookups in octets that have arrived anyway. Which reply a recipient gets is decided in
``softbounce_playground.script``, which reply a host gives in ``softbounce_playground.behaviour``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from softbounce_playground import commands
from softbounce_playground.body import BodyReader
from softbounce_playground.labels import read_name
from softbounce_playground.ledger import Command, Entry, Ledger
from softbounce_playground.point import DROP, HANG, Point
from softbounce_playground.script import Visits, script_of, sender_script_of
from softbounce_playground.transaction import Transaction

if TYPE_CHECKING:
    from softbounce_playground.hosts import Host

__all__ = ["Connection"]

MAX_LINE_OCTETS = 2048
MAX_WAITING_OCTETS = 1 << 20
LAST_REPLIES = ("221", "421")
"""Replies after which the host closes the connection."""


class Connection(asyncio.Protocol):
    """A client's connection to a host."""

    __slots__ = (
        "_body",
        "_buffer",
        "_ehlo",
        "_host",
        "_is_deaf",
        "_is_ended",
        "_is_refusing",
        "_ledger",
        "_out",
        "_peer",
        "_reads_body",
        "_timer",
        "_transaction",
        "_transport",
        "_verb",
        "_visits",
    )

    def __init__(self, host: Host, ledger: Ledger, visits: Visits) -> None:
        self._host = host
        self._ledger = ledger
        self._visits = visits
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transaction: Transaction | None = None
        self._body = BodyReader()
        self._out: list[str] = []
        self._buffer = b""
        self._verb = b""  # of the last command
        self._peer = ""
        self._ehlo = ""
        self._reads_body = False
        self._is_refusing = False  # after a greeting that was not positive
        self._is_deaf = False  # hangs: hears nothing any more
        self._is_ended = False

    # ── the transport's side ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._peer = f"{peer[0]}:{peer[1]}" if peer else ""
        self._host.enter(self)
        limit = self._host.behaviour.max_connections
        if limit and len(self._host.sessions) > limit:
            self._answer(commands.TOO_MANY_CONNECTIONS_421)
        else:
            greeting = self._host.replies.get(Point.GREETING) or f"220 {self._host.name} ESMTP softbounce playground"
            self._is_refusing = not greeting.startswith("2")
            self._answer(greeting)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Work off what arrived, as far as no reply is being delayed."""
        if self._is_deaf or self._is_ended:
            return
        self._buffer = self._buffer + data if self._buffer else data
        if self._timer is None:
            self._work()
            return
        if not self._verb or self._verb in commands.MUST_BE_LAST:
            self._ledger.violations["did not wait for the greeting, or the reply to EHLO or DATA"] += 1
        if len(self._buffer) > MAX_WAITING_OCTETS and self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Write down what a cut connection leaves behind."""
        del exc
        self._is_ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._end_transaction()
        self._host.leave(self)

    def cut(self) -> None:
        """Close the connection at once, without a word."""
        self._is_ended = True
        self._out.clear()
        if self._transport is not None:
            self._transport.abort()

    # ── replies ──

    def _answer(self, reply: str) -> None:
        """Give a reply, after the delay that the host or the transaction asks for; or drop, or hang."""
        if reply == DROP:
            self._flush()
            self.cut()
            return
        if reply == HANG:
            self._is_deaf = True
            self._buffer = b""
            return
        delay = self._host.delay_seconds
        if self._transaction is not None and self._transaction.delay_seconds > delay:
            delay = self._transaction.delay_seconds
        if delay:
            self._flush()
            self._timer = asyncio.get_running_loop().call_later(delay, self._answer_late, reply)
        else:
            self._emit(reply)

    def _answer_late(self, reply: str) -> None:
        self._timer = None
        if self._transport is not None:
            self._transport.resume_reading()
        self._emit(reply)
        self._work()

    def _emit(self, reply: str) -> None:
        self._out.append(reply)
        if self._transaction is not None and self._transaction.received is not None:
            self._end_transaction(answer=int(reply[:3]))
        if reply.startswith(LAST_REPLIES):
            self._flush()
            self._is_ended = True
            if self._transport is not None:
                self._transport.close()

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._out.append("")
            self._transport.write("\r\n".join(self._out).encode())
            self._out.clear()

    # ── commands ──

    def _work(self) -> None:
        """Work off the buffer until it is used up, a reply has to wait, or the conversation has ended."""
        while self._buffer and self._timer is None and not self._is_deaf and not self._is_ended:
            if not (self._take_body() if self._reads_body else self._take_line()):
                break
        self._flush()

    def _take_line(self) -> bool:
        """Work off one command line; false when none is complete."""
        buffer = self._buffer
        ledger = self._ledger
        end = buffer.find(b"\n")
        if end < 0 or end > MAX_LINE_OCTETS:
            if len(buffer) > MAX_LINE_OCTETS:
                ledger.violations["command line too long"] += 1
                self._answer(commands.LINE_TOO_LONG_500)
                self._flush()
                self.cut()
            return False
        line = buffer[: end - 1] if buffer[end - 1 : end] == b"\r" else buffer[:end]
        self._buffer = buffer[end + 1 :]
        self._verb = line[:4].upper()
        if len(line) == end:
            ledger.violations["command line ended by a bare LF"] += 1
        if ledger.transcript is not None:
            ledger.transcript.append(Command(self._host.address, self._peer, line))
        if self._buffer and (
            self._verb in commands.MUST_BE_LAST or "PIPELINING" not in self._host.behaviour.extensions
        ):
            ledger.violations["pipelined where that is not allowed"] += 1
        self._obey(line)
        return True

    def _obey(self, line: bytes) -> None:
        match self._verb:
            case b"QUIT":
                self._end_transaction()
                self._answer(self._host.replies.get(Point.QUIT) or commands.BYE_221)
            case _ if self._is_refusing:
                self._answer(commands.BAD_SEQUENCE_503)
            case b"MAIL":
                self._mail(line)
            case b"RCPT":
                self._rcpt(line)
            case b"DATA":
                self._data()
            case b"EHLO" | b"HELO":
                self._hello(line)
            case b"RSET":
                self._end_transaction()
                self._answer(self._host.replies.get(Point.RSET) or commands.OK_250)
            case b"NOOP":
                self._answer(commands.OK_250)
            case _:
                self._ledger.violations["command not known"] += 1
                self._answer(commands.UNKNOWN_COMMAND_500)

    def _hello(self, line: bytes) -> None:
        self._end_transaction()
        name = line[5:].strip().decode("utf-8", "backslashreplace")
        scripted = self._host.replies.get(Point.EHLO) if self._verb == b"EHLO" else None
        if not name:
            scripted = commands.BAD_SYNTAX_501
        if scripted is None or scripted.startswith("2"):
            self._ehlo = name
        self._answer(scripted or (self._host.ehlo_reply if self._verb == b"EHLO" else f"250 {self._host.name}"))

    def _mail(self, line: bytes) -> None:
        if self._transaction is not None or not self._ehlo:
            self._ledger.violations["MAIL within a transaction" if self._ehlo else "MAIL before EHLO"] += 1
            self._answer(commands.BAD_SEQUENCE_503)
            return
        parsed = commands.parse_mail(line)
        if parsed is None:
            self._ledger.violations["MAIL with bad syntax"] += 1
            self._answer(commands.BAD_SYNTAX_501)
            return
        sender, parameters = parsed
        behaviour = self._host.behaviour
        reply = sender_script_of(sender).reply or self._host.replies.get(Point.MAIL) or commands.SENDER_OK_250
        if parameters and commands.unoffered_parameter(parameters, behaviour.extensions):
            self._ledger.violations["MAIL with a parameter that was not offered"] += 1
            reply = commands.PARAMETER_555
        elif parameters and commands.announced_octets(parameters) > behaviour.max_message_octets > 0:
            reply = commands.TOO_BIG_552
        if reply.startswith("2"):
            self._transaction = Transaction(sender=sender)
        self._answer(reply)

    def _rcpt(self, line: bytes) -> None:
        transaction = self._transaction
        recipient = commands.parse_rcpt(line)
        if transaction is None or transaction.is_logged or recipient is None:
            if recipient is None:
                self._ledger.violations["RCPT with bad syntax"] += 1
            self._answer(commands.BAD_SYNTAX_501 if recipient is None else commands.BAD_SEQUENCE_503)
            return
        script = script_of(recipient)
        transaction.meet(script)
        if self._host.is_shared:
            delay = read_name(recipient.rpartition("@")[2].lower()).behaviour.delay
            transaction.delay_seconds = max(transaction.delay_seconds, delay.total_seconds())
        reply = self._host.replies.get(Point.RCPT)
        if reply is None and script.point is Point.RCPT:
            reply = script.reply if self._visits.still_applies(script, transaction.sender, recipient) else None
        if reply is None:
            is_full = len(transaction.recipients) >= self._host.behaviour.max_recipients
            reply = commands.TOO_MANY_RECIPIENTS_452 if is_full else commands.RECIPIENT_OK_250
        if reply.startswith("2"):
            transaction.accept(recipient, script)
        else:
            transaction.refuse(recipient, reply)
        self._answer(reply)

    def _data(self) -> None:
        transaction = self._transaction
        if transaction is None or transaction.is_logged:
            self._answer(commands.BAD_SEQUENCE_503)
            return
        behaviour = self._host.behaviour
        if not transaction.recipients and not behaviour.data_without_recipients:
            self._log(transaction)
            self._answer(commands.NO_RECIPIENTS_554)
            return
        scripted = self._host.replies.get(Point.DATA) or transaction.scripted(Point.DATA, self._visits)
        reply = scripted or commands.GO_AHEAD_354
        if reply.startswith("354"):
            transaction.data_begun = True
            self._reads_body = True
            self._body.begin(behaviour.max_message_octets)
        else:
            self._log(transaction, answer=None if reply in {DROP, HANG} else int(reply[:3]))
        self._answer(reply)

    def _take_body(self) -> bool:
        """Take in what arrived of a body; false when it is not complete yet."""
        transaction = self._transaction
        if transaction is None:
            raise AssertionError("a body belongs to a transaction")
        scripted = self._host.replies.get(Point.BODY) or transaction.scripted(Point.BODY, self._visits)
        if scripted is not None:
            self._body.feed(self._buffer[: len(self._buffer) // 2])
            self._answer(scripted)
            return False
        received, self._buffer = self._body.feed(self._buffer)
        if received is None:
            return False
        self._reads_body = False
        reply = self._host.replies.get(Point.DOT) or transaction.scripted(Point.DOT, self._visits)
        if reply is None and received.octets > self._host.behaviour.max_message_octets > 0:
            reply = commands.TOO_BIG_552
        if reply is None:
            reply = commands.TAKEN_250 if transaction.recipients else commands.NO_RECIPIENTS_554
        transaction.receive(received, reply)
        self._answer(reply)
        return True

    # ── the ledger ──

    def _end_transaction(self, *, answer: int | None = None) -> None:
        transaction = self._transaction
        self._transaction = None
        self._reads_body = False
        if transaction is not None and not transaction.is_logged and (transaction.data_begun or transaction.refused):
            self._log(transaction, answer=answer)

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
