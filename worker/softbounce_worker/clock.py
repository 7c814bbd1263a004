"""The store's clock, as a worker knows it: what the lease's last renewal told, carried on by a clock that never steps.

The machine's wall clock is not asked for: set an hour ahead, it would promote and delay mail that has time.
"""

from __future__ import annotations

import time

from softbounce.store.clock_watch import ClockWatch

__all__ = ["StoreClock"]


class StoreClock:
    """Milliseconds of the store's clock. One writer, many readers, of one machine word: no lock needed."""

    def __init__(self) -> None:
        self._ahead_ms = time.time() * 1000 - time.monotonic() * 1000  # until the store has said better
        self._watch = ClockWatch()

    @property
    def may_promote(self) -> bool:
        """Whether the store's clock can be believed so far that mail is ended by it without another attempt."""
        return not self._watch.is_far

    def now_ms(self) -> int:
        """The store's now."""
        return int(time.monotonic() * 1000 + self._ahead_ms)

    def set(self, store_ms: int, sent_at: float, received_at: float) -> None:
        """Correct by what the store said between two readings of :func:`time.monotonic`."""
        self._ahead_ms = store_ms - (sent_at + received_at) * 500
        self._watch.look(store_ms, (sent_at + received_at) / 2)
