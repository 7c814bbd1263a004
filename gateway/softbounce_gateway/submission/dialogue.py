"""One client's session, without any I/O: octets go in, replies come out, and what others have to answer is asked.

:meth:`Dialogue.advance` works off what has come, command by command, and stops where it needs more octets or somebody
else: to check a login, to store a message, to begin TLS, to close. Until that is answered nothing more is read, so that
replies keep their order however much a client sends ahead (PIPELINING). A session goes ``greeted`` (after EHLO, HELO or
LHLO), ``in transaction`` (after MAIL), and back when a message is done, refused, or forgotten by RSET.

What a client may do is counted: lines have a longest, and so many errors, or commands without a message, end it.

RFC 5321, RFC 2033 (LMTP), RFC 2920 (PIPELINING), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 6409 (submission).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from softbounce.address import parse_address, parse_sender
from softbounce.errors import InvalidAddress
from softbounce_gateway.submission import replies
from softbounce_gateway.submission.content import Content
from softbounce_gateway.submission.extensions import MailOptions, Refused, read_mail_options, read_rcpt_options
from softbounce_gateway.submission.house import House, Login, Protocol
from softbounce_gateway.submission.paths import PathLine, read_path_line
from softbounce_gateway.submission.sasl import Credentials, Exchange
from softbounce_gateway.submission.steps import (
    BeginTls,
    CheckLogin,
    CheckRecipient,
    HangUp,
    Recipient,
    Step,
    Store,
)

__all__ = ["Dialogue"]

LINE_OCTETS = 2_048
"""Of a command: RFC 5321 §4.5.3.1.4 asks for 512, and extensions for more; a token is short."""
MOST_ERRORS = 20
MOST_COMMANDS = 200
"""Commands after which a message has to be taken, else the session is none. Recipients do not count."""
MOST_RECIPIENTS_ASKED = 10_000
"""RCPT commands of one transaction, most of which were refused."""
HELO_NAME = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
NAMELESS = "unknown"
"""What is noted of a name that cannot stand in a Received field: that of a computer with blanks or umlauts in it."""
TLS_HELLO = b"\x16\x03"
HTTP = re.compile(rb"(?:GET|POST|PUT|HEAD|OPTIONS|CONNECT|DELETE|PATCH|TRACE) ")
"""A browser that is led to this port sends a request whose body some page chose: it is not read that far."""


@dataclass(slots=True, kw_only=True)
class Transaction:
    """What MAIL and RCPT said."""

    sender: str
    options: MailOptions
    recipients: list[Recipient] = field(default_factory=list)

    def with_words(self, protocol: Protocol, *, is_extended: bool, is_tls: bool, has_login: bool) -> str:
        """How it came, as a Received field has it (RFC 3848, RFC 6531 §4.3)."""
        if protocol == "smtp" and not is_extended:
            return "SMTP"
        word = "LMTP" if protocol == "lmtp" else "SMTP" if self.options.smtputf8 else "ESMTP"
        return ("UTF8" if self.options.smtputf8 else "") + word + "S" * is_tls + "A" * has_login


class Dialogue:
    """One session.

    :param is_tls: it is encrypted from the beginning.
    :ivar octets_read: of whole commands and of messages, from the beginning.
    """

    def __init__(self, house: House, *, is_tls: bool) -> None:
        self._house = house
        self._is_tls = is_tls
        self._came = bytearray()
        self._out = bytearray()
        self._helo = ""
        self._is_extended = False
        self._login: Login | None = None
        self._asked: Callable[[str], Step] | None = None
        self._transaction: Transaction | None = None
        self._content: Content | None = None
        self._errors = self._commands = self._settles = self._recipients_asked = 0
        self._is_over = False
        self._last_line = ""
        self.octets_read = 0
        self._verbs: dict[str, Callable[[str], Step]] = {
            "NOOP": lambda _: self.say(replies.OK_250),
            "VRFY": lambda _: self.say(replies.CANNOT_VERIFY_252),
            "RSET": self._rset,
            "QUIT": lambda _: self._end(replies.BYE_221),
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
        }
        if house.protocol == "lmtp":
            self._verbs["LHLO"] = self._ehlo
        else:
            self._verbs |= {"EHLO": self._ehlo, "HELO": self._hello}

    # -- what goes in and out ---------------------------------------------------------------------------------------

    @property
    def content_octets(self) -> int | None:
        """How much of a message has come; ``None``: none is coming."""
        return None if self._content is None else self._content.octets

    @property
    def waits_for_us(self) -> int:
        """Octets that have come and are not looked at yet."""
        return len(self._came)

    def greet(self) -> None:
        """Say who we are."""
        self.say(f"220 {self._house.hostname} {'LMTP' if self._house.protocol == 'lmtp' else 'ESMTP'} softbounce")

    def feed(self, octets: bytes) -> None:
        """Take what has come."""
        if not self._is_over:
            self._came += octets

    def take_output(self) -> bytes:
        """What is to be sent."""
        octets = bytes(self._out)
        self._out.clear()
        return octets

    def close(self) -> None:
        """It is over, wherever it was."""
        self._is_over = True
        self._came.clear()
        if self._content is not None:
            self._content.close()
            self._content = None

    def advance(self) -> Step:
        """Go on as far as it goes."""
        while not self._is_over:
            if self._content is not None:
                octets = bytes(self._came)
                self._came.clear()
                if not octets:
                    return None
                self.octets_read += len(octets)
                behind = self._content.feed(octets)
                if self._content.has_bare_line_end:
                    return self._end(replies.BARE_LINE_END_554)
                if self._content.octets > self._goes_too_far():
                    return self._end(replies.TOO_LARGE_552.format(self._house.max_octets()))
                if behind is None:
                    return None
                self._came += behind
                step = self._end_of_data(self._content)
            else:
                line = self._next_line()
                if line is None:
                    break
                step = self._asked_for(line)
            if step is not None:
                return step
        return HangUp() if self._is_over else None

    def _next_line(self) -> str | None:
        """The next whole command line; ``None``: there is none yet, or there will never be one."""
        if self._came.startswith(TLS_HELLO):  # it would wait for an answer that makes sense to it
            self._end(replies.TLS_LATER_554)
            return None
        end = self._came.find(b"\n", 0, LINE_OCTETS)
        if end < 0:
            if len(self._came) >= LINE_OCTETS:
                self._end(replies.LINE_TOO_LONG_500)
            return None
        line = bytes(self._came[: end + 1])
        if HTTP.match(line):
            self._end(replies.NOT_SMTP_521)
            return None
        if not line.endswith(b"\r\n") or line.count(b"\r") > 1:
            self._end(replies.BARE_LINE_END_554)
            return None
        del self._came[: end + 1]
        self.octets_read += len(line)
        return line[:-2].decode("utf-8", "replace")

    def _asked_for(self, line: str) -> Step:
        if self._asked is not None:
            answer, self._asked = self._asked, None
            return answer(line)
        verb, _, argument = line.partition(" ")
        verb = verb.upper()
        do = self._verbs.get(verb)
        if do is None:
            return self.say(replies.COMMAND_UNKNOWN_500)
        if verb != "RCPT":
            self._commands += 1
            if self._commands > MOST_COMMANDS:
                return self._end(replies.TOO_MANY_COMMANDS_421)
        return do(argument.strip(" "))

    def say(self, reply: str) -> Step:
        """Say a line; too many of those that refuse are the last."""
        self._out += reply.encode("ascii", "replace") + b"\r\n"
        if reply[0] == "5":
            self._errors += 1
            if self._errors >= MOST_ERRORS:
                return self._end(replies.TOO_MANY_ERRORS_421)
        return None

    def _end(self, reply: str) -> Step:
        self._out += reply.encode("ascii") + b"\r\n"
        self.close()
        return HangUp()

    def end(self, reply: str) -> None:
        """Say a last line from outside, and be over."""
        if not self._is_over:
            self._end(reply)

    def end_after_this(self, reply: str) -> None:
        """The same, once the message that is being stored has its reply."""
        self._last_line = reply

    # -- who is there -----------------------------------------------------------------------------------------------

    def _hello(self, name: str) -> Step:
        if not name:
            return self.say(replies.SYNTAX_501.format("HELO your.host.name"))
        self._forget_transaction()
        self._helo, self._is_extended = _as_noted(name), False
        return self.say(f"250 {self._house.hostname}")

    def _ehlo(self, name: str) -> Step:
        if not name:
            return self.say(replies.SYNTAX_501.format(f"{self._house.greeting_verb} your.host.name"))
        self._forget_transaction()
        self._helo, self._is_extended = _as_noted(name), True
        offers = self._house.offers(is_tls=self._is_tls, has_login=self._login is not None)
        lines = [self._house.hostname, *offers]
        self._out += b"".join(f"250-{line}\r\n".encode() for line in lines[:-1])
        return self.say(f"250 {lines[-1]}")

    def _starttls(self, argument: str) -> Step:
        if argument:
            return self.say(replies.SYNTAX_501.format("STARTTLS"))
        if not self._house.has_starttls:
            return self.say(replies.COMMAND_UNKNOWN_500)
        if self._is_tls:
            return self.say("503 5.5.1 TLS is there already")
        if self._came:  # whoever put it there wants it read as if it had come by TLS
            return self._end(replies.NOT_ALONE_501)
        self.say(replies.START_TLS_220)
        return BeginTls()

    def begin_anew(self) -> None:
        """TLS is there: all that was said before is forgotten (RFC 3207 §4.2)."""
        self._forget_transaction()
        self._came.clear()
        self._helo, self._is_extended, self._is_tls, self._login = "", False, True, None

    # -- login ------------------------------------------------------------------------------------------------------

    def _auth(self, argument: str) -> Step:
        house = self._house
        if not house.takes_login() or not self._is_extended:
            return self.say(replies.COMMAND_UNKNOWN_500)
        if not house.is_private(is_tls=self._is_tls):
            return self.say(replies.NEED_TLS_538)
        if self._login is not None or self._transaction is not None:
            return self.say("503 5.5.1 no login now: there is one, or a message was begun")
        exchange = Exchange()
        return self._go_on(exchange, exchange.begin(argument))

    def _go_on(self, exchange: Exchange, said: str | Credentials) -> Step:
        if isinstance(said, Credentials):
            return CheckLogin(credentials=said)
        if said.startswith("334"):
            self._asked = lambda line: self._go_on(exchange, exchange.answer(line))
        return self.say(said)

    def let_in(self, login: Login) -> None:
        """The login was right."""
        self._login = login
        self.say(replies.LOGGED_IN_235)

    # -- a message --------------------------------------------------------------------------------------------------

    def _rset(self, argument: str) -> Step:
        if argument:
            return self.say(replies.SYNTAX_501.format("RSET"))
        self._forget_transaction()
        return self.say(replies.OK_250)

    def _forget_transaction(self) -> None:
        self._transaction = None

    def _mail(self, argument: str) -> Step:
        if not self._helo:
            return self.say(replies.OUT_OF_ORDER_503.format(self._house.greeting_verb))
        if self._login is not None and not self._house.is_valid(self._login):
            self._login = None
        if self._house.wants_login() and self._login is None:
            return self.say(replies.NEED_LOGIN_530)
        if self._transaction is not None:
            return self.say(replies.MAIL_FIRST_503)
        line = read_path_line(argument, "FROM:")
        if line is None or (line.parameters and not self._is_extended):
            return self.say(replies.SYNTAX_501.format("MAIL FROM:<address>"))
        return self._begin(line)

    def _begin(self, line: PathLine) -> Step:
        house = self._house
        try:
            options = read_mail_options(
                line.parameters, max_octets=house.max_octets(), is_tls=self._is_tls, now=house.now()
            )
            # Nobody answers to who sends a bounce, and some of them say MAILER-DAEMON without a domain.
            sender = parse_sender("" if house.for_returns else line.path)
        except Refused as error:
            return self.say(error.reply)
        except InvalidAddress as error:
            return self.say(f"553 5.1.7 {replies.in_one_line(error.reason)}")
        if sender.smtputf8 and not options.smtputf8:
            return self.say("553 5.6.7 an address beyond ASCII needs SMTPUTF8")
        if self._login is not None and not self._login.may_send_as(sender.canonical):
            return self.say(
                f"550 5.7.1 the token {replies.in_one_line(self._login.name)!r} may not send as this address"
            )
        self._transaction = Transaction(sender=line.path, options=options)
        self._recipients_asked = 0
        return self.say(
            "250 2.3.6 sender ok; priorities do not count here" if options.priority else replies.SENDER_OK_250
        )

    def _rcpt(self, argument: str) -> Step:
        transaction = self._transaction
        if transaction is None:
            return self.say(replies.OUT_OF_ORDER_503.format("MAIL"))
        self._recipients_asked += 1
        if self._recipients_asked > MOST_RECIPIENTS_ASKED:
            return self._end(replies.TOO_MANY_COMMANDS_421)
        line = read_path_line(argument, "TO:")
        if line is None or not line.path or (line.parameters and not self._is_extended):
            return self.say(replies.SYNTAX_501.format("RCPT TO:<address>"))
        if len(transaction.recipients) >= self._house.most_recipients:
            return self.say(replies.TOO_MANY_RECIPIENTS_452)
        try:
            options = read_rcpt_options(line.parameters)
            # A return path of ours that hosts added theirs to may be longer than an address is; its signature decides.
            is_wide = not self._house.for_returns and parse_address(line.path).smtputf8
            if options.orcpt is not None:
                options = replace(options, orcpt=_passable(options.orcpt))
        except Refused as error:
            return self.say(error.reply)
        except InvalidAddress as error:
            return self.say(f"553 5.1.3 {replies.in_one_line(error.reason)}")
        if is_wide and not transaction.options.smtputf8:
            return self.say("553 5.6.7 an address beyond ASCII needs SMTPUTF8 with MAIL")
        recipient = Recipient(address=line.path, options=options)
        return CheckRecipient(recipient=recipient) if self._house.for_returns else self.take_recipient(recipient)

    def take_recipient(self, recipient: Recipient) -> Step:
        """Mail for it is taken."""
        if self._transaction is not None:
            self._transaction.recipients.append(recipient)
        return self.say(replies.RECIPIENT_OK_250)

    def _data(self, argument: str) -> Step:
        transaction = self._transaction
        if argument:
            return self.say(replies.SYNTAX_501.format("DATA"))
        if transaction is None:
            return self.say(replies.OUT_OF_ORDER_503.format("MAIL"))
        if not transaction.recipients:
            return self.say(replies.NO_RECIPIENTS_503)
        self._content = Content(self._house.max_octets(), self._house.budget, self._house.kept_octets)
        return self.say(replies.GO_AHEAD_354)

    def _goes_too_far(self) -> int:
        """Octets after which nobody waits for the end of what is too large anyway."""
        return 2 * self._house.max_octets() + LINE_OCTETS

    def _end_of_data(self, content: Content) -> Step:
        self._content = None
        transaction, self._transaction = self._transaction, None
        assert transaction is not None  # noqa: S101 - DATA looked
        if content.is_too_large or content.finds_no_room:
            content.close()
            reply = (
                replies.TOO_LARGE_552.format(self._house.max_octets()) if content.is_too_large else replies.NO_ROOM_452
            )
            return self._reply_to_all(reply, len(transaction.recipients))
        self._settles = len(transaction.recipients)
        return Store(
            sender=transaction.sender,
            options=transaction.options,
            recipients=tuple(transaction.recipients),
            message=content.take(),
            helo=self._helo,
            protocol=self._house.protocol,
            with_words=transaction.with_words(
                self._house.protocol,
                is_extended=self._is_extended,
                is_tls=self._is_tls,
                has_login=self._login is not None,
            ),
            login=self._login,
        )

    def settle(self, reply: str) -> None:
        """What became of the message that was to be stored; by LMTP that is said once a recipient."""
        if reply[0] == "2":
            self._commands = self._errors = 0
        self._reply_to_all(reply, self._settles)
        if self._last_line:
            self.end(self._last_line)

    def _reply_to_all(self, reply: str, recipients: int) -> Step:
        """One reply to the message; in LMTP one to each of its recipients (RFC 2033 §4.2)."""
        repeats = recipients - 1 if self._house.protocol == "lmtp" else 0
        self._out += (reply.encode("ascii", "replace") + b"\r\n") * repeats
        return self.say(reply)


def _as_noted(name: str) -> str:
    """A client's name as our Received field has it."""
    return name if HELO_NAME.fullmatch(name) else NAMELESS


def _passable(orcpt: str) -> str | None:
    """An original address that a host can be told; another one is left out."""
    try:
        return parse_address(orcpt).canonical
    except InvalidAddress:
        return None
