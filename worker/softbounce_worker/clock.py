"""The store's time, as a worker knows it: what the lease's last renewal told, carried on by a clock that never steps.

The machine's wall clock is not asked for: set an hour ahead, it would promote and delay mail that has time. Nor is what
the store tells followed, unless a scheduler has noted a time close to it: the server's clock may have been set, and the
scheduler alone decides what is right then.
"""

from __future__ import annotations

import time

from softbounce.store.clock import StoreTime
from softbounce.store.clock_watch import LATE, believable_ms, steady_seconds

__all__ = ["StoreClock", "is_vouched"]

VOUCHED_MS = 50_000
"""A scheduler notes the time every ten seconds. Less than the step that it corrects, so that none passes for both."""


def is_vouched(told: StoreTime) -> bool:
    """Whether a scheduler noted nearly the same time a moment ago."""
    return abs(told.now_ms - told.noted_ms) < VOUCHED_MS


class StoreClock:
    """Milliseconds of the store's time. One writer, many readers, of one machine word: no lock needed.

    :ivar may_promote: whether the store's clock can be believed so far that mail is ended by it.
    """

    def __init__(self) -> None:
        self.may_promote = False
        self._is_set = False
        self._ahead_ms = time.time() * 1000 - steady_seconds() * 1000  # until the store has said better

    def now_ms(self) -> int:
        """The store's now."""
        return int(steady_seconds() * 1000 + self._ahead_ms)

    def set(self, told: StoreTime, asked_at: float, answered_at: float) -> None:
        """Correct by what the store said between two readings of :func:`steady_seconds`."""
        if answered_at - asked_at > LATE:
            return
        at = (asked_at + answered_at) / 2
        if is_vouched(told):
            self._ahead_ms = told.now_ms - at * 1000
        elif not self._is_set:
            self._ahead_ms = believable_ms(told, at) - at * 1000
        self._is_set = True
        self.may_promote = told.correction_ms == 0 and abs(at * 1000 + self._ahead_ms - told.now_ms) < VOUCHED_MS
