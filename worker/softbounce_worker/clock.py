"""The store's time, as a worker knows it: what the lease's last renewal told, carried on by a clock that never steps.

The machine's wall clock is not asked for: set an hour ahead, it would promote and delay mail that has time. Nor is a
step of the store's followed, until the scheduler has corrected it or it is back.
"""

from __future__ import annotations

import time

from softbounce.store.clock import StoreTime
from softbounce.store.clock_watch import ClockWatch, steady_seconds

__all__ = ["StoreClock"]


class StoreClock:
    """Milliseconds of the store's time. One writer, many readers, of one machine word: no lock needed."""

    def __init__(self) -> None:
        self._ahead_ms = time.time() * 1000 - steady_seconds() * 1000  # until the store has said better
        self._watch = ClockWatch()

    @property
    def may_promote(self) -> bool:
        """Whether the store's clock can be believed so far that mail is ended by it."""
        return not self._watch.is_far

    def now_ms(self) -> int:
        """The store's now."""
        return int(steady_seconds() * 1000 + self._ahead_ms)

    def set(self, told: StoreTime, asked_at: float, answered_at: float) -> None:
        """Correct by what the store said between two readings of :func:`steady_seconds`."""
        self._watch.look(told, asked_at, answered_at)
        if self._watch.has_looked:
            self._ahead_ms = self._watch.time_ms(0)
