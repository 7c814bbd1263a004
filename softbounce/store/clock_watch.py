"""Watches the store's clock against one that never steps: a clock that was set wrong must end no mail.

The store's time decides what is due and what has expired. Set five days ahead it would promote all mail at once. So a
step of more than a minute stops promotion until the clock is back, or the process is started anew by someone who
believes it. Drift is followed: no two machines agree for ever. Logs nothing; the caller does.
"""

from __future__ import annotations

import time

__all__ = ["ClockWatch", "steady_seconds"]

STEP = 1.0
"""Seconds by which the clocks may move apart between two looks and still be drifting, or late answers."""
FAR = 60.0


class ClockWatch:
    """What the store's clock said so far.

    :ivar is_far: it is more than a minute from where it should be: nothing may be promoted by it.
    """

    def __init__(self) -> None:
        self.is_far = False
        self._last: float | None = None
        self._trusted = 0.0

    def look(self, store_ms: int, at: float) -> bool:
        """Take note of the store's time as it was at a moment of :func:`steady_seconds`.

        :returns: whether it stepped since the last look, so that leases on it may seem to have ended.
        """
        ahead = store_ms / 1000 - at
        last, self._last = self._last, ahead
        if last is None:
            self._trusted = ahead
            return False
        self.is_far = abs(ahead - self._trusted) > FAR
        if not self.is_far:
            self._trusted = ahead
        return abs(ahead - last) > STEP


def steady_seconds() -> float:
    """Seconds of a clock of this machine that nobody can set; where the system has one, it counts while that sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
