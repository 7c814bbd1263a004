"""What the rules are at one place where mail is taken in, and what is offered there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from softbounce.globs import matches
from softbounce_gateway.submission.budget import Budget
from softbounce_gateway.submission.extensions import FURTHEST

__all__ = ["House", "Login", "Protocol"]

Protocol = Literal["smtp", "lmtp"]
MOST_RECIPIENTS = 1_000
MOST_RETURNS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somebody who was let in.

    :ivar digest: of the token, by which it is known again.
    :ivar may_send: the token is for that.
    :ivar senders: globs of the addresses that it may send as; empty: any.
    :ivar any_author: these bind the envelope's sender alone, not those whom the message says that it is from.
    """

    name: str
    digest: bytes = b""
    may_send: bool = True
    senders: tuple[str, ...] = ()
    any_author: bool = False

    def may_send_as(self, sender: str) -> bool:
        """Whether it may; the null sender is one that only ``*`` fits."""
        return not self.senders or any(matches(glob, sender.lower()) for glob in self.senders)

    @property
    def binds_authors(self) -> bool:
        """Whether it makes a difference whom a message says that it is from."""
        return bool(self.senders) and not self.any_author


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the rules are at this door.

    :ivar hostname: our name.
    :ivar has_starttls: TLS can be had where it is not there yet.
    :ivar wants_login: nobody sends without one.
    :ivar takes_login: whether AUTH is offered where it is safe.
    :ivar is_valid: whether somebody who was let in would be again.
    :ivar is_loopback: who connects is on this machine, so that a login needs no TLS.
    :ivar max_octets: the largest message, asked for anew with each one.
    :ivar now: the time.
    :ivar for_returns: only what comes back to return paths of ours is taken, from anybody.
    :ivar kept_octets: of a larger message only so much is kept; ``None``: all of it.
    """

    protocol: Protocol
    hostname: str
    has_starttls: bool
    wants_login: Callable[[], bool]
    takes_login: Callable[[], bool]
    is_valid: Callable[[Login], bool]
    is_loopback: bool
    max_octets: Callable[[], int]
    budget: Budget
    now: Callable[[], datetime]
    for_returns: bool = False
    kept_octets: int | None = None

    @property
    def most_recipients(self) -> int:
        """How many recipients a message may have. One that comes back is of one."""
        return MOST_RETURNS if self.for_returns else MOST_RECIPIENTS

    @property
    def greeting_verb(self) -> str:
        """With what a client begins."""
        return "LHLO" if self.protocol == "lmtp" else "EHLO"

    def is_private(self, *, is_tls: bool) -> bool:
        """Whether nobody else hears what is said."""
        return is_tls or self.is_loopback

    def offers(self, *, is_tls: bool, has_login: bool) -> list[str]:
        """The extensions that are announced: those that are honoured, where they are."""
        if self.for_returns:
            offered = ["PIPELINING", f"SIZE {self.max_octets()}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
            return [*offered, "STARTTLS"] if self.has_starttls and not is_tls else offered
        furthest = (self.now() + FURTHEST).strftime("%Y-%m-%dT%H:%M:%SZ")
        offered = [
            "PIPELINING",
            f"SIZE {self.max_octets()}",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            "DSN",
            f"FUTURERELEASE {int(FURTHEST.total_seconds())} {furthest}",
            "DELIVERBY",
        ]
        if self.has_starttls and not is_tls:
            offered.append("STARTTLS")
        if is_tls:
            offered.append("REQUIRETLS")
        if self.takes_login() and self.is_private(is_tls=is_tls) and not has_login:
            offered.append("AUTH PLAIN LOGIN")
        return offered
