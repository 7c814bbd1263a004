"""What a client can say: one class a command, cheap to make.

Values only. Whether a command is legal now is decided in ``state.py``; how it looks on the wire, in ``wire.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from softbounce.deliver_by import By
from softbounce.dsn import Dsn

__all__ = [
    "Auth",
    "AuthResponse",
    "Chunk",
    "Command",
    "Content",
    "Data",
    "Ehlo",
    "Helo",
    "Mail",
    "Quit",
    "Rcpt",
    "Rset",
    "StartTls",
]


@dataclass(frozen=True, slots=True)
class Ehlo:
    """EHLO with the engine's hostname (RFC 5321 §4.1.1.1); LHLO where it speaks LMTP (RFC 2033 §4.1)."""


@dataclass(frozen=True, slots=True)
class Helo:
    """HELO, for a host that refuses EHLO: no extension may be used after it."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS (RFC 3207); legal where it was offered, outside TLS."""


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH (RFC 4954 §4); legal where its mechanism was offered, until one succeeded.

    :ivar initial: the response that needs no challenge, before base64; ``None``: the challenge is waited for.
    """

    mechanism: str
    initial: bytes | None = field(default=None, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The answer to a challenge, before base64; ``None`` gives up, and the host refuses then (RFC 4954 §4)."""

    octets: bytes | None = field(repr=False)


class Mail(msgspec.Struct, frozen=True, gc=False):
    """MAIL FROM (RFC 5321 §4.1.1.2), with what the message is: the parameters follow from that and from the offer.

    :ivar sender: the reverse path without angle brackets; ``""`` is the null sender of notifications.
    :ivar size: octets of the message with CRLF line ends and before dot-stuffing (RFC 1870); written where offered.
    :ivar eight_bit: the message has octets above 127: legal only where 8BITMIME is offered (RFC 6152).
    :ivar smtputf8: an address or a header needs SMTPUTF8: legal only where it is offered (RFC 6531).
    :ivar dsn: what is asked of reports; RET and ENVID of it are written where DSN is offered (RFC 3461).
    :ivar require_tls: it may go on by TLS only: legal only where REQUIRETLS is offered (RFC 8689).
    :ivar by: by when it is to be delivered; written where DELIVERBY is offered, and with mode R legal only where it is,
        for a time like this (RFC 2852).
    """

    sender: str
    size: int | None = None
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: Dsn | None = None
    require_tls: bool = False
    by: By | None = None


class Rcpt(msgspec.Struct, frozen=True, gc=False):
    """RCPT TO (RFC 5321 §4.1.1.3).

    :ivar recipient: the forward path without angle brackets.
    :ivar dsn: what is asked of reports; NOTIFY and ORCPT of it are written where DSN is offered (RFC 3461).
    :ivar is_timed: its sender wants to hear when it is late, also from a host that knows no time to deliver by.
    """

    recipient: str
    dsn: Dsn | None = None
    is_timed: bool = False


class Data(msgspec.Struct, frozen=True, gc=False):
    """DATA (RFC 5321 §4.1.1.4): the last command of its group."""


@dataclass(frozen=True, slots=True)
class Content:
    """The message as it goes over the wire, final dot included: what ``stuff`` makes, or ``LONE_DOT``."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """BDAT with LAST: the whole message in one chunk, as it is, in place of DATA (RFC 3030 §2).

    Legal where CHUNKING is offered, with all answers to MAIL and RCPT in. One chunk and no more: some hosts make a
    pause before they answer one that is not the last.

    :ivar octets: the message, with no dot doubled and none behind it.
    """

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rset:
    """RSET (RFC 5321 §4.1.1.5): ends an abandoned transaction, so that the next MAIL is legal."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT (RFC 5321 §4.1.1.10): the last command of a session."""


Command: TypeAlias = Ehlo | Helo | StartTls | Auth | AuthResponse | Mail | Rcpt | Data | Content | Chunk | Rset | Quit
