"""One mail transaction as the host keeps it, from MAIL on."""

from __future__ import annotations

from dataclasses import dataclass, field

from softbounce_playground.body import Received
from softbounce_playground.ledger import Refusal
from softbounce_playground.point import DROP, HANG, Point
from softbounce_playground.replies_by_address import ACCEPT, AskedReply, Visits

__all__ = ["Transaction"]


@dataclass(slots=True, kw_only=True)
class Transaction:
    """Sender, recipients so far, whose wish decides at DATA, in the body and at the dot, and what arrived.

    :ivar received: the body, once it is complete.
    :ivar is_kept: the host means to keep the body that arrived, whether or not the client will learn of it.
    :ivar is_logged: its entry was made; only RSET and its like end it now.
    """

    sender: str
    recipients: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    kind: str = ACCEPT.kind
    delay_seconds: float = 0.0
    dot_delay_seconds: float = 0.0
    asked: dict[Point, tuple[AskedReply, str]] = field(default_factory=dict)
    data_begun: bool = False
    received: Received | None = None
    is_kept: bool = False
    is_logged: bool = False

    def meet(self, asked: AskedReply) -> None:
        """Let what a recipient that was just named asks for have its effect on the whole transaction."""
        if self.kind == ACCEPT.kind:
            self.kind = asked.kind
        self.delay_seconds = max(self.delay_seconds, asked.delay_seconds)
        self.dot_delay_seconds = max(self.dot_delay_seconds, asked.dot_delay_seconds)

    def accept(self, recipient: str, asked: AskedReply) -> None:
        """Take a recipient; what it asks for comes later, at its point, unless another's already stands there."""
        self.recipients.append(recipient)
        if asked.point is not None and asked.point is not Point.RCPT:
            self.asked.setdefault(asked.point, (asked, recipient))

    def refuse(self, recipient: str, reply: str) -> None:
        """Note a recipient that is refused with this reply; a connection that is dropped refuses nobody."""
        if reply not in {DROP, HANG}:
            self.refused.append(Refusal(recipient, int(reply[:3])))

    def receive(self, received: Received, reply: str) -> None:
        """Note a complete body and what is about to be said to it."""
        self.received = received
        self.is_kept = reply in {DROP, HANG} or reply.startswith("2")

    def asked_at(self, point: Point, visits: Visits) -> str | None:
        """What the recipients ask for at this point instead of the usual reply."""
        if point not in self.asked:
            return None
        asked, recipient = self.asked[point]
        return asked.reply if visits.still_applies(asked, self.sender, recipient) else None
