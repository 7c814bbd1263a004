"""What a session asks of others before it goes on."""

from __future__ import annotations

from dataclasses import dataclass

from softbounce_gateway.submission.extensions import MailOptions, RcptOptions
from softbounce_gateway.submission.house import Login, Protocol
from softbounce_gateway.submission.sasl import Credentials

__all__ = ["BeginTls", "CheckLogin", "CheckRecipient", "HangUp", "Recipient", "Step", "Store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One that was taken at RCPT."""

    address: str
    options: RcptOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLogin:
    """Asked: are these right? Answered by :meth:`Dialogue.let_in` or :meth:`Dialogue.say`."""

    credentials: Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecipient:
    """Asked: is this a return path of ours? Answered by :meth:`Dialogue.take_recipient` or :meth:`Dialogue.say`."""

    recipient: Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Asked: store this. Answered by :meth:`Dialogue.settle`.

    :ivar with_words: the protocol of the client, as a Received field has it (RFC 3848).
    """

    sender: str
    options: MailOptions
    recipients: tuple[Recipient, ...]
    message: bytes
    helo: str
    protocol: Protocol
    with_words: str
    login: Login | None


@dataclass(frozen=True, slots=True)
class BeginTls:
    """The 220 is said: what comes next is a handshake. Answered by :meth:`Dialogue.begin_anew`."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """All is said."""


Step = CheckLogin | CheckRecipient | Store | BeginTls | HangUp | None
"""``None``: more octets."""
