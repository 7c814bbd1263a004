"""The client's side of an SMTP session, without any I/O: commands in, octets out; octets in, events out.

Knows no clock, socket or log: deadlines and connections belong to the session that drives it. Covers RFC 5321 and
2920 (pipelining), with the offers of RFC 1870, 2852, 3030, 3207, 3461, 4954, 6152, 6531 and 9422; and LMTP (RFC 2033),
where each recipient has an answer of its own behind the dot. What is legal when is told in ``state.py``.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache

from softbounce.dsn import with_delay
from softbounce.reply import Reply, Trouble, TroubleKind
from softbounce.stage import Stage
from softbounce_worker.errors import LocalProtocolError, RemoteProtocolError
from softbounce_worker.smtp.commands import (
    Auth,
    AuthResponse,
    Chunk,
    Command,
    Content,
    Data,
    Ehlo,
    Helo,
    Mail,
    Quit,
    Rcpt,
    Rset,
    StartTls,
)
from softbounce_worker.smtp.content import LONE_DOT, is_whole
from softbounce_worker.smtp.events import Answer, Broken, Event, Lost
from softbounce_worker.smtp.extensions import NO_EXTENSIONS, Extensions, parse_extensions
from softbounce_worker.smtp.limits import Limits
from softbounce_worker.smtp.masking import Mask
from softbounce_worker.smtp.parser import ReplyParser
from softbounce_worker.smtp.state import LEGAL, SmtpState, settle, stage_of
from softbounce_worker.smtp.wire import auth_line, hello_lines, mail_line, rcpt_line, response_line

__all__ = ["Engine"]

CLOSING_421 = 421
BLANK_LINES = 2
"""So many empty lines behind a greeting are taken for a part of it."""
IN_CLEAR = "octets in clear behind the 220 to STARTTLS"
ORDINARY = frozenset({Mail, Rcpt, Data, Content, Chunk})  # commands whose answer changes nothing but the state
STILL_DUE = frozenset(
    {SmtpState.CONTENT, SmtpState.LONE_DOT, SmtpState.CLOSED}
)  # outranks that the host wants to close
DEFAULT_LIMITS = Limits()


_offer_in = lru_cache(maxsize=64)(parse_extensions)
"""A host says the same to each session."""


class Engine:
    """One session with one host, from its greeting on.

    ``send`` gives the octets of a command, or raises and changes nothing. ``feed`` takes whatever arrived and gives
    each complete reply, matched to its command. One 421 that nothing waits for is an answer too; any other such reply
    breaks the session. So there are never more events than commands, and two.

    :ivar mask: hides secrets of ours in whatever the host says.
    :param hostname: our name in EHLO: a domain name in A-labels or an address literal.
    :param lmtp: it speaks LMTP: LHLO, and an answer to the content for each accepted recipient, in their order.
    """

    __slots__ = (
        "_accepted",
        "_closing",
        "_confirmed",
        "_ehlo",
        "_extensions",
        "_helo",
        "_is_logged_in",
        "_lmtp",
        "_outstanding",
        "_parser",
        "_pipelining",
        "_secured",
        "_state",
        "_unasked",
        "_utf8",
        "mask",
    )

    def __init__(self, hostname: str, limits: Limits = DEFAULT_LIMITS, *, lmtp: bool = False) -> None:
        self._ehlo, self._helo = hello_lines(hostname, lmtp=lmtp)
        self._lmtp = lmtp
        self._accepted = 0
        self._is_logged_in = False
        self.mask = Mask()
        self._parser = ReplyParser(limits)
        self._state = SmtpState.CONNECTED  # where the sent commands lead: what LEGAL is asked about
        self._confirmed = SmtpState.CONNECTED  # where the answers have led
        self._outstanding: deque[Command | None] = deque([None])  # None: the greeting
        self._extensions: Extensions | None = None
        self._pipelining = False
        self._secured = False
        self._closing = False
        self._unasked = False
        self._utf8 = False

    @property
    def state(self) -> SmtpState:
        """Where the session stands for the next ``send``."""
        return self._state

    @property
    def extensions(self) -> Extensions | None:
        """What the host offers; ``None`` before EHLO or HELO succeeded, and again after TLS started."""
        return self._extensions

    @property
    def is_lmtp(self) -> bool:
        """Whether each accepted recipient has an answer of its own to the content (RFC 2033 §4.2)."""
        return self._lmtp

    @property
    def outstanding(self) -> tuple[Command, ...]:
        """The commands that are not answered yet, in their order."""
        return tuple(command for command in self._outstanding if command is not None)

    @property
    def enhanced_mismatches(self) -> int:
        """Enhanced status codes so far whose class contradicted the reply code; the reply code won (S18)."""
        return self._parser.mismatches

    def send(self, command: Command) -> bytes:
        """The octets to write for *command*. More than one may be outstanding where the host offers PIPELINING.

        :raises LocalProtocolError: it is not legal now, or may not reach the wire. Nothing has changed.
        """
        hoped = LEGAL[self._state].get(type(command))
        if hoped is None:
            raise LocalProtocolError(f"{type(command).__name__} is not legal in state {self._state}")
        octets = self._write(command)
        answers = self._accepted if self._lmtp and isinstance(command, Content) else 1
        self._outstanding.extend([command] * answers)
        self._state = hoped if self._pipelining else SmtpState.WAITING
        return octets

    def feed(self, octets: bytes) -> list[Event]:
        """What *octets*, received just now, make complete. After the last event of a session there are no more."""
        events: list[Event] = []
        state = self._state
        if state is SmtpState.CLOSED or not octets:
            return events
        if state is SmtpState.HANDSHAKE:
            events.append(self._break(RemoteProtocolError(IN_CLEAR), Stage.STARTTLS))
            return events
        parser = self._parser
        parser.receive(octets)
        try:
            while self._state is not SmtpState.CLOSED and (reply := parser.next_reply()) is not None:
                self._answer(reply, events)
        except RemoteProtocolError as error:
            events.append(self._break(error, self._stage))
        return events

    def eof(self) -> list[Event]:
        """What it means that the connection ended, for whatever reason. After a session's end: nothing."""
        if self._state is SmtpState.CLOSED:
            return []
        waiting = "while a command waited for its reply" if self._outstanding else "between commands"
        trouble = Trouble(kind=TroubleKind.CONNECTION_LOST, text=f"connection closed by the remote {waiting}")
        lost = Lost(trouble=trouble, stage=self._stage)
        self._state = SmtpState.CLOSED
        return [lost]

    def tls_from_start(self) -> None:
        """The connection is TLS's from its first octet on (RFC 8314 §3.3): STARTTLS has no place in it."""
        self._secured = True

    def tls_started(self) -> None:
        """The handshake is done: forget what was offered in clear (RFC 3207 §4.2); EHLO is due again.

        :raises LocalProtocolError: no 220 to STARTTLS came.
        """
        if self._state is not SmtpState.HANDSHAKE:
            raise LocalProtocolError(f"TLS cannot start in state {self._state}")
        self._state = self._confirmed = SmtpState.GREETED
        self._extensions = None
        self._pipelining = False
        self._secured = True

    @property
    def _stage(self) -> Stage:
        """The stage of the first unanswered command, or the one that the session stands at."""
        return stage_of(self._outstanding[0] if self._outstanding else None, self._confirmed)

    def _write(self, command: Command) -> bytes:  # noqa: C901 (one case a command)
        match command:
            case Rcpt():
                return self._write_rcpt(command)
            case Mail():
                line = mail_line(command, self._extensions or NO_EXTENSIONS)
                self._utf8 = command.smtputf8
                return line
            case Content():
                return self._write_content(command)
            case Data():
                return b"DATA\r\n"
            case Rset():
                return b"RSET\r\n"
            case Quit():
                return b"QUIT\r\n"
            case Chunk():
                if self._outstanding or self._extensions is None or not self._extensions.chunking:
                    raise LocalProtocolError("BDAT where it is not offered, or with answers that are not in")
                return b"BDAT %d LAST\r\n" % len(command.octets) + command.octets
            case Ehlo() | Helo():
                return self._write_hello(command)
            case Auth() | AuthResponse():
                return self._write_login(command)
            case StartTls():  # pragma: no branch (the last one there is)
                if self._secured or self._extensions is None or not self._extensions.starttls:
                    raise LocalProtocolError("STARTTLS is not offered, or TLS is on already")
                return b"STARTTLS\r\n"

    def _write_rcpt(self, command: Rcpt) -> bytes:
        offered, dsn = self._extensions or NO_EXTENSIONS, command.dsn
        if not offered.dsn:
            dsn = None
        elif command.is_timed and offered.deliver_by is None:
            dsn = with_delay(dsn)
        return rcpt_line(command.recipient, utf8=self._utf8, dsn=dsn)

    def _write_hello(self, command: Ehlo | Helo) -> bytes:
        if isinstance(command, Ehlo):
            return self._ehlo
        if self._lmtp:
            raise LocalProtocolError("LMTP has no HELO")
        return self._helo

    def _write_content(self, command: Content) -> bytes:
        if self._state is SmtpState.LONE_DOT and command.octets != LONE_DOT:
            raise LocalProtocolError("no recipient was accepted: nothing but a lone dot may be sent")
        if self._lmtp and not self._accepted:
            raise LocalProtocolError("no recipient was accepted: nobody would answer to the dot")
        if not is_whole(command.octets):
            raise LocalProtocolError("content has no final dot, or an earlier one")
        return command.octets

    def _write_login(self, command: Auth | AuthResponse) -> bytes:
        if isinstance(command, AuthResponse):
            return response_line(command)
        if self._is_logged_in:
            raise LocalProtocolError("AUTH succeeded before")
        if self._extensions is None or command.mechanism not in self._extensions.auth:
            raise LocalProtocolError(f"AUTH {command.mechanism} is not offered")
        return auth_line(command)

    def _answer(self, reply: Reply, events: list[Event]) -> None:
        """Match *reply* to the first unanswered command, and move to where it leads."""
        outstanding = self._outstanding
        reply = self.mask.without_secrets(reply)
        code = reply.code
        if not outstanding:
            if code != CLOSING_421 or self._unasked:
                error = RemoteProtocolError(f"reply {code} to no command")
                events.append(self._break(error, self._stage, surplus=reply))
                return
            self._unasked = True
            events.append(Answer(command=None, stage=self._stage, reply=reply))
            self._closing = True
            self._state = SmtpState.CLOSING
            return
        command = outstanding.popleft()
        self._parser.blank_lines = BLANK_LINES if command is None else 0
        stage = stage_of(command, self._confirmed)
        answer = Answer(command=command, stage=stage, reply=reply)
        try:
            self._confirmed = confirmed = settle(self._confirmed, command, code)
        except RemoteProtocolError as error:
            events.append(answer)
            events.append(self._break(error, stage))
            return
        if confirmed is SmtpState.HANDSHAKE and self._parser.has_octets:
            # No answer is reported, lest somebody hands the connection to TLS before reading on (CVE-2021-38371).
            raise RemoteProtocolError(IN_CLEAR)
        events.append(answer)
        if self._lmtp:
            self._count(command, reply)
        if code == CLOSING_421 or type(command) not in ORDINARY:
            self._note(command, reply)
        if self._closing and isinstance(command, Rset) and outstanding:
            # What follows was meant for a fresh transaction; it must not fall into the old one.
            raise RemoteProtocolError(f"reply {code} to RSET, with commands behind it")
        if not outstanding:
            self._state = SmtpState.CLOSING if self._closing and confirmed not in STILL_DUE else confirmed

    def _count(self, command: Command | None, reply: Reply) -> None:
        """How many recipients have an answer to the content to come (RFC 2033 §4.2)."""
        if type(command) is Mail:
            self._accepted = 0
        elif type(command) is Rcpt:
            self._accepted += reply.is_positive

    def _note(self, command: Command | None, reply: Reply) -> None:
        """Keep what the rest of the session depends on: the offer, and whether the host has had enough."""
        if reply.is_positive:
            if isinstance(command, Ehlo | Helo):
                offered = _offer_in(reply.lines[1:]) if isinstance(command, Ehlo) else NO_EXTENSIONS
                self._extensions = offered
                self._pipelining = offered.pipelining
            elif isinstance(command, Auth | AuthResponse):
                self._is_logged_in = self.mask.is_over = True
        elif reply.code == CLOSING_421 or command is None or isinstance(command, Rset):
            self._closing = True

    def _break(self, error: RemoteProtocolError, stage: Stage, *, surplus: Reply | None = None) -> Broken:
        self._state = SmtpState.CLOSED
        trouble = Trouble(kind=TroubleKind.PROTOCOL_ERROR, text=self.mask.apply(str(error)))
        return Broken(trouble=trouble, stage=stage, surplus=surplus)
