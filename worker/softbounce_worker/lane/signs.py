"""What comes into a lane's trouble, and what follows from it: a sign of one envelope, and the reaction. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import msgspec

from softbounce_worker.lane.evidence import Evidence, Scope

__all__ = ["NOBODY", "NOTED", "NOTHING", "Closed", "Reaction", "Sign", "Told"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was seen last, as it is told."""

    text: str = ""
    code: int | None = None
    enhanced: str | None = None
    reason: str | None = None
    stage: str = "connect"
    host: str | None = None


NOBODY = Told()


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """What came back for one envelope.

    :ivar refused_for: how long ago a host refused it for the first time, seconds; ``None``: none did before.
    :ivar is_named: the host knew the recipient.
    :ivar blames_by_words: a rule that knows the words, or the very code, says that the sender is to blame.
    :ivar parked: the delays of a final refusal that the policy waits out; empty: it was none.
    """

    evidence: Evidence
    identity: bytes
    recipient: str
    domain: str
    sender: str
    refused_for: float | None = None
    is_named: bool = True
    blames_by_words: bool = False
    parked: tuple[timedelta, ...] = ()
    told: Told = NOBODY


@dataclass(frozen=True, slots=True)
class Closed:
    """A gate closed for so many seconds: of a recipient domain, of a sender domain, or with neither the site's."""

    seconds: float
    domain: str | None = None
    sender: str | None = None


class Reaction(NamedTuple):
    """What follows from a sign.

    :ivar waits: what the envelope waits for; with its own scope the attempt is charged, else it is not.
    :ivar closed: what closed by it, the widest last.
    :ivar opened: what opened by it, the site or the domain.
    :ivar opened_senders: the sender domains that opened by it, or are forgotten.
    :ivar is_noted: it added up, and is to be remembered.
    """

    waits: Scope = Scope.ENVELOPE
    closed: tuple[Closed, ...] = ()
    opened: Scope | None = None
    is_noted: bool = False
    opened_senders: tuple[str, ...] = ()

    def and_of_sender(self, other: Reaction) -> Reaction:
        """What follows in all, with what does for the sender: the wider of what the envelope waits for counts."""
        if other is NOTHING:
            return self
        return Reaction(
            other.waits if self.waits is Scope.ENVELOPE else self.waits,
            self.closed + other.closed,
            self.opened,
            self.is_noted or other.is_noted,
            self.opened_senders + other.opened_senders,
        )


NOTHING = Reaction()
NOTED = Reaction(is_noted=True)
