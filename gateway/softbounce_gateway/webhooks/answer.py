"""What a receiver answered to an event, and what that means, for the event and for all others that wait. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum

__all__ = ["Answer", "Meaning", "meaning_of", "read_retry_after"]

GONE_410, TOO_MANY_429, UNAVAILABLE_503 = 410, 429, 503
SHORTEST_STATED, LONGEST_STATED = timedelta(seconds=1), timedelta(hours=1)
"""Between these an answer's own wait is believed: none makes us call without a pause, or stay away for a week."""
DIGITS = 9


class Meaning(Enum):
    """What an answer means."""

    TAKEN = "taken"
    GONE = "gone"  # it wants no more, ever
    AWAY = "away"  # it can take nothing now, whatever it is
    REFUSED = "refused"  # it did not take this one


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one attempt.

    :ivar code: 0: none came.
    :ivar words: the same for people; safe to print.
    :ivar is_connected: there was a connection.
    :ivar stated: how long it asks us to wait.
    :ivar body: the beginning of what it said.
    """

    code: int
    words: str
    is_connected: bool = True
    stated: timedelta | None = None
    body: bytes = b""

    @property
    def rule(self) -> str:
        """By what name a policy knows it."""
        return f"webhook:{self.code or ('silent' if self.is_connected else 'connect')}"


def meaning_of(answer: Answer) -> Meaning:
    """What it means. A redirection is followed nowhere and is no answer."""
    if answer.code == 0:
        return Meaning.REFUSED if answer.is_connected else Meaning.AWAY
    if 200 <= answer.code < 300:  # noqa: PLR2004 - RFC 9110 §15.3
        return Meaning.TAKEN
    if answer.code == GONE_410:
        return Meaning.GONE
    return Meaning.AWAY if answer.code in {TOO_MANY_429, UNAVAILABLE_503} else Meaning.REFUSED


def read_retry_after(text: str, now: datetime) -> timedelta | None:
    """How long a ``Retry-After`` (RFC 9110 §10.2.3) asks to wait, within bounds; ``None``: it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        wait = timedelta(seconds=int(text[:DIGITS]))
    else:
        try:
            until = parsedate_to_datetime(text[:64])
        except (ValueError, TypeError, OverflowError):
            return None
        wait = (until if until.tzinfo else until.replace(tzinfo=UTC)) - now
    return min(max(wait, SHORTEST_STATED), LONGEST_STATED)
