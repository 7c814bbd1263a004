"""What is known of an envelope when a decision about it is made: its clock and its past attempts.

A history is values only. It is taken from a stored record (:meth:`History.of`) or written by hand in a test or a plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from softbounce.duration import from_epoch_ms
from softbounce.envelope import Attempt, Record

__all__ = ["History"]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The past of one envelope.

    :ivar id: the envelope's id; its message seeds the jitter.
    :ivar created_at: when it was accepted, by the store's clock; aware, UTC.
    :ivar at: not before this instant, where the send said so.
    :ivar held: how long holds that stop the window have lasted so far.
    :ivar window: the send's own window, or the one that an operator chose, which outrank every other.
    :ivar is_window_set: an operator did.
    :ivar attempts: the recorded attempts in order. For :func:`softbounce.decide.decide` those before the one being
        judged; for :func:`softbounce.decide.rederive` all.
    :ivar forgotten: charged attempts that are recorded no more: of a long history only some are kept.
    """

    id: bytes
    created_at: datetime
    at: datetime | None = None
    held: timedelta = timedelta(0)
    window: timedelta | None = None
    is_window_set: bool = False
    attempts: Sequence[Attempt] = ()
    forgotten: int = 0

    @classmethod
    def of(cls, record: Record) -> History:
        """The history in a stored record. A hold that still lasts is not counted: expiry stands still meanwhile."""
        envelope = record.envelope
        window_ms = envelope.set_window_ms or envelope.window_ms
        return cls(
            id=record.id,
            created_at=from_epoch_ms(record.created_ms),
            at=None if envelope.at_ms is None else from_epoch_ms(envelope.at_ms),
            held=timedelta(milliseconds=envelope.held_ms),
            window=None if window_ms is None else timedelta(milliseconds=window_ms),
            is_window_set=bool(envelope.set_window_ms),
            attempts=envelope.attempts,
            forgotten=max(0, record.charged - _charged(envelope.attempts)),
        )

    @property
    def starts_at(self) -> datetime:
        """When the first attempt may start, and the window begins."""
        return self.created_at if self.at is None else max(self.created_at, self.at)

    @property
    def charged(self) -> int:
        """How many attempts advanced the backoff: the real contacts with the remote."""
        return self.forgotten + _charged(self.attempts)

    @property
    def last_charged(self) -> Attempt | None:
        """The latest charged attempt."""
        return next((attempt for attempt in reversed(self.attempts) if attempt.charged), None)

    def judged_in_a_row(self, rule: str) -> int:
        """How many of the latest charged attempts that rule judged without another in between."""
        count = 0
        for attempt in reversed(self.attempts):
            if not attempt.charged:
                continue
            if attempt.rule != rule:
                break
            count += 1
        return count

    @property
    def stated_in_a_row(self) -> int:
        """After how many of the latest charged attempts the host stated how long to wait, without another between."""
        count = 0
        for attempt in reversed(self.attempts):
            if not attempt.charged:
                continue
            if attempt.stated_ms is None:
                break
            count += 1
        return count


def _charged(attempts: Sequence[Attempt]) -> int:
    return sum(attempt.charged for attempt in attempts)
